//! Jumps, calls, returns, and what ends a run.

use skep_isa::Size;

use super::{go, jump};
use crate::code::{Code, Signal};
use crate::host::{Frame, Step, Stop};
use crate::machine::Machine;
use crate::memory::{Memory, function_slot};
use crate::trap::{Trap, TrapKind};

macro_rules! handlers {
    ($($(#[$doc:meta])* fn $name:ident $([$($generic:tt)*])? ($pc:ident, $m:ident, $fuel:ident, $mem:ident) $body:block)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// As every [`Handler`](crate::code::Handler).
        pub(crate) unsafe fn $name $(<$($generic)*>)? (
            $pc: *const Code,
            $m: *mut Machine,
            $fuel: i64,
            $mem: *mut Memory,
        ) -> Signal $body
    )*};
}

handlers! {
    /// What stands after the last instruction.
    fn fell_off(pc, m, fuel, _mem) {
        // SAFETY: the caller's promise.
        unsafe { halt(pc, m, fuel, Trap::new(TrapKind::FellOff)) }
    }

    /// A call with eight frames open.
    fn too_deep(pc, m, fuel, _mem) {
        // SAFETY: the caller's promise.
        unsafe { halt(pc, m, fuel, Trap::new(TrapKind::CallDepth)) }
    }

    /// A call of something that the embedder does not have.
    fn no_helper(pc, m, fuel, _mem) {
        // SAFETY: the caller's promise.
        unsafe { halt(pc, m, fuel, Trap::new(TrapKind::UnknownHelper(i64::from((*pc).imm)))) }
    }

    /// A call of a kfunc that the embedder does not have.
    fn no_kfunc(pc, m, fuel, _mem) {
        // SAFETY: the caller's promise.
        unsafe { halt(pc, m, fuel, Trap::new(TrapKind::UnknownKfunc((*pc).imm))) }
    }

    /// Cuts a chain: goes on at the next cell from the trampoline.
    fn bounce(pc, m, fuel, _mem) {
        // SAFETY: the caller's promise.
        let m = unsafe { &mut *m };
        m.pc = pc.wrapping_add(1);
        m.fuel = fuel;
        Signal::Bounce
    }

    /// Shows the next cell's instruction to the embedder.
    fn observe(pc, m, fuel, mem) {
        // SAFETY: the caller's promise.
        let (machine, memory) = unsafe { (&mut *m, &*mem) };
        machine.pc = pc;
        if let Some(host) = machine.host {
            let step = Step {
                slot: machine.slot(),
                depth: machine.depth(),
                regs: machine.registers(),
                memory,
                image: machine.image(),
            };
            // SAFETY: `host` is set and borrowed while the machine is driven, and only this call uses it.
            unsafe { (*host).observe(&step) };
        }
        go!(pc.wrapping_add(1), m, fuel, mem)
    }

    /// `goto`, by the way of reaching that the builder found.
    fn ja[const REACH: u8](pc, m, fuel, mem) {
        // SAFETY: the caller's promise; the builder computed the distance.
        unsafe { jump::<REACH>(pc, (*pc).imm as isize, m, fuel, mem) }
    }

    /// Call of a subprogram.
    fn call(pc, m, fuel, mem) {
        // SAFETY: the caller's promise.
        let (machine, memory) = unsafe { (&mut *m, &mut *mem) };
        // SAFETY: the builder computed the distance.
        let target = unsafe { pc.offset((*pc).imm as isize) };
        if machine.push(memory, pc.wrapping_add(1), target).is_none() {
            // SAFETY: the caller's promise.
            return unsafe { too_deep(pc, m, fuel, mem) };
        }
        if fuel > 0 {
            return go!(target, m, fuel - 1, mem);
        }
        machine.pc = target;
        machine.fuel = fuel - 1;
        Signal::Bounce
    }

    /// Return from a subprogram, or the end. Pays for the way from the function's entry; gets back what jumps have paid if
    /// they led out of it, backward.
    fn exit(pc, m, fuel, mem) {
        // SAFETY: the caller's promise.
        let (machine, memory) = unsafe { (&mut *m, &*mem) };
        let way = (pc as isize).wrapping_sub(machine.entry as isize) / size_of::<Code>() as isize;
        if way < 0 {
            machine.give_back(way.unsigned_abs() as i64);
        }
        let fuel = fuel - way.max(0) as i64 - 1;
        match machine.pop(memory) {
            Some(back) if fuel >= 0 => go!(back, m, fuel, mem),
            Some(back) => {
                machine.pc = back;
                machine.fuel = fuel;
                Signal::Bounce
            }
            None => {
                machine.fuel = fuel;
                Signal::Done
            }
        }
    }

    /// Call of a helper or kfunc by its index.
    fn helper(pc, m, fuel, mem) {
        // SAFETY: the caller's promise.
        let signal = unsafe {
            (*m).pc = pc;
            (*m).fuel = fuel;
            call_host(m, mem, (*pc).imm as u32)
        };
        match signal {
            None => {
                // SAFETY: the caller's promise.
                let machine = unsafe { &mut *m };
                let fuel = machine.fuel;
                if fuel >= 0 {
                    return go!(pc.wrapping_add(1), m, fuel, mem);
                }
                machine.pc = pc.wrapping_add(1);
                Signal::Bounce
            }
            Some(signal) => signal,
        }
    }

    /// `callx`: a function's address, or a helper's number.
    fn call_register(pc, m, fuel, mem) {
        // SAFETY: the caller's promise.
        let (machine, memory) = unsafe { (&mut *m, &mut *mem) };
        machine.pc = pc;
        machine.fuel = fuel - 1;
        // SAFETY: the caller's promise.
        let value = machine.regs[usize::from(unsafe { (*pc).a } / 8) % 16];
        if let Some(target) = function_slot(value).and_then(|slot| machine.image().function(slot)) {
            if machine.push(memory, pc.wrapping_add(1), target).is_none() {
                return machine.halt(Trap::new(TrapKind::CallDepth));
            }
            machine.pc = target;
            return Signal::Bounce;
        }
        // SAFETY: `host` is set and borrowed while the machine is driven.
        let index = machine.host.and_then(|host| unsafe { (*host).helper_index(value) });
        let Some(index) = index else {
            return machine.halt(Trap::new(TrapKind::NotAFunction(value)));
        };
        // SAFETY: the caller's promise.
        if let Some(signal) = unsafe { call_host(m, mem, index) } {
            return signal;
        }
        // SAFETY: the caller's promise.
        unsafe { (*m).pc = pc.wrapping_add(1) };
        Signal::Bounce
    }

    /// LD_ABS and LD_IND.
    fn load_packet(pc, m, fuel, mem) {
        // SAFETY: the caller's promise.
        let signal = unsafe {
            (*m).pc = pc;
            (*m).fuel = fuel;
            packet_value(m, mem)
        };
        match signal {
            None => go!(pc.wrapping_add(1), m, fuel, mem),
            Some(signal) => signal,
        }
    }
}

/// LD_ABS and LD_IND at the machine's `pc`: the size is the source register's field, the index register, if there is
/// one, the destination's. `None`: r0 is set, the next cell follows.
///
/// # Safety
/// As every [`Handler`](crate::code::Handler), with `pc` and `fuel` left in the machine.
#[inline(never)]
pub(crate) unsafe fn packet_value(m: *mut Machine, mem: *mut Memory) -> Option<Signal> {
    // SAFETY: the caller's promise.
    let (machine, memory) = unsafe { (&mut *m, &mut *mem) };
    // SAFETY: `pc` is a cell of the running image.
    let cell = unsafe { &*machine.pc };
    let index = if cell.off == INDEXED { machine.regs[usize::from(cell.a / 8) % 16] as i32 } else { 0 };
    let size = [Size::B, Size::H, Size::W, Size::Dw][usize::from(cell.b) % 4];
    let offset = index.wrapping_add(cell.imm);
    // SAFETY: `host` is set and borrowed while the machine is driven.
    let value = machine.host.and_then(|host| unsafe { (*host).load_packet(memory, offset, size) });
    let Some(value) = value else {
        return Some(machine.halt(Stop::Exit(0)));
    };
    machine.regs[0] = value;
    None
}

/// What the offset of a packet load's cell says: whether a register is added.
pub(crate) const INDEXED: i16 = 1;

/// # Safety
/// As every [`Handler`](crate::code::Handler).
#[cold]
#[inline(never)]
unsafe fn halt(pc: *const Code, m: *mut Machine, fuel: i64, trap: Trap) -> Signal {
    // SAFETY: the caller's promise.
    let m = unsafe { &mut *m };
    m.pc = pc;
    m.fuel = fuel;
    m.halt(trap)
}

/// Runs the embedder's side of a call. `None`: r0 is set, the next cell follows.
///
/// # Safety
/// As every [`Handler`](crate::code::Handler), with `pc` and `fuel` left in the machine.
#[inline(never)]
pub(crate) unsafe fn call_host(m: *mut Machine, mem: *mut Memory, index: u32) -> Option<Signal> {
    // SAFETY: the caller's promise. While the host holds the frame, nobody uses `m` and `mem` but through it.
    let (machine, memory) = unsafe { (&mut *m, &mut *mem) };
    let args = machine.some_regs::<5>(1);
    let Some(host) = machine.host else {
        return Some(machine.halt(Trap::host("no host")));
    };
    let mut frame = Frame { memory, machine };
    // SAFETY: `host` is set and borrowed while the machine is driven, and only the call that is running uses it.
    let result = unsafe { (*host).call(index, args, &mut frame) };
    // SAFETY: the caller's promise; the frame is gone.
    let (machine, memory) = unsafe { (&mut *m, &mut *mem) };
    // The embedder may have put another memory in place of this one.
    machine.frame_top = memory.frame_tops[machine.depth];
    memory.touch_frame(machine.depth);
    match result {
        Ok(value) => {
            machine.regs[0] = value;
            None
        }
        Err(Stop::TailCall(image)) => Some(match machine.tail_call(image) {
            Ok(()) => Signal::Bounce,
            Err(trap) => machine.halt(trap),
        }),
        Err(stop) => Some(machine.halt(stop)),
    }
}
