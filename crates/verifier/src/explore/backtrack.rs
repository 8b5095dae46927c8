//! Precision: which numbers' exact values a decision rested on.
//!
//! A range that decided a branch, bounded an access or sized a memory argument has to be compared
//! when states are compared; every other number may differ. So each such decision walks its path
//! backwards, instruction by instruction, from the register to what it was computed from, and marks
//! the numbers precise in the remembered states on the way.

use std::fmt::Write;

use skep_abi::HelperId;
use skep_isa::{AluOp, AtomicOp, CallTarget, Op, Operand};

use crate::env::Env;
use crate::refusal::{Step, Stop, errno};
use crate::rows::calls;
use crate::state::{FP, Frame, Kind, State, StateId, Step as PathStep};
use crate::structure::{Slot, find_subprog};
use crate::walk_log::Shown;

/// Registers and slots that are still looked for, per frame.
#[derive(Clone, Copy, Default)]
struct Wanted {
    regs: [u16; 8],
    slots: [u64; 8],
    frame: usize,
}

/// What the log is told, if one is kept.
type Notes = Option<String>;

const ARGS: u16 = 0b11_1110;

/// The walk can't follow: mark everything.
enum Lost {
    Everything,
    Bug(String),
}

impl Wanted {
    fn is_empty(&self) -> bool {
        self.regs.iter().all(|m| *m == 0) && self.slots.iter().all(|m| *m == 0)
    }

    /// What is wanted of a frame, as the log writes it.
    fn shown_in(&self, frame: usize) -> String {
        let list = |n: usize, bit: &dyn Fn(usize) -> bool, name: &dyn Fn(usize) -> String| {
            (0..n).filter(|i| bit(*i)).map(name).collect::<Vec<_>>().join(",")
        };
        let regs = list(16, &|i| self.regs[frame] >> i & 1 == 1, &|i| format!("r{i}"));
        let slots = list(64, &|i| self.slots[frame] >> i & 1 == 1, &|i| format!("-{}", 8 * (i + 1)));
        format!("regs={regs} stack={slots}")
    }

    fn shown(&self, frame: usize) -> String {
        format!("mark_precise: frame{frame}: {}", self.shown_in(frame))
    }

    /// The walk comes to the instructions of one state.
    fn note_segment(&self, notes: &mut Notes, last: usize, first: usize, subseq: Option<usize>) {
        let Some(out) = notes else { return };
        let subseq = subseq.map_or(-1, |s| s as i64);
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "mark_precise: frame{}: last_idx {} first_idx {first} subseq_idx {subseq} ",
            self.frame, last as i64
        );
    }

    fn note_lost(&self, notes: &mut Notes) {
        let Some(out) = notes else { return };
        let text = "falling back to forcing all scalars precise";
        let _ = writeln!(out, "mark_precise: frame{}: {text}", self.frame);
    }

    /// What a remembered state hands on to one that it covers.
    fn note_propagating(&self) -> String {
        let frames = (0..=self.frame).rev().filter(|f| self.regs[*f] != 0 || self.slots[*f] != 0);
        let one = |f: usize| {
            let regs = (0..16).filter(|i| self.regs[f] >> i & 1 == 1).map(|i| format!("r{i}"));
            let slots =
                (0..64).filter(|i| self.slots[f] >> i & 1 == 1).map(|i| format!("fp{}", -8 * (i + 1)));
            let all: Vec<String> = regs.chain(slots).collect();
            format!("frame {f}: propagating {}", all.join(","))
        };
        frames.map(one).collect::<Vec<_>>().join("\n")
    }

    fn has(&self, r: usize) -> bool {
        self.regs[self.frame] >> r & 1 == 1
    }

    fn set(&mut self, r: usize) {
        if r != FP {
            self.regs[self.frame] |= 1 << r;
        }
    }

    fn clear(&mut self, r: usize) {
        self.regs[self.frame] &= !(1 << r);
    }

    fn args_wanted(&self) -> bool {
        self.regs[self.frame] & ARGS != 0
    }

    /// What shares a range is wanted together.
    fn sync_linked(&mut self, step: Option<&PathStep>) {
        let Some(step) = step else { return };
        if step.linked[0].is_none() {
            return;
        }
        let mut sites = step.linked.iter().flatten();
        let some = sites.any(|s| {
            let mask =
                if s.is_slot { self.slots[s.frame as usize] } else { self.regs[s.frame as usize].into() };
            mask >> s.index & 1 == 1
        });
        if !some {
            return;
        }
        for s in step.linked.iter().flatten() {
            if s.is_slot {
                self.slots[s.frame as usize] |= 1 << s.index;
            } else {
                self.regs[s.frame as usize] |= 1 << s.index;
            }
        }
    }

    fn enter_subprog(&mut self) -> Result<(), Lost> {
        if self.frame == 7 {
            return Err(Lost::Bug("backtracking too deep".into()));
        }
        self.frame += 1;
        Ok(())
    }

    fn leave_subprog(&mut self) -> Result<(), Lost> {
        if self.frame == 0 {
            return Err(Lost::Bug("backtracking left the entry function".into()));
        }
        self.frame -= 1;
        Ok(())
    }
}

