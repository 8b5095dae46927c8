//! Machine code for another machine, or for this one's twin: made to be looked at, never run.

use super::a64;
use super::shape::{NOWHERE, Shape, Source};

/// A machine that code can be made for on any machine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Arch {
    /// AArch64, Armv8.0.
    Aarch64,
    /// AArch64 with atomic instructions (FEAT_LSE).
    Aarch64Lse,
}

/// Machine code that nobody runs.
pub(crate) struct Foreign {
    code: Vec<u8>,
    shape: Shape,
}

impl Foreign {
    /// Compiles a program. `None` if its code would be longer than jumps reach. Addresses of the embedder's functions are
    /// left zero.
    pub(crate) fn new(source: &Source<'_>, arch: Arch) -> Option<Self> {
        let (output, _) = a64::compile(source, a64::Options { lse: arch == Arch::Aarch64Lse })?;
        Some(Self { code: output.code, shape: output.shape })
    }

    /// The machine code.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.code
    }

    /// Offset of the code of the instruction that begins at a cell.
    pub(crate) fn offset(&self, cell: usize) -> Option<usize> {
        self.shape.entries.get(cell).filter(|offset| **offset != NOWHERE).map(|offset| *offset as usize)
    }
}

/// The words of AArch64 code that begins at `offset`, each with what it says.
pub fn words(code: &[u8], offset: usize) -> impl Iterator<Item = (usize, u32, String)> + '_ {
    code.chunks_exact(4).enumerate().map(move |(i, bytes)| {
        let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let at = offset + 4 * i;
        (at, word, a64::text(word, Some(at)).unwrap_or_else(|| format!(".word {word:#010x}")))
    })
}
