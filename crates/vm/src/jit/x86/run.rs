//! Into compiled code and out of it: the call that enters, and the Rust functions that it calls.
//!
//! A panic of the embedder must not unwind through compiled code, which has no tables for that. It is caught here, compiled
//! code leaves, and it goes on from there.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{Native, layout};
use crate::code::Signal;
use crate::machine::Machine;
use crate::memory::Memory;
use crate::ops::flow;

type Enter = unsafe extern "sysv64" fn(*mut Machine, *mut Memory, *const u8) -> u32;

impl Native {
    /// Runs from `entry` until it leaves. `None`: the interpreter goes on at the machine's `pc`.
    ///
    /// # Safety
    /// As every [`Handler`](crate::code::Handler): this is the code of the machine's current image, and `entry` came
    /// from [`Native::entry`].
    pub(crate) unsafe fn enter(&self, m: *mut Machine, mem: *mut Memory, entry: *const u8) -> Option<Signal> {
        let way_in = self.pages.start().wrapping_add(self.enter);
        // SAFETY: the thunk at this offset was emitted as a function of this very type.
        let enter = unsafe { std::mem::transmute::<*mut u8, Enter>(way_in) };
        // SAFETY: the caller's promise. Compiled code touches the machine's fields at the offsets that `layout` takes
        // from the compiler, host memory through checked ways, and its own stack frame.
        let status = unsafe {
            (*m).gather_fuel();
            enter(m, mem, entry)
        };
        // SAFETY: the caller's promise; compiled code is done with the machine.
        let m = unsafe { &mut *m };
        if let Some(panic) = m.panic.take() {
            resume_unwind(panic);
        }
        if status == layout::SIGNALLED { m.signal.take() } else { None }
    }
}

/// Looks the region of a missed access up and caches it. What is not allowed is left to the interpreter, which
/// traps.
///
/// # Safety
/// Called by compiled code alone, which hands on the pointers that it was entered with.
pub(super) unsafe extern "sysv64" fn miss(m: *mut Machine, mem: *mut Memory, word: u32) -> u32 {
    // SAFETY: compiled code was entered with exclusive borrows, which it does not use while it calls.
    let (m, memory) = unsafe { (&mut *m, &mut *mem) };
    let pc = m.image().cell((word & layout::CELL_MASK) as usize);
    // SAFETY: a cell of the running image, whose number compiled code holds.
    let cell = unsafe { &*pc };
    let write = word >> layout::WRITE_SHIFT & 1 == 1;
    let base = usize::from(if write { cell.a } else { cell.b } / 8) % m.regs.len();
    let addr = m.regs[base].wrapping_add(i64::from(cell.off) as u64);
    match memory.fill_way(base, addr, 1 << (word >> layout::SIZE_SHIFT & 3), write) {
        Ok(()) => layout::GO_ON,
        Err(_) => {
            m.pc = pc;
            layout::LEAVE
        }
    }
}

/// Calls a helper or kfunc.
///
/// # Safety
/// As [`miss`].
pub(super) unsafe extern "sysv64" fn helper(m: *mut Machine, mem: *mut Memory, cell: u32) -> u32 {
    // SAFETY: the caller's promise, handed on.
    unsafe {
        call_out(m, mem, cell, |m, mem| {
            let index = (*(*m).pc).imm as u32;
            flow::call_host(m, mem, index)
        })
    }
}

/// Does LD_ABS or LD_IND.
///
/// # Safety
/// As [`miss`].
pub(super) unsafe extern "sysv64" fn packet(m: *mut Machine, mem: *mut Memory, cell: u32) -> u32 {
    // SAFETY: the caller's promise, handed on.
    unsafe { call_out(m, mem, cell, |m, mem| flow::packet_value(m, mem)) }
}

/// Runs what may call the embedder, with `pc` set.
///
/// # Safety
/// As [`miss`]; `run` gets the same pointers.
unsafe fn call_out(
    m: *mut Machine,
    mem: *mut Memory,
    cell: u32,
    run: impl FnOnce(*mut Machine, *mut Memory) -> Option<Signal>,
) -> u32 {
    // SAFETY: compiled code was entered with an exclusive borrow, which it does not use while it calls.
    unsafe { (*m).pc = (*m).image().cell(cell as usize) };
    // The machine is as consistent after a panic as the interpreter leaves it: nothing is borrowed across `run`.
    let outcome = catch_unwind(AssertUnwindSafe(|| run(m, mem)));
    // SAFETY: as above; `run` is over.
    let m = unsafe { &mut *m };
    match outcome {
        Ok(None) if m.gather_fuel() => layout::GO_ON,
        Ok(None) => {
            m.pc = m.pc.wrapping_add(1);
            layout::LEAVE
        }
        Ok(signal) => {
            m.signal = signal;
            layout::SIGNALLED
        }
        Err(panic) => {
            m.panic = Some(panic);
            layout::LEAVE
        }
    }
}
