//! The engines under comparison, each with its own copy of the input.
//!
//! All run the same instructions. Only the number in a helper call differs: sbpf names helpers by a hash.

use std::ptr::NonNull;
use std::sync::Arc;

use skep_isa::{CallTarget, Endian, Insn, Op};
use solana_sbpf::aligned_memory::AlignedMemory;
use solana_sbpf::ebpf;
use solana_sbpf::elf::Executable;
use solana_sbpf::memory_region::{MemoryMapping, MemoryRegion};
use solana_sbpf::program::{BuiltinProgram, FunctionRegistry, SBPFVersion};
use solana_sbpf::verifier::RequisiteVerifier;
use solana_sbpf::vm::{CallFrame, Config, ContextObject, EbpfVm, ExecutionMode};

use crate::thread_ns;

/// The table behind the helper that every engine has.
pub fn lookup(key: u64) -> u64 {
    static TABLE: [u64; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            table[i] = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            i += 1;
        }
        table
    };
    TABLE[(key & 255) as usize]
}

/// Something that runs a program over the input.
pub trait Engine {
    fn run(&mut self) -> u64;

    /// Runs it so many times: the last result, and the nanoseconds that all took of the thread that ran them.
    fn timed(&mut self, times: u64) -> (u64, u64) {
        let start = thread_ns();
        let mut result = 0;
        for _ in 0..times {
            result = std::hint::black_box(self.run());
        }
        (result, thread_ns() - start)
    }
}

/// Makes an engine with a program and its memory; `None` if it does not take the program.
type Make = fn(&[Insn], &[u8]) -> Option<Box<dyn Engine>>;

/// An engine under its name.
pub type Named = (String, Box<dyn Engine>);

/// Every engine that is built in, by the name that it has in tables and records.
pub const ENGINES: &[(&str, Make)] = &[
    ("skep", |insns, input| Some(Box::new(Skep::new(insns, input, skep_vm::Engine::Interpreter)))),
    ("skep_jit", |insns, input| Some(Box::new(Skep::new(insns, input, skep_vm::Engine::Jit)))),
    ("rbpf", |insns, input| Some(Box::new(Rbpf::new(insns, input)))),
    ("rbpf_jit", |insns, input| Some(Box::new(RbpfJit::new(insns, input)))),
    ("rbpf_cranelift", |insns, input| Some(Box::new(RbpfCranelift::new(insns, input)?))),
    ("sbpf", |insns, input| Some(Box::new(Sbpf::new(insns, input, false)))),
    ("sbpf_jit", |insns, input| Some(Box::new(Sbpf::new(insns, input, true)))),
];

/// The engine of that name with a program.
pub fn engine(name: &str, insns: &[Insn], input: &[u8]) -> Option<Box<dyn Engine>> {
    let (_, make) = ENGINES.iter().find(|e| e.0 == name)?;
    make(insns, input)
}

/// Runs each engine once and takes those out whose result is not skep's, saying so: a peer may be wrong about a program, and
/// its time would then mean nothing.
///
/// # Panics
/// If native code says otherwise than skep: then it is our mistake.
pub fn agreeing(engines: Vec<Named>, expected: u64, program: &str) -> Vec<Named> {
    let mut kept = Vec::new();
    for (name, mut engine) in engines {
        let result = engine.run();
        if result == expected {
            kept.push((name, engine));
        } else {
            assert!(
                name != "native" && !name.starts_with("skep"),
                "{program}: {name}: {result:x}, not {expected:x}"
            );
            eprintln!("{name} is wrong about {program}: {result:x}, not {expected:x}; left out there");
        }
    }
    kept
}

pub struct Skep {
    image: skep_vm::Image,
    memory: skep_vm::Memory,
    machine: skep_vm::Machine,
    input: u64,
}

struct Helpers;

impl skep_vm::Imports for Helpers {
    fn helper(&self, id: i32) -> Option<u32> {
        (id == 1).then_some(0)
    }

    fn plain(&self, _: u32) -> Option<skep_vm::Plain> {
        Some(plain_lookup)
    }
}

impl skep_vm::Host for Helpers {
    fn call(&mut self, _: u32, args: [u64; 5], _: &mut skep_vm::Frame<'_>) -> Result<u64, skep_vm::Stop> {
        Ok(lookup(args[0]))
    }
}

