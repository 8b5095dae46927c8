//! The worlds that are compared, what comes out of them, and the comparison.

use skep::kernel::{Kernel, cpus};
use skep::vm::Engine;
use skep_abi::MapType;
use skep_backend::{Backend, ErrorKind, Event, LoadOptions, Loaded, TestRun};
use skep_runtime::World;

use super::{Generated, Row, generate, known};

/// Userspace, with each engine that was asked for, and Linux.
pub struct Worlds {
    users: Vec<(&'static str, World)>,
    kernel: Kernel,
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// What came out of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// r0, or why there is none.
    pub r0: Result<u64, String>,
    /// The packet afterwards, metadata first.
    pub packet: Vec<u8>,
    /// Entries of each map, sorted; the front of a queue; nothing of a ring buffer.
    pub maps: Vec<Vec<Entry>>,
    /// Records of the ring buffer.
    pub records: Vec<Vec<u8>>,
}

/// What became of a program.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The same in all worlds.
    Same,
    /// Linux does not load it, for this reason.
    Refused(String),
    /// Linux differs, in a way that has this name.
    Known(&'static str),
    /// The worlds differ.
    Different(Box<Found>),
}

/// A difference.
#[derive(Clone, Debug)]
pub struct Found {
    /// The program's seed.
    pub seed: u64,
    /// The program.
    pub program: Generated,
    /// The engine that ran it in userspace.
    pub engine: &'static str,
    /// In userspace.
    pub user: Outcome,
    /// In Linux.
    pub kernel: Outcome,
}

impl Worlds {
    /// The worlds, on the CPU where the calling thread is: it stays there, since maps that are per CPU are compared.
    ///
    /// # Errors
    /// If Linux may not be asked, with the reason; or if the thread can't be kept on a CPU.
    pub fn open(engines: &[Engine], budget: u64) -> Result<Self, String> {
        let kernel = Kernel::new();
        if let Some(why) = kernel.refusal() {
            return Err(why);
        }
        let (cpu, count) = cpus::stay().map_err(|e| e.to_string())?;
        let world = |engine: &Engine| {
            let name = if *engine == Engine::Jit { "jit" } else { "interp" };
            (name, World::new().budget(budget).cpus(count, cpu).engine(*engine))
        };
        Ok(Self { users: engines.iter().map(world).collect(), kernel })
    }

    /// Runs the program of a seed in all of them.
    ///
    /// # Errors
    /// If a world fails for another reason than the program.
    pub fn compare(&self, seed: u64) -> Result<Verdict, String> {
        let verdict = self.compare_program(seed, generate(seed))?;
        let Verdict::Different(found) = verdict else { return Ok(verdict) };
        Ok(known::explain(&found, self)?.map_or(Verdict::Different(found), Verdict::Known))
    }

    /// The same for any program; differences are not explained.
    pub(super) fn compare_program(&self, seed: u64, program: Generated) -> Result<Verdict, String> {
        let in_kernel = match self.in_kernel(&program)? {
            Ok(outcome) => outcome,
            Err(why) => return Ok(Verdict::Refused(why)),
        };
        for (engine, user) in &self.users {
            let in_user = in_user(user, &program)?;
            if in_user != in_kernel {
                let found = Found { seed, program, engine, user: in_user, kernel: in_kernel };
                return Ok(Verdict::Different(Box::new(found)));
            }
        }
        Ok(Verdict::Same)
    }

    /// What userspace makes of a program with an engine.
    pub(super) fn outcome(&self, engine: &str, program: &Generated) -> Result<Outcome, String> {
        let (_, user) = self.users.iter().find(|(name, _)| *name == engine).ok_or("no such engine")?;
        in_user(user, program)
    }

    /// What Linux makes of a program, or why it does not load it.
    fn in_kernel(&self, program: &Generated) -> Result<Result<Outcome, String>, String> {
        match self.kernel.load(&program.spec(), &LoadOptions::default()) {
            Ok(mut loaded) => run(&mut loaded, program).map(Ok),
            Err(e) if e.kind() == ErrorKind::Rejected => Ok(Err(e.to_string())),
            Err(e) => Err(e.to_string()),
        }
    }
}

fn in_user(user: &World, program: &Generated) -> Result<Outcome, String> {
    match Backend::load(user, &program.spec(), &LoadOptions::default()) {
        Ok(mut loaded) => run(loaded.as_mut(), program),
        Err(e) => {
            Ok(Outcome { r0: Err(e.to_string()), packet: Vec::new(), maps: Vec::new(), records: Vec::new() })
        }
    }
}

/// Runs it twice, so that the second run finds the maps of the first.
fn run(loaded: &mut dyn Loaded, program: &Generated) -> Result<Outcome, String> {
    let input = TestRun { packet: &program.packet, ..TestRun::default() };
    let mut outcome = Outcome { r0: Ok(0), packet: Vec::new(), maps: Vec::new(), records: Vec::new() };
    for _ in 0..2 {
        match loaded.test_run("main", &input) {
            Ok(output) => {
                outcome.r0 = Ok(output.retval);
                outcome.packet = [output.meta, output.packet].concat();
            }
            Err(e) => outcome.r0 = Err(e.to_string()),
        }
    }
    for row in &program.tables {
        outcome.maps.push(entries(loaded, row)?);
    }
    for event in loaded.take_events() {
        if let Event::Record { data, .. } = event {
            outcome.records.push(data);
        }
    }
    Ok(outcome)
}

fn entries(loaded: &mut dyn Loaded, row: &Row) -> Result<Vec<Entry>, String> {
    let map = loaded.map(row.name).ok_or("a map is missing")?;
    match row.map_type {
        MapType::RINGBUF => return Ok(Vec::new()),
        MapType::QUEUE | MapType::STACK => {
            let front = map.lookup(&[]).map_err(|e| e.to_string())?;
            return Ok(front.map(|value| (Vec::new(), value)).into_iter().collect());
        }
        _ => {}
    }
    let (mut entries, mut key) = (Vec::new(), map.next_key(None).map_err(|e| e.to_string())?);
    while let Some(k) = key {
        let value = map.lookup(&k).map_err(|e| e.to_string())?;
        key = map.next_key(Some(&k)).map_err(|e| e.to_string())?;
        entries.push((k, value.unwrap_or_default()));
    }
    entries.sort();
    Ok(entries)
}
