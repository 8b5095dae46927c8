//! One diagnostic for every part of skep: a code, a title, labels on one or more sources (C, bytecode, filter text,
//! trace text, P4), notes, a fix.
//!
//! A diagnostic is data. [`render`] makes text of it and [`Report`] makes plain data with lines and columns for
//! machines; either may be replaced. The manners are rustc's: the title says what is wrong, the primary label where it
//! broke, at most [`MAX_SECONDARY`] secondary labels in causal order what made it so, notes hold facts that belong to
//! no place, and a fix is one that is known to help.
//!
//! ```
//! use skep_diag::{Diagnostic, Source};
//!
//! let source = Source::new("drop.bpf", "r0 = 1\nr1 = r11\nexit\n");
//! let found = Diagnostic::error("there is no register r11")
//!     .source(source)
//!     .primary(0, 12..15, "registers end at r10")
//!     .note("r10 is the frame pointer");
//! assert_eq!(found.place(), Some(("drop.bpf", 2, 6)));
//! ```
#![forbid(unsafe_code)]

mod code;
#[cfg(feature = "render")]
pub mod render;
mod report;
mod source;

use core::ops::Range;

pub use code::Code;
pub use report::{Report, ReportFix, ReportSpan};
pub use source::Source;

/// Secondary labels that a diagnostic has at most.
pub const MAX_SECONDARY: usize = 3;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Nothing can go on.
    Error,
    /// It goes on, and somebody should know.
    Warning,
}

impl Severity {
    /// The word for it: `error`, `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// A remark on a range of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Index into [`Diagnostic::sources`].
    pub source: usize,
    /// Range in bytes.
    pub span: Range<usize>,
    /// What to say there; empty to point only.
    pub text: String,
}

/// A replacement that helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as an imperative.
    pub title: String,
    /// Index into [`Diagnostic::sources`].
    pub source: usize,
    /// Range in bytes that is replaced.
    pub span: Range<usize>,
    /// The new text.
    pub replacement: String,
}

/// One finding. At most one primary label and [`MAX_SECONDARY`] others, in causal order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Code such as `V0301`, which `skep explain` knows.
    pub code: Option<&'static str>,
    /// How bad.
    pub severity: Severity,
    /// Lower case, no full stop.
    pub title: String,
    /// The texts that labels point into.
    pub sources: Vec<Source>,
    /// Where it broke.
    pub primary: Option<Label>,
    /// What made it so, in causal order.
    pub secondary: Vec<Label>,
    /// Facts that belong to no place.
    pub notes: Vec<String>,
    /// What to do.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// An error with this title.
    pub fn error(title: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, title.into())
    }

    /// A warning with this title.
    pub fn warning(title: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, title.into())
    }

    fn new(severity: Severity, title: String) -> Diagnostic {
        Diagnostic {
            code: None,
            severity,
            title,
            sources: Vec::new(),
            primary: None,
            secondary: Vec::new(),
            notes: Vec::new(),
            fix: None,
        }
    }

    /// Gives it a code of a registry.
    pub fn code(mut self, code: &'static Code) -> Diagnostic {
        self.code = Some(code.id);
        self
    }

    /// Adds a source. Labels name sources by their index, in the order in which they were added.
    pub fn source(mut self, source: Source) -> Diagnostic {
        self.sources.push(source);
        self
    }

    /// Says where it broke; the last call holds.
    pub fn primary(mut self, source: usize, span: Range<usize>, text: impl Into<String>) -> Diagnostic {
        self.primary = Some(Label { source, span, text: text.into() });
        self
    }

    /// Adds what made it so; call in causal order. Beyond [`MAX_SECONDARY`] the first stays, being the origin, and the
    /// oldest of the others gives way.
    pub fn because(mut self, source: usize, span: Range<usize>, text: impl Into<String>) -> Diagnostic {
        if self.secondary.len() >= MAX_SECONDARY {
            self.secondary.truncate(MAX_SECONDARY);
            self.secondary.remove(1);
        }
        self.secondary.push(Label { source, span, text: text.into() });
        self
    }

    /// Adds a fact that belongs to no place.
    pub fn note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    /// Says what to do: replace a range of a source.
    pub fn fix(
        mut self,
        title: impl Into<String>,
        source: usize,
        span: Range<usize>,
        replacement: impl Into<String>,
    ) -> Diagnostic {
        self.fix = Some(Fix { title: title.into(), source, span, replacement: replacement.into() });
        self
    }

    /// Name of the source, line and column (both from 1, columns in characters) of the primary label.
    pub fn place(&self) -> Option<(&str, usize, usize)> {
        let label = self.primary.as_ref()?;
        let source = self.sources.get(label.source)?;
        let (line, column) = source.line_column(label.span.start);
        Some((&source.name, line, column))
    }
}

impl core::fmt::Display for Diagnostic {
    /// One line: place, severity, code and title.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if let Some((name, line, column)) = self.place() {
            write!(f, "{name}:{line}:{column}: ")?;
        }
        f.write_str(self.severity.name())?;
        if let Some(code) = self.code {
            write!(f, "[{code}]")?;
        }
        write!(f, ": {}", self.title)
    }
}

impl core::error::Error for Diagnostic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_and_the_latest_causes_stay() {
        let mut found = Diagnostic::error("bad").source(Source::new("a", "0123456789"));
        for place in 0..6 {
            found = found.because(0, place..place + 1, place.to_string());
        }
        let kept: Vec<_> = found.secondary.iter().map(|label| label.text.as_str()).collect();
        assert_eq!(kept, ["0", "4", "5"]);
    }

    #[test]
    fn one_line_says_place_severity_code_and_title() {
        static CODE: Code = Code { id: "T0001", title: "a test", story: "" };
        let found = Diagnostic::warning("odd");
        assert_eq!(found.to_string(), "warning: odd");
        let found = found.code(&CODE).source(Source::new("a", "x\nyz")).primary(0, 3..4, "");
        assert_eq!(found.to_string(), "a:2:2: warning[T0001]: odd");
    }
}
