//! A budget for what a Spec may hold, so that a small hostile file cannot make a large one.
//!
//! Everything that is copied out of the file, or multiplied (a subprogram is appended to each program that
//! calls it), is charged here before it is allocated.

use crate::ObjectError;

/// How much a Spec may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of code, data, names and records that a Spec may hold in all. BTF is bounded by its own parser.
    pub bytes: usize,
    /// Sections of the file.
    pub sections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 256 << 20, sections: 65_536 }
    }
}

/// What is left of [`Limits::bytes`].
#[derive(Debug)]
pub(crate) struct Budget {
    left: usize,
    limit: usize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { left: limits.bytes, limit: limits.bytes }
    }

    /// Takes room for `count` things of `size` bytes.
    pub(crate) fn take(&mut self, count: usize, size: usize, what: &str) -> Result<(), ObjectError> {
        let left = count.checked_mul(size).and_then(|bytes| self.left.checked_sub(bytes));
        self.left = left.ok_or_else(|| {
            ObjectError::new(format!("{what} would pass the limit of {} bytes", self.limit))
                .with_hint("raise `Limits::bytes` if the file is trusted")
                .over_limit()
        })?;
        Ok(())
    }
}
