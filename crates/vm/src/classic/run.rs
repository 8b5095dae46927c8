//! The classic machine: decoded once, run for each packet.
//!
//! It holds to Linux where implementations differ: a load beyond the packet and a division by an X of 0 end the
//! filter with 0, A and X begin as 0, distances of shifts are masked to 5 bits, offsets at -0x20_0000 and above count
//! from headers, and a filter that asks for the device of a packet that has none ends with what is in A.

use super::native::Native;
use super::packet::Packet;
use skep_isa::classic::{
    AluOp, Ancillary, CheckError, Cond, Insn, LL_OFF, MEM_WORDS, NET_OFF, Op, Size, Source, check_socket,
};
use std::sync::Arc;

/// A filter, ready to run. It can't loop, and it can't touch anything but the packet that it is given.
#[derive(Clone, Debug)]
pub struct Filter {
    cells: Box<[Cell]>,
    native: Option<Arc<Native>>,
}

/// One instruction: what is done, its constant, where it goes on.
#[derive(Clone, Copy, Debug)]
struct Cell {
    code: Code,
    k: u32,
    /// Where a branch goes that holds, and one that does not.
    to: [u16; 2],
}

/// What is done, flat, so that one jump finds it.
#[derive(Clone, Copy, Debug)]
enum Code {
    Word,
    Half,
    Byte,
    /// Loads with an offset that may be negative: relative to X, or below 0.
    Any(Size, bool),
    Fact(Ancillary),
    Msh,
    /// A negative offset.
    MshAny,
    Imm,
    Mem,
    Len,
    XImm,
    XMem,
    XLen,
    St,
    Stx,
    Alu(AluOp),
    AluX(AluOp),
    Neg,
    Ja,
    Jeq,
    Jgt,
    Jge,
    Jset,
    JeqX,
    JgtX,
    JgeX,
    JsetX,
    RetK,
    RetA,
    Tax,
    Txa,
}

impl Filter {
    /// Checks a program as Linux checks socket filters, and makes it ready.
    pub fn new(insns: &[Insn]) -> Result<Self, CheckError> {
        Ok(Self::of(&ops(insns)?))
    }

    /// The same as machine code, where there is a compiler for this machine and the filter asks for nothing but the
    /// packet's bytes and length; interpreted otherwise. It gives the same results.
    pub fn compiled(insns: &[Insn]) -> Result<Self, CheckError> {
        let ops = ops(insns)?;
        Ok(Self { native: Native::new(&ops).map(Arc::new), ..Self::of(&ops) })
    }

    fn of(ops: &[Op]) -> Self {
        let cells = ops.iter().enumerate().map(|(at, &op)| cell(at, op)).collect();
        Self { cells, native: None }
    }

    /// Whether it is machine code.
    pub fn is_compiled(&self) -> bool {
        self.native.is_some()
    }

    /// Runs it: how many bytes of the packet to keep, 0 for none.
    #[inline(always)]
    pub fn run(&self, packet: &Packet<'_>) -> u32 {
        match self.native.as_ref().and_then(|native| native.run(packet)) {
            Some(result) => result,
            None => run(&self.cells, packet).unwrap_or(0),
        }
    }
}

/// The instructions of a program that Linux takes.
fn ops(insns: &[Insn]) -> Result<Vec<Op>, CheckError> {
    check_socket(insns)?;
    Ok(insns.iter().filter_map(|&insn| Op::decode(insn)).collect())
}

fn cell(at: usize, op: Op) -> Cell {
    // The program has been checked: its length and so its targets are below 4096, words below 16.
    let target = |distance: usize| (at + 1 + distance) as u16;
    let plain = |code, k| Cell { code, k, to: [0; 2] };
    match op {
        Op::LoadAbs { size, k } => plain(load(size, k), k),
        Op::LoadInd { size, k } => plain(Code::Any(size, true), k),
        Op::LoadImm { k } => plain(Code::Imm, k),
        Op::LoadMem { k } => plain(Code::Mem, k),
        Op::LoadLen => plain(Code::Len, 0),
        Op::LoadxImm { k } => plain(Code::XImm, k),
        Op::LoadxMem { k } => plain(Code::XMem, k),
        Op::LoadxLen => plain(Code::XLen, 0),
        Op::LoadxMsh { k } => plain(if k.cast_signed() < 0 { Code::MshAny } else { Code::Msh }, k),
        Op::Store { k } => plain(Code::St, k),
        Op::Storex { k } => plain(Code::Stx, k),
        Op::Alu { op, src: Source::K(k) } => plain(Code::Alu(op), k),
        Op::Alu { op, src: Source::X } => plain(Code::AluX(op), 0),
        Op::Neg => plain(Code::Neg, 0),
        Op::Jump { k } => Cell { code: Code::Ja, k, to: [target(k as usize); 2] },
        Op::Branch { cond, src, jt, jf } => {
            let (code, k) = branch(cond, src);
            Cell { code, k, to: [target(usize::from(jt)), target(usize::from(jf))] }
        }
        Op::RetK { k } => plain(Code::RetK, k),
        Op::RetA => plain(Code::RetA, 0),
        Op::Tax => plain(Code::Tax, 0),
        Op::Txa => plain(Code::Txa, 0),
    }
}

