//! Maps: one file a type, one row a type in [`TYPES`].
//!
//! A map is split in two. Its *values* lie in one slab of the machine's memory, so that programs hold plain
//! addresses into it; its *logic* ([`MapOps`]) keeps the index and answers with offsets in that slab, which it
//! is handed on every call. Offsets of values never move while a map lives, and a deleted value stays readable
//! until its slot is used again, as with the kernel's preallocated elements.
//!
//! Sizes, flags and errors are those of Linux 6.18 (`kernel/bpf/arraymap.c`, `hashtab.c`, `lpm_trie.c`, ...,
//! whose behaviour was observed, not copied).

mod array;
pub(crate) mod attr;
mod bloom_filter;
mod devmap_hash;
mod fd_array;
mod hash;
mod hash_of_maps;
mod lpm_trie;
mod lru;
mod queue;
mod ringbuf;
mod table;
mod targets;
#[cfg(test)]
mod tests;
mod values;

use skep_abi::MapType;
use skep_isa::Endian;
use skep_object::MapSpec;

pub(crate) use attr::Refusal;
pub(crate) use ringbuf::Ring;

use crate::errno::Errno;

/// `BPF_ANY`: create or replace.
pub(crate) const ANY: u64 = 0;
/// `BPF_NOEXIST`: create only.
pub(crate) const NOEXIST: u64 = 1;
/// `BPF_EXIST`: replace only.
pub(crate) const EXIST: u64 = 2;

/// Who changes a map: a program sees one CPU's value, bpf(2) those of all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// A program that runs on this CPU.
    Prog(u32),
    /// A caller of bpf(2); per-CPU values come one after the other.
    User,
}

/// What the logic of a map needs to know about its shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) key_size: usize,
    pub(crate) value_size: usize,
    pub(crate) max_entries: u32,
    /// `map_extra`.
    pub(crate) extra: u64,
    /// Possible CPUs, at least one.
    pub(crate) cpus: u32,
    /// Byte order of integers that programs put into keys.
    pub(crate) endian: Endian,
    /// Seed of hash functions.
    pub(crate) seed: u64,
    /// Values hold a `bpf_spin_lock`.
    pub(crate) locked: bool,
}

impl Shape {
    /// A value's room: its size rounded up to eight bytes.
    pub(crate) fn stride(&self) -> usize {
        round8(self.value_size)
    }

    /// The key as an index.
    pub(crate) fn index(&self, key: &[u8]) -> Result<u32, Errno> {
        let bytes: [u8; 4] = key.try_into().map_err(|_| Errno::EINVAL)?;
        Ok(match self.endian {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        })
    }

    /// A 32-bit number as this map's programs read it.
    pub(crate) fn bytes_of(&self, n: u32) -> [u8; 4] {
        match self.endian {
            Endian::Little => n.to_le_bytes(),
            Endian::Big => n.to_be_bytes(),
        }
    }

    /// The update flags, less `BPF_F_LOCK` where a lock is: one CPU runs at a time. Beyond `BPF_EXIST` they
    /// are refused.
    pub(crate) fn check_flags(&self, flags: u64) -> Result<u64, Errno> {
        const LOCK: u64 = 4;
        let flags = if self.locked { flags & !LOCK } else { flags };
        if flags > EXIST { Err(Errno::EINVAL) } else { Ok(flags) }
    }

    /// `get_next_key` of everything that is indexed from 0.
    pub(crate) fn next_index(&self, key: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Errno> {
        let next = match key.map(|k| self.index(k)).transpose()? {
            Some(i) if i < self.max_entries => i + 1,
            _ => 0,
        };
        if next >= self.max_entries {
            return Err(Errno::ENOENT);
        }
        out.clear();
        out.extend_from_slice(&self.bytes_of(next));
        Ok(())
    }
}

/// A number for bytes, always the same.
pub(crate) fn hash_bytes(bytes: &[u8]) -> u32 {
    table::hash(0, bytes)
}

/// Rounds up to eight.
pub(crate) const fn round8(n: usize) -> usize {
    n.next_multiple_of(8)
}

/// Where a walk over all elements stands: the key's bytes, and the value's offset in the slab.
pub(crate) struct Element {
    /// Offset of the key in the slab; arrays keep no keys, theirs is the index.
    pub(crate) key: KeyAt,
    /// Offset of the value in the slab.
    pub(crate) value: usize,
}

/// Where the key of an [`Element`] is.
pub(crate) enum KeyAt {
    /// In the slab, at this offset.
    Slab(usize),
    /// Nowhere: it is this index.
    Index(u32),
}

/// The logic of a map. `slab` is always the map's own value memory.
pub(crate) trait MapOps {
    /// How many bytes of value memory the map needs.
    fn slab_len(&self) -> usize;

    /// Offset of the value that a program on `cpu` sees.
    fn lookup(&mut self, slab: &[u8], key: &[u8], cpu: u32) -> Result<usize, Errno>;

    /// Sets a value. Where there are no keys, bpf(2) pushes by updating with an empty one.
    fn update(
        &mut self,
        slab: &mut [u8],
        _key: &[u8],
        value: &[u8],
        flags: u64,
        side: Side,
    ) -> Result<(), Errno> {
        match side {
            Side::User => self.push(slab, value, flags),
            Side::Prog(_) => Err(Errno::EINVAL),
        }
    }

    /// Removes a key.
    fn delete(&mut self, slab: &mut [u8], key: &[u8]) -> Result<(), Errno>;

