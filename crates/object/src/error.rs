//! Why a file, or a part of it, could not be read: an opaque error that says where.

use std::fmt;

/// Why an object could not be read. Opaque: ask it where and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectError(Box<Inner>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Inner {
    message: String,
    file: Option<String>,
    section: Option<String>,
    offset: Option<u64>,
    symbol: Option<String>,
    hint: Option<String>,
    over_limit: bool,
}

impl ObjectError {
    /// An error: lower case, no full stop.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Inner { message: cut(message.into()), ..Inner::default() }))
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        let texts = [&self.0.section, &self.0.symbol, &self.0.hint];
        let texts: usize = texts.iter().filter_map(|t| t.as_ref()).map(String::len).sum();
        size_of::<Inner>() + self.0.message.len() + texts
    }

    /// The same, with its section; the innermost one that was set stays.
    #[must_use]
    pub(crate) fn in_section(mut self, section: impl AsRef<str>) -> Self {
        self.0.section.get_or_insert_with(|| cut(section));
        self
    }

    /// The same, with the file that it is about, where there are several.
    #[must_use]
    pub(crate) fn in_file(mut self, file: impl AsRef<str>) -> Self {
        self.0.file.get_or_insert_with(|| cut(file));
        self
    }

    /// The same, with its offset in bytes in the section.
    #[must_use]
    pub(crate) fn at(mut self, offset: u64) -> Self {
        self.0.offset.get_or_insert(offset);
        self
    }

    /// The same, with the symbol that it is about.
    #[must_use]
    pub(crate) fn on_symbol(mut self, symbol: impl AsRef<str>) -> Self {
        self.0.symbol.get_or_insert_with(|| cut(symbol));
        self
    }

    /// The same, with what to do about it.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The same, marked as a limit of ours rather than a fault of the file.
    #[must_use]
    pub(crate) fn over_limit(mut self) -> Self {
        self.0.over_limit = true;
        self
    }

    /// The file that it is about, where several were given.
    pub fn file(&self) -> Option<&str> {
        self.0.file.as_deref()
    }

    /// The section that it is about.
    pub fn section(&self) -> Option<&str> {
        self.0.section.as_deref()
    }

    /// Offset in bytes in the section, or in the file if there is no section.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// The symbol that it is about.
    pub fn symbol(&self) -> Option<&str> {
        self.0.symbol.as_deref()
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether a limit of [`crate::Limits`] was met, rather than a fault in the file.
    pub fn is_limit(&self) -> bool {
        self.0.over_limit
    }
}

/// Text of the file in an error is cut: many errors about one long name must not cost the product of the two.
pub(crate) fn cut(text: impl AsRef<str>) -> String {
    const LONGEST: usize = 512;
    let text = text.as_ref();
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(LONGEST)])
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { message, file, section, offset, symbol, .. } = &*self.0;
        if let Some(file) = file {
            write!(f, "{file}: ")?;
        }
        if let Some(section) = section {
            write!(f, "section `{section}`")?;
            if let Some(offset) = offset {
                write!(f, " at {offset:#x}")?;
            }
            f.write_str(": ")?;
        } else if let Some(offset) = offset {
            write!(f, "at {offset:#x}: ")?;
        }
        if let Some(symbol) = symbol {
            write!(f, "symbol `{symbol}`: ")?;
        }
        f.write_str(message)
    }
}

impl std::error::Error for ObjectError {}
