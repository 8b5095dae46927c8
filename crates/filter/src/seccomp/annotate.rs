//! What the numbers in a filter mean: machines, calls, arguments, actions.

use skep_abi::{Arch, syscall_name};
use skep_isa::classic::{AluOp, Cond, Insn, Op, Source};

use super::Action;

/// What is known on the way into an instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    /// The word in A, if it is one of the call's; with some bits masked away it still is.
    word: Option<u32>,
    arch: Option<Arch>,
}

/// A remark for each instruction that deserves one.
pub fn annotate(insns: &[Insn]) -> Vec<Option<String>> {
    let mut known: Vec<Option<Known>> = vec![None; insns.len()];
    let mut remarks = Vec::with_capacity(insns.len());
    if let Some(first) = known.first_mut() {
        *first = Some(Known { word: None, arch: None });
    }
    // Jumps go forward, so one pass meets every instruction after all that lead to it.
    for (pc, &insn) in insns.iter().enumerate() {
        let (Some(now), Some(op)) = (known[pc], Op::decode(insn)) else {
            remarks.push(None);
            continue;
        };
        remarks.push(remark(op, now));
        let mut flow = |distance: usize, next: Known| {
            let Some(place) = known.get_mut((pc + 1).saturating_add(distance)) else { return };
            *place = Some(match *place {
                None => next,
                Some(old) => Known {
                    word: old.word.filter(|_| old.word == next.word),
                    arch: old.arch.filter(|_| old.arch == next.arch),
                },
            });
        };
        match op {
            Op::LoadAbs { k, .. } => flow(0, Known { word: Some(k), ..now }),
            Op::Alu { op: AluOp::And, src: Source::K(_) } => flow(0, now),
            Op::Store { .. } | Op::Storex { .. } | Op::Tax | Op::LoadxImm { .. } | Op::LoadxMem { .. } => {
                flow(0, now)
            }
            Op::Jump { k } => flow(k as usize, now),
            Op::Branch { cond, src, jt, jf } => {
                let arch = match (cond, src, now.word) {
                    (Cond::Eq, Source::K(k), Some(4)) => Arch::from_audit(k),
                    _ => None,
                };
                flow(usize::from(jt), Known { arch: arch.or(now.arch), ..now });
                flow(usize::from(jf), now);
            }
            Op::RetK { .. } | Op::RetA => {}
            _ => flow(0, Known { word: None, ..now }),
        }
    }
    remarks
}

fn remark(op: Op, now: Known) -> Option<String> {
    match op {
        Op::LoadAbs { k, .. } => Some(match k {
            0 => "number of the call".into(),
            4 => "architecture".into(),
            8 | 12 => format!("instruction pointer, {} half", if k == 8 { "lower" } else { "upper" }),
            _ => format!("argument {}, {} half", (k - 16) / 8, if k % 8 == 0 { "lower" } else { "upper" }),
        }),
        Op::RetK { k } => Some(Action::from_value(k).to_string()),
        Op::Branch { src: Source::K(k), cond, .. } => match (now.word, cond) {
            (Some(4), Cond::Eq) => Arch::from_audit(k).map(|a| a.name().to_string()),
            (Some(0), Cond::Ge) if k == super::X32 => Some("calls of x32".into()),
            (Some(0), _) => syscall_name(now.arch.unwrap_or(Arch::X86_64), k).map(str::to_string),
            _ => None,
        },
        _ => None,
    }
}
