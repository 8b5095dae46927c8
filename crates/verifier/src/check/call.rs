//! Calls of subprograms.

use std::rc::Rc;

use crate::env::Env;
use crate::explore::Next;
use crate::refusal::{Step, errno};
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
        self.log_enter();
        Ok(Next::At(start))
    }
}
