//! `BPF_MAP_TYPE_ARRAY`: values in a row, all there from the start, never deleted.

use super::{Element, KeyAt, MapOps, NOEXIST, Shape, Side};
use crate::errno::Errno;

/// An array.
pub(super) struct Array {
    shape: Shape,
    stride: usize,
}

impl Array {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, stride: shape.stride() }
    }

    fn offset(&self, key: &[u8]) -> Result<Option<usize>, Errno> {
        let index = self.shape.index(key)?;
        Ok((index < self.shape.max_entries).then(|| index as usize * self.stride))
    }
}

impl MapOps for Array {
    fn slab_len(&self) -> usize {
        self.stride.saturating_mul(self.shape.max_entries as usize)
    }

    fn lookup(&mut self, _: &[u8], key: &[u8], _: u32) -> Result<usize, Errno> {
        self.offset(key)?.ok_or(Errno::ENOENT)
    }

    fn update(
        &mut self,
        slab: &mut [u8],
        key: &[u8],
        value: &[u8],
        flags: u64,
        _: Side,
    ) -> Result<(), Errno> {
        let flags = self.shape.check_flags(flags)?;
        let at = self.offset(key)?.ok_or(Errno::E2BIG)?;
        if flags == NOEXIST {
            return Err(Errno::EEXIST);
        }
        slab[at..at + value.len()].copy_from_slice(value);
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
        out.clear();
        out.extend_from_slice(&slab[at..at + self.shape.value_size]);
        Ok(())
    }

    fn element(&self, _: &[u8], cursor: &mut u64, _: u32) -> Result<Option<Element>, Errno> {
        if *cursor >= u64::from(self.shape.max_entries) {
            return Ok(None);
        }
        let index = *cursor as u32;
        *cursor += 1;
        Ok(Some(Element { key: KeyAt::Index(index), value: index as usize * self.stride }))
    }
}
