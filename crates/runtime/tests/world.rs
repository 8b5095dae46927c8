//! Whole objects in a world: hand-built Specs, programs in the kernel's assembly.

use skep_abi::{MapType, ProgType};
use skep_backend::{ErrorKind, Event, LoadOptions, Loaded, TestOutput, TestRun};
use skep_isa::asm::{Dialect, RefKind, assemble};
use skep_object::{Extern, ExternKind, InitialRef, MapOrigin, MapSpec, Program, Reloc, RelocTarget, Spec};
use skep_runtime::{Clock, Live, Task, World};

const PACKET: [u8; 20] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 20, 0, 0];

fn map(name: &str, map_type: MapType, sizes: (u32, u32), max_entries: u32) -> MapSpec {
    let (key_size, value_size) = sizes;
    MapSpec { name: name.into(), map_type, key_size, value_size, max_entries, ..MapSpec::default() }
}

fn add(spec: &mut Spec, name: &str, prog_type: ProgType, text: &str) {
    let assembly = assemble(text, Dialect::Kernel).unwrap_or_else(|e| panic!("{e}"));
    let relocs = assembly.references.iter().map(|r| {
        let index = spec.maps.iter().position(|m| m.name == r.name).expect("a map of that name");
        let target = match r.kind {
            RefKind::Map => RelocTarget::Map(index),
            _ => RelocTarget::MapValue { map: index, offset: 0 },
        };
        Reloc { insn: r.slot, target }
    });
    let relocs = relocs.collect();
    let (name, insns) = (name.into(), assembly.insns);
    spec.programs.push(Program { name, prog_type: Some(prog_type), insns, relocs, ..Program::default() });
}

fn xdp(maps: Vec<MapSpec>, text: &str) -> Spec {
    let mut spec = Spec { maps, ..Spec::default() };
    add(&mut spec, "prog", ProgType::XDP, text);
    spec
}

