//! `cargo xtask soundness`: random programs that the verifier accepts, run on random inputs in the checked interpreter,
//! with every recorded fact held against every instruction that runs.
//!
//! What is accepted must end, touch nothing that is not its own, and do what the facts say of it. The checked
//! interpreter traps on the first two; `check` sees to the third.

mod check;
mod engines;
mod functions;
mod program;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use skep_abi::{MapType, ProgType};
use skep_backend::{ErrorKind, LoadOptions, Loaded, TestRun};
use skep_object::{MapSpec, Program as Object, Reloc, RelocTarget, Spec};
use skep_runtime::{Live, Observer, World};
use skep_tests::differ::Rng;
use skep_verifier::{Task, TaskOptions, Verified};

use crate::fidelity;
use check::Checker;
use program::{Program, VALUE_SIZES, generate};

/// Types of the maps that programs look things up in; keys have four bytes.
const MAP_TYPES: [MapType; 3] = [MapType::HASH, MapType::ARRAY, MapType::ARRAY];
/// Capacity of each map.
const ENTRIES: u32 = 4;
/// Instructions that a run may take: far more than the verifier walks.
const BUDGET: u64 = 50_000_000;
/// Bytes of context that programs without packets get.
const CTX: usize = 256;
/// `BPF_PSEUDO_MAP_FD` in a wide load.
const WIDE: u8 = 0x18;

/// What came of it.
#[derive(Default)]
pub struct Figures {
    /// Programs made.
    pub programs: u64,
    /// Accepted, loaded and run.
    pub accepted: u64,
    /// Of these, compiled without the checks that were proved to be needless, and run once more like that.
    pub proved: u64,
    /// Runs.
    pub runs: u64,
    /// Instructions whose facts were looked at.
    pub steps: u64,
    /// Accepted programs that userspace can't load, by reason.
    pub not_run: BTreeMap<String, u64>,
    /// Programs that broke a fact or trapped.
    pub broken: Vec<Broken>,
}

/// A program that broke a fact or trapped.
pub struct Broken {
    /// Its seed.
    pub seed: u64,
    /// What it broke.
    pub what: String,
    /// The smallest program that was found to break the same, as assembly.
    pub program: String,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "programs      {:12}", self.programs)?;
        writeln!(f, "accepted, run {:12}", self.accepted)?;
        writeln!(f, "with proofs   {:12}", self.proved)?;
        writeln!(f, "runs          {:12}", self.runs)?;
        writeln!(f, "instructions  {:12}", self.steps)?;
        for (why, n) in &self.not_run {
            writeln!(f, "not run       {n:12}  {why}")?;
        }
        write!(f, "broken        {:12}", self.broken.len())?;
        for Broken { seed, what, program } in &self.broken {
            write!(f, "\n  seed {seed}: {what}\n{program}")?;
        }
        Ok(())
    }
}

/// Makes programs of the seeds from `seed` on until `accepted` of them were accepted and run, each on `inputs` inputs.
pub fn run(accepted: u64, seed: u64, inputs: u32) -> Figures {
    let mut figures = Figures::default();
    let mut seed = seed;
    while figures.accepted < accepted {
        figures.program(seed, inputs);
        seed = seed.wrapping_add(1);
    }
    figures
}

fn spec(program: &Program) -> Spec {
    let mut object = Object {
        name: "main".into(),
        prog_type: Some(program.prog_type),
        attach_type: Some(program.attach_type),
        insns: program.insns.clone(),
        ..Object::default()
    };
    let wide = program.insns.iter().enumerate().filter(|(_, i)| i.opcode == WIDE && i.src == 1);
    object.relocs = wide.map(|(insn, i)| Reloc { insn, target: RelocTarget::Map(i.imm as usize) }).collect();
    let maps =
        MAP_TYPES.into_iter().zip(VALUE_SIZES).enumerate().map(|(i, (map_type, value_size))| MapSpec {
            name: format!("m{i}"),
            map_type,
            key_size: 4,
            value_size,
            max_entries: ENTRIES,
            ..MapSpec::default()
        });
    Spec { license: "GPL".into(), programs: vec![object], maps: maps.collect(), ..Spec::default() }
}

/// What came of one program.
enum Tried {
    /// The verifier does not accept it.
    Refused,
    /// Userspace can't run it: why.
    NotRun(String),
    /// It ran.
    Ran(Ran),
}

/// What came of the runs of one program.
#[derive(Default)]
struct Ran {
    runs: u64,
    steps: u64,
    proved: bool,
    broken: Option<String>,
    not_run: Option<String>,
}

impl Figures {
    fn program(&mut self, seed: u64, inputs: u32) {
        self.programs += 1;
        // Both generators in turn: one has many kinds of access, the other functions.
        let program = if seed.is_multiple_of(2) { generate(seed) } else { functions::generate(seed) };
        let ran = match try_out(&program, seed, inputs) {
            Tried::Refused => return,
            Tried::NotRun(why) => return *self.not_run.entry(why).or_default() += 1,
            Tried::Ran(ran) => ran,
        };
        self.accepted += u64::from(ran.runs > 0 || ran.broken.is_some());
        self.runs += ran.runs;
        self.steps += ran.steps;
        self.proved += u64::from(ran.proved);
        if let Some(why) = ran.not_run {
            *self.not_run.entry(why).or_default() += 1;
        }
        if let Some(what) = ran.broken {
            let program = small(program, seed, inputs, &what);
            self.broken.push(Broken { seed, what, program });
        }
    }
}

