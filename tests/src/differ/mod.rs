//! Random programs in two worlds: valid by construction, run by the interpreter and by Linux on the same packet, and
//! everything that comes out compared: r0, the packet, the maps.
//!
//! A number makes a program: the same seed gives the same program on every machine, so that a difference can be
//! told by its seed. What differs and is a bug becomes a file of the corpus ([`Found::text`] is one).

mod body;
mod memory;
mod operation;
mod rng;

use skep_abi::{MapType, ProgType};
use skep_backend::{Backend, ErrorKind, LoadOptions, Loaded, TestRun};
use skep_isa::Insn;
use skep_isa::disasm::{Disassembler, Style};
use skep_object::{MapSpec, Program, Reloc, RelocTarget, Spec};

use crate::corpus::NAMES;
pub use rng::Rng;

/// Bytes of the packet that programs look at.
pub const PACKET: usize = 64;
/// Bytes of the value that programs write into.
pub const OUT: usize = 128;
/// The maps: name, type, sizes of key and value, capacity.
const MAPS: [(&str, MapType, u32, u32, u32); 2] =
    [("out", MapType::ARRAY, 4, OUT as u32, 1), ("table", MapType::HASH, 4, 8, 64)];

/// A random program.
#[derive(Clone, Debug)]
pub struct Generated {
    /// `xdp` or `sched_cls`.
    pub prog_type: ProgType,
    /// Its code.
    pub insns: Vec<Insn>,
    /// Slots that load a map, and which.
    pub maps: Vec<(usize, usize)>,
    /// The packet that it is run on.
    pub packet: Vec<u8>,
}

/// Makes the program of a seed.
pub fn generate(seed: u64) -> Generated {
    let mut rng = Rng::new(seed);
    let prog_type = if rng.one_in(2) { ProgType::XDP } else { ProgType::SCHED_CLS };
    let mut packet: Vec<u8> = (0..PACKET).map(|_| rng.any() as u8).collect();
    // No protocol that the kernel would look into.
    packet[12..14].copy_from_slice(&[0x88, 0xb5]);
    let (insns, maps) = body::program(rng, prog_type);
    Generated { prog_type, insns, maps, packet }
}

impl Generated {
    /// As an object.
    pub fn spec(&self) -> Spec {
        let map =
            |(name, map_type, key_size, value_size, max_entries): (&str, MapType, u32, u32, u32)| MapSpec {
                name: name.to_owned(),
                map_type,
                key_size,
                value_size,
                max_entries,
                ..MapSpec::default()
            };
        let reloc = |&(insn, map): &(usize, usize)| Reloc { insn, target: RelocTarget::Map(map) };
        let program = Program {
            name: "main".into(),
            prog_type: Some(self.prog_type),
            insns: self.insns.clone(),
            relocs: self.maps.iter().map(reloc).collect(),
            ..Program::default()
        };
        let maps = MAPS.map(map).to_vec();
        Spec { license: "GPL".into(), programs: vec![program], maps, ..Spec::default() }
    }
}

/// A jump to the next instruction.
const NOTHING: Insn = Insn { opcode: 0x05, dst: 0, src: 0, off: 0, imm: 0 };

/// Whether an instruction goes elsewhere, and whether the distance stands in the immediate.
fn distance(insn: &Insn) -> Option<(i64, bool)> {
    const CALL: u8 = 0x85;
    const EXIT: u8 = 0x95;
    const LONG: u8 = 0x06;
    match insn.opcode {
        CALL if insn.src == 1 => Some((i64::from(insn.imm), true)),
        CALL | EXIT => None,
        LONG => Some((i64::from(insn.imm), true)),
        op if matches!(op & 7, 5 | 6) => Some((i64::from(insn.off), false)),
        _ => None,
    }
}

impl Generated {
    /// The same without jumps to the next instruction.
    fn compacted(&self) -> Self {
        let mut new = Vec::new();
        let mut kept = 0;
        let wide_end = |slot: usize| slot > 0 && self.insns[slot - 1].is_wide();
        for (slot, insn) in self.insns.iter().enumerate() {
            new.push(kept);
            kept += usize::from(*insn != NOTHING || wide_end(slot));
        }
        new.push(kept);
        let place = |slot: i64| usize::try_from(slot).ok().and_then(|s| new.get(s)).map_or(0, |n| *n as i64);
        let mut insns = Vec::new();
        for (slot, insn) in self.insns.iter().enumerate() {
            let mut insn = *insn;
            if insn == NOTHING && !wide_end(slot) {
                continue;
            }
            if let Some((by, long)) = distance(&insn).filter(|_| !wide_end(slot)) {
                let by = place(slot as i64 + 1 + by) - place(slot as i64) - 1;
                if long { insn.imm = by as i32 } else { insn.off = by as i16 }
            }
            insns.push(insn);
        }
        let maps = self.maps.iter().map(|(slot, map)| (new[*slot], *map)).collect();
        Self { insns, maps, ..self.clone() }
    }
}

/// What came out of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// r0, or why there is none.
    pub r0: Result<u64, String>,
    /// The packet afterwards.
    pub packet: Vec<u8>,
    /// Entries of each map, sorted.
    pub maps: Vec<Vec<(Vec<u8>, Vec<u8>)>>,
}

