//! The path that led to a refusal, and the questions that are asked of it: who wrote this register, where does this value
//! come from, which comparison was the last about it.

use std::ops::Range;

use skep_isa::{AluOp, AtomicOp, CallTarget, Op, Operand, Size, Width};

use crate::state::{Frame, Kind, Reg};
use crate::structure::Slot;
use crate::trace::Moment;

/// A register of one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) depth: usize,
    pub(super) reg: usize,
}

/// Where a value was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Origin {
    /// Index of the moment before the instruction that made it.
    pub(super) at: usize,
    /// The register it was made in.
    pub(super) place: Place,
}

pub(super) struct Path<'a> {
    pub(super) slots: &'a [Slot],
    pub(super) moments: Vec<Moment>,
}

/// Whether an instruction other than a call sets a register.
fn sets(op: &Op, reg: usize) -> bool {
    match op {
        Op::Alu { dst, .. }
        | Op::Movsx { dst, .. }
        | Op::Neg { dst, .. }
        | Op::Swap { dst, .. }
        | Op::Load { dst, .. }
        | Op::LoadAcquire { dst, .. }
        | Op::LoadImm { dst, .. }
        | Op::AddrSpaceCast { dst, .. } => dst.index() == reg,
        Op::Atomic { op: AtomicOp::Cmpxchg, .. } => reg == 0,
        Op::Atomic { fetch: true, src, .. } => src.index() == reg,
        Op::LoadAbs { .. } | Op::LoadInd { .. } => reg < 6,
        _ => false,
    }
}

impl<'a> Path<'a> {
    pub(super) fn new(slots: &'a [Slot], moments: Vec<Moment>) -> Self {
        Self { slots, moments }
    }

    pub(super) fn len(&self) -> usize {
        self.moments.len()
    }

    pub(super) fn pc(&self, at: usize) -> usize {
        self.moments[at].pc
    }

