//! The userspace world as an engine: the checked interpreter and the JIT with the runtime's maps and helpers, in
//! either byte order. What it does is what any backend does, so other backends can share it.

use std::fmt::Write as _;

use skep_abi::{AttachType, MapType, ProgType};
use skep_backend::{Backend, Error, ErrorKind, Event, LoadOptions, Loaded, Map, TestRun};
use skep_isa::Endian;
use skep_isa::asm::RefKind;
use skep_object::{Extern, ExternKind, FuncInfo, InitialRef, MapSpec, Program, Reloc, RelocTarget, Spec};
use skep_runtime::World as Runtime;

use super::{Answer, Engine};
use crate::corpus::case::{Case, Observed, Stopped};
use crate::corpus::header::{Run, hex};
use crate::corpus::types::types;

/// See the module.
pub(super) struct World {
    pub(super) name: &'static str,
    pub(super) endian: Endian,
    pub(super) engine: skep::vm::Engine,
}

/// Enough for every file, and soon spent by a loop without end.
const BUDGET: u64 = 10_000_000;
const CPUS: u32 = 2;

impl Engine for World {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(&self, case: &Case) -> Result<Answer, String> {
        if case.header.run == Run::Skip {
            return Ok(Answer::Skipped("it is not run".into()));
        }
        if self.engine == skep::vm::Engine::Jit && !has_jit() {
            return Ok(Answer::Skipped("there is no jit for this machine".into()));
        }
        let backend = Runtime::new().budget(BUDGET).cpus(CPUS, 1).engine(self.engine);
        let observed = observe(&backend, case, self.endian)?;
        // Hiding constants must change nothing.
        if self.engine == skep::vm::Engine::Jit
            && observe(&backend.blind(Some(BUDGET)), case, self.endian)? != observed
        {
            return Err("with hidden constants it does something else".into());
        }
        Ok(Answer::Observed(observed))
    }
}

/// Whether this build compiles programs.
fn has_jit() -> bool {
    cfg!(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable)))
}

/// Loads and runs a file's program in a backend.
fn observe(backend: &dyn Backend, case: &Case, endian: Endian) -> Result<Observed, String> {
    let spec = spec(case, endian)?;
    let mut loaded = match backend.load(&spec, &LoadOptions::default()) {
        Ok(loaded) => loaded,
        Err(e) => return Ok(Observed { r0: Some(Err(stopped(&e)?)), ..Observed::default() }),
    };
    fill(case, loaded.as_mut())?;
    let header = &case.header;
    let mem = header.mem.as_deref();
    let packet = if takes_packet(case) { case.packet() } else { &[] };
    let input = TestRun { packet, ctx: header.ctx.as_deref(), mem, ..TestRun::default() };
    let mut observed = Observed::default();
    match loaded.test_run("main", &input) {
        Ok(output) => {
            observed.r0 = Some(Ok(output.retval));
            let packet = [output.meta, output.packet].concat();
            observed.out = Some(output.mem.unwrap_or(packet));
        }
        Err(e) => observed.r0 = Some(Err(stopped(&e)?)),
    }
    for [map, key, _] in &header.after {
        observed.after.push(value_after(find(loaded.as_mut(), map)?, key)?);
    }
    observed.events = Some(loaded.take_events().iter().map(spell_event).collect());
    Ok(observed)
}

/// Plain memory and raw contexts come without a packet.
pub(super) fn takes_packet(case: &Case) -> bool {
    const RAW: [ProgType; 4] =
        [ProgType::RAW_TRACEPOINT, ProgType::TRACEPOINT, ProgType::KPROBE, ProgType::SYSCALL];
    case.header.mem.is_none() && case.header.prog.is_none_or(|prog| !RAW.contains(&prog))
}

/// A trap and a refusal are answers; anything else is a fault of the file or the backend.
fn stopped(error: &Error) -> Result<Stopped, String> {
    match error.kind() {
        ErrorKind::Trapped | ErrorKind::Rejected | ErrorKind::Invalid => {
            Ok(Stopped { message: error.to_string(), slot: error.place().map(|p| p.slot) })
        }
        kind => Err(format!("{kind:?}: {error}")),
    }
}

pub(super) fn spec(case: &Case, endian: Endian) -> Result<Spec, String> {
    let header = &case.header;
    let mut maps: Vec<MapSpec> = Vec::new();
    for line in &header.maps {
        maps.push(MapSpec {
            name: line.name.clone(),
            map_type: line.map_type,
            key_size: line.key_size,
            value_size: line.value_size,
            max_entries: line.max_entries,
            flags: line.flags,
            ..MapSpec::default()
        });
    }
    let index = |maps: &[MapSpec], name: &str| {
        maps.iter().position(|m| m.name == name).ok_or(format!("no map is called `{name}`"))
    };
    for i in 0..maps.len() {
        if [MapType::ARRAY_OF_MAPS, MapType::HASH_OF_MAPS].contains(&maps[i].map_type) {
            let named = header.inner.iter().find(|[outer, _]| *outer == maps[i].name);
            let shape = named.map(|[_, inner]| index(&maps, inner)).transpose()?;
            maps[i].inner = Some(Box::new(shape.map_or_else(default_inner, |shape| maps[shape].clone())));
        }
    }
    for [map, key, value] in &header.entries {
        let target = match value.strip_prefix("map:") {
            Some(name) => InitialRef::Map(index(&maps, name)?),
            None if value == "self" => InitialRef::Program(0),
            None => continue,
        };
        let key: [u8; 4] = hex(key)?.try_into().map_err(|_| "a key of four bytes is wanted here")?;
        let at = index(&maps, map)?;
        maps[at].initial_refs.push((u32::from_le_bytes(key), target));
    }
    let externs = kernel_functions(case);
    let relocs = relocs(case, |name| index(&maps, name), &externs)?;
    let mut program = program(case, relocs);
    let mut btf = None;
    if let Some(types) = types(case)? {
        let info = |(insn, id)| FuncInfo { insn, name: String::new(), type_id: Some(id) };
        program.func_info = types.funcs.into_iter().map(info).collect();
        btf = Some(types.btf);
    }
    let license = header.license.clone().unwrap_or_else(|| "GPL".into());
    Ok(Spec { endian, license, programs: vec![program], maps, externs, btf, ..Spec::default() })
}

