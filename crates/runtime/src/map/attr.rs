//! What shapes of map Linux makes, type by type: sizes, capacity and flags, with the error number that
//! BPF_MAP_CREATE gives and the reason, which it keeps to itself.

use skep_object::MapSpec;

use crate::errno::Errno;

/// `BPF_F_NO_PREALLOC`.
pub(crate) const NO_PREALLOC: u32 = 1;
const NO_COMMON_LRU: u32 = 1 << 1;
const NUMA_NODE: u32 = 1 << 2;
/// `BPF_F_RDONLY`: bpf(2) may only read.
pub(crate) const RDONLY: u32 = 1 << 3;
/// `BPF_F_WRONLY`: bpf(2) may only write.
pub(crate) const WRONLY: u32 = 1 << 4;
const ZERO_SEED: u32 = 1 << 6;
/// `BPF_F_RDONLY_PROG`: programs may only read.
pub(crate) const RDONLY_PROG: u32 = 1 << 7;
/// `BPF_F_WRONLY_PROG`: programs may only write.
pub(crate) const WRONLY_PROG: u32 = 1 << 8;
const MMAPABLE: u32 = 1 << 10;
const PRESERVE_ELEMS: u32 = 1 << 11;
/// `BPF_F_INNER_MAP`: inner arrays may differ in max_entries.
pub(crate) const INNER_MAP: u32 = 1 << 12;

const ACCESS: u32 = RDONLY | WRONLY | RDONLY_PROG | WRONLY_PROG;
/// The largest kmalloc, 4 MiB, which bounds single elements.
const KMALLOC_MAX: u64 = 4 << 20;
/// The smallest per-CPU unit, which bounds per-CPU values.
const PCPU_MIN_UNIT: u32 = 32 << 10;
const PAGE: u32 = 4096;
const NR_CPUS: u32 = 8192;

/// Why a map can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What BPF_MAP_CREATE answers.
    pub(crate) errno: Errno,
    /// What is wrong with the shape.
    pub(crate) why: &'static str,
}

type Check = Result<(), Refusal>;

fn require(good: bool, errno: Errno, why: &'static str) -> Check {
    if good { Ok(()) } else { Err(Refusal { errno, why }) }
}

fn valid(good: bool, why: &'static str) -> Check {
    require(good, Errno::EINVAL, why)
}

fn flags(spec: &MapSpec, known: u32) -> Check {
    valid(spec.flags & !known == 0, "map_flags has bits that this map type does not take")?;
    let both = RDONLY_PROG | WRONLY_PROG;
    valid(spec.flags & both != both, "BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG exclude each other")?;
    let both = RDONLY | WRONLY;
    valid(spec.flags & both != both, "BPF_F_RDONLY and BPF_F_WRONLY exclude each other")
}

fn sizes(spec: &MapSpec) -> Check {
    valid(spec.max_entries > 0, "max_entries is 0")?;
    valid(spec.key_size > 0, "key_size is 0")?;
    valid(spec.value_size > 0, "value_size is 0")
}

fn percpu_value(spec: &MapSpec) -> Check {
    let fits = spec.value_size.checked_next_multiple_of(8).is_some_and(|v| v <= PCPU_MIN_UNIT);
    require(fits, Errno::E2BIG, "a per-CPU value holds at most 32768 bytes")?;
    valid(spec.flags & NUMA_NODE == 0, "per-CPU maps take no NUMA node")
}

fn indexed(spec: &MapSpec, known: u32) -> Check {
    valid(spec.key_size == 4, "key_size must be 4: keys are indices")?;
    sizes(spec)?;
    flags(spec, known)?;
    require(spec.value_size <= i32::MAX as u32, Errno::E2BIG, "value_size is above INT_MAX")
}

pub(super) fn array(spec: &MapSpec) -> Check {
    indexed(spec, NUMA_NODE | MMAPABLE | ACCESS | INNER_MAP)
}

pub(super) fn percpu_array(spec: &MapSpec) -> Check {
    indexed(spec, NUMA_NODE | ACCESS)?;
    percpu_value(spec)
}

fn descriptors(spec: &MapSpec, known: u32) -> Check {
    valid(spec.value_size == 4, "value_size must be 4: values are descriptors")?;
    indexed(spec, known)
}

pub(super) fn prog_array(spec: &MapSpec) -> Check {
    descriptors(spec, NUMA_NODE | RDONLY | WRONLY)
}

pub(super) fn perf_event_array(spec: &MapSpec) -> Check {
    descriptors(spec, NUMA_NODE | RDONLY | WRONLY | PRESERVE_ELEMS)
}

