//! Exploration: every path, depth first, with pruning.

mod backtrack;
mod equal;
mod loops;
mod stack_live;
mod visited;

pub(crate) use loops::Loops;
pub(crate) use stack_live::StackLive;

use crate::env::Env;
use crate::refusal::{Step, Stop, errno};
use crate::state::State;

/// Most instructions that are processed before a program is called too large.
const MAX_INSNS: u32 = 1_000_000;

/// Where a path goes after an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// To this slot.
    At(usize),
    /// Nowhere: it ended.
    End,
}

impl Env<'_> {
    /// Explores all paths from the current state at `start`.
    pub(crate) fn explore(&mut self, start: usize) -> Step {
        self.pc = start;
        self.prev_pc = usize::MAX;
        self.cur.first_insn = start;
        self.cur.last_insn = usize::MAX;
        self.stack_live.chain_changed();
        if let Some(t) = &mut self.trace {
            t.begin();
        }
        loop {
            let goes_on = self.one().or_else(|stop| self.leave_path(stop))?;
            if !goes_on && !self.next_branch()? {
                break;
            }
        }
        self.visited.clear();
        self.pending.clear();
        self.saved.clear();
        self.free.clear();
        self.loops = Loops::default();
        self.live_states = 0;
        Ok(())
    }

    /// A refusal ends everything, but where all of them are wanted, only its path.
    fn leave_path(&mut self, stop: Stop) -> Step<bool> {
        let Stop::Refused(refusal) = &stop else { return Err(stop) };
        let Some(trace) = &mut self.trace else { return Err(stop) };
        if !trace.note(refusal.clone()) {
            return Err(stop);
        }
        self.leaves_chain = false;
        self.stack_live.chain_changed();
        Ok(false)
    }

    /// One instruction; false if the path ended.
    fn one(&mut self) -> Step<bool> {
        self.step = None;
        if self.pc >= self.slots.len() {
            let m = format!("invalid insn idx {} insn_cnt {}", self.pc, self.slots.len());
            return Err(self.refuse(errno::EFAULT, "V0102", m));
        }
        self.counts.insns += 1;
        if self.counts.insns > MAX_INSNS {
            let m = format!("BPF program is too large. Processed {} insn", self.counts.insns);
            return Err(self.refuse(errno::E2BIG, "V0109", m));
        }
        self.cur.last_insn = self.prev_pc;
        self.cur.insn = self.pc;
        if self.aux[self.pc].prune_point && self.visit_state()? {
            self.log_safe();
            return Ok(false);
        }
        if self.aux[self.pc].jmp_point {
            self.history_entry();
        }
        self.aux[self.pc].seen |= !self.cur.speculative;
        if let Some(t) = &mut self.trace {
            t.step(self.pc, &self.cur);
        }
        self.log_insn();
        self.stack_live.begin(&self.cur, self.pc, &self.subprogs);
        if self.guess_ends_before() {
            self.stack_live.chain_changed();
            return Ok(false);
        }
        let next = match self.check_insn() {
            Err(stop) if self.barred(&stop) => {
                self.leaves_chain = false;
                self.stack_live.chain_changed();
                return Ok(false);
            }
            done => done?,
        };
        // What a call writes is what its callee writes on every path, known when those have ended.
        if std::mem::take(&mut self.leaves_chain) {
            self.stack_live.chain_changed();
        } else {
            self.stack_live.commit();
        }
        self.prev_pc = self.pc;
        self.log_branch();
        if self.guess_ends_behind(self.pc) {
            return Ok(false);
        }
        match next {
            Next::At(pc) => {
                self.pc = pc;
                Ok(true)
            }
            Next::End => Ok(false),
        }
    }

    /// Ends the path and takes up the branch that was put aside last; false if none is left.
    fn next_branch(&mut self) -> Step<bool> {
        self.end_branches()?;
        let cur = std::mem::replace(&mut self.cur, State::hollow());
        self.stack_live.path_ended(&cur, &self.slots, &self.subprogs);
        let Some(p) = self.pending.pop() else { return Ok(false) };
        self.cur = p.state;
        self.pc = p.insn;
        self.prev_pc = p.prev;
        if let Some(t) = &mut self.trace {
            t.resume(p.tip);
        }
        self.log_from(p.log_end);
        Ok(true)
    }

    /// Counts the ended path down in its ancestors; those that are done hand on their precision.
    fn end_branches(&mut self) -> Step {
        let mut at = self.cur.parent;
        while let Some(id) = at {
            let s = &mut self.saved_mut(id).state;
            s.branches -= 1;
            if s.branches > 0 {
                break;
            }
            let parent = s.parent;
            self.exit_loop(id)?;
            self.release(id);
            at = parent;
        }
        Ok(())
    }
}
