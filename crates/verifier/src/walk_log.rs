//! The log of a walk as BPF_PROG_LOAD writes it at level 2: each instruction, and behind it what it used and changed.
//!
//! The kernel prints what changed when it comes to the next instruction, so what a path ends with is not printed; the whole
//! state is printed at the start of a path, and at calls.

use skep_abi::HelperId;
use skep_isa::disasm::{Disassembler, Style};
use skep_isa::{Names, Op, Operand};

use crate::env::{Counts, Env};
use crate::state::Kind;

/// Column behind which states stand, and the step that longer lines are rounded to.
const COLUMN: usize = 40;
const STEP: usize = 8;

struct HelperNames;

impl Names for HelperNames {
    fn helper_name(&self, id: i32) -> Option<&str> {
        HelperId(u32::try_from(id).ok()?).name()
    }
}

/// What is printed of a state.
#[derive(Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) regs: u16,
    pub(crate) slots: u64,
}

impl Shown {
    /// Everything.
    pub(crate) const ALL: Self = Self { regs: !0, slots: !0 };
}

/// The text so far.
pub(crate) struct WalkLog {
    text: String,
    /// Where the line of the last instruction begins.
    line: usize,
    due: Option<Shown>,
    depth: usize,
}

impl Default for WalkLog {
    fn default() -> Self {
        Self { text: String::new(), line: 0, due: Some(Shown::ALL), depth: 1 }
    }
}

impl WalkLog {
    /// The text, ended by the reason of a refusal and the figures.
    pub(crate) fn finish(mut self, reason: Option<&str>, counts: &Counts) -> String {
        if let Some(reason) = reason {
            self.text += reason;
            self.text.push('\n');
        }
        self.text += &format!(
            "processed {} insns (limit 1000000) max_states_per_insn {} total_states {} peak_states {} mark_read 0\n",
            counts.insns, counts.max_states_per_insn, counts.total_states, counts.peak_states
        );
        self.text
    }

    /// Puts a state behind the last instruction's line, or on one of its own.
    fn state(&mut self, pc: usize, state: &str) {
        let line = self.text.len() - self.line;
        if self.line < self.text.len() && self.text.ends_with('\n') {
            self.text.pop();
            let to = (line + STEP / 2).max(COLUMN).next_multiple_of(STEP);
            self.text.push_str(&" ".repeat(to - line - 1));
            self.text.push(';');
        } else {
            self.text += &format!("{pc}:");
        }
        self.text += state;
        self.text.push('\n');
        self.line = self.text.len();
    }
}

/// Registers that an instruction reads or writes.
fn used(op: &Op) -> u16 {
    let one = |r: skep_isa::Reg| 1 << r.index();
    let operand = |o: &Operand| match o {
        Operand::Reg(r) => one(*r),
        Operand::Imm(_) => 0,
    };
    match op {
        Op::Alu { dst, src, .. } | Op::Branch { dst, src, .. } | Op::Store { dst, src, .. } => {
            one(*dst) | operand(src)
        }
        Op::Movsx { dst, src, .. }
        | Op::Load { dst, src, .. }
        | Op::LoadAcquire { dst, src, .. }
        | Op::AddrSpaceCast { dst, src, .. }
        | Op::StoreRelease { dst, src, .. }
        | Op::Atomic { dst, src, .. } => one(*dst) | one(*src),
        Op::Neg { dst, .. } | Op::Swap { dst, .. } | Op::LoadImm { dst, .. } => one(*dst),
        Op::Call(_) => 0x3f,
        Op::LoadAbs { .. } | Op::LoadInd { .. } => 0x7f,
        Op::Exit => 1,
        _ => 0,
    }
}

impl Env<'_> {
    /// An instruction is about to be checked.
    pub(crate) fn log_insn(&mut self) {
        let Some(mut log) = self.log.take() else { return };
        let depth = self.cur.frames.len();
        if depth != log.depth {
            log.depth = depth;
            log.due = None;
            log.text += &format!("{}\n", self.show_state(&self.cur, Shown::ALL));
        }
        if let Some(due) = log.due.take() {
            let state = self.show_state(&self.cur, due);
            if !state.is_empty() {
                log.state(self.pc, &state);
            }
        }
        log.line = log.text.len();
        let printed = Disassembler::new(Style::Kernel).names(&HelperNames).log(true);
        let text = printed.insn(&self.task.insns, self.pc).unwrap_or_else(|e| e.to_string());
        log.text += &format!("{}: {text}\n", self.pc);
        log.due = self.op(self.pc).map(|op| Shown { regs: used(op), slots: self.touched(op) });
        self.log = Some(log);
    }

    /// Slots of the running frame's stack that an instruction touches by a constant offset.
    fn touched(&self, op: &Op) -> u64 {
        let (base, off, size) = match op {
            Op::Load { src, off, size, .. } => (src, *off, size.bytes()),
            Op::Store { dst, off, size, .. } | Op::Atomic { dst, off, size, .. } => (dst, *off, size.bytes()),
            _ => return 0,
        };
        let r = self.cur.reg(base.index());
        let Some(at) = r.const_offset().filter(|_| r.kind == Kind::Stack) else { return 0 };
        let (first, last) = (at + i64::from(off), at + i64::from(off) + size as i64 - 1);
        let slot = |byte: i64| u32::try_from((-byte - 1) / 8).ok().filter(|_| byte < 0);
        [first, last].iter().filter_map(|b| slot(*b)).fold(0, |m, s| m | 1u64.checked_shl(s).unwrap_or(0))
    }

    /// Both arms of a conditional jump are explored: what it taught the one that goes on.
    pub(crate) fn log_branch(&mut self) {
        let Some(mut log) = self.log.take() else { return };
        let forked = matches!(self.op(self.prev_pc), Some(Op::Branch { .. }));
        if forked && let Some(due) = log.due.take() {
            let state = self.show_state(&self.cur, due);
            log.state(self.prev_pc, &state);
        }
        self.log = Some(log);
    }

    /// A remembered state covers this one.
    pub(crate) fn log_safe(&mut self) {
        if let Some(log) = &mut self.log {
            log.text += &format!("{}: safe\n", self.pc);
            log.due = None;
        }
    }

    /// A branch that was put aside is taken up.
    pub(crate) fn log_from(&mut self) {
        let Some(mut log) = self.log.take() else { return };
        let state = self.show_state(&self.cur, Shown::ALL);
        log.text += &format!("\nfrom {} to {}:{state}\n", self.prev_pc as i64, self.pc);
        log.line = log.text.len();
        log.depth = self.cur.frames.len();
        log.due = None;
        self.log = Some(log);
    }
}
