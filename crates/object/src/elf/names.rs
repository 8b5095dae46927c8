//! Names from string tables, with a limit on how far a terminator is looked for: many symbols that all
//! point into one long string must not cost the product of the two.

use std::borrow::Cow;

/// Longest name that is read; the kernel's own symbols end at 512 bytes.
const LONGEST: usize = 4096;

/// The name at an offset of a string table; empty if it is outside, cut if it is too long.
pub(super) fn name_at(strings: &[u8], offset: u32) -> Cow<'_, str> {
    let rest = strings.get(offset as usize..).unwrap_or_default();
    let window = &rest[..rest.len().min(LONGEST)];
    let end = window.iter().position(|&b| b == 0).unwrap_or(window.len());
    String::from_utf8_lossy(&window[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_at_zero_or_at_the_limit() {
        assert_eq!(name_at(b"\0ab\0c", 1), "ab");
        assert_eq!(name_at(b"\0ab\0c", 4), "c");
        assert_eq!(name_at(b"\0ab", 9), "");
        assert_eq!(name_at(&[b'x'; 10_000], 0).len(), LONGEST);
    }
}
