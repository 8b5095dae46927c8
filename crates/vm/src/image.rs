//! The immutable half of a run: a program, checked once and compiled to cells.
//!
//! An image is `Send` and `Sync` and holds nothing that changes while it runs. Its loader has already put
//! addresses into wide loads (map handles, values); the embedder's [`Imports`] turn the numbers of helpers and kfuncs
//! into indices here, so that a call looks nothing up.

use std::cell::Cell;
use std::sync::Arc;

use skep_isa::{Endian, Insn, Op, ValidateError};

use crate::build::{self, Plan};
use crate::code::{Cells, Code};
use crate::host::Imports;
use crate::jit::{Arch, Foreign, Native, NoNative, Source};
use crate::memory::RegionId;
use crate::proof::{Binding, Unbound};

/// What to do with a call of something that the embedder does not have.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Missing {
    /// The program is refused.
    #[default]
    Reject,
    /// The program is taken, and traps if it gets there.
    Trap,
}

/// What runs an image.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Engine {
    /// The checked interpreter, on every machine.
    #[default]
    Interpreter,
    /// Native code with the interpreter's checks. Unix on x86-64 and AArch64 has it; elsewhere [`Image::new`] says that it
    /// has not ([`ImageError::no_jit`]).
    Jit,
}

/// How an image is made.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Byte order in which the program sees memory.
    pub endian: Endian,
    /// The program's name, for traps.
    pub name: String,
    /// What unknown helpers and kfuncs are.
    pub missing: Missing,
    /// Where `addr_space_cast` leads: the arena's region. Without one it keeps the low 32 bits.
    pub arena: Option<RegionId>,
    /// What runs it.
    pub engine: Engine,
    /// Make machine code for this machine, to be looked at ([`Image::machine_code`]). The interpreter then runs the image,
    /// whatever [`Options::engine`] says.
    pub arch: Option<Arch>,
    /// Put machine code into pages of its own. Profilers and debuggers name frames in such memory; the pool that code is in
    /// otherwise is a file to them.
    pub own_pages: bool,
    /// Tell debuggers of machine code, by GDB's JIT interface: on Linux, as long as the image is there.
    pub gdb: bool,
    /// Names of functions, by their first slots, for debuggers.
    pub functions: Vec<(usize, String)>,
    /// Hide the program's constants in machine code, behind masks that come of this seed: nobody who writes a program should know
    /// it. Costs an instruction or two for each constant. What it is against: Linux, `bpf_jit_harden`.
    pub blind: Option<u64>,
    /// Show every instruction to [`Host::observe`](crate::Host::observe) before it runs. Such an image is always
    /// interpreted, and what it takes from the budget is up to three times as much.
    pub observe: bool,
}

/// Why bytes are no image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageError(pub(crate) ErrorKind);

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ErrorKind {
    Structure(ValidateError),
    Helper { slot: usize, id: i32 },
    Kfunc { slot: usize, btf_id: i32 },
    Unresolved { slot: usize },
    TooLong,
    Native(NoNative),
    Unbound(Unbound),
}

impl ImageError {
    /// The slot that is wrong.
    pub fn slot(&self) -> usize {
        match &self.0 {
            ErrorKind::Structure(e) => e.slot(),
            ErrorKind::Helper { slot, .. } | ErrorKind::Kfunc { slot, .. } => *slot,
            ErrorKind::Unresolved { slot } => *slot,
            ErrorKind::TooLong | ErrorKind::Native(_) | ErrorKind::Unbound(_) => 0,
        }
    }

    /// The number of the helper that the embedder does not have, if that is the reason.
    pub fn missing_helper(&self) -> Option<i32> {
        match self.0 {
            ErrorKind::Helper { id, .. } => Some(id),
            _ => None,
        }
    }

    /// Whether the reason is that this machine, or this build, has no native code to give. The interpreter serves.
    pub fn no_jit(&self) -> bool {
        matches!(self.0, ErrorKind::Native(_))
    }

    /// The structural check's error, if that is the reason.
    pub fn structure(&self) -> Option<&ValidateError> {
        match &self.0 {
            ErrorKind::Structure(e) => Some(e),
            _ => None,
        }
    }
}

