//! Into compiled code and out of it: the call that enters, and the Rust functions that it calls.
//!
//! A panic of the embedder must not unwind through compiled code, which has no tables for that. It is caught here, compiled
//! code leaves, and it goes on from there.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::native::Native;
use super::shape::Word;
use super::{host, layout};
use crate::batch::Lot;
use crate::code::Signal;
use crate::head::{HEAD, Head};
use crate::image::Image;
use crate::machine::{Machine, Saved};
use crate::memory::{FRAME_BYTES, MAX_FRAMES, Memory, RegionId};
use crate::ops::flow;

type Enter = unsafe extern "C" fn(*mut Machine, *const u8, *mut u8) -> u64;

/// What compiled code finds in the machine, in the order of [`layout`].
pub(crate) const CALLS: [*const (); super::CALL_COUNT] = [
    miss as *const (),
    open as *const (),
    helper as *const (),
    packet as *const (),
    deopt as *const (),
    quick as *const (),
];

/// What Rust code answers, in two registers.
#[repr(C)]
pub(super) struct Answer {
    status: u64,
    /// The cage's base to go on with, or the machine to leave with.
    at: *mut u8,
}

impl Native {
    /// Runs from `entry` until it leaves. `None`: the interpreter goes on at the machine's `pc`.
    ///
    /// # Safety
    /// As every [`Handler`](crate::code::Handler): this is the code of the machine's current image, and `entry` came
    /// from [`Native::entry`].
    pub(crate) unsafe fn enter(&self, m: *mut Machine, mem: *mut Memory, entry: *const u8) -> Option<Signal> {
        // SAFETY: the caller's promise.
        unsafe {
            let base = prepare(&mut *m, &mut *mem)?;
            (*m).gather_fuel();
            let (status, image) = self.call(m, self.shape.enter, entry, base);
            self.left(&mut *m, &*mem, status, image)
        }
    }

    /// Runs from the program's start for each lot until all are through or it leaves: how many are through, and as
    /// [`Native::enter`]. `None` if there is no cage.
    ///
    /// # Safety
    /// As [`Native::enter`], with the machine at the start of a run. The lots lie in the packet region; the context has
    /// twelve bytes.
    pub(crate) unsafe fn enter_batch(
        &self,
        m: *mut Machine,
        mem: *mut Memory,
        context: RegionId,
        lots: &mut [Lot],
    ) -> Option<(usize, Option<Signal>)> {
        let entry = self.entry(0)?;
        // SAFETY: the caller's promise.
        unsafe {
            let base = prepare(&mut *m, &mut *mem)?;
            (*m).gather_fuel();
            let fuel = (*m).fuel;
            let head = (*mem).head()?;
            let range = lots.as_mut_ptr_range();
            (head.lot, head.end, head.context, head.entry, head.fuel) =
                (range.start, range.end, context.base(), entry, fuel);
            head.clean = u64::from((*m).image().batch.unwrap_or(0).div_ceil(16));
            let (status, image) = self.call(m, self.shape.batch, entry, base);
            let Some(head) = (*mem).head() else { return Some((lots.len(), None)) };
            let done = head.lot.offset_from(range.start) as usize;
            if done == lots.len() {
                return Some((done, None));
            }
            Some((done, self.left(&mut *m, &*mem, status, image)))
        }
    }

    /// Calls a way in: its status, and the image that was entered.
    ///
    /// # Safety
    /// As [`Native::enter`], with the head prepared; `way` is one of the two.
    unsafe fn call(
        &self,
        m: *mut Machine,
        way: usize,
        entry: *const u8,
        base: *mut u8,
    ) -> (u64, *const Image) {
        let way_in = host::ways(&self.pages).wrapping_add(way);
        // SAFETY: the caller's promise. The thunk at this offset was emitted as a function of this very type. Compiled code
        // touches the machine's and the head's fields at the offsets that `layout` takes from the compiler, the
        // cage through checks or where a proof is, and its own stack frames.
        unsafe {
            let entry_cell = (*m).image().cell_of((*m).entry) as u32;
            let outer = (
                std::mem::replace(&mut (*m).native_image, (*m).image),
                std::mem::replace(&mut (*m).entry_cell, entry_cell),
            );
            let status = std::mem::transmute::<*mut u8, Enter>(way_in)(m, entry, base);
            let image = (*m).native_image;
            ((*m).native_image, (*m).entry_cell) = outer;
            (status, image)
        }
    }

