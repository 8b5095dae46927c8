//! Maps: made, opened, read and written.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use skep_abi::{Cmd, MapType};

use super::attr::{self, MapBatch, MapCreate, MapElem};
use super::call::{address, address_mut, bpf, bpf_fd, name, number};
use super::{cpu, info};
use crate::Errno;

/// `BPF_F_LOCK`: reads and writes take the value's spin lock.
pub const F_LOCK: u64 = 4;

/// What a map is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Create<'a> {
    /// Type.
    pub map_type: MapType,
    /// Name; cut and cleaned to what the kernel takes.
    pub name: &'a str,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Capacity.
    pub max_entries: u32,
    /// `map_flags`.
    pub flags: u32,
    /// `map_extra`.
    pub map_extra: u64,
    /// NUMA node, counted only with its flag.
    pub numa_node: u32,
    /// Model of inner maps, for maps of maps.
    pub inner: Option<BorrowedFd<'a>>,
    /// BTF of key and value: the object, the key's type, the value's type.
    pub btf: Option<(BorrowedFd<'a>, u32, u32)>,
    /// The kernel's struct that a struct_ops map fills.
    pub vmlinux_value_type: u32,
    /// Interface whose device holds the map; 0 is none.
    pub ifindex: u32,
}

/// A map that is open.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
    info: attr::MapInfo,
    /// Bytes of a value as bpf(2) moves it.
    value_len: usize,
}

impl Map {
    /// BPF_MAP_CREATE.
    ///
    /// # Errors
    /// `EPERM` without CAP_BPF; `EINVAL`, `E2BIG`, `ENOMEM` as the type sees it.
    pub fn create(create: &Create<'_>) -> Result<Self, Errno> {
        let mut attr = MapCreate {
            map_type: create.map_type.0,
            key_size: create.key_size,
            value_size: create.value_size,
            max_entries: create.max_entries,
            map_flags: create.flags,
            inner_map_fd: create.inner.map_or(0, number),
            numa_node: create.numa_node,
            map_name: name(create.name),
            map_ifindex: create.ifindex,
            btf_vmlinux_value_type_id: create.vmlinux_value_type,
            map_extra: create.map_extra,
            ..MapCreate::default()
        };
        if let Some((btf, key, value)) = create.btf {
            (attr.btf_fd, attr.btf_key_type_id, attr.btf_value_type_id) = (number(btf), key, value);
        }
        // SAFETY: the attribute holds no pointer, and the command gives a descriptor.
        Self::from_fd(unsafe { bpf_fd(Cmd::MAP_CREATE, &mut attr) }?)
    }

    /// Takes a descriptor of a map, and asks the kernel what it is.
    ///
    /// # Errors
    /// `EINVAL` if it is no map.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, Errno> {
        let info = info::map(fd.as_fd())?;
        let size = info.value_size as usize;
        let map_type = MapType(info.r#type);
        let value_len = if map_type.row().is_some_and(|row| row.per_cpu) {
            size.next_multiple_of(8).checked_mul(cpu::possible()?).ok_or(Errno::E2BIG)?
        } else {
            // Maps of descriptors move four bytes, whatever they say their values are.
            size.max(4)
        };
        Ok(Self { fd, info, value_len })
    }

    /// BPF_MAP_GET_FD_BY_ID.
    ///
    /// # Errors
    /// `ENOENT` if there is none, `EPERM` without CAP_SYS_ADMIN.
    pub fn by_id(id: u32) -> Result<Self, Errno> {
        Self::from_fd(info::fd_by_id(info::Object::Map, id)?)
    }

    /// What the kernel says of it.
    pub fn info(&self) -> &attr::MapInfo {
        &self.info
    }

