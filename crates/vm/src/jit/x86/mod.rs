//! The compiler for x86-64.

mod access;
mod alu;
pub(crate) mod asm;
mod compile;
pub(crate) mod encode;
mod numbers;
mod reread;
mod stubs;
#[cfg(test)]
mod tests;
mod thunks;

#[cfg(target_os = "linux")]
pub(crate) use compile::frames;
pub(crate) use compile::recycle;
#[cfg(target_os = "linux")]
pub(crate) use thunks::shared_frames;
pub(crate) use thunks::{equip, ways};

/// Compiles a program for this process.
pub(crate) fn compile_here(source: &super::Source<'_>) -> Result<super::shape::Output, super::NoNative> {
    let shared = thunks::shared().ok_or(super::NoNative::Memory)?;
    Ok(compile::compile(source, shared))
}

/// `EM_X86_64`.
#[cfg(target_os = "linux")]
pub(crate) const ELF_MACHINE: u16 = 62;

/// What memory for code holds where no code is: `int3`.
pub(crate) const TRAPS: u8 = 0xcc;

/// Bytes that the innermost return takes on the stack.
pub(crate) const RETURN: usize = 8;
