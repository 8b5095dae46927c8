//! Calls of kernel functions: the few that open and close sections.
//!
//! RCU sections do not nest; those without preemption do, and are counted. Those without interrupts nest too, and each keeps
//! what was before in eight bytes of stack: a slot that can't be read until it is given back, in the reverse order.

use super::memory::Access;
use super::stack::Stored;
use crate::env::Env;
use crate::explore::Next;
use crate::facts;
use crate::refusal::{Step, Stop, errno};
use crate::rows::calls::{self, Kfunc};
use crate::state::{Byte, Flags, HeldKind, Kind, Reg, Slot};

impl Env<'_> {
    pub(crate) fn call_kfunc(&mut self, btf_id: i32) -> Step<Next> {
        if !self.task.gpl {
            let m = "cannot call kernel function from non-GPL compatible program";
            return Err(self.refuse(errno::EINVAL, "V0510", m));
        }
        if self.cur.holds.locks > 0 {
            let m = "function calls are not allowed while holding a lock";
            return Err(self.refuse(errno::EINVAL, "V0703", m));
        }
        let name = calls::kfunc_name(self.task, btf_id);
        let Some((name, kfunc)) = name.and_then(|n| Some((n, calls::kfunc(n)?))) else {
            return Err(self.other_kfunc(name, btf_id));
        };
        let refuse = |m: String| Err(self.refuse(errno::EINVAL, "V0705", m));
        match kfunc {
            Kfunc::RcuLock if self.cur.holds.rcu > 0 => {
                return refuse(format!("nested rcu read lock (kernel function {name})"));
            }
            Kfunc::RcuLock => self.cur.holds.rcu += 1,
            Kfunc::RcuUnlock if self.cur.holds.rcu == 0 => {
                return refuse(format!("unmatched rcu read unlock (kernel function {name})"));
            }
            Kfunc::RcuUnlock => self.cur.holds.rcu -= 1,
            Kfunc::PreemptDisable => self.cur.holds.preempt += 1,
            Kfunc::PreemptEnable if self.cur.holds.preempt == 0 => {
                return refuse(format!("unmatched attempt to enable preemption (kernel function {name})"));
            }
            Kfunc::PreemptEnable => self.cur.holds.preempt -= 1,
            Kfunc::IrqSave => self.irq_save()?,
            Kfunc::IrqRestore => self.irq_restore()?,
        }
        self.clear_caller_saved();
        Ok(Next::At(self.pc + 1))
    }

    /// A function that the kernel does not offer is refused; of any other nothing is said.
    fn other_kfunc(&self, name: Option<&str>, btf_id: i32) -> Stop {
        if let Some((name, offered)) = name.zip(calls::offered(self.task))
            && !offered.contains(name)
        {
            let m = format!("calling kernel function {name} is not allowed");
            return self.refuse(errno::EACCES, "V0509", m);
        }
        let shown = name.map_or_else(|| format!("#{btf_id}"), str::to_owned);
        Stop::NotModelled(format!("kernel function {shown}"))
    }

    /// The register that says where flags are kept: a place on the stack.
    fn flag_place(&self) -> Step<Reg> {
        let r = *self.cur.reg(FLAG);
        self.memory_at_start(FLAG, &r)?;
        if r.kind != Kind::Stack {
            return Err(self.refuse(errno::EINVAL, "V0707", "arg#0 doesn't point to an irq flag on stack"));
        }
        Ok(r)
    }

    /// The slot that the register points to, or what is wrong with it. Linux 6.18 takes the frame pointer itself for the
    /// first slot.
    fn flag_slot(&self, r: &Reg) -> Result<usize, String> {
        let Some(off) = r.const_offset() else {
            return Err("irq_flag has to be at a constant offset\n".into());
        };
        if off % 8 != 0 || off > 0 {
            return Err(format!("cannot pass in irq_flag at an offset={off}\n"));
        }
        Ok(((-1 - off) / 8) as usize)
    }

    fn irq_save(&mut self) -> Step {
        let r = self.flag_place()?;
        let frame = r.aux as usize;
        let wrong = |env: &Self, why: &str| {
            let m = format!("{why}expected uninitialized irq flag as arg#0");
            Err(env.refuse(errno::EINVAL, "V0707", m))
        };
        let slot = match self.flag_slot(&r) {
            Ok(slot) => slot,
            Err(why) => return wrong(self, &why),
        };
        let kept = self.cur.frames[frame].stack.get(slot);
        if kept.is_some_and(|s| s.bytes.contains(&Byte::IrqFlag)) {
            return wrong(self, "");
        }
        self.note_flag(&r);
        self.access(Access::write(FLAG, 0, 8, Stored::Unknown))?;
        let id = self.acquire(HeldKind::Irq);
        let reg = Reg { ref_id: id, ..Reg::pointer(Kind::Stack, Flags::NONE) };
        self.cur.frame_mut(frame).stack[slot] = Slot { reg, bytes: [Byte::IrqFlag; 8] };
        Ok(())
    }

    fn irq_restore(&mut self) -> Step {
        let r = self.flag_place()?;
        let frame = r.aux as usize;
        let wrong = |env: &Self, why: &str| {
            let m = format!("{why}expected an initialized irq flag as arg#0");
            Err(env.refuse(errno::EINVAL, "V0707", m))
        };
        let slot = match self.flag_slot(&r) {
            Ok(slot) => slot,
            Err(why) => return wrong(self, &why),
        };
        // The verdict follows Linux, which lets the frame pointer stand for the first slot; where facts are wanted, what the
        // verdict says has to hold.
        let beyond = r.const_offset() == Some(0) && self.recorder.is_some();
        let kept = self.cur.frames[frame].stack.get(slot).filter(|s| s.is_irq_flag() && !beyond);
        let Some(id) = kept.map(|s| s.reg.ref_id) else { return wrong(self, "") };
        self.note_flag(&r);
        self.stack_live.read(frame, 1 << slot);
        self.log_slots(1 << slot);
        let last = self.cur.holds.irq().copied();
        if let Some(last) = last.filter(|h| h.id != id) {
            let m = format!(
                "cannot restore irq state out of order, expected id={} acquired at insn_idx={}",
                last.id, last.insn
            );
            return Err(self.refuse(errno::EACCES, "V0707", m));
        }
        self.cur.holds.list.retain(|h| !(h.kind == HeldKind::Irq && h.id == id));
        self.cur.frame_mut(frame).stack[slot] = Slot::BLANK;
        self.stack_live.write(frame, 1 << slot);
        Ok(())
    }

    fn note_flag(&mut self, r: &Reg) {
        let region = facts::region(r, 0, self.cur.cur());
        if let Some(f) = &mut self.recorder {
            f.passed(self.pc, FLAG, region, 8);
        }
    }
}

/// The register in which the flag's address is passed.
const FLAG: usize = 1;
