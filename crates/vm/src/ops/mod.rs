//! The handlers.

use crate::code::{Code, Signal};
use crate::machine::Machine;
use crate::memory::Memory;
use crate::trap::{Trap, TrapKind};

/// What stands after the last instruction.
///
/// # Safety
/// As every [`Handler`](crate::code::Handler).
pub(crate) unsafe fn fell_off(pc: *const Code, m: *mut Machine, _fuel: i64, _mem: *mut Memory) -> Signal {
    // SAFETY: the caller's promise.
    let m = unsafe { &mut *m };
    m.pc = pc;
    m.halt(Trap::new(TrapKind::FellOff))
}
