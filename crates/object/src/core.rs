//! CO-RE for whole programs: solves each record of a [`Program`] against the types of a target and patches the code.
//!
//! Pure: the target's BTF is passed in, be it the running kernel's or a file's. What can't be resolved is
//! poisoned, not refused: most such places are behind a test (`bpf_core_field_exists`) and never run. Why
//! it was poisoned stays with the program, in [`Program::poisoned`], so that who meets such a place later, a
//! verifier's log or a trap, can name the field and the type.

use skep_btf::Btf;
use skep_btf::core::{CorePatch, POISON, Reloc, RelocKind, Solver, apply};
use skep_isa::Insn;

use crate::error::cut;
use crate::{CoreReloc, Poisoned, Program};

/// What became of each record of a program, in the order of its slots.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One entry a record.
    pub entries: Vec<Entry>,
}

/// What became of one record.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The record.
    pub reloc: CoreReloc,
    /// The slot before it was patched.
    pub before: Insn,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a record.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Solved and written.
    Patched(CorePatch),
    /// Nothing in the target answers, for this reason: the instruction was replaced by a call that can't run.
    Poisoned(String),
    /// The record is wrong, ambiguous, or at odds with its instruction, which was poisoned too. libbpf refuses
    /// to load such a program.
    Failed(String),
}

impl Report {
    /// The records that failed; a loader for a kernel should refuse the program if there are any.
    pub fn failures(&self) -> impl Iterator<Item = (&CoreReloc, &str)> {
        self.entries.iter().filter_map(|e| match &e.outcome {
            Outcome::Failed(why) => Some((&e.reloc, why.as_str())),
            _ => None,
        })
    }

    /// How many records were solved.
    pub fn patched(&self) -> usize {
        self.entries.iter().filter(|e| matches!(e.outcome, Outcome::Patched(_))).count()
    }
}

/// Applies a program's CO-RE records against one target, and takes them out of the program: they hold only for the
/// code as compiled.
pub fn relocate(program: &mut Program, local: &Btf, target: &Btf) -> Report {
    relocate_with(program, &mut Solver::new(local, target))
}

/// As [`relocate`], with a solver that several programs share, or that knows modules.
pub fn relocate_with(program: &mut Program, solver: &mut Solver<'_>) -> Report {
    let relocs = std::mem::take(&mut program.core_relocs);
    let entries = relocs.into_iter().map(|reloc| one(program, solver, reloc)).collect();
    program.poisoned.sort_by_key(|p| p.insn);
    Report { entries }
}

fn one(program: &mut Program, solver: &mut Solver<'_>, reloc: CoreReloc) -> Entry {
    let before = program.insns.get(reloc.insn).copied().unwrap_or_default();
    let outcome = match solve(solver, &reloc) {
        Ok(patch) => match apply(&mut program.insns, reloc.insn, &patch) {
            Ok(applied) if applied.poisoned => Outcome::Poisoned(cut(explain(&patch))),
            Ok(_) => Outcome::Patched(patch),
            Err(error) => Outcome::Failed(cut(error.to_string())),
        },
        Err(why) => Outcome::Failed(cut(why)),
    };
    let why = match &outcome {
        Outcome::Patched(_) => None,
        Outcome::Poisoned(why) => Some(why.clone()),
        Outcome::Failed(why) => {
            poison(program, reloc.insn);
            Some(why.clone())
        }
    };
    if let Some(why) = why {
        program.poisoned.push(Poisoned { insn: reloc.insn, why });
    }
    Entry { reloc, before, outcome }
}

fn solve(solver: &mut Solver<'_>, reloc: &CoreReloc) -> Result<CorePatch, String> {
    let kind = RelocKind::from_number(reloc.kind)
        .ok_or_else(|| format!("relocation kind {} is not known, only 0 to 12", reloc.kind))?;
    solver.solve(&Reloc { type_id: reloc.type_id, access: &reloc.access, kind }).map_err(|e| e.to_string())
}

fn explain(patch: &CorePatch) -> String {
    match &patch.unresolved {
        Some(unresolved) => unresolved.to_string(),
        None => {
            let (local, target) = patch.access_size;
            format!(
                "the field has {local} bytes in the object and {target} in the target, and is no unsigned integer"
            )
        }
    }
}

/// Replaces an instruction whose record failed, as an unresolved one is.
fn poison(program: &mut Program, slot: usize) {
    let call = Insn { opcode: 0x85, imm: POISON, ..Insn::default() };
    let wide = program.insns.get(slot).is_some_and(|i| i.is_wide());
    for at in slot..=slot + usize::from(wide) {
        if let Some(insn) = program.insns.get_mut(at) {
            *insn = call;
        }
    }
}