    /// What is left to do after compiled code of `image` has left.
    ///
    /// # Safety
    /// The run keeps the image.
    unsafe fn left(&self, m: &mut Machine, mem: &Memory, status: u64, image: *const Image) -> Option<Signal> {
        if status != layout::SIGNALLED {
            // SAFETY: the caller's promise.
            m.pc = unsafe { (*image).cell(m.cell as usize) };
        }
        m.find_frame(mem);
        if let Some(panic) = m.panic.take() {
            resume_unwind(panic);
        }
        match status {
            layout::SIGNALLED => m.signal.take(),
            layout::DONE => Some(Signal::Done),
            _ => None,
        }
    }
}

/// Writes what compiled code wants at hand into the head. The cage's base.
fn prepare(m: &mut Machine, memory: &mut Memory) -> Option<*mut u8> {
    let base = memory.cage_base()?;
    m.base_top = RegionId::frame(m.base).base() + FRAME_BYTES as u64;
    let opened = RegionId::frame(memory.touched.max(1) - 1).base() + FRAME_BYTES as u64;
    let itself = std::ptr::from_mut(memory);
    let head = memory.head()?;
    head.machine = m;
    head.memory = itself;
    host::equip(head);
    head.opened = opened;
    Some(base)
}

impl Machine {
    /// Takes the depth from r10, which compiled code keeps, and with it the frame.
    fn find_frame(&mut self, memory: &Memory) {
        self.depth = ((self.regs[10] >> 32) as usize).wrapping_sub(1) % MAX_FRAMES;
        self.frame_top = memory.frame_tops[self.depth];
    }

    fn answer(&mut self, status: u64) -> Answer {
        Answer { status, at: std::ptr::from_mut(self).cast() }
    }

    fn leave_at(&mut self, cell: u32) -> Answer {
        self.cell = cell;
        self.answer(layout::LEAVE)
    }
}

/// Looks the region of a missed access up and caches it. What is not allowed is left to the interpreter, which
/// traps.
///
/// # Safety
/// Called by compiled code alone, which hands on the pointers that it was entered with.
pub(super) unsafe extern "C" fn miss(m: *mut Machine, mem: *mut Memory, word: u64) -> Answer {
    // SAFETY: compiled code was entered with exclusive borrows, which it does not use while it calls.
    let (m, memory) = unsafe { (&mut *m, &mut *mem) };
    let word = Word::from_bits(word);
    let base = word.base % m.regs.len();
    let addr = m.regs[base].wrapping_add(i64::from(word.off) as u64);
    match (memory.fill_way(base, addr, 1 << word.log2, word.write), memory.cage_base()) {
        (Ok(()), Some(at)) => Answer { status: layout::GO_ON, at },
        _ => m.leave_at(word.cell),
    }
}

/// Opens the frame of a call that no call of this run has opened. A ninth is left to the interpreter, which traps.
///
/// # Safety
/// As [`miss`].
pub(super) unsafe extern "C" fn open(m: *mut Machine, mem: *mut Memory, cell: u64) -> Answer {
    // SAFETY: as in `miss`.
    let (m, memory) = unsafe { (&mut *m, &mut *mem) };
    m.find_frame(memory);
    if m.depth + 1 >= MAX_FRAMES {
        return m.leave_at(cell as u32);
    }
    memory.touch_frame(m.depth + 1);
    match prepare(m, memory) {
        Some(at) => Answer { status: layout::GO_ON, at },
        None => m.leave_at(cell as u32),
    }
}

/// Calls a helper or kfunc: its cell, and its index above.
///
/// # Safety
/// As [`miss`].
pub(super) unsafe extern "C" fn helper(m: *mut Machine, mem: *mut Memory, word: u64) -> Answer {
    // SAFETY: the caller's promise, handed on. No reference to the machine is kept.
    unsafe {
        // Of the quick form.
        if (*m).panic.is_some() {
            return (*m).leave_at(word as u32);
        }
        call_out(m, mem, word as u32, |m, mem| flow::call_host(m, mem, (word >> 32) as u32))
    }
}

/// What a helper gave that was called without the way through the machine, and whether it was not done after all.
#[repr(C)]
pub(super) struct Quick {
    value: u64,
    declined: u64,
}

/// Calls a helper with nothing but its arguments and the memory to read: `base` is the cage's, `word` as [`helper`] gets it. A
/// panic is left to that, which is called when this has declined.
///
/// # Safety
/// Called by compiled code alone, with the base of the cage that it was entered with, and its arguments where the platform has
/// those of a function of C.
pub(super) unsafe extern "C" fn quick(
    r1: u64,
    r2: u64,
    r3: u64,
    r4: u64,
    r5: u64,
    base: *mut u8,
    word: u64,
) -> Quick {
    let head = base.wrapping_sub(HEAD).cast::<Head>();
    // SAFETY: the cage has its head there, which `prepare` has told of the machine and the memory that compiled code was
    // entered with. It does not use them while it calls.
    let (m, memory) = unsafe { (&mut *(*head).machine, &*(*head).memory) };
    let Some(host) = m.host else { return Quick { value: 0, declined: 1 } };
    // SAFETY: `host` is set and borrowed while the machine is driven, and only the call that is running uses it.
    let call = || unsafe { (*host).quick((word >> 32) as u32, [r1, r2, r3, r4, r5], memory) };
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Some(value)) => Quick { value, declined: 0 },
        Ok(None) => Quick { value: 0, declined: 1 },
        Err(panic) => {
            m.panic = Some(panic);
            Quick { value: 0, declined: 1 }
        }
    }
}

