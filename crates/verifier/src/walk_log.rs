//! The log of a walk as BPF_PROG_LOAD writes it: each instruction, and behind it what it used and changed. At level 1 what a
//! path wrote is taken back when it ends well, so that only the path that is refused is left; level 2 keeps everything.
//!
//! What an instruction changed is printed when the walk comes to the next one: on the line of the first, if nothing was
//! written since, else on a line of its own. So what a path ends with is not printed. The whole state is printed where a path
//! is taken up, and at calls and returns. The kernel also tells there of the liveness of the stack; that is left out.

use std::collections::BTreeMap;
use std::fmt::Write;

use skep_abi::HelperId;
use skep_isa::disasm::{Disassembler, Style};
use skep_isa::{AtomicOp, ImmSource, Insn, Names, Op, Operand};

use crate::env::{Counts, Env};
use crate::refusal::Stop;
use crate::state::State;
use crate::task::Task;

/// Column behind which states stand, and the step that longer lines are rounded to.
const COLUMN: usize = 40;
const STEP: usize = 8;

/// What the log writes of lines of source, by the slot at which each begins: `text @ file:line`.
pub type SourceLines = BTreeMap<usize, String>;

/// Names of helpers and of kernel functions.
struct Callees<'t>(&'t Task);

impl Names for Callees<'_> {
    fn helper_name(&self, id: i32) -> Option<&str> {
        HelperId(u32::try_from(id).ok()?).name()
    }

    fn kfunc_name(&self, btf_id: i32, _: i16) -> Option<&str> {
        crate::rows::calls::kfunc_name(self.0, btf_id)
    }
}

/// What is printed of a state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) regs: u16,
    pub(crate) slots: u64,
}

impl Shown {
    /// Everything.
    pub(crate) const ALL: Self = Self { regs: !0, slots: !0 };
    /// Nothing.
    const NONE: Self = Self { regs: 0, slots: 0 };
}

/// How much is logged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogLevel {
    /// The path that is refused: `BPF_LOG_LEVEL1`.
    Brief,
    /// Every path, what is known before the walk, and what is found precise: `BPF_LOG_LEVEL2`.
    Full,
}

/// The text so far.
pub(crate) struct WalkLog {
    level: LogLevel,
    /// What stands behind the reason of a refusal.
    tail: String,
    text: String,
    /// Where the line of the last instruction begins, and where it ends.
    line: (usize, usize),
    /// What was used or changed, and is not printed yet.
    due: Shown,
    /// A path is taken up that comes from this instruction.
    from: Option<usize>,
    source: SourceLines,
    /// The line of source that was printed last.
    last_source: String,
    /// Instructions with the addresses of maps left out.
    insns: Vec<Insn>,
}

impl WalkLog {
    pub(crate) fn new(level: LogLevel, source: SourceLines) -> Self {
        Self {
            level,
            tail: String::new(),
            text: String::new(),
            line: (0, 0),
            due: Shown::ALL,
            from: None,
            source,
            last_source: String::new(),
            insns: Vec::new(),
        }
    }

    /// The text, ended by the reason of a refusal and the figures.
    pub(crate) fn finish(mut self, reason: Option<&str>, counts: &Counts) -> String {
        if let Some(reason) = reason {
            self.write(format_args!("{reason}"));
            self.text += &self.tail;
        }
        self.write(format_args!(
            "processed {} insns (limit 1000000) max_states_per_insn {} total_states {} peak_states {} mark_read 0",
            counts.insns, counts.max_states_per_insn, counts.total_states, counts.peak_states
        ));
        self.text
    }

    /// A line.
    pub(crate) fn write(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{line}");
    }