extern "C" fn plain_lookup(key: u64, _: u64, _: u64, _: u64, _: u64) -> u64 {
    lookup(key)
}

impl Skep {
    pub fn new(insns: &[Insn], input: &[u8], engine: skep_vm::Engine) -> Self {
        let mut memory = skep_vm::Memory::new(Endian::Little);
        let region = memory.add_bytes(input, skep_vm::Protection::ReadWrite).expect("input");
        let image = skep_vm::Image::new(insns, &Helpers, &options(engine)).expect("image");
        let mut machine = skep_vm::Machine::new();
        machine.set_budget(1 << 40);
        Self { image, memory, machine, input: region.base() }
    }
}

/// Makes an image with machine code of bytes, again and again.
pub fn skep_build(bytes: &[u8]) -> impl FnMut() + use<> {
    let bytes = bytes.to_vec();
    let options = options(skep_vm::Engine::Jit);
    move || {
        let insns = skep_isa::slots_from_bytes(&bytes, Endian::Little).expect("slots");
        drop(skep_vm::Image::new(&insns, &Helpers, &options).expect("image"));
    }
}

/// The same with what the verifier proved, if it accepts the program as one for sockets; its own time is not in it.
pub fn proved_build(insns: &[Insn]) -> Option<impl FnMut() + use<>> {
    let task = skep_verifier::Task {
        name: String::new(),
        prog_type: skep_abi::ProgType::SOCKET_FILTER,
        attach_type: skep_abi::AttachType(0),
        flags: 0,
        gpl: true,
        insns: insns.to_vec(),
        maps: Vec::new(),
        btf: None,
        func_info: Vec::new(),
        vmlinux: None,
        attach_func: None,
        privilege: skep_verifier::Privilege::Root,
        cpus: 2,
        kfuncs: Vec::new(),
    };
    let verified = skep_verifier::Verified::new(task).ok()?;
    let (insns, options) = (insns.to_vec(), options(skep_vm::Engine::Jit));
    Some(move || {
        let binding = skep_vm::Binding { verified: &verified, maps: &[], context: None, lookup: None };
        // SAFETY: it is not run.
        let image = unsafe { skep_vm::Image::verified(&insns, &(), &options, &binding) };
        drop(image.expect("image"));
    })
}

fn options(engine: skep_vm::Engine) -> skep_vm::Options {
    skep_vm::Options { engine, ..skep_vm::Options::default() }
}

impl Engine for Skep {
    fn run(&mut self) -> u64 {
        self.machine.run(&self.image, &mut self.memory, &mut Helpers, [self.input, 0, 0, 0, 0]).expect("skep")
    }
}

pub struct Rbpf {
    vm: rbpf::EbpfVmRaw<'static>,
    input: *mut [u8],
}

impl Rbpf {
    pub fn new(insns: &[Insn], input: &[u8]) -> Self {
        let code = skep_isa::bytes_from_slots(insns, Endian::Little).leak();
        let mut vm = rbpf::EbpfVmRaw::new(Some(code)).expect("rbpf");
        vm.register_helper(1, |key, _, _, _, _| lookup(key)).expect("helper");
        Self { vm, input: input.to_vec().leak() }
    }
}

impl Engine for Rbpf {
    fn run(&mut self) -> u64 {
        // SAFETY: the input was leaked for this engine alone.
        self.vm.execute_program(unsafe { &mut *self.input }).expect("rbpf")
    }
}

/// Memory for rbpf's compiler, which in its default form has one page and no more: as it gets that, from the
/// allocator and made executable, but as much as a program needs.
pub struct Block {
    layout: std::alloc::Layout,
    start: *mut u8,
}

impl Block {
    fn new(insns: usize) -> Self {
        const PAGE: usize = 4096;
        let size = (1024 + insns * 16).next_multiple_of(PAGE);
        let layout = std::alloc::Layout::from_size_align(size, PAGE).expect("a layout");
        // SAFETY: the size is not zero; the pages are the allocation's own.
        let start = unsafe {
            let start = std::alloc::alloc(layout);
            let rights = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
            assert_eq!(libc::mprotect(start.cast(), size, rights), 0);
            start
        };
        Self { layout, start }
    }

