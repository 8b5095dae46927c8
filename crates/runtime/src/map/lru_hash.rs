//! `BPF_MAP_TYPE_LRU_HASH` and `BPF_MAP_TYPE_LRU_PERCPU_HASH`: hash maps that make room by themselves.
//!
//! The kernel approximates least-recently-used with two lists and a reference bit that a program's lookup
//! sets; here it is the clock algorithm over slots with the same bit: a hand goes round, clears bits that are
//! set, and evicts the first element whose bit is not. Lookups through bpf(2) set no bit, as in the kernel.
//! Unlike the kernel, whose CPUs hoard free nodes, nothing is evicted before the map holds max_entries.

use super::hash::{element, next_key};
use super::percpu_hash::PercpuValues;
use super::table::Table;
use super::{EXIST, Element, MapOps, NOEXIST, Shape, Side};
use crate::errno::Errno;

/// A hash map with eviction.
pub(super) struct LruHash {
    shape: Shape,
    table: Table,
    /// Set for the per-CPU kind.
    percpu: Option<PercpuValues>,
    value_size: usize,
    marks: Vec<Mark>,
    hand: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Free,
    Cold,
    /// Looked up since the hand last came by.
    Hot,
}

impl LruHash {
    pub(super) fn new(shape: Shape) -> Self {
        Self::make(shape, None)
    }

    pub(super) fn percpu(shape: Shape) -> Self {
        Self::make(shape, Some(PercpuValues::new(&shape)))
    }

    fn make(shape: Shape, percpu: Option<PercpuValues>) -> Self {
        let values = percpu.as_ref().map_or(shape.value_size, PercpuValues::len);
        // The plain kind replaces into a spare slot, as Hash does.
        let spare = if percpu.is_some() { 0 } else { shape.cpus };
        Self {
            shape,
            table: Table::new(&shape, values, spare),
            percpu,
            value_size: values,
            marks: Vec::new(),
            hand: 0,
        }
    }

    fn mark(&mut self, slot: u32, mark: Mark) {
        let slot = slot as usize;
        if slot >= self.marks.len() {
            self.marks.resize(slot + 1, Mark::Free);
        }
        self.marks[slot] = mark;
    }

    fn drop_slot(&mut self, slot: u32) {
        self.table.unlink(slot);
        self.table.give(slot);
        self.mark(slot, Mark::Free);
    }

    /// Evicts the first cold element that the hand meets. Two rounds suffice: the first clears every bit.
    fn evict(&mut self) {
        for _ in 0..self.marks.len().saturating_mul(2) {
            let slot = self.hand;
            self.hand = (self.hand + 1) % self.marks.len() as u32;
            match self.marks[slot as usize] {
                Mark::Free => {}
                Mark::Hot => self.marks[slot as usize] = Mark::Cold,
                Mark::Cold => {
                    self.drop_slot(slot);
                    return;
                }
            }
        }
    }

    fn find_hot(&mut self, slab: &[u8], key: &[u8]) -> Result<usize, Errno> {
        let slot = self.table.find(slab, key).ok_or(Errno::ENOENT)?;
        self.marks[slot as usize] = Mark::Hot;
        Ok(self.table.value_offset(slot))
    }
}

impl MapOps for LruHash {
    fn slab_len(&self) -> usize {
        self.table.slab_len()
    }

    fn lookup(&mut self, slab: &[u8], key: &[u8], cpu: u32) -> Result<usize, Errno> {
        let at = self.find_hot(slab, key)?;
        Ok(at + self.percpu.as_ref().map_or(0, |v| v.offset(cpu)))
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
        match old {
            Some(_) if flags == NOEXIST => return Err(Errno::EEXIST),
            None if flags == EXIST => return Err(Errno::ENOENT),
            None if self.table.len() >= self.shape.max_entries => self.evict(),
            _ => {}
        }
        if let (Some(slot), Some(values)) = (old, &self.percpu) {
            let at = self.table.value_offset(slot);
            values.write(&mut slab[at..at + values.len()], value, side, false);
            self.marks[slot as usize] = Mark::Hot;
            return Ok(());
        }
        let slot = self.table.take().ok_or(Errno::ENOMEM)?;
        if let Some(old) = old {
            self.drop_slot(old);
        }
        let at = self.table.value_offset(slot);
        match &self.percpu {
            Some(values) => values.write(&mut slab[at..at + values.len()], value, side, true),
            None => slab[at..at + value.len()].copy_from_slice(value),
        }
        self.table.link(slab, slot, key);
        self.mark(slot, if old.is_some() { Mark::Hot } else { Mark::Cold });
        Ok(())
    }

    fn delete(&mut self, slab: &mut [u8], key: &[u8]) -> Result<(), Errno> {
        let slot = self.table.find(slab, key).ok_or(Errno::ENOENT)?;
        self.drop_slot(slot);
        Ok(())
    }

    fn next_key(&self, slab: &[u8], key: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Errno> {
        next_key(&self.table, slab, key, out)
    }

    fn read(&self, slab: &[u8], key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        let slot = self.table.find(slab, key).ok_or(Errno::ENOENT)?;
        let at = self.table.value_offset(slot);
        out.clear();
        out.extend_from_slice(&slab[at..at + self.value_size]);
        Ok(())
    }

    fn lookup_on(&mut self, slab: &[u8], key: &[u8], cpu: u32) -> Result<usize, Errno> {
        let offset = self.percpu.as_ref().ok_or(Errno::ENOENT)?.offset_of(cpu)?;
        Ok(self.find_hot(slab, key)? + offset)
    }

    fn element(&self, _: &[u8], cursor: &mut u64, cpu: u32) -> Result<Option<Element>, Errno> {
        let offset = self.percpu.as_ref().map_or(0, |v| v.offset(cpu));
        Ok(element(&self.table, cursor, offset))
    }
}
