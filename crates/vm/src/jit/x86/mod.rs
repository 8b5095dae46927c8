//! The compiler for x86-64.

mod access;
mod alu;
mod compile;
mod encode;
#[cfg(test)]
mod tests;
mod thunks;

pub(crate) use compile::compile;

/// Bytes that the innermost return takes on the stack.
pub(crate) const RETURN: usize = 8;
