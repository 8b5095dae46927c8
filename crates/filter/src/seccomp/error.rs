//! A policy that can't be read.

use std::fmt;
use std::ops::Range;

use skep_diag::{Diagnostic, Source};

/// What is wrong with a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    message: String,
    hint: Option<String>,
    span: Range<usize>,
}

impl PolicyError {
    pub(super) fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { message: message.into(), hint: None, span }
    }

    pub(super) fn hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }

    /// The bytes of the policy that are at fault; empty where there is no such place.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// With the policy's text and a mark under the part at fault.
    pub fn diagnostic(&self, name: &str, text: &str) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.message.clone()).source(Source::new(name, text));
        if !self.span.is_empty() {
            diagnostic = diagnostic.primary(0, self.span(), "here");
        }
        self.hint.iter().fold(diagnostic, |d, hint| d.note(hint.clone()))
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PolicyError {}
