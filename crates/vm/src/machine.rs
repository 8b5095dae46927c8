//! The mutable half of a run: registers, frames, budget. The immutable half is an [`Image`].
//!
//! A machine is made once and run many times; a run allocates nothing. Handlers (see [`crate::ops`]) work on it
//! through raw pointers, from [`Machine::drive`] until that returns. `drive` is the trampoline: handlers call
//! each other in chains whose length the image bounds, and come back to it with a [`Signal`].
//!
//! The budget counts instructions. A backward jump pays for the distance that it jumps over, a return for the
//! length of its function, a helper for one and what it charges itself; forward code is free. What is paid is
//! never less than what was executed by more than the program's length, so a run ends.

use std::any::Any;
use std::sync::Arc;

use crate::batch::Lot;
use crate::code::{CHUNK, Code, Signal};
use crate::host::{Frame, Host, Stop};
use crate::image::Image;
use crate::jit::{CALL_COUNT, CALLS};
use crate::memory::{FRAME_BYTES, MAX_FRAMES, Memory, RegionId, function_slot};
use crate::trap::{Place, Trap, TrapKind};

/// What a call saves.
#[derive(Clone, Copy)]
pub(crate) struct Saved {
    pub(crate) pc: *const Code,
    pub(crate) entry: *const Code,
    pub(crate) image: *const Image,
    pub(crate) callee_saved: [u64; 4],
    pub(crate) may_goto: u32,
}

/// Registers, frames and budget of a run.
#[repr(C)]
pub struct Machine {
    /// First, so that a scaled register number is a byte offset in the machine.
    pub(crate) regs: [u64; 16],
    /// Host address one past the current frame's bytes.
    pub(crate) frame_top: *mut u8,
    pub(crate) depth: usize,
    /// Depth at which an exit leaves the innermost `drive`.
    pub(crate) base: usize,
    pub(crate) may_goto: u32,
    pub(crate) may_goto_limit: u32,
    /// Where to go on, or where it stopped.
    pub(crate) pc: *const Code,
    /// Where the current function was entered.
    pub(crate) entry: *const Code,
    /// What is left of the current chunk of the budget while no handler holds it.
    pub(crate) fuel: i64,
    /// What is left beyond the chunk.
    reserve: i64,
    budget: i64,
    pub(crate) image: *const Image,
    /// Cell at which compiled code left.
    pub(crate) cell: u32,
    /// Cell at which the function was entered that was running when compiled code was.
    pub(crate) entry_cell: u32,
    /// r10 at depth `base`.
    pub(crate) base_top: u64,
    /// The host's stack pointer below which compiled code keeps its frames.
    pub(crate) native_sp: *mut u8,
    /// The image whose code runs, or is interrupted by a call of the embedder.
    pub(crate) native_image: *const Image,
    /// What compiled code calls.
    pub(crate) calls: [*const (); CALL_COUNT],
    pub(crate) frames: [Saved; MAX_FRAMES],
    pub(crate) host: Option<*mut (dyn Host + 'static)>,
    stop: Option<Stop>,
    /// What a call of the embedder left compiled code with.
    pub(crate) signal: Option<Signal>,
    /// The embedder's panic, on its way past compiled code.
    pub(crate) panic: Option<Box<dyn Any + Send>>,
    /// Keeps what was tail-called alive until the run ends.
    images: Vec<Arc<Image>>,
}

// SAFETY: outside a run the pointers are dead values that nobody follows; a run borrows the machine mutably.
unsafe impl Send for Machine {}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("regs", &&self.regs[..11])
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

impl Machine {
    /// The kernel's limit for `may_goto` (`BPF_MAX_LOOPS`).
    const MAX_LOOPS: u32 = 8 << 20;
    /// Budget of a new machine: a thousand times what the kernel's verifier would walk.
    const DEFAULT_BUDGET: i64 = 1_000_000_000;

