//! The handlers: what each kind of cell does.
//!
//! An instruction that only falls through is a [`Unit`], a comparison is a [`Test`]. Both are safe code over a
//! [`Cx`], which stands for the promise that every handler is called under. Two generic handlers make cells of them:
//! [`run`] for units and [`branch`] for a unit followed by a jump. [`Seq`] puts units in a row, so that a
//! superinstruction is a type and not a piece of code. Calls, exits and jumps are in [`flow`].

pub(crate) mod alu;
pub(crate) mod atomic;
pub(crate) mod flow;
pub(crate) mod fuse;
pub(crate) mod mem;
pub(crate) mod select;
pub(crate) mod test;

use std::marker::PhantomData;

use crate::code::{Code, Signal};
use crate::machine::Machine;
use crate::memory::Memory;

/// A cell about to run, with the machine and the memory that it runs on.
///
/// The methods are safe because the maker of a `Cx` has promised what they need.
#[derive(Clone, Copy)]
pub(crate) struct Cx {
    pc: *const Code,
    m: *mut Machine,
    mem: *mut Memory,
}

/// A memory access whose region is not cached, or that is not allowed.
pub(crate) struct Miss {
    pc: *const Code,
    addr: u64,
    access: Access,
}

/// What an access needs.
#[derive(Clone, Copy)]
pub(crate) struct Access {
    /// log2 of its bytes.
    size: u8,
    write: bool,
}

impl Cx {
    /// # Safety
    /// As for [`Handler`](crate::code::Handler), for as long as the value is used.
    #[inline(always)]
    unsafe fn new(pc: *const Code, m: *mut Machine, mem: *mut Memory) -> Self {
        Self { pc, m, mem }
    }

    /// The same for a cell further on.
    ///
    /// # Safety
    /// There is such a cell in the image.
    #[inline(always)]
    unsafe fn skip(self, cells: usize) -> Self {
        // SAFETY: the caller's promise.
        Self { pc: unsafe { self.pc.add(cells) }, ..self }
    }

    /// The cell.
    #[inline(always)]
    fn cell(&self) -> &Code {
        // SAFETY: `pc` is a cell of a live image, and cells never change.
        unsafe { &*self.pc }
    }

    /// The 64 bits of the cell after it, for wide constants.
    #[inline(always)]
    fn next_imm(&self) -> u32 {
        // SAFETY: the builder puts a second cell after each one that asks for it.
        unsafe { (*self.pc.add(1)).imm as u32 }
    }

    #[inline(always)]
    fn reg(&self, offset: u8) -> *mut u64 {
        // `regs` is the machine's first field and offsets are at most 80 (see `crate::code`).
        self.m.wrapping_byte_add(usize::from(offset)).cast()
    }

    /// The destination register.
    #[inline(always)]
    fn a(&self) -> u64 {
        // SAFETY: a register of a live machine.
        unsafe { self.reg(self.cell().a).read() }
    }

    /// The source register.
    #[inline(always)]
    fn b(&self) -> u64 {
        // SAFETY: a register of a live machine.
        unsafe { self.reg(self.cell().b).read() }
    }

    #[inline(always)]
    fn set_a(&self, value: u64) {
        // SAFETY: a register of a live machine.
        unsafe { self.reg(self.cell().a).write(value) }
    }

    #[inline(always)]
    fn set_b(&self, value: u64) {
        // SAFETY: a register of a live machine.
        unsafe { self.reg(self.cell().b).write(value) }
    }

    /// The immediate, sign-extended.
    #[inline(always)]
    fn imm(&self) -> u64 {
        i64::from(self.cell().imm) as u64
    }

    /// A base register plus the cell's offset.
    #[inline(always)]
    fn address(&self, base: u64) -> u64 {
        base.wrapping_add(i64::from(self.cell().off) as u64)
    }

    /// The host address of an access, if the region cached for the base register (by its byte offset) allows it.
    #[inline(always)]
    fn reach<const SIZE: usize, const WRITE: bool>(&self, base: u8, addr: u64) -> Result<*mut u8, Miss> {
        // SAFETY: a field of live memory, eight bytes of register file to sixty-four of ways; `base` is at most 80.
        let way = unsafe {
            let ways = (&raw const (*self.mem).ways).cast::<u8>();
            &*ways.add(usize::from(base) << 3).cast::<crate::gate::Way>()
        };
        let limit = if WRITE { way.write[SIZE] } else { way.read[SIZE] };
        if addr.wrapping_sub(way.start) < u64::from(limit) {
            Ok(std::ptr::with_exposed_provenance_mut(addr.wrapping_add(way.delta) as usize))
        } else {
            Err(Miss { pc: self.pc, addr, access: Access { size: SIZE as u8, write: WRITE } })
        }
    }

    /// The host address of an access through r10 that the builder found to lie in the frame.
    #[inline(always)]
    fn in_frame(&self) -> *mut u8 {
        // SAFETY: `m` is live.
        unsafe { (*self.m).frame_top }.wrapping_offset(isize::from(self.cell().off))
    }

    #[inline(always)]
    fn r0(&self) -> u64 {
        // SAFETY: a register of a live machine.
        unsafe { self.reg(0).read() }
    }

    #[inline(always)]
    fn set_r0(&self, value: u64) {
        // SAFETY: a register of a live machine.
        unsafe { self.reg(0).write(value) }
    }

    #[inline(always)]
    fn machine(&mut self) -> &mut Machine {
        // SAFETY: the machine is live and nobody else borrows it while a handler runs.
        unsafe { &mut *self.m }
    }
}

