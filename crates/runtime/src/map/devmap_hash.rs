//! `BPF_MAP_TYPE_DEVMAP_HASH`: a devmap whose indices are sparse.

use super::table::Table;
use super::targets::check_devmap_value;
use super::{MapOps, NOEXIST, Shape, Side};
use crate::errno::Errno;

/// A hash of interfaces.
pub(super) struct DevmapHash {
    shape: Shape,
    table: Table,
}

impl DevmapHash {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, table: Table::new(&shape, 8, 0) }
    }

    fn find(&self, slab: &[u8], key: &[u8]) -> Result<usize, Errno> {
        self.table.find(slab, key).map(|s| self.table.value_offset(s)).ok_or(Errno::ENOENT)
    }
}

impl MapOps for DevmapHash {
    fn slab_len(&self) -> usize {
        self.table.slab_len()
    }

    fn lookup(&mut self, slab: &[u8], key: &[u8], _: u32) -> Result<usize, Errno> {
        self.find(slab, key)
    }

    fn update(
        &mut self,
        slab: &mut [u8],
        key: &[u8],
        value: &[u8],
        flags: u64,
        side: Side,
    ) -> Result<(), Errno> {
        if side != Side::User {
            return Err(Errno::EOPNOTSUPP);
        }
        let flags = self.shape.check_flags(flags)?;
        // An empty value is refused outright: slots are emptied by deleting.
        if self.shape.index(&value[..4])? == 0 {
            return Err(Errno::EINVAL);
        }
        check_devmap_value(&self.shape, value)?;
        let at = match self.table.find(slab, key) {
            Some(_) if flags == NOEXIST => return Err(Errno::EEXIST),
            Some(slot) => self.table.value_offset(slot),
            None if self.table.len() >= self.shape.max_entries => return Err(Errno::E2BIG),
            None => {
                let slot = self.table.take().ok_or(Errno::E2BIG)?;
                self.table.link(slab, slot, key);
                self.table.value_offset(slot)
            }
        };
        slab[at..at + value.len()].copy_from_slice(value);
        Ok(())
    }

    fn delete(&mut self, slab: &mut [u8], key: &[u8]) -> Result<(), Errno> {
        let slot = self.table.find(slab, key).ok_or(Errno::ENOENT)?;
        self.table.unlink(slot);
        self.table.give(slot);
        Ok(())
    }

    fn next_key(&self, slab: &[u8], key: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Errno> {
        self.table.next_key(slab, key, out)
    }

    fn read(&self, slab: &[u8], key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        let at = self.find(slab, key)?;
        out.clear();
        out.extend_from_slice(&slab[at..at + self.shape.value_size]);
        Ok(())
    }

    fn target(&self, slab: &[u8], key: &[u8]) -> Option<u32> {
        self.find(slab, key).ok().and_then(|at| self.shape.index(&slab[at..at + 4]).ok())
    }
}
