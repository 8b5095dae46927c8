//! The compiler for x86-64.

mod access;
mod alu;
mod compile;
pub(crate) mod encode;
mod reread;
mod stubs;
#[cfg(test)]
mod tests;
mod thunks;

pub(crate) use compile::recycle;
pub(crate) use thunks::{equip, ways};

/// Compiles a program for this process.
pub(crate) fn compile_here(source: &super::Source<'_>) -> Result<super::shape::Output, super::NoNative> {
    let shared = thunks::shared().ok_or(super::NoNative::Memory)?;
    Ok(compile::compile(source, shared))
}

/// What memory for code holds where no code is: `int3`.
pub(crate) const TRAPS: u8 = 0xcc;

/// Bytes that the innermost return takes on the stack.
pub(crate) const RETURN: usize = 8;
