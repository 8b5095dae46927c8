//! A filter as machine code that may be called.

use super::hash::PerfectHash;
use super::packet::Packet;
use super::x86;
use crate::jit::Pages;
use skep_isa::classic::Op;

/// Machine code, with all that it reads beside the packet.
pub(super) struct Native {
    pages: Pages,
    /// The code holds the addresses of their contents.
    _tables: Vec<PerfectHash>,
}

/// Where the packet begins, how many bytes there are, its length on the wire.
type Enter = unsafe extern "sysv64" fn(*const u8, usize, u32) -> u64;

impl Native {
    /// None if the filter asks for what compiled code does not know, or the system gives no memory for code.
    pub(super) fn new(ops: &[Op]) -> Option<Self> {
        let x86::Code { bytes, tables } = x86::compile(ops)?;
        Some(Self { pages: crate::jit::place(&bytes)?, _tables: tables })
    }

    /// What the filter returns; none if the interpreter is to say.
    #[inline(always)]
    pub(super) fn run(&self, packet: &Packet<'_>) -> Option<u32> {
        if packet.bytes.len() > i32::MAX as usize {
            return None;
        }
        // SAFETY: the pages hold a function of this very type, which `x86::compile` made: it reads the bytes of the slice,
        // the tables, which live as long as `self`, and its red zone, and comes back.
        let result = unsafe {
            let enter = std::mem::transmute::<*mut u8, Enter>(self.pages.start());
            enter(packet.bytes.as_ptr(), packet.bytes.len(), packet.len)
        };
        u32::try_from(result).ok()
    }
}

impl std::fmt::Debug for Native {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Native").field("bytes", &self.pages.bytes().len()).finish()
    }
}
