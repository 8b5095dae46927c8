//! The arrays whose values bpf(2) takes as descriptors: `BPF_MAP_TYPE_PROG_ARRAY`,
//! `BPF_MAP_TYPE_PERF_EVENT_ARRAY` and `BPF_MAP_TYPE_ARRAY_OF_MAPS`.
//!
//! A descriptor of this world is the id of a program or map: its index in the Spec, plus one. Programs never
//! see the ids; helpers ask for [`MapOps::target`].

use super::{ANY, MapOps, Shape, Side};
use crate::errno::Errno;

/// An array of descriptors; 0 is an empty slot.
pub(super) struct FdArray {
    shape: Shape,
    /// Whether bpf(2) can read ids back.
    readable: bool,
}

impl FdArray {
    pub(super) fn prog_array(shape: Shape) -> Self {
        Self { shape, readable: true }
    }

    pub(super) fn perf_event_array(shape: Shape) -> Self {
        Self { shape, readable: false }
    }

    pub(super) fn array_of_maps(shape: Shape) -> Self {
        Self { shape, readable: true }
    }

    fn slot(&self, key: &[u8]) -> Result<Option<usize>, Errno> {
        let index = self.shape.index(key)?;
        Ok((index < self.shape.max_entries).then(|| index as usize * 8))
    }

    fn id(&self, slab: &[u8], at: usize) -> u32 {
        self.shape.index(&slab[at..at + 4]).unwrap_or(0)
    }
}

impl MapOps for FdArray {
    fn slab_len(&self) -> usize {
        (self.shape.max_entries as usize).saturating_mul(8)
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
        if flags != ANY {
            return Err(Errno::EINVAL);
        }
        if side != Side::User {
            return Err(Errno::EOPNOTSUPP);
        }
        let at = self.slot(key)?.ok_or(Errno::E2BIG)?;
        slab[at..at + 4].copy_from_slice(value);
        Ok(())
    }

    fn delete(&mut self, slab: &mut [u8], key: &[u8]) -> Result<(), Errno> {
        let at = self.slot(key)?.ok_or(Errno::E2BIG)?;
        if self.id(slab, at) == 0 {
            return Err(Errno::ENOENT);
        }
        slab[at..at + 4].fill(0);
        Ok(())
    }

    fn next_key(&self, _: &[u8], key: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Errno> {
        self.shape.next_index(key, out)
    }

    fn read(&self, slab: &[u8], key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        if !self.readable {
            return Err(Errno::ENOTSUPP);
        }
        let at = self.slot(key)?.filter(|&at| self.id(slab, at) != 0).ok_or(Errno::ENOENT)?;
        out.clear();
        out.extend_from_slice(&slab[at..at + 4]);
        Ok(())
    }

    fn target(&self, slab: &[u8], key: &[u8]) -> Option<u32> {
        let at = self.slot(key).ok()??;
        Some(self.id(slab, at)).filter(|&id| id != 0)
    }
}
