//! The string section: NUL-terminated strings, named by their offset.
//!
//! C identifiers are ASCII, but the section also holds source lines and the contents of attributes, in
//! whatever encoding the source had. The text is therefore kept with every byte that is not UTF-8
//! replaced by `?` (one for one, so that offsets hold), and the original beside it if it differed.

use crate::BtfError;

/// A string section; always starts and ends with a NUL, but for an empty one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strings {
    text: String,
    original: Option<Vec<u8>>,
}

impl Strings {
    /// Takes over a section. `split` sections extend a base and need not begin with the empty string.
    pub(crate) fn parse(bytes: &[u8], split: bool) -> Result<Self, BtfError> {
        match (bytes.first(), bytes.last()) {
            (None, None) => return Ok(Self::default()),
            (_, Some(&last)) if last != 0 => {
                return Err(BtfError::new("string section does not end with a zero byte"));
            }
            (Some(&first), _) if first != 0 && !split => {
                return Err(BtfError::new("string section does not begin with the empty string"));
            }
            _ => {}
        }
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Self { text: text.to_owned(), original: None },
            Err(_) => Self { text: replace_invalid(bytes), original: Some(bytes.to_vec()) },
        })
    }

    /// From text that already is a section.
    pub(crate) fn from_text(text: String) -> Self {
        Self { text, original: None }
    }

    /// The section as text, offsets kept.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// The section, byte for byte.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.original.as_deref().unwrap_or(self.text.as_bytes())
    }

    /// The string at an offset, without its NUL.
    pub(crate) fn get(&self, offset: usize) -> Option<&str> {
        let rest = self.text.get(offset..)?;
        rest.find('\0').map(|end| &rest[..end])
    }

    /// Whether [`Self::get`] finds something there: cheaper, for checks.
    pub(crate) fn holds(&self, offset: usize) -> bool {
        offset < self.text.len() && self.text.is_char_boundary(offset)
    }
}

/// As `String::from_utf8_lossy`, but with one ASCII byte for each byte replaced.
fn replace_invalid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_hold_over_bytes_that_are_not_text() {
        let s = Strings::parse(b"\0caf\xe9 \xff\0int\0", false).unwrap();
        assert_eq!(s.get(1), Some("caf? ?"));
        assert_eq!(s.get(8), Some("int"));
        assert_eq!(s.bytes(), b"\0caf\xe9 \xff\0int\0");
        assert_eq!(s.get(12), None);
    }

    #[test]
    fn ends_are_checked() {
        assert!(Strings::parse(b"\0int", false).is_err());
        assert!(Strings::parse(b"int\0", false).is_err());
        assert!(Strings::parse(b"int\0", true).is_ok());
        assert_eq!(Strings::parse(b"", false).unwrap().get(0), None);
    }
}