    pub(super) fn op(&self, at: usize) -> Option<&'a Op> {
        match self.slots.get(self.moments.get(at)?.pc)? {
            Slot::Op(op) => Some(op),
            _ => None,
        }
    }

    pub(super) fn depth(&self, at: usize) -> usize {
        self.moments[at].frames.len() - 1
    }

    pub(super) fn frame(&self, at: usize) -> &Frame {
        &self.moments[at].frames[self.depth(at)]
    }

    /// A register before an instruction; nothing if its frame is not there.
    pub(super) fn reg(&self, at: usize, p: Place) -> Option<&Reg> {
        self.moments.get(at)?.frames.get(p.depth)?.regs.get(p.reg)
    }

    /// The instruction before `at` that gave the register what it holds there: a plain one, or a call.
    pub(super) fn writer(&self, at: usize, p: Place) -> Option<usize> {
        (0..at).rev().find(|i| self.writes(*i, p))
    }

    fn writes(&self, i: usize, p: Place) -> bool {
        let Some(op) = self.op(i) else { return false };
        let depth = self.depth(i);
        match op {
            Op::Call(CallTarget::Subprog(_)) if self.entered(i) => {
                // The callee's registers are made here, and its caller's are clobbered.
                depth + 1 == p.depth || depth == p.depth && (1..6).contains(&p.reg)
            }
            Op::Call(_) if self.entered(i) => depth + 1 == p.depth,
            Op::Call(_) => depth == p.depth && p.reg < 6,
            Op::Exit => depth == p.depth + 1 && p.reg == 0,
            op => depth == p.depth && sets(op, p.reg),
        }
    }

    /// Whether the next moment is in a deeper frame.
    fn entered(&self, i: usize) -> bool {
        self.moments.get(i + 1).is_some_and(|m| m.frames.len() > self.moments[i].frames.len())
    }

    /// Where the value in a register comes from, through moves, the stack, and calls of functions.
    pub(super) fn origin(&self, at: usize, p: Place) -> Option<Origin> {
        self.back(at, p, |_| false)
    }

    /// Where the number in a register comes from: also through steps that only reckon with constants.
    pub(super) fn root(&self, at: usize, p: Place) -> Option<Origin> {
        let mut found = self.origin(at, p)?;
        loop {
            let place = match self.op(found.at)? {
                Op::Alu { op: AluOp::Mov, src: Operand::Reg(s), .. } | Op::Movsx { src: s, .. } => {
                    Place { reg: s.index(), ..found.place }
                }
                Op::Alu { op: AluOp::Mov, .. } => return Some(found),
                Op::Alu { src: Operand::Imm(_), .. } => found.place,
                _ => return Some(found),
            };
            match self.origin(found.at, place) {
                Some(o) => found = o,
                None => return Some(found),
            }
        }
    }

    /// The same, stopping early at an instruction that `stop` picks.
    pub(super) fn back(&self, at: usize, p: Place, stop: impl Fn(usize) -> bool) -> Option<Origin> {
        let (mut at, mut place) = (at, p);
        let mut found = None;
        while let Some(i) = self.writer(at, place) {
            found = Some(Origin { at: i, place });
            if stop(i) {
                break;
            }
            match self.copied(i, place) {
                Some((from, source)) => (at, place) = (from, source),
                None => break,
            }
        }
        found
    }

    /// What an instruction copies into a register: the moment up to which to look, and the register looked for.
    fn copied(&self, i: usize, p: Place) -> Option<(usize, Place)> {
        let depth = self.depth(i);
        match self.op(i)? {
            Op::Alu { width: Width::W64, op: AluOp::Mov, src: Operand::Reg(s), .. } => {
                Some((i, Place { depth, reg: s.index() }))
            }
            Op::Load { size: Size::Dw, src, off, .. } => {
                let r = self.reg(i, Place { depth, reg: src.index() })?;
                let slot = stack_slot(r, i64::from(*off))?;
                let (store, reg) = self.store(i, r.aux as usize, slot)?;
                Some((store, Place { depth: self.depth(store), reg }))
            }
            Op::Call(_) if self.entered(i) && (1..6).contains(&p.reg) => {
                Some((i, Place { depth, reg: p.reg }))
            }
            Op::Exit if p.reg == 0 => Some((i, Place { depth, reg: 0 })),
            _ => None,
        }
    }

    /// The last store of a whole register to a slot of a frame's stack, before `at`.
    fn store(&self, at: usize, frame: usize, slot: i64) -> Option<(usize, usize)> {
        (0..at).rev().find_map(|i| {
            let Op::Store { size: Size::Dw, dst, off, src: Operand::Reg(s) } = self.op(i)? else {
                return None;
            };
            let r = self.reg(i, Place { depth: self.depth(i), reg: dst.index() })?;
            let here = r.kind == Kind::Stack && r.aux as usize == frame;
            (here && stack_slot(r, i64::from(*off)) == Some(slot)).then_some((i, s.index()))
        })
    }

    /// The last instruction in a range of moments at which a register turned from a pointer into something else without
    /// being set: a helper that moved the packet, or a release.
    pub(super) fn invalidated(&self, within: Range<usize>, p: Place) -> Option<usize> {
        within.rev().find(|i| {
            let (Some(before), Some(after)) = (self.reg(*i, p), self.reg(*i + 1, p)) else { return false };
            before.is_pointer() && !after.is_pointer() && !self.writes(*i, p)
        })
    }

    /// The last conditional jump before `at` in the frame; and whether it was taken.
    pub(super) fn last_branch(&self, at: usize) -> Option<(usize, bool)> {
        let depth = self.depth(at.min(self.len().checked_sub(1)?));
        let i = (0..at).rev().find(|i| {
            self.depth(*i) == depth && matches!(self.op(*i), Some(Op::Branch { .. })) && *i + 1 < self.len()
        })?;
        Some((i, self.pc(i + 1) != self.pc(i) + 1))
    }

    /// The last comparison before `at` that `picks` says is the one.
    pub(super) fn comparison(
        &self,
        at: usize,
        picks: impl Fn(usize, usize, Option<usize>) -> bool,
    ) -> Option<usize> {
        (0..at).rev().find(|i| match self.op(*i) {
            Some(Op::Branch { dst, src, .. }) => {
                let s = match src {
                    Operand::Reg(r) => Some(r.index()),
                    Operand::Imm(_) => None,
                };
                *i + 1 < self.len() && picks(*i, dst.index(), s)
            }
            _ => false,
        })
    }
}

/// The slot of the stack that eight bytes at a constant offset lie in.
fn stack_slot(r: &Reg, off: i64) -> Option<i64> {
    if r.kind != Kind::Stack {
        return None;
    }
    let at = r.const_offset()?.checked_add(off)?;
    (at < 0 && at % 8 == 0).then_some(at / 8)
}
