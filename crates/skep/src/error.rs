//! What can go wrong between bytes and r0: one opaque error that answers questions.

use skep_diag::Diagnostic;
use skep_vm::{ImageError, MemoryError, Trap};

/// Why a program could not be made ready, or did not return. Opaque: ask it.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    message: String,
    hint: Option<String>,
    cause: Option<Cause>,
}

#[derive(Debug)]
enum Cause {
    Assembly(Diagnostic),
    Image(ImageError),
    Trap(Trap),
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Lower case, no full stop.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Inner { message: message.into(), hint: None, cause: None }))
    }

    #[must_use]
    pub(crate) fn hint_is(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    fn because(mut self, cause: Cause) -> Self {
        self.0.cause = Some(cause);
        self
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The trap, if the program was running.
    pub fn trap(&self) -> Option<&Trap> {
        match &self.0.cause {
            Some(Cause::Trap(t)) => Some(t),
            _ => None,
        }
    }

    /// What is wrong with the assembler text, with its place, if it was that.
    pub fn diagnostic(&self) -> Option<&Diagnostic> {
        match &self.0.cause {
            Some(Cause::Assembly(d)) => Some(d),
            _ => None,
        }
    }

    /// Whether there is no native code to be had here. The interpreter serves.
    pub fn no_jit(&self) -> bool {
        matches!(&self.0.cause, Some(Cause::Image(e)) if e.no_jit())
    }

    /// Slot of the instruction that is at fault, where one is.
    pub fn slot(&self) -> Option<usize> {
        match &self.0.cause {
            Some(Cause::Image(e)) => Some(e.slot()),
            Some(Cause::Trap(t)) => t.slot(),
            _ => None,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.0.cause.as_ref()? {
            Cause::Image(e) => Some(e),
            Cause::Trap(t) => Some(t),
            Cause::Other(e) => Some(e.as_ref()),
            Cause::Assembly(_) => None,
        }
    }
}

impl From<Diagnostic> for Error {
    fn from(d: Diagnostic) -> Self {
        Self::new(d.title.clone()).because(Cause::Assembly(d))
    }
}

impl From<ImageError> for Error {
    fn from(e: ImageError) -> Self {
        let new = Self::new(e.to_string());
        match e.missing_helper() {
            Some(id) => new.hint_is(format!("register it: `vm.helper({id}, |a: u64, b: u64| ...)`")),
            None => new,
        }
        .because(Cause::Image(e))
    }
}

impl From<Trap> for Error {
    fn from(t: Trap) -> Self {
        Self::new(t.to_string()).because(Cause::Trap(t))
    }
}

impl From<MemoryError> for Error {
    fn from(e: MemoryError) -> Self {
        Self::new(e.to_string()).because(Cause::Other(e.into()))
    }
}

impl From<skep_isa::LengthError> for Error {
    fn from(e: skep_isa::LengthError) -> Self {
        Self::new(e.to_string()).because(Cause::Other(Box::new(e)))
    }
}

impl From<skep_object::ObjectError> for Error {
    fn from(e: skep_object::ObjectError) -> Self {
        let hint = e.hint().map(str::to_owned);
        let mut new = Self::new(e.to_string()).because(Cause::Other(Box::new(e)));
        new.0.hint = hint;
        new
    }
}

impl From<skep_backend::Error> for Error {
    fn from(e: skep_backend::Error) -> Self {
        let hint = e.hint().map(str::to_owned);
        let mut new = Self::new(e.to_string()).because(Cause::Other(Box::new(e)));
        new.0.hint = hint;
        new
    }
}
