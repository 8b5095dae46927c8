//! Names from string tables, with a limit on how far a terminator is looked for: many symbols that all
//! point into one long string must not cost the product of the two.

use std::borrow::Cow;

use crate::ObjectError;
use crate::limits::Budget;

/// Longest name that is read; the kernel's own symbols end at 512 bytes.
const LONGEST: usize = 4096;

/// The name at an offset of a string table; empty if it is outside, cut if it is too long.
pub(super) fn name_at<'d>(
    strings: &'d [u8],
    offset: u32,
    budget: &mut Budget,
) -> Result<Cow<'d, str>, ObjectError> {
    let rest = strings.get(offset as usize..).unwrap_or_default();
    let window = &rest[..rest.len().min(LONGEST)];
    let end = window.iter().position(|&b| b == 0).unwrap_or(window.len());
    let name = String::from_utf8_lossy(&window[..end]);
    // What is not UTF-8 is repaired in a copy.
    if let Cow::Owned(copy) = &name {
        budget.take(copy.capacity(), 1, "the names")?;
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn names_end_at_zero_or_at_the_limit() {
        let mut budget = Budget::new(&Limits { bytes: 100, ..Limits::default() });
        let mut name = |strings: &[u8], at| name_at(strings, at, &mut budget).map(|n| n.into_owned());
        assert_eq!(name(b"\0ab\0c", 1).unwrap(), "ab");
        assert_eq!(name(b"\0ab\0c", 4).unwrap(), "c");
        assert_eq!(name(b"\0ab", 9).unwrap(), "");
        assert_eq!(name(&[b'x'; 10_000], 0).unwrap().len(), LONGEST);
        assert!(name(&[0xff; 200], 0).unwrap_err().is_limit());
    }
}
