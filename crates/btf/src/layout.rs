//! Walks that answer what a type comes to: what stands behind modifiers, and how large it is.

use crate::{Btf, BtfError, Kind, Type, TypeId};

/// How many modifiers, typedefs or array levels a walk follows. The kernel allows 32; a chain that is
/// longer than this is taken for a cycle.
pub const MAX_DEPTH: usize = 64;

impl Btf {
    /// The type behind typedefs and modifiers (`const`, `volatile`, `restrict`, type tags).
    ///
    /// # Errors
    /// If the chain is longer than 64 (it may be a cycle), or the id does not exist.
    pub fn resolve(&self, id: TypeId) -> Result<Type<'_>, BtfError> {
        self.skip(id, |kind| kind.is_modifier() || kind == Kind::Typedef)
    }

    /// The type behind modifiers, typedefs kept.
    ///
    /// # Errors
    /// As [`Btf::resolve`].
    pub fn skip_modifiers(&self, id: TypeId) -> Result<Type<'_>, BtfError> {
        self.skip(id, Kind::is_modifier)
    }

    fn skip(&self, id: TypeId, skipped: impl Fn(Kind) -> bool) -> Result<Type<'_>, BtfError> {
        let mut t = self.existing(id)?;
        for _ in 0..MAX_DEPTH {
            match t.target() {
                Some(next) if skipped(t.kind()) => t = self.existing(next)?,
                _ => return Ok(t),
            }
        }
        Err(BtfError::new("is a chain of modifiers and typedefs without end").in_type(id))
    }

    /// A type, or an error that says that there is none.
    pub(crate) fn existing(&self, id: TypeId) -> Result<Type<'_>, BtfError> {
        self.ty(id).ok_or_else(|| BtfError::new("does not exist").in_type(id))
    }

    /// Size in bytes of a value of this type. Pointers have eight, as on every machine that runs BPF.
    ///
    /// # Errors
    /// If the type has no size (`void`, functions, forward declarations), if the size does not fit in 32
    /// bits, or if the type is nested without end.
    pub fn size_of(&self, id: TypeId) -> Result<u32, BtfError> {
        let too_large = || BtfError::new("is larger than 4 GiB").in_type(id);
        let mut count: u64 = 1;
        let mut t = self.resolve(id)?;
        for _ in 0..MAX_DEPTH {
            let size = match t.kind() {
                Kind::Array => {
                    let array = t.array().ok_or_else(too_large)?;
                    // Zero times anything is zero, but the element must still have a size.
                    count = count.checked_mul(array.len.into()).ok_or_else(too_large)?;
                    t = self.resolve(array.element)?;
                    continue;
                }
                Kind::Var => {
                    t = self.resolve(t.target().unwrap_or_default())?;
                    continue;
                }
                Kind::Ptr => 8,
                kind => t.size().ok_or_else(|| BtfError::new(format!("{kind} has no size")).in_type(id))?,
            };
            let size = count.checked_mul(size.into()).ok_or_else(too_large)?;
            return u32::try_from(size).map_err(|_| too_large());
        }
        Err(BtfError::new("is nested without end").in_type(id))
    }

    /// Natural alignment in bytes of a type in C on a 64-bit machine; 1 for types without one. A struct
    /// whose members do not stand at multiples of theirs, or whose size is not one of its alignment,
    /// is packed and has 1.
    ///
    /// # Errors
    /// If the type is nested without end.
    pub fn align_of(&self, id: TypeId) -> Result<u32, BtfError> {
        let mut budget = ALIGN_BUDGET;
        self.align_within(id, MAX_DEPTH, &mut budget)
    }

    fn align_within(&self, id: TypeId, depth: usize, budget: &mut usize) -> Result<u32, BtfError> {
        let spent = || BtfError::new("is nested without end").in_type(id);
        *budget = budget.checked_sub(1).ok_or_else(spent)?;
        let depth = depth.checked_sub(1).ok_or_else(spent)?;
        let t = self.resolve(id)?;
        match t.kind() {
            Kind::Int | Kind::Enum | Kind::Enum64 | Kind::Float => Ok(t.size().unwrap_or(1).clamp(1, 8)),
            Kind::Ptr => Ok(8),
            Kind::Array => self.align_within(t.array().map_or(TypeId::VOID, |a| a.element), depth, budget),
            Kind::Struct | Kind::Union => {
                let mut align = 1;
                for m in t.members() {
                    let of_member = self.align_within(m.ty, depth, budget)?;
                    if m.bits == 0 && !m.bit_offset.is_multiple_of(8 * of_member) {
                        return Ok(1);
                    }
                    align = align.max(of_member);
                }
                Ok(if t.size().unwrap_or(0).is_multiple_of(align) { align } else { 1 })
            }
            _ => Ok(1),
        }
    }
}

/// Types that one question about alignment may look at.
const ALIGN_BUDGET: usize = 200_000;
