//! From Spec to live: maps are made and filled, relocations resolved, programs compiled.
//!
//! A map or a program that this world can't have fails the load by name and with a reason; a helper or kfunc
//! that it does not have does so only when a program calls it.

use std::cell::RefCell;
use std::sync::Arc;

use skep_abi::{MapType, ProgType};
use skep_backend::{Error, ErrorKind, LoadOptions, kconfig};
use skep_btf::Kind;
use skep_btf::core::Solver;
use skep_isa::{Endian, Insn};
use skep_object::{ExternKind, InitialRef, MapOrigin, MapSpec, Program, RelocTarget, Spec};
use skep_verifier::TaskOptions;
use skep_vm::{BoundMap, Engine, Image, Memory, MemoryError, Options, Protection, map_handle};

use crate::core::Core;
use crate::env::{Env, LiveMap, Packet, Rng};
use crate::events::Events;
use crate::helper::{Context, Resolver};
use crate::hook;
use crate::live::{Kind as RunKind, Live, Loaded, Regions};
use crate::map::{self, Shape, attr};
use crate::proof;
use crate::world::World;

/// What regions besides maps may take.
const SLACK: usize = 64 << 20;

/// `BPF_PSEUDO_KFUNC_CALL`.
const KFUNC_CALL: u8 = 2;
/// `BPF_JMP | BPF_CALL`.
const CALL: u8 = 0x85;

/// Loads a Spec.
pub(crate) fn load(world: &World, spec: &Spec, options: &LoadOptions) -> Result<Live, Error> {
    let chosen = choose(spec, options)?;
    let mut memory = Memory::new(spec.endian);
    memory.set_limit(world.memory.saturating_add(SLACK));
    let regions = regions(&mut memory).map_err(|e| no_room("contexts", e))?;
    let needed = needed_maps(spec, &chosen);
    let mut maps = Vec::new();
    for (i, map) in spec.maps.iter().enumerate() {
        maps.push(make_map(world, spec, map, &mut memory, needed[i])?);
    }
    let env = Env {
        maps,
        programs: vec![None; spec.programs.len()],
        clock: world.clock.clone(),
        timestamp: 0,
        rng: Rng(world.seed),
        cpu: world.cpu,
        cpus: world.cpus,
        task: world.task.clone(),
        events: Events::default(),
        packet: Packet::None,
        cell: regions.cell,
        redirect: None,
        scratch: Vec::new(),
        missing: Vec::new(),
        observer: world.observer.clone(),
    };
    let mut core = Core::new(env, memory);
    fill_refs(spec, &mut core)?;
    let mut programs = Vec::new();
    let mut compiler = Compiler::new(world, spec, &core.env.maps, &regions);
    for index in chosen {
        let program = compiler.compile(&spec.programs[index], options)?;
        core.env.programs[index] = Some(Arc::clone(&program.image));
        programs.push(program);
    }
    core.env.missing = compiler.missing.into_inner();
    Ok(Live::new(world, core, programs, regions))
}

fn regions(memory: &mut Memory) -> Result<Regions, MemoryError> {
    Ok(Regions {
        xdp: memory.add(hook::xdp::CTX_LEN, Protection::ReadOnly)?,
        skb: memory.add(hook::skb::CTX_LEN, Protection::ReadWrite)?,
        plain: memory.add(0, Protection::ReadWrite)?,
        cell: memory.add(8, Protection::ReadWrite)?,
    })
}

fn no_room(what: &str, error: MemoryError) -> Error {
    Error::new(ErrorKind::Os(12), format!("{what}: {error}"))
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
    let in_prog_array = |i| {
        let refs =
            spec.maps.iter().filter(|m| m.map_type == MapType::PROG_ARRAY).flat_map(|m| &m.initial_refs);
        refs.into_iter().any(|(_, r)| *r == InitialRef::Program(i))
    };
    let wanted = |i: usize, p: &Program| match options.programs.is_empty() {
        true => !p.on_demand,
        false => options.programs.contains(&p.name),
    } || in_prog_array(i);
    let programs = spec.programs.iter().enumerate();
    Ok(programs.filter(|(i, p)| wanted(*i, p)).map(|(i, _)| i).collect())
}

