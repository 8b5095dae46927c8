//! One diagnostic for every part of skep: a code, a title, labels on one or more sources, notes, a fix.
//! Rendering is separate: see [`render`](crate) consumers.
#![forbid(unsafe_code)]

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Nothing can go on.
    Error,
    /// It goes on, and somebody should know.
    Warning,
}

/// One source text that labels point into (C, bytecode, filter text, trace text, P4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What to call it: a path, `<stdin>`, `bytecode`.
    pub name: String,
    /// The text.
    pub text: String,
    /// The number of the text's first line, 1 unless it is an excerpt.
    pub first_line: usize,
}

/// A remark on a range of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Index into [`Diagnostic::sources`].
    pub source: usize,
    /// Range in bytes.
    pub span: core::ops::Range<usize>,
    /// What to say there.
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
    pub span: core::ops::Range<usize>,
    /// The new text.
    pub replacement: String,
}

/// One finding. At most one primary label and three others, in causal order.
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
