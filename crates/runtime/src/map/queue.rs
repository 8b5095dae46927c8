//! `BPF_MAP_TYPE_QUEUE` and `BPF_MAP_TYPE_STACK`: no keys; push, pop, peek.

use super::{EXIST, MapOps, NOEXIST, Shape};
use crate::errno::Errno;

/// A bounded queue or stack, in a ring of slots.
pub(super) struct Queue {
    shape: Shape,
    stride: usize,
    fifo: bool,
    /// Slot of the oldest element.
    tail: u32,
    len: u32,
}

impl Queue {
    pub(super) fn fifo(shape: Shape) -> Self {
        Self { shape, stride: shape.stride(), fifo: true, tail: 0, len: 0 }
    }

    pub(super) fn lifo(shape: Shape) -> Self {
        Self { fifo: false, ..Self::fifo(shape) }
    }

    /// Offset of the `n`th oldest element.
    fn at(&self, n: u32) -> usize {
        let slot = (u64::from(self.tail) + u64::from(n)) % u64::from(self.shape.max_entries);
        slot as usize * self.stride
    }

    fn drop_oldest(&mut self) {
        self.tail = (self.tail + 1) % self.shape.max_entries;
        self.len -= 1;
    }

    /// Place of the element that would be popped.
    fn front(&self) -> Result<usize, Errno> {
        let newest = self.len.checked_sub(1).ok_or(Errno::ENOENT)?;
        Ok(self.at(if self.fifo { 0 } else { newest }))
    }
}

impl MapOps for Queue {
    fn slab_len(&self) -> usize {
        self.stride.saturating_mul(self.shape.max_entries as usize)
    }

    fn lookup(&mut self, _: &[u8], _: &[u8], _: u32) -> Result<usize, Errno> {
        Err(Errno::ENOENT)
    }

    fn delete(&mut self, _: &mut [u8], _: &[u8]) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    fn next_key(&self, _: &[u8], _: Option<&[u8]>, _: &mut Vec<u8>) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    /// bpf(2) looks up by peeking.
    fn read(&self, slab: &[u8], _: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        let at = self.front()?;
        out.clear();
        out.extend_from_slice(&slab[at..at + self.shape.value_size]);
        Ok(())
    }

    fn push(&mut self, slab: &mut [u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let flags = self.shape.check_flags(flags)?;
        if flags == NOEXIST {
            return Err(Errno::EINVAL);
        }
        if self.len == self.shape.max_entries {
            if flags != EXIST {
                return Err(Errno::E2BIG);
            }
            self.drop_oldest();
        }
        let at = self.at(self.len);
        slab[at..at + value.len()].copy_from_slice(value);
        self.len += 1;
        Ok(())
    }

    fn pop(&mut self, _: &[u8], remove: bool) -> Result<usize, Errno> {
        let at = self.front()?;
        if remove && self.fifo {
            self.drop_oldest();
        } else if remove {
            self.len -= 1;
        }
        Ok(at)
    }
}
