//! TYPE_MATCHES: whether the target's type has all that the local type has, under the same names.

use super::CoreError;
use super::compat::{PAIR_BUDGET, too_deep};
use crate::types::essential_name;
use crate::{Btf, Kind, Type, TypeId};

/// Whether the target's type matches the local one.
///
/// Modifiers and typedefs do not count; kinds and essential names must be equal. Integers: size and sign.
/// Arrays: length and element. Enumerations: size, and all local values exist by name. Structs and
/// unions: all local members exist and match; behind a pointer only their kind counts, and a forward
/// declaration stands for one. Prototypes: parameters and result.
pub(super) fn types_match(local: &Btf, l: TypeId, target: &Btf, t: TypeId) -> Result<bool, CoreError> {
    Matcher { local, target, budget: PAIR_BUDGET }.check(l, t, false, 32)
}

struct Matcher<'a> {
    local: &'a Btf,
    target: &'a Btf,
    budget: usize,
}

/// What one look at a pair says.
enum Verdict {
    Is(bool),
    /// It depends on these two.
    On(TypeId, TypeId),
}

impl Matcher<'_> {
    fn spend(&mut self, n: usize) -> Result<(), CoreError> {
        self.budget = self.budget.checked_sub(n).ok_or_else(too_deep)?;
        Ok(())
    }

    fn check(
        &mut self,
        mut l: TypeId,
        mut t: TypeId,
        mut behind_ptr: bool,
        level: usize,
    ) -> Result<bool, CoreError> {
        if level == 0 {
            return Err(too_deep());
        }
        for _ in 0..32 {
            self.spend(1)?;
            let (a, b) = (self.local.resolve(l)?, self.target.resolve(t)?);
            if essential_name(a.name()) != essential_name(b.name()) {
                return Ok(false);
            }
            match self.look(a, b, behind_ptr, level)? {
                Verdict::Is(answer) => return Ok(answer),
                Verdict::On(x, y) => (l, t) = (x, y),
            }
            behind_ptr |= a.kind() == Kind::Ptr;
        }
        Err(too_deep())
    }

    fn look(
        &mut self,
        a: Type<'_>,
        b: Type<'_>,
        behind_ptr: bool,
        level: usize,
    ) -> Result<Verdict, CoreError> {
        let target = |t: Type<'_>| t.target().unwrap_or_default();
        if a.kind().is_enum() && b.kind().is_enum() {
            return self.enums(a, b).map(Verdict::Is);
        }
        if behind_ptr && let Some(answer) = declared(a, b) {
            return Ok(Verdict::Is(answer));
        }
        if a.kind() != b.kind() {
            return Ok(Verdict::Is(false));
        }
        Ok(match a.kind() {
            Kind::Void => Verdict::Is(true),
            Kind::Fwd => Verdict::Is(a.kind_flag() == b.kind_flag()),
            Kind::Struct | Kind::Union => Verdict::Is(self.composites(a, b, level)?),
            Kind::Int => {
                let sign = |t: Type<'_>| t.int().map(|int| (int.size, int.encoding.signed));
                Verdict::Is(sign(a) == sign(b))
            }
            Kind::Ptr => Verdict::On(target(a), target(b)),
            Kind::Array => match (a.array(), b.array()) {
                (Some(a), Some(b)) if a.len == b.len => Verdict::On(a.element, b.element),
                _ => Verdict::Is(false),
            },
            Kind::FuncProto => {
                if a.vlen() != b.vlen() {
                    return Ok(Verdict::Is(false));
                }
                for (p, q) in a.params().zip(b.params()) {
                    if !self.check(p.ty, q.ty, behind_ptr, level - 1)? {
                        return Ok(Verdict::Is(false));
                    }
                }
                Verdict::On(target(a), target(b))
            }
            _ => Verdict::Is(false),
        })
    }

    fn enums(&mut self, a: Type<'_>, b: Type<'_>) -> Result<bool, CoreError> {
        if a.size() != b.size() || a.vlen() > b.vlen() {
            return Ok(false);
        }
        let mut names: Vec<&str> = b.variants().map(|v| essential_name(v.name)).collect();
        names.sort_unstable();
        self.spend(a.vlen() / 64)?;
        Ok(a.variants().all(|v| names.binary_search(&essential_name(v.name)).is_ok()))
    }

    fn composites(&mut self, a: Type<'_>, b: Type<'_>, level: usize) -> Result<bool, CoreError> {
        if a.vlen() > b.vlen() {
            return Ok(false);
        }
        for m in a.members() {
            self.spend(1 + b.vlen() / 64)?;
            let mut matched = false;
            for n in b.members().filter(|n| essential_name(n.name) == essential_name(m.name)) {
                if self.check(m.ty, n.ty, false, level - 1)? {
                    matched = true;
                    break;
                }
            }
            if !matched {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Behind a pointer a struct or union, declared or defined, is told only by which of the two it is; `None`
/// if `a` is neither.
fn declared(a: Type<'_>, b: Type<'_>) -> Option<bool> {
    let is_union = |t: Type<'_>| match t.kind() {
        Kind::Struct => Some(false),
        Kind::Union => Some(true),
        Kind::Fwd => Some(t.kind_flag()),
        _ => None,
    };
    is_union(a).map(|a| Some(a) == is_union(b))
}
