//! Map types and the rules that `BPF_MAP_CREATE` holds them to.

use crate::table::{KernelVersion, numbers, v};

/// What a key must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySize {
    /// No key: the size must be 0.
    None,
    /// Exactly this many bytes.
    Exactly(u32),
    /// From the first to the second, both included.
    Between(u32, u32),
    /// Any size but 0; what memory allows is the bound.
    Any,
}

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueSize {
    /// No value: the size must be 0.
    None,
    /// One of these sizes.
    OneOf(&'static [u32]),
    /// Any size but 0 (or that of the BTF type, where the map needs BTF).
    Any,
    /// A multiple of this many bytes, not 0.
    MultipleOf(u32),
}

/// What `max_entries` must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    /// It must be 0: entries belong to other objects (sockets, tasks, inodes, cgroups).
    Zero,
    /// Exactly 1.
    One,
    /// Any number but 0.
    Any,
    /// A power of two that is a multiple of the page size; it counts bytes.
    PowerOfTwoPages,
    /// A number of pages.
    Pages,
}

/// Bits of `map_flags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MapFlags(pub u32);

impl MapFlags {
    /// Are all bits of `other` set?
    pub const fn contains(self, other: MapFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    pub const fn union(self, other: MapFlags) -> MapFlags {
        MapFlags(self.0 | other.0)
    }
}

macro_rules! flags {
    ($($CONST:ident = $bit:literal, $about:literal;)*) => {
        impl MapFlags {
            $( #[doc = $about] pub const $CONST: MapFlags = MapFlags(1 << $bit); )*
        }

        static FLAG_NAMES: &[(MapFlags, &str)] = &[
            $( (MapFlags::$CONST, concat!("BPF_F_", stringify!($CONST))) ),*
        ];
    };
}

flags! {
    NO_PREALLOC = 0, "Allocate elements when they are added.";
    NO_COMMON_LRU = 1, "One LRU list a CPU instead of a common one.";
    NUMA_NODE = 2, "Allocate on the NUMA node given.";
    RDONLY = 3, "Userspace may only read.";
    WRONLY = 4, "Userspace may only write.";
    STACK_BUILD_ID = 5, "Stack traces hold build ids and offsets instead of addresses.";
    ZERO_SEED = 6, "Hash with a seed of zero.";
    RDONLY_PROG = 7, "Programs may only read.";
    WRONLY_PROG = 8, "Programs may only write.";
    CLONE = 9, "Copy the storage when a listening socket accepts a connection.";
    MMAPABLE = 10, "Userspace may map the values.";
    PRESERVE_ELEMS = 11, "Keep perf events when the map's file descriptor is closed.";
    INNER_MAP = 12, "An array whose size need not be that of the inner map's model.";
    LINK = 13, "A struct_ops map that is attached through a link.";
    PATH_FD = 14, "The path of a pin is relative to a file descriptor.";
    VTYPE_BTF_OBJ_FD = 15, "The value type is in a module's BTF, given by file descriptor.";
    TOKEN_FD = 16, "A BPF token is given by file descriptor.";
    SEGV_ON_FAULT = 17, "A missing arena page is a SIGSEGV in userspace.";
    NO_USER_CONV = 18, "Arena pointers are not converted to user addresses.";
}

/// Every flag with its name in the UAPI.
pub fn map_flag_names() -> &'static [(MapFlags, &'static str)] {
    FLAG_NAMES
}

const fn any_of<const N: usize>(flags: [MapFlags; N]) -> MapFlags {
    let mut bits = 0;
    let mut index = 0;
    while index < N {
        bits |= flags[index].0;
        index += 1;
    }
    MapFlags(bits)
}

const NUMA: MapFlags = MapFlags::NUMA_NODE;
const USER_ACCESS: MapFlags = any_of([MapFlags::RDONLY, MapFlags::WRONLY]);
const ACCESS: MapFlags = any_of([USER_ACCESS, MapFlags::RDONLY_PROG, MapFlags::WRONLY_PROG]);
const HASH: MapFlags = any_of([NUMA, ACCESS, MapFlags::NO_PREALLOC, MapFlags::ZERO_SEED]);
const LRU: MapFlags = any_of([NUMA, ACCESS, MapFlags::NO_COMMON_LRU, MapFlags::ZERO_SEED]);
const STORAGE: MapFlags = any_of([MapFlags::NO_PREALLOC, MapFlags::CLONE]);

