//! Maps against models: random operations on a map and on the simplest thing that means the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use skep_abi::MapType;
use skep_isa::Endian;

use super::{MapOps, Shape, Side, TYPES, row};
use crate::errno::Errno;

const CPUS: u32 = 2;
const MAX: u32 = 6;

/// A map with its slab.
struct Subject {
    ops: Box<dyn MapOps>,
    slab: Vec<u8>,
}

impl Subject {
    fn new(map_type: MapType, key_size: usize, max_entries: u32) -> Self {
        let shape = Shape {
            key_size,
            value_size: 8,
            max_entries,
            extra: 0,
            cpus: CPUS,
            endian: Endian::Little,
            seed: 7,
            locked: false,
        };
        let ops = (row(map_type).unwrap().make)(shape);
        let slab = vec![0; ops.slab_len()];
        Self { ops, slab }
    }

    fn update(&mut self, key: &[u8], value: u64, flags: u64) -> Result<(), Errno> {
        self.ops.update(&mut self.slab, key, &value.to_le_bytes(), flags, Side::Prog(0))
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Errno> {
        self.ops.delete(&mut self.slab, key)
    }

    fn at(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.slab[offset..offset + 8].try_into().unwrap())
    }

    fn lookup(&mut self, key: &[u8]) -> Option<u64> {
        let offset = self.ops.lookup(&self.slab, key, 0).ok()?;
        Some(self.at(offset))
    }

    /// All keys, by walking.
    fn keys(&self) -> Vec<Vec<u8>> {
        let (mut keys, mut next) = (Vec::new(), Vec::new());
        while self.ops.next_key(&self.slab, keys.last().map(Vec::as_slice), &mut next).is_ok() {
            keys.push(next.clone());
            assert!(keys.len() < 1000, "the walk does not end");
        }
        keys
    }
}

#[derive(Clone, Debug)]
enum Step {
    Update(u8, u64, u64),
    Delete(u8),
    Lookup(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..12u8, any::<u64>(), 0..4u64).prop_map(|(k, v, f)| Step::Update(k, v, f)),
        2 => (0..12u8).prop_map(Step::Delete),
        2 => (0..12u8).prop_map(Step::Lookup),
    ];
    proptest::collection::vec(step, 0..120)
}

/// What Linux says to an update of a map that holds keys.
fn expected(model: &BTreeMap<Vec<u8>, u64>, key: &[u8], flags: u64, full: Errno) -> Result<(), Errno> {
    match (flags, model.contains_key(key)) {
        (3.., _) => Err(Errno::EINVAL),
        (1, true) => Err(Errno::EEXIST),
        (2, false) => Err(Errno::ENOENT),
        (_, false) if model.len() >= MAX as usize => Err(full),
        _ => Ok(()),
    }
}

fn sorted(mut keys: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    keys.sort();
    keys
}

/// Runs steps on a keyed map and on a tree.
fn against_tree(mut map: Subject, steps: &[Step], full: Errno, key: impl Fn(u8) -> Vec<u8>) {
    let mut model = BTreeMap::new();
    for step in steps {
        match *step {
            Step::Update(k, value, flags) => {
                let want = expected(&model, &key(k), flags, full);
                assert_eq!(map.update(&key(k), value, flags), want, "{step:?}");
                if want.is_ok() {
                    model.insert(key(k), value);
                }
            }
            Step::Delete(k) => {
                let want = model.remove(&key(k)).map(|_| ()).ok_or(Errno::ENOENT);
                assert_eq!(map.delete(&key(k)), want, "{step:?}");
            }
            Step::Lookup(k) => assert_eq!(map.lookup(&key(k)), model.get(&key(k)).copied(), "{step:?}"),
        }
        assert_eq!(sorted(map.keys()), model.keys().cloned().collect::<Vec<_>>());
    }
}

/// A prefix key: its length, then four bytes. Two bytes of variety make prefixes that nest and fork.
fn prefix(k: u8) -> Vec<u8> {
    let len = [0, 1, 7, 8, 9, 15, 16, 17, 24, 31, 32, 8][usize::from(k)];
    let mut key = u32::to_le_bytes(len).to_vec();
    key.extend([10 + k / 11 * 64, k % 3, 0xf0, k]);
    key
}

/// The bits of a prefix that count.
fn bits(key: &[u8]) -> (u32, u64) {
    let len = u32::from_le_bytes(key[..4].try_into().unwrap());
    let data = u64::from(u32::from_be_bytes(key[4..8].try_into().unwrap()));
    (len, data >> (32 - len))
}

