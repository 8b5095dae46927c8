//! Atomic operations. RFC 9669, section 5.3, and Linux's `load_acquire` and `store_release`.
//!
//! A run borrows its memory exclusively, so plain reads and writes are already indivisible. Addresses must be
//! multiples of the size, as Linux demands.

use skep_isa::AtomicOp;

use super::mem::{load, store};
use super::{Cx, Miss, Unit, go, missed};
use crate::code::{Code, Signal};
use crate::machine::Machine;
use crate::memory::Memory;
use crate::trap::{Fault, FaultKind};

/// Read-modify-write: which ([`AtomicOp`]), log2 of its size, whether the old value comes back.
pub(crate) struct Atomic<const OP: u8, const SIZE: usize, const FETCH: bool, const BIG: bool>;

impl<const OP: u8, const SIZE: usize, const FETCH: bool, const BIG: bool> Unit
    for Atomic<OP, SIZE, FETCH, BIG>
{
    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        let at = cx.reach::<SIZE, true>(cx.cell().a, cx.address(cx.a()))?;
        // SAFETY: `reach` found the bytes inside a region that may be written, and so read.
        let old = unsafe { load::<SIZE, BIG>(at) };
        let src = if SIZE == 2 { u64::from(cx.b() as u32) } else { cx.b() };
        let new = combine::<OP, SIZE>(cx, old, src);
        // SAFETY: as above.
        unsafe { store::<SIZE, BIG>(at, new) };
        if OP == AtomicOp::Cmpxchg as u8 {
            cx.set_r0(old);
        } else if FETCH {
            cx.set_b(old);
        }
        Ok(())
    }
}

#[inline(always)]
fn combine<const OP: u8, const SIZE: usize>(cx: Cx, old: u64, src: u64) -> u64 {
    const ADD: u8 = AtomicOp::Add as u8;
    const OR: u8 = AtomicOp::Or as u8;
    const AND: u8 = AtomicOp::And as u8;
    const XOR: u8 = AtomicOp::Xor as u8;
    const XCHG: u8 = AtomicOp::Xchg as u8;
    match OP {
        ADD => old.wrapping_add(src),
        OR => old | src,
        AND => old & src,
        XOR => old ^ src,
        XCHG => src,
        _ => {
            let expected = if SIZE == 2 { u64::from(cx.r0() as u32) } else { cx.r0() };
            if old == expected { src } else { old }
        }
    }
}

/// A cell of an atomic unit: its address is `base + off`, where the base is the destination for writers.
///
/// # Safety
/// As every [`Handler`](crate::code::Handler).
pub(crate) unsafe fn aligned<U: Unit, const SIZE: usize, const WRITE: bool>(
    pc: *const Code,
    m: *mut Machine,
    fuel: i64,
    mem: *mut Memory,
) -> Signal {
    // SAFETY: the caller's promise.
    let mut cx = unsafe { Cx::new(pc, m, mem) };
    let addr = cx.address(if WRITE { cx.a() } else { cx.b() });
    let len = 1 << SIZE;
    if addr % len != 0 {
        let m = cx.machine();
        m.pc = pc;
        m.fuel = fuel;
        return m.halt(Fault {
            addr,
            len: len as usize,
            write: WRITE,
            kind: FaultKind::Misaligned,
            near: None,
        });
    }
    match U::exec(cx) {
        Ok(()) => go!(pc.wrapping_add(1), m, fuel, mem),
        // SAFETY: the caller's promise; the miss is of this cell.
        Err(miss) => unsafe { missed(miss.pc, m, fuel, mem, miss.addr, miss.access) },
    }
}
