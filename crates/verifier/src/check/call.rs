//! Calls of subprograms, and of the few kernel functions that open and close sections.

use std::rc::Rc;

use crate::env::Env;
use crate::explore::Next;
use crate::refusal::{Step, Stop, errno};
use crate::rows::calls;
use crate::state::{Frame, Reg, State};
use crate::structure::{find_subprog, target};

const MAX_FRAMES: usize = 8;

impl Env<'_> {
    /// Registers that a call leaves unreadable.
    pub(crate) fn clear_caller_saved(&mut self) {
        for r in 0..6 {
            self.cur.top_mut().regs[r] = Reg::NOT_INIT;
        }
    }

    /// Puts a frame for `subprog` on a state, called from `callsite`.
    pub(crate) fn enter(
        &self,
        state: &mut State,
        subprog: usize,
        callsite: usize,
        set: impl FnOnce(&Frame, &mut Frame),
    ) -> Step {
        if state.frames.len() >= MAX_FRAMES {
            let m = format!("the call stack of {} frames is too deep", state.frames.len() + 1);
            return Err(self.refuse(errno::E2BIG, "V0112", m));
        }
        let mut callee = Frame::new(callsite, state.frames.len() as u32, subprog);
        set(state.top(), &mut callee);
        state.frames.push(Rc::new(callee));
        Ok(())
    }

    pub(crate) fn call_subprog(&mut self, off: i32) -> Step<Next> {
        let start = target(self.pc, off);
        let subprog = find_subprog(&self.subprogs, start);
        if self.cur.holds.locks > 0 && self.subprogs[subprog].global {
            let m =
                "global function calls are not allowed while holding a lock,\nuse static function instead";
            return Err(self.refuse(errno::EINVAL, "V0703", m));
        }
        if self.subprogs[subprog].global {
            self.call_global(subprog)?;
            return Ok(Next::At(self.pc + 1));
        }
        let mut cur = std::mem::replace(&mut self.cur, State::hollow());
        let entered = self.enter(&mut cur, subprog, self.pc, |caller, callee| {
            callee.regs[1..6].copy_from_slice(&caller.regs[1..6]);
        });
        self.cur = cur;
        entered?;
        let caller = self.cur.cur() - 1;
        self.cur.frame_mut(caller).regs[..6].fill(Reg::NOT_INIT);
        self.leaves_chain = true;
        Ok(Next::At(start))
    }

    /// The functions that open and close sections; the others are not modelled.
    pub(crate) fn call_kfunc(&mut self, btf_id: i32) -> Step<Next> {
        let name = calls::kfunc_name(self.task, btf_id);
        let refuse = |m: String| Err(self.refuse(errno::EINVAL, "V0705", m));
        if !self.task.gpl {
            let m = "cannot call kernel function from non-GPL compatible program";
            return Err(self.refuse(errno::EINVAL, "V0510", m));
        }
        if self.cur.holds.locks > 0 {
            let m = "function calls are not allowed while holding a lock";
            return Err(self.refuse(errno::EINVAL, "V0703", m));
        }
        let h = &self.cur.holds;
        let (mut rcu, mut preempt) = (h.rcu, h.preempt);
        match name {
            Some("bpf_rcu_read_lock") if rcu > 0 => {
                return refuse("nested rcu read lock (kernel function bpf_rcu_read_lock)".into());
            }
            Some("bpf_rcu_read_lock") => rcu += 1,
            Some("bpf_rcu_read_unlock") if rcu == 0 => {
                return refuse("unmatched rcu read unlock (kernel function bpf_rcu_read_unlock)".into());
            }
            Some("bpf_rcu_read_unlock") => rcu -= 1,
            Some("bpf_preempt_disable") => preempt += 1,
            Some("bpf_preempt_enable") if preempt == 0 => {
                return refuse(
                    "unmatched attempt to enable preemption (kernel function bpf_preempt_enable)".into(),
                );
            }
            Some("bpf_preempt_enable") => preempt -= 1,
            _ => {
                let offered = name.zip(calls::offered(self.task));
                if let Some((name, offered)) = offered
                    && !offered.contains(name)
                {
                    let m = format!("calling kernel function {name} is not allowed");
                    return Err(self.refuse(errno::EACCES, "V0509", m));
                }
                let shown = name.map_or_else(|| format!("#{btf_id}"), str::to_owned);
                return Err(Stop::NotModelled(format!("kernel function {shown}")));
            }
        }
        (self.cur.holds.rcu, self.cur.holds.preempt) = (rcu, preempt);
        self.clear_caller_saved();
        Ok(Next::At(self.pc + 1))
    }
}
