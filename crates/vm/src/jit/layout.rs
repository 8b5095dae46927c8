//! Where compiled code finds the fields of the machine and of the cage's head, and the words that it passes to Rust.

use std::mem::offset_of;

use crate::batch::Lot;
use crate::gate::Gate;
use crate::head::{HEAD, Head};
use crate::machine::Machine;

const fn field(offset: usize) -> i32 {
    assert!(offset < 1 << 20);
    offset as i32
}

/// A register in the machine.
pub(crate) const fn reg(n: usize) -> i32 {
    field(offset_of!(Machine, regs) + 8 * n)
}

pub(crate) const MAY_GOTO: i32 = field(offset_of!(Machine, may_goto));
pub(crate) const MAY_GOTO_LIMIT: i32 = field(offset_of!(Machine, may_goto_limit));
pub(crate) const CELL: i32 = field(offset_of!(Machine, cell));
pub(crate) const ENTRY_CELL: i32 = field(offset_of!(Machine, entry_cell));
pub(crate) const BASE_TOP: i32 = field(offset_of!(Machine, base_top));
pub(crate) const NATIVE_SP: i32 = field(offset_of!(Machine, native_sp));
pub(crate) const FUEL: i32 = field(offset_of!(Machine, fuel));

/// A function in the machine's table.
const fn call(n: usize) -> i32 {
    field(offset_of!(Machine, calls) + n * size_of::<*const ()>())
}

pub(crate) const CALL_MISS: i32 = call(0);
pub(crate) const CALL_OPEN: i32 = call(1);
pub(crate) const CALL_HELPER: i32 = call(2);
pub(crate) const CALL_PACKET: i32 = call(3);
pub(crate) const CALL_DEOPT: i32 = call(4);
pub(crate) const CALL_QUICK: i32 = call(5);

/// A field of the head, from the cage's base.
const fn head(offset: usize) -> i32 {
    offset as i32 - HEAD as i32
}

#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "AArch64 has a register for it"))]
pub(crate) const MACHINE: i32 = head(offset_of!(Head, machine));
pub(crate) const MEMORY: i32 = head(offset_of!(Head, memory));
pub(crate) const FRAME_STEP: i32 = head(offset_of!(Head, frame_step));
pub(crate) const LOT: i32 = head(offset_of!(Head, lot));
pub(crate) const END: i32 = head(offset_of!(Head, end));
pub(crate) const CONTEXT: i32 = head(offset_of!(Head, context));
pub(crate) const BATCH_ENTRY: i32 = head(offset_of!(Head, entry));
pub(crate) const BATCH_FUEL: i32 = head(offset_of!(Head, fuel));
/// How many times 16 bytes of the frame are cleaned for each packet.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "AArch64 code has the number in it"))]
pub(crate) const CLEAN: i32 = head(offset_of!(Head, clean));
pub(crate) const LOT_META: i32 = field(offset_of!(Lot, meta));
pub(crate) const LOT_RETVAL: i32 = field(offset_of!(Lot, retval));
pub(crate) const LOT_BYTES: i32 = field(size_of::<Lot>());
pub(crate) const OPENED: i32 = head(offset_of!(Head, opened));

/// Where a program goes for what is rare.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "AArch64 code has it in itself"))]
pub(crate) const fn way_out(n: usize) -> i32 {
    head(offset_of!(Head, ways_out) + n * size_of::<*const u8>())
}

const fn gate(base: usize) -> usize {
    offset_of!(Head, gates) + base * size_of::<Gate>()
}

pub(crate) const fn gate_start(base: usize) -> i32 {
    head(gate(base) + offset_of!(Gate, start))
}

pub(crate) const fn gate_limit(base: usize, log2: u32, write: bool) -> i32 {
    let limits = if write { offset_of!(Gate, write) } else { offset_of!(Gate, read) };
    head(gate(base) + limits + 8 * log2 as usize)
}

/// What Rust code answers to compiled code: the next instruction follows.
pub(crate) const GO_ON: u64 = 0;
/// Leave; the interpreter goes on at the machine's `cell`.
pub(crate) const LEAVE: u64 = 1;
/// Leave; the machine's `signal` says what happened.
pub(crate) const SIGNALLED: u64 = 2;
/// The function that was entered has returned.
pub(crate) const DONE: u64 = 3;
