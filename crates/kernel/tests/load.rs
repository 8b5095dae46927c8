//! Loading and running in the running kernel; skipped, with the reason, where it may not be asked.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use skep_abi::{MapType, ProgType};
use skep_backend::{ErrorKind, Event, LoadOptions, Loaded, TestRun};
use skep_isa::asm::{Dialect, RefKind, assemble};
use skep_kernel::{Kernel, Live};
use skep_object::{Extern, ExternKind, InitialRef, MapSpec, Program, Reloc, RelocTarget, Spec};

/// The kernel, where it may be used; says why not.
fn kernel() -> Option<Kernel> {
    let kernel = Kernel::new();
    match kernel.refusal() {
        None => Some(kernel),
        Some(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

fn map(name: &str, map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> MapSpec {
    MapSpec { name: name.into(), map_type, key_size, value_size, max_entries, ..MapSpec::default() }
}

/// A program whose names of maps are those of `spec`.
fn program(spec: &Spec, name: &str, text: &str) -> Program {
    let assembly = assemble(text, Dialect::Kernel).unwrap();
    let reloc = |r: &skep_isa::asm::Reference| {
        let (map, _) = spec.map(&r.name).expect("a map of the spec");
        let target = match r.kind {
            RefKind::MapValue => RelocTarget::MapValue { map, offset: 0 },
            _ => RelocTarget::Map(map),
        };
        Reloc { insn: r.slot, target }
    };
    Program {
        name: name.into(),
        prog_type: Some(ProgType::XDP),
        relocs: assembly.references.iter().map(reloc).collect(),
        insns: assembly.insns,
        ..Program::default()
    }
}

fn spec(maps: Vec<MapSpec>, programs: &[(&str, &str)]) -> Spec {
    let mut spec = Spec { license: "GPL".into(), maps, ..Spec::default() };
    spec.programs = programs.iter().map(|(name, text)| program(&spec, name, text)).collect();
    spec
}

fn run(live: &mut Live, name: &str) -> u64 {
    live.test_run(name, &TestRun { packet: &[7; 60], ..TestRun::default() }).unwrap().retval
}

#[test]
fn data_is_written_frozen_and_read() {
    let Some(kernel) = kernel() else { return };
    let mut rodata = map(".rodata", MapType::ARRAY, 4, 4, 1);
    (rodata.initial_value, rodata.frozen) = (Some(vec![42, 0, 0, 0]), true);
    rodata.flags = MapSpec::F_RDONLY_PROG;
    let spec = spec(vec![rodata], &[("main", "r1 = map[.rodata][0]+0\nr0 = *(u32 *)(r1 + 0)\nexit")]);
    let mut live = kernel.load(&spec, &LoadOptions::default()).unwrap();
    assert_eq!(run(&mut live, "main"), 42);
    let error = live.map(".rodata").unwrap().update(&[0; 4], &[1, 0, 0, 0], 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Os(1), "{error}");
}

#[test]
fn tail_calls_and_inner_maps_are_there_from_the_start() {
    let Some(kernel) = kernel() else { return };
    let mut jumps = map("jumps", MapType::PROG_ARRAY, 4, 4, 2);
    jumps.initial_refs = vec![(1, InitialRef::Program(1))];
    let inner = map("inner", MapType::ARRAY, 4, 8, 1);
    let mut outer = map("outer", MapType::ARRAY_OF_MAPS, 4, 4, 2);
    (outer.inner, outer.initial_refs) = (Some(Box::new(inner.clone())), vec![(1, InitialRef::Map(1))]);
    let first = "r2 = map[jumps]\nr3 = 1\ncall 12\nr0 = 99\nexit";
    let second = "*(u32 *)(r10 - 4) = 1\nr1 = map[outer]\nr2 = r10\nr2 += -4\ncall 1\nif r0 == 0 goto out\n\
        *(u32 *)(r10 - 4) = 0\nr1 = r0\nr2 = r10\nr2 += -4\ncall 1\nif r0 == 0 goto out\nr0 = *(u64 *)(r0 + 0)\nexit\n\
        out:\nr0 = 98\nexit";
    let spec = spec(vec![jumps, inner, outer], &[("first", first), ("second", second)]);
    let options = LoadOptions { programs: vec!["first".into()], ..LoadOptions::default() };
    let mut live = kernel.load(&spec, &options).unwrap();
    live.map("inner").unwrap().update(&[0; 4], &[5, 0, 0, 0, 0, 0, 0, 0], 0).unwrap();
    assert_eq!(run(&mut live, "first"), 5);
}

#[test]
fn records_of_both_kinds_of_buffer_come_in_order() {
    let Some(kernel) = kernel() else { return };
    let maps = vec![map("ring", MapType::RINGBUF, 0, 0, 1), map("perf", MapType::PERF_EVENT_ARRAY, 0, 0, 0)];
    let text = "r6 = r1\n*(u64 *)(r10 - 8) = 9\nr1 = map[ring]\nr2 = r10\nr2 += -8\nr3 = 8\nr4 = 0\ncall 130\n\
        r1 = r6\nr2 = map[perf]\nr3 = 0xffffffff ll\nr4 = r10\nr4 += -8\nr5 = 8\ncall 25\nexit";
    let mut live = kernel.load(&spec(maps, &[("main", text)]), &LoadOptions::default()).unwrap();
    // More than fit the ring at once: what is taken makes room.
    for round in 0..10 {
        for _ in 0..100 {
            assert_eq!(run(&mut live, "main"), 0, "round {round}");
        }
        let events = live.take_events();
        let of = |name: &str| {
            let records = events.iter().filter(|e| matches!(e, Event::Record { map, .. } if map == name));
            let good = |e: &&Event| matches!(e, Event::Record { data, .. } if data.starts_with(&[9, 0, 0, 0, 0, 0, 0, 0]));
            records.filter(good).count()
        };
        assert_eq!((of("ring"), of("perf")), (100, 100));
    }
    assert_eq!(live.lost_samples(), 0);
}

#[test]
fn metadata_and_grown_packets_come_back() {
    let Some(kernel) = kernel() else { return };
    let text = "r6 = r1\nr2 = -8\ncall 54\nr1 = *(u32 *)(r6 + 8)\nr2 = *(u32 *)(r6 + 0)\nr3 = r1\nr3 += 8\n\
        if r3 > r2 goto out\n*(u64 *)(r1 + 0) = 77\nr1 = r6\nr2 = 4\ncall 65\nout:\nr0 = 2\nexit";
    let mut live = kernel.load(&spec(vec![], &[("main", text)]), &LoadOptions::default()).unwrap();
    let out = live.test_run("main", &TestRun { packet: &[7; 60], ..TestRun::default() }).unwrap();
    assert_eq!(out.retval, 2);
    assert_eq!(out.meta, [77, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!((out.packet.len(), &out.packet[..60]), (64, &[7; 60][..]));
}

#[test]
fn kernel_functions_and_symbols_are_found() {
    let Some(kernel) = kernel() else { return };
    let mut spec = spec(
        vec![],
        &[
            ("calls", "call 1\ncall 1\nr0 = 3\nexit"),
            ("address", "r1 = 0 ll\nr0 = 1\nif r1 != 0 goto out\nr0 = 0\nout:\nexit"),
        ],
    );
    let ext = |name: &str, kind, weak| Extern { name: name.into(), kind, weak, btf_type: None };
    spec.externs = vec![
        ext("bpf_rcu_read_lock", ExternKind::Kfunc, false),
        ext("bpf_rcu_read_unlock", ExternKind::Kfunc, false),
        ext("start_kernel", ExternKind::KsymAddr, false),
        ext("skep_has_no_such_symbol", ExternKind::KsymAddr, true),
    ];
    let reloc = |insn, index| Reloc { insn, target: RelocTarget::Extern(index) };
    spec.programs[0].relocs = vec![reloc(0, 0), reloc(1, 1)];
    spec.programs[1].relocs = vec![reloc(0, 2)];
    let mut live = kernel.load(&spec, &LoadOptions::default()).unwrap();
    assert_eq!((run(&mut live, "calls"), run(&mut live, "address")), (3, 1));
    spec.programs[1].relocs = vec![reloc(0, 3)];
    let mut live = kernel.load(&spec, &LoadOptions::default()).unwrap();
    assert_eq!(run(&mut live, "address"), 0, "a weak symbol that is not there is null");
    spec.externs[3].weak = false;
    let error = kernel.load(&spec, &LoadOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("skep_has_no_such_symbol"), "{error}");
}

#[test]
fn a_refusal_begins_with_the_point_and_names_the_instruction() {
    let Some(kernel) = kernel() else { return };
    let error = kernel
        .load(&spec(vec![], &[("main", "r0 = 0\nr0 = r9\nexit")]), &LoadOptions::default())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().starts_with("program `main` is refused: R9 !read_ok"), "{error}");
    assert_eq!(error.place().map(|p| p.slot), Some(1));
}

/// Objects of the tests and what this kernel says to them; empty if it loads them.
const OBJECTS: &[(&str, &str)] = &[
    ("core_target", ""),
    ("cpu_v1", ""),
    ("cpu_v2", ""),
    ("cpu_v3", ""),
    ("cpu_v4", ""),
    ("link_weak", ""),
    ("maps_legacy", ""),
    ("subprogs", ""),
    ("workout_v1", ""),
    ("workout_v2", ""),
    ("workout_v3", ""),
    ("workout_v4", ""),
    ("big_endian", "the other byte order"),
    ("core_fields", "invalid mem access 'scalar' (EACCES)"),
    ("data", "map `.bss.huge` (array) can't be made: argument list too long (E2BIG)"),
    ("link_main", "needs `counts`, which this kernel does not have"),
    ("unknown_section", "has no type"),
];

#[test]
fn objects_load_or_it_is_said_why_not() {
    let Some(kernel) = kernel() else { return };
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/objects");
    for (name, says) in OBJECTS {
        let spec = Spec::from_elf(&std::fs::read(format!("{dir}/{name}.o")).unwrap()).unwrap();
        match (kernel.load(&spec, &LoadOptions::default()), *says) {
            (Ok(_), "") => {}
            (Ok(_), says) => panic!("{name} loads, but `{says}` was expected"),
            (Err(e), says) => assert!(!says.is_empty() && e.to_string().contains(says), "{name}: {e}"),
        }
    }
}
