//! A frame's stack, in slots of eight bytes.
//!
//! Bytes are numbered downwards from the frame pointer: byte `n` is at offset `-1 - n`, and lives in
//! slot `n / 8`.

use super::reg::{Kind, Reg};

/// What a byte of the stack holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Byte {
    /// Nothing was written.
    #[default]
    Invalid,
    /// Part of a spilled register.
    Spill,
    /// Some data.
    Misc,
    /// Zero.
    Zero,
}

/// Eight bytes of stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Slot {
    /// The register that was spilled, where [`Byte::Spill`] says so.
    pub reg: Reg,
    /// The bytes, from the highest address down.
    pub bytes: [Byte; 8],
}

impl Slot {
    /// Whether a register was spilled whole or in its low part: the slot's lowest byte says so.
    pub(crate) fn is_spilled(&self) -> bool {
        self.bytes[7] == Byte::Spill
    }

    /// Whether a number was spilled.
    pub(crate) fn is_spilled_scalar(&self) -> bool {
        self.is_spilled() && self.reg.kind == Kind::Scalar
    }

    /// Whether all eight bytes are the spilled register.
    pub(crate) fn is_spilled_whole(&self) -> bool {
        self.bytes[0] == Byte::Spill
    }

    /// Whether a number was spilled over all eight bytes.
    pub(crate) fn is_whole_scalar(&self) -> bool {
        self.is_spilled_whole() && self.reg.kind == Kind::Scalar
    }

    /// Turns a byte that was written into plain data.
    pub(crate) fn scrub(byte: &mut Byte) {
        if *byte != Byte::Invalid {
            *byte = Byte::Misc;
        }
    }

    /// Whether all eight bytes are data or unwritten.
    pub(crate) fn is_all_misc(&self, allow_uninit: bool) -> bool {
        self.bytes.iter().all(|b| *b == Byte::Misc || allow_uninit && *b == Byte::Invalid)
    }
}
