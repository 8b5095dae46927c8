//! Where compiled code finds the fields of the machine and the memory, and the words that it passes to Rust.

use std::mem::offset_of;

use crate::code::Code;
use crate::machine::{Machine, Saved};
use crate::memory::{MAX_FRAMES, Memory, Way};

const fn field(offset: usize) -> i32 {
    assert!(offset < 1 << 20);
    offset as i32
}

/// A register in the machine.
pub(super) const fn reg(n: usize) -> i32 {
    field(offset_of!(Machine, regs) + 8 * n)
}

/// The upper half of r10, which holds the frame's region number.
pub(super) const FRAME_NUMBER: i32 = reg(10) + 4;
pub(super) const FRAME_TOP: i32 = field(offset_of!(Machine, frame_top));
pub(super) const DEPTH: i32 = field(offset_of!(Machine, depth));
pub(super) const BASE: i32 = field(offset_of!(Machine, base));
pub(super) const MAY_GOTO: i32 = field(offset_of!(Machine, may_goto));
pub(super) const MAY_GOTO_LIMIT: i32 = field(offset_of!(Machine, may_goto_limit));
pub(super) const PC: i32 = field(offset_of!(Machine, pc));
pub(super) const ENTRY: i32 = field(offset_of!(Machine, entry));
pub(super) const FUEL: i32 = field(offset_of!(Machine, fuel));
pub(super) const IMAGE: i32 = field(offset_of!(Machine, image));

const FRAMES: usize = offset_of!(Machine, frames);
pub(super) const SAVED_BYTES: i32 = field(size_of::<Saved>());
pub(super) const SAVED_PC: i32 = field(FRAMES + offset_of!(Saved, pc));
pub(super) const SAVED_NATIVE: i32 = field(FRAMES + offset_of!(Saved, native));
pub(super) const SAVED_ENTRY: i32 = field(FRAMES + offset_of!(Saved, entry));
pub(super) const SAVED_IMAGE: i32 = field(FRAMES + offset_of!(Saved, image));
pub(super) const SAVED_REGS: i32 = field(FRAMES + offset_of!(Saved, callee_saved));
pub(super) const SAVED_MAY_GOTO: i32 = field(FRAMES + offset_of!(Saved, may_goto));

/// From this depth on there is no room for another frame.
pub(super) const LAST_DEPTH: i32 = MAX_FRAMES as i32 - 1;

pub(super) const FRAME_TOPS: i32 = field(offset_of!(Memory, frame_tops));
pub(super) const TOUCHED: i32 = field(offset_of!(Memory, touched));

const fn way(base: usize) -> usize {
    offset_of!(Memory, ways) + base * size_of::<Way>()
}

pub(super) const fn way_start(base: usize) -> i32 {
    field(way(base) + offset_of!(Way, start))
}

pub(super) const fn way_host(base: usize) -> i32 {
    field(way(base) + offset_of!(Way, host))
}

pub(super) const fn way_limit(base: usize, log2: u32, write: bool) -> i32 {
    let limits = if write { offset_of!(Way, write) } else { offset_of!(Way, read) };
    field(way(base) + limits + 4 * log2 as usize)
}

/// Cells are this many bits of address apart.
pub(super) const CELL_SHIFT: u8 = 4;
const _: () = assert!(size_of::<Code>() == 1 << CELL_SHIFT);

/// Bits of the word that a missed access passes: the cell below, log2 of the size and whether it writes above. A program
/// has fewer than 2^23 cells.
pub(super) const SIZE_SHIFT: u32 = 28;
pub(super) const WRITE_SHIFT: u32 = 30;
pub(super) const CELL_MASK: u32 = (1 << SIZE_SHIFT) - 1;

/// What Rust code answers to compiled code: the next instruction follows.
pub(super) const GO_ON: u32 = 0;
/// Leave; the interpreter goes on at the machine's `pc`.
pub(super) const LEAVE: u32 = 1;
/// Leave; the machine's `signal` says what happened.
pub(super) const SIGNALLED: u32 = 2;