fn load(size: Size, k: u32) -> Code {
    match (Ancillary::from_offset(k), size) {
        (Some(fact), _) => Code::Fact(fact),
        (None, size) if k.cast_signed() < 0 => Code::Any(size, false),
        (None, Size::B) => Code::Byte,
        (None, Size::H) => Code::Half,
        (None, _) => Code::Word,
    }
}

fn branch(cond: Cond, src: Source) -> (Code, u32) {
    match (cond, src) {
        (Cond::Eq, Source::K(k)) => (Code::Jeq, k),
        (Cond::Gt, Source::K(k)) => (Code::Jgt, k),
        (Cond::Ge, Source::K(k)) => (Code::Jge, k),
        (Cond::Set, Source::K(k)) => (Code::Jset, k),
        (Cond::Eq, Source::X) => (Code::JeqX, 0),
        (Cond::Gt, Source::X) => (Code::JgtX, 0),
        (Cond::Ge, Source::X) => (Code::JgeX, 0),
        (Cond::Set, Source::X) => (Code::JsetX, 0),
    }
}

/// The result, or none where a load or a division ends the filter with 0.
fn run(cells: &[Cell], packet: &Packet<'_>) -> Option<u32> {
    let bytes = packet.bytes;
    let (mut a, mut x) = (0u32, 0u32);
    let mut mem = [0u32; MEM_WORDS];
    let mut pc = 0usize;
    loop {
        // Past the end there is nothing to run; the check has seen to it that no path leads there.
        let Cell { code, k, to } = *cells.get(pc)?;
        pc += 1;
        let word = k as usize % MEM_WORDS;
        let goes = |holds: bool| usize::from(if holds { to[0] } else { to[1] });
        match code {
            Code::Word => a = u32::from_be_bytes(*bytes.get(k as usize..)?.first_chunk()?),
            Code::Half => a = u16::from_be_bytes(*bytes.get(k as usize..)?.first_chunk()?).into(),
            Code::Byte => a = (*bytes.get(k as usize)?).into(),
            Code::Any(size, indirect) => {
                let offset = if indirect { x.wrapping_add(k) } else { k };
                a = load_any(packet, offset, size)?;
            }
            Code::Fact(fact) => match super::facts::load(packet, fact, a, x) {
                Some(value) => a = value,
                None => return Some(a),
            },
            Code::Msh => x = u32::from(bytes.get(k as usize)? & 15) * 4,
            Code::MshAny => x = (load_any(packet, k, Size::B)? & 15) * 4,
            Code::Imm => a = k,
            Code::Mem => a = mem[word],
            Code::Len => a = packet.len,
            Code::XImm => x = k,
            Code::XMem => x = mem[word],
            Code::XLen => x = packet.len,
            Code::St => mem[word] = a,
            Code::Stx => mem[word] = x,
            Code::Alu(op) => a = op.apply(a, k)?,
            Code::AluX(op) => a = op.apply(a, x)?,
            Code::Neg => a = a.wrapping_neg(),
            Code::Ja => pc = usize::from(to[0]),
            Code::Jeq => pc = goes(a == k),
            Code::Jgt => pc = goes(a > k),
            Code::Jge => pc = goes(a >= k),
            Code::Jset => pc = goes(a & k != 0),
            Code::JeqX => pc = goes(a == x),
            Code::JgtX => pc = goes(a > x),
            Code::JgeX => pc = goes(a >= x),
            Code::JsetX => pc = goes(a & x != 0),
            Code::RetK => return Some(k),
            Code::RetA => return Some(a),
            Code::Tax => x = a,
            Code::Txa => a = x,
        }
    }
}

/// A load whose offset may be negative: from the network or the link-layer header, then.
pub(super) fn load_any(packet: &Packet<'_>, offset: u32, size: Size) -> Option<u32> {
    let offset = match offset {
        0..0x8000_0000 => offset.cast_signed(),
        NET_OFF.. => packet.facts.network.checked_add_unsigned(offset - NET_OFF)?,
        LL_OFF.. => packet.facts.link?.checked_add_unsigned(offset - LL_OFF)?,
        _ => return None,
    };
    let bytes = packet.bytes.get(usize::try_from(offset).ok()?..)?;
    Some(match size {
        Size::B => (*bytes.first()?).into(),
        Size::H => u16::from_be_bytes(*bytes.first_chunk()?).into(),
        _ => u32::from_be_bytes(*bytes.first_chunk()?),
    })
}
