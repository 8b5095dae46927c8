//! Proofs: a program that the verifier accepts is compiled without the checks that it proved to be needless.
//!
//! This is the one place of the crate that makes a promise which no compiler checks: that helpers, maps and contexts of
//! this world are what the verifier was told. It was told the rows of `skep_abi`, which the helpers here implement, and the
//! shapes of the very maps that were made. `cargo xtask soundness` holds facts against runs.
//!
//! A program that is refused, or not modelled, or whose constants the world fills in (kconfig), is compiled with all its
//! checks.
#![expect(unsafe_code, reason = "vouches for this world, see above")]

use skep_abi::{HelperId, MapType};
use skep_isa::Insn;
use skep_object::{MapOrigin, Program, Spec};
use skep_verifier::{Task, TaskOptions, Verified, shape};
use skep_vm::{Binding, BoundMap, Elements, Image, ImageError, Imports, Options, RegionId, map_handle};

use crate::env::LiveMap;
use crate::world::World;

/// Where a live map's values are.
pub(crate) fn place(index: usize, map: &LiveMap, cpu: u32) -> BoundMap {
    let elements = map.ops.row(cpu).filter(|_| !map.outer);
    let elements = elements.map(|(first, room, count)| Elements { first, room, count });
    BoundMap { handle: map_handle(index as u32), region: map.region, elements }
}

/// Verifies a program for this world. `None` if there is no proof, for whatever reason.
pub(crate) fn prove(world: &World, spec: &Spec, program: &Program, options: TaskOptions) -> Option<Verified> {
    if spec.maps.iter().any(|map| map.origin == MapOrigin::Kconfig) {
        return None;
    }
    let options = TaskOptions { vmlinux: world.target_btf.clone(), cpus: world.cpus, ..options };
    let task = Task::from_spec(spec, program, &options).ok()?;
    Verified::new(task).ok()
}

/// Whether the maps of this world have the shapes that were verified, where a proof may speak of their values.
pub(crate) fn same_shapes(verified: &Verified, spec: &Spec, maps: &[LiveMap]) -> bool {
    let declared = verified.task().maps.iter().map(|(_, shape)| shape);
    maps.len() == declared.len()
        && maps.iter().zip(declared).all(|(live, own)| {
            let live = shape(&live.spec, spec.btf.as_ref());
            // A loader chooses the capacity of these.
            let sized = matches!(own.map_type, MapType::RINGBUF | MapType::PERF_EVENT_ARRAY);
            (own.map_type, own.key_size, own.value_size, own.flags)
                == (live.map_type, live.key_size, live.value_size, live.flags)
                && (sized || own.max_entries == live.max_entries)
        })
}

/// Compiles a program with its proof.
pub(crate) fn compile(
    insns: &[Insn],
    imports: &dyn Imports,
    options: &Options,
    verified: &Verified,
    maps: &[BoundMap],
    context: Option<(RegionId, u32)>,
) -> Result<Image, ImageError> {
    let lookup = Some(HelperId::MAP_LOOKUP_ELEM.0 as i32);
    let binding = Binding { verified, maps, context, lookup };
    // SAFETY: the image is run by `Live` alone, with the memory whose regions these are, and `Env` as its host. Helpers
    // touch what their arguments name, through the memory's own checks, and give null or what their rows say.
    // Contexts are laid by the hooks in regions of these lengths, with the packet's bounds as the window has
    // them. Regions of maps and contexts live as long as `Live`.
    unsafe { Image::verified(insns, imports, options, &binding) }
}