/// An instruction after which the next one runs.
pub(crate) trait Unit {
    /// How many cells it takes.
    const CELLS: usize = 1;

    /// Does it. A miss leaves everything as it was before the cell that missed.
    fn exec(cx: Cx) -> Result<(), Miss>;
}

/// A comparison that a branch makes.
pub(crate) trait Test {
    /// Whether the branch is taken.
    fn holds(cx: Cx) -> bool;
}

/// No instruction.
pub(crate) struct Nothing;

impl Unit for Nothing {
    const CELLS: usize = 0;

    #[inline(always)]
    fn exec(_: Cx) -> Result<(), Miss> {
        Ok(())
    }
}

/// One unit after another.
pub(crate) struct Seq<A, B>(PhantomData<(A, B)>);

impl<A: Unit, B: Unit> Unit for Seq<A, B> {
    const CELLS: usize = A::CELLS + B::CELLS;

    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        A::exec(cx)?;
        // SAFETY: the builder chooses this handler only where the cells of both stand in a row.
        B::exec(unsafe { cx.skip(A::CELLS) })
    }
}

/// Goes on at a cell. A jump where the compiler makes it one.
macro_rules! go {
    ($pc:expr, $m:expr, $fuel:expr, $mem:expr) => {{
        let pc: *const Code = $pc;
        // SAFETY: `pc` is a cell of the current image: the next one, or the target that the builder computed;
        // the rest is the caller's own promise.
        unsafe { ((*pc).run)(pc, $m, $fuel, $mem) }
    }};
}
pub(crate) use go;

/// A cell of plain instructions.
///
/// # Safety
/// As every [`Handler`](crate::code::Handler).
pub(crate) unsafe fn run<U: Unit>(pc: *const Code, m: *mut Machine, fuel: i64, mem: *mut Memory) -> Signal {
    // SAFETY: the caller's promise.
    let cx = unsafe { Cx::new(pc, m, mem) };
    match U::exec(cx) {
        Ok(()) => go!(pc.wrapping_add(U::CELLS), m, fuel, mem),
        // SAFETY: the caller's promise; the miss is of a cell of this image.
        Err(miss) => unsafe { missed(miss.pc, m, fuel, mem, miss.addr, miss.access) },
    }
}

/// How a branch gets to its target.
pub(crate) mod reach {
    /// Forward, in the same block.
    pub(crate) const NEAR: u8 = 0;
    /// Backward, or to itself: pays.
    pub(crate) const BACK: u8 = 1;
    /// Forward into another block: cuts the chain.
    pub(crate) const CROSS: u8 = 2;
}

/// Instructions, then a conditional jump.
///
/// # Safety
/// As every [`Handler`](crate::code::Handler).
pub(crate) unsafe fn branch<U: Unit, T: Test, const REACH: u8>(
    pc: *const Code,
    m: *mut Machine,
    fuel: i64,
    mem: *mut Memory,
) -> Signal {
    // SAFETY: the caller's promise.
    let cx = unsafe { Cx::new(pc, m, mem) };
    if let Err(miss) = U::exec(cx) {
        // SAFETY: the caller's promise; the miss is of a cell of this image.
        return unsafe { missed(miss.pc, m, fuel, mem, miss.addr, miss.access) };
    }
    // SAFETY: as above; the branch stands after the cells of `U`.
    let cx = unsafe { cx.skip(U::CELLS) };
    if T::holds(cx) {
        let distance = isize::from(cx.cell().off);
        // SAFETY: the caller's promise; the builder computed the distance.
        unsafe { jump::<REACH>(cx.pc, distance, m, fuel, mem) }
    } else {
        go!(cx.pc.wrapping_add(1), m, fuel, mem)
    }
}

/// Goes to the cell at a distance from `pc`.
///
/// # Safety
/// As every [`Handler`](crate::code::Handler), and the distance leads to a cell of the same image, by this way of
/// reaching it.
#[inline(always)]
unsafe fn jump<const REACH: u8>(
    pc: *const Code,
    distance: isize,
    m: *mut Machine,
    fuel: i64,
    mem: *mut Memory,
) -> Signal {
    let target = pc.wrapping_offset(distance);
    if REACH == reach::NEAR {
        return go!(target, m, fuel, mem);
    }
    let fuel = if REACH == reach::BACK { fuel + distance as i64 - 1 } else { fuel };
    if REACH == reach::BACK && fuel >= 0 {
        return go!(target, m, fuel, mem);
    }
    // SAFETY: the caller's promise.
    let m = unsafe { &mut *m };
    m.pc = target;
    m.fuel = fuel;
    Signal::Bounce
}

/// Looks the region of an access up, caches it and runs the cell again; or traps.
///
/// # Safety
/// As every [`Handler`](crate::code::Handler); the cell is the one that missed.
#[cold]
#[inline(never)]
unsafe fn missed(
    pc: *const Code,
    m: *mut Machine,
    fuel: i64,
    mem: *mut Memory,
    addr: u64,
    access: Access,
) -> Signal {
    // SAFETY: the caller's promise.
    let (cell, memory) = unsafe { (&*pc, &mut *mem) };
    let base = if access.write { cell.a } else { cell.b };
    match memory.fill_way(usize::from(base / 8), addr, 1 << access.size, access.write) {
        Ok(()) => go!(pc, m, fuel, mem),
        Err(fault) => {
            // SAFETY: the caller's promise.
            let m = unsafe { &mut *m };
            m.pc = pc;
            m.fuel = fuel;
            m.halt(fault)
        }
    }
}
