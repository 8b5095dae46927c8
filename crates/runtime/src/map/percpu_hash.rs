//! `BPF_MAP_TYPE_PERCPU_HASH`: a hash map with a value for each possible CPU.
//!
//! Existing elements are written in place. A new element that a program makes has zeroes on other CPUs.

use super::hash::{element, next_key};
use super::table::Table;
use super::{EXIST, Element, MapOps, NOEXIST, Shape, Side};
use crate::errno::Errno;

/// A hash map with a value a CPU.
pub(super) struct PercpuHash {
    shape: Shape,
    table: Table,
    values: PercpuValues,
}

/// Layout of one element's values: one a CPU, each rounded up to eight bytes.
pub(super) struct PercpuValues {
    stride: usize,
    len: usize,
    cpus: u32,
}

impl PercpuValues {
    pub(super) fn new(shape: &Shape) -> Self {
        let stride = shape.stride();
        Self { stride, len: stride.saturating_mul(shape.cpus as usize), cpus: shape.cpus }
    }

    /// Bytes of all CPUs' values.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Offset of one CPU's value among them.
    pub(super) fn offset(&self, cpu: u32) -> usize {
        cpu as usize * self.stride
    }

    /// As [`Self::offset`], for a CPU that a program names.
    pub(super) fn offset_of(&self, cpu: u32) -> Result<usize, Errno> {
        if cpu < self.cpus { Ok(self.offset(cpu)) } else { Err(Errno::ENOENT) }
    }

    /// Writes what `side` gives into the values `all`; a new element is zeroed first.
    pub(super) fn write(&self, all: &mut [u8], value: &[u8], side: Side, new: bool) {
        let at = match side {
            Side::Prog(cpu) => {
                if new {
                    all.fill(0);
                }
                self.offset(cpu)
            }
            Side::User => 0,
        };
        all[at..at + value.len()].copy_from_slice(value);
    }
}

impl PercpuHash {
    pub(super) fn new(shape: Shape) -> Self {
        let values = PercpuValues::new(&shape);
        Self { shape, table: Table::new(&shape, values.len(), 0), values }
    }
}

impl MapOps for PercpuHash {
    fn slab_len(&self) -> usize {
        self.table.slab_len()
    }

    fn lookup(&mut self, slab: &[u8], key: &[u8], cpu: u32) -> Result<usize, Errno> {
        let slot = self.table.find(slab, key).ok_or(Errno::ENOENT)?;
        Ok(self.table.value_offset(slot) + self.values.offset(cpu))
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
        let old = self.table.find(slab, key);
        let (slot, new) = match old {
            Some(_) if flags == NOEXIST => return Err(Errno::EEXIST),
            Some(slot) => (slot, false),
            None if flags == EXIST => return Err(Errno::ENOENT),
            None if self.table.len() >= self.shape.max_entries => return Err(Errno::E2BIG),
            None => (self.table.take().ok_or(Errno::E2BIG)?, true),
        };
        let at = self.table.value_offset(slot);
        self.values.write(&mut slab[at..at + self.values.len()], value, side, new);
        if new {
            self.table.link(slab, slot, key);
        }
        Ok(())
    }

    fn delete(&mut self, slab: &mut [u8], key: &[u8]) -> Result<(), Errno> {
        let slot = self.table.find(slab, key).ok_or(Errno::ENOENT)?;
        self.table.unlink(slot);
        self.table.give(slot);
        Ok(())
    }

    fn next_key(&self, slab: &[u8], key: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Errno> {
        next_key(&self.table, slab, key, out)
    }

    fn read(&self, slab: &[u8], key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        let slot = self.table.find(slab, key).ok_or(Errno::ENOENT)?;
        let at = self.table.value_offset(slot);
        out.clear();
        out.extend_from_slice(&slab[at..at + self.values.len()]);
        Ok(())
    }

    fn lookup_on(&mut self, slab: &[u8], key: &[u8], cpu: u32) -> Result<usize, Errno> {
        let offset = self.values.offset_of(cpu)?;
        Ok(self.lookup(slab, key, 0)? + offset)
    }

    fn element(&self, _: &[u8], cursor: &mut u64, cpu: u32) -> Result<Option<Element>, Errno> {
        Ok(element(&self.table, cursor, self.values.offset(cpu)))
    }
}
