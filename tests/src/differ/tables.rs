//! The maps of random programs: `out`, which shows what registers held; one with keys; one without, or a ring buffer.

use skep_abi::MapType;
use skep_object::MapSpec;

use super::Rng;

/// A map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key: u32,
    /// Bytes of a value.
    pub value: u32,
    /// Capacity.
    pub max: u32,
    /// `map_flags`.
    pub flags: u32,
}

/// An instruction that loads a map, or the address of a byte of its first value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The slot.
    pub slot: usize,
    /// The map.
    pub map: usize,
    /// The byte.
    pub value: Option<u32>,
}

/// Which of a program's maps is `out`, which has keys, which has none.
pub(super) const OUT: usize = 0;
pub(super) const KEYED: usize = 1;
pub(super) const KEYLESS: usize = 2;

/// `BPF_F_NO_PREALLOC`, without which no trie is made.
const NO_PREALLOC: u32 = 1;

const fn row(name: &'static str, map_type: MapType, key: u32, value: u32, max: u32) -> Row {
    Row { name, map_type, key, value, max, flags: 0 }
}

const SHOWN: Row = row("out", MapType::ARRAY, 4, super::OUT as u32, 1);

/// Values are a word; keys are 0 to 7, so that nothing has to be evicted.
const WITH_KEYS: [Row; 8] = [
    row("table", MapType::HASH, 4, 8, 64),
    Row { flags: NO_PREALLOC, ..row("sparse", MapType::HASH, 4, 8, 64) },
    row("slots", MapType::ARRAY, 4, 8, 6),
    row("each", MapType::PERCPU_HASH, 4, 8, 64),
    row("own", MapType::PERCPU_ARRAY, 4, 8, 6),
    row("recent", MapType::LRU_HASH, 4, 8, 64),
    row("recent_each", MapType::LRU_PERCPU_HASH, 4, 8, 64),
    Row { flags: NO_PREALLOC, ..row("prefixes", MapType::LPM_TRIE, 8, 8, 64) },
];

const WITHOUT_KEYS: [Row; 3] = [
    row("fifo", MapType::QUEUE, 0, 8, 3),
    row("lifo", MapType::STACK, 0, 8, 3),
    row("ring", MapType::RINGBUF, 0, 0, 4096),
];

/// The maps of one program.
pub(super) fn choose(rng: &mut Rng) -> Vec<Row> {
    vec![SHOWN, rng.pick(&WITH_KEYS), rng.pick(&WITHOUT_KEYS)]
}

impl Row {
    /// As an object has it.
    pub(super) fn spec(&self) -> MapSpec {
        MapSpec {
            name: self.name.to_owned(),
            map_type: self.map_type,
            key_size: self.key,
            value_size: self.value,
            max_entries: self.max,
            flags: self.flags,
            ..MapSpec::default()
        }
    }

    /// As a corpus file declares it.
    pub(super) fn line(&self) -> String {
        let Self { name, map_type, key, value, max, flags } = self;
        format!("#! map = {name} {map_type} {key} {value} {max} {flags:#x}\n")
    }
}