    /// The bytes, for longer than they live: whoever asks keeps the block longer than rbpf.
    fn bytes(&self) -> &'static mut [u8] {
        // SAFETY: the allocation's own, and asked for by one compiler at a time.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.layout.size()) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: what `new` allocated, freed once.
        unsafe { std::alloc::dealloc(self.start, self.layout) };
    }
}

/// rbpf's compiler, which trusts the program.
pub struct RbpfJit {
    inner: Rbpf,
    _block: Block,
}

impl RbpfJit {
    pub fn new(insns: &[Insn], input: &[u8]) -> Self {
        let mut inner = Rbpf::new(insns, input);
        let block = Block::new(insns.len());
        inner.vm.set_jit_exec_memory(block.bytes()).expect("memory");
        inner.vm.jit_compile().expect("rbpf's jit");
        Self { inner, _block: block }
    }
}

impl Engine for RbpfJit {
    fn run(&mut self) -> u64 {
        // SAFETY: the input was leaked for this engine alone, and the program stays inside it.
        unsafe { self.inner.vm.execute_program_jit(&mut *self.inner.input) }.expect("rbpf's jit")
    }
}

/// rbpf's way through Cranelift.
pub struct RbpfCranelift(Rbpf);

impl RbpfCranelift {
    /// `None` if it does not take the program.
    pub fn new(insns: &[Insn], input: &[u8]) -> Option<Self> {
        let mut rbpf = Rbpf::new(insns, input);
        let compiled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| rbpf.vm.cranelift_compile()));
        compiled.ok()?.ok()?;
        Some(Self(rbpf))
    }
}

impl Engine for RbpfCranelift {
    fn run(&mut self) -> u64 {
        // SAFETY: the input was leaked for this engine alone.
        self.0.vm.execute_program_cranelift(unsafe { &mut *self.0.input }).expect("rbpf's cranelift")
    }
}

/// rbpf from bytes to code: its check, memory, its compiler.
pub fn rbpf_whole(bytes: &[u8]) -> impl FnMut() + use<> {
    let bytes: &'static [u8] = bytes.to_vec().leak();
    move || {
        let block = Block::new(bytes.len() / 8);
        let mut vm = rbpf::EbpfVmRaw::new(Some(bytes)).expect("rbpf");
        vm.set_jit_exec_memory(block.bytes()).expect("memory");
        vm.jit_compile().expect("rbpf's jit");
    }
}

/// rbpf's compiler alone, with the same memory each time.
pub fn rbpf_alone(bytes: &[u8]) -> impl FnMut() + use<> {
    let bytes: &'static [u8] = bytes.to_vec().leak();
    let block = Block::new(bytes.len() / 8);
    let mut vm = rbpf::EbpfVmRaw::new(Some(bytes)).expect("rbpf");
    move || {
        vm.set_jit_exec_memory(block.bytes()).expect("memory");
        vm.jit_compile().expect("rbpf's jit");
    }
}

pub struct Context {
    remaining: u64,
    memory: MemoryMapping,
}

impl ContextObject for Context {
    fn consume(&mut self, amount: u64) {
        self.remaining = self.remaining.saturating_sub(amount);
    }

    fn get_remaining(&self) -> u64 {
        self.remaining
    }

    fn active_mapping_ptr(&mut self) -> NonNull<MemoryMapping> {
        NonNull::from_mut(&mut self.memory)
    }
}

solana_sbpf::declare_builtin_function!(
    Lookup,
    fn rust(
        _context: &mut Context,
        key: u64,
        _b: u64,
        _c: u64,
        _d: u64,
        _e: u64,
    ) -> Result<u64, Box<dyn std::error::Error>> {
        Ok(lookup(key))
    }
);

pub struct Sbpf {
    executable: Executable<Context>,
    vm: EbpfVm<'static, Context>,
    frames: Vec<CallFrame>,
    registers: [u64; 12],
    jit: bool,
}

type Loader = Arc<BuiltinProgram<Context>>;

fn sbpf_loader() -> Loader {
    let mut loader = BuiltinProgram::new_loader(Config::default());
    loader.register_definition::<Lookup>("lookup").expect("helper");
    Arc::new(loader)
}

