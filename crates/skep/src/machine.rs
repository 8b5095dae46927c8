//! [`Vm`]: a program, its helpers, memory in, r0 out.

use std::collections::BTreeMap;

use skep_abi::nearest;
use skep_isa::{Endian, ImmSource, Insn, bytes_from_slots, slots_from_bytes};
use skep_object::{MapSpec, Program, RelocTarget, Spec};
use skep_vm::{Engine, Frame, Host, Image, Imports, Machine, Memory, Options, Protection, RegionId, Stop};

use crate::Error;
use crate::helper::HelperFn;

/// One program and what it calls: what uBPF's and rbpf's users have.
///
/// Anything may be handed in: what is malformed is refused with the slot named, what goes wrong while it runs ends
/// in a trap that names the instruction, the access and what was there. A run takes at most a budget
/// of instructions ([`Vm::budget`]).
///
/// ```
/// use skep::Vm;
///
/// // Bytes, as compilers and assemblers give them: r0 = r1; r0 += r2; exit
/// let code = [0xbf, 0x10, 0, 0, 0, 0, 0, 0, 0x0f, 0x20, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
/// assert_eq!(Vm::from_bytes(&code)?.run([40, 2, 0, 0, 0])?, 42);
///
/// // Text, with a helper that is a Rust closure.
/// let mut vm = Vm::from_asm("
///     r2 = 7
///     call 1
///     exit
/// ")?
/// .helper(1, |a: u64, b: u32| -> u64 { a * u64::from(b) });
/// assert_eq!(vm.run([6, 0, 0, 0, 0])?, 42);
/// # Ok::<(), skep::Error>(())
/// ```
///
/// Memory is passed as uBPF and rbpf pass it: r1 points to it, r2 is its length, and the program's writes are seen
/// afterwards.
///
/// ```
/// # use skep::Vm;
/// let mut vm = Vm::from_asm("
///     r0 = *(u16 *)(r1 + 2)
///     *(u8 *)(r1 + 0) = 9
///     exit
/// ")?;
/// let mut packet = [1, 2, 0x34, 0x12];
/// assert_eq!(vm.run_mem(&mut packet)?, 0x1234);
/// assert_eq!(packet[0], 9);
///
/// let e = vm.run_mem(&mut [0; 3]).unwrap_err();
/// assert_eq!(e.slot(), Some(0));
/// assert!(e.to_string().starts_with("read of 2 bytes at"));
/// # Ok::<(), skep::Error>(())
/// ```
///
/// A helper that follows pointers takes the program's memory first.
///
/// ```
/// # use skep::{Vm, vm::Memory};
/// let mut vm = Vm::from_asm("
///     r1 = r10
///     r1 += -8
///     call 7
///     r0 = *(u32 *)(r10 - 8)
///     exit
/// ")?
/// .helper(7, |memory: &mut Memory, to: u64| memory.write(to, &5u32.to_le_bytes()));
/// assert_eq!(vm.run([0; 5])?, 5);
/// # Ok::<(), skep::Error>(())
/// ```
pub struct Vm {
    insns: Vec<Insn>,
    options: Options,
    image: Option<Image>,
    calls: Calls,
    memory: Memory,
    machine: Machine,
    /// Where `run_mem` puts its memory, made once.
    region: Option<RegionId>,
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm")
            .field("name", &self.options.name)
            .field("insns", &self.insns.len())
            .field("helpers", &self.calls.index.keys())
            .finish_non_exhaustive()
    }
}

impl Vm {
    /// A little-endian program, as bytes.
    ///
    /// # Errors
    /// If they are no whole number of instructions. What is wrong with the instructions shows at
    /// [`Vm::check`], or else at the first run, when all helpers are known.
    pub fn from_bytes(code: &[u8]) -> Result<Self, Error> {
        Ok(Self::from_insns(slots_from_bytes(code, Endian::Little)?, Endian::Little))
    }

    /// A program as slots, and the byte order in which it sees memory.
    pub fn from_insns(insns: Vec<Insn>, endian: Endian) -> Self {
        Self {
            insns,
            options: Options { endian, ..Options::default() },
            image: None,
            calls: Calls::default(),
            memory: Memory::new(endian),
            machine: Machine::new(),
            region: None,
        }
    }

