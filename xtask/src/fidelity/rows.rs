//! Rows beside the running kernel: a tiny program for each helper, or each range of results, in each type of program.
//!
//! What a helper does to the packet, and whether it may sleep, is seen without calling it: a global function is judged by the
//! calls in it, whether a path gets to them or not.

use std::fmt;

use skep_abi::{AttachType, HelperId, ProgType};
use skep_isa::Insn;
use skep_sys::Errno;
use skep_verifier::Verdict;

use super::listing;
use super::program::{CALL, EXIT, KFUNC, Program, SUBPROG};
use super::world::{GLOBAL, MAIN, PROG_TYPES, World};

/// What came of asking.
#[derive(Default)]
pub struct Rows {
    /// Programs that both verifiers were given.
    pub asked: u64,
    /// Programs that skep does not model, or of which the kernel said nothing.
    pub left_out: u64,
    /// Each program of which they said something different.
    pub differences: Vec<String>,
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for d in &self.differences {
            writeln!(f, "{d}\n")?;
        }
        write!(
            f,
            "{} programs, {} left out, {} differences",
            self.asked,
            self.left_out,
            self.differences.len()
        )
    }
}

const MOV_IMM: u8 = 0xb7;
const SLEEPABLE: u32 = 16;
/// Index of `bpf_rcu_read_lock` in the world's functions, of `bpf_preempt_disable`, and of `bpf_local_irq_save`.
const RCU: i32 = 0;
const PREEMPT: i32 = 2;
const IRQ: i32 = 4;
/// Type of a global function that takes two numbers.
const NUMBERS: u32 = GLOBAL;
/// Attach types that there are.
const ATTACH_TYPES: u32 = 64;

const fn insn(opcode: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    Insn { opcode, dst, src, off, imm }
}

const END: [Insn; 2] = [insn(MOV_IMM, 0, 0, 0, 0), insn(EXIT, 0, 0, 0, 0)];

/// Asks of every row.
///
/// # Errors
/// The kernel's, where maps can't be made: `EPERM` without rights.
pub fn run() -> Result<Rows, Errno> {
    let world = World::new()?;
    let mut rows = Rows::default();
    let ids = || skep_abi::helpers().iter().map(|r| r.id).filter(|id| id.0 != 0);
    let mut types: Vec<(ProgType, AttachType, u32)> = Vec::new();
    for (prog, attach) in PROG_TYPES.iter().copied() {
        let flags = if prog == ProgType::SYSCALL { SLEEPABLE } else { 0 };
        types.push((prog, attach, flags));
    }
    types.dedup();
    types.push((ProgType::KPROBE, AttachType(0), SLEEPABLE));
    for at in types.iter().copied() {
        for id in ids() {
            rows.ask(&world, &bare(at, id), true)?;
            rows.ask(&world, &bare(at, id), false)?;
            rows.ask(&world, &in_function(at, id, &[]), true)?;
            for program in packet(at, id).into_iter().chain(sections(at, id)) {
                rows.ask(&world, &program, true)?;
            }
        }
    }
    // Kernels without infrared devices do not have the type.
    let known = |p: &&skep_abi::ProgTypeRow| !matches!(p.id, ProgType::UNSPEC | ProgType::LIRC_MODE2);
    for prog in skep_abi::prog_types().iter().filter(known).map(|p| p.id) {
        for attach in (0..ATTACH_TYPES).map(AttachType) {
            for program in results((prog, attach, if prog == ProgType::SYSCALL { SLEEPABLE } else { 0 })) {
                rows.ask(&world, &program, true)?;
            }
        }
    }
    Ok(rows)
}

type Kind = (ProgType, AttachType, u32);

fn program((prog_type, attach_type, flags): Kind, insns: Vec<Insn>, funcs: Vec<(usize, u32)>) -> Program {
    Program { prog_type, attach_type, flags, insns, funcs }
}

fn call(id: HelperId) -> Insn {
    insn(CALL, 0, 0, 0, id.0 as i32)
}

/// A call with the context as the first argument and nothing behind it.
fn bare(kind: Kind, id: HelperId) -> Program {
    program(kind, [&[call(id)], &END[..]].concat(), Vec::new())
}

