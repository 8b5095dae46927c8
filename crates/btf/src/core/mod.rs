//! CO-RE: compile once, run everywhere. Finds what an object's access to a type comes to on another
//! kernel, whose types are a target BTF.
//!
//! A relocation names a type of the object (the *local* type), an access string and a [`RelocKind`].
//! [`Solver`] looks for types of the same essential name in the target, follows the access through each
//! by the names of members, and answers with a [`CorePatch`]: the value that the instruction holds, the
//! one that it must hold, or that it must be poisoned, and why. [`apply`] then changes the instruction.
//!
//! Behaviour follows libbpf's, whose `relo_core.c` is the reference for what is compatible with what:
//! * all candidates that match must give the same answer;
//! * kinds that ask whether something exists answer 0 when it does not; the others poison;
//! * candidates that did not match a relocation are not looked at for later ones of the same local type,
//!   unless none did;
//! * modules are searched only if the kernel proper has no candidate.
//!
//! Hostile types cost an error: chains are limited to 64 links, comparisons to a budget.

mod apply;
mod compat;
mod error;
mod matches;
mod solve;
mod spec;
mod value;

pub use apply::{Applied, POISON, apply};
pub use error::{CoreError, Unresolved};
pub use solve::{Solver, solve};

use crate::TypeId;

/// What a relocation asks for (`enum bpf_core_relo_kind`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum RelocKind {
    /// Offset of a field in bytes.
    FieldByteOffset = 0,
    /// Size of a field in bytes.
    FieldByteSize = 1,
    /// Whether a field exists.
    FieldExists = 2,
    /// Whether a field is signed.
    FieldSigned = 3,
    /// How far to shift a bitfield left in 64 bits, before the right shift.
    FieldLshiftU64 = 4,
    /// How far to shift a bitfield right in 64 bits.
    FieldRshiftU64 = 5,
    /// Id of a type in the object.
    TypeIdLocal = 6,
    /// Id of a type in the target.
    TypeIdTarget = 7,
    /// Whether a type exists.
    TypeExists = 8,
    /// Size of a type in bytes.
    TypeSize = 9,
    /// Whether a value of an enumeration exists.
    EnumvalExists = 10,
    /// A value of an enumeration.
    EnumvalValue = 11,
    /// Whether a type exists whose members all match the local ones.
    TypeMatches = 12,
}

/// One row a kind, in the order of the numbers; names as libbpf logs them.
static KINDS: [(RelocKind, &str); 13] = [
    (RelocKind::FieldByteOffset, "byte_off"),
    (RelocKind::FieldByteSize, "byte_sz"),
    (RelocKind::FieldExists, "field_exists"),
    (RelocKind::FieldSigned, "signed"),
    (RelocKind::FieldLshiftU64, "lshift_u64"),
    (RelocKind::FieldRshiftU64, "rshift_u64"),
    (RelocKind::TypeIdLocal, "local_type_id"),
    (RelocKind::TypeIdTarget, "target_type_id"),
    (RelocKind::TypeExists, "type_exists"),
    (RelocKind::TypeSize, "type_size"),
    (RelocKind::EnumvalExists, "enumval_exists"),
    (RelocKind::EnumvalValue, "enumval_value"),
    (RelocKind::TypeMatches, "type_matches"),
];

impl RelocKind {
    /// The kind with this number.
    pub fn from_number(n: u32) -> Option<Self> {
        KINDS.get(n as usize).map(|row| row.0)
    }

    /// Name as libbpf logs it (`byte_off`).
    pub fn name(self) -> &'static str {
        KINDS[self as usize].1
    }

    /// Whether it asks about a field.
    pub fn is_field(self) -> bool {
        self <= Self::FieldRshiftU64
    }

    /// Whether it asks about a value of an enumeration.
    pub fn is_enumval(self) -> bool {
        matches!(self, Self::EnumvalExists | Self::EnumvalValue)
    }

    /// Whether it asks about a whole type.
    pub fn is_type(self) -> bool {
        !self.is_field() && !self.is_enumval()
    }
}

/// A relocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reloc<'s> {
    /// Root type, in the object's BTF.
    pub type_id: TypeId,
    /// Access string: indices with colons between them (`0:1:2`).
    pub access: &'s str,
    /// What is asked for.
    pub kind: RelocKind,
}

/// What a relocation comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CorePatch {
    /// What was asked for.
    pub kind: RelocKind,
    /// The value on the local types; the instruction must hold it if `validate`.
    pub orig: u64,
    /// The value on the target's.
    pub new: u64,
    /// Whether `orig` is certain: compilers may see bitfields differently, and linkers renumber types.
    pub validate: bool,
    /// The instruction can't be made right, and must not be reached.
    pub poison: bool,
    /// Size of the access in bytes, local and target, for byte offsets of whole fields; a load or store
    /// of the first size must become one of the second.
    pub access_size: (u32, u32),
    /// The sizes differ and the field is not an unsigned integer or pointer: a load or store of it would
    /// read something else, and is poisoned; other instructions are not affected.
    pub size_conflict: bool,
    /// The type that answered, and in which BTF: 0 is the target, then its modules.
    pub found: Option<(usize, TypeId)>,
    /// Why nothing was found, if nothing was.
    pub unresolved: Option<Box<Unresolved>>,
}

impl CorePatch {
    /// Whether the new value needs a wide (64-bit) immediate.
    pub fn is_wide(&self) -> bool {
        let narrow = i32::try_from(self.new as i64).is_ok() || u32::try_from(self.new).is_ok();
        !narrow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_at_their_numbers() {
        for (n, row) in KINDS.iter().enumerate() {
            assert_eq!(row.0 as usize, n);
        }
        assert_eq!(RelocKind::from_number(13), None);
        assert!(RelocKind::TypeMatches.is_type() && RelocKind::TypeIdLocal.is_type());
    }
}
