//! `BPF_MAP_TYPE_BLOOM_FILTER`: a set that never denies what was pushed, and now and then claims what was not.
//!
//! Bits and hash functions are as many as the kernel takes (7/5 bits a function and entry, rounded up to a power
//! of two); which values it claims wrongly depends on the seed, there as here.

use super::{ANY, MapOps, Shape, table};
use crate::errno::Errno;

/// Hash functions where `map_extra` does not say.
const DEFAULT_HASHES: u64 = 5;

/// A set of values.
pub(super) struct BloomFilter {
    hashes: u64,
    /// Bits, less one; a power of two less one.
    mask: u32,
    seed: u64,
}

impl BloomFilter {
    pub(super) fn new(shape: Shape) -> Self {
        let hashes = if shape.extra & 15 == 0 { DEFAULT_HASHES } else { shape.extra & 15 };
        let bits = u64::from(shape.max_entries) * hashes * 7 / 5;
        let mask = bits.max(64).next_power_of_two().min(1 << 32) - 1;
        Self { hashes, mask: mask as u32, seed: shape.seed }
    }

    /// The bits of a value: byte and mask.
    fn bits<'v>(&self, value: &'v [u8]) -> impl Iterator<Item = (usize, u8)> + use<'v> {
        let (seed, mask) = (self.seed, self.mask);
        (0..self.hashes).map(move |n| {
            let bit = table::hash(seed.wrapping_add(n), value) & mask;
            (bit as usize / 8, 1 << (bit % 8))
        })
    }
}

impl MapOps for BloomFilter {
    fn slab_len(&self) -> usize {
        self.mask as usize / 8 + 1
    }

    fn lookup(&mut self, _: &[u8], _: &[u8], _: u32) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    fn delete(&mut self, _: &mut [u8], _: &[u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn next_key(&self, _: &[u8], _: Option<&[u8]>, _: &mut Vec<u8>) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn read(&self, _: &[u8], _: &[u8], _: &mut Vec<u8>) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn push(&mut self, slab: &mut [u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        if flags != ANY {
            return Err(Errno::EINVAL);
        }
        for (byte, bit) in self.bits(value) {
            slab[byte] |= bit;
        }
        Ok(())
    }

    fn holds(&self, slab: &[u8], value: &[u8]) -> Option<bool> {
        Some(self.bits(value).all(|(byte, bit)| slab[byte] & bit != 0))
    }
}
