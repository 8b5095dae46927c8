//! `BPF_MAP_TYPE_HASH`, `BPF_MAP_TYPE_LRU_HASH` and their per-CPU forms.
//!
//! Replacing a value that all CPUs share puts the new one into another slot, as Linux does: a program that still
//! holds the old value's address goes on reading the old value. One slot a CPU is kept spare for that. Per-CPU
//! values are written in place.

use super::lru::Clock;
use super::table::Table;
use super::values::Values;
use super::{EXIST, Element, KeyAt, MapOps, NOEXIST, Shape, Side};
use crate::errno::Errno;

/// A hash map.
pub(super) struct Hash {
    shape: Shape,
    table: Table,
    values: Values,
    /// Set for the kinds that make room by themselves.
    lru: Option<Clock>,
}

impl Hash {
    pub(super) fn new(shape: Shape) -> Self {
        Self::make(shape, Values::shared(&shape), None)
    }

    pub(super) fn percpu(shape: Shape) -> Self {
        Self::make(shape, Values::percpu(&shape), None)
    }

    pub(super) fn lru(shape: Shape) -> Self {
        Self::make(shape, Values::shared(&shape), Some(Clock::default()))
    }

    pub(super) fn lru_percpu(shape: Shape) -> Self {
        Self::make(shape, Values::percpu(&shape), Some(Clock::default()))
    }

    fn make(shape: Shape, values: Values, lru: Option<Clock>) -> Self {
        let spare = if values.is_percpu() { 0 } else { shape.cpus };
        Self { shape, table: Table::new(&shape, values.len(), spare), values, lru }
    }

    /// Offset of a key's values.
    pub(super) fn find(&self, slab: &[u8], key: &[u8]) -> Option<usize> {
        self.table.find(slab, key).map(|s| self.table.value_offset(s))
    }

    /// As [`Self::find`], by a program.
    fn find_used(&mut self, slab: &[u8], key: &[u8]) -> Result<usize, Errno> {
        let slot = self.table.find(slab, key).ok_or(Errno::ENOENT)?;
        if let Some(clock) = &mut self.lru {
            clock.used(slot);
        }
        Ok(self.table.value_offset(slot))
    }

    fn drop_slot(&mut self, slot: u32) {
        self.table.unlink(slot);
        self.table.give(slot);
        if let Some(clock) = &mut self.lru {
            clock.freed(slot);
        }
    }

    /// Makes room for one more element.
    fn make_room(&mut self) -> Result<(), Errno> {
        if self.table.len() >= self.shape.max_entries {
            let slot = self.lru.as_mut().and_then(Clock::coldest).ok_or(Errno::E2BIG)?;
            self.drop_slot(slot);
        }
        Ok(())
    }
}

impl MapOps for Hash {
    fn slab_len(&self) -> usize {
        self.table.slab_len()
    }

    fn lookup(&mut self, slab: &[u8], key: &[u8], cpu: u32) -> Result<usize, Errno> {
        Ok(self.find_used(slab, key)? + self.values.offset(cpu))
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
            None => self.make_room()?,
            Some(_) => {}
        }
        let in_place = old.filter(|_| self.values.is_percpu());
        let slot = match in_place {
            Some(slot) => slot,
            None => self.table.take().ok_or(if self.lru.is_some() { Errno::ENOMEM } else { Errno::E2BIG })?,
        };
        self.values.write(slab, self.table.value_offset(slot), value, side, in_place.is_none());
        if in_place.is_none() {
            if let Some(old) = old {
                self.drop_slot(old);
            }
            self.table.link(slab, slot, key);
        }
        if let Some(clock) = &mut self.lru {
            if old.is_some() { clock.used(slot) } else { clock.filled(slot) }
        }
        Ok(())
    }

    fn delete(&mut self, slab: &mut [u8], key: &[u8]) -> Result<(), Errno> {
        let slot = self.table.find(slab, key).ok_or(Errno::ENOENT)?;
        self.drop_slot(slot);
        Ok(())
    }

    fn next_key(&self, slab: &[u8], key: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Errno> {
        self.table.next_key(slab, key, out)
    }

    fn read(&self, slab: &[u8], key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        let at = self.find(slab, key).ok_or(Errno::ENOENT)?;
        self.values.read(slab, at, out);
        Ok(())
    }

    fn lookup_on(&mut self, slab: &[u8], key: &[u8], cpu: u32) -> Result<usize, Errno> {
        let offset = self.values.offset_of(cpu)?;
        Ok(self.find_used(slab, key)? + offset)
    }

    /// The cursor names the slot to come, found before the present one is shown, so that a callback may delete what
    /// it is shown, as under the kernel's safe list walk. 0 begins, the maximum ends.
    fn element(&self, _: &[u8], cursor: &mut u64, cpu: u32) -> Result<Option<Element>, Errno> {
        let slot = match *cursor {
            0 => self.table.first(),
            link => u32::try_from(link - 1).ok().filter(|&s| s < self.table.used_slots()),
        };
        let Some(slot) = slot else { return Ok(None) };
        *cursor = self.table.after(slot).map_or(u64::MAX, |s| u64::from(s) + 1);
        let value = self.table.value_offset(slot) + self.values.offset(cpu);
        Ok(Some(Element { key: KeyAt::Slab(self.table.key_offset(slot)), value }))
    }
}