proptest! {
    #[test]
    fn hash_is_a_tree_with_a_limit(steps in steps()) {
        against_tree(Subject::new(MapType::HASH, 4, MAX), &steps, Errno::E2BIG, |k| vec![k, 1, 2, 3]);
    }

    #[test]
    fn keys_of_any_size_work(steps in steps(), size in 1..40usize) {
        against_tree(Subject::new(MapType::HASH, size, MAX), &steps, Errno::E2BIG, |k| vec![k; size]);
    }

    #[test]
    fn percpu_hash_is_a_tree_with_a_limit(steps in steps()) {
        against_tree(Subject::new(MapType::PERCPU_HASH, 8, MAX), &steps, Errno::E2BIG, |k| vec![k; 8]);
    }

    #[test]
    fn lpm_trie_finds_the_longest_prefix(steps in steps()) {
        let mut map = Subject::new(MapType::LPM_TRIE, 8, MAX);
        let mut model: BTreeMap<(u32, u64), u64> = BTreeMap::new();
        for step in &steps {
            match *step {
                Step::Update(k, value, flags) => {
                    let tree: BTreeMap<_, _> =
                        model.iter().map(|((l, d), v)| ([l.to_le_bytes().to_vec(), d.to_le_bytes().to_vec()].concat(), *v)).collect();
                    let (l, d) = bits(&prefix(k));
                    let as_key = [l.to_le_bytes().to_vec(), d.to_le_bytes().to_vec()].concat();
                    let want = expected(&tree, &as_key, flags, Errno::ENOSPC);
                    prop_assert_eq!(map.update(&prefix(k), value, flags), want);
                    if want.is_ok() {
                        model.insert((l, d), value);
                    }
                }
                Step::Delete(k) => {
                    let want = model.remove(&bits(&prefix(k))).map(|_| ()).ok_or(Errno::ENOENT);
                    prop_assert_eq!(map.delete(&prefix(k)), want);
                }
                Step::Lookup(k) => {
                    let (len, data) = bits(&prefix(k));
                    let best = model.iter().filter(|((l, d), _)| *l <= len && data >> (len - l) == *d).max_by_key(|((l, _), _)| *l);
                    prop_assert_eq!(map.lookup(&prefix(k)), best.map(|(_, v)| *v));
                }
            }
            let mut walked: Vec<_> = map.keys().iter().map(|k| bits(k)).collect();
            // A longer prefix comes before those that contain it.
            for (i, (l, d)) in walked.iter().enumerate() {
                prop_assert!(!walked[..i].iter().any(|(m, e)| m < l && d >> (l - m) == *e));
            }
            walked.sort_unstable();
            prop_assert_eq!(walked, model.keys().copied().collect::<Vec<_>>());
        }
    }

    #[test]
    fn lru_never_refuses_and_holds_what_came_last(steps in steps()) {
        let mut map = Subject::new(MapType::LRU_HASH, 4, MAX);
        let mut written = BTreeMap::new();
        for step in &steps {
            match *step {
                Step::Update(k, value, _) => {
                    prop_assert_eq!(map.update(&[k; 4], value, 0), Ok(()));
                    written.insert(k, value);
                    prop_assert_eq!(map.lookup(&[k; 4]), Some(value));
                }
                Step::Delete(k) => {
                    let held = map.lookup(&[k; 4]).is_some();
                    prop_assert_eq!(map.delete(&[k; 4]).is_ok(), held);
                }
                Step::Lookup(k) => _ = map.lookup(&[k; 4]),
            }
            let keys = map.keys();
            prop_assert!(keys.len() <= MAX as usize);
            for key in keys {
                prop_assert_eq!(map.lookup(&key), written.get(&key[0]).copied());
            }
        }
    }

    #[test]
    fn queue_and_stack_are_a_deque(steps in steps()) {
        let mut queue = Subject::new(MapType::QUEUE, 0, MAX);
        let mut stack = Subject::new(MapType::STACK, 0, MAX);
        let (mut fifo, mut lifo) = (Vec::new(), Vec::new());
        for step in &steps {
            match *step {
                Step::Update(_, value, flags) => {
                    let full = fifo.len() == MAX as usize;
                    let want = match flags {
                        1 | 3.. => Err(Errno::EINVAL),
                        0 if full => Err(Errno::E2BIG),
                        _ => Ok(()),
                    };
                    for (map, model) in [(&mut queue, &mut fifo), (&mut stack, &mut lifo)] {
                        prop_assert_eq!(map.ops.push(&mut map.slab, &value.to_le_bytes(), flags), want);
                        if want.is_ok() {
                            if full { model.remove(0); }
                            model.push(value);
                        }
                    }
                }
                _ => {
                    let first = (!fifo.is_empty()).then(|| fifo.remove(0));
                    prop_assert_eq!(queue.ops.pop(&queue.slab, true).ok().map(|at| queue.at(at)), first);
                    prop_assert_eq!(stack.ops.pop(&stack.slab, true).ok().map(|at| stack.at(at)), lifo.pop());
                }
            }
        }
    }
}

