//! CO-RE over real objects: `tests/objects/core_*.bpf.c` ask every kind of relocation.
//!
//! Against a made-up kernel (`core_target.o`) every answer is written down in `core_target.expected`;
//! `BLESS=1` rewrites it. Where a program is named by `SKEP_CORE_ORACLE` that relocates an object by
//! libbpf (`ORACLE OBJECT BTF`, one line a program: its name, its instructions in hex), the instructions
//! must be the same as its, for that kernel and for the running one.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use skep_btf::core::{CoreError, Reloc, RelocKind, Solver, apply};
use skep_btf::{Btf, Endian};
use skep_isa::Insn;
use skep_object::{Program, Spec};

const OBJECTS: [&str; 3] = ["core_fields.o", "core_types.o", "core_enums.o"];
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

fn objects() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("objects")
}

fn read_spec(name: &str) -> Spec {
    let bytes = std::fs::read(objects().join(name)).unwrap();
    Spec::from_elf(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A relocated program, and a line of text a relocation.
struct Relocated {
    name: String,
    insns: Vec<Insn>,
    log: String,
    kinds: BTreeSet<RelocKind>,
}

fn relocate(program: &Program, solver: &mut Solver<'_>) -> Result<Relocated, CoreError> {
    let mut out = Relocated {
        name: program.name.clone(),
        insns: program.insns.clone(),
        log: String::new(),
        kinds: BTreeSet::new(),
    };
    for r in &program.core_relocs {
        let kind = RelocKind::from_number(r.kind).expect("a known kind");
        let patch = solver.solve(&Reloc { type_id: r.type_id, access: &r.access, kind })?;
        let applied = apply(&mut out.insns, r.insn, &patch)?;
        out.kinds.insert(kind);
        let what = if applied.poisoned { "poison".to_owned() } else { (patch.new as i64).to_string() };
        let _ = write!(out.log, "{} {} {}: {} -> {what}", out.name, r.insn, kind.name(), patch.orig as i64);
        if let Some(why) = &patch.unresolved {
            let _ = write!(out.log, " ({why})");
        }
        out.log.push('\n');
    }
    Ok(out)
}

fn relocate_all(object: &str, target: &Btf) -> Vec<Relocated> {
    let spec = read_spec(object);
    let local = spec.btf.as_ref().expect("the object has BTF");
    let mut solver = Solver::new(local, target);
    spec.programs
        .iter()
        .map(|p| relocate(p, &mut solver).unwrap_or_else(|e| panic!("{object}: {}: {e}", p.name)))
        .collect()
}

fn made_up_kernel() -> Btf {
    read_spec("core_target.o").btf.expect("the target has BTF")
}

#[test]
fn every_kind_against_a_made_up_kernel() {
    let target = made_up_kernel();
    let mut log = String::new();
    let mut kinds = BTreeSet::new();
    for object in OBJECTS {
        let _ = writeln!(log, "# {object}");
        for program in relocate_all(object, &target) {
            log.push_str(&program.log);
            kinds.extend(program.kinds);
        }
    }
    assert_eq!(kinds.len(), 13, "kinds asked: {kinds:?}");
    let path = objects().join("core_target.expected");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &log).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for (n, (got, want)) in log.lines().zip(expected.lines()).enumerate() {
        assert_eq!(got, want, "line {}; BLESS=1 rewrites the file", n + 1);
    }
    assert_eq!(log.lines().count(), expected.lines().count(), "BLESS=1 rewrites the file");
}

/// One line a program from the oracle: name and instructions in hex.
fn oracle(program: &Path, object: &str, target: &str) -> Vec<(String, String)> {
    let out = Command::new(program).arg(objects().join(object)).arg(target).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    text.lines().filter_map(|l| l.split_once(' ')).map(|(name, hex)| (name.into(), hex.into())).collect()
}

fn hex(insns: &[Insn]) -> String {
    insns.iter().flat_map(|i| i.to_bytes(Endian::Little)).map(|b| format!("{b:02x}")).collect()
}

#[test]
fn libbpf_says_the_same() {
    let Some(program) = std::env::var_os("SKEP_CORE_ORACLE").map(PathBuf::from) else {
        println!("skipped: SKEP_CORE_ORACLE names no program that relocates by libbpf");
        return;
    };
    let made_up = objects().join("core_target.o").to_string_lossy().into_owned();
    let mut targets = vec![(made_up, made_up_kernel())];
    match std::fs::read(VMLINUX) {
        Ok(bytes) => targets.push((VMLINUX.into(), Btf::parse(&bytes).unwrap())),
        Err(e) => println!("skipped for the running kernel: {VMLINUX}: {e}"),
    }
    for (path, btf) in &targets {
        let (mut programs, mut relocs) = (0, 0);
        for object in OBJECTS {
            let ours = relocate_all(object, btf);
            let theirs = oracle(&program, object, path);
            assert_eq!(ours.len(), theirs.len(), "{object}: number of programs");
            for program in &ours {
                let their = theirs.iter().find(|t| t.0 == program.name).expect("the same programs");
                assert_eq!(hex(&program.insns), their.1, "{object} {} on {path}", program.name);
                programs += 1;
                relocs += program.log.lines().count();
            }
        }
        println!("{path}: {programs} programs, {relocs} relocations, all equal");
    }
}

/// Without an oracle: the running kernel's types at least answer, and nothing that must exist is missing.
#[test]
fn the_running_kernel_answers() {
    let bytes = match std::fs::read(VMLINUX) {
        Ok(bytes) => bytes,
        Err(e) => return println!("skipped: {VMLINUX}: {e}"),
    };
    let target = Btf::parse(&bytes).unwrap();
    for object in OBJECTS {
        for program in relocate_all(object, &target) {
            let must_fail = ["conflicts", "absent"].contains(&program.name.as_str());
            if must_fail {
                assert!(program.log.contains("poison"), "{object} {}: {}", program.name, program.log);
            }
        }
    }
}
