//! Global functions: verified once, by the types of their arguments, and trusted at every call.

use std::sync::Arc;

use skep_btf::{Btf, FuncLinkage, Kind as BtfKind, Type, TypeId};

use crate::env::Env;
use crate::refusal::{Refusal, Step, Stop, errno};
use crate::state::{Flags, Frame, Kind, Reg, State};
use crate::structure::Subprog;
use crate::task::Task;

/// What a global function may assume of an argument, and its callers must bring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GlobalArg {
    /// Any number.
    Scalar,
    /// The context.
    Ctx,
    /// Memory of this many bytes.
    Mem { size: u32, nullable: bool },
}

/// The records of functions have to be in order, and name functions.
pub(crate) fn func_records(task: &Task) -> Step {
    let Some(btf) = &task.btf else { return Ok(()) };
    let refuse = |insn: usize, message: String| {
        Err(Stop::Refused(Box::new(Refusal {
            errno: errno::EINVAL,
            code: "V0607",
            insn,
            message,
            reg: None,
        })))
    };
    let mut before = None;
    for (insn, id) in &task.func_info {
        match before {
            None if *insn != 0 => {
                return refuse(*insn, format!("nonzero insn_off {insn} for the first func info record"));
            }
            Some(b) if *insn <= b => {
                let m = format!("same or smaller insn offset ({insn}) than previous func info record ({b})");
                return refuse(*insn, m);
            }
            _ => {}
        }
        if btf.ty(*id).is_none_or(|t| t.kind() != BtfKind::Func) {
            return refuse(*insn, format!("invalid type id {} in func info", id.0));
        }
        before = Some(*insn);
    }
    Ok(())
}

/// Where there are records of functions, there is one of each.
pub(crate) fn all_recorded(task: &Task, subprogs: &[Subprog]) -> Step {
    let refuse = |insn: usize, message: &str| {
        let (errno, message) = (errno::EINVAL, message.into());
        Err(Stop::Refused(Box::new(Refusal { errno, code: "V0607", insn, message, reg: None })))
    };
    if task.btf.is_none() || task.func_info.is_empty() {
        return Ok(());
    }
    if task.func_info.len() != subprogs.len() {
        return refuse(0, "number of funcs in func_info doesn't match number of subprogs");
    }
    match task.func_info.iter().zip(subprogs).find(|((insn, _), s)| *insn != s.start) {
        Some((_, s)) => refuse(s.start, "func_info BTF section doesn't match subprog layout in BPF program"),
        None => Ok(()),
    }
}

/// Fills in what the program's BTF says of its functions.
pub(crate) fn name_subprogs(task: &Task, subprogs: &mut [Subprog]) {
    let Some(btf) = &task.btf else { return };
    for (insn, id) in &task.func_info {
        let Some(i) = subprogs.iter().position(|s| s.start == *insn) else { continue };
        let Some(func) = btf.ty(*id) else { continue };
        subprogs[i].name = func.name().to_owned();
        subprogs[i].global = i > 0 && func.func_linkage() == Some(FuncLinkage::Global);
        subprogs[i].returns_scalar = func
            .target()
            .and_then(|proto| btf.ty(proto))
            .and_then(|proto| proto.target())
            .and_then(|ret| btf.resolve(ret).ok())
            .is_some_and(is_number);
    }
}

fn is_number(t: Type<'_>) -> bool {
    matches!(t.kind(), BtfKind::Int | BtfKind::Enum | BtfKind::Enum64)
}

fn type_id(task: &Task, s: &Subprog) -> Option<(Arc<Btf>, TypeId)> {
    let btf = task.btf.clone()?;
    let (_, id) = task.func_info.iter().find(|(insn, _)| *insn == s.start)?;
    Some((btf, *id))
}

fn tags(btf: &Btf, func: TypeId, arg: usize) -> impl Iterator<Item = &str> {
    btf.types()
        .filter(move |t| t.kind() == BtfKind::DeclTag && t.target() == Some(func))
        .filter(move |t| t.component() == i32::try_from(arg).ok())
        .map(|t| t.name())
}

