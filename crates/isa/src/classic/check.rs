//! The kernel's verdict on a classic program: what SO_ATTACH_FILTER takes, and what seccomp(2) takes.
//!
//! What is held, in the order in which the kernel holds it:
//!
//! - a length of 1 to 4096;
//! - known codes; no division by a constant zero, no shift by 32 or more, memory words below 16, jumps that land
//!   inside (they go forward only, by construction), absolute loads at -0x1000 and above only where Linux keeps a fact;
//! - a return as the last instruction;
//! - no memory word is read that some path has not written;
//! - for seccomp: no packet loads but whole, aligned words of `struct seccomp_data`, no remainder;
//! - jumps that still fit in 16 bits when the program has become an extended one, as the kernel runs it.
//!
//! Since programs have no loops, one pass does. Sources: Linux 6.18 as it behaves (`bpf_check_classic`,
//! `check_load_and_stores`, `seccomp_check_filter`), seccomp(2). Each error is `EINVAL` in Linux.

use super::ancillary::{AD_OFF, Ancillary};
use super::insn::Insn;
use super::op::{AluOp, Op, Source};
use super::{MAX_INSNS, MEM_WORDS, Size};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// Length in bytes of `struct seccomp_data`, all that a seccomp filter sees.
pub const SECCOMP_DATA_BYTES: u32 = 64;

/// Why the kernel refuses a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckError {
    at: usize,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Length(usize),
    Code(u16),
    DivideByZero,
    Shift(u32),
    Word(u32),
    Target,
    Fact(u32),
    NoReturn,
    Unwritten(u32),
    Seccomp(&'static str),
    SeccompOffset(u32),
    Reach,
}

impl CheckError {
    /// The instruction that is wrong; the length of the program if the program as a whole is.
    pub const fn insn(&self) -> usize {
        self.at
    }

    /// What to do about it, if that can be said.
    pub const fn hint(&self) -> Option<&'static str> {
        Some(match self.kind {
            Kind::Seccomp(_) | Kind::SeccompOffset(_) => {
                "a seccomp filter reads words at 0, 4, 8 ... 60: the call, the architecture, the arguments"
            }
            Kind::NoReturn => "end with `ret #0`",
            Kind::Reach => "make the program shorter, or the jump",
            Kind::Unwritten(_) => "store to it on every path that leads here",
            _ => return None,
        })
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self.kind, Kind::Length(_)) {
            write!(f, "instruction {}: ", self.at)?;
        }
        match self.kind {
            Kind::Length(n) => write!(f, "{n} instructions, expected 1 to {MAX_INSNS}"),
            Kind::Code(code) => write!(f, "unknown code {code:#06x}"),
            Kind::DivideByZero => f.write_str("divides by the constant 0"),
            Kind::Shift(k) => write!(f, "shifts by {k}, expected 0 to 31"),
            Kind::Word(k) => write!(f, "memory word {k}, expected 0 to {}", MEM_WORDS - 1),
            Kind::Target => f.write_str("jumps past the end"),
            Kind::Fact(k) => write!(f, "Linux keeps nothing at offset {}", k.cast_signed()),
            Kind::NoReturn => f.write_str("the last instruction is no return"),
            Kind::Unwritten(k) => write!(f, "memory word {k} is read, but not written on every path"),
            Kind::Seccomp(name) => write!(f, "seccomp has no `{name}`"),
            Kind::SeccompOffset(k) => {
                write!(f, "offset {} is no aligned word of seccomp_data", k.cast_signed())
            }
            Kind::Reach => f.write_str("jumps too far: past 32767 instructions of the extended program"),
        }
    }
}

impl core::error::Error for CheckError {}

/// Whether SO_ATTACH_FILTER takes a program.
pub fn check_socket(insns: &[Insn]) -> Result<(), CheckError> {
    let ops = decode(insns)?;
    check_classic(&ops)?;
    check_reach(&ops, expansion)
}