/// The smallest program that is found to break the same, as assembly.
fn small(program: Program, seed: u64, inputs: u32, what: &str) -> String {
    let kind = kind_of(what);
    let whole = fidelity::Program {
        prog_type: program.prog_type,
        attach_type: program.attach_type,
        flags: 0,
        insns: program.insns,
        funcs: Vec::new(),
    };
    let small = fidelity::minimize(&whole, |p| {
        let program = Program { prog_type: p.prog_type, attach_type: p.attach_type, insns: p.insns.clone() };
        match try_out(&program, seed, inputs) {
            Tried::Ran(Ran { broken: Some(what), .. }) => kind_of(&what) == kind,
            _ => false,
        }
    });
    fidelity::listing(&small)
}

fn try_out(program: &Program, seed: u64, inputs: u32) -> Tried {
    let spec = spec(program);
    let options = TaskOptions { cpus: 1, ..TaskOptions::default() };
    let Ok(task) = Task::from_spec(&spec, &spec.programs[0], &options) else { return Tried::Refused };
    let Ok(verified) = Verified::new(task) else { return Tried::Refused };
    let checker = Arc::new(Mutex::new(Checker::new(verified)));
    let looking = Arc::clone(&checker);
    let observer = Observer::new(move |sight| lock(&looking).look(sight));
    let world = World::new().budget(BUDGET).observer(observer);
    let mut live = match world.load(&spec, &LoadOptions::default()) {
        Ok(live) => live,
        Err(e) => return Tried::NotRun(kind_of(&e.to_string())),
    };
    let (mut rng, mut ran) = (Rng::new(seed), Ran::default());
    for _ in 0..inputs {
        match one_run(&mut live, program.prog_type, &mut rng, &checker) {
            Ok(()) => ran.runs += 1,
            Err(Failed::NotHere(why)) if ran.runs == 0 => return Tried::NotRun(kind_of(&why)),
            Err(Failed::NotHere(why)) => {
                ran.not_run = Some(kind_of(&why));
                break;
            }
            Err(Failed::Broken(what)) => {
                ran.broken = Some(what);
                break;
            }
        }
    }
    ran.steps = lock(&checker).steps;
    if ran.broken.is_none() {
        match engines::same(&spec, program.prog_type, seed, inputs) {
            Ok(proved) => ran.proved = proved,
            Err(what) => ran.broken = Some(what),
        }
    }
    Tried::Ran(ran)
}

/// Why a run did not end as runs do.
enum Failed {
    /// This world can't run the program.
    NotHere(String),
    /// It did what it may not, or a fact did not hold.
    Broken(String),
}

fn lock(checker: &Mutex<Checker>) -> std::sync::MutexGuard<'_, Checker> {
    checker.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A message without its numbers.
fn kind_of(message: &str) -> String {
    message.chars().filter(|c| !c.is_ascii_digit()).take(90).collect()
}

fn not_served(message: &str) -> bool {
    ["is not available here", "does not serve this type"].iter().any(|what| message.contains(what))
}

/// A packet, random or with the beginnings of IPv4.
fn packet(rng: &mut Rng) -> Vec<u8> {
    let len = 14 + rng.below(100);
    let mut bytes: Vec<u8> = (0..len).map(|_| rng.any() as u8).collect();
    if rng.one_in(2) {
        bytes[12..14].copy_from_slice(&[8, 0]);
        if let Some(version) = bytes.get_mut(14) {
            *version = 0x45;
        }
    }
    bytes
}

/// Random bytes for programs that take no packets.
fn context(rng: &mut Rng) -> Vec<u8> {
    (0..CTX / 8).flat_map(|_| rng.word().to_le_bytes()).collect()
}

/// Sets some values of the maps.
fn fill(live: &mut Live, rng: &mut Rng) {
    for (i, size) in VALUE_SIZES.into_iter().enumerate() {
        if rng.one_in(3) {
            let key = (rng.below(ENTRIES as usize) as u32).to_le_bytes();
            let value: Vec<u8> = (0..size / 8).flat_map(|_| rng.word().to_le_bytes()).collect();
            if let Some(map) = live.map(&format!("m{i}")) {
                // A map that takes no more says so to every engine.
                let _ = map.update(&key, &value, 0);
            }
        }
    }
}

fn input<'a>(prog_type: ProgType, packet: &'a [u8], ctx: &'a [u8]) -> TestRun<'a> {
    match prog_type {
        ProgType::XDP | ProgType::SCHED_CLS | ProgType::SOCKET_FILTER => {
            TestRun { packet, ..TestRun::default() }
        }
        _ => TestRun { ctx: Some(ctx), ..TestRun::default() },
    }
}

fn one_run(
    live: &mut Live,
    prog_type: ProgType,
    rng: &mut Rng,
    checker: &Mutex<Checker>,
) -> Result<(), Failed> {
    fill(live, rng);
    lock(checker).begin();
    let (bytes, ctx) = (packet(rng), context(rng));
    let input = input(prog_type, &bytes, &ctx);
    let done = live.test_run("main", &input);
    if let Some(what) = &lock(checker).broken {
        return Err(Failed::Broken(what.clone()));
    }
    match done {
        Ok(_) => Ok(()),
        // A helper that userspace does not serve says nothing of the program.
        Err(e) if matches!(e.kind(), ErrorKind::Trapped) && !not_served(&e.to_string()) => {
            Err(Failed::Broken(e.to_string()))
        }
        Err(e) => Err(Failed::NotHere(e.to_string())),
    }
}