/// What became of a program.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The same in both worlds.
    Same,
    /// Linux does not load it, for this reason; the generator is at fault.
    Refused(String),
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
    /// In userspace.
    pub user: Outcome,
    /// In Linux.
    pub kernel: Outcome,
}

/// Runs the program of a seed in both worlds.
///
/// # Errors
/// If a world fails for another reason than the program.
pub fn compare(seed: u64, user: &dyn Backend, kernel: &dyn Backend) -> Result<Verdict, String> {
    both(seed, generate(seed), user, kernel)
}

fn both(seed: u64, program: Generated, user: &dyn Backend, kernel: &dyn Backend) -> Result<Verdict, String> {
    let spec = program.spec();
    let in_kernel = match kernel.load(&spec, &LoadOptions::default()) {
        Ok(mut loaded) => run(loaded.as_mut(), &program.packet)?,
        Err(e) if e.kind() == ErrorKind::Rejected => return Ok(Verdict::Refused(e.to_string())),
        Err(e) => return Err(e.to_string()),
    };
    let in_user = match user.load(&spec, &LoadOptions::default()) {
        Ok(mut loaded) => run(loaded.as_mut(), &program.packet)?,
        Err(e) => Outcome { r0: Err(e.to_string()), packet: Vec::new(), maps: Vec::new() },
    };
    if in_user == in_kernel {
        return Ok(Verdict::Same);
    }
    Ok(Verdict::Different(Box::new(Found { seed, program, user: in_user, kernel: in_kernel })))
}

/// Runs it twice, so that the second run finds the maps of the first.
fn run(loaded: &mut dyn Loaded, packet: &[u8]) -> Result<Outcome, String> {
    let input = TestRun { packet, ..TestRun::default() };
    let mut outcome = Outcome { r0: Ok(0), packet: Vec::new(), maps: Vec::new() };
    for _ in 0..2 {
        match loaded.test_run("main", &input) {
            Ok(output) => (outcome.r0, outcome.packet) = (Ok(output.retval), output.packet),
            Err(e) => outcome.r0 = Err(e.to_string()),
        }
    }
    for (name, ..) in MAPS {
        let map = loaded.map(name).ok_or("a map is missing")?;
        let (mut entries, mut key) = (Vec::new(), map.next_key(None).map_err(|e| e.to_string())?);
        while let Some(k) = key {
            let value = map.lookup(&k).map_err(|e| e.to_string())?;
            key = map.next_key(Some(&k)).map_err(|e| e.to_string())?;
            entries.push((k, value.unwrap_or_default()));
        }
        entries.sort();
        outcome.maps.push(entries);
    }
    Ok(outcome)
}

/// Whether taking an instruction out could let a program see what no world promises: memory that nothing was written
/// to, or an address.
fn sets_up(slot: usize, insn: Insn) -> bool {
    const PROLOGUE: usize = 14;
    const CLASS: u8 = 7;
    const LDX: u8 = 1;
    const CONSTANTS: [u8; 3] = [0x18, 0x7a, 0xb7];
    slot < PROLOGUE || CONSTANTS.contains(&insn.opcode) || insn.opcode & CLASS == LDX
}

impl Found {
    /// The same difference with as many instructions as possible taken out.
    ///
    /// # Errors
    /// As for [`compare`].
    pub fn reduced(mut self, user: &dyn Backend, kernel: &dyn Backend) -> Result<Self, String> {
        loop {
            let before = self.program.insns.clone();
            for slot in (0..before.len()).rev() {
                let wide = before[slot].is_wide();
                let second = slot > 0 && before[slot - 1].is_wide();
                if self.program.insns[slot] == NOTHING || second || sets_up(slot, before[slot]) {
                    continue;
                }
                let mut program = self.program.clone();
                program.insns[slot..=slot + usize::from(wide)].fill(NOTHING);
                program.maps.retain(|(at, _)| *at != slot);
                if let Verdict::Different(found) = both(self.seed, program, user, kernel)? {
                    self = *found;
                }
            }
            if self.program.insns == before {
                let compacted = self.program.compacted();
                return Ok(match both(self.seed, compacted, user, kernel)? {
                    Verdict::Different(found) => *found,
                    _ => self,
                });
            }
        }
    }

    /// The program as a file of the corpus, with what Linux made of it.
    pub fn text(&self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let mut out = format!("#! prog = {}\n", self.program.prog_type);
        for (name, map_type, key, value, max) in MAPS {
            out += &format!("#! map = {name} {map_type} {key} {value} {max}\n");
        }
        out += &format!("#! packet = {}\n", hex(&self.program.packet));
        if let Ok(r0) = &self.kernel.r0 {
            out += &format!("#! run = {r0:#x}\n#! out = {}\n", hex(&self.kernel.packet));
        }
        out += &format!("# The random program {}.\n", self.seed);
        let listing = Disassembler::new(Style::Kernel).names(&NAMES).labels(true);
        let mut insns = self.program.insns.clone();
        for (slot, map) in &self.program.maps {
            insns[*slot].imm = *map as i32;
        }
        let code = listing.program(&insns);
        let named = MAPS.iter().enumerate().fold(code, |code, (n, (name, ..))| {
            code.replace(&format!("map[fd={n}]"), &format!("map[{name}]"))
                .replace(&format!("map[{n}]"), &format!("map[{name}]"))
        });
        out + &named
    }
}
