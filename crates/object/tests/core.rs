//! CO-RE of whole programs: what is patched, what is poisoned, and that the reason can be found again from the slot.

use std::path::Path;

use skep_btf::core::{POISON, Solver};
use skep_object::core::{Outcome, relocate, relocate_with};
use skep_object::{CoreReloc, Spec};

fn read(name: &str) -> Spec {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/objects").join(name);
    Spec::from_elf(&std::fs::read(&path).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn every_record_is_answered_once() {
    let target = read("core_target.o").btf.unwrap();
    for name in ["core_fields.o", "core_types.o", "core_enums.o"] {
        let spec = read(name);
        let local = spec.btf.as_ref().unwrap();
        let mut solver = Solver::new(local, &target);
        for program in &spec.programs {
            let mut patched = program.clone();
            let report = relocate_with(&mut patched, &mut solver);
            assert_eq!(report.failures().count(), 0, "{name} {}", program.name);
            let relocs: Vec<&CoreReloc> = report.entries.iter().map(|e| &e.reloc).collect();
            assert_eq!(relocs, program.core_relocs.iter().collect::<Vec<_>>());
            assert_eq!(report.patched() + patched.poisoned.len(), relocs.len());
            assert!(patched.core_relocs.is_empty());
            for (entry, at) in report.entries.iter().map(|e| (e, e.reloc.insn)) {
                assert_eq!(entry.before, program.insns[at]);
                let poisoned = matches!(entry.outcome, Outcome::Poisoned(_));
                assert_eq!(patched.insns[at].imm == POISON && patched.insns[at].opcode == 0x85, poisoned);
            }
            // Nothing else moves.
            let touched: Vec<usize> = relocs.iter().map(|r| r.insn).collect();
            for (at, (before, after)) in program.insns.iter().zip(&patched.insns).enumerate() {
                let second = at > 0 && touched.contains(&(at - 1)) && program.insns[at - 1].is_wide();
                assert!(before == after || touched.contains(&at) || second, "{name} {} {at}", program.name);
            }
        }
    }
}

#[test]
fn a_poisoned_place_knows_the_field_and_the_type() {
    let target = read("core_target.o").btf.unwrap();
    let mut spec = read("core_fields.o");
    let local = spec.btf.take().unwrap();
    let mut reasons = Vec::new();
    for program in &mut spec.programs {
        relocate(program, &local, &target);
        reasons.extend(program.poisoned.iter().map(|p| p.why.clone()));
        assert!(program.poisoned.windows(2).all(|w| w[0].insn < w[1].insn));
    }
    assert!(reasons.iter().any(|why| why.contains("task_struct.no_such_field")), "{reasons:#?}");
}

#[test]
fn a_wrong_record_fails_alone() {
    let target = read("core_target.o").btf.unwrap();
    let mut spec = read("core_fields.o");
    let local = spec.btf.take().unwrap();
    let program = &mut spec.programs[0];
    let records = program.core_relocs.len();
    program.core_relocs[0].kind = 13;
    let at = program.core_relocs[0].insn;
    let report = relocate(program, &local, &target);
    let failures: Vec<_> = report.failures().map(|(r, why)| (r.insn, why.to_owned())).collect();
    assert_eq!(failures, [(at, "relocation kind 13 is not known, only 0 to 12".to_owned())]);
    assert_eq!((program.insns[at].imm, report.entries.len()), (POISON, records));
}
