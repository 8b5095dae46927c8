//! The compiler for x86-64: what a program becomes, and the way into it.

mod access;
mod alu;
mod compile;
mod encode;
mod layout;
mod pages;
mod run;
#[cfg(test)]
mod tests;
mod thunks;

pub(crate) use compile::Source;
use compile::{NOWHERE, Output};
use pages::Pages;

use super::NoNative;

/// A compiled program. It belongs to the cells that it was made from, and lives no longer than they do.
pub(crate) struct Native {
    pages: Pages,
    entries: Box<[u32]>,
    /// Offset of the way in.
    enter: usize,
}

impl Native {
    /// Compiles a program.
    pub(crate) fn new(source: &Source<'_>) -> Result<Self, NoNative> {
        let Output { code, entries, enter } = compile::compile(source);
        let pages = Pages::new(&code).ok_or(NoNative::Memory)?;
        Ok(Self { pages, entries, enter })
    }

    /// The machine code.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.pages.bytes()
    }

    /// The code of the instruction that begins at a cell.
    pub(crate) fn entry(&self, cell: usize) -> Option<*const u8> {
        let offset = self.entries.get(cell).copied().filter(|offset| *offset != NOWHERE)?;
        Some(self.pages.start().wrapping_add(offset as usize))
    }
}