    /// A machine with a budget of 10^9 instructions.
    pub fn new() -> Self {
        let saved = Saved {
            pc: std::ptr::null(),
            entry: std::ptr::null(),
            image: std::ptr::null(),
            callee_saved: [0; 4],
            may_goto: 0,
        };
        Self {
            regs: [0; 16],
            frame_top: std::ptr::null_mut(),
            depth: 0,
            base: 0,
            may_goto: 0,
            may_goto_limit: Self::MAX_LOOPS,
            pc: std::ptr::null(),
            entry: std::ptr::null(),
            fuel: 0,
            reserve: 0,
            budget: Self::DEFAULT_BUDGET,
            image: std::ptr::null(),
            cell: 0,
            entry_cell: 0,
            base_top: 0,
            native_sp: std::ptr::null_mut(),
            native_image: std::ptr::null(),
            calls: CALLS,
            frames: [saved; MAX_FRAMES],
            host: None,
            stop: None,
            signal: None,
            panic: None,
            images: Vec::new(),
        }
    }

    /// Sets how many instructions a run may take.
    pub fn set_budget(&mut self, instructions: u64) {
        self.budget = i64::try_from(instructions).unwrap_or(i64::MAX).min(i64::MAX / 2);
    }

    /// Sets how often a function may pass a `may_goto`: 8 Mi at first, as in the kernel.
    pub fn set_may_goto_limit(&mut self, times: u32) {
        self.may_goto_limit = times;
    }

    /// What the last run took from its budget.
    pub fn charged(&self) -> u64 {
        (self.budget - self.reserve - self.fuel).max(0) as u64
    }

    /// The registers as the last run left them.
    pub fn registers(&self) -> [u64; 11] {
        std::array::from_fn(|i| self.regs[i])
    }

    /// Runs a program with r1 to r5 set; the other registers and the stack are zero. Returns r0.
    ///
    /// # Errors
    /// The trap that ended the run. Memory keeps what was written until then.
    pub fn run(
        &mut self,
        image: &Image,
        memory: &mut Memory,
        host: &mut dyn Host,
        args: [u64; 5],
    ) -> Result<u64, Trap> {
        if image.endian() != memory.endian() {
            return Err(Trap::new(TrapKind::ByteOrder));
        }
        if !image.admits(args[0]) {
            return Err(Trap::host("a verified program is run on another context than it was verified for"));
        }
        self.begin(image, memory, args);
        let result = self.drive(memory, host, image.entry());
        self.finish();
        ended(result)
    }

    /// Sets everything to the start of a run.
    pub(crate) fn begin(&mut self, image: &Image, memory: &mut Memory, args: [u64; 5]) {
        memory.start_stack();
        self.regs = [0; 16];
        self.regs[1..6].copy_from_slice(&args);
        self.images.clear();
        self.image = image;
        self.reserve = self.budget;
        self.fuel = 0;
        self.depth = 0;
        self.base = 0;
        self.enter_frame(memory);
    }

    /// Forgets what is not the machine's own.
    pub(crate) fn finish(&mut self) {
        self.host = None;
        self.image = std::ptr::null();
        self.images.clear();
    }

    /// Runs compiled code over packets until one of them needs the interpreter, or a helper to end it, and then runs
    /// that one to its end: how many were through before, and how that one ended. `None` if there is no cage.
    #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable)))]
    pub(crate) fn enter_batch(
        &mut self,
        image: &Image,
        memory: &mut Memory,
        host: &mut dyn Host,
        context: RegionId,
        lots: &mut [Lot],
    ) -> Option<(usize, Option<Result<u64, Trap>>)> {
        self.lend(host);
        (self.pc, self.entry) = (image.entry(), image.entry());
        let native = image.native.as_ref()?;
        // SAFETY: the machine was set to the start of a run of this image, whose own code this is. `run_batch` found the
        // packets inside and the context long enough.
        let (done, signal) = unsafe { native.enter_batch(self, memory, context, lots)? };
        if done == lots.len() {
            return Some((done, None));
        }
        let result = match signal {
            None | Some(Signal::Bounce) => self.drive_on(memory),
            Some(Signal::Done) => Ok(self.regs[0]),
            Some(Signal::Stopped) => Err(self.take_stop()),
        };
        Some((done, Some(ended(result))))
    }

