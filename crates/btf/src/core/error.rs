//! Why a relocation can't be solved or applied, and what was looked at.

use std::fmt;

use super::RelocKind;
use crate::{BtfError, TypeId};

/// A relocation that is wrong in itself, ambiguous, or at odds with its instruction. That a type or field
/// does not exist is no error: see [`Unresolved`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoreError {
    what: String,
    ambiguous: bool,
}

impl CoreError {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ambiguous: false }
    }

    pub(super) fn ambiguous(what: String) -> Self {
        Self { what, ambiguous: true }
    }

    /// Whether several types of the target matched, and differ.
    pub fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }
}

impl From<BtfError> for CoreError {
    fn from(e: BtfError) -> Self {
        Self::new(e.to_string())
    }
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for CoreError {}

/// What was looked for in vain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unresolved {
    /// What was asked for.
    pub kind: RelocKind,
    /// The local access, as C would write it (`struct task_struct.pid`).
    pub local: String,
    /// The types of the same name that were looked at: BTF (0 is the target, then its modules), id, and
    /// why each does not do.
    pub candidates: Vec<(usize, TypeId, String)>,
    /// The name in the first candidate that is most like the one that is missing.
    pub nearest: Option<String>,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of `{}`: ", self.kind.name(), self.local)?;
        match self.candidates.as_slice() {
            [] => f.write_str("the target has no type of this name and kind")?,
            [(_, id, why)] => write!(f, "type {id} {why}")?,
            [(_, id, why), rest @ ..] => write!(f, "type {id} {why}, nor do {} others fit", rest.len())?,
        }
        match &self.nearest {
            Some(name) => write!(f, "; `{name}` is the nearest name"),
            None => Ok(()),
        }
    }
}

/// The name that is nearest to `wanted`, if any is near.
pub(super) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = wanted.len().div_ceil(3).min(5);
    let near = names.filter(|n| !n.is_empty() && n.len().abs_diff(wanted.len()) <= limit);
    near.map(|n| (distance(wanted.as_bytes(), n.as_bytes()), n))
        .filter(|d| d.0 <= limit)
        .min_by_key(|d| d.0)
        .map(|d| d.1)
}

/// Edit distance, by rows.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name() {
        let names = ["pid", "tgid", "real_parent", ""];
        assert_eq!(nearest("tgpid", names.into_iter()), Some("tgid"));
        assert_eq!(nearest("real_parents", names.into_iter()), Some("real_parent"));
        assert_eq!(nearest("utime", names.into_iter()), None);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
    }
}