/// Does LD_ABS or LD_IND.
///
/// # Safety
/// As [`miss`].
pub(super) unsafe extern "C" fn packet(m: *mut Machine, mem: *mut Memory, cell: u64) -> Answer {
    // SAFETY: the caller's promise, handed on.
    unsafe {
        (*m).image().fill_cells();
        call_out(m, mem, cell as u32, |m, mem| flow::packet_value(m, mem))
    }
}

/// Runs what may call the embedder, with `pc` set.
///
/// # Safety
/// As [`miss`]; `run` gets the same pointers.
#[inline(always)]
unsafe fn call_out(
    m: *mut Machine,
    mem: *mut Memory,
    cell: u32,
    run: impl FnOnce(*mut Machine, *mut Memory) -> Option<Signal>,
) -> Answer {
    // SAFETY: compiled code was entered with exclusive borrows, which it does not use while it calls.
    unsafe {
        (*m).pc = (*m).image().cell(cell as usize);
        (*m).find_frame(&*mem);
    }
    // The machine is as consistent after a panic as the interpreter leaves it: nothing is borrowed across `run`.
    let outcome = catch_unwind(AssertUnwindSafe(|| run(m, mem)));
    // SAFETY: as above; `run` is over.
    let (m, memory) = unsafe { (&mut *m, &mut *mem) };
    match outcome {
        Ok(None) => {
            let going = m.gather_fuel();
            match prepare(m, memory) {
                Some(at) if going => Answer { status: layout::GO_ON, at },
                _ => m.leave_at(cell + 1),
            }
        }
        Ok(signal) => {
            m.signal = signal;
            m.answer(layout::SIGNALLED)
        }
        Err(panic) => {
            m.panic = Some(panic);
            m.leave_at(cell)
        }
    }
}

/// Writes the calls that are open on the host's stack into the machine, as the interpreter would have it. `sp` points
/// to the innermost return.
///
/// # Safety
/// Called by compiled code alone, on its way out, with its stack as it is.
pub(super) unsafe extern "C" fn deopt(m: *mut Machine, mut sp: *const u64) {
    // SAFETY: compiled code is done with the machine; the image that it runs is kept by the run.
    let (m, image) = unsafe { (&mut *m, &*(*m).native_image) };
    let Some(native) = &image.native else { return };
    // The interpreter returns into these calls.
    image.fill_cells();
    let outermost = m.entry_cell;
    let mut depth = ((m.regs[10] >> 32) as usize).wrapping_sub(1) % MAX_FRAMES;
    let mut kept: [u64; 4] = std::array::from_fn(|i| m.regs[6 + i]);
    let mut innermost = None;
    while sp.addr() + host::RETURN < m.native_sp.addr() && depth > 0 {
        // SAFETY: between the innermost return and `native_sp` lie only such frames, each as long as this image's call
        // sites make it.
        let word = |n: u8| unsafe { sp.add(n.into()).read() };
        let Some(site) = native.site((word(0) as usize).wrapping_sub(native.first().addr())) else {
            return;
        };
        let frame = &native.shape.frame;
        for (kept, at) in kept.iter_mut().zip(frame.saved) {
            *kept = at.map_or(*kept, word);
        }
        let may_goto = frame.may_goto.map_or(m.may_goto, |at| word(at) as u32);
        depth -= 1;
        if innermost.is_none() {
            innermost = Some(site.target);
        } else {
            m.frames[depth + 1].entry = image.cell(site.target as usize);
        }
        m.frames[depth] = Saved {
            pc: image.cell(site.cell as usize + 1),
            entry: image.cell(outermost as usize),
            image,
            callee_saved: kept,
            may_goto,
        };
        // SAFETY: as above: the next frame's return follows.
        sp = unsafe { sp.add(frame.words.into()) };
    }
    if native.shape.frame.may_goto.is_none() {
        m.may_goto = m.may_goto_limit;
    }
    // After a tail call, the only thing to bounce for here, it is the new program's.
    if let Some(target) = innermost.filter(|_| m.signal != Some(Signal::Bounce)) {
        m.entry = image.cell(target as usize);
    }
}