pub(super) fn array_of_maps(spec: &MapSpec) -> Check {
    descriptors(spec, NUMA_NODE | RDONLY | WRONLY)
}

fn keyed(spec: &MapSpec) -> Check {
    sizes(spec)?;
    let element = u64::from(spec.key_size) + u64::from(spec.value_size);
    require(element < KMALLOC_MAX - 64, Errno::E2BIG, "key and value together exceed 4 MiB")?;
    require(spec.max_entries <= 1 << 31, Errno::E2BIG, "max_entries is above 2^31")
}

pub(super) fn hash(spec: &MapSpec) -> Check {
    flags(spec, NO_PREALLOC | NUMA_NODE | ACCESS | ZERO_SEED)?;
    keyed(spec)
}

pub(super) fn percpu_hash(spec: &MapSpec) -> Check {
    hash(spec)?;
    percpu_value(spec)
}

pub(super) fn lru_hash(spec: &MapSpec) -> Check {
    flags(spec, NO_PREALLOC | NO_COMMON_LRU | NUMA_NODE | ACCESS | ZERO_SEED)?;
    require(spec.flags & NO_PREALLOC == 0, Errno::ENOTSUPP, "LRU maps are always preallocated")?;
    keyed(spec)
}

pub(super) fn lru_percpu_hash(spec: &MapSpec) -> Check {
    lru_hash(spec)?;
    percpu_value(spec)
}

pub(super) fn hash_of_maps(spec: &MapSpec) -> Check {
    valid(spec.value_size == 4, "value_size must be 4: values are descriptors")?;
    flags(spec, NO_PREALLOC | NUMA_NODE | ACCESS | ZERO_SEED)?;
    keyed(spec)
}

pub(super) fn lpm_trie(spec: &MapSpec) -> Check {
    valid(spec.flags & NO_PREALLOC != 0, "an LPM trie needs BPF_F_NO_PREALLOC")?;
    flags(spec, NO_PREALLOC | NUMA_NODE | ACCESS)?;
    sizes(spec)?;
    valid((5..=260).contains(&spec.key_size), "key_size must be 5 to 260: a prefix length and the data")?;
    valid(u64::from(spec.value_size) < KMALLOC_MAX - 320, "value_size exceeds 4 MiB")
}

pub(super) fn queue(spec: &MapSpec) -> Check {
    valid(spec.key_size == 0, "key_size must be 0")?;
    valid(spec.max_entries > 0 && spec.value_size > 0, "max_entries and value_size must not be 0")?;
    flags(spec, NUMA_NODE | ACCESS)?;
    require(u64::from(spec.value_size) <= KMALLOC_MAX, Errno::E2BIG, "value_size exceeds 4 MiB")
}

pub(super) fn bloom_filter(spec: &MapSpec) -> Check {
    valid(spec.key_size == 0, "key_size must be 0")?;
    valid(spec.max_entries > 0 && spec.value_size > 0, "max_entries and value_size must not be 0")?;
    flags(spec, NUMA_NODE | ZERO_SEED | ACCESS)?;
    valid(spec.map_extra & !15 == 0, "map_extra holds more than a number of hash functions up to 15")
}

pub(super) fn ringbuf(spec: &MapSpec) -> Check {
    flags(spec, NUMA_NODE)?;
    valid(spec.key_size == 0 && spec.value_size == 0, "key_size and value_size must be 0")?;
    let pages = spec.max_entries.is_power_of_two() && spec.max_entries.is_multiple_of(PAGE);
    valid(pages, "max_entries must be a power of two and a multiple of the page size")
}

fn target(spec: &MapSpec, with_prog: bool, known: u32) -> Check {
    let good = spec.value_size == 4 || with_prog && spec.value_size == 8;
    valid(good, "value_size must be 4, or 8 where a program can be given")?;
    indexed(spec, known)
}

pub(super) fn devmap(spec: &MapSpec) -> Check {
    target(spec, true, NUMA_NODE | RDONLY | WRONLY)?;
    valid(spec.max_entries <= 1 << 31, "max_entries is above 2^31")
}

pub(super) fn cpumap(spec: &MapSpec) -> Check {
    target(spec, true, NUMA_NODE)?;
    require(spec.max_entries <= NR_CPUS, Errno::E2BIG, "max_entries is above the number of CPUs")
}

pub(super) fn xskmap(spec: &MapSpec) -> Check {
    target(spec, false, NUMA_NODE | RDONLY | WRONLY)
}
