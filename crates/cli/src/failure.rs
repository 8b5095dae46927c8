//! Why a command could not do what it was asked: a message, perhaps a hint, perhaps a place in a source.

use skep::diag::Diagnostic;

/// Ends a command. The exit code is 2 unless a verdict was what failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// What is wrong with a source, if that is what it is; shown instead of the message.
    pub(crate) diagnostics: Vec<Diagnostic>,
    broken_pipe: bool,
    negative: bool,
}

impl Failure {
    /// Lower case, no full stop.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            diagnostics: Vec::new(),
            broken_pipe: false,
            negative: false,
        }
    }

    /// Findings with their places in a source.
    pub(crate) fn diagnosed(diagnostics: Vec<Diagnostic>) -> Self {
        let message = diagnostics.first().map(|d| d.title.clone()).unwrap_or_default();
        Self { diagnostics, ..Self::new(message) }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn hint_opt(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into).or(self.hint);
        self
    }

    /// Puts what was being done in front: `file.o: not an ELF file`.
    pub(crate) fn context(mut self, what: impl std::fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Something was judged and found wanting (exit 1), rather than not judged (exit 2).
    pub(crate) fn negative(mut self) -> Self {
        self.negative = true;
        self
    }

    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }

    pub(crate) fn exit_code(&self) -> u8 {
        if self.negative { 1 } else { 2 }
    }
}

/// Only stdout is written without a context of its own, so this is where a reader that went away shows.
impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        let broken_pipe = e.kind() == std::io::ErrorKind::BrokenPipe;
        Self { broken_pipe, ..Self::new(format!("stdout: {}", reason(&e))) }
    }
}

/// What the system said, in our manner: `no such file or directory`, without the number.
pub(crate) fn reason(e: &std::io::Error) -> String {
    let text = e.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    match chars.next() {
        Some(c) => c.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
