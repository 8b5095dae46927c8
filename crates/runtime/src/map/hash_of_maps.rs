//! `BPF_MAP_TYPE_HASH_OF_MAPS`: a hash map whose values are ids of maps, written through bpf(2) only.

use super::hash::Hash;
use super::{MapOps, Shape, Side};
use crate::errno::Errno;

/// A hash of maps.
pub(super) struct HashOfMaps {
    shape: Shape,
    hash: Hash,
}

impl HashOfMaps {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, hash: Hash::new(shape) }
    }
}

impl MapOps for HashOfMaps {
    fn slab_len(&self) -> usize {
        self.hash.slab_len()
    }

    fn lookup(&mut self, _: &[u8], _: &[u8], _: u32) -> Result<usize, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn update(
        &mut self,
        slab: &mut [u8],
        key: &[u8],
        value: &[u8],
        flags: u64,
        side: Side,
    ) -> Result<(), Errno> {
        match side {
            Side::User => self.hash.update(slab, key, value, flags, side),
            Side::Prog(_) => Err(Errno::EOPNOTSUPP),
        }
    }

    fn delete(&mut self, slab: &mut [u8], key: &[u8]) -> Result<(), Errno> {
        self.hash.delete(slab, key)
    }

    fn next_key(&self, slab: &[u8], key: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Errno> {
        self.hash.next_key(slab, key, out)
    }

    fn read(&self, slab: &[u8], key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        self.hash.read(slab, key, out)
    }

    fn target(&self, slab: &[u8], key: &[u8]) -> Option<u32> {
        let at = self.hash.find(slab, key)?;
        self.shape.index(&slab[at..at + 4]).ok()
    }
}
