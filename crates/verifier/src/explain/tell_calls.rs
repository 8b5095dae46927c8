//! What to say of refused calls, references and locks.

use skep_abi::{Arg, HelperId};
use skep_isa::{CallTarget, Op};

use super::path::Place;
use super::tell::Case;
use super::words::{bytes, helper, number, what};
use crate::state::{HeldKind, Kind};

/// Chooses by the code; what is not known here keeps the kernel's words.
pub(super) fn choose(case: &mut Case<'_>) {
    match case.refusal.code {
        "V0501" => case.wrong_kind(),
        "V0502" | "V0503" => case.size(),
        "V0402" | "V0403" | "V0404" | "V0305" => case.stack_bytes(),
        "V0509" => case.not_for_this(),
        "V0701" => case.unreleased(),
        "V0702" | "V0703" => case.inside_section(),
        "V0704" => case.nothing_held(),
        "V0707" => case.irq_flag(),
        _ => {}
    }
}

/// What an argument must be.
fn wanted(arg: Arg) -> String {
    match arg {
        Arg::Ctx => "the context",
        Arg::CtxOrNull => "the context or null",
        Arg::Map => "a map",
        Arg::Key => "a pointer to a key",
        Arg::Value | Arg::ValueOut => "a pointer to a value",
        Arg::ValueOrNull => "a pointer to a value, or null",
        Arg::Mem | Arg::MemOut | Arg::MemInOut => "a pointer to memory",
        Arg::MemOrNull | Arg::MemOutOrNull => "a pointer to memory, or null",
        Arg::Fixed(n) | Arg::FixedOut(n) | Arg::FixedInOut(n) => {
            return format!("a pointer to {} of memory", bytes(n.into()));
        }
        Arg::Num | Arg::Size | Arg::SizeOrZero | Arg::ReturnedSize => "a number",
        Arg::Str => "a constant string",
        Arg::SockCommon => "a pointer to a socket",
        Arg::SockCommonOrNull => "a pointer to a socket, or null",
        Arg::SpinLock => "a pointer to a struct bpf_spin_lock in a map's value",
        Arg::Timer => "a pointer to a struct bpf_timer in a map's value",
        Arg::Record => "a record of a ring buffer",
        Arg::Callback => "a static function of the program",
        Arg::StackOrNull => "a pointer to the stack, or null",
        _ => "something else",
    }
    .to_owned()
}

impl Case<'_> {
    /// The helper that is called.
    fn helper(&self) -> Option<i32> {
        match self.path.op(self.end)? {
            Op::Call(CallTarget::Helper(id)) => Some(*id),
            _ => None,
        }
    }

    fn wrong_kind(&mut self) {
        let Some(id) = self.helper() else { return };
        let row = u32::try_from(id).ok().and_then(|id| HelperId(id).row());
        let (Some(row), Some(n)) = (row, self.place.reg.checked_sub(1)) else { return };
        let wanted = row.args.get(n).map_or_else(|| "something else".into(), |a| wanted(*a));
        let has = what(self.task, &self.reg);
        self.told.title = format!("argument {} of {} must be {wanted}", n + 1, row.name);
        self.told.label = format!("{} is {has}", self.name());
        if self.reg.maybe_null() {
            self.told.title += ", and this may be null";
        }
        self.told.notes.push(format!("the prototype: {}", row.c));
        self.tell_origin(self.end, self.place);
    }

    fn size(&mut self) {
        let Some(id) = self.helper() else { return };
        let (name, v) = (helper(id), self.reg.val);
        let which = match (self.refusal.code, v.smin < 0) {
            ("V0503", _) => "may be zero",
            (_, true) => "may be negative",
            _ => "has no bound",
        };
        self.told.title = format!("the size given to {name} {which}");
        let memory = Place { reg: self.place.reg.saturating_sub(1), ..self.place };
        let room = self.path.reg(self.end, memory).and_then(|m| room(self.task, m));
        self.told.label = format!("{} may be {}", self.name(), number(&v));
        if let Some(room) = room {
            self.told.label += &format!("; r{} has room for {}", memory.reg, bytes(room));
        }
        self.tell_number(self.end, self.place);
    }

    /// Bytes of the stack that a helper reads, or an access that has no other words.
    fn stack_bytes(&mut self) {
        let (Some(id), true) = (self.helper(), self.reg.kind == Kind::Stack) else { return };
        self.told.title = format!("{} reads stack that was never written", helper(id));
        if let Some(size) = self.figure("size ") {
            self.told.label = format!("reads {} through r{}", bytes(size), self.place.reg);
        }
    }

    fn not_for_this(&mut self) {
        let Some(id) = self.helper() else { return };
        let prog = self.task.prog_type;
        let Some(row) = u32::try_from(id).ok().and_then(|id| HelperId(id).row()) else {
            self.told.title = format!("Linux 6.18 has no helper {id}");
            return;
        };
        self.told.title = format!("{} is not for {prog} programs", row.name);
        self.told.label = "called here".into();
        let users: Vec<&str> = skep_abi::prog_types()
            .iter()
            .filter(|p| p.id.0 != 0 && row.progs.contains(p.id))
            .map(|p| p.name)
            .take(7)
            .collect();
        if !users.is_empty() {
            let more = if users.len() > 6 { ", and others" } else { "" };
            let list = users[..users.len().min(6)].join(", ");
            self.told.notes.push(format!("it is for {list}{more}"));
        }
    }

    /// What is held, and where it was taken.
    fn holder(&self, kind: impl Fn(HeldKind) -> bool) -> Option<usize> {
        let held = self.path.moments[self.end].holds.list.iter().find(|h| kind(h.kind))?;
        (0..=self.end).rev().find(|i| self.path.pc(*i) == held.insn)
    }

    fn unreleased(&mut self) {
        self.told.title = "a reference is not given back on this path".into();
        self.told.label = "the program may end here with it held".into();
        if let Some(at) = self.holder(|k| k == HeldKind::Ref) {
            let by = match self.path.op(at) {
                Some(Op::Call(CallTarget::Helper(id))) => format!("{} acquires it here", helper(*id)),
                _ => "acquired here".into(),
            };
            self.because(at, by);
        }
        self.taken("the path");
    }

    fn nothing_held(&mut self) {
        self.told.label = format!("r{} is {}", self.place.reg.max(1), what(self.task, &self.reg));
    }
}

/// The bytes that memory has from where a register points.
pub(super) fn room(task: &crate::task::Task, r: &crate::state::Reg) -> Option<i64> {
    let at = r.const_offset()?;
    let size = match r.kind {
        Kind::Stack => 0,
        Kind::MapValue => task.maps.get(r.aux as usize)?.1.value_size.into(),
        Kind::Mem => r.aux.into(),
        _ => return None,
    };
    Some(size - at)
}