    /// A program as assembler text of either dialect.
    ///
    /// # Errors
    /// With [`Error::diagnostic`], which points at the column.
    pub fn from_asm(text: &str) -> Result<Self, Error> {
        match crate::asm::assemble_any(text, "<text>") {
            Ok(a) => Ok(Self::from_insns(a.insns, Endian::Little)),
            Err(mut errors) if !errors.is_empty() => Err(errors.swap_remove(0).into()),
            Err(_) => Err(Error::new("the text does not assemble")),
        }
    }

    /// The program of this name in an ELF object. Its global variables live as long as the `Vm`; a program that
    /// uses other maps needs a world that has them, such as [`Xdp`](crate::Xdp) or [`runtime`](crate::runtime).
    ///
    /// # Errors
    /// If the object can't be read, has no such program, or the program needs maps or externs.
    pub fn from_elf(object: &[u8], prog: &str) -> Result<Self, Error> {
        let spec = Spec::from_elf(object)?;
        let Some(program) = spec.program(prog) else { return Err(no_program(&spec, prog)) };
        let mut vm = Self::from_insns(program.insns.clone(), spec.endian);
        vm.options.name = prog.to_owned();
        vm.resolve(&spec, program)?;
        Ok(vm)
    }

    /// Makes a closure the helper of this number. See [`HelperFn`] for what it may be.
    #[must_use]
    pub fn helper<Shape>(mut self, id: u32, mut f: impl HelperFn<Shape>) -> Self {
        let index = self.calls.functions.len() as u32;
        self.calls.functions.push(Box::new(move |memory, args| f.call(memory, args)));
        self.calls.index.insert(u64::from(id), index);
        self.image = None;
        self
    }

    /// Sets how many instructions a run may take; 10^9 at first.
    #[must_use]
    pub fn budget(mut self, instructions: u64) -> Self {
        self.machine.set_budget(instructions);
        self
    }

    /// Sets what runs the program: the interpreter at first. Results, traps and budgets are the same.
    ///
    /// ```
    /// use skep::{Vm, vm::Engine};
    ///
    /// let mut vm = Vm::from_asm("r0 = 42\n exit")?.engine(Engine::Jit);
    /// match vm.run([0; 5]) {
    ///     Err(e) if e.no_jit() => println!("{e}"), // neither x86-64 nor AArch64, or no Unix
    ///     r0 => assert_eq!(r0?, 42),
    /// }
    /// # Ok::<(), skep::Error>(())
    /// ```
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.options.engine = engine;
        self.image = None;
        self
    }

    /// Hides the program's constants in machine code, by masks from this seed, which who writes programs should not know: see
    /// [`Options::blind`](crate::vm::Options::blind). Not at first.
    #[must_use]
    pub fn blind(mut self, seed: Option<u64>) -> Self {
        self.options.blind = seed;
        self.image = None;
        self
    }

    /// Checks the program's structure and that its helpers are there, without running it.
    ///
    /// # Errors
    /// With [`Error::slot`].
    pub fn check(&mut self) -> Result<(), Error> {
        if self.image.is_none() {
            self.image = Some(Image::new(&self.insns, &self.calls, &self.options)?);
        }
        Ok(())
    }

    /// Runs it with these values in r1 to r5.
    ///
    /// # Errors
    /// As [`Vm::check`]; and a trap ([`Error::trap`]).
    pub fn run(&mut self, args: [u64; 5]) -> Result<u64, Error> {
        self.check()?;
        let Some(image) = &self.image else { return Err(Error::new("there is no program")) };
        Ok(self.machine.run(image, &mut self.memory, &mut self.calls, args)?)
    }

    /// Runs it on memory: r1 points to it and r2 is its length. The program reads and writes a copy, which is
    /// copied back whether or not it traps.
    ///
    /// # Errors
    /// As [`Vm::run`].
    pub fn run_mem(&mut self, mem: &mut [u8]) -> Result<u64, Error> {
        let region = match self.region {
            Some(r) if self.memory.storage(r).is_some_and(|s| s.len() == mem.len()) => r,
            Some(r) => {
                self.memory.replace(r, mem.len())?;
                r
            }
            None => *self.region.insert(self.memory.add(mem.len(), Protection::ReadWrite)?),
        };
        self.memory.storage_mut(region)?.copy_from_slice(mem);
        let result = self.run([region.base(), mem.len() as u64, 0, 0, 0]);
        mem.copy_from_slice(self.memory.storage_mut(region)?);
        result
    }

    /// The program's bytes, in its own byte order.
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes_from_slots(&self.insns, self.options.endian)
    }

    /// What the program sees besides the memory of a run: its stack and global variables.
    pub fn memory(&mut self) -> &mut Memory {
        &mut self.memory
    }

    /// Gives every global variable a place, and the code its address.
    fn resolve(&mut self, spec: &Spec, program: &Program) -> Result<(), Error> {
        let mut regions: BTreeMap<usize, RegionId> = BTreeMap::new();
        for r in &program.relocs {
            let (map, offset) = match r.target {
                RelocTarget::MapValue { map, offset } => (map, offset),
                RelocTarget::Map(map) => return Err(needs_world(spec, map)),
                RelocTarget::Func(_) => continue,
                RelocTarget::Extern(e) => {
                    let name = spec.externs.get(e).map_or("?", |e| e.name.as_str());
                    return Err(Error::new(format!("the program needs the extern `{name}`")));
                }
            };
            let region = match (regions.get(&map), spec.maps.get(map)) {
                (Some(r), _) => *r,
                (None, Some(m)) => *regions.entry(map).or_insert(self.place(m)?),
                (None, None) => return Err(needs_world(spec, map)),
            };
            self.point(r.insn, region.base() + u64::from(offset))?;
        }
        Ok(())
    }

    fn place(&mut self, map: &MapSpec) -> Result<RegionId, Error> {
        let len = map.value_size as usize;
        let region = self.memory.add(len, Protection::ReadWrite)?;
        if let Some(bytes) = &map.initial_value {
            let n = bytes.len().min(len);
            self.memory.storage_mut(region)?[..n].copy_from_slice(&bytes[..n]);
        }
        if map.frozen {
            self.memory.protect(region, Protection::ReadOnly)?;
        }
        Ok(region)
    }

    /// Makes the wide load at `slot` one of a plain address.
    fn point(&mut self, slot: usize, address: u64) -> Result<(), Error> {
        match self.insns.get_mut(slot..slot.saturating_add(2)) {
            Some([low, high]) if low.is_wide() => {
                low.src = ImmSource::Value as u8;
                low.imm = address as i32;
                high.imm = (address >> 32) as i32;
                Ok(())
            }
            _ => Err(Error::new(format!("slot {slot}: a relocation of what is no wide load"))),
        }
    }
}

