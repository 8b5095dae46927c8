//! Which types may stand for each other: for fields, and for whole types.

use super::CoreError;
use crate::types::essential_name;
use crate::{Btf, Kind, MAX_DEPTH, Type, TypeId};

/// Pairs of types that one comparison may look at.
pub(super) const PAIR_BUDGET: usize = 100_000;

/// Same kind, or two enumerations, whatever their width.
pub(super) fn kinds_are_compat(a: Type<'_>, b: Type<'_>) -> bool {
    a.kind() == b.kind() || a.kind().is_enum() && b.kind().is_enum()
}

pub(super) fn too_deep() -> CoreError {
    CoreError::new("the types are nested too deep to be compared")
}

/// Not one of the old bitfield-like integers.
fn are_whole_ints(a: Type<'_>, b: Type<'_>) -> bool {
    let whole = |t: Type<'_>| t.int().is_none_or(|int| int.offset == 0);
    whole(a) && whole(b)
}

/// Whether a field of type `a` may be read where the program was compiled for `l`.
///
/// Any two structs or unions; any two pointers; any two integers, whatever their size and sign; any two
/// floats; arrays of compatible elements; enumerations and forward declarations of the same name, or of
/// none.
pub(super) fn fields_are_compat(local: &Btf, l: TypeId, target: &Btf, t: TypeId) -> Result<bool, CoreError> {
    let (mut l, mut t) = (local.resolve(l)?, target.resolve(t)?);
    for _ in 0..MAX_DEPTH {
        if l.kind().is_composite() && t.kind().is_composite() {
            return Ok(true);
        }
        if !kinds_are_compat(l, t) {
            return Ok(false);
        }
        match (l.array(), t.array()) {
            (Some(a), Some(b)) => (l, t) = (local.resolve(a.element)?, target.resolve(b.element)?),
            _ => {
                return Ok(match l.kind() {
                    Kind::Ptr | Kind::Float => true,
                    Kind::Fwd | Kind::Enum | Kind::Enum64 => {
                        let (a, b) = (essential_name(l.name()), essential_name(t.name()));
                        a.is_empty() || b.is_empty() || a == b
                    }
                    Kind::Int => are_whole_ints(l, t),
                    _ => false,
                });
            }
        }
    }
    Err(too_deep())
}

/// Whether two types whose names are the same are the same sort of thing: equal kinds, through pointers,
/// arrays and the parameters of prototypes; names, sizes and members do not count.
pub(super) fn types_are_compat(local: &Btf, l: TypeId, target: &Btf, t: TypeId) -> Result<bool, CoreError> {
    let (Some(a), Some(b)) = (local.ty(l), target.ty(t)) else { return Ok(false) };
    if !kinds_are_compat(a, b) {
        return Ok(false);
    }
    Compat { local, target, budget: PAIR_BUDGET }.check(l, t, 32)
}

struct Compat<'a> {
    local: &'a Btf,
    target: &'a Btf,
    budget: usize,
}

impl Compat<'_> {
    fn check(&mut self, mut l: TypeId, mut t: TypeId, level: usize) -> Result<bool, CoreError> {
        for _ in 0..32 {
            self.budget = self.budget.checked_sub(1).ok_or_else(too_deep)?;
            let (a, b) = (self.local.resolve(l)?, self.target.resolve(t)?);
            if !kinds_are_compat(a, b) {
                return Ok(false);
            }
            match a.kind() {
                Kind::Void | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Fwd => {
                    return Ok(true);
                }
                Kind::Int => return Ok(are_whole_ints(a, b)),
                Kind::Ptr => (l, t) = (a.target().unwrap_or_default(), b.target().unwrap_or_default()),
                Kind::Array => {
                    let (Some(a), Some(b)) = (a.array(), b.array()) else { return Ok(false) };
                    (l, t) = (a.element, b.element);
                }
                Kind::FuncProto => {
                    if a.vlen() != b.vlen() {
                        return Ok(false);
                    }
                    for (p, q) in a.params().zip(b.params()) {
                        let level = level.checked_sub(1).ok_or_else(too_deep)?;
                        if !self.check(p.ty, q.ty, level)? {
                            return Ok(false);
                        }
                    }
                    (l, t) = (a.target().unwrap_or_default(), b.target().unwrap_or_default());
                }
                _ => return Ok(false),
            }
        }
        Err(too_deep())
    }
}
