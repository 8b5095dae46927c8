//! A walk over the control flow graph: everything must be reachable, and the places are found where
//! exploration remembers and compares states.

use skep_isa::{CallTarget, ImmSource, Op};

use super::{Aux, Slot, Subprog, find_subprog, target};
use crate::refusal::{Refusal, errno};
use crate::rows::calls::{self, CallbackKind};

const DISCOVERED: u8 = 0x10;
const EXPLORED: u8 = 0x20;
const FALLTHROUGH: u8 = 1;
const BRANCH: u8 = 2;

struct Walk<'a> {
    slots: &'a [Slot],
    aux: &'a mut [Aux],
    subprogs: &'a mut [Subprog],
    mark: Vec<u8>,
    stack: Vec<usize>,
    back_edges: bool,
}

/// Whether the walk goes on from another instruction.
enum Go {
    Deeper,
    Done,
}

fn refuse(insn: usize, code: &'static str, message: String) -> Box<Refusal> {
    Box::new(Refusal { errno: errno::EINVAL, code, insn, message, reg: None })
}

impl Walk<'_> {
    fn prune_point(&mut self, at: usize) {
        if let Some(aux) = self.aux.get_mut(at) {
            aux.prune_point = true;
        }
    }

    fn jump_target(&mut self, at: usize) {
        if let Some(aux) = self.aux.get_mut(at) {
            aux.prune_point = true;
            aux.jmp_point = true;
        }
    }

    fn push(&mut self, from: usize, to: usize, edge: u8) -> Result<Go, Box<Refusal>> {
        if self.mark[from] >= DISCOVERED | edge {
            return Ok(Go::Done);
        }
        if to >= self.slots.len() {
            let shown = if to == usize::MAX { -1 } else { to as i64 };
            return Err(refuse(from, "V0102", format!("jump out of range from insn {from} to {shown}")));
        }
        if edge == BRANCH {
            self.jump_target(to);
        }
        if self.mark[to] == 0 {
            self.mark[from] = DISCOVERED | edge;
            self.mark[to] = DISCOVERED;
            self.stack.push(to);
            return Ok(Go::Deeper);
        }
        if self.mark[to] & 0xf0 == DISCOVERED {
            if self.back_edges {
                return Ok(Go::Done);
            }
            return Err(refuse(from, "V0106", format!("back-edge from insn {from} to {to}")));
        }
        self.mark[from] = DISCOVERED | edge;
        Ok(Go::Done)
    }

    fn call(&mut self, at: usize, next: usize, callee: Option<usize>) -> Result<Go, Box<Refusal>> {
        if let Go::Deeper = self.push(at, next, FALLTHROUGH)? {
            return Ok(Go::Deeper);
        }
        self.jump_target(next);
        let Some(callee) = callee else { return Ok(Go::Done) };
        self.prune_point(at);
        self.merge_effects(at, callee);
        self.push(at, callee, BRANCH)
    }

    /// What a callee may do, its caller may do: callees are walked first.
    fn merge_effects(&mut self, at: usize, callee: usize) {
        let (caller, callee) = (find_subprog(self.subprogs, at), find_subprog(self.subprogs, callee));
        let (packet, sleep) = (self.subprogs[callee].changes_packet, self.subprogs[callee].might_sleep);
        let s = &mut self.subprogs[caller];
        s.changes_packet |= packet;
        s.might_sleep |= sleep;
    }

    fn helper(&mut self, at: usize, id: i32) {
        match calls::callback_kind(id) {
            Some(CallbackKind::Sync) => {
                self.aux[at].calls_callback = true;
                self.aux[at].force_checkpoint = true;
                self.jump_target(at);
            }
            Some(CallbackKind::Async) => self.prune_point(at),
            None => {}
        }
        let s = find_subprog(self.subprogs, at);
        if calls::changes_packet(id) {
            self.subprogs[s].changes_packet = true;
        }
        if calls::might_sleep(id) {
            self.subprogs[s].might_sleep = true;
        }
    }

    fn visit(&mut self, at: usize) -> Result<Go, Box<Refusal>> {
        let Some(op) = self.slots[at].flow().copied() else {
            return self.push(at, at + 1, FALLTHROUGH);
        };
        match op {
            Op::Exit => Ok(Go::Done),
            Op::LoadImm { source: ImmSource::Func, imm, .. } => {
                self.call(at, at + 2, Some(target(at, imm as i32)))
            }
            Op::Call(CallTarget::Subprog(off)) => self.call(at, at + 1, Some(target(at, off))),
            Op::Call(CallTarget::Helper(id)) => {
                self.helper(at, id);
                self.call(at, at + 1, None)
            }
            Op::Call(_) => self.call(at, at + 1, None),
            Op::Jump { off, .. } => {
                let to = target(at, off);
                let go = self.push(at, to, FALLTHROUGH)?;
                self.jump_target(to);
                Ok(go)
            }
            Op::Branch { off, .. } | Op::MayGoto { off } => {
                self.prune_point(at);
                if matches!(op, Op::MayGoto { .. }) {
                    self.aux[at].force_checkpoint = true;
                }
                if let Go::Deeper = self.push(at, at + 1, FALLTHROUGH)? {
                    return Ok(Go::Deeper);
                }
                self.push(at, target(at, i32::from(off)), BRANCH)
            }
            _ => self.push(at, at + op.slots(), FALLTHROUGH),
        }
    }
}

/// Walks the graph from the entry; `back_edges` says whether loops are allowed at all.
pub(crate) fn check_cfg(
    slots: &[Slot],
    aux: &mut [Aux],
    subprogs: &mut [Subprog],
    back_edges: bool,
) -> Result<(), Box<Refusal>> {
    let mut w = Walk { slots, aux, subprogs, mark: vec![0; slots.len()], stack: vec![0], back_edges };
    w.mark[0] = DISCOVERED;
    while let Some(&at) = w.stack.last() {
        if let Go::Done = w.visit(at)? {
            w.mark[at] = EXPLORED;
            w.stack.pop();
        }
    }
    for (i, slot) in slots.iter().enumerate() {
        let half = matches!(slot, Slot::Half);
        if half && w.mark[i] != 0 {
            let m = format!("jump into the middle of ldimm64 insn {}", i - 1);
            return Err(refuse(i - 1, "V0105", m));
        }
        if !half && w.mark[i] != EXPLORED {
            return Err(refuse(i, "V0101", format!("unreachable insn {i}")));
        }
    }
    Ok(())
}
