//! Inserting instructions into a program: jumps, calls and function infos are moved along.

use skep_isa::{Insn, Op, decode};

use crate::task::Task;

/// Where a slot is after `n` slots were put before slot `at`. What jumped to `at` jumps to what was inserted.
fn target(slot: i64, at: i64, n: i64) -> i64 {
    if slot <= at { slot } else { slot + n }
}

/// The task with instructions inserted before slot `at`; nothing if a jump gets too long.
pub(super) fn insert(task: &Task, at: usize, new: &[Insn]) -> Option<Task> {
    let (at_, n) = (at as i64, new.len() as i64);
    let mut insns = Vec::with_capacity(task.insns.len() + new.len());
    let mut wide = false;
    for (i, insn) in task.insns.iter().enumerate() {
        if i == at {
            insns.extend_from_slice(new);
        }
        let second = std::mem::take(&mut wide);
        wide = !second && insn.is_wide();
        insns.push(if second { *insn } else { moved(*insn, &task.insns, i, at_, n)? });
    }
    let func_info =
        task.func_info.iter().map(|(slot, id)| (target(*slot as i64, at_, n) as usize, *id)).collect();
    Some(Task { insns, func_info, ..task.clone() })
}

/// An instruction at slot `i` with its distance mended.
fn moved(mut insn: Insn, all: &[Insn], i: usize, at: i64, n: i64) -> Option<Insn> {
    let Ok(op) = decode(all, i) else { return Some(insn) };
    let from = i as i64;
    let now = if from < at { from } else { from + n };
    let mend = |distance: i64| target(from + 1 + distance, at, n) - now - 1;
    match op {
        Op::Jump { off, .. } => {
            let d = mend(off.into());
            // The long form has its distance in the immediate.
            if insn.opcode == 0x06 {
                insn.imm = i32::try_from(d).ok()?;
            } else {
                insn.off = i16::try_from(d).ok()?;
            }
        }
        Op::Branch { off, .. } | Op::MayGoto { off } => insn.off = i16::try_from(mend(off.into())).ok()?,
        Op::Call(skep_isa::CallTarget::Subprog(off)) => insn.imm = i32::try_from(mend(off.into())).ok()?,
        Op::LoadImm { source: skep_isa::ImmSource::Func, .. } => {
            insn.imm = i32::try_from(mend(insn.imm.into())).ok()?;
        }
        _ => {}
    }
    Some(insn)
}