fn default_inner() -> MapSpec {
    MapSpec { map_type: MapType::ARRAY, key_size: 4, value_size: 8, max_entries: 1, ..MapSpec::default() }
}

fn program(case: &Case, relocs: Vec<Reloc>) -> Program {
    Program {
        name: "main".into(),
        section: case.name.clone(),
        prog_type: case.header.prog.or(Some(ProgType::UNSPEC)),
        attach_type: case.header.attach.or(None::<AttachType>),
        flags: case.header.flags,
        insns: case.program.assembly.insns.clone(),
        relocs,
        func_info: vec![FuncInfo { insn: 0, name: "main".into(), type_id: None }],
        ..Program::default()
    }
}

/// What the program calls of the kernel, once each.
fn kernel_functions(case: &Case) -> Vec<Extern> {
    let mut externs: Vec<Extern> = Vec::new();
    for r in case.program.assembly.references.iter().filter(|r| r.kind == RefKind::Kfunc) {
        if !externs.iter().any(|e| e.name == r.name) {
            externs.push(Extern {
                name: r.name.clone(),
                kind: ExternKind::Kfunc,
                weak: false,
                btf_type: None,
            });
        }
    }
    externs
}

fn relocs(
    case: &Case,
    index: impl Fn(&str) -> Result<usize, String>,
    externs: &[Extern],
) -> Result<Vec<Reloc>, String> {
    let assembly = &case.program.assembly;
    let mut out = Vec::new();
    for reference in &assembly.references {
        let name = reference.name.as_str();
        let target = match reference.kind {
            RefKind::Map => RelocTarget::Map(index(name)?),
            RefKind::MapValue => {
                let offset = assembly.insns.get(reference.slot + 1).map_or(0, |i| i.imm as u32);
                RelocTarget::MapValue { map: index(name)?, offset }
            }
            RefKind::Kfunc => {
                let at = externs.iter().position(|e| e.name == name);
                RelocTarget::Extern(at.ok_or(format!("`{name}` is no kernel function"))?)
            }
            _ => return Err(format!("`{}` is no map", reference.name)),
        };
        out.push(Reloc { insn: reference.slot, target });
    }
    Ok(out)
}

fn find<'l>(loaded: &'l mut dyn Loaded, name: &str) -> Result<&'l mut dyn Map, String> {
    loaded.map(name).ok_or_else(|| format!("no map is called `{name}`"))
}

fn is_per_cpu(map: &dyn Map) -> bool {
    map.spec().map_type.row().is_some_and(|row| row.per_cpu)
}

fn fill(case: &Case, loaded: &mut dyn Loaded) -> Result<(), String> {
    for [name, key, value] in &case.header.entries {
        if value == "self" || value.starts_with("map:") {
            continue;
        }
        let map = find(loaded, name)?;
        let mut bytes = hex(value)?;
        if is_per_cpu(map) {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes = bytes.repeat(CPUS as usize);
        }
        map.update(&hex(key)?, &bytes, 0).map_err(|e| format!("entry of {name}: {e}"))?;
    }
    Ok(())
}

fn value_after(map: &dyn Map, key: &str) -> Result<String, String> {
    let key = if key == "-" { Vec::new() } else { hex(key)? };
    let Some(value) = map.lookup(&key).map_err(|e| e.to_string())? else { return Ok("none".into()) };
    Ok(spell_value(&value, map.spec().value_size as usize, is_per_cpu(map)))
}

/// A value as `after` lines spell it.
pub(super) fn spell_value(value: &[u8], size: usize, per_cpu: bool) -> String {
    if !per_cpu {
        return plain_hex(value);
    }
    let cpu = |chunk: &[u8]| chunk.iter().take(size.min(8)).rev().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let sum: u64 = value.chunks(size.next_multiple_of(8).max(8)).map(cpu).sum();
    format!("sum:{sum}")
}

fn plain_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

fn spell_event(event: &Event) -> [String; 2] {
    match event {
        Event::Record { map, data, .. } => [map.clone(), plain_hex(data)],
        Event::Lost { map, count, .. } => [map.clone(), format!("lost {count}")],
        Event::Trace(line) => ["trace".into(), line.clone()],
        Event::Clone { packet, .. } => ["clone".into(), plain_hex(packet)],
    }
}
