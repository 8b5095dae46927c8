//! Bytes to slots and back, in either byte order.

use crate::insn::{Endian, Insn};
use alloc::vec::Vec;
use core::fmt;

/// The bytes are not a whole number of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthError {
    length: usize,
}

impl LengthError {
    pub(crate) const fn new(length: usize) -> Self {
        Self { length }
    }

    /// How many bytes there were.
    pub const fn length(&self) -> usize {
        self.length
    }
}

impl fmt::Display for LengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes are not a whole number of 8-byte slots", self.length)
    }
}

impl core::error::Error for LengthError {}

/// Reads slots; the length must be a multiple of 8.
pub fn slots_from_bytes(bytes: &[u8], endian: Endian) -> Result<Vec<Insn>, LengthError> {
    let (slots, rest) = bytes.as_chunks::<{ Insn::BYTES }>();
    if rest.is_empty() {
        Ok(slots.iter().map(|&slot| Insn::from_bytes(slot, endian)).collect())
    } else {
        Err(LengthError { length: bytes.len() })
    }
}

/// Writes slots.
pub fn bytes_from_slots(insns: &[Insn], endian: Endian) -> Vec<u8> {
    insns.iter().flat_map(|insn| insn.to_bytes(endian)).collect()
}
