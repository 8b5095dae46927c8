//! The same runs in the checked interpreter and in compiled code without the checks that were proved to be needless.

use skep_abi::ProgType;
use skep_backend::{LoadOptions, Loaded, TestOutput};
use skep_object::Spec;
use skep_runtime::{Live, World};
use skep_tests::differ::Rng;
use skep_vm::Engine;

/// What can be seen of a run, and of the maps after it.
#[derive(PartialEq, Debug)]
struct Seen {
    output: Result<TestOutput, String>,
    maps: Vec<Option<Vec<u8>>>,
}

/// Whether the program ran with a proof. What differed, if anything did.
pub(super) fn same(spec: &Spec, prog_type: ProgType, seed: u64, inputs: u32) -> Result<bool, String> {
    let world = World::new().budget(super::BUDGET);
    let load = |world: &World| world.load(spec, &LoadOptions::default()).map_err(|e| e.to_string());
    let mut checked = load(&world)?;
    let mut proved = load(&world.clone().engine(Engine::Jit).proofs(true))?;
    for n in 0..inputs {
        let seed = seed.wrapping_mul(31).wrapping_add(u64::from(n));
        let (a, b) = (seen(&mut checked, prog_type, seed), seen(&mut proved, prog_type, seed));
        if a != b {
            return Err(format!("compiled with its proof it ends differently: {a:x?}, then {b:x?}"));
        }
    }
    Ok(proved.is_proved("main"))
}

fn seen(live: &mut Live, prog_type: ProgType, seed: u64) -> Seen {
    let mut rng = Rng::new(seed);
    super::fill(live, &mut rng);
    let (packet, ctx) = (super::packet(&mut rng), super::context(&mut rng));
    let mut output =
        live.test_run("main", &super::input(prog_type, &packet, &ctx)).map_err(|e| e.to_string());
    if let Ok(output) = &mut output {
        output.duration_ns = 0;
    }
    let mut maps = Vec::new();
    for name in live.maps() {
        let Some(map) = live.map(&name) else { continue };
        maps.extend((0..super::ENTRIES).map(|key| map.lookup(&key.to_le_bytes()).ok().flatten()));
    }
    Seen { output, maps }
}
