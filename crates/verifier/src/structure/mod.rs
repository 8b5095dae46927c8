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
    /// No instruction; refused when a path gets there.
    Bad(DecodeError),
}

/// Decodes each slot for itself: what no path reaches may be wrong in its reserved fields.
pub(crate) fn decode_slots(insns: &[Insn]) -> Vec<Slot> {
    let mut out = Vec::with_capacity(insns.len());
    while out.len() < insns.len() {
        match decode(insns, out.len()) {
            Ok(op) => {
                let wide = op.slots() == 2;
                out.push(Slot::Op(op));
                if wide {
                    out.push(Slot::Half);
                }
            }
            Err(e) => out.push(Slot::Bad(e)),
        }
    }
    out
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
    /// Loop that the instruction belongs to; 0 is none.
    pub(crate) scc: u32,
    /// Registers whose value may be read from here on.
    pub(crate) live: u16,
    /// Some path came here.
    pub(crate) seen: bool,
    /// Kind of pointer that a load or store here used.
    pub(crate) ptr_kind: Option<(crate::state::Kind, crate::state::Flags)>,
}

/// Instructions that may follow slot `i` inside its subprogram.
pub(crate) fn successors(slots: &[Slot], i: usize) -> impl Iterator<Item = usize> {
    let (mut a, mut b) = (None, None);
    match &slots[i] {
        Slot::Op(Op::Exit) => {}
        Slot::Op(Op::Jump { off, .. }) => a = Some(target(i, *off)),
        Slot::Op(op @ (Op::Branch { off, .. } | Op::MayGoto { off })) => {
            a = Some(i + op.slots());
            b = Some(target(i, i32::from(*off)));
        }
        Slot::Op(op) => a = Some(i + op.slots()),
        Slot::Half | Slot::Bad(_) => a = Some(i + 1),
    }
    let len = slots.len();
    a.into_iter().chain(b).filter(move |t| *t < len)
}

/// Where a jump at `i` goes; out of range if the distance is.
pub(crate) fn target(i: usize, off: i32) -> usize {
    (i as i64 + 1 + i64::from(off)).try_into().unwrap_or(usize::MAX)
}
