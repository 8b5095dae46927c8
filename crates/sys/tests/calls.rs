//! The calls against the running kernel; skipped, with the reason, where it may not be asked.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use std::os::fd::AsFd;

use skep_abi::{MapType, ProgType};
use skep_isa::asm::{Dialect, assemble};
use skep_sys::info::{self, Object};
use skep_sys::map::{Create, Cursor, Map};
use skep_sys::prog::{LOG_STATS, LOG_VERBOSE, LoadAttr, load, load_logged};
use skep_sys::test_run::{self, Input};
use skep_sys::{Cap, Errno, caps::Caps};

/// Whether bpf(2) may be used; says why not.
fn allowed() -> bool {
    let lacks = Caps::current().unwrap().lacks(&[Cap::BPF, Cap::NET_ADMIN, Cap::SYS_ADMIN]);
    let probe =
        Create { map_type: MapType::ARRAY, key_size: 4, value_size: 4, max_entries: 1, ..Create::default() };
    let why = match (lacks, Map::create(&probe)) {
        (Some(cap), _) => format!("needs {cap}"),
        (None, Err(e)) => format!("bpf(2): {e}"),
        (None, Ok(_)) => return true,
    };
    println!("skipped: {why}");
    false
}

fn hash() -> Map {
    let create = Create {
        map_type: MapType::HASH,
        name: "skep-test",
        key_size: 4,
        value_size: 3,
        max_entries: 100,
        ..Create::default()
    };
    Map::create(&create).unwrap()
}

#[test]
fn maps_are_read_and_written() {
    if !allowed() {
        return;
    }
    let map = hash();
    assert_eq!(info::name(&map.info().name), "skep_test");
    map.update(&[1, 0, 0, 0], &[7, 8, 9], 0).unwrap();
    assert_eq!(map.lookup(&[1, 0, 0, 0], 0), Ok(vec![7, 8, 9]));
    assert_eq!(map.lookup(&[2, 0, 0, 0], 0), Err(Errno::ENOENT));
    assert_eq!(map.lookup(&[2, 0, 0], 0), Err(Errno::EINVAL), "a key of another size");
    assert_eq!(map.update(&[1, 0, 0, 0], &[7, 8, 9], 1), Err(Errno::EEXIST), "BPF_NOEXIST");
    assert_eq!(map.next_key(None), Ok(Some(vec![1, 0, 0, 0])));
    assert_eq!(map.next_key(Some(&[1, 0, 0, 0])), Ok(None));
    assert_eq!(map.take(&[1, 0, 0, 0], 0), Ok(vec![7, 8, 9]));
    assert_eq!(map.delete(&[1, 0, 0, 0]), Err(Errno::ENOENT));
    map.freeze().unwrap();
    assert_eq!(map.update(&[1, 0, 0, 0], &[7, 8, 9], 0), Err(Errno::EPERM), "frozen");
}

#[test]
fn values_of_all_cpus_come_together() {
    if !allowed() {
        return;
    }
    let create = Create {
        map_type: MapType::PERCPU_ARRAY,
        key_size: 4,
        value_size: 3,
        max_entries: 2,
        ..Create::default()
    };
    let map = Map::create(&create).unwrap();
    let cpus = skep_sys::cpu::possible().unwrap();
    assert_eq!(map.lookup(&[1, 0, 0, 0], 0), Ok(vec![0; 8 * cpus]));
}

#[test]
fn batches_walk_the_whole_map() {
    if !allowed() {
        return;
    }
    let map = hash();
    let keys: Vec<u8> = (0..100_u32).flat_map(u32::to_ne_bytes).collect();
    // Values of three bytes are moved by the batch as three bytes each.
    for key in keys.chunks(4) {
        map.update(key, &[key[0], 1, 2], 0).unwrap();
    }
    let (mut cursor, mut found, mut more) = (Cursor::default(), Vec::new(), true);
    while more {
        let batch = map.lookup_batch(&mut cursor, 64).unwrap();
        assert_eq!(batch.keys.len(), 4 * batch.count as usize);
        found
            .extend(batch.keys.chunks(4).map(|k| k.to_vec()).zip(batch.values.chunks(3).map(<[u8]>::to_vec)));
        more = batch.more;
    }
    found.sort();
    let mut want: Vec<_> = keys.chunks(4).map(|k| (k.to_vec(), vec![k[0], 1, 2])).collect();
    want.sort();
    assert_eq!(found, want);
    assert_eq!(map.delete_batch(&keys), Ok(()));
    assert_eq!(map.next_key(None), Ok(None));
}

#[test]
fn programs_load_run_and_are_found_by_id() {
    if !allowed() {
        return;
    }
    let code = assemble("r0 = 42\n exit", Dialect::Kernel).unwrap();
    let attr = LoadAttr {
        prog_type: ProgType::SCHED_CLS,
        name: "answer",
        insns: &code.insns,
        license: "GPL",
        log_level: LOG_STATS,
        ..LoadAttr::default()
    };
    let (prog, log) = load_logged(&attr);
    let prog = prog.unwrap();
    assert!(log.contains("processed 2 insns"), "{log}");
    let mut data = [0; 64];
    let out = test_run::run(prog.as_fd(), &Input { data: &[0; 20], ..Input::default() }, &mut data).unwrap();
    assert_eq!((out.retval, out.data_len), (42, 20));
    let head = info::prog(prog.as_fd()).unwrap();
    assert_eq!((info::name(&head.name).as_str(), head.r#type), ("answer", ProgType::SCHED_CLS.0));
    assert!(info::ids(Object::Prog).unwrap().contains(&head.id));
    let again = info::fd_by_id(Object::Prog, head.id).unwrap();
    let details = info::prog_details(again.as_fd()).unwrap();
    assert!(details.xlated.len() >= 16 && details.xlated.len() == details.info.xlated_prog_len as usize);
    assert!(Map::from_fd(again).is_err(), "a program is no map");
    assert!(info::link(prog.as_fd()).is_err(), "a program is no link");
}

/// A log far longer than the first buffer is given whole.
#[test]
fn the_log_grows_until_it_is_whole() {
    if !allowed() {
        return;
    }
    let body = "r1 = *(u64 *)(r10 - 8)\n r0 = r10\n".repeat(3000);
    let code = assemble(&format!("{body} r0 = r9\n exit"), Dialect::Kernel).unwrap();
    let attr = LoadAttr {
        prog_type: ProgType::SOCKET_FILTER,
        insns: &code.insns,
        license: "GPL",
        log_level: LOG_VERBOSE,
        ..LoadAttr::default()
    };
    let error = load(&attr).unwrap_err();
    assert_eq!(error.errno, Errno::EACCES);
    assert!(error.log.len() > 128 << 10, "{}", error.log.len());
    assert!(error.log.contains("R9 !read_ok"), "{}", &error.log[error.log.len() - 500..]);
    assert!(error.log.contains("\n0: "), "the beginning is there");
}

#[test]
fn bad_btf_is_refused_with_a_log() {
    if !allowed() {
        return;
    }
    let error =
        skep_sys::btf::load(&[0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            .unwrap_err();
    assert_eq!(error.errno, Errno::EINVAL);
    assert!(!error.log.is_empty());
}
