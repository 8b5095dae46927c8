//! Many entries at once in the running kernel's maps, and the way without batches beside it; skipped, with the reason,
//! where bpf(2) may not be used.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use skep::kernel::{Kernel, batch};
use skep_abi::MapType;
use skep_sys::Errno;
use skep_sys::map::{Create, Map};

fn map(map_type: MapType, value_size: u32, max_entries: u32) -> Option<Map> {
    if let Some(why) = Kernel::new().refusal() {
        println!("skipped: {why}");
        return None;
    }
    let flags = if map_type == MapType::LPM_TRIE { 1 } else { 0 };
    let key_size = if map_type == MapType::LPM_TRIE { 8 } else { 4 };
    let name = "skep_batch";
    let create = Create { map_type, name, key_size, value_size, max_entries, flags, ..Create::default() };
    Some(Map::create(&create).unwrap())
}

/// Keys `0..n`, and values that are ten times them, of all CPUs alike.
fn entries(map: &Map, n: u32) -> (Vec<u8>, Vec<u8>) {
    let mut keys = Vec::new();
    for k in 0..n {
        if map.map_type() == MapType::LPM_TRIE {
            keys.extend(32_u32.to_ne_bytes());
        }
        keys.extend(k.to_ne_bytes());
    }
    let value = |k: u32| (u64::from(k) * 10).to_ne_bytes().repeat(map.value_len() / 8);
    (keys, (0..n).flat_map(value).collect())
}

fn dump(map: &Map) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    batch::dump(map, |key, value| {
        assert!(found.insert(key.to_vec(), value.to_vec()).is_none(), "given twice");
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

/// More entries than one batch holds, by way of every map type that differs in how it is walked.
#[test]
fn what_is_written_is_what_is_read() {
    const N: u32 = 5000;
    for map_type in [
        MapType::HASH,
        MapType::PERCPU_HASH,
        MapType::LRU_HASH,
        MapType::ARRAY,
        MapType::PERCPU_ARRAY,
        MapType::LPM_TRIE,
    ] {
        // An LRU map throws entries out before it is full.
        let room = if map_type == MapType::LRU_HASH { 4 * N } else { N };
        let Some(map) = map(map_type, 8, room) else { return };
        let (keys, values) = entries(&map, N);
        assert_eq!(batch::update(&map, &keys, &values, 0), Ok(N as usize), "{map_type}");
        let found = dump(&map);
        let count = if map_type == MapType::ARRAY || map_type == MapType::PERCPU_ARRAY { room } else { N };
        assert_eq!(found.len(), count as usize, "{map_type}");
        let len = map.value_len();
        for (key, value) in keys.chunks(keys.len() / N as usize).zip(values.chunks(len)) {
            assert_eq!(found.get(key).map(Vec::as_slice), Some(value), "{map_type}");
        }
    }
}

#[test]
fn a_walk_may_be_ended() {
    let Some(map) = map(MapType::HASH, 8, 5000) else { return };
    let (keys, values) = entries(&map, 5000);
    batch::update(&map, &keys, &values, 0).unwrap();
    let mut seen = 0;
    batch::dump(&map, |_, _| {
        seen += 1;
        if seen == 1500 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert_eq!(seen, 1500);
}

/// Flags that batches do not take go one by one.
#[test]
fn entries_that_are_there_are_refused_if_that_is_asked() {
    let Some(map) = map(MapType::HASH, 8, 10) else { return };
    let (keys, values) = entries(&map, 10);
    assert_eq!(batch::update(&map, &keys[..8], &values[..16], 1), Ok(2));
    assert_eq!(batch::update(&map, &keys, &values, 1), Err(Errno::EEXIST));
    assert_eq!(dump(&map).len(), 2);
    assert_eq!(batch::update(&map, &keys[..6], &values[..8], 0), Err(Errno::EINVAL));
}

#[test]
fn keys_that_are_missing_do_not_hinder_deletion() {
    for map_type in [MapType::HASH, MapType::LPM_TRIE] {
        let Some(map) = map(map_type, 8, 100) else { return };
        let (keys, values) = entries(&map, 100);
        batch::update(&map, &keys, &values, 0).unwrap();
        let key = keys.len() / 100;
        map.delete(&keys[..key]).unwrap();
        map.delete(&keys[50 * key..51 * key]).unwrap();
        assert_eq!(batch::delete(&map, &keys[..99 * key]), Ok(97), "{map_type}");
        assert_eq!(dump(&map).len(), 1, "{map_type}");
    }
}

#[test]
fn what_is_taken_is_gone() {
    for map_type in [MapType::HASH, MapType::PERCPU_HASH, MapType::LPM_TRIE] {
        let Some(map) = map(map_type, 8, 3000) else { return };
        let (keys, values) = entries(&map, 3000);
        batch::update(&map, &keys, &values, 0).unwrap();
        let mut taken = BTreeMap::new();
        batch::take(&map, |k, v| drop(taken.insert(k.to_vec(), v.to_vec()))).unwrap();
        assert_eq!(taken.len(), 3000, "{map_type}");
        assert_eq!(
            taken.get(&keys[keys.len() / 3000 * 7..][..keys.len() / 3000]).unwrap()[..8],
            70_u64.to_ne_bytes()
        );
        assert!(dump(&map).is_empty(), "{map_type}");
    }
}

/// Queues have no keys; nothing is made up for them.
#[test]
fn maps_without_keys_say_so() {
    let Some(map) = map(MapType::STACK_TRACE, 8, 10) else { return };
    let mut seen = 0;
    let done = batch::dump(&map, |_, _| {
        seen += 1;
        ControlFlow::Continue(())
    });
    assert_eq!((done, seen), (Ok(()), 0), "a stack trace map is walked key by key");
    let create = Create {
        map_type: MapType::QUEUE,
        name: "skep_queue",
        value_size: 8,
        max_entries: 4,
        ..Create::default()
    };
    let queue = Map::create(&create).unwrap();
    assert!(batch::dump(&queue, |_, _| ControlFlow::Continue(())).is_err());
}
