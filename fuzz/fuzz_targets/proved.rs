//! Arbitrary instructions that the verifier accepts: compiled code without the checks that were proved needless ends as the
//! checked interpreter does, with the same packet, context and maps.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep::abi::{MapType, ProgType};
use skep::backend::{LoadOptions, Loaded, TestRun};
use skep::isa::{Endian, Insn};
use skep::object::{MapSpec, Program, Reloc, RelocTarget, Spec};
use skep::runtime::World;
use skep::vm::Engine;

/// `lddw`, whose source 1 names a map.
const WIDE: u8 = 0x18;
const VALUE: u32 = 16;

fn spec(insns: Vec<Insn>, prog_type: ProgType) -> Spec {
    let maps = [(MapType::ARRAY, "array"), (MapType::HASH, "hash")].map(|(map_type, name)| MapSpec {
        name: name.into(),
        map_type,
        key_size: 4,
        value_size: VALUE,
        max_entries: 2,
        ..MapSpec::default()
    });
    let wide = insns.iter().enumerate().filter(|(_, i)| i.opcode == WIDE && i.src == 1);
    let relocs = wide.map(|(insn, i)| Reloc { insn, target: RelocTarget::Map(i.imm as usize & 1) }).collect();
    let program =
        Program { name: "main".into(), prog_type: Some(prog_type), insns, relocs, ..Program::default() };
    Spec { license: "GPL".into(), programs: vec![program], maps: maps.into(), ..Spec::default() }
}

/// All that can be seen of two runs: what they gave, and the maps after them. `None` where the program is not loaded, or where
/// it has no proof and should have one.
fn seen(world: &World, spec: &Spec, proved: bool) -> Option<Vec<String>> {
    let mut live = world.load(spec, &LoadOptions::default()).ok()?;
    if proved && !live.is_proved("main") {
        return None;
    }
    let mut seen = Vec::new();
    for byte in [0x45, 0x9a] {
        let packet = [byte; 64];
        let mut output = live.test_run("main", &TestRun { packet: &packet, repeat: 1, ..TestRun::default() });
        if let Ok(output) = &mut output {
            output.duration_ns = 0;
        }
        seen.push(format!("{output:x?}"));
        for name in live.maps() {
            let map = live.map(&name)?;
            seen.extend((0..2u32).map(|key| format!("{:x?}", map.lookup(&key.to_le_bytes()))));
        }
    }
    Some(seen)
}

fuzz_target!(|data: &[u8]| {
    let Some((first, code)) = data.split_first() else { return };
    let whole = &code[..code.len().min(64 * Insn::BYTES) / Insn::BYTES * Insn::BYTES];
    let Ok(insns) = skep::isa::slots_from_bytes(whole, Endian::Little) else { return };
    let prog_type = [ProgType::XDP, ProgType::SCHED_CLS][usize::from(first & 1)];
    let spec = spec(insns, prog_type);
    // More than the verifier walks: proved loops are not counted, so that a budget would end only one of the two.
    let world = World::new().budget(4_000_000);
    let Some(proved) = seen(&world.clone().engine(Engine::Jit).proofs(true), &spec, true) else { return };
    assert_eq!(Some(proved), seen(&world, &spec, false));
});
