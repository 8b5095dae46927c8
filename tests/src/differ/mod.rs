//! Random programs in two worlds: valid by construction, run by the interpreter, by the JIT and by Linux on the same
//! packet, and everything that comes out compared: r0, the packet, the maps, what went into a ring buffer.
//!
//! A number makes a program: the same seed gives the same program on every machine, so that a difference can be
//! told by its seed. What differs and is a bug becomes a file of the corpus ([`Found::text`] is one). What differs
//! because Linux errs is told by [`known`].

mod body;
mod effects;
pub mod known;
mod memory;
mod operation;
mod rebuild;
mod rng;
mod tables;
mod worlds;

use skep_abi::ProgType;
use skep_isa::Insn;
use skep_isa::disasm::{Disassembler, Style};
use skep_object::{Program, Reloc, RelocTarget, Spec};

use crate::corpus::NAMES;
pub use rng::Rng;
pub use tables::{Row, Use};
pub use worlds::{Entry, Found, Outcome, Verdict, Worlds};

/// Bytes of the packet that programs look at.
pub const PACKET: usize = 64;
/// Bytes of the value that programs write into.
pub const OUT: usize = 128;

/// A random program.
#[derive(Clone, Debug)]
pub struct Generated {
    /// `xdp` or `sched_cls`.
    pub prog_type: ProgType,
    /// Its code.
    pub insns: Vec<Insn>,
    /// Its maps.
    pub tables: Vec<Row>,
    /// Slots that load a map, and which.
    pub maps: Vec<Use>,
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
    let (insns, tables, maps) = body::program(rng, prog_type);
    Generated { prog_type, insns, tables, maps, packet }
}

impl Generated {
    /// As an object.
    pub fn spec(&self) -> Spec {
        let reloc = |u: &Use| {
            let target = match u.value {
                None => RelocTarget::Map(u.map),
                Some(offset) => RelocTarget::MapValue { map: u.map, offset },
            };
            Reloc { insn: u.slot, target }
        };
        let program = Program {
            name: "main".into(),
            prog_type: Some(self.prog_type),
            insns: self.insns.clone(),
            relocs: self.maps.iter().map(reloc).collect(),
            ..Program::default()
        };
        let maps = self.tables.iter().map(Row::spec).collect();
        Spec { license: "GPL".into(), programs: vec![program], maps, ..Spec::default() }
    }

    /// The code, with maps by name.
    fn listing(&self) -> String {
        let mut insns = self.insns.clone();
        for u in &self.maps {
            insns[u.slot].imm = u.map as i32;
        }
        let code = Disassembler::new(Style::Kernel).names(&NAMES).labels(true).program(&insns);
        let named = |code: String, (n, row): (usize, &Row)| {
            code.replace(&format!("map[fd:{n}]"), &format!("map[{}]", row.name))
        };
        self.tables.iter().enumerate().fold(code, named)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Found {
    /// What differs, a line each: what it is, in userspace, in Linux.
    pub fn differences(&self) -> Vec<String> {
        let (user, kernel) = (&self.user, &self.kernel);
        let mut out = Vec::new();
        let mut line = |what: &str, here: String, there: String| {
            if here != there {
                out.push(format!("{what}: {here} in userspace, {there} in Linux"));
            }
        };
        let r0 = |r0: &Result<u64, String>| r0.as_ref().map_or_else(Clone::clone, |r0| format!("{r0:#x}"));
        line("r0", r0(&user.r0), r0(&kernel.r0));
        line("packet", hex(&user.packet), hex(&kernel.packet));
        let all = |entries: Option<&Vec<Entry>>| {
            let entries = entries.into_iter().flatten();
            entries.map(|(k, v)| format!("[{}]={}", hex(k), hex(v))).collect::<Vec<_>>().join(" ")
        };
        for (n, row) in self.program.tables.iter().enumerate() {
            line(row.name, all(user.maps.get(n)), all(kernel.maps.get(n)));
        }
        let records = |records: &[Vec<u8>]| records.iter().map(|r| hex(r)).collect::<Vec<_>>().join(" ");
        line("records", records(&user.records), records(&kernel.records));
        out
    }

    /// The program as a file of the corpus, with what Linux made of it.
    pub fn text(&self) -> String {
        let mut out = format!("#! prog = {}\n", self.program.prog_type);
        for row in &self.program.tables {
            out += &row.line();
        }
        out += &format!("#! packet = {}\n", hex(&self.program.packet));
        if let Ok(r0) = &self.kernel.r0 {
            out += &format!("#! run = {r0:#x}\n#! out = {}\n", hex(&self.kernel.packet));
        }
        out += &format!("# The random program {}, which {} runs otherwise.\n", self.seed, self.engine);
        out + &self.program.listing()
    }
}
