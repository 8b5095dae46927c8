//! From Spec to live: types, maps, programs, in that order; whatever was made goes if a later step fails.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use skep_abi::{MapType, ProgType};
use skep_backend::{Error, ErrorKind, LoadOptions};
use skep_object::{InitialRef, MapSpec, Program, Spec};
use skep_sys::memlock;

use super::live::Live;
use super::maps;
use super::pins::{self, Pins};
use super::program::Resolver;
use super::struct_ops::{self, Table};
use super::types::{self, HERE};
use super::vmlinux::Vmlinux;

/// Loads a Spec.
///
/// With `pin_dir`, maps that want to be found by name are pinned there, or found there.
pub(super) fn load(
    vmlinux: &Arc<Vmlinux>,
    spec: &Spec,
    options: &LoadOptions,
    pin_dir: Option<&Path>,
) -> Result<Live, Error> {
    if spec.endian != HERE {
        let message = "the object is of the other byte order, which this kernel does not run";
        let error = Error::new(ErrorKind::Unsupported, message);
        return Err(error.with_hint("build it for this machine, or run it in userspace: --backend user"));
    }
    room(vmlinux);
    let chosen = choose(spec, options)?;
    let (loaded_types, no_types) = match types::load(spec) {
        Some(Ok(types)) => (Some(types), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    let tables = tables(vmlinux, spec, &chosen)?;
    let mut live = Vec::new();
    let mut pins = Pins::default();
    for (map, table) in spec.maps.iter().zip(&tables) {
        let dir = pin_dir.filter(|_| map.pin_by_name);
        if let Some(found) = dir.map(|dir| pins::find(dir, map)).transpose()?.flatten() {
            live.push(Some(found));
            continue;
        }
        if map.map_type == MapType::STRUCT_OPS && table.is_none() {
            live.push(None);
            continue;
        }
        let made = maps::make(vmlinux, spec, map, loaded_types.as_ref(), table.as_ref())?;
        if let Some(dir) = dir {
            pins.add_by_name(dir, &made)?;
        }
        live.push(Some(made));
    }
    maps::fill(spec, &live, |_| None, |target| matches!(target, InitialRef::Map(_)))?;
    let resolver = Resolver {
        vmlinux,
        object: spec,
        maps: &live,
        tables: &tables,
        types: loaded_types.as_ref(),
        no_types: no_types.as_deref(),
    };
    let mut programs = Vec::new();
    for &index in &chosen {
        programs.push(resolver.load(index, options)?);
    }
    let program = |index: usize| Some(&programs[chosen.iter().position(|c| *c == index)?]);
    maps::fill(
        spec,
        &live,
        |index| Some(program(index)?.fd.as_fd()),
        |target| matches!(target, InitialRef::Program(_)),
    )?;
    let named = |index: usize| program(index).map(|p| (p.name.as_str(), p.fd.as_fd()));
    let ready = spec.maps.iter().zip(&tables).filter_map(|(map, table)| table.as_ref()?.ready(map, named));
    let ready = ready.collect();
    Live::new(programs, live, ready, Arc::clone(vmlinux), pins, spec.btf.clone())
}

/// Before Linux 5.11 maps and programs are charged to the limit of locked memory, which is small: then it is raised. Where
/// that is not allowed, the kernel says so when a map is made.
fn room(vmlinux: &Vmlinux) {
    const CHARGED_ELSEWHERE: u32 = 5 << 16 | 11 << 8;
    if vmlinux.version() < CHARGED_ELSEWHERE && memlock::counts() {
        let _ = memlock::raise();
    }
}

/// The tables of functions of which all programs are loaded, or which have none, brought into the kernel's shape.
fn tables(vmlinux: &Vmlinux, spec: &Spec, chosen: &[usize]) -> Result<Vec<Option<Table>>, Error> {
    let solve = |map: &MapSpec| {
        if map.map_type != MapType::STRUCT_OPS || !struct_ops::programs(map).all(|p| chosen.contains(&p)) {
            return Ok(None);
        }
        let kernel = vmlinux.btf().map_err(|why| {
            let message = format!("table `{}` needs the kernel's types: {why}", map.name);
            Error::new(ErrorKind::Unsupported, message)
        })?;
        Table::solve(kernel, spec, map).map(Some)
    };
    spec.maps.iter().map(solve).collect()
}

/// Which programs to load: those asked for (all but the optional ones, if none is), those that prog arrays hold from the
/// start, and those of one table of functions together.
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
    let in_arrays: Vec<_> = arrays.flat_map(|m| &m.initial_refs).map(|(_, r)| *r).collect();
    let tables = spec.maps.iter().filter(|m| m.map_type == MapType::STRUCT_OPS);
    let tables: Vec<Vec<usize>> = tables.map(|m| struct_ops::programs(m).collect()).collect();
    let asked = |i: usize| options.programs.contains(&spec.programs[i].name);
    // A function of a table is nothing without it, and the table nothing without the others.
    let beside = |i: usize| tables.iter().any(|t| t.contains(&i) && t.iter().any(|p| asked(*p)));
    let lone = |i: usize, p: &Program| {
        p.prog_type == Some(ProgType::STRUCT_OPS) && !tables.iter().any(|t| t.contains(&i))
    };
    let wanted = |i: usize, p: &Program| match options.programs.is_empty() {
        true => !p.on_demand && !lone(i, p),
        false => asked(i) || beside(i),
    } || in_arrays.contains(&InitialRef::Program(i));
    let programs = spec.programs.iter().enumerate();
    Ok(programs.filter(|(i, p)| wanted(*i, p)).map(|(i, _)| i).collect())
}
