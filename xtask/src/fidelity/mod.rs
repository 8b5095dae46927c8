//! `cargo xtask fidelity`: random programs to the running kernel and to the verifier, and where the two differ.

mod program;

use std::collections::BTreeSet;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use skep_abi::MapType;
use skep_isa::Insn;
use skep_sys::prog::{LOG_STATS, LoadAttr, load_logged};
use skep_sys::{Errno, map};
use skep_verifier::{MapShape, Privilege, Task, Verdict, verify};

pub use program::{Program, VALUE_SIZES, generate};

/// Types of the maps that programs look things up in; keys have four bytes.
const MAP_TYPES: [MapType; 3] = [MapType::HASH, MapType::ARRAY, MapType::ARRAY];
/// Opcode of a wide load.
const WIDE: u8 = 0x18;

/// What came of it.
#[derive(Default)]
pub struct Figures {
    /// Programs made.
    pub programs: u64,
    /// Accepted by the kernel.
    pub accepted: u64,
    /// Not modelled.
    pub not_modelled: u64,
    /// Same verdict, other count of processed instructions.
    pub other_counts: u64,
    /// Seeds of programs that were accepted against the kernel.
    pub false_accepts: Vec<u64>,
    /// Seeds of programs that were refused against the kernel.
    pub false_rejects: Vec<u64>,
    /// Messages of the kernel, numbers left out.
    pub messages: BTreeSet<String>,
    /// Helpers that accepted programs call.
    pub helpers: BTreeSet<i32>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "programs               {:9}", self.programs)?;
        writeln!(f, "accepted by the kernel {:9}", self.accepted)?;
        writeln!(f, "not modelled           {:9}", self.not_modelled)?;
        writeln!(f, "other counts           {:9}", self.other_counts)?;
        writeln!(f, "messages               {:9}", self.messages.len())?;
        writeln!(f, "helpers                {:9}", self.helpers.len())?;
        writeln!(f, "false accepts          {:9} {:?}", self.false_accepts.len(), self.false_accepts)?;
        writeln!(f, "false rejects          {:9} {:?}", self.false_rejects.len(), self.false_rejects)
    }
}

/// Runs programs of the seeds from `seed` on.
///
/// # Errors
/// The kernel's, where maps can't be made: `EPERM` without rights.
pub fn run(programs: u64, seed: u64) -> Result<Figures, Errno> {
    let mut maps = Vec::new();
    for (map_type, value_size) in MAP_TYPES.into_iter().zip(VALUE_SIZES) {
        let create =
            map::Create { map_type, key_size: 4, value_size, max_entries: 4, ..map::Create::default() };
        maps.push(map::Map::create(&create)?);
    }
    let shapes: Vec<Arc<MapShape>> = maps.iter().map(|m| Arc::new(shape(m))).collect();
    let cpus = u32::try_from(skep_sys::cpu::possible()?).unwrap_or(u32::MAX);
    let mut figures = Figures::default();
    for seed in (0..programs).map(|n| seed.wrapping_add(n)) {
        let program = generate(seed);
        let task = task(&program, &shapes, cpus);
        let mut insns = program.insns.clone();
        for i in insns.iter_mut().filter(|i| i.opcode == WIDE) {
            i.imm = maps[i.imm as usize].as_fd().as_raw_fd();
        }
        figures.compare(seed, &program, &insns, &task);
    }
    Ok(figures)
}

fn shape(m: &map::Map) -> MapShape {
    let info = m.info();
    MapShape {
        name: String::new(),
        map_type: m.map_type(),
        key_size: info.key_size,
        value_size: info.value_size,
        max_entries: info.max_entries,
        flags: 0,
        fields: Vec::new(),
        inner: None,
        frozen: None,
    }
}

fn task(program: &Program, shapes: &[Arc<MapShape>], cpus: u32) -> Task {
    Task {
        name: String::new(),
        prog_type: program.prog_type,
        attach_type: program.attach_type,
        flags: 0,
        gpl: true,
        insns: program.insns.clone(),
        maps: (0..).zip(shapes.iter().cloned()).collect(),
        btf: None,
        func_info: Vec::new(),
        vmlinux: None,
        attach_func: None,
        privilege: Privilege::Root,
        cpus,
        kfuncs: Vec::new(),
    }
}

impl Figures {
    fn compare(&mut self, seed: u64, program: &Program, insns: &[Insn], task: &Task) {
        self.programs += 1;
        let attr = LoadAttr {
            prog_type: program.prog_type,
            attach_type: program.attach_type,
            insns,
            license: "GPL",
            log_level: LOG_STATS,
            ..LoadAttr::default()
        };
        let (done, log) = load_logged(&attr);
        let outcome = verify(task);
        if done.is_ok() {
            self.accepted += 1;
            self.helpers.extend(insns.iter().filter(|i| i.opcode == 0x85 && i.src == 0).map(|i| i.imm));
        } else if let Some(line) = log.lines().next() {
            self.messages.insert(line.chars().filter(|c| !c.is_ascii_digit()).collect());
        }
        match (done.is_ok(), &outcome.verdict) {
            (_, Verdict::NotModelled(_)) => self.not_modelled += 1,
            (false, Verdict::Accept) => self.false_accepts.push(seed),
            (true, Verdict::Reject(_)) => self.false_rejects.push(seed),
            _ => {
                let processed = log.lines().rev().find_map(|l| l.strip_prefix("processed "));
                let processed = processed.and_then(|l| l.split(' ').next()?.parse::<u32>().ok());
                self.other_counts += u64::from(processed.unwrap_or(0) != outcome.counts.insns);
            }
        }
    }
}
