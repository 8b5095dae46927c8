//! The arrays that packets are redirected through: `BPF_MAP_TYPE_DEVMAP`, `BPF_MAP_TYPE_CPUMAP` and
//! `BPF_MAP_TYPE_XSKMAP`.
//!
//! A value begins with the number that matters: an interface index, a queue size, a socket. Zero there
//! empties the slot. Whether an interface exists is not asked: this world has none but those it is told of.

use super::{EXIST, MapOps, NOEXIST, Shape, Side};
use crate::errno::Errno;

const CPUMAP_MAX_QUEUE: u32 = 16384;

/// An array of redirect targets.
pub(super) struct Slots {
    shape: Shape,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dev,
    Cpu,
    Xsk,
}

impl Slots {
    pub(super) fn devmap(shape: Shape) -> Self {
        Self { shape, kind: Kind::Dev }
    }

    pub(super) fn cpumap(shape: Shape) -> Self {
        Self { shape, kind: Kind::Cpu }
    }

    pub(super) fn xskmap(shape: Shape) -> Self {
        Self { shape, kind: Kind::Xsk }
    }

    fn slot(&self, key: &[u8]) -> Result<Option<usize>, Errno> {
        let index = self.shape.index(key)?;
        Ok((index < self.shape.max_entries).then(|| index as usize * 8))
    }

    fn number(&self, slab: &[u8], at: usize) -> u32 {
        self.shape.index(&slab[at..at + 4]).unwrap_or(0)
    }

    fn full(&self, slab: &[u8], key: &[u8]) -> Result<usize, Errno> {
        self.slot(key)?.filter(|&at| self.number(slab, at) != 0).ok_or(Errno::ENOENT)
    }

    /// What the kind refuses about a value.
    fn check_value(&self, key: &[u8], value: &[u8]) -> Result<(), Errno> {
        let number = self.shape.index(&value[..4])?;
        match self.kind {
            Kind::Dev => check_devmap_value(&self.shape, value),
            Kind::Cpu if number > CPUMAP_MAX_QUEUE => Err(Errno::EOVERFLOW),
            Kind::Cpu if self.shape.index(key)? >= self.shape.cpus => Err(Errno::ENODEV),
            Kind::Cpu | Kind::Xsk => Ok(()),
        }
    }
}

/// A devmap value without an interface may not carry a program.
pub(super) fn check_devmap_value(shape: &Shape, value: &[u8]) -> Result<(), Errno> {
    let ifindex = shape.index(&value[..4])?;
    let prog = value.get(4..8).map_or(Ok(0), |b| shape.index(b))? as i32;
    if ifindex == 0 && prog > 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

impl MapOps for Slots {
    fn slab_len(&self) -> usize {
        (self.shape.max_entries as usize).saturating_mul(8)
    }

    fn lookup(&mut self, slab: &[u8], key: &[u8], _: u32) -> Result<usize, Errno> {
        self.full(slab, key)
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
        let at = self.slot(key)?.ok_or(Errno::E2BIG)?;
        let taken = self.number(slab, at) != 0;
        match self.kind {
            Kind::Dev | Kind::Cpu if flags == NOEXIST => return Err(Errno::EEXIST),
            Kind::Xsk if taken && flags == NOEXIST => return Err(Errno::EEXIST),
            Kind::Xsk if !taken && flags == EXIST => return Err(Errno::ENOENT),
            _ => {}
        }
        self.check_value(key, value)?;
        slab[at..at + value.len()].copy_from_slice(value);
        Ok(())
    }

    fn delete(&mut self, slab: &mut [u8], key: &[u8]) -> Result<(), Errno> {
        let at = self.slot(key)?.ok_or(Errno::EINVAL)?;
        slab[at..at + 8].fill(0);
        Ok(())
    }

    fn next_key(&self, _: &[u8], key: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Errno> {
        self.shape.next_index(key, out)
    }

    fn read(&self, slab: &[u8], key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        if self.kind == Kind::Xsk {
            return Err(Errno::EOPNOTSUPP);
        }
        let at = self.full(slab, key)?;
        out.clear();
        out.extend_from_slice(&slab[at..at + self.shape.value_size]);
        Ok(())
    }

    fn target(&self, slab: &[u8], key: &[u8]) -> Option<u32> {
        self.full(slab, key).ok().map(|at| self.number(slab, at))
    }
}
