//! Why a filter does not compile, and where.

use std::fmt;
use std::ops::Range;

use skep_diag::{Diagnostic, Source};

/// A message without a place, as code generation gives it; the parser knows the place.
#[derive(Debug)]
pub(crate) struct Fail(pub(crate) String);

impl From<String> for Fail {
    fn from(text: String) -> Fail {
        Fail(text)
    }
}

impl From<&str> for Fail {
    fn from(text: &str) -> Fail {
        Fail(text.to_string())
    }
}

/// Returns a [`Fail`] with a formatted message.
macro_rules! fail {
    ($($arg:tt)*) => {
        return Err($crate::error::Fail(format!($($arg)*)))
    };
}
pub(crate) use fail;

/// A filter that does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    message: String,
    span: Range<usize>,
}

impl Error {
    pub(crate) fn new(message: String, span: Range<usize>) -> Error {
        Error { message, span }
    }

    /// The message alone, in libpcap's words where libpcap refuses the same.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The bytes of the expression that are at fault.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// With the expression and a mark under the part at fault.
    pub fn diagnostic(&self, expression: &str) -> Diagnostic {
        Diagnostic::error(self.message.clone()).source(Source::new("filter", expression)).primary(
            0,
            self.span(),
            "here",
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
