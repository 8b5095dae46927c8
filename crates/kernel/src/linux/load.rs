//! From Spec to live: types, maps, programs, in that order; whatever was made goes if a later step fails.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use skep_abi::MapType;
use skep_backend::{Error, ErrorKind, LoadOptions};
use skep_object::{InitialRef, Program, RelocTarget, Spec};

use super::live::Live;
use super::maps::{self, LiveMap};
use super::program::Resolver;
use super::types::{self, HERE};
use super::vmlinux::Vmlinux;

/// Loads a Spec.
pub(super) fn load(vmlinux: &Arc<Vmlinux>, spec: &Spec, options: &LoadOptions) -> Result<Live, Error> {
    if spec.endian != HERE {
        let message = "the object is of the other byte order, which this kernel does not run";
        let error = Error::new(ErrorKind::Unsupported, message);
        return Err(error.with_hint("build it for this machine, or run it in userspace: --backend user"));
    }
    let chosen = choose(spec, options)?;
    let (loaded_types, no_types) = match types::load(spec) {
        Some(Ok(types)) => (Some(types), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    let needed = needed_maps(spec, &chosen);
    let mut live = Vec::new();
    for (map, needed) in spec.maps.iter().zip(needed) {
        live.push(make_map(vmlinux, spec, map, needed, loaded_types.as_ref())?);
    }
    maps::fill(spec, &live, |_| None, |target| matches!(target, InitialRef::Map(_)))?;
    let resolver = Resolver {
        vmlinux,
        object: spec,
        maps: &live,
        types: loaded_types.as_ref(),
        no_types: no_types.as_deref(),
    };
    let mut programs = Vec::new();
    for &index in &chosen {
        programs.push(resolver.load(index, options)?);
    }
    let program = |index: usize| -> Option<BorrowedFd<'_>> {
        let at = chosen.iter().position(|c| *c == index)?;
        Some(programs[at].fd.as_fd())
    };
    maps::fill(spec, &live, program, |target| matches!(target, InitialRef::Program(_)))?;
    Live::new(programs, live, Arc::clone(vmlinux))
}

fn make_map(
    vmlinux: &Vmlinux,
    object: &Spec,
    spec: &skep_object::MapSpec,
    needed: bool,
    types: Option<&types::Loaded>,
) -> Result<Option<LiveMap>, Error> {
    if spec.map_type == MapType::STRUCT_OPS {
        if !needed {
            return Ok(None);
        }
        let message = format!("map `{}`: struct_ops tables can't be loaded yet", spec.name);
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    maps::make(vmlinux, object, spec, types).map(Some)
}

/// Which programs to load: those asked for (all but the optional ones, if none is), and those that prog arrays
/// hold from the start.
fn choose(spec: &Spec, options: &LoadOptions) -> Result<Vec<usize>, Error> {
    for name in &options.programs {
        if spec.program(name).is_none() {
            return Err(match spec.problem(name) {
                Some(problem) => {
                    Error::new(ErrorKind::Invalid, format!("program `{name}`: {}", problem.error))
                }
                None => Error::new(ErrorKind::NotFound, format!("the object has no program `{name}`")),
            });
        }
    }
    let arrays = spec.maps.iter().filter(|m| m.map_type == MapType::PROG_ARRAY);
    let refs: Vec<_> = arrays.flat_map(|m| &m.initial_refs).map(|(_, r)| *r).collect();
    let wanted = |i: usize, p: &Program| match options.programs.is_empty() {
        true => !p.on_demand,
        false => options.programs.contains(&p.name),
    } || refs.contains(&InitialRef::Program(i));
    let programs = spec.programs.iter().enumerate();
    Ok(programs.filter(|(i, p)| wanted(*i, p)).map(|(i, _)| i).collect())
}

/// Which maps the chosen programs name.
fn needed_maps(spec: &Spec, chosen: &[usize]) -> Vec<bool> {
    let mut needed = vec![false; spec.maps.len()];
    for reloc in chosen.iter().flat_map(|&i| &spec.programs[i].relocs) {
        if let RelocTarget::Map(map) | RelocTarget::MapValue { map, .. } = reloc.target
            && let Some(n) = needed.get_mut(map)
        {
            *n = true;
        }
    }
    needed
}
