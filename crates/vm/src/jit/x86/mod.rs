//! The compiler for x86-64.

mod access;
mod alu;
mod compile;
mod encode;
mod reread;
#[cfg(test)]
mod tests;
mod thunks;

pub(crate) use compile::{link, recycle};

/// Compiles a program for this process.
pub(crate) fn compile_here(source: &super::Source<'_>) -> Option<super::shape::Output> {
    Some(compile::compile(source))
}

/// What memory for code holds where no code is: `int3`.
#[cfg(target_os = "linux")]
pub(crate) const TRAPS: u8 = 0xcc;

/// The code that programs share.
pub(crate) fn shared() -> &'static [u8] {
    &thunks::shared().0
}

/// Where offsets of the ways in count from.
pub(crate) fn ways(pages: &super::pages::Pages) -> *mut u8 {
    pages.shared()
}

/// Bytes that the innermost return takes on the stack.
pub(crate) const RETURN: usize = 8;
