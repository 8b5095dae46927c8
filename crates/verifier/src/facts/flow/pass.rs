//! The pass itself: ways through the program, functions, and when it is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use skep_isa::{CallTarget, Cond, ImmSource, Op, Operand, Width};

use super::super::Facts;
use super::super::access::{Arms, Region};
use super::frame::Frame;
use super::value::{Pointer, Target, Value};
use super::widen::Steps;
use super::{Pass, Values};
use crate::rows::calls;
use crate::structure::{self, Slot, target};
use crate::task::Task;
use crate::value::{branch_taken, refine, refine_self};

/// How often a place is joined exactly before its bounds are made to jump.
const PATIENCE: u32 = 3;
/// How often with steps, before they jump to the end.
const STEPS: u32 = 40;

/// Whether what follows an instruction is looked at by itself.
pub(super) fn ends_block(op: &Op) -> bool {
    matches!(
        op,
        Op::Jump { .. }
            | Op::Branch { .. }
            | Op::MayGoto { .. }
            | Op::Exit
            | Op::Call(CallTarget::Subprog(_))
    )
}

/// Places and what is known there, while that still changes.
struct Run {
    heads: BTreeMap<usize, Frame>,
    /// Joins so far.
    joins: BTreeMap<usize, u32>,
    open: BTreeSet<usize>,
    /// By function: what it returns, and the heads of blocks that end in a call of it.
    returns: Vec<Option<Value>>,
    rounds: Vec<u32>,
    callers: Vec<BTreeSet<usize>>,
    steps: Steps,
    none: Steps,
}

impl Values {
    /// Works out what an accepted program's registers hold.
    pub(in super::super) fn new(task: &Arc<Task>, facts: &Arc<Facts>) -> Self {
        let pass = Pass::new(task, facts);
        let functions = facts.functions().len();
        let mut run = Run {
            heads: BTreeMap::new(),
            joins: BTreeMap::new(),
            open: BTreeSet::new(),
            returns: vec![None; functions],
            rounds: vec![0; functions],
            callers: vec![BTreeSet::new(); functions],
            steps: Steps::new(&pass.slots),
            none: Steps::none(),
        };
        let mut entry = Frame::new();
        entry.regs[1] = Value::pointer(Target::Ctx, 0);
        run.come(&pass, 0, 0, &entry);
        for start in pass.taken() {
            run.come(&pass, start, start, &Frame::new());
        }
        while let Some(head) = run.open.pop_first() {
            pass.block(head, &mut run);
        }
        Self { pass, heads: run.heads, returns: run.returns }
    }

    /// Whether what is told holds at the entry and is kept by every instruction: the first instruction after which it is
    /// not, if there is one.
    pub fn check(&self) -> Result<(), usize> {
        let mut run = Run {
            heads: self.heads.clone(),
            joins: BTreeMap::new(),
            open: BTreeSet::new(),
            returns: self.returns.clone(),
            rounds: vec![0; self.returns.len()],
            callers: vec![BTreeSet::new(); self.returns.len()],
            steps: Steps::none(),
            none: Steps::none(),
        };
        for head in self.heads.keys() {
            self.pass.block(*head, &mut run);
            if !run.open.is_empty() || run.heads.len() != self.heads.len() {
                return Err(*head);
            }
        }
        Ok(())
    }
}

impl Run {
    /// A way comes to `to` from the instruction at `from`.
    fn come(&mut self, pass: &Pass, from: usize, to: usize, frame: &Frame) {
        if !pass.facts.at(to).reached() {
            return;
        }
        let Some(known) = self.heads.get_mut(&to) else {
            self.heads.insert(to, frame.clone());
            self.open.insert(to);
            return;
        };
        let joins = self.joins.entry(to).or_default();
        // Every circle has a way back; entries of functions are on those of their callers.
        let back = to <= from || pass.is_entry(to);
        let steps = match *joins {
            0..PATIENCE => None,
            PATIENCE..STEPS if back => Some(&self.steps),
            PATIENCE..STEPS => None,
            _ => Some(&self.none),
        };
        if known.merge(frame, steps) {
            *joins += 1;
            self.open.insert(to);
        }
    }

    fn returns(&mut self, function: usize, value: &Value) {
        let value = match *value {
            Value::Pointer(p) => Value::Pointer(Pointer { id: 0, ..p }),
            number => number,
        };
        let joined = match &self.returns[function] {
            None => value,
            Some(before) if self.rounds[function] < PATIENCE => before.join(&value),
            Some(before) => before.widen(&value, &self.steps),
        };
        self.rounds[function] += 1;
        if self.returns[function] != Some(joined) {
            self.returns[function] = Some(joined);
            self.open.extend(&self.callers[function]);
        }
    }
}