    /// Puts a state behind the last instruction's line, or on one of its own.
    fn state(&mut self, pc: usize, state: &str) {
        let (begin, end) = self.line;
        if end != 0 && end == self.text.len() {
            self.text.pop();
            let to = (end - begin + STEP / 2).max(COLUMN).next_multiple_of(STEP);
            self.text.push_str(&" ".repeat(to - (end - begin) - 1));
            self.text.push(';');
        } else {
            let _ = write!(self.text, "{pc}:");
        }
        self.text += state;
        self.text.push('\n');
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
        Op::Atomic { op: AtomicOp::Cmpxchg, dst, src, .. } => one(*dst) | one(*src) | 1,
        Op::Movsx { dst, src, .. }
        | Op::Load { dst, src, .. }
        | Op::LoadAcquire { dst, src, .. }
        | Op::AddrSpaceCast { dst, src, .. }
        | Op::StoreRelease { dst, src, .. }
        | Op::Atomic { dst, src, .. } => one(*dst) | one(*src),
        Op::Neg { dst, .. } | Op::Swap { dst, .. } | Op::LoadImm { dst, .. } => one(*dst),
        Op::Call(_) => 0x3f,
        Op::LoadAbs { .. } => 0x7f,
        Op::LoadInd { src, .. } => 0x7f | one(*src),
        _ => 0,
    }
}

