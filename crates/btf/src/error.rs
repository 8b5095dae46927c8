//! What can be wrong with BTF, and where.

use std::fmt;

use crate::TypeId;

/// Why a piece of BTF (or `.BTF.ext`) can't be read, built or walked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BtfError {
    what: String,
    offset: Option<usize>,
    type_id: Option<TypeId>,
}

impl BtfError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), offset: None, type_id: None }
    }

    pub(crate) fn at(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }

    pub(crate) fn in_type(mut self, id: TypeId) -> Self {
        self.type_id = Some(id);
        self
    }

    /// Where in the input the trouble is, in bytes from its start, if it has a place.
    pub fn offset(&self) -> Option<usize> {
        self.offset
    }

    /// The type that is wrong, if it is one type.
    pub fn type_id(&self) -> Option<TypeId> {
        self.type_id
    }
}

impl fmt::Display for BtfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = self.type_id {
            write!(f, "type [{}]: ", id.0)?;
        }
        f.write_str(&self.what)?;
        if let Some(offset) = self.offset {
            write!(f, " (at byte {offset:#x})")?;
        }
        Ok(())
    }
}

impl std::error::Error for BtfError {}