impl Env<'_> {
    /// The current value of a register decided something.
    pub(crate) fn mark_precise(&mut self, reg: usize) -> Step {
        if !self.rights.bpf {
            return Ok(());
        }
        let mut w = Wanted { frame: self.cur.cur(), ..Wanted::default() };
        w.set(reg);
        let mut cur = std::mem::replace(&mut self.cur, State::hollow());
        cur.insn = self.pc;
        let done = self.backtrack(&mut cur, w);
        self.cur = cur;
        done.map(|_| ())
    }

    /// As [`Env::mark_precise`] for a spilled register.
    pub(crate) fn mark_precise_slot(&mut self, frame: usize, slot: usize) -> Step {
        if !self.rights.bpf {
            return Ok(());
        }
        let mut w = Wanted { frame: self.cur.cur(), ..Wanted::default() };
        w.slots[frame] |= 1 << slot;
        let mut cur = std::mem::replace(&mut self.cur, State::hollow());
        cur.insn = self.pc;
        let done = self.backtrack(&mut cur, w);
        self.cur = cur;
        done.map(|_| ())
    }

    /// What was precise in `old` has to be precise on the path to `new`, which `old` covers.
    pub(crate) fn propagate_precision(&mut self, old: StateId, new: &mut State) -> Step<bool> {
        if !self.rights.bpf {
            return Ok(false);
        }
        let mut w = Wanted { frame: new.cur(), ..Wanted::default() };
        for (f, frame) in self.saved(old).state.frames.iter().enumerate() {
            for (i, r) in frame.regs.iter().enumerate().take(FP) {
                if r.is_scalar() && r.precise {
                    w.regs[f] |= 1 << i;
                }
            }
            for (i, s) in frame.stack.written() {
                if s.is_spilled_scalar() && s.reg.precise {
                    w.slots[f] |= 1 << i;
                }
            }
        }
        if self.logs_all() && !w.is_empty() {
            let note = w.note_propagating();
            self.log_line(format_args!("{note}"));
        }
        new.insn = self.pc_of(new);
        self.backtrack(new, w)
    }

    /// The state's own instruction: the current one, unless it is a stored back edge.
    fn pc_of(&self, state: &State) -> usize {
        if state.is_stored { state.insn } else { self.pc }
    }

    /// Follows what is wanted back to where it came from. If a log is kept, it is told of every step.
    fn backtrack(&mut self, start: &mut State, mut w: Wanted) -> Step<bool> {
        if w.is_empty() {
            return Ok(false);
        }
        let mut notes = self.logs_all().then(String::new);
        let done = self.walk_back(start, &mut w, &mut notes);
        if let Some(notes) = notes.filter(|n| !n.is_empty()) {
            self.log_line(format_args!("{}", notes.trim_end_matches('\n')));
        }
        done
    }

    fn walk_back(&mut self, start: &mut State, w: &mut Wanted, notes: &mut Notes) -> Step<bool> {
        let mut changed = false;
        let mut last = start.insn;
        let mut first = start.first_insn;
        let mut subseq: Option<usize> = None;
        let mut skip = true;
        let mut at: Option<StateId> = None;
        loop {
            w.note_segment(notes, last, first, subseq);
            if last == usize::MAX {
                return self.reached_entry(at, start, w).map(|c| c || changed);
            }
            let history = match at {
                None => &start.history,
                Some(id) => &self.saved(id).state.history,
            };
            match self.walk_segment(history, (first, last), &mut subseq, &mut skip, w, notes) {
                Ok(true) => return Ok(changed),
                Ok(false) => {}
                Err(Lost::Everything) => {
                    w.note_lost(notes);
                    self.all_scalars_precise(start.parent);
                    return Ok(true);
                }
                Err(Lost::Bug(m)) => return Err(self.bug(m)),
            }
            let parent = match at {
                None => start.parent,
                Some(id) => self.saved(id).state.parent,
            };
            let Some(parent) = parent else { break };
            changed |= self.mark_in(parent, w, notes);
            if w.is_empty() {
                return Ok(changed);
            }
            subseq = Some(first);
            let s = &self.saved(parent).state;
            (last, first) = (s.last_insn, s.first_insn);
            at = Some(parent);
        }
        if !w.is_empty() {
            w.note_lost(notes);
            self.all_scalars_precise(start.parent);
            changed = true;
        }
        Ok(changed)
    }

    fn bug(&self, m: String) -> Stop {
        self.refuse(errno::EFAULT, "V0901", format!("verifier bug: {m}"))
    }

    /// Walks one state's instructions backwards; true if nothing is wanted any more.
    fn walk_segment(
        &self,
        history: &[PathStep],
        (first, last): (usize, usize),
        subseq: &mut Option<usize>,
        skip: &mut bool,
        w: &mut Wanted,
        notes: &mut Notes,
    ) -> Result<bool, Lost> {
        let mut left = history.len();
        let mut i = last;
        loop {
            if *skip {
                *skip = false;
            } else {
                let step = history[..left].last().filter(|s| s.insn as usize == i);
                if let Some(out) = notes.as_mut().filter(|_| !matches!(self.slots[i], Slot::Half)) {
                    let _ = writeln!(out, "{} before {i}: {}", w.shown(w.frame), self.printed_insn(i));
                }
                self.step_back(i, *subseq, step, w)?;
            }
            if w.is_empty() {
                return Ok(true);
            }
            *subseq = Some(i);
            if i == first && (left == 0 || left == 1 && history[0].insn as usize == i) {
                return Ok(false);
            }
            if left > 0 && history[left - 1].insn as usize == i {
                i = history[left - 1].prev as usize;
                if history[left - 1].prev == u32::MAX {
                    i = usize::MAX;
                }
                left -= 1;
            } else {
                i = i.wrapping_sub(1);
            }
            if i >= self.slots.len() {
                return Err(Lost::Bug(format!("backtracking idx {i}")));
            }
        }
    }

    /// The beginning of a global function or callback: its arguments are all that may be wanted.
    fn reached_entry(&mut self, at: Option<StateId>, start: &mut State, w: &mut Wanted) -> Step<bool> {
        let subprog = match at {
            None => start.frames[0].subprog,
            Some(id) => self.saved(id).state.frames[0].subprog,
        };
        if subprog == 0 || w.slots[0] != 0 || w.regs[0] & !ARGS != 0 {
            return Err(self.bug(format!("backtracking func entry subprog {subprog}")));
        }
        if let Some(id) = at {
            let mut only_args = *w;
            return Ok(self.mark_in(id, &mut only_args, &mut None));
        }
        Ok(false)
    }

    /// Marks what is wanted in a remembered state; what is marked already was followed already.
    fn mark_in(&mut self, id: StateId, w: &mut Wanted, notes: &mut Notes) -> bool {
        let mut changed = false;
        let top = w.frame.min(self.saved(id).state.cur());
        for f in (0..=top).rev() {
            if w.regs[f] != 0 || w.slots[f] != 0 {
                changed |= Self::mark_frame(self.saved_mut(id).state.frame_mut(f), f, w);
            }
            if let Some(out) = notes {
                let (shown, state) = (w.shown_in(f), &self.saved(id).state);
                let state = self.show_frame_of(state, f, Shown::ALL);
                let _ = writeln!(out, "mark_precise: frame{f}: parent state {shown}: {state}");
            }
        }
        changed
    }

    fn mark_frame(frame: &mut Frame, f: usize, w: &mut Wanted) -> bool {
        let mut changed = false;
        let (regs, slots) = (w.regs[f], w.slots[f]);
        for i in (0..FP).filter(|i| regs >> i & 1 == 1) {
            let r = &mut frame.regs[i];
            if r.kind != Kind::Scalar || r.precise {
                w.regs[f] &= !(1 << i);
            } else {
                r.precise = true;
                changed = true;
            }
        }
        for i in (0..64).filter(|i| slots >> i & 1 == 1) {
            match frame.stack.get(i) {
                Some(s) if s.is_spilled_scalar() && !s.reg.precise => {
                    frame.stack[i].reg.precise = true;
                    changed = true;
                }
                _ => w.slots[f] &= !(1 << i),
            }
        }
        changed
    }

    /// The fallback: every number on the path counts.
    pub(crate) fn all_scalars_precise(&mut self, mut at: Option<StateId>) {
        while let Some(id) = at {
            let state = &mut self.saved_mut(id).state;
            state.each_reg(|r| r.is_scalar() && !r.precise, |r| r.precise = true);
            at = state.parent;
        }
    }

    fn step_back(
        &self,
        idx: usize,
        subseq: Option<usize>,
        step: Option<&PathStep>,
        w: &mut Wanted,
    ) -> Result<(), Lost> {
        let Some(op) = self.op(idx) else { return Ok(()) };
        w.sync_linked(step);
        match *op {
            Op::Alu { op: AluOp::Mov, dst, src, .. } => {
                if w.has(dst.index()) {
                    w.clear(dst.index());
                    if let Operand::Reg(src) = src {
                        w.set(src.index());
                    }
                }
            }
            Op::Movsx { dst, src, .. } | Op::AddrSpaceCast { dst, src, .. } => {
                if w.has(dst.index()) {
                    w.clear(dst.index());
                    w.set(src.index());
                }
            }
            Op::Alu { dst, src: Operand::Reg(src), .. } if w.has(dst.index()) => w.set(src.index()),
            Op::Alu { .. } | Op::Neg { .. } | Op::Swap { .. } => {}
            Op::Load { dst, .. } | Op::LoadAcquire { dst, .. } => {
                if !w.has(dst.index()) {
                    return Ok(());
                }
                w.clear(dst.index());
                if let Some((frame, slot)) = step.and_then(|s| s.stack) {
                    w.slots[frame as usize] |= 1 << slot;
                }
            }
            Op::Store { dst, src, .. } => self.store_back(dst.index(), src, step, w)?,
            Op::Atomic { op, fetch: true, src, .. } if self.recorder.is_some() => {
                // Linux 6.18 takes a fetch for a store here, and goes on with the register as it was before: what was
                // in the slot is not marked, and a path with another value there may be cut. The verdict follows Linux;
                // where facts are wanted, what the verdict says has to hold.
                let target = if op == AtomicOp::Cmpxchg { 0 } else { src.index() };
                if let (true, Some((frame, slot))) = (w.has(target), step.and_then(|s| s.stack)) {
                    w.slots[frame as usize] |= 1 << slot;
                }
                w.clear(target);
            }
            Op::StoreRelease { dst, src, .. } | Op::Atomic { dst, src, .. } => {
                self.store_back(dst.index(), Operand::Reg(src), step, w)?;
            }
            Op::Call(target) => return self.step_call(idx, subseq, target, w, step),
            Op::Exit => self.exit_back(subseq, w)?,
            Op::Branch { dst, src: Operand::Reg(src), .. } => {
                if !w.has(dst.index()) && !w.has(src.index()) {
                    return Ok(());
                }
                if !step.is_some_and(|s| s.src_is_stack) {
                    w.set(src.index());
                }
                if !step.is_some_and(|s| s.dst_is_stack) {
                    w.set(dst.index());
                }
            }
            Op::Branch { .. } | Op::Jump { .. } | Op::MayGoto { .. } => {}
            Op::LoadImm { dst, .. } => w.clear(dst.index()),
            Op::LoadAbs { .. } | Op::LoadInd { .. } => {
                if w.has(0) {
                    return Err(Lost::Everything);
                }
            }
        }
        w.sync_linked(step);
        Ok(())
    }

    fn store_back(
        &self,
        dst: usize,
        src: Operand,
        step: Option<&PathStep>,
        w: &mut Wanted,
    ) -> Result<(), Lost> {
        // A number is the address: a pointer became one by subtraction.
        if w.has(dst) {
            return Err(Lost::Everything);
        }
        let Some((frame, slot)) = step.and_then(|s| s.stack) else { return Ok(()) };
        if w.slots[frame as usize] >> slot & 1 == 0 {
            return Ok(());
        }
        w.slots[frame as usize] &= !(1 << slot);
        if let Operand::Reg(src) = src {
            w.set(src.index());
        }
        Ok(())
    }

    fn step_call(
        &self,
        idx: usize,
        subseq: Option<usize>,
        target: CallTarget,
        w: &mut Wanted,
        step: Option<&PathStep>,
    ) -> Result<(), Lost> {
        if let CallTarget::Subprog(off) = target {
            let callee = find_subprog(&self.subprogs, crate::structure::target(idx, off));
            if self.subprogs[callee].global {
                if w.args_wanted() {
                    return Err(Lost::Bug(format!("global subprog unexpected regs {:x}", w.regs[w.frame])));
                }
                w.clear(0);
                return Ok(());
            }
            // Out of the callee, towards its caller: only arguments can still be wanted.
            if w.regs[w.frame] & !ARGS != 0 || w.slots[w.frame] != 0 {
                return Err(Lost::Bug(format!("static subprog unexpected regs {:x}", w.regs[w.frame])));
            }
            let args = w.regs[w.frame];
            w.regs[w.frame] = 0;
            w.leave_subprog()?;
            w.regs[w.frame] |= args;
            return Ok(());
        }
        if self.aux[idx].calls_callback && subseq != Some(idx + 1) {
            // Out of a callback; its arguments were made by the helper.
            if w.regs[w.frame] & !ARGS != 0 || w.slots[w.frame] != 0 {
                return Err(Lost::Bug(format!("callback unexpected regs {:x}", w.regs[w.frame])));
            }
            w.regs[w.frame] = 0;
            return w.leave_subprog();
        }
        w.clear(0);
        if w.args_wanted() {
            return Err(Lost::Bug(format!("backtracking call unexpected regs {:x}", w.regs[w.frame])));
        }
        let tail = matches!(target, CallTarget::Helper(id) if calls::helper(id) == HelperId::TAIL_CALL);
        if tail && subseq != Some(idx + 1) {
            // The other program returned to the caller of the function that this one is in.
            w.enter_subprog()?;
        }
        w.sync_linked(step);
        Ok(())
    }

    /// Into a function that returned to `subseq`.
    fn exit_back(&self, subseq: Option<usize>, w: &mut Wanted) -> Result<(), Lost> {
        if subseq.is_some_and(|s| self.aux[s].calls_callback) {
            w.regs[w.frame] &= !ARGS;
        }
        if w.args_wanted() {
            return Err(Lost::Bug(format!("backtracking exit unexpected regs {:x}", w.regs[w.frame])));
        }
        let from_subprog = subseq
            .and_then(|s| s.checked_sub(1))
            .is_some_and(|s| matches!(self.op(s), Some(Op::Call(CallTarget::Subprog(_)))));
        let wants_r0 = from_subprog && w.has(0);
        w.clear(0);
        w.enter_subprog()?;
        if wants_r0 {
            w.set(0);
        }
        Ok(())
    }
}
