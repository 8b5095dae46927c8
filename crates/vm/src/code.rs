//! The compiled form: sixteen-byte cells, each with the address of the handler that runs it.
//!
//! A cell is one instruction. Its register fields are byte offsets into [`Machine::regs`], its displacement
//! counts cells, and whatever can be known early (width, operand kind, direction of a jump, byte order) is in
//! the choice of the handler. A handler ends by calling the handler of the next cell, which an optimising build turns
//! into a jump. Nothing depends on that: chains are cut, see [`CHUNK`] and [`BLOCK`], and their stack use is bounded.
//!
//! What was tried, as the geometric mean over the programs of `bench/` in parts of the faster peer's time (Zen 5): coming
//! back to the trampoline after each handler 0.53 (all sequences of [`crate::ops::fuse`] in place), calling the next
//! one 0.25. A region table indexed by the address at each access 0.26, a region cached for each base register
//! 0.25. Handing the last result on in a host register was not built: on this machine a load just after
//! the store of a register costs no more than the register itself, measured. Reading r1 to r5 for a helper as wide
//! vectors made the lookups program a third slower: they wait for the narrow stores before them.
//!
//! Invariants, made by [`crate::build`] and relied on by every handler: `a` and `b` are multiples of 8, at most 80;
//! `pc + off`, `pc + imm` of jumps and calls, and `pc + 1` of all that falls through, are cells of the same image;
//! cells are never changed.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::Once;

use crate::machine::Machine;
use crate::memory::Memory;

/// Runs the cell at `pc` and those after it, until it has a [`Signal`] to give.
///
/// # Safety
/// `pc` is a cell of the machine's current image, and the machine and the memory are valid and not borrowed elsewhere.
pub(crate) type Handler = unsafe fn(pc: *const Code, m: *mut Machine, fuel: i64, mem: *mut Memory) -> Signal;

/// One instruction.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Code {
    pub(crate) run: Handler,
    /// Byte offset of the destination register.
    pub(crate) a: u8,
    /// Byte offset of the source register.
    pub(crate) b: u8,
    /// Offset in bytes of memory accesses; displacement in cells of conditional jumps.
    pub(crate) off: i16,
    /// Immediate; displacement in cells of jumps and calls.
    pub(crate) imm: i32,
}

/// Why a chain of handlers came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Signal {
    /// To cut the chain: go on at `Machine::pc`.
    Bounce,
    /// The function that `drive` entered has returned.
    Done,
    /// See `Machine::stop`.
    Stopped,
}

/// How much budget handlers may count down before they come back for more. As a backward jump pays at least for
/// the cells that it jumps over, this bounds the chain of a loop.
pub(crate) const CHUNK: i64 = if cfg!(debug_assertions) { 8 } else { 128 };

/// No chain runs forward across a multiple of this many cells.
pub(crate) const BLOCK: usize = if cfg!(debug_assertions) { 16 } else { 128 };

/// The cells of an image, in memory that has its place at once and its contents when the interpreter first wants
/// them: compiled code speaks of positions, and mostly needs no more.
pub(crate) struct Cells {
    code: Box<[UnsafeCell<MaybeUninit<Code>>]>,
    filled: Once,
}

// SAFETY: cells are written by the one closure that `filled` runs, and read only after it.
unsafe impl Sync for Cells {}

impl Cells {
    pub(crate) fn new(len: usize) -> Self {
        let code = Box::new_uninit_slice(len);
        // SAFETY: an uninitialised cell is a valid `MaybeUninit` in a cell.
        Self { code: unsafe { code.assume_init() }, filled: Once::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.code.len()
    }

    pub(crate) fn are_filled(&self) -> bool {
        self.filled.is_completed()
    }

    /// Fills them, if nobody has yet.
    pub(crate) fn fill_with(&self, cells: impl FnOnce() -> Vec<Code>) {
        self.filled.call_once(|| {
            let cells = cells();
            assert_eq!(cells.len(), self.code.len(), "cells are laid out as they are emitted");
            for (place, cell) in self.code.iter().zip(cells) {
                // SAFETY: nobody reads cells before `call_once` is over, and it runs once.
                unsafe { (*place.get()).write(cell) };
            }
        });
    }

    /// The first cell. What is behind the pointer may be read once they are filled.
    pub(crate) fn start(&self) -> *const Code {
        self.code.as_ptr().cast()
    }
}