/// Which maps the chosen programs name, directly or through maps of maps.
fn needed_maps(spec: &Spec, chosen: &[usize]) -> Vec<bool> {
    let mut needed = vec![false; spec.maps.len()];
    for reloc in chosen.iter().flat_map(|&i| &spec.programs[i].relocs) {
        if let RelocTarget::Map(map) | RelocTarget::MapValue { map, .. } = reloc.target
            && let Some(n) = needed.get_mut(map)
        {
            *n = true;
        }
    }
    for (_, target) in spec.maps.iter().flat_map(|m| &m.initial_refs) {
        if let InitialRef::Map(map) = *target
            && let Some(n) = needed.get_mut(map)
        {
            *n = true;
        }
    }
    needed
}

/// Fills in what a loader chooses, as libbpf does.
fn complete(world: &World, spec: &MapSpec) -> MapSpec {
    const PAGE: u32 = 4096;
    let mut spec = spec.clone();
    match spec.map_type {
        MapType::PERF_EVENT_ARRAY if spec.max_entries == 0 => spec.max_entries = world.cpus,
        MapType::RINGBUF if !spec.max_entries.is_power_of_two() || !spec.max_entries.is_multiple_of(PAGE) => {
            let pages = spec.max_entries.div_ceil(PAGE).max(1);
            spec.max_entries =
                pages.checked_next_power_of_two().and_then(|p| p.checked_mul(PAGE)).unwrap_or(0);
        }
        _ => {}
    }
    spec
}

fn make_map(
    world: &World,
    object: &Spec,
    spec: &MapSpec,
    memory: &mut Memory,
    needed: bool,
) -> Result<LiveMap, Error> {
    let spec = complete(world, spec);
    let name: Arc<str> = spec.name.as_str().into();
    let Some(row) = map::row(spec.map_type) else {
        if !needed {
            return absent(spec, name, memory);
        }
        let message = format!("map `{name}`: maps of type {} are not available here", spec.map_type);
        return Err(
            Error::new(ErrorKind::Unsupported, message).with_hint("docs/support.md lists those that are")
        );
    };
    (row.check)(&spec).map_err(|refusal| {
        let message = format!("map `{name}`: {} map can't be made: {}", spec.map_type, refusal.errno);
        Error::new(ErrorKind::Os(refusal.errno.0), message).with_hint(refusal.why)
    })?;
    let shape = Shape {
        key_size: spec.key_size as usize,
        value_size: spec.value_size as usize,
        max_entries: spec.max_entries,
        extra: spec.map_extra,
        cpus: world.cpus,
        endian: object.endian,
        seed: world.seed,
        locked: holds_lock(object, &spec),
    };
    let footprint = row.footprint(&shape);
    if footprint > world.memory as u128 {
        let message =
            format!("map `{name}` would take {footprint} bytes; all maps may take {}", world.memory);
        return Err(Error::new(ErrorKind::Os(12), message));
    }
    let ops = (row.make)(shape);
    let region = memory.add(ops.slab_len(), Protection::ReadWrite);
    let region = region.map_err(|e| no_room(&format!("map `{name}`"), e))?;
    let contents = match spec.origin {
        MapOrigin::Kconfig => {
            let config = |name: &str| world.kconfig.get(name).cloned();
            let source = kconfig::Source { version: world.kernel_version, config: &config };
            Some(kconfig::values(&source, object, shape.value_size)?)
        }
        _ => spec.initial_value.clone(),
    };
    if let Some(contents) = contents {
        let slab = memory.storage_mut(region).map_err(|e| no_room(&name, e))?;
        let Some(place) = slab.get_mut(..contents.len()).filter(|_| contents.len() <= shape.value_size)
        else {
            let message = format!("map `{name}`: first contents are longer than its value");
            return Err(Error::new(ErrorKind::Invalid, message));
        };
        place.copy_from_slice(&contents);
    }
    if spec.flags & attr::RDONLY_PROG != 0 {
        memory.protect(region, Protection::ReadOnly).map_err(|e| no_room(&name, e))?;
    }
    let outer = matches!(spec.map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS);
    let frozen = spec.frozen;
    Ok(LiveMap { name, spec, ops, region, outer, frozen, absent: false })
}

/// Whether the type of a map's values has a `bpf_spin_lock` among its members.
fn holds_lock(object: &Spec, spec: &MapSpec) -> bool {
    let Some((btf, value)) = object.btf.as_ref().zip(spec.btf_value) else { return false };
    let Ok(value) = btf.skip_modifiers(value) else { return false };
    if value.kind() != Kind::Struct {
        return false;
    }
    value.members().any(|m| btf.skip_modifiers(m.ty).is_ok_and(|t| t.name() == "bpf_spin_lock"))
}