/// What is known of one map type.
#[derive(Debug)]
pub struct MapTypeRow {
    /// The number.
    pub id: MapType,
    /// The kernel's name in lower case, without `BPF_MAP_TYPE_`.
    pub name: &'static str,
    /// The release it arrived in.
    pub since: KernelVersion,
    /// What it is for, in one sentence.
    pub about: &'static str,
    /// What its keys must be.
    pub key: KeySize,
    /// What its values must be.
    pub value: ValueSize,
    /// What `max_entries` must be.
    pub entries: Entries,
    /// One value a CPU: userspace sees each rounded up to 8 bytes, one after the other.
    pub per_cpu: bool,
    /// The flags it may have.
    pub flags: MapFlags,
    /// The flags it must have.
    pub needed_flags: MapFlags,
}

const NO_FLAGS: MapFlags = MapFlags(0);
const FD: ValueSize = ValueSize::OneOf(&[4]);
const FD_OR_COOKIE: ValueSize = ValueSize::OneOf(&[4, 8]);
const U32: KeySize = KeySize::Exactly(4);

/// Other names that people use, taken on input and never printed.
const ALIASES: &[(&str, u32)] = &[
    ("lru", 9),
    ("lpm", 11),
    ("perf", 4),
    ("ring", 27),
    ("map_in_map", 12),
    ("cgroup_storage_deprecated", 19),
    ("percpu_cgroup_storage_deprecated", 21),
];

