//! What tc programs answer. A filter answers 0 for no match, -1 for a match, or a class; a program with direct action answers
//! an action. One taken for the other drops nothing, or everything, and nobody says so.
//!
//! Answers are found as constants that reach an `exit` of the first function along some path; others are not guessed.

use std::collections::BTreeSet;

use skep_abi::ProgType;
use skep_isa::Insn;

use super::{Finding, Patient, Severity};

/// `TC_ACT_*`: -1 to 8.
const ACTIONS: std::ops::RangeInclusive<i32> = -1..=8;

/// The constants that a program may answer.
pub(super) fn constants(insns: &[Insn]) -> BTreeSet<i32> {
    let set = |i: &Insn| matches!(i.opcode, 0xb7 | 0xb4) && i.dst == 0;
    let mut out = BTreeSet::new();
    let mut skip = false;
    for (slot, insn) in insns.iter().enumerate() {
        if std::mem::take(&mut skip) {
            continue;
        }
        skip = insn.is_wide();
        if set(insn) && reaches_exit(insns, slot + 1) {
            out.insert(insn.imm);
        }
    }
    out
}

/// Whether r0 as it is at a slot reaches an `exit` unchanged.
fn reaches_exit(insns: &[Insn], from: usize) -> bool {
    const EXIT: u8 = 0x95;
    const CALL: u8 = 0x85;
    let (mut todo, mut seen) = (vec![from], BTreeSet::new());
    while let Some(slot) = todo.pop() {
        let Some(insn) = insns.get(slot).filter(|_| seen.insert(slot)) else { continue };
        let to = |by: i64| usize::try_from(slot as i64 + 1 + by).unwrap_or(usize::MAX);
        match insn.opcode {
            EXIT => return true,
            CALL => {}
            0x05 => todo.push(to(insn.off.into())),
            0x06 => todo.push(to(insn.imm.into())),
            op if matches!(op & 7, 5 | 6) => todo.extend([slot + 1, to(insn.off.into())]),
            op if matches!(op & 7, 0 | 1 | 4 | 7) && insn.dst == 0 => {}
            _ => todo.push(slot + 1 + usize::from(insn.is_wide())),
        }
    }
    false
}

/// Words for a set of numbers.
pub(super) fn spell(numbers: &BTreeSet<i32>) -> String {
    numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(", ")
}

pub(super) fn of_object(patient: &Patient<'_>) -> Vec<Finding> {
    let Some(object) = patient.object else { return Vec::new() };
    let mut out = Vec::new();
    for program in &object.programs {
        match program.prog_type {
            Some(ProgType::SCHED_CLS) => out.extend(judge(&program.name, &constants(&program.insns))),
            Some(ProgType::SCHED_ACT) => out.push(Finding::new(
                "D32",
                Severity::Warning,
                format!("program `{}` is an action: it runs only where a filter leads to it", program.name),
                "its type is sched_act",
                "tc filter add dev IF ... action bpf object-pinned PATH; or make it a tc program with direct action",
            )),
            _ => {}
        }
    }
    out
}

/// What is wrong with the answers of a program that is attached with direct action, as skep and tcx do.
fn judge(name: &str, answers: &BTreeSet<i32>) -> Option<Finding> {
    let odd: BTreeSet<i32> = answers.iter().copied().filter(|a| !ACTIONS.contains(a)).collect();
    if !odd.is_empty() {
        return Some(Finding::new(
            "D30",
            Severity::Warning,
            format!("program `{name}` answers what is no action, as if it were a classifier"),
            format!(
                "it may answer {}; with direct action that is TC_ACT_UNSPEC, and the packet goes on",
                spell(&odd)
            ),
            "answer TC_ACT_OK (0), TC_ACT_SHOT (2), ..., or attach it without direct action, as a classifier",
        ));
    }
    // A classifier's 0 and -1, and nothing that would drop or send a packet.
    let classifier = answers.contains(&-1) && answers.iter().all(|a| matches!(a, 0 | -1));
    (classifier && answers.len() == 2).then(|| {
        Finding::new(
            "D30",
            Severity::Note,
            format!("program `{name}` answers only 0 and -1, which is how a classifier says no and yes"),
            "with direct action these are TC_ACT_OK and TC_ACT_UNSPEC: every packet goes on",
            "answer TC_ACT_SHOT (2) to drop, if that is what was meant",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insn(opcode: u8, dst: u8, off: i16, imm: i32) -> Insn {
        Insn { opcode, dst, src: 0, off, imm }
    }

    #[test]
    fn constants_are_followed_along_jumps() {
        // r0 = 2; if r1 == 0 goto end; r0 = -1; end: exit
        let code = [insn(0xb7, 0, 0, 2), insn(0x15, 1, 1, 0), insn(0xb7, 0, 0, -1), insn(0x95, 0, 0, 0)];
        assert_eq!(constants(&code), BTreeSet::from([-1, 2]));
        // r0 = 7; r0 += 1; exit: no constant is told
        let code = [insn(0xb7, 0, 0, 7), insn(0x07, 0, 0, 1), insn(0x95, 0, 0, 0)];
        assert_eq!(constants(&code), BTreeSet::new());
    }

    #[test]
    fn answers_of_classifiers_are_told() {
        assert!(judge("f", &BTreeSet::from([0, 2])).is_none());
        assert_eq!(judge("f", &BTreeSet::from([0, 0xffff])).map(|f| f.severity), Some(Severity::Warning));
        assert_eq!(judge("f", &BTreeSet::from([0, -1])).map(|f| f.severity), Some(Severity::Note));
    }
}