impl Env<'_> {
    /// The arguments of a global function, or why it can't be one.
    pub(crate) fn global_args(&self, subprog: usize) -> Step<Vec<GlobalArg>> {
        let s = &self.subprogs[subprog];
        let refuse = |m: String| Err(self.refuse(errno::EINVAL, "V0604", m));
        let Some((btf, id)) = type_id(self.task, s) else { return refuse("missing btf func_info".into()) };
        let proto = btf.ty(id).and_then(|f| f.target()).and_then(|p| btf.ty(p));
        let Some(proto) = proto else { return refuse(format!("Invalid BTF of func {}", s.name)) };
        let n = proto.params().len();
        if n > 5 {
            return refuse(format!("Global function {}() with {n} > 5 args. Buggy compiler.", s.name));
        }
        if !s.returns_scalar {
            return refuse(format!(
                "Global function {}() doesn't return scalar. Only those are supported.",
                s.name
            ));
        }
        proto.params().enumerate().map(|(i, p)| self.global_arg(&btf, id, i, p.ty, &s.name)).collect()
    }

    fn global_arg(&self, btf: &Btf, func: TypeId, i: usize, ty: TypeId, name: &str) -> Step<GlobalArg> {
        let refuse = |m: String| Err(self.refuse(errno::EINVAL, "V0604", m));
        let (mut ctx, mut nonnull, mut tagged) = (false, false, false);
        for tag in tags(btf, func, i).filter_map(|t| t.strip_prefix("arg:")) {
            tagged = true;
            match tag {
                "ctx" => ctx = true,
                "nonnull" => nonnull = true,
                other => return Err(Stop::NotModelled(format!("argument tag {other}"))),
            }
        }
        let Ok(t) = btf.resolve(ty) else { return refuse(format!("arg#{i} has no type")) };
        if t.kind() != BtfKind::Ptr {
            if tagged {
                return refuse(format!("arg#{i} has pointer tag, but is not a pointer type"));
            }
            if is_number(t) {
                return Ok(GlobalArg::Scalar);
            }
            return refuse(format!(
                "Arg#{i} type {} in {name}() is not supported yet.",
                t.kind().to_string().to_uppercase()
            ));
        }
        let pointee = t.target().unwrap_or(TypeId(0));
        if ctx || self.is_context(btf, pointee) {
            return Ok(GlobalArg::Ctx);
        }
        let target = btf.resolve(pointee).ok();
        match target.map(|t| (t, btf.size_of(t.id()))) {
            Some((t, _)) if matches!(t.name(), "bpf_dynptr") => {
                Err(Stop::NotModelled("dynptr argument".into()))
            }
            Some((t, Ok(size))) if t.kind() != BtfKind::Void => {
                Ok(GlobalArg::Mem { size, nullable: !nonnull })
            }
            Some((t, _)) => refuse(format!(
                "arg#{i} reference type('{} {}') size cannot be determined: -22",
                if t.kind() == BtfKind::Void {
                    "UNKNOWN".into()
                } else {
                    t.kind().to_string().to_uppercase()
                },
                t.name()
            )),
            None => refuse(format!("arg#{i} has no type")),
        }
    }

    /// Whether a pointer's target is this program type's context.
    fn is_context(&self, btf: &Btf, pointee: TypeId) -> bool {
        let Some(name) = self.task.prog_type.row().map(|r| r.context) else { return false };
        let mut id = pointee;
        for _ in 0..32 {
            let Some(t) = btf.ty(id) else { return false };
            if t.name() == name || name == "bpf_user_pt_regs_t" && t.name() == "pt_regs" {
                return true;
            }
            match (t.kind(), t.target()) {
                (BtfKind::Typedef | BtfKind::Const | BtfKind::Volatile | BtfKind::Restrict, Some(next)) => {
                    id = next;
                }
                _ => return false,
            }
        }
        false
    }

    /// A call of a global function: its arguments fit its types, and it gives a number.
    pub(crate) fn call_global(&mut self, subprog: usize) -> Step {
        let name = self.subprogs[subprog].name.clone();
        let args = self.global_args(subprog)?;
        for (i, arg) in args.iter().enumerate() {
            if let Err(stop) = self.pass(i, *arg) {
                return Err(match stop {
                    Stop::Refused(mut r) => {
                        r.message += &format!("\nCaller passes invalid args into func#{subprog} ('{name}')");
                        Stop::Refused(r)
                    }
                    other => other,
                });
            }
        }
        let s = &self.subprogs[subprog];
        let h = &self.cur.holds;
        if s.might_sleep && (h.rcu > 0 || h.preempt > 0 || h.irq().is_some() || !self.cur.sleepable) {
            let m = "global functions that may sleep are not allowed in non-sleepable context,\ni.e., in a RCU/IRQ/preempt-disabled section, or in\na non-sleepable BPF program context";
            return Err(self.refuse(errno::EINVAL, "V0511", m));
        }
        if s.changes_packet {
            self.forget_packet_pointers();
        }
        self.log_line(format_args!("Func#{subprog} ('{name}') is global and assumed valid."));
        self.subprogs[subprog].called = true;
        self.clear_caller_saved();
        self.set_unknown(0);
        Ok(())
    }

    fn pass(&mut self, i: usize, arg: GlobalArg) -> Step {
        let reg = i + 1;
        let r = *self.cur.reg(reg);
        let refuse = |env: &Self, m: String| Err(env.refuse(errno::EINVAL, "V0605", m));
        match arg {
            GlobalArg::Scalar if !r.is_scalar() => refuse(self, format!("R{reg} is not a scalar")),
            GlobalArg::Scalar => Ok(()),
            GlobalArg::Ctx => {
                if r.kind != Kind::Ctx {
                    return refuse(self, format!("arg#{i} expects pointer to ctx"));
                }
                self.unmodified(reg)
            }
            GlobalArg::Mem { size, nullable } => {
                // Linux 6.18 takes a constant null also where an argument is told not to be null. The verdict follows it;
                // where facts are wanted, what the verdict says has to hold.
                if r.is_null() && (nullable || self.recorder.is_none()) {
                    return Ok(());
                }
                if r.maybe_null() && !nullable {
                    return refuse(self, format!("arg#{i} is expected to be non-NULL"));
                }
                self.memory_at_start(reg, &r)?;
                // Null is the callee's matter: memory is judged as if it were there.
                self.cur.reg_mut(reg).flags = r.flags.without(Flags::NULL);
                let checked = self
                    .memory_argument(reg, size.into(), false, false, None)
                    .and_then(|()| self.memory_argument(reg, size.into(), true, false, None));
                self.cur.reg_mut(reg).flags = r.flags;
                checked.map_err(|stop| match stop {
                    Stop::Refused(mut refusal) => {
                        refusal.errno = errno::EINVAL;
                        Stop::Refused(refusal)
                    }
                    other => other,
                })
            }
        }
    }

    /// The state at a global function's entry.
    pub(crate) fn global_entry(&mut self, subprog: usize) -> Step<State> {
        let args = self.global_args(subprog)?;
        let mut frame = Frame::new(usize::MAX, 0, subprog);
        for (i, arg) in args.iter().enumerate() {
            frame.regs[i + 1] = match arg {
                GlobalArg::Scalar => Reg { precise: !self.rights.bpf, ..Reg::UNKNOWN },
                GlobalArg::Ctx => Reg::pointer(Kind::Ctx, Flags::NONE),
                GlobalArg::Mem { size, nullable } => {
                    let flags = if *nullable { Flags::NULL } else { Flags::NONE };
                    let id = if *nullable { self.new_id() } else { 0 };
                    Reg { aux: *size, id, ..Reg::pointer(Kind::Mem, flags) }
                }
            };
        }
        Ok(State::new(frame, self.task.is_sleepable()))
    }
}
