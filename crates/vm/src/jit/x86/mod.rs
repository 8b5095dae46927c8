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
use compile::{NOWHERE, Output, Site};
use pages::Pages;

use super::NoNative;

/// A compiled program. It belongs to the cells that it was made from, and lives no longer than they do.
pub(crate) struct Native {
    pages: Pages,
    entries: Box<[u32]>,
    /// Calls of subprograms, by the offset that they return to.
    sites: Box<[Site]>,
    /// Which of r6 to r9 a call saves: those that the program writes.
    saves: [bool; 4],
    /// A call saves the count of `may_goto` too.
    may_goto: bool,
    /// Offset of the way in.
    enter: usize,
    /// Offset of the way in with many packets.
    batch: usize,
}

impl Native {
    /// Compiles a program.
    pub(crate) fn new(source: &Source<'_>) -> Result<Self, NoNative> {
        let Output { code, entries, sites, saves, may_goto, enter, batch } = compile::compile(source);
        let pages = Pages::new(&code).ok_or(NoNative::Memory)?;
        Ok(Self { pages, entries, sites, saves, may_goto, enter, batch })
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

    /// The call that returns to an offset.
    fn site(&self, offset: usize) -> Option<Site> {
        let i = self.sites.binary_search_by_key(&offset, |site| site.back as usize).ok()?;
        Some(self.sites[i])
    }

    /// Whether a call keeps the stack's alignment with one more word.
    fn padded(&self) -> bool {
        compile::padded(self.saves)
    }
}

/// Where a missed access was, as compiled code passes it.
#[derive(Clone, Copy)]
struct Word {
    cell: u32,
    base: usize,
    off: i16,
    log2: u32,
    write: bool,
}

impl Word {
    fn bits(self) -> u64 {
        u64::from(self.cell)
            | (self.off as u16 as u64) << 32
            | (self.base as u64) << 48
            | u64::from(self.log2) << 56
            | u64::from(self.write) << 63
    }

    fn from_bits(bits: u64) -> Self {
        Self {
            cell: bits as u32,
            off: (bits >> 32) as i16,
            base: (bits >> 48) as usize & 15,
            log2: (bits >> 56) as u32 & 3,
            write: bits >> 63 == 1,
        }
    }
}
