//! The search: candidates of the same essential name, each tried, all answers compared.

use std::collections::HashMap;

use super::compat::kinds_are_compat;
use super::error::nearest;
use super::spec::{Failure, Mismatch, Spec, describe};
use super::value::{Answer, absent, evaluate};
use super::{CoreError, CorePatch, Reloc, RelocKind, Unresolved};
use crate::{Btf, Kind, TypeId};

/// Solves one relocation; see [`Solver`] for many.
///
/// # Errors
/// If the relocation is wrong in itself, or candidates disagree.
pub fn solve(local: &Btf, reloc: &Reloc<'_>, target: &Btf) -> Result<CorePatch, CoreError> {
    Solver::new(local, target).solve(reloc)
}

/// Solves the relocations of an object against a kernel.
#[derive(Clone, Debug)]
pub struct Solver<'a> {
    local: &'a Btf,
    /// The kernel, then its modules.
    targets: Vec<&'a Btf>,
    /// Candidates by local type: index in `targets`, and id.
    candidates: HashMap<TypeId, Vec<(usize, TypeId)>>,
}

impl<'a> Solver<'a> {
    /// A solver for the relocations of an object with the types `local`.
    pub fn new(local: &'a Btf, target: &'a Btf) -> Self {
        Self { local, targets: vec![target], candidates: HashMap::new() }
    }

    /// Adds the (split) BTF of a module, to be searched if the kernel has nothing of a name.
    #[must_use]
    pub fn with_module(mut self, module: &'a Btf) -> Self {
        self.targets.push(module);
        self
    }

    /// Solves one relocation. Order matters in one thing: candidates that did not match are not looked
    /// at again for the same local type.
    ///
    /// # Errors
    /// If the relocation is wrong in itself, or candidates disagree.
    pub fn solve(&mut self, reloc: &Reloc<'_>) -> Result<CorePatch, CoreError> {
        let root = self.local.existing(reloc.type_id)?;
        let local = Spec::local(self.local, reloc).map_err(|e| in_context(reloc, root.name(), &e))?;
        let context = |e: CoreError| in_context(reloc, &describe(&local), &e);
        let orig = evaluate(&local, reloc.kind).map_err(context)?;
        if reloc.kind == RelocKind::TypeIdLocal {
            return Ok(patch(reloc.kind, &orig, Some((&orig, &local, &local, (0, reloc.type_id)))));
        }
        if root.name().is_empty() {
            return Err(context(CoreError::new("types without a name can't be looked up")));
        }
        let candidates = match self.candidates.get(&reloc.type_id) {
            Some(known) => known.clone(),
            None => self.search(reloc.type_id),
        };
        let tried = self.try_all(&local, reloc.kind, &candidates).map_err(context)?;
        let kept = if tried.matching.is_empty() { candidates } else { tried.matching };
        self.candidates.insert(reloc.type_id, kept);
        Ok(match tried.best {
            Some((spec, answer, at)) => patch(reloc.kind, &orig, Some((&answer, &local, &spec, at))),
            None => {
                let unresolved = self.explain(&local, reloc.kind, &tried.mismatches);
                CorePatch { unresolved: Some(Box::new(unresolved)), ..patch(reloc.kind, &orig, None) }
            }
        })
    }

    /// All types of the targets with the essential name and kind of a local one.
    fn search(&self, id: TypeId) -> Vec<(usize, TypeId)> {
        let Some(local) = self.local.ty(id) else { return Vec::new() };
        let found = |n: usize, btf: &'a Btf| -> Vec<(usize, TypeId)> {
            let own = if n == 0 { TypeId(1) } else { btf.first_id() };
            let mut ids: Vec<TypeId> = btf
                .with_essential_name(local.name())
                .filter(|&id| id >= own && btf.ty(id).is_some_and(|t| kinds_are_compat(local, t)))
                .collect();
            ids.sort_unstable();
            ids.into_iter().map(|id| (n, id)).collect()
        };
        let in_kernel = found(0, self.targets[0]);
        if !in_kernel.is_empty() {
            return in_kernel;
        }
        self.targets.iter().enumerate().skip(1).flat_map(|(n, btf)| found(n, btf)).collect()
    }

    fn try_all(
        &self,
        local: &Spec<'_>,
        kind: RelocKind,
        candidates: &[(usize, TypeId)],
    ) -> Result<Tried<'a>, CoreError> {
        let mut tried = Tried { best: None, matching: Vec::new(), mismatches: Vec::new() };
        for &at in candidates {
            let spec = match Spec::target(local, kind, self.targets[at.0], at.1) {
                Ok(spec) => spec,
                Err(Failure::Mismatch(mismatch)) => {
                    tried.mismatches.push((at, mismatch));
                    continue;
                }
                Err(Failure::Error(e)) => return Err(e),
            };
            let answer = evaluate(&spec, kind)?;
            if let Some((best, agreed, first)) = &tried.best {
                if best.bit_offset != spec.bit_offset || agreed.value != answer.value {
                    return Err(disagree(first.1, agreed, best, at.1, &answer, &spec));
                }
            } else {
                tried.best = Some((spec, answer, at));
            }
            tried.matching.push(at);
        }
        Ok(tried)
    }

    fn explain(
        &self,
        local: &Spec<'_>,
        kind: RelocKind,
        mismatches: &[((usize, TypeId), Mismatch)],
    ) -> Unresolved {
        let near = mismatches.iter().find_map(|((n, _), mismatch)| match mismatch {
            Mismatch::NoName(name, id) => {
                let btf = self.targets[*n];
                let mut names = Vec::new();
                names_in(btf, *id, &mut names, 8);
                nearest(name, names.into_iter()).map(str::to_owned)
            }
            Mismatch::Other(_) => None,
        });
        let candidates = mismatches.iter().map(|((n, id), mismatch)| (*n, *id, mismatch.why())).collect();
        Unresolved { kind, local: describe(local), candidates, nearest: near }
    }
}

