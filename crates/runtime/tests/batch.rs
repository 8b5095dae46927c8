//! Many packets in one call end as they do one by one: verdicts, bytes, maps, packets that go wrong among them.

use skep_abi::{MapType, ProgType};
use skep_backend::{Incoming, LoadOptions, Loaded};
use skep_isa::asm::{Dialect, assemble};
use skep_object::{MapSpec, Program, Reloc, RelocTarget, Spec};
use skep_runtime::{Live, World};
use skep_vm::Engine;

/// Counts in a map by the packet's fifteenth byte, and writes into the packet.
const TEXT: &str = "
    r6 = *(u32 *)(r1 + 0)
    r7 = *(u32 *)(r1 + 4)
    r0 = r6
    r0 += 16
    if r0 > r7 goto short
    w8 = *(u8 *)(r6 + 14)
    *(u32 *)(r10 - 4) = w8
    r2 = r10
    r2 += -4
    r1 = map[counts]
    call 1
    if r0 == 0 goto none
    r1 = *(u64 *)(r0 + 0)
    r1 += 1
    *(u64 *)(r0 + 0) = r1
    *(u8 *)(r6 + 15) = w1
    r0 = 3
    exit
none:
    r0 = 1
    exit
short:
    r0 = 2
    exit";

fn spec() -> Spec {
    let counts = MapSpec {
        name: "counts".into(),
        map_type: MapType::PERCPU_ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 16,
        ..MapSpec::default()
    };
    let assembly = assemble(TEXT, Dialect::Kernel).unwrap_or_else(|e| panic!("{e}"));
    let relocs = assembly.references.iter().map(|r| Reloc { insn: r.slot, target: RelocTarget::Map(0) });
    let program = Program {
        name: "prog".into(),
        prog_type: Some(ProgType::XDP),
        relocs: relocs.collect(),
        insns: assembly.insns,
        ..Program::default()
    };
    Spec { maps: vec![counts], programs: vec![program], ..Spec::default() }
}

type Seen = (Vec<(usize, Result<u64, String>, Vec<u8>)>, Vec<Option<Vec<u8>>>);

fn counts(live: &mut Live) -> Vec<Option<Vec<u8>>> {
    let map = live.map("counts").expect("the map");
    (0..16u32).map(|key| map.lookup(&key.to_le_bytes()).expect("a lookup")).collect()
}

fn seen(world: &World, packets: &[Vec<u8>], together: bool) -> Seen {
    let mut live = world.load(&spec(), &LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"));
    let mut all = Vec::new();
    if together {
        let incoming: Vec<_> = packets.iter().map(|p| Incoming { data: p, timestamp_ns: None }).collect();
        live.run_packets(0, &incoming, &mut |i, outcome, bytes| {
            all.push((i, outcome.map(|o| o.retval).map_err(|e| e.to_string()), bytes.to_vec()));
        });
    } else {
        for (i, packet) in packets.iter().enumerate() {
            let outcome = live.run_packet(0, packet, None).map(|o| o.retval).map_err(|e| e.to_string());
            all.push((i, outcome, live.packet().to_vec()));
        }
    }
    (all, counts(&mut live))
}

fn packets(n: usize) -> Vec<Vec<u8>> {
    (0..n).map(|i| (0..14 + i % 90).map(|at| (i * 7 + at * 3) as u8).collect()).collect()
}

#[test]
fn together_is_as_one_by_one() {
    let packets = packets(500);
    let expected = seen(&World::new().cpus(4, 2), &packets, false);
    assert!(expected.0.iter().any(|p| p.1 == Ok(1)) && expected.0.iter().any(|p| p.1 == Ok(2)));
    for engine in [Engine::Interpreter, Engine::Jit] {
        for proofs in [false, true] {
            let world = World::new().cpus(4, 2).engine(engine).proofs(proofs);
            if engine == Engine::Jit && world.load(&spec(), &LoadOptions::default()).is_err() {
                println!("skipped: no jit on this machine");
                continue;
            }
            assert_eq!(seen(&world, &packets, true), expected, "{engine:?}, proofs: {proofs}");
        }
    }
}

#[test]
fn a_packet_that_runs_out_of_budget_harms_no_other() {
    let packets = packets(200);
    for budget in [0, 1, 1000] {
        let world = World::new().engine(Engine::Jit).proofs(true).budget(budget);
        let Ok(_) = world.load(&spec(), &LoadOptions::default()) else {
            println!("skipped: no jit on this machine");
            return;
        };
        let one_by_one = seen(&world, &packets, false);
        assert_eq!(seen(&world, &packets, true), one_by_one, "budget {budget}");
    }
}
