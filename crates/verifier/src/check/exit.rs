//! Returns: to the caller, out of a callback, out of the program.

use skep_abi::{AttachType as A, ProgType as P};

use crate::env::Env;
use crate::explore::Next;
use crate::refusal::{Step, errno};
use crate::state::{Kind, Reg, State};

impl Env<'_> {
    pub(crate) fn exit(&mut self) -> Step<Next> {
        let main = self.cur.cur() == 0;
        self.no_held(main, "BPF_EXIT instruction in main prog")?;
        if !main {
            let to = self.leave_function()?;
            self.log_return();
            return Ok(Next::At(to));
        }
        self.check_result()?;
        Ok(Next::End)
    }

    /// `at` names the place in the message.
    fn result_in_range(&mut self, range: (i32, i32), at: &str) -> Step {
        let v = self.cur.reg(0).val;
        if v.smin >= i64::from(range.0) && v.smax <= i64::from(range.1) {
            return Ok(());
        }
        let mut m = format!("{at} the register R0 has");
        if v.smin > i64::MIN {
            m += &format!(" smin={}", v.smin);
        }
        if v.smax < i64::MAX {
            m += &format!(" smax={}", v.smax);
        }
        if v.smin == i64::MIN && v.smax == i64::MAX {
            m += " unknown scalar value";
        }
        m += &format!(" should have been in [{}, {}]", range.0, range.1);
        Err(self.refuse(errno::EINVAL, "V0801", m))
    }

    fn check_result(&mut self) -> Step {
        self.readable(0)?;
        if self.is_secret(0) {
            return Err(self.deny(0, "V0802", "R0 leaks addr as return value"));
        }
        let frame = self.cur.top();
        let (is_async, range, subprog) = (frame.in_async, frame.ret_range, frame.subprog);
        let (range, at) = if is_async {
            (range, "At async callback return")
        } else if subprog != 0 {
            if !self.cur.reg(0).is_scalar() {
                let word = self.type_word(self.cur.reg(0));
                let m = format!("At subprogram exit the register R0 is not a scalar value ({word})");
                return Err(self.refuse(errno::EINVAL, "V0803", m));
            }
            return Ok(());
        } else {
            match self.program_range() {
                Some(range) => (range, "At program exit"),
                None => return Ok(()),
            }
        };
        if !self.cur.reg(0).is_scalar() {
            let word = self.type_word(self.cur.reg(0));
            let m = format!("{at} the register R0 is not a known value ({word})");
            return Err(self.refuse(errno::EINVAL, "V0803", m));
        }
        self.mark_precise(0)?;
        self.result_in_range(range, at)
    }

    /// What a program of this type may return, where that is limited.
    fn program_range(&self) -> Option<(i32, i32)> {
        let attach = self.task.attach_type;
        match self.task.prog_type {
            P::CGROUP_SOCK_ADDR => Some(match attach {
                A::CGROUP_UDP4_RECVMSG
                | A::CGROUP_UDP6_RECVMSG
                | A::CGROUP_UNIX_RECVMSG
                | A::CGROUP_INET4_GETPEERNAME
                | A::CGROUP_INET6_GETPEERNAME
                | A::CGROUP_UNIX_GETPEERNAME
                | A::CGROUP_INET4_GETSOCKNAME
                | A::CGROUP_INET6_GETSOCKNAME
                | A::CGROUP_UNIX_GETSOCKNAME => (1, 1),
                A::CGROUP_INET4_BIND | A::CGROUP_INET6_BIND => (0, 3),
                _ => (0, 1),
            }),
            P::CGROUP_SKB if attach == A::CGROUP_INET_EGRESS => Some((0, 3)),
            P::CGROUP_SKB
            | P::CGROUP_SOCK
            | P::SOCK_OPS
            | P::CGROUP_DEVICE
            | P::CGROUP_SYSCTL
            | P::CGROUP_SOCKOPT
            | P::SK_LOOKUP
            | P::NETFILTER => Some((0, 1)),
            P::TRACING => match attach {
                A::TRACE_FENTRY | A::TRACE_FEXIT => Some((0, 0)),
                A::TRACE_ITER => Some((0, 1)),
                _ => None,
            },
            P::KPROBE if matches!(attach, A::TRACE_KPROBE_SESSION | A::TRACE_UPROBE_SESSION) => Some((0, 1)),
            _ => None,
        }
    }

    /// Back to the caller, or to the helper that called.
    pub(super) fn leave_function(&mut self) -> Step<usize> {
        // What the callee's frames read and write has to be known to states that are compared from now on.
        self.stack_live.path_ended(&self.cur, &self.slots, &self.subprogs);
        if self.cur.reg(0).kind == Kind::Stack {
            let m = "cannot return stack pointer to the caller";
            return Err(self.refuse(errno::EINVAL, "V0804", m));
        }
        let (callback, range, callsite) = {
            let f = self.cur.top();
            (f.in_callback, f.ret_range, f.callsite)
        };
        let r0 = *self.cur.reg(0);
        if callback {
            if !r0.is_scalar() {
                return Err(self.deny(0, "V0803", "R0 not a scalar value"));
            }
            self.mark_precise(0)?;
            self.result_in_range(range, "At callback return")?;
        }
        self.log_leave(if callback { callsite } else { callsite + 1 }, (!callback).then_some(r0));
        self.cur.frames.pop();
        self.leaves_chain = true;
        if !callback {
            self.cur.top_mut().regs[0] = r0;
            return Ok(callsite + 1);
        }
        self.widen(callsite);
        Ok(callsite)
    }

    /// After a callback's body, numbers that changed and do not matter are taken as unknown: so the
    /// exploration of a loop ends.
    fn widen(&mut self, callsite: usize) {
        let key = (callsite, self.cur.top().callsite);
        let Some(list) = self.visited.get(&key) else { return };
        let same_sites = |s: &State| {
            s.frames.len() == self.cur.frames.len()
                && s.frames.iter().zip(&self.cur.frames).all(|(a, b)| a.callsite == b.callsite)
        };
        let before =
            list.iter().rev().map(|id| &self.saved(*id).state).find(|s| s.branches > 0 && same_sites(s));
        let Some(before) = before else { return };
        let frames = before.frames.clone();
        for (f, old) in frames.iter().enumerate() {
            let new = self.cur.frame_mut(f);
            for (a, b) in old.regs.iter().zip(&mut new.regs) {
                widen_one(a, b);
            }
            new.stack.each_spilled(Reg::is_scalar, |i, b| {
                if let Some(a) = old.stack.get(i).filter(|a| a.is_spilled()) {
                    widen_one(&a.reg, b);
                }
            });
        }
    }
}

fn widen_one(old: &Reg, new: &mut Reg) {
    if !old.is_scalar() || !new.is_scalar() || old.precise || new.precise {
        return;
    }
    if old.val == new.val && old.off == new.off {
        return;
    }
    *new = Reg::UNKNOWN;
}