/// Stands for a map that nothing chosen uses and that this world could not make.
fn absent(spec: MapSpec, name: Arc<str>, memory: &mut Memory) -> Result<LiveMap, Error> {
    let region = memory.add(0, Protection::ReadOnly).map_err(|e| no_room(&name, e))?;
    Ok(LiveMap { name, spec, ops: Box::new(map::Absent), region, outer: false, frozen: true, absent: true })
}

/// Whether a map may stand in a slot of a map of maps (`bpf_map_meta_equal`).
fn fits(outer: &MapSpec, inner: &MapSpec) -> bool {
    let Some(model) = &outer.inner else { return true };
    let same = (model.map_type, model.key_size, model.value_size, model.flags)
        == (inner.map_type, inner.key_size, inner.value_size, inner.flags);
    let array = matches!(model.map_type, MapType::ARRAY | MapType::PERCPU_ARRAY);
    same && (!array || model.flags & attr::INNER_MAP != 0 || model.max_entries == inner.max_entries)
}

/// Fills prog arrays and maps of maps.
fn fill_refs(spec: &Spec, core: &mut Core) -> Result<(), Error> {
    for (i, map) in spec.maps.iter().enumerate() {
        if core.env.maps[i].absent || map.map_type == MapType::STRUCT_OPS {
            continue;
        }
        for &(key, target) in &map.initial_refs {
            let id = match target {
                InitialRef::Program(p) => p,
                InitialRef::Map(m) => {
                    if spec.maps.get(m).is_none_or(|inner| !fits(map, inner)) {
                        let message = format!("map `{}`: slot {key} holds a map of another shape", map.name);
                        return Err(Error::new(ErrorKind::Invalid, message));
                    }
                    m
                }
            };
            let bytes = |n: u32| match spec.endian {
                Endian::Little => n.to_le_bytes(),
                Endian::Big => n.to_be_bytes(),
            };
            core.put(i, &bytes(key), &bytes((id as u32).wrapping_add(1)))?;
        }
    }
    Ok(())
}

/// Resolves and compiles programs of one object.
struct Compiler<'a> {
    world: &'a World,
    spec: &'a Spec,
    maps: Vec<BoundMap>,
    live: &'a [LiveMap],
    contexts: &'a Regions,
    solver: Option<Solver<'a>>,
    socket_layer: crate::world::Layer,
    engine: Engine,
    observe: bool,
    kfuncs: Vec<String>,
    missing: RefCell<Vec<String>>,
}

/// Names of a program's functions, by their first slots.
fn functions(program: &Program) -> Vec<(usize, String)> {
    program.func_info.iter().map(|f| (f.insn, f.name.clone())).collect()
}

impl<'a> Compiler<'a> {
    fn new(world: &'a World, spec: &'a Spec, live: &'a [LiveMap], contexts: &'a Regions) -> Self {
        let solver =
            spec.btf.as_ref().map(|local| Solver::new(local, world.target_btf.as_deref().unwrap_or(local)));
        Self {
            world,
            spec,
            maps: live.iter().enumerate().map(|(i, m)| proof::place(i, m, world.cpu)).collect(),
            live,
            contexts,
            solver,
            socket_layer: world.socket_layer,
            engine: world.engine,
            observe: world.observer.is_some(),
            kfuncs: spec.externs.iter().map(|e| e.name.clone()).collect(),
            missing: RefCell::default(),
        }
    }

    fn compile(&mut self, program: &Program, options: &LoadOptions) -> Result<Loaded, Error> {
        let original = program;
        let mut program = program.clone();
        let prog_type = options.prog_types.get(&program.name).copied().or(program.prog_type);
        if let Some(solver) = &mut self.solver {
            skep_object::core::relocate_with(&mut program, solver);
        }
        for reloc in std::mem::take(&mut program.relocs) {
            self.resolve(&mut program, reloc.insn, &reloc.target)?;
        }
        let kind = kind(prog_type, self.socket_layer);
        let imports = Resolver {
            context: kind.context(),
            kfuncs: &self.kfuncs,
            maps: &self.maps,
            missing: &self.missing,
        };
        let image_options = Options {
            endian: self.spec.endian,
            name: program.name.clone(),
            engine: self.engine,
            observe: self.observe,
            arch: self.world.arch,
            own_pages: self.world.own_pages,
            blind: self.world.blind,
            gdb: self.world.gdb,
            functions: functions(original),
            ..Options::default()
        };
        let proved = self.proved(original, prog_type, kind, &program.insns, &imports, &image_options);
        let made = proved.map_or_else(|| Image::new(&program.insns, &imports, &image_options), Ok);
        let image = made.map_err(|e| {
            let message = format!("program `{}`: {e}", program.name);
            Error::new(ErrorKind::Rejected, message).at(&program.name, e.slot())
        })?;
        let poisoned = program.poisoned.into_iter().map(|p| (p.insn, p.why)).collect();
        let quiet = image.host_calls().all(crate::helper::is_quiet);
        let batches = kind == RunKind::Xdp && image.takes_batches() && quiet;
        Ok(Loaded { name: program.name, kind, prog_type, image: Arc::new(image), batches, poisoned })
    }