impl std::fmt::Display for ImageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            ErrorKind::Structure(e) => e.fmt(f),
            ErrorKind::Helper { slot, id } => write!(f, "slot {slot}: helper {id} is not available"),
            ErrorKind::Kfunc { slot, btf_id } => {
                write!(f, "slot {slot}: kfunc with btf id {btf_id} is not available")
            }
            ErrorKind::Unresolved { slot } => {
                write!(f, "slot {slot}: wide load names a map or symbol that the loader did not resolve")
            }
            ErrorKind::Native(why) => why.fmt(f),
            ErrorKind::Unbound(why) => write!(f, "the proof is not about this program: {why}"),
            ErrorKind::TooLong => write!(f, "program is longer than {} slots", Image::MAX_SLOTS),
        }
    }
}

impl std::error::Error for ImageError {}

/// A program that is ready to run.
pub struct Image {
    cells: Cells,
    /// What the cells are made from.
    plan: Plan,
    /// The same as machine code, which is about these very cells.
    pub(crate) native: Option<Native>,
    /// Machine code of another machine.
    foreign: Option<Foreign>,
    /// What r1 has to be at entry, where checks of the context were left out.
    context: Option<u64>,
    proved: bool,
    /// How much of the frame a packet may leave something in, for programs that batches may run.
    pub(crate) batch: Option<u32>,
    name: Arc<str>,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image")
            .field("name", &self.name)
            .field("cells", &self.cells.len())
            .finish_non_exhaustive()
    }
}

impl Image {
    /// Most slots of a program: the kernel's limit of a million instructions, wide ones counted twice.
    pub const MAX_SLOTS: usize = 2_000_000;

    /// Compiles a program. Plain wide loads hold their constant or address; those that name a function
    /// (`BPF_PSEUDO_FUNC`) are resolved here, and other names are the loader's to replace first.
    ///
    /// # Errors
    /// The structure is wrong ([`skep_isa::validate()`]), a callee is missing, or a name is unresolved.
    pub fn new(insns: &[Insn], imports: &dyn Imports, options: &Options) -> Result<Self, ImageError> {
        Self::build(insns, imports, options, None)
    }

    /// Compiles a program that the verifier has accepted. Machine code leaves out the checks that were proved to be
    /// needless; in everything else it is what [`Image::new`] gives. The interpreter checks all the same.
    ///
    /// # Errors
    /// As [`Image::new`], and if the proof is about another program.
    ///
    /// # Safety
    /// Whoever runs the image keeps the verifier's word: the [`Host`](crate::Host) does with memory what the rows of its
    /// helpers say and no more, and gives pointers to what they say; the [`Memory`](crate::Memory) is the one whose regions
    /// the binding names, and they have the sizes of the maps and the context that were verified; the context holds
    /// what its type's rows say, bounds of the packet among it; functions that are called back get what they were
    /// verified for.
    pub unsafe fn verified(
        insns: &[Insn],
        imports: &dyn Imports,
        options: &Options,
        binding: &Binding<'_>,
    ) -> Result<Self, ImageError> {
        binding.check(insns, options.endian).map_err(|why| ImageError(ErrorKind::Unbound(why)))?;
        Self::build(insns, imports, options, Some(binding))
    }

    fn build(
        insns: &[Insn],
        imports: &dyn Imports,
        options: &Options,
        binding: Option<&Binding<'_>>,
    ) -> Result<Self, ImageError> {
        if insns.len() > Self::MAX_SLOTS {
            return Err(ImageError(ErrorKind::TooLong));
        }
        // Most programs are small, and many are made.
        const KEPT: usize = 1 << 14;
        thread_local! {
            static OPS: Cell<Vec<(usize, Op)>> = const { Cell::new(Vec::new()) };
        }
        let mut ops = OPS.take();
        let image = Self::build_with(insns, &mut ops, imports, options, binding);
        if ops.capacity() <= KEPT {
            OPS.set(ops);
        }
        image
    }

