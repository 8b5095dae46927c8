//! How people name objects: by id, name, tag or path.

use std::path::PathBuf;

use super::Kind;

/// One object, or several of a name or a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Its id.
    Id(u32),
    /// Its name: whole, or as the kernel cut it.
    Name(String),
    /// The digest of its instructions; programs only.
    Tag([u8; 8]),
    /// Where it is pinned.
    Pinned(PathBuf),
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "id {id}"),
            Self::Name(name) => write!(f, "name {name}"),
            Self::Tag(tag) => {
                f.write_str("tag ")?;
                tag.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
            Self::Pinned(path) => write!(f, "pinned {}", path.display()),
        }
    }
}

/// Sixteen hex digits.
pub fn parse_tag(text: &str) -> Option<[u8; 8]> {
    if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(text, 16).ok().map(u64::to_be_bytes)
}

/// Nothing answers to a selector.
pub(super) fn none(kind: Kind, selector: &Selector) -> skep_backend::Error {
    let message = format!("no {} with {selector}", super::word(kind));
    skep_backend::Error::new(skep_backend::ErrorKind::NotFound, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_eight_bytes_in_order() {
        let tag = parse_tag("6deef7357e7b4530").expect("is one");
        assert_eq!(Selector::Tag(tag).to_string(), "tag 6deef7357e7b4530");
        assert_eq!(parse_tag("+deef7357e7b4530"), None);
        assert_eq!(parse_tag("6deef7357e7b453"), None);
    }
}