/// What trying the candidates gave.
struct Tried<'a> {
    best: Option<(Spec<'a>, Answer, (usize, TypeId))>,
    matching: Vec<(usize, TypeId)>,
    mismatches: Vec<((usize, TypeId), Mismatch)>,
}

fn in_context(reloc: &Reloc<'_>, name: &str, e: &CoreError) -> CoreError {
    let text = format!("{} of `{name}` (type {}, {}): {e}", reloc.kind.name(), reloc.type_id, reloc.access);
    if e.is_ambiguous() { CoreError::ambiguous(text) } else { CoreError::new(text) }
}

fn disagree(a: TypeId, x: &Answer, at_x: &Spec<'_>, b: TypeId, y: &Answer, at_y: &Spec<'_>) -> CoreError {
    CoreError::ambiguous(format!(
        "the target's types {a} and {b} both match and disagree: {} at bit {}, and {} at bit {}",
        x.value, at_x.bit_offset, y.value, at_y.bit_offset
    ))
}

/// Names of members (through anonymous ones, to a depth) or values.
fn names_in<'a>(btf: &'a Btf, id: TypeId, names: &mut Vec<&'a str>, depth: usize) {
    const ENOUGH: usize = 10_000;
    let Ok(t) = btf.resolve(id) else { return };
    names.extend(t.variants().map(|v| v.name).take(ENOUGH));
    for m in t.members() {
        if names.len() >= ENOUGH {
            return;
        }
        names.push(m.name);
        if m.name.is_empty() && depth > 0 {
            names_in(btf, m.ty, names, depth - 1);
        }
    }
}

/// Puts the two answers together.
fn patch(
    kind: RelocKind,
    orig: &Answer,
    found: Option<(&Answer, &Spec<'_>, &Spec<'_>, (usize, TypeId))>,
) -> CorePatch {
    let size = |answer: &Answer| answer.access.map_or(0, |access| access.0);
    let mut patch = CorePatch {
        kind,
        orig: orig.value,
        new: absent(kind).unwrap_or(0),
        validate: orig.certain,
        poison: found.is_none() && absent(kind).is_none(),
        access_size: (0, 0),
        size_conflict: false,
        found: None,
        unresolved: None,
    };
    if let Some((answer, local, spec, at)) = found {
        patch.new = answer.value;
        patch.found = Some(at);
        patch.access_size = (size(orig), size(answer));
        patch.size_conflict = patch.access_size.0 != patch.access_size.1
            && !(zero_extends(local, orig)
                && zero_extends(spec, answer)
                && same_kind(local, orig, spec, answer));
    }
    patch
}

/// Whether a load of another size still gives the value: pointers and integers that are not signed.
fn zero_extends(spec: &Spec<'_>, answer: &Answer) -> bool {
    let t = answer.access.and_then(|access| spec.btf.ty(access.1));
    t.is_some_and(|t| match t.int() {
        // Plain signed ones only, as libbpf has it: a signed `char` or bool passes.
        Some(int) => int.encoding.bits() != 1,
        None => t.kind() == Kind::Ptr,
    })
}

fn same_kind(a: &Spec<'_>, x: &Answer, b: &Spec<'_>, y: &Answer) -> bool {
    let kind = |spec: &Spec<'_>, answer: &Answer| {
        answer.access.and_then(|access| spec.btf.ty(access.1)).map(|t| t.kind())
    };
    kind(a, x) == kind(b, y)
}