#[test]
fn arrays_hold_every_index_from_the_start() {
    for map_type in [MapType::ARRAY, MapType::PERCPU_ARRAY] {
        let mut map = Subject::new(map_type, 4, 3);
        assert_eq!(map.lookup(&[2, 0, 0, 0]), Some(0));
        assert_eq!(map.lookup(&[3, 0, 0, 0]), None);
        assert_eq!(map.update(&[1, 0, 0, 0], 5, 0), Ok(()));
        assert_eq!(map.update(&[1, 0, 0, 0], 6, 2), Ok(()));
        assert_eq!(map.update(&[1, 0, 0, 0], 7, 1), Err(Errno::EEXIST));
        assert_eq!(map.update(&[3, 0, 0, 0], 7, 0), Err(Errno::E2BIG));
        assert_eq!(map.delete(&[1, 0, 0, 0]), Err(Errno::EINVAL));
        assert_eq!(map.lookup(&[1, 0, 0, 0]), Some(6));
        assert_eq!(map.keys(), [[0, 0, 0, 0], [1, 0, 0, 0], [2, 0, 0, 0]]);
    }
}

#[test]
fn each_cpu_has_its_value() {
    for map_type in [MapType::PERCPU_ARRAY, MapType::PERCPU_HASH, MapType::LRU_PERCPU_HASH] {
        let (mut map, key) = (Subject::new(map_type, 4, 3), [1, 0, 0, 0]);
        map.ops.update(&mut map.slab, &key, &1u64.to_le_bytes(), 0, Side::Prog(1)).unwrap();
        let mut all = Vec::new();
        map.ops.read(&map.slab, &key, &mut all).unwrap();
        assert_eq!(all, [[0; 8], 1u64.to_le_bytes()].concat());
        let both = [7u64.to_le_bytes(), 8u64.to_le_bytes()].concat();
        map.ops.update(&mut map.slab, &key, &both, 0, Side::User).unwrap();
        let on = |map: &mut Subject, cpu| map.ops.lookup_on(&map.slab, &key, cpu).map(|at| map.at(at));
        assert_eq!((on(&mut map, 0), on(&mut map, 1)), (Ok(7), Ok(8)));
        assert_eq!(on(&mut map, 2), Err(Errno::ENOENT));
    }
}

#[test]
fn what_is_looked_up_outlives_what_is_not() {
    let mut map = Subject::new(MapType::LRU_HASH, 4, MAX);
    for k in 0..MAX as u8 {
        map.update(&[k; 4], u64::from(k), 0).unwrap();
    }
    assert_eq!(map.lookup(&[0; 4]), Some(0));
    for k in 10..10 + MAX as u8 - 1 {
        map.update(&[k; 4], 9, 0).unwrap();
        assert_eq!(map.lookup(&[0; 4]), Some(0), "evicted for {k}");
    }
    assert_eq!(map.lookup(&[1; 4]), None);
}

#[test]
fn an_address_keeps_its_old_value_until_the_slot_is_used_again() {
    let mut map = Subject::new(MapType::HASH, 4, 3);
    map.update(&[1; 4], 10, 0).unwrap();
    let old = map.ops.lookup(&map.slab, &[1; 4], 0).unwrap();
    map.update(&[1; 4], 11, 0).unwrap();
    assert_eq!((map.at(old), map.lookup(&[1; 4])), (10, Some(11)));
    let held = map.ops.lookup(&map.slab, &[1; 4], 0).unwrap();
    map.delete(&[1; 4]).unwrap();
    assert_eq!(map.at(held), 11);
}

#[test]
fn a_bloom_filter_knows_what_was_pushed() {
    let mut map = Subject::new(MapType::BLOOM_FILTER, 0, 100);
    let held = |map: &Subject, n: u64| map.ops.holds(&map.slab, &n.to_le_bytes());
    for n in 0..100u64 {
        assert_eq!(map.ops.push(&mut map.slab, &n.to_le_bytes(), 0), Ok(()));
        assert_eq!(held(&map, n), Some(true));
    }
    let wrong = (1000..2000).filter(|&n| held(&map, n) == Some(true)).count();
    assert!(wrong < 200, "{wrong} of a thousand strangers");
    assert_eq!(map.ops.push(&mut map.slab, &[0; 8], 1), Err(Errno::EINVAL));
}

#[test]
fn a_ring_is_full_one_byte_early_and_keeps_its_order() {
    let mut map = Subject::new(MapType::RINGBUF, 0, 4096);
    let slab = std::mem::take(&mut map.slab);
    let ring = map.ops.ring().unwrap();
    let first = ring.reserve(1000).unwrap();
    let second = ring.reserve(3064).unwrap();
    assert_eq!(ring.reserve(8), None, "4096 bytes would be in use");
    assert!(ring.commit(second, false));
    let mut taken = Vec::new();
    ring.take(&slab, |data| taken.push(data.len()));
    assert!(taken.is_empty(), "the first record is still being filled");
    assert!(ring.commit(first, true) && !ring.commit(first, true));
    ring.take(&slab, |data| taken.push(data.len()));
    assert_eq!(taken, [3064]);
    assert_eq!((ring.query(0), ring.query(3)), (0, 4080));
    assert!(ring.reserve(4089).is_none() && ring.reserve(4080).is_some());
}

#[test]
fn every_type_of_this_world_has_a_row_of_the_abi() {
    for row in TYPES {
        assert!(row.map_type.row().is_some(), "{:?}", row.map_type);
    }
}