    /// Type.
    pub fn map_type(&self) -> MapType {
        MapType(self.info.r#type)
    }

    /// Bytes of a value as bpf(2) moves it: of all CPUs for per-CPU maps.
    pub fn value_len(&self) -> usize {
        if self.map_type().row().is_some_and(|row| row.per_cpu) {
            self.value_len
        } else {
            self.info.value_size as usize
        }
    }

    fn key(&self, key: &[u8]) -> Result<u64, Errno> {
        if key.len() == self.info.key_size as usize { Ok(address(key)) } else { Err(Errno::EINVAL) }
    }

    fn read(&self, cmd: Cmd, key: &[u8], flags: u64) -> Result<Vec<u8>, Errno> {
        let mut value = vec![0; self.value_len];
        let mut attr = MapElem {
            map_fd: number(self.fd.as_fd()),
            key: self.key(key)?,
            value: address_mut(&mut value),
            flags,
            ..MapElem::default()
        };
        // SAFETY: the key has the map's key size; `value` has the bytes that the kernel writes for this map, asked of
        // the kernel when the map was opened. Both live for the call.
        unsafe { bpf(cmd, &mut attr) }?;
        value.truncate(self.value_len());
        Ok(value)
    }

    /// BPF_MAP_LOOKUP_ELEM. Queues and stacks have no key and show their next value.
    ///
    /// # Errors
    /// `ENOENT` if there is no such key; `EINVAL` for a key of another size.
    pub fn lookup(&self, key: &[u8], flags: u64) -> Result<Vec<u8>, Errno> {
        self.read(Cmd::MAP_LOOKUP_ELEM, key, flags)
    }

    /// BPF_MAP_LOOKUP_AND_DELETE_ELEM.
    ///
    /// # Errors
    /// As for [`Map::lookup`]; `EOPNOTSUPP` for map types without it.
    pub fn take(&self, key: &[u8], flags: u64) -> Result<Vec<u8>, Errno> {
        self.read(Cmd::MAP_LOOKUP_AND_DELETE_ELEM, key, flags)
    }

    /// BPF_MAP_UPDATE_ELEM; flags are BPF_ANY, BPF_NOEXIST, BPF_EXIST, [`F_LOCK`].
    ///
    /// # Errors
    /// `EINVAL` for a key or value of another size, `EEXIST`, `ENOENT`, `E2BIG` as the map sees it.
    pub fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        if value.len() != self.value_len() {
            return Err(Errno::EINVAL);
        }
        let mut padded = value.to_vec();
        padded.resize(self.value_len, 0);
        let mut attr = MapElem {
            map_fd: number(self.fd.as_fd()),
            key: self.key(key)?,
            value: address(&padded),
            flags,
            ..MapElem::default()
        };
        // SAFETY: the key has the map's key size and `padded` at least the bytes that the kernel reads.
        unsafe { bpf(Cmd::MAP_UPDATE_ELEM, &mut attr) }?;
        Ok(())
    }

    /// As [`Map::update`], with a descriptor as the value: maps of maps, prog arrays, sock maps.
    ///
    /// # Errors
    /// As for [`Map::update`].
    pub fn update_fd(&self, key: &[u8], fd: BorrowedFd<'_>, flags: u64) -> Result<(), Errno> {
        let mut value = number(fd).to_ne_bytes().to_vec();
        value.resize(self.value_len(), 0);
        self.update(key, &value, flags)
    }