    /// Machines without compiled code.
    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable))))]
    pub(crate) fn enter_batch(
        &mut self,
        _: &Image,
        _: &mut Memory,
        _: &mut dyn Host,
        _: RegionId,
        _: &mut [Lot],
    ) -> Option<(usize, Option<Result<u64, Trap>>)> {
        None
    }

    /// Points r10 and the host's view of it to the frame at the current depth.
    fn enter_frame(&mut self, memory: &mut Memory) {
        self.regs[10] = RegionId::frame(self.depth).base() + FRAME_BYTES as u64;
        self.frame_top = memory.frame_tops[self.depth];
        self.may_goto = self.may_goto_limit;
        memory.touch_frame(self.depth);
    }

    /// Runs from `pc` until the exit of the frame at the current depth.
    fn drive(&mut self, memory: &mut Memory, host: &mut dyn Host, pc: *const Code) -> Result<u64, Stop> {
        self.lend(host);
        self.base = self.depth;
        (self.pc, self.entry) = (pc, pc);
        self.drive_on(memory)
    }

    /// Keeps the host at hand for the run that its caller is about to drive.
    fn lend(&mut self, host: &mut dyn Host) {
        // SAFETY: only the lifetime changes. The pointer is followed while the machine is driven, during which the
        // caller has `host` borrowed. Afterwards there is no run, or `Outer` has put the outer host back.
        self.host =
            Some(unsafe { std::mem::transmute::<*mut (dyn Host + '_), *mut (dyn Host + 'static)>(host) });
    }

    fn take_stop(&mut self) -> Stop {
        self.stop.take().unwrap_or_else(|| Trap::host("stopped").into())
    }

    /// Runs on from the machine's `pc`, with the host lent.
    fn drive_on(&mut self, memory: &mut Memory) -> Result<u64, Stop> {
        let (m, mem) = (&raw mut *self, &raw mut *memory);
        loop {
            // SAFETY: `m` and `mem` come from exclusive borrows that last until `drive` returns and are not used
            // otherwise in this loop. `pc` is a cell of the current image: an entry, or where a handler left it.
            let signal = unsafe {
                if let Err(trap) = (*m).refill() {
                    break Err(trap.into());
                }
                match Self::native(m, mem) {
                    Some(signal) => signal,
                    None => {
                        if let Err(trap) = (*m).refill() {
                            break Err(trap.into());
                        }
                        (*m).image().fill_cells();
                        let pc = (*m).pc;
                        ((*pc).run)(pc, m, (*m).fuel, mem)
                    }
                }
            };
            // SAFETY: as above.
            let this = unsafe { &mut *m };
            match signal {
                Signal::Bounce => {}
                Signal::Done => break Ok(this.regs[0]),
                Signal::Stopped => {
                    break Err(this.take_stop());
                }
            }
        }
    }

    /// Runs compiled code, if there is any for `pc`, until it leaves. What it leaves undone at the new `pc` is the
    /// interpreter's.
    ///
    /// # Safety
    /// As every [`Handler`](crate::code::Handler), with `pc` in the machine.
    #[inline(always)]
    unsafe fn native(m: *mut Self, mem: *mut Memory) -> Option<Signal> {
        // SAFETY: the caller's promise; the image outlives the run.
        let (image, pc) = unsafe { (&*(*m).image, (*m).pc) };
        let native = image.native.as_ref()?;
        let entry = native.entry(image.cell_of(pc))?;
        // SAFETY: the caller's promise; this is the current image's code, entered where an instruction begins.
        unsafe { native.enter(m, mem, entry) }
    }

    /// Puts all of the budget into one number, as compiled code counts it. Whether any is left.
    #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable)))]
    pub(crate) fn gather_fuel(&mut self) -> bool {
        (self.fuel, self.reserve) = (self.fuel + self.reserve, 0);
        self.fuel >= 0
    }

    /// Moves budget from the reserve into the chunk that handlers count down.
    fn refill(&mut self) -> Result<(), Trap> {
        let left = self.reserve + self.fuel;
        if left < 0 {
            return Err(Trap::new(TrapKind::Budget).at(|| self.place()));
        }
        self.fuel = left.min(CHUNK);
        self.reserve = left - self.fuel;
        Ok(())
    }

    /// Puts budget that was paid too much back, beyond the chunk: that bounds chains.
    #[cold]
    pub(crate) fn give_back(&mut self, instructions: i64) {
        self.reserve += instructions;
    }

    pub(crate) fn charge(&mut self, instructions: u64) -> Result<(), Trap> {
        let cost = i64::try_from(instructions).unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
        self.reserve = self.reserve.saturating_sub(cost).max(i64::MIN / 2);
        if self.reserve < 0 {
            // So that a host that goes on all the same gets no further than the rest of the budget.
            (self.fuel, self.reserve) = (self.fuel + self.reserve, 0);
        }
        if self.reserve + self.fuel < 0 {
            return Err(Trap::new(TrapKind::Budget));
        }
        Ok(())
    }

    pub(crate) fn callback(
        &mut self,
        memory: &mut Memory,
        host: &mut dyn Host,
        function: u64,
        args: [u64; 5],
    ) -> Result<u64, Stop> {
        let callee = function_slot(function).and_then(|slot| self.image().function(slot));
        let callee = callee.ok_or_else(|| Trap::new(TrapKind::NotAFunction(function)))?;
        if self.depth + 1 >= MAX_FRAMES {
            return Err(Trap::new(TrapKind::CallDepth).into());
        }
        self.charge(1)?;
        let outer = Outer::new(self);
        // SAFETY: `outer` holds the only pointer to the machine, made from `self`.
        let machine = unsafe { &mut *outer.machine };
        machine.depth += 1;
        machine.regs[1..6].copy_from_slice(&args);
        machine.enter_frame(memory);
        machine.drive(memory, host, callee)
    }

    /// Replaces the current function by a program.
    pub(crate) fn tail_call(&mut self, image: Arc<Image>) -> Result<(), Trap> {
        if self.base > 0 {
            return Err(Trap::host("tail call from a callback"));
        }
        if self.images.len() >= Frame::MAX_TAIL_CALLS as usize {
            return Err(Trap::new(TrapKind::TailCalls));
        }
        // SAFETY: `self.image` points to the running image (see `image`).
        if image.endian() != unsafe { (*self.image).endian() } {
            return Err(Trap::new(TrapKind::ByteOrder));
        }
        if !image.admits(self.regs[1]) {
            return Err(Trap::host("tail call of a verified program with another context"));
        }
        self.image = Arc::as_ptr(&image);
        (self.pc, self.entry) = (image.entry(), image.entry());
        self.images.push(image);
        Ok(())
    }

    pub(crate) fn tail_calls(&self) -> u32 {
        self.images.len() as u32
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// The running image.
    pub(crate) fn image(&self) -> &Image {
        // SAFETY: during a run, the only time at which this is called, `self.image` is the image that `run`
        // borrows or one that `self.images` keeps.
        unsafe { &*self.image }
    }

    pub(crate) fn slot(&self) -> usize {
        self.image().slot_of(self.pc)
    }

    pub(crate) fn place(&self) -> Place {
        Place { image: self.image().name(), slot: self.slot(), depth: self.depth }
    }

    /// Notes why the run ends at `self.pc`.
    #[cold]
    pub(crate) fn halt(&mut self, stop: impl Into<Stop>) -> Signal {
        self.stop = Some(match stop.into() {
            Stop::Trap(trap) => Stop::Trap(trap.at(|| self.place())),
            other => other,
        });
        Signal::Stopped
    }

    /// Opens a frame that returns to `pc`. `None` if eight are open.
    #[inline(always)]
    pub(crate) fn push(&mut self, memory: &mut Memory, pc: *const Code, entry: *const Code) -> Option<()> {
        let depth = self.depth;
        if depth + 1 >= MAX_FRAMES {
            return None;
        }
        let callee_saved = self.some_regs::<4>(6);
        self.frames[depth] =
            Saved { pc, entry: self.entry, image: self.image, callee_saved, may_goto: self.may_goto };
        self.entry = entry;
        self.depth = depth + 1;
        self.regs[10] = self.regs[10].wrapping_add(1 << 32);
        self.frame_top = memory.frame_tops[depth + 1];
        self.may_goto = self.may_goto_limit;
        memory.touch_frame(depth + 1);
        Some(())
    }

    /// Registers from `first` on, read one by one: a wider read would wait for the narrow writes before it.
    #[inline(always)]
    pub(crate) fn some_regs<const N: usize>(&self, first: usize) -> [u64; N] {
        // SAFETY: references are valid for reads; volatile only keeps the reads apart.
        std::array::from_fn(|i| unsafe { (&raw const self.regs[first + i]).read_volatile() })
    }

    /// Closes the current frame and gives where to go on. `None` if the run, or the callback, is over.
    #[inline(always)]
    pub(crate) fn pop(&mut self, memory: &Memory) -> Option<*const Code> {
        if self.depth == self.base {
            return None;
        }
        let depth = (self.depth - 1) % MAX_FRAMES;
        let saved = &self.frames[depth];
        self.depth = depth;
        for (i, value) in saved.callee_saved.iter().enumerate() {
            // SAFETY: a reference is valid for reads; volatile only keeps the reads apart.
            self.regs[6 + i] = unsafe { std::ptr::from_ref(value).read_volatile() };
        }
        self.regs[10] = self.regs[10].wrapping_sub(1 << 32);
        self.frame_top = memory.frame_tops[depth];
        self.may_goto = saved.may_goto;
        self.entry = saved.entry;
        self.image = saved.image;
        Some(saved.pc)
    }
}

