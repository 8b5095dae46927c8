//! The packet: direct access inside what a comparison proved, and the legacy loads.

use skep_abi::ProgType as P;
use skep_isa::Op;

use super::memory::Access;
use crate::env::Env;
use crate::explore::Next;
use crate::refusal::{Step, errno};
use crate::state::{Kind, Reg};

impl Env<'_> {
    /// Whether programs of this type may reach into the packet; for helpers, `helper` says whether they may.
    pub(crate) fn direct_packet(&self, write: bool, helper: Option<bool>) -> bool {
        let read_only = matches!(
            self.task.prog_type,
            P::LWT_IN | P::LWT_OUT | P::LWT_SEG6LOCAL | P::SK_REUSEPORT | P::FLOW_DISSECTOR | P::CGROUP_SKB
        );
        let writes = matches!(
            self.task.prog_type,
            P::SCHED_CLS | P::SCHED_ACT | P::XDP | P::LWT_XMIT | P::SK_SKB | P::SK_MSG
        );
        match self.task.prog_type {
            P::CGROUP_SOCKOPT => true,
            _ if read_only && write => false,
            _ if read_only || writes => helper.unwrap_or(true),
            _ => false,
        }
    }

    pub(crate) fn packet_memory(&mut self, a: &Access) -> Step {
        if a.write && !self.direct_packet(true, None) {
            return Err(self.deny(a.ptr, "V0410", "cannot write into packet"));
        }
        self.no_leak(a, "packet")?;
        self.packet_range(a.ptr, a.off, a.size as i64, false)?;
        if let (Some(dst), false) = (a.dst, a.write) {
            self.set_unknown(dst);
        }
        Ok(())
    }

    /// Whether a part of the packet was proven to be there.
    pub(crate) fn packet_range(&self, reg: usize, off: i32, size: i64, zero: bool) -> Step {
        let r = self.cur.reg(reg);
        if r.val.smin < 0 {
            let m = format!(
                "R{reg} min value is negative, either use unsigned index or do a if (index >=0) check."
            );
            return Err(self.deny(reg, "V0403", m));
        }
        let outside = "offset is outside of the packet";
        let Ok(range) = u32::try_from(r.range) else {
            return Err(self.refuse(errno::EINVAL, "V0405", format!("R{reg} {outside}")));
        };
        self.span(reg, r, off.into(), size, range, zero, outside)
    }

    /// Helpers that move the packet leave no pointer into it.
    pub(crate) fn forget_packet_pointers(&mut self) {
        let to = self.dead_pointer();
        self.cur.each_reg(|r| r.kind.is_packet() || r.kind == Kind::PacketEnd, |r| *r = to);
    }

    /// LD_ABS and LD_IND.
    pub(crate) fn load_packet(&mut self, op: Op) -> Step<Next> {
        if !matches!(self.task.prog_type, P::SOCKET_FILTER | P::SCHED_CLS | P::SCHED_ACT) {
            let m = "BPF_LD_[ABS|IND] instructions not allowed for this program type";
            return Err(self.refuse(errno::EINVAL, "V0412", m));
        }
        self.readable(6)?;
        self.no_held(true, "BPF_LD_[ABS|IND]")?;
        if self.cur.reg(6).kind != Kind::Ctx {
            let m = "at the time of BPF_LD_ABS|IND R6 != pointer to skb";
            return Err(self.refuse(errno::EINVAL, "V0412", m));
        }
        if let Op::LoadInd { src, .. } = op {
            self.readable(src.index())?;
        }
        self.unmodified(6)?;
        for r in 0..6 {
            self.cur.top_mut().regs[r] = Reg::NOT_INIT;
        }
        self.set_unknown(0);
        let next = self.pc + op.slots();
        if self.cur.cur() == 0 {
            return Ok(Next::At(next));
        }
        // Beyond the packet's end the function returns at once, with zero.
        self.push_branch(next)?;
        self.set_reg(0, Reg::constant(0));
        self.leave_function().map(Next::At)
    }

    /// A pointer that must be passed or used as it was given.
    pub(crate) fn unmodified(&self, reg: usize) -> Step {
        let r = self.cur.reg(reg);
        let word = self.type_word(r);
        if r.off < 0 {
            let m = format!("negative offset {word} ptr R{reg} off={} disallowed", r.off);
            return Err(self.deny(reg, "V0406", m));
        }
        if r.off != 0 {
            let m = format!("dereference of modified {word} ptr R{reg} off={} disallowed", r.off);
            return Err(self.deny(reg, "V0406", m));
        }
        if !r.val.var.equals(0) {
            let t = super::stack::show_tnum(r.val.var);
            let m = format!("variable {word} access var_off={t} disallowed");
            return Err(self.deny(reg, "V0406", m));
        }
        Ok(())
    }
}