fn sbpf_checked(loader: &Loader, code: &'static [u8]) -> Option<Executable<Context>> {
    let functions = FunctionRegistry::default();
    let made = Executable::<Context>::from_text_bytes(code, loader.clone(), SBPFVersion::V3, functions);
    let executable = made.ok()?;
    executable.verify::<RequisiteVerifier>().ok()?;
    Some(executable)
}

/// sbpf from bytes to code, or its compiler alone. `None` if it does not take the program.
pub fn sbpf_build(insns: &[Insn], alone: bool) -> Option<impl FnMut() + use<>> {
    let loader = sbpf_loader();
    let code: &'static [u8] = skep_isa::bytes_from_slots(&renamed(insns), Endian::Little).leak();
    let kept = sbpf_checked(&loader, code)?;
    kept.jit_compile().ok()?;
    Some(move || {
        if alone {
            kept.jit_compile().expect("sbpf's jit");
        } else {
            sbpf_checked(&loader, code).expect("sbpf").jit_compile().expect("sbpf's jit");
        }
    })
}

impl Sbpf {
    pub fn new(insns: &[Insn], input: &[u8], jit: bool) -> Self {
        let loader = sbpf_loader();
        let code = skep_isa::bytes_from_slots(&renamed(insns), Endian::Little);
        let executable = sbpf_checked(&loader, code.leak()).expect("sbpf");
        if jit {
            executable.jit_compile().expect("sbpf's jit");
        }
        let stack = Box::leak(Box::new(AlignedMemory::<{ ebpf::HOST_ALIGN }>::zero_filled(
            executable.get_config().stack_size(),
        )));
        let stack_len = stack.len();
        let input: &'static mut [u8] = input.to_vec().leak();
        let regions = vec![
            executable.get_ro_region(),
            MemoryRegion::new(stack, ebpf::MM_STACK_START),
            MemoryRegion::new(&raw mut *input, ebpf::MM_INPUT_START),
        ];
        // SAFETY: what the regions name is leaked.
        let memory = unsafe { MemoryMapping::new(regions, executable.get_config(), SBPFVersion::V3) }
            .expect("mapping");
        let context = Box::leak(Box::new(Context { remaining: 0, memory }));
        let mut vm = EbpfVm::new(loader, SBPFVersion::V3, context, stack_len);
        vm.registers[1] = ebpf::MM_INPUT_START;
        let registers = vm.registers;
        let frames = vec![CallFrame::default(); Config::default().max_call_depth];
        Self { executable, vm, frames, registers, jit }
    }
}

/// The program with the helper's number replaced by the hash of its name.
fn renamed(insns: &[Insn]) -> Vec<Insn> {
    let mut out = insns.to_vec();
    for (slot, op) in skep_isa::decode_all(insns).expect("program") {
        if let Op::Call(CallTarget::Helper(1)) = op {
            out[slot].imm = ebpf::hash_symbol_name(b"lookup") as i32;
        }
    }
    out
}

impl Engine for Sbpf {
    fn run(&mut self) -> u64 {
        self.vm.registers = self.registers;
        self.vm.context().remaining = 1 << 40;
        let mut mode = if self.jit { ExecutionMode::Jit } else { ExecutionMode::Interpreted };
        let (_, result) = self.vm.execute_program(&self.executable, &mut mode, &mut self.frames);
        Result::from(result).expect("sbpf")
    }
}

/// The same C source, compiled by clang for this machine.
pub struct Native {
    run: extern "C" fn(*mut u8) -> u64,
    input: Vec<u8>,
    _library: Arc<libloading::Library>,
}

impl Native {
    pub fn new(library: &Arc<libloading::Library>, program: &str, input: &[u8]) -> Option<Self> {
        let name = format!("run_{program}");
        // SAFETY: the symbol is `u64 run_NAME(struct input *)` of bench/programs.
        let run = unsafe { *library.get::<extern "C" fn(*mut u8) -> u64>(name.as_bytes()).ok()? };
        Some(Self { run, input: input.to_vec(), _library: library.clone() })
    }
}

impl Engine for Native {
    fn run(&mut self) -> u64 {
        (self.run)(self.input.as_mut_ptr())
    }
}