    /// Decodes into `ops`, and builds.
    fn build_with(
        insns: &[Insn],
        ops: &mut Vec<(usize, Op)>,
        imports: &dyn Imports,
        options: &Options,
        binding: Option<&Binding<'_>>,
    ) -> Result<Self, ImageError> {
        skep_isa::validate_into(insns, ops).map_err(|e| ImageError(ErrorKind::Structure(e)))?;
        let plan = Plan::new(insns, ops, imports, options)?;
        let cells = Cells::new(plan.cells);
        let native = match options.engine {
            _ if options.observe || options.arch.is_some() => None,
            Engine::Interpreter => None,
            Engine::Jit => Some(
                Native::new(&Source { plan: &plan, ops, imports, binding, options })
                    .map_err(|why| ImageError(ErrorKind::Native(why)))?,
            ),
        };
        let foreign = match options.arch.filter(|_| !options.observe) {
            Some(arch) => Some(
                Foreign::new(&Source { plan: &plan, ops, imports, binding, options }, arch)
                    .ok_or(ImageError(ErrorKind::Native(NoNative::TooLong)))?,
            ),
            None => None,
        };
        let context = binding.and_then(|b| b.context).map(|(region, _)| region.base());
        let proved = binding.is_some() && (native.is_some() || foreign.is_some());
        let batch = binding.filter(|_| native.is_some()).and_then(Binding::batch);
        let image =
            Self { cells, plan, native, foreign, context, proved, batch, name: options.name.as_str().into() };
        if image.native.is_none() {
            image.cells.fill_with(|| build::emit(&image.plan, ops));
        }
        Ok(image)
    }

    /// The byte order in which it sees memory.
    pub fn endian(&self) -> Endian {
        self.plan.endian
    }

    /// Its name.
    pub fn name(&self) -> Arc<str> {
        self.name.clone()
    }

    /// What runs it.
    pub fn engine(&self) -> Engine {
        if self.native.is_some() { Engine::Jit } else { Engine::Interpreter }
    }

    /// The slots of instructions and where in [`Image::machine_code`] their code begins, in order.
    pub fn native_offsets(&self) -> Vec<(usize, usize)> {
        let offset = |cell| match (&self.native, &self.foreign) {
            (Some(native), _) => Some(native.entry(cell)?.addr() - native.bytes().as_ptr().addr()),
            (None, foreign) => foreign.as_ref()?.offset(cell),
        };
        let begins = self.plan.decode().into_iter().map(|(slot, _)| slot);
        begins.filter_map(|slot| Some((slot, offset(self.plan.cell_of[slot] as usize)?))).collect()
    }

    /// Whether checks were left out that the verifier has proved to be needless.
    pub fn is_proved(&self) -> bool {
        self.proved
    }

    /// The embedder's indices of all that it calls by number.
    pub fn host_calls(&self) -> impl Iterator<Item = u32> + '_ {
        self.plan.host_calls.iter().map(|call| call.1)
    }

    /// Whether it may be entered with this r1.
    pub(crate) fn admits(&self, r1: u64) -> bool {
        self.context.is_none_or(|context| context == r1)
    }

    /// The machine code, if it was compiled: entry and exit sequences, then the program.
    pub fn machine_code(&self) -> Option<&[u8]> {
        self.native.as_ref().map(Native::bytes).or_else(|| self.foreign.as_ref().map(Foreign::bytes))
    }

    /// Makes the cells, if compiled code has done without so far.
    #[inline]
    pub(crate) fn fill_cells(&self) {
        if !self.cells.are_filled() {
            self.cells.fill_with(|| build::emit(&self.plan, &self.plan.decode()));
        }
    }

    /// The first cell.
    pub(crate) fn entry(&self) -> *const Code {
        self.cells.start()
    }

    /// The first cell of the function at a slot.
    pub(crate) fn function(&self, slot: u32) -> Option<*const Code> {
        let i = self.plan.functions.binary_search_by_key(&slot, |f| f.0).ok()?;
        Some(self.cell(self.plan.functions[i].1 as usize))
    }

    /// The slot of a cell of this image; 0 for any other pointer.
    pub(crate) fn slot_of(&self, pc: *const Code) -> usize {
        self.plan.slot_of(self.cell_of(pc))
    }

    /// The number of a cell of this image; past the end for any other pointer.
    pub(crate) fn cell_of(&self, pc: *const Code) -> usize {
        pc.addr().wrapping_sub(self.cells.start().addr()) / size_of::<Code>()
    }

    /// The cell of this number.
    pub(crate) fn cell(&self, n: usize) -> *const Code {
        self.cells.start().wrapping_add(n)
    }
}