    /// The program without needless checks, if there is a proof and it is wanted.
    fn proved(
        &self,
        program: &Program,
        prog_type: Option<ProgType>,
        kind: RunKind,
        insns: &[Insn],
        imports: &Resolver<'_>,
        options: &Options,
    ) -> Option<Image> {
        if !self.world.proofs || self.engine != Engine::Jit || self.observe {
            return None;
        }
        let verified = proof::prove(
            self.world,
            self.spec,
            program,
            TaskOptions { prog_type, ..TaskOptions::default() },
        )?;
        if !proof::same_shapes(&verified, self.spec, self.live) {
            return None;
        }
        let context = match kind.context() {
            Context::Xdp => Some((self.contexts.xdp, hook::xdp::CTX_LEN as u32)),
            Context::Skb => Some((self.contexts.skb, hook::skb::CTX_LEN as u32)),
            Context::Any => None,
        };
        proof::compile(insns, imports, options, &verified, &self.maps, context).ok()
    }

    fn resolve(&self, program: &mut Program, slot: usize, target: &RelocTarget) -> Result<(), Error> {
        let address = match *target {
            RelocTarget::Map(map) => map_handle(map as u32),
            RelocTarget::MapValue { map, offset } => {
                let place = self.maps.get(map).ok_or_else(|| dangling(program, slot))?;
                place.region.base() + u64::from(offset)
            }
            RelocTarget::Func(_) => return Ok(()),
            RelocTarget::Extern(index) => return self.resolve_extern(program, slot, index),
        };
        patch_address(program, slot, address)
    }

    fn resolve_extern(&self, program: &mut Program, slot: usize, index: usize) -> Result<(), Error> {
        let ext = self.spec.externs.get(index).ok_or_else(|| dangling(program, slot))?;
        if let Some(insn) = program.insns.get_mut(slot).filter(|i| i.opcode == CALL) {
            *insn = Insn { src: KFUNC_CALL, off: 0, imm: index as i32, ..*insn };
            return Ok(());
        }
        if ext.weak || matches!(ext.kind, ExternKind::Kfunc | ExternKind::Func) {
            return patch_address(program, slot, 0);
        }
        let message = format!("program `{}` needs `{}`, which only a kernel has", program.name, ext.name);
        Err(Error::new(ErrorKind::Unsupported, message).at(&program.name, slot))
    }
}

fn dangling(program: &Program, slot: usize) -> Error {
    let message = format!("program `{}`: the relocation names nothing", program.name);
    Error::new(ErrorKind::Invalid, message).at(&program.name, slot)
}

/// Turns a wide load into one of a plain address.
fn patch_address(program: &mut Program, slot: usize, address: u64) -> Result<(), Error> {
    match program.insns.get_mut(slot..) {
        Some([low, high, ..]) if low.is_wide() => {
            low.src = 0;
            low.imm = address as u32 as i32;
            high.imm = (address >> 32) as i32;
            Ok(())
        }
        _ => Err(dangling(program, slot)),
    }
}

/// How programs of a type are run.
fn kind(prog_type: Option<ProgType>, layer: crate::world::Layer) -> RunKind {
    match prog_type {
        Some(ProgType::XDP) => RunKind::Xdp,
        Some(ProgType::SCHED_CLS | ProgType::SCHED_ACT) => RunKind::Tc,
        Some(ProgType::CGROUP_SKB) => RunKind::CgroupSkb,
        Some(ProgType::SOCKET_FILTER) => RunKind::Socket(layer),
        _ => RunKind::Plain,
    }
}
