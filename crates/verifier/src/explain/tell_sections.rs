//! What to say of sections that are open where they must not be, or closed wrongly.

use skep_isa::{CallTarget, Op};

use super::path::Place;
use super::tell::Case;
use super::words::what;
use crate::state::{Holds, Kind, Reg};

/// How to see of what is held that a section is open, the words of the refusal that name it, and what opened it.
type Section = (&'static str, fn(&Holds) -> usize, &'static str);

const SECTIONS: [Section; 4] = [
    ("bpf_spin_lock", |h| h.locks as usize, "the lock is taken here"),
    ("bpf_local_irq_save", |h| usize::from(h.irq().is_some()), "interrupts are switched off here"),
    ("bpf_rcu_read_lock", |h| h.rcu as usize, "the RCU section begins here"),
    ("bpf_preempt_disable", |h| h.preempt as usize, "preemption is switched off here"),
];

impl Case<'_> {
    /// A section is open: where it was opened.
    pub(super) fn inside_section(&mut self) {
        let held = |at: usize, open: fn(&Holds) -> usize| open(&self.path.moments[at].holds) > 0;
        let named = |s: &&Section| self.refusal.message.contains(s.0) || self.refusal.code == "V0703";
        let Some((_, open, text)) = SECTIONS.iter().filter(named).find(|s| held(self.end, s.1)) else {
            return;
        };
        if let Some(at) = (0..self.end).rev().find(|i| !held(*i, *open)) {
            self.because(at, *text);
        }
        if self.refusal.code == "V0703" {
            self.told.label = "called with the lock held".into();
        }
    }

    /// The flags of the processor are saved or restored wrongly.
    pub(super) fn irq_flag(&mut self) {
        let Some(r) = self.path.reg(self.end, Place { reg: 1, ..self.place }).copied() else { return };
        let holds = &self.path.moments[self.end].holds;
        if self.refusal.message.contains("out of order")
            && let Some(last) = holds.irq()
        {
            self.told.title = "interrupts are restored out of order".into();
            self.told.label = "closes an outer section".into();
            if let Some(at) = (0..self.end).rev().find(|i| self.path.pc(*i) == last.insn) {
                self.because(at, "the inner one, which has to be closed first, is opened here");
            }
            return;
        }
        if r.kind != Kind::Stack {
            self.told.title = "the processor's flags are kept on the stack".into();
            self.told.label = format!("r1 is {}", what(self.task, &r));
            return;
        }
        let Some(off) = r.const_offset().filter(|o| *o < 0 && *o % 8 == 0) else { return };
        self.flag_history(&r, ((-1 - off) / 8) as usize);
    }

    /// What became of the flags in a slot.
    fn flag_history(&mut self, r: &Reg, slot: usize) {
        let is_flag = |i: usize| {
            let frame = self.path.moments[i].frames.get(r.aux as usize);
            frame.and_then(|f| f.stack.get(slot)).is_some_and(|s| s.is_irq_flag())
        };
        if is_flag(self.end) {
            self.told.title = "flags are saved over flags that were not restored".into();
            self.told.label = "they would be lost".into();
            if let Some(at) = (0..self.end).rev().find(|i| !is_flag(*i)) {
                self.because(at, "they are saved here");
            }
            return;
        }
        self.told.title = "there are no flags to restore".into();
        match (0..self.end).rev().find(|i| is_flag(*i)) {
            Some(at) if matches!(self.path.op(at), Some(Op::Call(CallTarget::Kfunc { .. }))) => {
                self.told.label = "they were restored before".into();
                self.because(at, "here");
            }
            Some(at) => {
                self.told.label = "they are lost".into();
                self.because(at, "this writes to the bytes that they were in");
            }
            None => self.told.label = "nothing was saved there on this path".into(),
        }
    }
}