/// Whether seccomp(2) takes a program.
pub fn check_seccomp(insns: &[Insn]) -> Result<(), CheckError> {
    let ops = decode(insns)?;
    check_classic(&ops)?;
    for (at, op) in ops.iter().enumerate() {
        seccomp_op(op, insns[at]).map_err(|kind| CheckError { at, kind })?;
    }
    check_reach(&ops, |op| if matches!(op, Op::LoadAbs { .. }) { 1 } else { expansion(op) })
}

fn decode(insns: &[Insn]) -> Result<Vec<Op>, CheckError> {
    if insns.is_empty() || insns.len() > MAX_INSNS {
        return Err(CheckError { at: insns.len(), kind: Kind::Length(insns.len()) });
    }
    let mut ops = Vec::with_capacity(insns.len());
    for (at, &insn) in insns.iter().enumerate() {
        ops.push(Op::decode(insn).ok_or(CheckError { at, kind: Kind::Code(insn.code) })?);
    }
    Ok(ops)
}

fn check_classic(ops: &[Op]) -> Result<(), CheckError> {
    for (at, op) in ops.iter().enumerate() {
        let left = ops.len() - at - 1;
        check_op(op, left).map_err(|kind| CheckError { at, kind })?;
    }
    let at = ops.len() - 1;
    if !ops[at].is_return() {
        return Err(CheckError { at, kind: Kind::NoReturn });
    }
    check_words(ops)
}

fn check_op(op: &Op, left: usize) -> Result<(), Kind> {
    let wrong = match *op {
        Op::Alu { op: AluOp::Div | AluOp::Mod, src: Source::K(0) } => Some(Kind::DivideByZero),
        Op::Alu { op: AluOp::Lsh | AluOp::Rsh, src: Source::K(k @ 32..) } => Some(Kind::Shift(k)),
        Op::LoadMem { k } | Op::LoadxMem { k } | Op::Store { k } | Op::Storex { k } => {
            (k as usize >= MEM_WORDS).then_some(Kind::Word(k))
        }
        Op::Jump { k } => (k as usize >= left).then_some(Kind::Target),
        Op::Branch { jt, jf, .. } => (usize::from(jt.max(jf)) >= left).then_some(Kind::Target),
        Op::LoadAbs { k, .. } => {
            (k >= AD_OFF && Ancillary::from_offset(k).is_none()).then_some(Kind::Fact(k))
        }
        _ => None,
    };
    wrong.map_or(Ok(()), Err)
}

/// Every word that is read has been written on every path: a bit a word, met over the edges.
fn check_words(ops: &[Op]) -> Result<(), CheckError> {
    let mut at_entry = vec![u16::MAX; ops.len()];
    // What has been written on the way into the next instruction; nothing at first, everything after a jump, since
    // the edge into it, if there is one, has its own mask.
    let mut written = 0;
    for (at, op) in ops.iter().enumerate() {
        written &= at_entry[at];
        match *op {
            Op::Store { k } | Op::Storex { k } => written |= 1 << k,
            Op::LoadMem { k } | Op::LoadxMem { k } if written & 1 << k == 0 => {
                return Err(CheckError { at, kind: Kind::Unwritten(k) });
            }
            Op::Jump { k } => {
                at_entry[at + 1 + k as usize] &= written;
                written = u16::MAX;
            }
            Op::Branch { jt, jf, .. } => {
                at_entry[at + 1 + usize::from(jt)] &= written;
                at_entry[at + 1 + usize::from(jf)] &= written;
                written = u16::MAX;
            }
            _ => {}
        }
    }
    Ok(())
}

