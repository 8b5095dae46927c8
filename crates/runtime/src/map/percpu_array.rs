//! `BPF_MAP_TYPE_PERCPU_ARRAY`: an array with a value for each possible CPU.
//!
//! An element's values lie side by side, CPU 0 first, each rounded up to eight bytes: the very bytes that
//! bpf(2) hands out.

use super::{Element, KeyAt, MapOps, NOEXIST, Shape, Side};
use crate::errno::Errno;

/// An array with a value a CPU.
pub(super) struct PercpuArray {
    shape: Shape,
    stride: usize,
    element: usize,
}

impl PercpuArray {
    pub(super) fn new(shape: Shape) -> Self {
        let stride = shape.stride();
        Self { shape, stride, element: stride.saturating_mul(shape.cpus as usize) }
    }

    fn offset(&self, key: &[u8]) -> Result<Option<usize>, Errno> {
        let index = self.shape.index(key)?;
        Ok((index < self.shape.max_entries).then(|| index as usize * self.element))
    }
}

impl MapOps for PercpuArray {
    fn slab_len(&self) -> usize {
        self.element.saturating_mul(self.shape.max_entries as usize)
    }

    fn lookup(&mut self, _: &[u8], key: &[u8], cpu: u32) -> Result<usize, Errno> {
        Ok(self.offset(key)?.ok_or(Errno::ENOENT)? + cpu as usize * self.stride)
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
        let at = match side {
            Side::Prog(cpu) => at + cpu as usize * self.stride,
            Side::User => at,
        };
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
        out.extend_from_slice(&slab[at..at + self.element]);
        Ok(())
    }

    fn lookup_on(&mut self, slab: &[u8], key: &[u8], cpu: u32) -> Result<usize, Errno> {
        if cpu >= self.shape.cpus {
            return Err(Errno::ENOENT);
        }
        self.lookup(slab, key, cpu)
    }

    fn element(&self, _: &[u8], cursor: &mut u64, cpu: u32) -> Result<Option<Element>, Errno> {
        if *cursor >= u64::from(self.shape.max_entries) {
            return Ok(None);
        }
        let index = *cursor as u32;
        *cursor += 1;
        let value = index as usize * self.element + cpu as usize * self.stride;
        Ok(Some(Element { key: KeyAt::Index(index), value }))
    }
}