/// How a run ends for those who asked for it.
fn ended(result: Result<u64, Stop>) -> Result<u64, Trap> {
    match result {
        Ok(value) | Err(Stop::Exit(value)) => Ok(value),
        Err(Stop::Trap(trap)) => Err(trap),
        Err(Stop::TailCall(_)) => Err(Trap::host("tail call outside of a program")),
    }
}

/// What a callback interrupts. Dropping it puts that back, also when the host panics in between: a host may
/// catch that and go on.
struct Outer {
    machine: *mut Machine,
    regs: [u64; 16],
    may_goto: u32,
    depth: usize,
    base: usize,
    pc: *const Code,
    entry: *const Code,
    image: *const Image,
    host: Option<*mut (dyn Host + 'static)>,
}

impl Outer {
    fn new(m: &mut Machine) -> Self {
        Self {
            regs: m.regs,
            may_goto: m.may_goto,
            depth: m.depth,
            base: m.base,
            pc: m.pc,
            entry: m.entry,
            image: m.image,
            host: m.host,
            machine: m,
        }
    }
}

impl Drop for Outer {
    fn drop(&mut self) {
        // SAFETY: the machine outlives the callback that made this, and what borrowed it in between is gone.
        let m = unsafe { &mut *self.machine };
        m.regs = self.regs;
        m.may_goto = self.may_goto;
        m.depth = self.depth;
        m.base = self.base;
        m.pc = self.pc;
        m.entry = self.entry;
        m.image = self.image;
        m.host = self.host;
    }
}