fn load(world: &World, spec: &Spec) -> Live {
    world.load(spec, &LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn refuse(spec: &Spec) -> skep_backend::Error {
    World::new().load(spec, &LoadOptions::default()).unwrap_err()
}

fn run(live: &mut Live) -> TestOutput {
    let input = TestRun { packet: &PACKET, timestamp_ns: Some(77), ..TestRun::default() };
    live.test_run("prog", &input).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn helpers_see_the_world_that_was_built() {
    let world = World::new().cpus(4, 3).task(Task { pid: 5, tgid: 6, uid: 7, gid: 8, comm: "bee".into() });
    for (helper, want) in [(5, 77), (8, 3), (14, 5), (15, 7)] {
        let spec = xdp(vec![], &format!("call {helper}\nexit"));
        assert_eq!(run(&mut load(&world, &spec)).retval, want, "helper {helper}");
    }
    let spec = xdp(vec![], "call 5\nexit");
    assert_eq!(run(&mut load(&world.clock(Clock::Fixed(123)), &spec)).retval, 123);
}

#[test]
fn chance_repeats_with_its_seed() {
    let spec = xdp(vec![], "call 7\nexit");
    let first = |seed| run(&mut load(&World::new().seed(seed), &spec)).retval;
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}

#[test]
fn tail_calls_end_after_thirty_three() {
    let mut jump = map("jump", MapType::PROG_ARRAY, (4, 4), 2);
    jump.initial_refs = vec![(1, InitialRef::Program(0))];
    let count = map("count", MapType::ARRAY, (4, 4), 1);
    let text = "
        r6 = r1
        r1 = map[count][0]+0
        r2 = *(u32 *)(r1 + 0)
        r2 += 1
        *(u32 *)(r1 + 0) = r2
        r1 = r6
        r2 = map[jump]
        r3 = 1
        call 12
        r0 = 9
        exit";
    let mut live = load(&World::new(), &xdp(vec![jump, count], text));
    assert_eq!(run(&mut live).retval, 9);
    let runs = live.map("count").unwrap().lookup(&[0; 4]).unwrap().unwrap();
    assert_eq!(runs, 34u32.to_le_bytes(), "the first run and 33 tail calls");
    live.map("jump").unwrap().delete(&[1, 0, 0, 0]).unwrap();
    assert_eq!(run(&mut live).retval, 9, "an emptied slot is passed by");
}

#[test]
fn a_map_of_maps_gives_its_inner_map() {
    let inner = map("inner", MapType::ARRAY, (4, 4), 3);
    let mut outer = map("outer", MapType::ARRAY_OF_MAPS, (4, 4), 2);
    outer.inner = Some(Box::new(inner.clone()));
    outer.initial_refs = vec![(1, InitialRef::Map(0))];
    let text = "
        *(u32 *)(r10 - 4) = 1
        r1 = map[outer]
        r2 = r10
        r2 += -4
        call 1
        *(u32 *)(r10 - 4) = 2
        r1 = r0
        r2 = r10
        r2 += -4
        call 1
        if r0 == 0 goto +1
        r0 = *(u32 *)(r0 + 0)
        exit";
    let mut live = load(&World::new(), &xdp(vec![inner.clone(), outer.clone()], text));
    live.map("inner").unwrap().update(&[2, 0, 0, 0], &[42, 0, 0, 0], 0).unwrap();
    assert_eq!(run(&mut live).retval, 42);
    outer.key_size = 8;
    assert_eq!(refuse(&xdp(vec![inner.clone(), outer.clone()], text)).kind(), ErrorKind::Os(22));
    outer.map_type = MapType::HASH_OF_MAPS;
    assert_eq!(refuse(&xdp(vec![inner.clone(), outer.clone()], text)).kind(), ErrorKind::Invalid);
    outer.inner = Some(Box::new(map("model", MapType::ARRAY, (4, 8), 3)));
    assert_eq!(refuse(&xdp(vec![inner, outer], text)).kind(), ErrorKind::Invalid);
}

#[test]
fn what_is_missing_traps_by_name_when_it_is_called() {
    let mut live = load(&World::new(), &xdp(vec![], "r0 = 0\nif r0 == 0 goto +1\ncall 69\nexit"));
    assert_eq!(run(&mut live).retval, 0);
    let error =
        load(&World::new(), &xdp(vec![], "r0 = 0\ncall 69\nexit")).run_packet(0, &PACKET, None).unwrap_err();
    assert_eq!((error.kind(), error.place().map(|p| p.slot)), (ErrorKind::Trapped, Some(1)));
    assert!(error.to_string().contains("bpf_fib_lookup"), "{error}");
    let error = load(&World::new(), &xdp(vec![], "call 18\nexit")).run_packet(0, &PACKET, None).unwrap_err();
    assert!(error.to_string().contains("bpf_skb_vlan_push does not serve this type"), "{error}");
}

#[test]
fn kfuncs_trap_by_name_and_weak_symbols_are_zero() {
    let mut spec = xdp(vec![], "r1 = 5 ll\nif r1 == 0 goto +1\ncall 1\nr0 = r1\nexit");
    let ext = |name: &str, kind, weak| Extern { name: name.into(), kind, weak, btf_type: None };
    spec.externs = vec![ext("soft", ExternKind::Ksym, true), ext("bpf_hive", ExternKind::Kfunc, false)];
    let reloc = |insn, index| Reloc { insn, target: RelocTarget::Extern(index) };
    spec.programs[0].relocs = vec![reloc(0, 0), reloc(3, 1)];
    assert_eq!(run(&mut load(&World::new(), &spec)).retval, 0);
    spec.programs[0].insns[2].off = 0;
    let error = load(&World::new(), &spec).run_packet(0, &PACKET, None).unwrap_err();
    assert!(error.to_string().contains("kfunc bpf_hive"), "{error}");
    spec.externs[0].weak = false;
    assert!(refuse(&spec).to_string().contains("`soft`"));
}

#[test]
fn kconfig_values_are_filled_in() {
    let data =
        MapSpec { origin: MapOrigin::Kconfig, frozen: true, ..map(".kconfig", MapType::ARRAY, (4, 12), 1) };
    let mut spec = xdp(vec![data], "r1 = map[.kconfig][0]+0\nr0 = *(u32 *)(r1 + 8)\nexit");
    spec.externs = [("LINUX_KERNEL_VERSION", 0, false), ("CONFIG_X", 4, true), ("CONFIG_HZ", 8, false)]
        .map(|(name, offset, weak)| {
            let kind = ExternKind::Kconfig { offset, size: 4 };
            Extern { name: name.into(), kind, weak, btf_type: None }
        })
        .into();
    assert!(refuse(&spec).to_string().contains("CONFIG_HZ"));
    let mut live = load(&World::new().kconfig("CONFIG_HZ", "250").kernel_version(0x60100), &spec);
    assert_eq!(run(&mut live).retval, 250);
    let map = live.map(".kconfig").unwrap();
    assert_eq!(map.lookup(&[0; 4]).unwrap().unwrap()[..8], [0, 1, 6, 0, 0, 0, 0, 0]);
    assert_eq!(map.update(&[0; 4], &[0; 12], 0).unwrap_err().kind(), ErrorKind::Os(1), "it is frozen");
}

#[test]
fn shapes_that_linux_refuses_are_refused_with_its_errno() {
    let check = |flags, spec: MapSpec, errno| {
        let error = refuse(&xdp(vec![MapSpec { flags, ..spec }], "r0 = 0\nexit"));
        assert_eq!(error.kind(), ErrorKind::Os(errno), "{error}");
        assert!(error.hint().is_some(), "{error}");
    };
    check(0, map("m", MapType::ARRAY, (8, 4), 1), 22);
    check(0, map("m", MapType::ARRAY, (4, 4), 0), 22);
    check(0x180, map("m", MapType::ARRAY, (4, 4), 1), 22);
    check(0, map("m", MapType::HASH, (0, 4), 1), 22);
    check(0, map("m", MapType::HASH, (4, 4 << 20), 1), 7);
    check(0, map("m", MapType::LPM_TRIE, (8, 4), 1), 22);
    check(0, map("m", MapType::PERCPU_ARRAY, (4, 32769), 1), 7);
    check(1, map("m", MapType::LRU_HASH, (4, 4), 1), 524);
    check(0, map("m", MapType::QUEUE, (4, 4), 1), 22);
    let huge = xdp(vec![map("m", MapType::HASH, (4, 4096), 1 << 30)], "r0 = 0\nexit");
    assert_eq!(refuse(&huge).kind(), ErrorKind::Os(12), "more than the world may take");
}

#[test]
fn packets_one_by_one_leave_what_single_runs_leave() {
    let text = "
        r6 = r1
        r2 = -4
        call 44
        r2 = *(u32 *)(r6 + 0)
        r3 = *(u32 *)(r6 + 4)
        r4 = r2
        r4 += 4
        if r4 > r3 goto +1
        *(u32 *)(r2 + 0) = 0x04030201
        r0 = 3
        exit";
    let mut live = load(&World::new(), &xdp(vec![], text));
    for _ in 0..3 {
        assert_eq!(live.run_packet(0, &PACKET, None).unwrap().retval, 3);
        assert_eq!(live.packet(), [&[1, 2, 3, 4], &PACKET[..]].concat());
    }
    assert_eq!(run(&mut live).packet, live.packet());
    assert_eq!(live.run_packet(0, &PACKET[..13], None).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(live.run_packet(0, &[8; 9000], None).unwrap().retval, 3);
    assert_eq!(live.packet().len(), 9004);
}

#[test]
fn plain_memory_and_raw_contexts_are_passed_and_handed_back() {
    let mut spec = Spec::default();
    let text = "r0 = *(u8 *)(r1 + 1)\nr0 += r2\n*(u8 *)(r1 + 0) = r0\nexit";
    add(&mut spec, "prog", ProgType(0), text);
    let mut live = load(&World::new(), &spec);
    let out = live.test_run("prog", &TestRun { mem: Some(&[1, 2, 3]), ..TestRun::default() }).unwrap();
    assert_eq!((out.retval, out.mem.as_deref()), (5, Some(&[5, 2, 3][..])));
    let out = live.test_run("prog", &TestRun { ctx: Some(&[1, 2, 3]), ..TestRun::default() }).unwrap();
    assert_eq!((out.retval, out.ctx.as_deref()), (2, Some(&[2, 2, 3][..])));
    assert_eq!(live.run_packet(0, &PACKET, None).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn what_is_emitted_can_be_taken_once() {
    let ring = map("ring", MapType::RINGBUF, (0, 0), 4096);
    let text = "
        *(u64 *)(r10 - 8) = 7
        r1 = map[ring]
        r2 = r10
        r2 += -8
        r3 = 8
        r4 = 0
        call 130
        exit";
    let mut live = load(&World::new(), &xdp(vec![ring], text));
    assert_eq!((run(&mut live).retval, run(&mut live).retval), (0, 0));
    let record = Event::Record { map: "ring".into(), cpu: 0, data: vec![7, 0, 0, 0, 0, 0, 0, 0] };
    assert_eq!(live.take_events(), [record.clone(), record]);
    assert_eq!(live.take_events(), []);
}