impl Pass {
    fn new(task: &Arc<Task>, facts: &Arc<Facts>) -> Self {
        let slots = structure::decode_slots(&task.insns);
        let mut pass = Self {
            attach_type: crate::default_attach_type(task).unwrap_or(task.attach_type),
            task: Arc::clone(task),
            facts: Arc::clone(facts),
            slots,
            leaders: Vec::new(),
            writes_up: Vec::new(),
            moves_packet: Vec::new(),
            callbacks_write_up: false,
            callbacks_move_packet: false,
        };
        pass.leaders = pass.leaders();
        pass.sum_up();
        pass
    }

    /// What functions do to frames above their own and to the packet, from callees to callers.
    fn sum_up(&mut self) {
        let pass = self;
        let facts = Arc::clone(&pass.facts);
        let functions = facts.functions();
        pass.writes_up = functions.iter().map(|f| (f.start..f.end).any(|pc| pass.writes_up_at(pc))).collect();
        pass.moves_packet = functions.iter().map(|f| (f.start..f.end).any(|pc| pass.moves_at(pc))).collect();
        let taken: Vec<usize> = pass.taken().map(|start| pass.function_of(start)).collect();
        let calls_back: Vec<bool> =
            functions.iter().map(|f| (f.start..f.end).any(|pc| pass.calls_back_at(pc))).collect();
        // Calls nest eight deep; each round goes one level up.
        for _ in 0..functions.len().min(8) {
            pass.callbacks_write_up = taken.iter().any(|f| pass.writes_up[*f]);
            pass.callbacks_move_packet = taken.iter().any(|f| pass.moves_packet[*f]);
            for (i, calls_back) in calls_back.iter().enumerate() {
                pass.writes_up[i] |= *calls_back && pass.callbacks_write_up;
                pass.moves_packet[i] |= *calls_back && pass.callbacks_move_packet;
                for callee in pass.callees(i) {
                    pass.writes_up[i] |= pass.writes_up[callee];
                    pass.moves_packet[i] |= pass.moves_packet[callee];
                }
            }
        }
    }

    /// Slots at which ways may meet: targets of jumps, what stands behind one, and behind calls.
    fn leaders(&self) -> Vec<bool> {
        let mut leaders = vec![false; self.slots.len() + 1];
        for (pc, slot) in self.slots.iter().enumerate() {
            let Slot::Op(op) = slot else { continue };
            if ends_block(op) {
                leaders[pc + 1] = true;
            }
            let to = match *op {
                Op::Jump { off, .. } | Op::Call(CallTarget::Subprog(off)) => target(pc, off),
                Op::Branch { off, .. } | Op::MayGoto { off } => target(pc, off.into()),
                Op::LoadImm { source: ImmSource::Func, imm, .. } => target(pc, imm as i32),
                _ => continue,
            };
            if let Some(leader) = leaders.get_mut(to) {
                *leader = true;
            }
        }
        leaders
    }

    fn function_of(&self, pc: usize) -> usize {
        self.facts.functions().partition_point(|f| f.start <= pc).saturating_sub(1)
    }

    fn is_entry(&self, pc: usize) -> bool {
        self.facts.functions().binary_search_by_key(&pc, |f| f.start).is_ok()
    }

    /// First slots of functions whose address the program takes.
    fn taken(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().enumerate().filter_map(|(pc, slot)| match slot {
            Slot::Op(Op::LoadImm { source: ImmSource::Func, imm, .. }) => Some(target(pc, *imm as i32)),
            _ => None,
        })
    }

    /// Functions that a function calls, or whose address it takes.
    fn callees(&self, function: usize) -> Vec<usize> {
        let f = &self.facts.functions()[function];
        let called = (f.start..f.end).filter_map(|pc| match &self.slots[pc] {
            Slot::Op(Op::Call(CallTarget::Subprog(off))) => Some(target(pc, *off)),
            Slot::Op(Op::LoadImm { source: ImmSource::Func, imm, .. }) => Some(target(pc, *imm as i32)),
            _ => None,
        });
        called.map(|start| self.function_of(start)).collect()
    }

    /// Whether an instruction may write to the stack of a frame above.
    fn writes_up_at(&self, pc: usize) -> bool {
        let above = |r: Region| match r {
            Region::Stack { up, .. } => up > 0,
            Region::Mem { record, .. } => !record,
            Region::Mixed => true,
            _ => false,
        };
        let at = self.facts.at(pc);
        match &self.slots[pc] {
            Slot::Op(Op::Store { .. } | Op::StoreRelease { .. } | Op::Atomic { .. }) => {
                at.access().is_some_and(above)
            }
            // Whether a callee writes there or only reads is not asked.
            Slot::Op(Op::Call(_)) => {
                at.call().is_some_and(|c| c.args.iter().flatten().any(|p| above(p.region)))
            }
            _ => false,
        }
    }