impl Env<'_> {
    /// Writes a line, if there is a log.
    pub(crate) fn log_line(&mut self, line: std::fmt::Arguments<'_>) {
        if let Some(log) = &mut self.log {
            log.write(line);
        }
    }

    /// Whether there is a log of everything.
    pub(crate) fn logs_all(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.level == LogLevel::Full)
    }

    /// Where the log ends.
    pub(crate) fn log_end(&self) -> usize {
        self.log.as_ref().map_or(0, |log| log.text.len())
    }

    /// Two states that are found to be the same, behind the reason of the refusal.
    pub(crate) fn log_same(&mut self, new: &State, old: &State) {
        let Some(mut log) = self.log.take() else { return };
        let states = [("cur", new), ("old", old)].map(|(name, s)| {
            let shown = self.show_state(s, Shown::ALL);
            format!("{name} state:{shown}\n")
        });
        log.tail = states.concat();
        self.log = Some(log);
    }

    /// What is known before the walk: functions, and the registers that are live.
    pub(crate) fn log_start(&mut self) {
        let Some(mut log) = self.log.take() else { return };
        log.insns = self.task.insns.clone();
        for at in 0..self.slots.len() {
            let Some(Op::LoadImm { source, .. }) = self.op(at) else { continue };
            if !matches!(source, ImmSource::Value | ImmSource::Func) {
                log.insns.iter_mut().skip(at).take(2).for_each(|i| i.imm = 0);
            }
        }
        if log.level == LogLevel::Brief {
            self.log = Some(log);
            return;
        }
        for (n, s) in self.subprogs.iter().enumerate() {
            log.write(format_args!("func#{n} @{}", s.start));
        }
        log.write(format_args!("Live regs before insn:"));
        for (i, aux) in self.aux.iter().enumerate().filter(|(i, _)| self.op(*i).is_some()) {
            let scc = if aux.scc == 0 { "    ".into() } else { format!("{:3} ", aux.scc) };
            let regs: String =
                (0..10).map(|r| if aux.live >> r & 1 == 1 { (b'0' + r) as char } else { '.' }).collect();
            let insn = self.printed(&log.insns, i);
            log.write(format_args!("{scc}{i:3}: {regs} {insn}"));
        }
        self.log = Some(log);
    }

    /// What the types say of the program's own arguments is looked at, and decides nothing.
    pub(crate) fn log_own_args(&mut self) {
        let func = self.task.func_info.first().and_then(|(_, id)| self.task.btf.as_ref()?.ty(*id));
        if self.log.is_some()
            && func.is_some_and(|f| f.func_linkage() == Some(skep_btf::FuncLinkage::Global))
            && let Err(Stop::Refused(r)) = self.global_args(0)
        {
            self.log_line(format_args!("{}", r.message));
        }
    }

    /// An instruction as the log has it.
    fn printed(&self, insns: &[Insn], pc: usize) -> String {
        let names = Callees(self.task);
        let printer = Disassembler::new(Style::Kernel).names(&names);
        printer.log(true).insn(insns, pc).unwrap_or_else(|e| e.to_string())
    }

    /// The same, while a log is kept.
    pub(crate) fn printed_insn(&self, pc: usize) -> String {
        self.log.as_ref().map_or_else(String::new, |log| self.printed(&log.insns, pc))
    }

    /// The function that starts at the program counter is verified by itself.
    pub(crate) fn log_global(&mut self, subprog: usize) {
        let Some(mut log) = self.log.take() else { return };
        log.due = Shown::ALL;
        log.from = None;
        log.write(format_args!("Validating {}() func#{subprog}...", self.subprogs[subprog].name));
        self.log = Some(log);
    }

    /// An instruction is about to be checked.
    pub(crate) fn log_insn(&mut self) {
        let Some(mut log) = self.log.take() else { return };
        let pc = self.pc;
        if let Some(from) = log.from.take_if(|_| log.level == LogLevel::Full) {
            let state = self.show_state(&self.cur, Shown::ALL);
            let guess = if self.cur.speculative { " (speculative execution)" } else { "" };
            log.write(format_args!("\nfrom {} to {pc}{guess}:{state}", from as i64));
        }
        if log.due != Shown::NONE {
            let state = self.show_state(&self.cur, log.due);
            log.state(pc, &state);
        }
        let source = log.source.range(..=pc).next_back().map(|(_, text)| text.clone());
        if let Some(text) = source.filter(|s| *s != log.last_source) {
            log.write(format_args!("; {text}"));
            log.last_source = text;
        }
        let begin = log.text.len();
        let insn = self.printed(&log.insns, pc);
        log.write(format_args!("{pc}: {insn}"));
        log.line = (begin, log.text.len());
        let regs = self.op(pc).map_or(0, used);
        log.due = Shown { regs, slots: 0 };
        self.log = Some(log);
    }

    /// The instruction touches these slots.
    pub(crate) fn log_slots(&mut self, mask: u64) {
        if let Some(log) = &mut self.log {
            log.due.slots |= mask;
        }
    }

    /// A conditional jump: what it taught the arm that goes on.
    pub(crate) fn log_branch(&mut self) {
        if !matches!(self.op(self.prev_pc), Some(Op::Branch { .. })) {
            return;
        }
        let Some(mut log) = self.log.take() else { return };
        let due = std::mem::replace(&mut log.due, Shown::NONE);
        let state = self.show_state(&self.cur, due);
        log.state(self.prev_pc, &state);
        self.log = Some(log);
    }

    /// A remembered state covers this one.
    pub(crate) fn log_safe(&mut self) {
        let pc = self.pc;
        let Some(log) = &mut self.log else { return };
        match log.from.take() {
            Some(from) => log.write(format_args!("\nfrom {} to {pc}: safe", from as i64)),
            None => log.write(format_args!("{pc}: safe")),
        }
    }

    /// A branch that was put aside, when the log ended there, is taken up.
    pub(crate) fn log_from(&mut self, end: usize) {
        let from = self.prev_pc;
        if let Some(log) = &mut self.log {
            if log.level == LogLevel::Brief {
                log.text.truncate(end);
            }
            log.from = Some(from);
            log.due = Shown::ALL;
        }
    }

    /// Another frame was set up: all of the state counts as changed.
    pub(crate) fn log_frame(&mut self) {
        if let Some(log) = &mut self.log {
            log.due = Shown::ALL;
        }
    }

    /// A function was entered: the two frames on top.
    pub(crate) fn log_enter(&mut self) {
        let Some(mut log) = self.log.take() else { return };
        let callee = self.cur.cur();
        log.write(format_args!("caller:\n{}", self.show_frame_of(&self.cur, callee - 1, Shown::ALL)));
        log.write(format_args!("callee:\n{}", self.show_frame_of(&self.cur, callee, Shown::ALL)));
        log.due = Shown::ALL;
        self.log = Some(log);
    }

    /// The running function is about to be left for `to`, with `result` in its caller's r0.
    pub(crate) fn log_leave(&mut self, to: usize, result: Option<crate::state::Reg>) {
        let Some(mut log) = self.log.take() else { return };
        let callee = self.cur.cur();
        let mut state: State = self.cur.clone();
        if let Some(r0) = result {
            state.frame_mut(callee - 1).regs[0] = r0;
        }
        log.write(format_args!("returning from callee:\n{}", self.show_frame_of(&state, callee, Shown::ALL)));
        log.write(format_args!("to caller at {to}:\n{}", self.show_frame_of(&state, callee - 1, Shown::ALL)));
        self.log = Some(log);
    }

    /// An exit has left the function: the state is printed again where the caller goes on.
    pub(crate) fn log_return(&mut self) {
        let pc = self.pc;
        if let Some(log) = &mut self.log {
            log.from = Some(pc);
        }
    }
}