fn needs_world(spec: &Spec, map: usize) -> Error {
    let name = spec.maps.get(map).map_or("?", |m| m.name.as_str());
    Error::new(format!("the program uses the map `{name}`, and a Vm has none"))
        .hint_is("run it as `skep::Xdp` or `skep::Tc`, or load the object into `skep::runtime::World`")
}

pub(crate) fn no_program(spec: &Spec, name: &str) -> Error {
    if let Some(p) = spec.problem(name) {
        return Error::new(format!("program `{name}` can't be used: {}", p.error));
    }
    let e = Error::new(format!("no program `{name}`"));
    match nearest(name, spec.programs.iter().map(|p| p.name.as_str())) {
        Some(n) => e.hint_is(format!("did you mean `{n}`?")),
        None => {
            let all: Vec<_> = spec.programs.iter().map(|p| p.name.as_str()).collect();
            e.hint_is(format!("there is {}", if all.is_empty() { "none".into() } else { all.join(", ") }))
        }
    }
}

type Function = Box<dyn FnMut(&mut Memory, [u64; 5]) -> Result<u64, Stop>>;

/// The closures, and which number calls which.
#[derive(Default)]
struct Calls {
    functions: Vec<Function>,
    index: BTreeMap<u64, u32>,
}

impl Imports for Calls {
    fn helper(&self, id: i32) -> Option<u32> {
        self.index.get(&u64::try_from(id).ok()?).copied()
    }
}

impl Host for Calls {
    fn call(&mut self, index: u32, args: [u64; 5], frame: &mut Frame<'_>) -> Result<u64, Stop> {
        match self.functions.get_mut(index as usize) {
            Some(f) => f(frame.memory, args),
            None => Err(skep_vm::Trap::host("no such helper").into()),
        }
    }

    fn helper_index(&self, id: u64) -> Option<u32> {
        self.index.get(&id).copied()
    }
}
