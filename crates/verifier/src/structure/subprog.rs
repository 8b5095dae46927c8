//! Where subprograms begin and end, and that no jump leaves one.

use skep_isa::{CallTarget, ImmSource, Op};

use super::{Slot, target};
use crate::refusal::{Refusal, errno};

/// One function of the program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subprog {
    /// First slot.
    pub(crate) start: usize,
    /// One past the last slot.
    pub(crate) end: usize,
    /// Deepest byte of stack that any path touches.
    pub(crate) stack_depth: usize,
    /// Name, where BTF has it.
    pub(crate) name: String,
    /// A function with external linkage: verified by itself.
    pub(crate) global: bool,
    /// A global one that was called, or called from one that was.
    pub(crate) called: bool,
    /// Calls a helper that may move the packet.
    pub(crate) changes_packet: bool,
    /// May sleep.
    pub(crate) might_sleep: bool,
    /// Contains tail calls.
    pub(crate) tail_call: bool,
    /// Runs as an asynchronous callback.
    pub(crate) is_async: bool,
    /// Its BTF says that it returns a number.
    pub(crate) returns_scalar: bool,
    /// Contains LD_ABS or LD_IND.
    pub(crate) has_ld_abs: bool,
}

/// Index of the subprogram that contains a slot.
pub(crate) fn find(subprogs: &[Subprog], insn: usize) -> usize {
    subprogs.partition_point(|s| s.start <= insn) - 1
}

fn refuse(insn: usize, code: &'static str, message: String) -> Box<Refusal> {
    Box::new(Refusal { errno: errno::EINVAL, code, insn, message, reg: None })
}

/// Most functions of a program.
const MAX_SUBPROGS: usize = 256;

/// Splits the program at the targets of calls and function addresses.
pub(crate) fn split(slots: &[Slot]) -> Result<Vec<Subprog>, Box<Refusal>> {
    let mut starts = vec![0];
    for (i, slot) in slots.iter().enumerate() {
        let imm = match slot.flow() {
            Some(Op::Call(CallTarget::Subprog(imm))) => *imm,
            Some(Op::LoadImm { source: ImmSource::Func, imm, .. }) => *imm as i32,
            _ => continue,
        };
        let t = target(i, imm);
        if t >= slots.len() {
            let shown = i as i64 + 1 + i64::from(imm);
            return Err(refuse(i, "V0104", format!("call to invalid destination {shown}")));
        }
        starts.push(t);
    }
    starts.sort_unstable();
    starts.dedup();
    if starts.len() > MAX_SUBPROGS {
        let m = "too many subprograms".into();
        return Err(Box::new(Refusal {
            errno: errno::E2BIG,
            code: "V0113",
            insn: starts[MAX_SUBPROGS],
            message: m,
            reg: None,
        }));
    }
    let mut subprogs: Vec<Subprog> =
        starts.iter().map(|s| Subprog { start: *s, ..Subprog::default() }).collect();
    let ends = starts.iter().skip(1).copied().chain([slots.len()]);
    for (s, end) in subprogs.iter_mut().zip(ends) {
        s.end = end;
    }
    for s in &mut subprogs {
        check_one(slots, s)?;
    }
    Ok(subprogs)
}

fn check_one(slots: &[Slot], s: &mut Subprog) -> Result<(), Box<Refusal>> {
    for (i, slot) in slots.iter().enumerate().take(s.end).skip(s.start) {
        let off = match slot.flow() {
            Some(Op::Jump { off, .. }) => *off,
            Some(Op::Branch { off, .. } | Op::MayGoto { off }) => i32::from(*off),
            Some(Op::LoadAbs { .. } | Op::LoadInd { .. }) => {
                s.has_ld_abs = true;
                continue;
            }
            Some(Op::Call(CallTarget::Helper(12))) => {
                s.tail_call = true;
                continue;
            }
            _ => continue,
        };
        let t = i as i64 + 1 + i64::from(off);
        if t < s.start as i64 || t >= s.end as i64 {
            return Err(refuse(i, "V0102", format!("jump out of range from insn {i} to {t}")));
        }
    }
    match slots[s.end - 1].flow() {
        Some(Op::Exit | Op::Jump { .. }) => Ok(()),
        _ => Err(refuse(s.end - 1, "V0103", "last insn is not an exit or jmp".into())),
    }
}
