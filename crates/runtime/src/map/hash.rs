//! `BPF_MAP_TYPE_HASH`.
//!
//! Replacing a value puts the new one into another slot, as Linux does: a program that still holds the old
//! value's address goes on reading the old value. One slot a CPU is kept spare for that.

use super::table::Table;
use super::{EXIST, Element, KeyAt, MapOps, NOEXIST, Shape, Side};
use crate::errno::Errno;

/// A hash map.
pub(super) struct Hash {
    shape: Shape,
    table: Table,
}

impl Hash {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, table: Table::new(&shape, shape.value_size, shape.cpus) }
    }

    /// Offset of a key's value.
    pub(super) fn find(&self, slab: &[u8], key: &[u8]) -> Option<usize> {
        self.table.find(slab, key).map(|s| self.table.value_offset(s))
    }
}

impl MapOps for Hash {
    fn slab_len(&self) -> usize {
        self.table.slab_len()
    }

    fn lookup(&mut self, slab: &[u8], key: &[u8], _: u32) -> Result<usize, Errno> {
        self.find(slab, key).ok_or(Errno::ENOENT)
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
        let old = self.table.find(slab, key);
        match old {
            Some(_) if flags == NOEXIST => return Err(Errno::EEXIST),
            None if flags == EXIST => return Err(Errno::ENOENT),
            None if self.table.len() >= self.shape.max_entries => return Err(Errno::E2BIG),
            _ => {}
        }
        let slot = self.table.take().ok_or(Errno::E2BIG)?;
        if let Some(old) = old {
            self.table.unlink(old);
            self.table.give(old);
        }
        let at = self.table.value_offset(slot);
        slab[at..at + value.len()].copy_from_slice(value);
        self.table.link(slab, slot, key);
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
        out.extend_from_slice(&slab[at..at + self.shape.value_size]);
        Ok(())
    }

    fn element(&self, _: &[u8], cursor: &mut u64, _: u32) -> Result<Option<Element>, Errno> {
        Ok(element(&self.table, cursor, 0))
    }
}

/// `get_next_key` over a table.
pub(super) fn next_key(
    table: &Table,
    slab: &[u8],
    key: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<(), Errno> {
    let slot = table.next(slab, key).ok_or(Errno::ENOENT)?;
    let key = table.key(slab, slot);
    out.clear();
    out.extend_from_slice(key);
    Ok(())
}

/// A walk over a table. The cursor names the slot to come, found before the present one is shown, so that a
/// callback may delete what it is shown, as under the kernel's safe list walk. 0 begins, the maximum ends.
pub(super) fn element(table: &Table, cursor: &mut u64, value_offset: usize) -> Option<Element> {
    let slot = match *cursor {
        0 => table.first()?,
        u64::MAX => return None,
        link => u32::try_from(link - 1).ok().filter(|&s| s < table.used_slots())?,
    };
    *cursor = table.after(slot).map_or(u64::MAX, |s| u64::from(s) + 1);
    let value = table.value_offset(slot) + value_offset;
    Some(Element { key: KeyAt::Slab(table.key_offset(slot)), value })
}