    fn calls_back_at(&self, pc: usize) -> bool {
        matches!(&self.slots[pc], Slot::Op(Op::Call(CallTarget::Helper(id))) if calls::callback_kind(*id).is_some())
    }

    fn moves_at(&self, pc: usize) -> bool {
        matches!(&self.slots[pc], Slot::Op(Op::Call(CallTarget::Helper(id))) if calls::changes_packet(*id))
    }

    /// Goes through a block and on to what follows it.
    fn block(&self, head: usize, run: &mut Run) {
        let Some(mut frame) = run.heads.get(&head).cloned() else { return };
        let mut pc = head;
        loop {
            let Some(Slot::Op(op)) = self.slots.get(pc) else { return };
            if !self.facts.at(pc).reached() {
                return;
            }
            if ends_block(op) {
                return self.leave(head, pc, op, frame, run);
            }
            if let (Op::LoadAbs { .. } | Op::LoadInd { .. }, f) = (op, self.function_of(pc))
                && f > 0
            {
                // Beyond the packet's end the function returns at once, with zero.
                run.returns(f, &Value::constant(0));
            }
            self.step(pc, op, &mut frame);
            pc += op.slots();
            if self.leaders[pc] {
                return run.come(self, pc - 1, pc, &frame);
            }
        }
    }

    fn leave(&self, head: usize, pc: usize, op: &Op, frame: Frame, run: &mut Run) {
        match *op {
            Op::Jump { off, .. } => run.come(self, pc, target(pc, off), &frame),
            Op::MayGoto { off } => {
                run.come(self, pc, pc + 1, &frame);
                run.come(self, pc, target(pc, off.into()), &frame);
            }
            Op::Branch { width, cond, dst, src, off } => {
                let arms = self.facts.at(pc).branch().unwrap_or(Arms { taken: true, falls: true });
                for (goes, holds, to) in
                    [(arms.taken, true, target(pc, off.into())), (arms.falls, false, pc + 1)]
                {
                    if goes {
                        let mut way = frame.clone();
                        if learn(&mut way, width, cond, dst.index(), src, holds) {
                            run.come(self, pc, to, &way);
                        }
                    }
                }
            }
            Op::Call(CallTarget::Subprog(off)) => self.call(head, pc, target(pc, off), frame, run),
            Op::Exit => run.returns(self.function_of(pc), &frame.regs[0]),
            _ => {}
        }
    }

    fn call(&self, head: usize, pc: usize, start: usize, mut frame: Frame, run: &mut Run) {
        let function = self.function_of(start);
        let mut entry = Frame::new();
        for r in 1..6 {
            entry.regs[r] = match frame.regs[r] {
                Value::Pointer(p) => {
                    let to = match p.to {
                        Target::Stack(up) => Target::Stack(up + 1),
                        other => other,
                    };
                    Value::Pointer(Pointer { to, id: 0, ..p })
                }
                number => number,
            };
        }
        run.callers[function].insert(head);
        run.come(self, pc, start, &entry);
        let Some(result) = run.returns[function] else { return };
        frame.regs[..6].fill(Value::UNKNOWN);
        frame.regs[0] = result;
        if self.writes_up[function] {
            frame.forget_stack();
        }
        if self.moves_packet[function] {
            frame.forget_packet();
        }
        run.come(self, pc, pc + 1, &frame);
    }
}

/// What one arm of a comparison teaches; false if no number goes this way.
fn learn(f: &mut Frame, width: Width, cond: Cond, dst: usize, src: Operand, holds: bool) -> bool {
    let d = f.regs[dst];
    let (s, other) = match src {
        Operand::Reg(r) => (f.regs[r.index()], Some(r.index())),
        Operand::Imm(v) => (Value::constant(i64::from(v) as u64), None),
    };
    match (d, s) {
        (Value::Number(mut x), Value::Number(mut y)) => {
            if branch_taken(&x, &y, cond, width) == Some(!holds) {
                return false;
            }
            if other == Some(dst) {
                refine_self(&mut x, cond, holds, width);
            } else {
                refine(&mut x, &mut y, cond, holds, width);
            }
            // Parts that contradict each other: no number is in all of them.
            if !x.sane() || !y.sane() {
                return false;
            }
            f.regs[dst] = Value::Number(x);
            if let Some(r) = other.filter(|r| *r != dst) {
                f.regs[r] = Value::Number(y);
            }
        }
        (Value::Pointer(p), Value::Number(n))
            if p.nullable && width == Width::W64 && n.const_value(true) == Some(0) =>
        {
            match cond {
                Cond::Eq => f.checked(dst, holds),
                Cond::Ne => f.checked(dst, !holds),
                _ => {}
            }
        }
        _ => {}
    }
    true
}