/// `before`, a call of a function in which no path gets to a call of the helper, and `after`.
fn around(kind: Kind, id: HelperId, before: &[Insn], after: &[Insn]) -> Program {
    let to_function = after.len() + END.len();
    let calls =
        [insn(MOV_IMM, 1, 0, 0, 0), insn(MOV_IMM, 2, 0, 0, 0), insn(CALL, 0, SUBPROG, 0, to_function as i32)];
    let body = [insn(MOV_IMM, 0, 0, 0, 0), insn(0x15, 0, 0, 1, 0), call(id), END[0], END[1]];
    let insns = [before, &calls, after, &END, &body].concat();
    let start = insns.len() - body.len();
    program(kind, insns, vec![(0, MAIN), (start, NUMBERS)])
}

fn in_function(kind: Kind, id: HelperId, before: &[Insn]) -> Program {
    around(kind, id, before, &[])
}

/// Where the context has the packet and its end.
fn packet_fields(prog: ProgType) -> Option<(u8, i16, i16)> {
    const WORD: u8 = 0x61;
    const LONG: u8 = 0x79;
    match prog {
        ProgType::XDP => Some((WORD, 0, 4)),
        ProgType::SK_MSG | ProgType::SK_REUSEPORT => Some((LONG, 0, 8)),
        ProgType::SCHED_CLS
        | ProgType::SCHED_ACT
        | ProgType::CGROUP_SKB
        | ProgType::LWT_IN
        | ProgType::LWT_OUT
        | ProgType::LWT_XMIT
        | ProgType::LWT_SEG6LOCAL
        | ProgType::SK_SKB
        | ProgType::FLOW_DISSECTOR => Some((WORD, 76, 80)),
        _ => None,
    }
}

/// A byte of the packet is there; the function is called; the byte is read.
fn packet(kind: Kind, id: HelperId) -> Option<Program> {
    let (load, data, end) = packet_fields(kind.0)?;
    let before = [
        insn(load, 7, 1, data, 0),
        insn(load, 8, 1, end, 0),
        insn(0xbf, 0, 7, 0, 0),
        insn(0x07, 0, 0, 0, 1),
        // Too short: out, behind the call and the load.
        insn(0x2d, 0, 8, 4, 0),
    ];
    Some(around(kind, id, &before, &[insn(0x71, 0, 7, 0, 0)]))
}

/// The function is called inside of each section.
fn sections(kind: Kind, id: HelperId) -> Vec<Program> {
    if kind.2 & SLEEPABLE == 0 {
        return Vec::new();
    }
    let flag = [insn(0xbf, 1, 10, 0, 0), insn(0x07, 1, 0, 0, -8)];
    [RCU, PREEMPT, IRQ]
        .iter()
        .flat_map(|open| {
            let before = [&flag[..], &[insn(CALL, 0, KFUNC, 0, *open)]].concat();
            let direct = [&before[..], &[insn(0xb7, 1, 0, 0, 0), call(id)], &END[..]].concat();
            [in_function(kind, id, &before), program(kind, direct, Vec::new())]
        })
        .collect()
}

/// Programs that return: any number, a constant, the context.
fn results(kind: Kind) -> Vec<Program> {
    let exit = insn(EXIT, 0, 0, 0, 0);
    let one = |first: Insn| program(kind, vec![first, exit], Vec::new());
    let constants = [-1, 0, 1, 2, 3, 4].into_iter().map(|n| one(insn(MOV_IMM, 0, 0, 0, n)));
    constants.chain([one(insn(0x79, 0, 10, -8, 0)), one(insn(0xbf, 0, 1, 0, 0))]).collect()
}

impl Rows {
    fn ask(&mut self, world: &World, p: &Program, gpl: bool) -> Result<(), Errno> {
        self.asked += 1;
        let (said, outcome) = (world.load_as(p, gpl)?, world.verify_as(p, gpl));
        let ours = match &outcome.verdict {
            Verdict::NotModelled(_) => {
                self.left_out += 1;
                return Ok(());
            }
            Verdict::Accept => (0, String::new()),
            Verdict::Reject(r) => (r.errno, r.message.lines().last().unwrap_or_default().to_owned()),
        };
        if said.errno == Errno::EPERM.0 && said.silent {
            self.left_out += 1;
            return Ok(());
        }
        let theirs = said.message.lines().last().unwrap_or_default();
        // Before it is verified a program is refused without a word.
        let same_words = said.silent || said.errno == 0 || theirs.trim_end() == ours.1.trim_end();
        if said.errno != ours.0 || !same_words {
            let gpl = if gpl { "" } else { " (not GPL)" };
            self.differences.push(format!(
                "{}{gpl}kernel: {} {theirs}\nskep: {} {}",
                listing(p),
                said.errno,
                ours.0,
                ours.1
            ));
        }
        Ok(())
    }
}