fn seccomp_op(op: &Op, insn: Insn) -> Result<(), Kind> {
    match *op {
        Op::LoadAbs { size: Size::W, k } if k < SECCOMP_DATA_BYTES && k.is_multiple_of(4) => Ok(()),
        Op::LoadAbs { size: Size::W, k } => Err(Kind::SeccompOffset(k)),
        Op::LoadAbs { .. } | Op::LoadInd { .. } | Op::LoadxMsh { .. } | Op::Alu { op: AluOp::Mod, .. } => {
            Err(Kind::Seccomp(super::op::row_of(insn.code).map_or("", |row| row.name)))
        }
        _ => Ok(()),
    }
}

/// Jumps count extended instructions in 16 bits, and the kernel refuses what does not fit. It converts in two rounds;
/// in the first, targets ahead count as 0, so that a jump that stands beyond slot 32767 is refused too.
fn check_reach(ops: &[Op], expansion: impl Fn(&Op) -> usize) -> Result<(), CheckError> {
    let mut starts = Vec::with_capacity(ops.len());
    let mut next = if ops.iter().any(|op| expansion(op) > 1 && reads_packet(op)) { 7 } else { 3 };
    for op in ops {
        starts.push(next);
        next += expansion(op);
    }
    for (at, op) in ops.iter().enumerate() {
        let wide = usize::from(matches!(op, Op::Branch { src: Source::K(0x8000_0000..), .. }));
        // A jump of `distance`, in the given slot of those that this operation becomes.
        let fails = |distance: usize, slot: usize| {
            let next = starts[at] + 1 + slot;
            next > 1 << 15 || starts[at + 1 + distance].saturating_sub(next) > i16::MAX as usize
        };
        let too_far = match *op {
            Op::Jump { k } => fails(k as usize, 0),
            Op::Branch { jt, jf: 0, .. } => fails(usize::from(jt), wide),
            Op::Branch { jt, jf, .. } => {
                let last = expansion(op) - 1;
                fails(usize::from(jf), last) || (last > wide && fails(usize::from(jt), wide))
            }
            _ => false,
        };
        if too_far {
            return Err(CheckError { at, kind: Kind::Reach });
        }
    }
    Ok(())
}

/// Whether it reads the bytes of a packet: if one does, Linux begins with four instructions more.
fn reads_packet(op: &Op) -> bool {
    match *op {
        Op::LoadAbs { k, .. } => Ancillary::from_offset(k).is_none(),
        Op::LoadInd { .. } | Op::LoadxMsh { .. } => true,
        _ => false,
    }
}

/// How many extended instructions Linux makes of one, on a 64-bit machine that reads unaligned words.
fn expansion(op: &Op) -> usize {
    use super::op::Cond;
    match *op {
        Op::LoadAbs { size, k } => match Ancillary::from_offset(k) {
            Some(fact) => fact_expansion(fact),
            None => load_expansion(size, k),
        },
        Op::LoadInd { k, .. } => 8 + usize::from(k != 0),
        Op::LoadxMsh { k } => 6 + load_expansion(Size::B, k),
        Op::Alu { op: AluOp::Div | AluOp::Mod, src: Source::X } => 5,
        Op::Branch { cond, src, jt, jf } => {
            let wide = usize::from(matches!(src, Source::K(0x8000_0000..)));
            wide + if jf == 0 || (jt == 0 && cond != Cond::Set) { 1 } else { 2 }
        }
        Op::RetK { .. } => 2,
        _ => 1,
    }
}

fn load_expansion(size: Size, k: u32) -> usize {
    const CALL: usize = 8;
    if k.cast_signed() < 0 {
        return CALL;
    }
    let address = if k > i16::MAX as u32 { 3 } else { 1 };
    CALL + 3 + usize::from(k != 0) + address + usize::from(size != Size::B)
}

const fn fact_expansion(fact: Ancillary) -> usize {
    match fact {
        Ancillary::Protocol | Ancillary::PktType | Ancillary::VlanTpid => 2,
        Ancillary::VlanTagPresent => 3,
        Ancillary::Mark | Ancillary::Queue | Ancillary::RxHash | Ancillary::VlanTag | Ancillary::XorX => 1,
        _ => 4,
    }
}