numbers! {
    /// A map type (`enum bpf_map_type`); unknown numbers are kept.
    MapType, MapTypeRow, MAP_TYPES, map_types, "map type", "bpf_map_type_", ALIASES;

    UNSPEC = 0 "unspec" v(3, 18), "No type: the zero of the numbering, refused by the kernel.",
        key: KeySize::None, value: ValueSize::None, entries: Entries::Zero,
        per_cpu: false, flags: NO_FLAGS, needed_flags: NO_FLAGS;
    HASH = 1 "hash" v(3, 19), "A hash table.",
        key: KeySize::Any, value: ValueSize::Any, entries: Entries::Any,
        per_cpu: false, flags: HASH, needed_flags: NO_FLAGS;
    ARRAY = 2 "array" v(3, 19), "An array, all of whose elements exist from the start as zeros.",
        key: U32, value: ValueSize::Any, entries: Entries::Any, per_cpu: false,
        flags: any_of([NUMA, ACCESS, MapFlags::MMAPABLE, MapFlags::INNER_MAP]), needed_flags: NO_FLAGS;
    PROG_ARRAY = 3 "prog_array" v(4, 2), "An array of programs, the targets of tail calls.",
        key: U32, value: FD, entries: Entries::Any, per_cpu: false,
        flags: any_of([NUMA, USER_ACCESS]), needed_flags: NO_FLAGS;
    PERF_EVENT_ARRAY = 4 "perf_event_array" v(4, 3), "An array of perf events, one a CPU as a rule, to read counters from or to send samples to.",
        key: U32, value: FD, entries: Entries::Any, per_cpu: false,
        flags: any_of([NUMA, USER_ACCESS, MapFlags::PRESERVE_ELEMS]), needed_flags: NO_FLAGS;
    PERCPU_HASH = 5 "percpu_hash" v(4, 6), "A hash table with one value a CPU for each key.",
        key: KeySize::Any, value: ValueSize::Any, entries: Entries::Any,
        per_cpu: true, flags: HASH, needed_flags: NO_FLAGS;
    PERCPU_ARRAY = 6 "percpu_array" v(4, 6), "An array with one value a CPU for each index.",
        key: U32, value: ValueSize::Any, entries: Entries::Any,
        per_cpu: true, flags: any_of([NUMA, ACCESS]), needed_flags: NO_FLAGS;
    STACK_TRACE = 7 "stack_trace" v(4, 6), "Stack traces by an id that the kernel makes from their hash.",
        key: U32, value: ValueSize::MultipleOf(8), entries: Entries::Any, per_cpu: false,
        flags: any_of([NUMA, USER_ACCESS, MapFlags::STACK_BUILD_ID]), needed_flags: NO_FLAGS;
    CGROUP_ARRAY = 8 "cgroup_array" v(4, 8), "An array of cgroups, to ask whether a packet or a task is under one.",
        key: U32, value: FD, entries: Entries::Any, per_cpu: false,
        flags: any_of([NUMA, USER_ACCESS]), needed_flags: NO_FLAGS;
    LRU_HASH = 9 "lru_hash" v(4, 10), "A hash table that drops what was not used lately when it is full.",
        key: KeySize::Any, value: ValueSize::Any, entries: Entries::Any,
        per_cpu: false, flags: LRU, needed_flags: NO_FLAGS;
    LRU_PERCPU_HASH = 10 "lru_percpu_hash" v(4, 10), "An LRU hash table with one value a CPU for each key.",
        key: KeySize::Any, value: ValueSize::Any, entries: Entries::Any,
        per_cpu: true, flags: LRU, needed_flags: NO_FLAGS;
    LPM_TRIE = 11 "lpm_trie" v(4, 11), "A trie that finds the longest prefix that matches; keys begin with the prefix length in bits.",
        key: KeySize::Between(5, 260), value: ValueSize::Any, entries: Entries::Any, per_cpu: false,
        flags: any_of([NUMA, ACCESS, MapFlags::NO_PREALLOC]), needed_flags: MapFlags::NO_PREALLOC;
    ARRAY_OF_MAPS = 12 "array_of_maps" v(4, 12), "An array whose elements are maps of one shape.",
        key: U32, value: FD, entries: Entries::Any,
        per_cpu: false, flags: any_of([NUMA, USER_ACCESS]), needed_flags: NO_FLAGS;
    HASH_OF_MAPS = 13 "hash_of_maps" v(4, 12), "A hash table whose values are maps of one shape.",
        key: KeySize::Any, value: FD, entries: Entries::Any, per_cpu: false,
        flags: any_of([NUMA, USER_ACCESS, MapFlags::NO_PREALLOC, MapFlags::ZERO_SEED]), needed_flags: NO_FLAGS;
    DEVMAP = 14 "devmap" v(4, 14), "An array of network devices to redirect packets to.",
        key: U32, value: FD_OR_COOKIE, entries: Entries::Any,
        per_cpu: false, flags: any_of([NUMA, USER_ACCESS]), needed_flags: NO_FLAGS;
    SOCKMAP = 15 "sockmap" v(4, 14), "An array of sockets to redirect messages among.",
        key: U32, value: FD_OR_COOKIE, entries: Entries::Any,
        per_cpu: false, flags: any_of([NUMA, USER_ACCESS]), needed_flags: NO_FLAGS;
    CPUMAP = 16 "cpumap" v(4, 15), "An array of CPUs to redirect packets to.",
        key: U32, value: FD_OR_COOKIE, entries: Entries::Any,
        per_cpu: false, flags: NUMA, needed_flags: NO_FLAGS;
    XSKMAP = 17 "xskmap" v(4, 18), "An array of AF_XDP sockets to redirect packets to.",
        key: U32, value: FD, entries: Entries::Any,
        per_cpu: false, flags: any_of([NUMA, USER_ACCESS]), needed_flags: NO_FLAGS;
    SOCKHASH = 18 "sockhash" v(4, 18), "A hash table of sockets to redirect messages among.",
        key: KeySize::Between(1, 512), value: FD_OR_COOKIE, entries: Entries::Any,
        per_cpu: false, flags: any_of([NUMA, USER_ACCESS]), needed_flags: NO_FLAGS;
    CGROUP_STORAGE = 19 "cgroup_storage" v(4, 19), "Memory that belongs to the attachment of a program to a cgroup; superseded by cgrp_storage.",
        key: KeySize::Between(8, 16), value: ValueSize::Any, entries: Entries::Zero,
        per_cpu: false, flags: any_of([NUMA, ACCESS]), needed_flags: NO_FLAGS;
    REUSEPORT_SOCKARRAY = 20 "reuseport_sockarray" v(4, 19), "An array of sockets that share a port.",
        key: U32, value: FD_OR_COOKIE, entries: Entries::Any,
        per_cpu: false, flags: any_of([NUMA, USER_ACCESS]), needed_flags: NO_FLAGS;
    PERCPU_CGROUP_STORAGE = 21 "percpu_cgroup_storage" v(4, 20), "Cgroup storage with one value a CPU; superseded by cgrp_storage.",
        key: KeySize::Between(8, 16), value: ValueSize::Any, entries: Entries::Zero,
        per_cpu: true, flags: any_of([NUMA, ACCESS]), needed_flags: NO_FLAGS;
    QUEUE = 22 "queue" v(4, 20), "A queue: first in, first out.",
        key: KeySize::None, value: ValueSize::Any, entries: Entries::Any,
        per_cpu: false, flags: any_of([NUMA, ACCESS]), needed_flags: NO_FLAGS;
    STACK = 23 "stack" v(4, 20), "A stack: last in, first out.",
        key: KeySize::None, value: ValueSize::Any, entries: Entries::Any,
        per_cpu: false, flags: any_of([NUMA, ACCESS]), needed_flags: NO_FLAGS;
    SK_STORAGE = 24 "sk_storage" v(5, 2), "Memory that belongs to a socket.",
        key: U32, value: ValueSize::Any, entries: Entries::Zero,
        per_cpu: false, flags: STORAGE, needed_flags: MapFlags::NO_PREALLOC;
    DEVMAP_HASH = 25 "devmap_hash" v(5, 4), "Network devices to redirect packets to, by any number.",
        key: U32, value: FD_OR_COOKIE, entries: Entries::Any,
        per_cpu: false, flags: any_of([NUMA, USER_ACCESS]), needed_flags: NO_FLAGS;
    STRUCT_OPS = 26 "struct_ops" v(5, 6), "A kernel table of functions that programs implement.",
        key: U32, value: ValueSize::Any, entries: Entries::One, per_cpu: false,
        flags: any_of([MapFlags::LINK, MapFlags::VTYPE_BTF_OBJ_FD]), needed_flags: NO_FLAGS;
    RINGBUF = 27 "ringbuf" v(5, 8), "A ring buffer that all CPUs write records to and userspace reads in order.",
        key: KeySize::None, value: ValueSize::None, entries: Entries::PowerOfTwoPages,
        per_cpu: false, flags: NUMA, needed_flags: NO_FLAGS;
    INODE_STORAGE = 28 "inode_storage" v(5, 10), "Memory that belongs to an inode.",
        key: U32, value: ValueSize::Any, entries: Entries::Zero,
        per_cpu: false, flags: STORAGE, needed_flags: MapFlags::NO_PREALLOC;
    TASK_STORAGE = 29 "task_storage" v(5, 11), "Memory that belongs to a task.",
        key: U32, value: ValueSize::Any, entries: Entries::Zero,
        per_cpu: false, flags: STORAGE, needed_flags: MapFlags::NO_PREALLOC;
    BLOOM_FILTER = 30 "bloom_filter" v(5, 16), "A set that may say yes wrongly and never says no wrongly; map_extra counts the hash functions.",
        key: KeySize::None, value: ValueSize::Any, entries: Entries::Any, per_cpu: false,
        flags: any_of([NUMA, ACCESS, MapFlags::ZERO_SEED]), needed_flags: NO_FLAGS;
    USER_RINGBUF = 31 "user_ringbuf" v(6, 1), "A ring buffer that userspace writes and programs read.",
        key: KeySize::None, value: ValueSize::None, entries: Entries::PowerOfTwoPages,
        per_cpu: false, flags: NUMA, needed_flags: NO_FLAGS;
    CGRP_STORAGE = 32 "cgrp_storage" v(6, 2), "Memory that belongs to a cgroup.",
        key: U32, value: ValueSize::Any, entries: Entries::Zero,
        per_cpu: false, flags: STORAGE, needed_flags: MapFlags::NO_PREALLOC;
    ARENA = 33 "arena" v(6, 9), "Sparse memory shared by programs and userspace, addressed by pointers of its own address space.",
        key: KeySize::None, value: ValueSize::None, entries: Entries::Pages, per_cpu: false,
        flags: any_of([MapFlags::MMAPABLE, MapFlags::SEGV_ON_FAULT, MapFlags::NO_USER_CONV]),
        needed_flags: MapFlags::MMAPABLE;
}
