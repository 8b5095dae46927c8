//! `BPF_MAP_TYPE_ARRAY` and `BPF_MAP_TYPE_PERCPU_ARRAY`: values in a row, all there from the start, never deleted.

use super::values::Values;
use super::{Element, KeyAt, MapOps, NOEXIST, Shape, Side};
use crate::errno::Errno;

/// An array.
pub(super) struct Array {
    shape: Shape,
    values: Values,
}

impl Array {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, values: Values::shared(&shape) }
    }

    pub(super) fn percpu(shape: Shape) -> Self {
        Self { shape, values: Values::percpu(&shape) }
    }

    fn offset(&self, key: &[u8]) -> Result<Option<usize>, Errno> {
        let index = self.shape.index(key)?;
        Ok((index < self.shape.max_entries).then(|| index as usize * self.values.room()))
    }
}

impl MapOps for Array {
    fn slab_len(&self) -> usize {
        self.values.room().saturating_mul(self.shape.max_entries as usize)
    }

    fn lookup(&mut self, _: &[u8], key: &[u8], cpu: u32) -> Result<usize, Errno> {
        Ok(self.offset(key)?.ok_or(Errno::ENOENT)? + self.values.offset(cpu))
    }

    fn row(&self, cpu: u32) -> Option<(u32, u32, u32)> {
        let (first, room) = (self.values.offset(cpu), self.values.room());
        Some((u32::try_from(first).ok()?, u32::try_from(room).ok()?, self.shape.max_entries))
    }

    fn update(
        &mut self,
        slab: &mut [u8],
        key: &[u8],
        value: &[u8],
        flags: u64,
        side: Side,
    ) -> Result<(), Errno> {
        let flags = self.shape.check_flags(flags)?;
        let at = self.offset(key)?.ok_or(Errno::E2BIG)?;
        if flags == NOEXIST {
            return Err(Errno::EEXIST);
        }
        self.values.write(slab, at, value, side, false);
        Ok(())
    }

    fn delete(&mut self, _: &mut [u8], _: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn next_key(&self, _: &[u8], key: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Errno> {
        self.shape.next_index(key, out)
    }

    fn read(&self, slab: &[u8], key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        let at = self.offset(key)?.ok_or(Errno::ENOENT)?;
        self.values.read(slab, at, out);
        Ok(())
    }

    fn lookup_on(&mut self, _: &[u8], key: &[u8], cpu: u32) -> Result<usize, Errno> {
        let offset = self.values.offset_of(cpu)?;
        Ok(self.offset(key)?.ok_or(Errno::ENOENT)? + offset)
    }

    fn element(&self, _: &[u8], cursor: &mut u64, cpu: u32) -> Result<Option<Element>, Errno> {
        if *cursor >= u64::from(self.shape.max_entries) {
            return Ok(None);
        }
        let index = *cursor as u32;
        *cursor += 1;
        let value = index as usize * self.values.room() + self.values.offset(cpu);
        Ok(Some(Element { key: KeyAt::Index(index), value }))
    }
}
