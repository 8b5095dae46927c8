//! The guard that rows of isa and abi are touched by the corpus, or say here why not.

use std::collections::BTreeSet;

use skep_abi::{HelperId, MapType};
use skep_isa::{CallTarget, Op, ROWS, decode_all, row_at};
use skep_tests::corpus::{self, Case};

/// Operations that no file uses, with the reason.
const NO_FILE_FOR_ROW: &[(&str, &str)] = &[];

/// Map types that the userspace world makes and no file uses, with the reason.
const NO_FILE_FOR_MAP: &[(MapType, &str)] = &[];

/// Helpers that the userspace world serves and no file calls, with the reason.
const NO_FILE_FOR_HELPER: &[(HelperId, &str)] = &[];

/// Codes of refusals that no file has, with the reason.
const NO_FILE_FOR_CODE: &[(&str, &str)] = &[
    ("V0106", UNPRIVILEGED),
    ("V0110", "the assembler makes no such bytes"),
    ("V0113", "an empty file is no program"),
    ("V0205", UNPRIVILEGED),
    ("V0209", UNPRIVILEGED),
    ("V0304", UNPRIVILEGED),
    ("V0306", UNPRIVILEGED),
    ("V0307", UNPRIVILEGED),
    ("V0409", TYPES),
    ("V0411", TYPES),
    ("V0507", TYPES),
    ("V0602", TYPES),
    ("V0603", TYPES),
    ("V0604", TYPES),
    ("V0605", TYPES),
    ("V0703", TYPES),
    ("V0802", UNPRIVILEGED),
    ("V0805", UNPRIVILEGED),
    ("V0806", UNPRIVILEGED),
];
const UNPRIVILEGED: &str =
    "only programs of those without CAP_PERFMON are refused so, and the corpus is loaded by root";
const TYPES: &str = "it takes type information (functions, locks, timers), which texts have not";

fn cases() -> Vec<Case> {
    let files = corpus::files().expect("the corpus can be listed");
    files
        .iter()
        .map(|(name, path)| Case::read(name, path).unwrap_or_else(|e| panic!("{name}: {e}")))
        .collect()
}

#[test]
fn every_operation_has_a_file() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        let insns = &case.program.assembly.insns;
        for (slot, _) in decode_all(insns).unwrap_or_else(|e| panic!("{}: {e}", case.name)) {
            seen.insert(row_at(insns, slot).unwrap().name);
        }
    }
    compare("operation", ROWS.iter().map(|row| row.name), &seen, NO_FILE_FOR_ROW);
}

#[test]
fn every_map_type_of_the_userspace_world_has_a_file() {
    let seen: BTreeSet<MapType> =
        cases().iter().flat_map(|c| c.header.maps.iter().map(|m| m.map_type)).collect();
    compare("map type", skep_runtime::map_types(), &seen, NO_FILE_FOR_MAP);
}

#[test]
fn every_helper_of_the_userspace_world_has_a_file() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        for (_, op) in decode_all(&case.program.assembly.insns).unwrap() {
            if let Op::Call(CallTarget::Helper(id)) = op {
                seen.insert(HelperId(id as u32));
            }
        }
    }
    compare("helper", skep_runtime::helpers(), &seen, NO_FILE_FOR_HELPER);
}

#[test]
fn every_code_of_the_verifier_has_a_file() {
    let cases = cases();
    let marks = cases.iter().flat_map(|c| &c.program.marks);
    let seen: BTreeSet<&str> = marks.map(|m| m.what.as_str()).filter(|w| w.starts_with('V')).collect();
    compare("code", skep::verifier::codes().map(|c| c.id), &seen, NO_FILE_FOR_CODE);
}

/// Fails with what is neither seen nor excused, and with excuses that are no longer needed.
fn compare<T: Ord + Copy + std::fmt::Debug>(
    what: &str,
    all: impl Iterator<Item = T>,
    seen: &BTreeSet<T>,
    excused: &[(T, &str)],
) {
    let excuse = |row: &T| excused.iter().any(|(name, _)| name == row);
    let missing: Vec<T> = all.filter(|row| !seen.contains(row) && !excuse(row)).collect();
    assert!(missing.is_empty(), "no corpus file for {what} {missing:?}");
    let stale: Vec<&T> = excused.iter().map(|(row, _)| row).filter(|row| seen.contains(row)).collect();
    assert!(stale.is_empty(), "there is a corpus file for {what} {stale:?}, whose excuse can go");
}
