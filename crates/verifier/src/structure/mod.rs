//! What can be said of a program before it is explored: subprograms, control flow, loops, live registers.

mod cfg;
mod liveness;
mod scc;
mod subprog;

pub(crate) use cfg::check_cfg;
pub(crate) use liveness::{live_registers, unset_register};
pub(crate) use scc::components;
pub(crate) use subprog::{Subprog, find as find_subprog, split};

use skep_isa::{DecodeError, Insn, Op, decode};

/// One slot, decoded.
#[derive(Clone, Debug)]
pub(crate) enum Slot {
    /// An instruction.
    Op(Op),
    /// The second half of a wide load.
    Half,
    /// No instruction; refused when a path gets there. Control flow sees what its opcode alone says.
    Bad(DecodeError, Option<Op>),
}

impl Slot {
    /// What control flow sees here.
    pub(crate) fn flow(&self) -> Option<&Op> {
        match self {
            Self::Op(op) => Some(op),
            Self::Bad(_, flow) => flow.as_ref(),
            Self::Half => None,
        }
    }
}

/// Decodes each slot for itself: what no path reaches may be wrong in its reserved fields.
pub(crate) fn decode_slots(insns: &[Insn]) -> Vec<Slot> {
    let mut out = Vec::with_capacity(insns.len());
    while out.len() < insns.len() {
        match decode(insns, out.len()) {
            Ok(op) => out.push(Slot::Op(op)),
            Err(e) => {
                let rest = &insns[out.len()..];
                out.push(match by_opcode(&rest[0]) {
                    // The kernel never looks at the offset of an exit, nor at the upper half of a function's address.
                    Some(Op::Exit) if is_exit(&rest[0]) => Slot::Op(Op::Exit),
                    flow => match function_address(rest) {
                        Some(op) => Slot::Op(op),
                        None => Slot::Bad(e, flow.or_else(|| wide(rest))),
                    },
                });
            }
        }
        if out.last().and_then(Slot::flow).is_some_and(|op| op.slots() == 2) {
            out.push(Slot::Half);
        }
    }
    out
}

/// A wide load whose first half has what must be zero: the second half is none of its own all the same.
fn wide(insns: &[Insn]) -> Option<Op> {
    let [first, second, ..] = insns else { return None };
    let clean = Insn { dst: first.dst.min(9), off: 0, ..*first };
    (first.opcode == 0x18).then(|| decode(&[clean, *second], 0).ok())?
}

/// A wide load of a function's address, whatever the upper half says.
fn function_address(insns: &[Insn]) -> Option<Op> {
    let [first, second, ..] = insns else { return None };
    let clean = Insn { imm: 0, ..*second };
    ((first.opcode, first.src) == (0x18, 4)).then(|| decode(&[*first, clean], 0).ok())?
}

fn is_exit(insn: &Insn) -> bool {
    (insn.opcode, insn.dst, insn.src, insn.imm) == (0x95, 0, 0, 0)
}

/// A jump, call or exit whose reserved fields are not zero, as if they were.
fn by_opcode(insn: &Insn) -> Option<Op> {
    let mut clean = *insn;
    let register = insn.opcode & 0x08 != 0;
    match insn.opcode {
        0x95 => (clean.dst, clean.src, clean.off, clean.imm) = (0, 0, 0, 0),
        0x05 => (clean.dst, clean.src, clean.imm) = (0, 0, 0),
        0x06 => (clean.dst, clean.src, clean.off) = (0, 0, 0),
        0x85 => (clean.dst, clean.off) = (0, 0),
        0xe5 => (clean.dst, clean.src, clean.imm) = (0, 0, 0),
        o if !matches!(o & 7, 5 | 6) => return None,
        _ => {
            clean.dst = clean.dst.min(9);
            if register {
                (clean.src, clean.imm) = (clean.src.min(9), 0);
            } else {
                clean.src = 0;
            }
        }
    }
    decode(&[clean], 0).ok()
}

/// What exploration has to know of each slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aux {
    /// States are remembered and compared here.
    pub(crate) prune_point: bool,
    /// A jump may arrive here: the path's history notes it.
    pub(crate) jmp_point: bool,
    /// A state is always remembered here.
    pub(crate) force_checkpoint: bool,
    /// Calls a function back before it returns.
    pub(crate) calls_callback: bool,
    /// A call of bpf_loop that was seen: the callback with which it can become a loop in place, if it can.
    pub(crate) inlined: Option<Option<usize>>,
    /// Loop that the instruction belongs to; 0 is none.
    pub(crate) scc: u32,
    /// Registers whose value may be read from here on.
    pub(crate) live: u16,
    /// Some path came here.
    pub(crate) seen: bool,
    /// A guess that comes here goes no further: without a barrier it could reach what it must not.
    pub(crate) barrier: bool,
    /// The same behind the instruction.
    pub(crate) barrier_behind: bool,
    /// How the addition here is masked, once some path has said it.
    pub(crate) mask: Option<crate::check::Mask>,
    /// The map of the tail call here.
    pub(crate) tail_map: Option<u32>,
    /// Other paths have another.
    pub(crate) tail_maps_differ: bool,
    /// Kind of pointer that a load or store here used.
    pub(crate) ptr_kind: Option<(crate::state::Kind, crate::state::Flags)>,
}

/// Instructions that may follow slot `i` inside its subprogram.
pub(crate) fn successors(slots: &[Slot], i: usize) -> impl Iterator<Item = usize> {
    let (mut a, mut b) = (None, None);
    match slots[i].flow() {
        Some(Op::Exit) => {}
        Some(Op::Jump { off, .. }) => a = Some(target(i, *off)),
        Some(op @ (Op::Branch { off, .. } | Op::MayGoto { off })) => {
            a = Some(i + op.slots());
            b = Some(target(i, i32::from(*off)));
        }
        Some(op) => a = Some(i + op.slots()),
        None => a = Some(i + 1),
    }
    let len = slots.len();
    a.into_iter().chain(b).filter(move |t| *t < len)
}

/// Where a jump at `i` goes; out of range if the distance is.
pub(crate) fn target(i: usize, off: i32) -> usize {
    (i as i64 + 1 + i64::from(off)).try_into().unwrap_or(usize::MAX)
}
