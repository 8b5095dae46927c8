//! Which world and which engine; and what they say, with the place in the source.

use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::ValueEnum;
use skep::abi::ProgType;
use skep::backend::{self, Error, LoadOptions, Loaded};
use skep::kernel::Kernel;
use skep::object::{Program, Spec};
use skep::runtime::{Clock, Live, World};
use skep::vm::Image;

use crate::failure::Failure;
use crate::input;

/// The engine and the world.
#[derive(clap::Args, Debug)]
pub(crate) struct Choice {
    /// What runs the code: the checked interpreter, or native code (x86-64, AArch64), without the checks that verifying proved to be
    /// needless
    #[arg(long, value_name = "ENGINE", default_value = "interp", help_heading = "Engine")]
    engine: Engine,

    /// In which world: a kernel-shaped one in this process, or Linux itself, which needs rights
    #[arg(long, value_name = "BACKEND", default_value = "user", help_heading = "Engine")]
    backend: Backend,

    /// Hide programs' constants in machine code behind random masks, as Linux does with bpf_jit_harden
    #[arg(long, help_heading = "Engine")]
    blind: bool,

    /// Tell debuggers where machine code is: gdb names its frames, if this skep has its symbols
    #[arg(long, help_heading = "Engine")]
    gdb: bool,

    /// Tell profilers where machine code is: `perf report` names frames by /tmp/perf-PID.map
    #[arg(long, help_heading = "Engine")]
    perf_map: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    Interp,
    Jit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    User,
    Kernel,
}

impl Choice {
    /// Loads an object into the world that was chosen.
    pub(super) fn load(
        &self,
        spec: &Spec,
        options: &LoadOptions,
        real_clock: bool,
        proofs: bool,
    ) -> Result<Box<dyn Loaded>, Failure> {
        let engine = match self.engine {
            Engine::Jit if self.backend == Backend::Kernel => {
                return Err(Failure::new("--engine is the user backend's, Linux has its own jit")
                    .hint("leave it out, or run with --backend user"));
            }
            Engine::Jit => skep::vm::Engine::Jit,
            Engine::Interp => skep::vm::Engine::Interpreter,
        };
        let flags = [("--perf-map", self.perf_map), ("--blind", self.blind), ("--gdb", self.gdb)];
        if let Some((flag, _)) = flags.iter().find(|flag| flag.1 && self.engine != Engine::Jit) {
            return Err(Failure::new(format!("{flag} is of machine code")).hint("add --engine jit"));
        }
        if self.gdb {
            debuggers_find_it()?;
        }
        let world =
            world(real_clock).engine(engine).proofs(proofs).blind(self.blind.then(chance)).gdb(self.gdb);
        if self.perf_map {
            let world = world.own_pages(true);
            let live = world.load(spec, options).map_err(|e| failure(&e, spec))?;
            write_perf_map(&live)?;
            return Ok(Box::new(live));
        }
        let backend: Box<dyn backend::Backend> = match self.backend {
            Backend::User => Box::new(world),
            Backend::Kernel => Box::new(Kernel::new()),
        };
        backend.load(spec, options).map_err(|e| failure(&e, spec))
    }

    /// Whether the world that was chosen runs programs of this type at all.
    pub(super) fn takes(&self, program: &Program, prog_type: ProgType) -> Result<(), Failure> {
        let answer = match self.backend {
            Backend::User => Ok(()),
            Backend::Kernel => Kernel::new().runs(&program.name, prog_type),
        };
        answer.map_err(|e| Failure::new(e.to_string()).hint_opt(e.hint().map(str::to_owned)))
    }

    /// Whether Linux runs it, which verifies by itself.
    pub(super) fn is_kernel(&self) -> bool {
        self.backend == Backend::Kernel
    }

    /// Engine and world, as they are told.
    pub(super) fn names(&self) -> [&'static str; 2] {
        match self.backend {
            Backend::User if self.engine == Engine::Jit => ["jit", "user"],
            Backend::User => ["interp", "user"],
            Backend::Kernel => ["kernel", "kernel"],
        }
    }
}

/// Debuggers find machine code by a name, and builds for release drop all names of this command.
fn debuggers_find_it() -> Result<(), Failure> {
    let has_symbols = cfg!(target_os = "linux")
        && std::env::current_exe().and_then(std::fs::File::open).and_then(has_symbols).unwrap_or(false);
    if has_symbols {
        return Ok(());
    }
    Err(Failure::new("this skep has no symbols, by which debuggers find machine code")
        .hint("build it with CARGO_PROFILE_RELEASE_STRIP=none, or without --release, on Linux"))
}

/// Whether an ELF file of 64 bits and this machine's byte order has a table of symbols (`e_shoff`, `e_shentsize`, `e_shnum`;
/// `sh_type`).
fn has_symbols(mut file: std::fs::File) -> std::io::Result<bool> {
    const SHT_SYMTAB: u32 = 2;
    let mut header = [0; 64];
    file.read_exact(&mut header)?;
    let half = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
    let sections = u64::from_ne_bytes(std::array::from_fn(|i| header[0x28 + i]));
    for n in 0..u64::from(half(0x3c)) {
        let mut start = [0; 8];
        file.seek(SeekFrom::Start(sections.saturating_add(n * u64::from(half(0x3a)))))?;
        file.read_exact(&mut start)?;
        if u32::from_ne_bytes([start[4], start[5], start[6], start[7]]) == SHT_SYMTAB {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A number that nobody knows: the keys of the standard library's hashes come from the system.
pub(in crate::cmd) fn chance() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Writes where the machine code of programs is, as perf looks for it: start, length and name a line, the numbers in
/// hexadecimal (Linux, tools/perf/Documentation/jit-interface.txt).
pub(in crate::cmd) fn write_perf_map(live: &Live) -> Result<(), Failure> {
    let path = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
    let mut text = String::new();
    for name in live.programs() {
        if let Some(code) = live.image(&name).and_then(Image::machine_code) {
            text += &format!("{:x} {:x} bpf:{name}\n", code.as_ptr().addr(), code.len());
        }
    }
    // What another user has put there is neither followed nor added to.
    let _ = std::fs::remove_file(&path);
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    file.and_then(|mut f| f.write_all(text.as_bytes())).map_err(|e| input::at(&path, &e))
}

/// The world that programs run in.
fn world(real_clock: bool) -> World {
    if !real_clock {
        return World::new().clock(Clock::Capture);
    }
    let booted = uptime_ns();
    let started = Instant::now();
    let now = move || booted.saturating_add(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));
    World::new().clock(Clock::Source(Arc::new(now)))
}

/// Nanoseconds since the machine started, as Linux tells them; 0 elsewhere.
fn uptime_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds: f64 = text.split(' ').next().and_then(|s| s.parse().ok()).unwrap_or(0.0);
    (seconds * 1e9) as u64
}

/// An object that does not load.
pub(in crate::cmd) fn failure(e: &Error, spec: &Spec) -> Failure {
    Failure::new(trap(e, spec)).hint_opt(e.hint().map(str::to_owned))
}

/// What went wrong, and the source line of the instruction, if both are known.
pub(super) fn trap(e: &Error, spec: &Spec) -> String {
    let mut text = e.to_string();
    let Some(place) = e.place() else { return text };
    let lines = spec.program(&place.program).map(|p| p.line_info.as_slice()).unwrap_or_default();
    if let Some(l) = lines.iter().rev().find(|l| l.insn <= place.slot) {
        let file = l.file.rsplit('/').next().unwrap_or(&l.file);
        text += &format!("\n{file}:{}: {}", l.line, l.text.trim());
    }
    text
}