    /// Puts the key after `key` into `out`; the first if there is none or it is gone.
    fn next_key(&self, slab: &[u8], key: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Errno>;

    /// Puts a key's value, as bpf(2) hands it out, into `out`.
    fn read(&self, slab: &[u8], key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno>;

    /// Offset of another CPU's value (`bpf_map_lookup_percpu_elem`); only per-CPU maps have one.
    fn lookup_on(&mut self, _slab: &[u8], _key: &[u8], _cpu: u32) -> Result<usize, Errno> {
        Err(Errno::ENOENT)
    }

    /// Where values lie in a row, the key being their number: offset of the first that a program on `cpu` sees, distance,
    /// how many.
    fn row(&self, _cpu: u32) -> Option<(u32, u32, u32)> {
        None
    }

    /// The element at or after a cursor that begins at 0, for `bpf_for_each_map_elem`.
    fn element(&self, _slab: &[u8], _cursor: &mut u64, _cpu: u32) -> Result<Option<Element>, Errno> {
        Err(Errno::EINVAL)
    }

    /// `bpf_map_push_elem`.
    fn push(&mut self, _slab: &mut [u8], _value: &[u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Offset of the element that `bpf_map_pop_elem` takes or `bpf_map_peek_elem` shows.
    fn pop(&mut self, _slab: &[u8], _remove: bool) -> Result<usize, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Whether a value was (most likely) pushed, if the map is a set that can be asked.
    fn holds(&self, _slab: &[u8], _value: &[u8]) -> Option<bool> {
        None
    }

    /// The object that the slot of a key names: a map or program of this world, an interface, a CPU.
    fn target(&self, _slab: &[u8], _key: &[u8]) -> Option<u32> {
        None
    }

    /// The ring, if this is one.
    fn ring(&mut self) -> Option<&mut Ring> {
        None
    }
}

/// A map that could not be made: every operation says so.
pub(crate) struct Absent;

impl MapOps for Absent {
    fn slab_len(&self) -> usize {
        0
    }

    fn lookup(&mut self, _: &[u8], _: &[u8], _: u32) -> Result<usize, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn update(&mut self, _: &mut [u8], _: &[u8], _: &[u8], _: u64, _: Side) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn delete(&mut self, _: &mut [u8], _: &[u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn next_key(&self, _: &[u8], _: Option<&[u8]>, _: &mut Vec<u8>) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn read(&self, _: &[u8], _: &[u8], _: &mut Vec<u8>) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
}

type Make = fn(Shape) -> Box<dyn MapOps>;

/// How a map type is checked and made.
pub(crate) struct TypeRow {
    pub(crate) map_type: MapType,
    pub(crate) check: fn(&MapSpec) -> Result<(), Refusal>,
    pub(crate) make: Make,
}

macro_rules! types {
    ($($name:ident: $check:path, $make:expr;)*) => {
        /// The map types of this world.
        pub(crate) static TYPES: &[TypeRow] = &[
            $(TypeRow { map_type: MapType::$name, check: $check, make: |shape| Box::new($make(shape)) },)*
        ];
    };
}

types! {
    HASH: attr::hash, hash::Hash::new;
    ARRAY: attr::array, array::Array::new;
    PROG_ARRAY: attr::prog_array, fd_array::FdArray::prog_array;
    PERF_EVENT_ARRAY: attr::perf_event_array, fd_array::FdArray::perf_event_array;
    PERCPU_HASH: attr::percpu_hash, hash::Hash::percpu;
    PERCPU_ARRAY: attr::percpu_array, array::Array::percpu;
    LRU_HASH: attr::lru_hash, hash::Hash::lru;
    LRU_PERCPU_HASH: attr::lru_percpu_hash, hash::Hash::lru_percpu;
    LPM_TRIE: attr::lpm_trie, lpm_trie::LpmTrie::new;
    ARRAY_OF_MAPS: attr::array_of_maps, fd_array::FdArray::array_of_maps;
    HASH_OF_MAPS: attr::hash_of_maps, hash_of_maps::HashOfMaps::new;
    DEVMAP: attr::devmap, targets::Slots::devmap;
    CPUMAP: attr::cpumap, targets::Slots::cpumap;
    XSKMAP: attr::xskmap, targets::Slots::xskmap;
    QUEUE: attr::queue, queue::Queue::fifo;
    STACK: attr::queue, queue::Queue::lifo;
    DEVMAP_HASH: attr::devmap, devmap_hash::DevmapHash::new;
    BLOOM_FILTER: attr::bloom_filter, bloom_filter::BloomFilter::new;
    RINGBUF: attr::ringbuf, ringbuf::Ringbuf::new;
}

impl TypeRow {
    /// Bytes that a map of this type and shape takes, near enough to refuse what is too much before it is made.
    pub(crate) fn footprint(&self, shape: &Shape) -> u128 {
        let per_cpu = self.map_type.row().is_some_and(|r| r.per_cpu);
        let values = round8(shape.value_size) as u128 * if per_cpu { u128::from(shape.cpus) } else { 1 };
        let element = round8(shape.key_size) as u128 + values + 8;
        let nodes = if self.map_type == MapType::LPM_TRIE { 2 } else { 1 };
        element * u128::from(shape.max_entries) * nodes
    }
}

/// The row of a type.
pub(crate) fn row(map_type: MapType) -> Option<&'static TypeRow> {
    TYPES.iter().find(|r| r.map_type == map_type)
}
