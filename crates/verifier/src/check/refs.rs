//! What must be given back: references, locks, sections.

use crate::env::Env;
use crate::refusal::{Step, errno};
use crate::state::{Held, HeldKind, Reg};

impl Env<'_> {
    /// Takes a reference; its id is also the pointer's.
    pub(crate) fn acquire(&mut self, kind: HeldKind) -> u32 {
        let id = self.new_id();
        let insn = self.pc;
        self.cur.holds.list.push(Held { kind, id, insn });
        id
    }

    /// What is left of a pointer that no longer points to anything: a number, for those who may see it.
    pub(crate) fn dead_pointer(&self) -> Reg {
        if self.rights.ptr_leaks { Reg::UNKNOWN } else { Reg::NOT_INIT }
    }

    /// Gives a reference back: every pointer that came from it is dead. False if it was not held.
    pub(crate) fn release_ref(&mut self, id: u32) -> bool {
        if !self.cur.holds_ref(id) {
            return false;
        }
        self.cur.holds.list.retain(|h| !(h.kind == HeldKind::Ref && h.id == id));
        let to = self.dead_pointer();
        self.cur.each_reg(|r| r.ref_id == id, |r| *r = to);
        true
    }

    /// Nothing may be held here: at an exit, a tail call, a load that may end the program.
    pub(crate) fn no_held(&self, locks: bool, what: &str) -> Step {
        let held = |region: &str| {
            let m = format!("{what} cannot be used inside {region}-ed region");
            Err(self.refuse(errno::EINVAL, "V0702", m))
        };
        let h = &self.cur.holds;
        if locks && h.locks > 0 {
            return held("bpf_spin_lock");
        }
        let mut kept = h.list.iter().filter(|h| h.kind == HeldKind::Ref && self.cur.cur() == 0).peekable();
        if kept.peek().is_some() {
            let one = |r: &Held| format!("Unreleased reference id={} alloc_insn={}\n", r.id, r.insn);
            let m = kept.map(one).collect::<String>() + what + " would lead to reference leak";
            return Err(self.refuse(errno::EINVAL, "V0701", m));
        }
        if locks && h.irq().is_some() {
            return held("bpf_local_irq_save");
        }
        if locks && h.rcu > 0 {
            return held("bpf_rcu_read_lock");
        }
        if locks && h.preempt > 0 {
            return held("bpf_preempt_disable");
        }
        Ok(())
    }
}
