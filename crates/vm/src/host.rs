//! What a program calls that is not its own: the embedder's side of helpers, kfuncs, legacy packet loads,
//! tail calls and callbacks.
//!
//! Names are resolved once, when an [`Image`](crate::Image) is made ([`Imports`]); at run time a call carries
//! the index that was resolved ([`Host`]). A helper that calls back, as `bpf_loop` does, uses the [`Frame`] it is given.

use std::sync::Arc;

use skep_isa::Size;

use crate::image::Image;
use crate::machine::Machine;
use crate::memory::{Memory, RegionId};
use crate::proof::Elements;
use crate::trap::{Fault, Trap};

/// An instruction that is about to run, in an image that was made to be observed.
#[derive(Debug)]
pub struct Step<'a> {
    /// Its slot.
    pub slot: usize,
    /// How many frames are below the one that runs.
    pub depth: usize,
    /// r0 to r10.
    pub regs: [u64; 11],
    /// The program's memory.
    pub memory: &'a Memory,
    /// The program.
    pub image: &'a Image,
}

/// A helper that needs nothing but its arguments, and does not fail: compiled code calls it directly.
pub type Plain = extern "C" fn(u64, u64, u64, u64, u64) -> u64;

/// Resolves what a program names to the embedder's indices.
pub trait Imports {
    /// The index of a helper by its number, if there is one.
    fn helper(&self, id: i32) -> Option<u32>;

    /// The index of a kfunc by its BTF id and module, if there is one.
    fn kfunc(&self, btf_id: i32, module: i16) -> Option<u32> {
        let _ = (btf_id, module);
        None
    }

    /// The function behind an index, if it is a plain one. It must do what [`Host::call`] does with that index.
    fn plain(&self, index: u32) -> Option<Plain> {
        let _ = index;
        None
    }

    /// Whether compiled code is to try [`Host::quick`] before [`Host::call`] for this index.
    fn is_quick(&self, index: u32) -> bool {
        let _ = index;
        false
    }

    /// Where the elements of a map are, if the helper of this number looks them up in it: the map is an array with this
    /// handle, the key 32 bits that are an element's number, and what is beyond is null. Compiled code then does it on
    /// the spot. It must be what [`Host::call`] does.
    fn array(&self, helper: i32, handle: u64) -> Option<(RegionId, Elements)> {
        let _ = (helper, handle);
        None
    }
}

/// No helpers at all.
impl Imports for () {
    fn helper(&self, _: i32) -> Option<u32> {
        None
    }
}

/// Why a call did not give a value.
#[derive(Debug)]
pub enum Stop {
    /// Something is wrong.
    Trap(Trap),
    /// The rest of the function is replaced by this program (`bpf_tail_call`): r1 stays, the frame starts anew.
    TailCall(Arc<Image>),
    /// The whole run ends with this r0.
    Exit(u64),
}

/// What runs a program's calls.
pub trait Host {
    /// Calls the helper or kfunc of this index with r1 to r5; the value goes to r0.
    ///
    /// # Errors
    /// [`Stop`], made from a [`Fault`] or a [`Trap`] by `?`, or a tail call.
    fn call(&mut self, index: u32, args: [u64; 5], frame: &mut Frame<'_>) -> Result<u64, Stop>;

    /// The same without the way through the machine, for what reads memory at most, and neither fails nor calls back. `None`:
    /// it has done nothing, and [`Host::call`] is asked. Otherwise it has done what that does. Compiled code asks for
    /// indices that [`Imports::is_quick`] names; the interpreter never does.
    fn quick(&mut self, index: u32, args: [u64; 5], memory: &Memory) -> Option<u64> {
        let _ = (index, args, memory);
        None
    }

    /// The index of the helper whose number is in the register of a `callx`.
    fn helper_index(&self, id: u64) -> Option<u32> {
        let _ = id;
        None
    }

    /// Looks on, before each instruction of an image made with [`Options::observe`](crate::Options::observe).
    fn observe(&mut self, step: &Step<'_>) {
        let _ = step;
    }

    /// LD_ABS and LD_IND: the big-endian value at a packet offset. `None` ends the program with r0 = 0. Negative
    /// offsets are the socket filter's ancillary data. The default reads the packet region.
    fn load_packet(&mut self, memory: &Memory, offset: i32, size: Size) -> Option<u64> {
        let offset = u64::try_from(offset).ok()?;
        let start = RegionId::PACKET.base() + memory.window(RegionId::PACKET)?.start as u64;
        let bytes = memory.read(start + offset, size.bytes()).ok()?;
        Some(bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
    }
}

/// No helpers at all.
impl Host for () {
    fn call(&mut self, _: u32, _: [u64; 5], _: &mut Frame<'_>) -> Result<u64, Stop> {
        Err(Trap::host("there are no helpers").into())
    }
}

/// A call in progress, as the helper sees it: the memory, the caller, the way back into the program.
pub struct Frame<'a> {
    /// The program's memory.
    pub memory: &'a mut Memory,
    pub(crate) machine: &'a mut Machine,
}

impl Frame<'_> {
    /// `MAX_TAIL_CALL_CNT`. A helper checks [`Frame::tail_calls`] against it; the machine traps beyond it.
    pub const MAX_TAIL_CALLS: u32 = 33;

    /// How many tail calls this run has made.
    pub fn tail_calls(&self) -> u32 {
        self.machine.tail_calls()
    }

    /// Slot of the calling instruction.
    pub fn slot(&self) -> usize {
        self.machine.slot()
    }

    /// How many frames are below the caller: 0 in the program's main function.
    pub fn depth(&self) -> usize {
        self.machine.depth()
    }

    /// The program that calls.
    pub fn image(&self) -> &Image {
        self.machine.image()
    }

    /// Takes from the instruction budget, for helpers whose work grows with their arguments.
    ///
    /// # Errors
    /// A trap if the budget is spent.
    pub fn charge(&mut self, instructions: u64) -> Result<(), Trap> {
        self.machine.charge(instructions)
    }

    /// Calls a subprogram of the running program by the address that the program gave, and returns its r0. The
    /// callee gets a frame of its own; registers of the caller stay. `host` is the helper's own host again.
    ///
    /// # Errors
    /// Whatever stops the callee, a tail call in it included.
    pub fn callback(&mut self, host: &mut dyn Host, function: u64, args: [u64; 5]) -> Result<u64, Stop> {
        self.machine.callback(self.memory, host, function, args)
    }

    /// Bytes that the program may read: short for `frame.memory.read`.
    ///
    /// # Errors
    /// The fault that the program would take.
    pub fn read(&self, addr: u64, len: usize) -> Result<&[u8], Fault> {
        self.memory.read(addr, len)
    }
}