    /// BPF_MAP_DELETE_ELEM.
    ///
    /// # Errors
    /// `ENOENT` if there is no such key; `EINVAL` for arrays.
    pub fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        let mut attr = MapElem { map_fd: number(self.fd.as_fd()), key: self.key(key)?, ..MapElem::default() };
        // SAFETY: the key has the map's key size.
        unsafe { bpf(Cmd::MAP_DELETE_ELEM, &mut attr) }?;
        Ok(())
    }

    /// BPF_MAP_GET_NEXT_KEY: the key after this one, the first if none is given; `None` after the last.
    ///
    /// # Errors
    /// `EINVAL`, `EOPNOTSUPP` for maps without keys.
    pub fn next_key(&self, key: Option<&[u8]>) -> Result<Option<Vec<u8>>, Errno> {
        let mut next = vec![0; self.info.key_size as usize];
        let mut attr = MapElem {
            map_fd: number(self.fd.as_fd()),
            key: key.map_or(Ok(0), |k| self.key(k))?,
            value: address_mut(&mut next),
            ..MapElem::default()
        };
        // SAFETY: key and `next` have the map's key size.
        match unsafe { bpf(Cmd::MAP_GET_NEXT_KEY, &mut attr) } {
            Ok(_) => Ok(Some(next)),
            Err(Errno::ENOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// BPF_MAP_FREEZE: userspace can no longer write.
    ///
    /// # Errors
    /// `EBUSY` if it is frozen or mapped for writing.
    pub fn freeze(&self) -> Result<(), Errno> {
        let mut attr = MapElem { map_fd: number(self.fd.as_fd()), ..MapElem::default() };
        // SAFETY: the attribute holds no pointer.
        unsafe { bpf(Cmd::MAP_FREEZE, &mut attr) }?;
        Ok(())
    }

    /// BPF_MAP_LOOKUP_BATCH: up to `count` entries after the cursor, which moves on; keys one after the other, and
    /// values. The last batch is the one after which [`Batch::more`] is false.
    ///
    /// # Errors
    /// `EINVAL`, `ENOTSUPP` for map types without batches; `ENOSPC` if a bucket has more than `count` entries.
    pub fn lookup_batch(&self, cursor: &mut Cursor, count: u32) -> Result<Batch, Errno> {
        self.read_batch(Cmd::MAP_LOOKUP_BATCH, cursor, count)
    }

    /// BPF_MAP_LOOKUP_AND_DELETE_BATCH: as [`Map::lookup_batch`], and what it gives is gone from the map.
    ///
    /// # Errors
    /// As for [`Map::lookup_batch`]; only hash maps know it.
    pub fn take_batch(&self, cursor: &mut Cursor, count: u32) -> Result<Batch, Errno> {
        self.read_batch(Cmd::MAP_LOOKUP_AND_DELETE_BATCH, cursor, count)
    }

    fn read_batch(&self, cmd: Cmd, cursor: &mut Cursor, count: u32) -> Result<Batch, Errno> {
        let (count_wide, key) = (count as usize, self.info.key_size as usize);
        let bytes = |each: usize| each.checked_mul(count_wide).ok_or(Errno::E2BIG);
        let mut batch = Batch {
            keys: vec![0; bytes(key)?],
            values: vec![0; bytes(self.value_len)?],
            count: 0,
            more: true,
        };
        // The kernel's cursor is a key, or a number of a bucket, which may be longer than a key.
        let mut out = vec![0; key.max(8)];
        let mut attr = MapBatch {
            in_batch: cursor.0.as_deref().map_or(0, address),
            out_batch: address_mut(&mut out),
            keys: address_mut(&mut batch.keys),
            values: address_mut(&mut batch.values),
            count,
            map_fd: number(self.fd.as_fd()),
            ..MapBatch::default()
        };
        // SAFETY: keys, values and cursors have room for what the kernel moves: `count` entries, and a key or a bucket.
        let done = unsafe { bpf(cmd, &mut attr) };
        match done {
            Ok(_) => {}
            Err(Errno::ENOENT) => batch.more = false,
            Err(e) => return Err(e),
        }
        batch.count = attr.count.min(count);
        batch.keys.truncate(key * batch.count as usize);
        batch.values.truncate(self.value_len() * batch.count as usize);
        cursor.0 = Some(out);
        Ok(batch)
    }

    /// BPF_MAP_UPDATE_BATCH: keys one after the other, values likewise. Of the flags the kernel takes [`F_LOCK`] alone.
    ///
    /// # Errors
    /// `EINVAL` if the lengths do not fit each other or for other flags, `ENOTSUPP` for map types without batches; with how
    /// many entries were written before.
    pub fn update_batch(&self, keys: &[u8], values: &[u8], elem_flags: u64) -> Result<(), Partial> {
        let count = self.count_of(keys)?;
        if values.len() != count as usize * self.value_len() || self.value_len != self.value_len() {
            return Err(Errno::EINVAL.into());
        }
        let mut attr = MapBatch {
            keys: address(keys),
            values: address(values),
            count,
            map_fd: number(self.fd.as_fd()),
            elem_flags,
            ..MapBatch::default()
        };
        // SAFETY: `count` keys and values are there, as checked above.
        let done = unsafe { bpf(Cmd::MAP_UPDATE_BATCH, &mut attr) };
        done.map(drop).map_err(|errno| Partial::of(errno, attr.count, count))
    }

    /// BPF_MAP_DELETE_BATCH.
    ///
    /// # Errors
    /// As for [`Map::update_batch`]; `ENOENT` at the first key that is not there.
    pub fn delete_batch(&self, keys: &[u8]) -> Result<(), Partial> {
        let count = self.count_of(keys)?;
        let map_fd = number(self.fd.as_fd());
        let mut attr = MapBatch { keys: address(keys), count, map_fd, ..MapBatch::default() };
        // SAFETY: `count` keys are there, as checked above.
        let done = unsafe { bpf(Cmd::MAP_DELETE_BATCH, &mut attr) };
        done.map(drop).map_err(|errno| Partial::of(errno, attr.count, count))
    }

    fn count_of(&self, keys: &[u8]) -> Result<u32, Errno> {
        let size = self.info.key_size as usize;
        if size == 0 || !keys.len().is_multiple_of(size) {
            return Err(Errno::EINVAL);
        }
        u32::try_from(keys.len() / size).map_err(|_| Errno::E2BIG)
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Why a batch of writes ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// What the kernel said of the entry that it stopped at, or of all of it.
    pub errno: Errno,
    /// How many entries were done before.
    pub done: u32,
}

impl Partial {
    /// The kernel counts what it did; what it refuses from the start it leaves at the number that was asked for.
    fn of(errno: Errno, count: u32, asked: u32) -> Self {
        Self { errno, done: if count < asked { count } else { 0 } }
    }
}

impl From<Errno> for Partial {
    fn from(errno: Errno) -> Self {
        Self { errno, done: 0 }
    }
}

/// Where the next batch begins; the default is the start of the map.
#[derive(Clone, Debug, Default)]
pub struct Cursor(Option<Vec<u8>>);

/// Entries of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Keys, one after the other.
    pub keys: Vec<u8>,
    /// Values, one after the other.
    pub values: Vec<u8>,
    /// How many.
    pub count: u32,
    /// Whether there may be more behind the cursor.
    pub more: bool,
}
