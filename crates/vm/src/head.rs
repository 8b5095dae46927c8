//! What compiled code has at hand, in the pages before a cage's base.

use std::ptr::{null, null_mut};

use crate::batch::Lot;
use crate::gate::{Gate, WAYS};
use crate::machine::Machine;
use crate::memory::Memory;

/// Bytes before the base that hold the [`Head`]: a page, of machines whose pages may be of 64 KiB too.
pub(crate) const HEAD: usize = if cfg!(target_arch = "aarch64") { 1 << 16 } else { 1 << 12 };
const _: () = assert!(size_of::<Head>() <= HEAD);

/// How many pieces of shared code programs go to.
pub(crate) const WAYS_OUT: usize = 7;

/// What compiled code has at hand.
#[repr(C)]
pub(crate) struct Head {
    pub(crate) gates: [Gate; WAYS],
    /// Where programs go for what is rare: code that all of them share, where they have it so. Null before the first run.
    pub(crate) ways_out: [*const u8; WAYS_OUT],
    /// The machine that runs, while one does.
    pub(crate) machine: *mut Machine,
    /// The memory that the cage belongs to, while a machine runs.
    pub(crate) memory: *mut Memory,
    /// How far frames lie apart.
    pub(crate) frame_step: u64,
    /// r10 of the highest frame that this run has opened.
    pub(crate) opened: u64,
    /// The packet of a batch that runs, and the end of the batch.
    pub(crate) lot: *mut Lot,
    pub(crate) end: *mut Lot,
    /// The context's address, the code, and the budget of each packet.
    pub(crate) context: u64,
    pub(crate) entry: *const u8,
    pub(crate) fuel: i64,
    /// How many times 16 bytes of the frame each packet of a batch may leave something in.
    pub(crate) clean: u64,
}

impl Head {
    pub(crate) const EMPTY: Self = Self {
        gates: [Gate::EMPTY; WAYS],
        ways_out: [null(); WAYS_OUT],
        machine: null_mut(),
        memory: null_mut(),
        frame_step: 1 << 32,
        opened: 0,
        lot: null_mut(),
        end: null_mut(),
        context: 0,
        entry: null(),
        fuel: 0,
        clean: 0,
    };
}
