//! The compiler for x86-64.

mod access;
mod alu;
mod compile;
mod encode;
#[cfg(test)]
mod tests;
mod thunks;

/// Compiles a program for this process.
pub(crate) fn compile_here(source: &super::Source<'_>) -> Option<super::shape::Output> {
    Some(compile::compile(source))
}

/// Bytes that the innermost return takes on the stack.
pub(crate) const RETURN: usize = 8;
