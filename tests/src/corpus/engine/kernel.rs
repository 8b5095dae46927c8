//! Linux as an engine: the program is loaded by bpf(2) and run by BPF_PROG_TEST_RUN, where this process may.
//!
//! The corpus says what 6.18 does; an older kernel is not asked. Nothing is attached, pinned or left behind.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use skep_abi::MapType;
use skep_btf::{Btf, Endian, Kind};
use skep_isa::Insn;
use skep_isa::asm::RefKind;
use skep_sys::map::{Create, Map};
use skep_sys::{Cap, btf, caps::Caps, prog, test_run};

use super::world::{spell_value, takes_packet};
use super::{Answer, Engine};
use crate::corpus::case::{Case, Observed};
use crate::corpus::header::{self, MapLine, Run, hex};
use crate::corpus::types::types;

/// See the module.
pub(super) struct Kernel;

/// The release whose answers the corpus has.
const RELEASE: (u32, u32) = (6, 18);

/// Room for the packet to grow in.
const ROOM: usize = 64 << 10;

type Maps = BTreeMap<String, Map>;

impl Engine for Kernel {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn run(&self, case: &Case) -> Result<Answer, String> {
        if let header::Kernel::Skip(why) = &case.header.kernel {
            return Ok(Answer::Skipped(why.clone()));
        }
        if let Some(why) = not_here() {
            return Ok(Answer::Skipped(why));
        }
        let maps = maps(case)?;
        let loaded = load(case, &maps);
        let prog = match (&case.header.kernel, loaded) {
            (header::Kernel::Reject, Err(_)) => return Ok(Answer::Done),
            (header::Kernel::Reject, Ok(_)) => return Err("it is accepted".into()),
            (_, loaded) => counted(case, loaded?)?,
        };
        fill(case, &maps, &prog)?;
        if case.header.run == Run::Skip {
            return Ok(Answer::Done);
        }
        observe(case, &maps, &prog).map(Answer::Observed)
    }
}

/// Why Linux cannot be asked, if it cannot.
fn not_here() -> Option<String> {
    let caps = Caps::current().ok()?;
    if let Some(cap) = caps.lacks(&[Cap::BPF, Cap::NET_ADMIN, Cap::PERFMON]) {
        return Some(format!("needs {cap}"));
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|n| n.trim().parse::<u32>().ok());
    let running = (numbers.next()?, numbers.next()?);
    (running < RELEASE).then(|| format!("Linux {} is older than the answers", release.trim()))
}

fn create(line: &MapLine, inner: Option<&Map>) -> Result<Map, String> {
    let create = Create {
        map_type: line.map_type,
        key_size: line.key_size,
        value_size: line.value_size,
        max_entries: line.max_entries,
        flags: line.flags,
        inner: inner.map(AsFd::as_fd),
        ..Create::default()
    };
    Map::create(&create).map_err(|e| format!("map {}: {e}", line.name))
}

fn maps(case: &Case) -> Result<Maps, String> {
    let mut maps = Maps::new();
    for line in &case.header.maps {
        let model = match line.map_type {
            MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS => Some(model(case, &line.name)?),
            _ => None,
        };
        maps.insert(line.name.clone(), create(line, model.as_ref())?);
    }
    Ok(maps)
}

/// A map of the shape that OUTER's inner maps have.
fn model(case: &Case, outer: &str) -> Result<Map, String> {
    let named = case.header.inner.iter().find(|[name, _]| name == outer);
    let shape = named.and_then(|[_, inner]| case.header.maps.iter().find(|m| m.name == *inner));
    let default = MapLine {
        name: "inner".into(),
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 1,
        flags: 0,
    };
    create(shape.unwrap_or(&default), None)
}

fn find<'m>(maps: &'m Maps, name: &str) -> Result<&'m Map, String> {
    maps.get(name).ok_or_else(|| format!("no map is called `{name}`"))
}

/// The program, if Linux processed as many instructions as is said, where that is said.
fn counted(case: &Case, (prog, log): (OwnedFd, String)) -> Result<OwnedFd, String> {
    let found = log.lines().rev().find_map(|l| l.strip_prefix("processed ")?.split(' ').next());
    match case.header.count {
        Some(count) if found.is_none_or(|f| f.parse() != Ok(count)) => {
            Err(format!("expected {count} instructions processed, found {}", found.unwrap_or("no count")))
        }
        _ => Ok(prog),
    }
}

/// The number of a function among the running kernel's types, which are read when first needed.
fn kernel_function(types: &mut Option<Btf>, name: &str) -> Result<i32, String> {
    if types.is_none() {
        let bytes = std::fs::read("/sys/kernel/btf/vmlinux").map_err(|e| e.to_string())?;
        *types = Some(Btf::parse(&bytes).map_err(|e| e.to_string())?);
    }
    let id = types.as_ref().and_then(|t| t.find(name, Kind::Func));
    id.map(|id| id.0 as i32).ok_or(format!("the kernel has no function `{name}`"))
}

fn load(case: &Case, maps: &Maps) -> Result<(OwnedFd, String), String> {
    let types = types(case)?;
    let types_fd = types
        .as_ref()
        .map(|t| btf::load(&t.btf.to_bytes(Endian::Little)))
        .transpose()
        .map_err(|e| format!("types: {}", e.errno))?;
    let funcs = types.map(|t| t.funcs).unwrap_or_default();
    let funcs: Vec<[u32; 2]> = funcs.iter().map(|(slot, id)| [*slot as u32, id.0]).collect();
    let assembly = &case.program.assembly;
    let mut insns: Vec<Insn> = assembly.insns.clone();
    let mut kernel_types = None;
    for reference in &assembly.references {
        insns[reference.slot].imm = match reference.kind {
            RefKind::Kfunc => kernel_function(&mut kernel_types, &reference.name)?,
            _ => find(maps, &reference.name)?.as_fd().as_raw_fd(),
        };
    }
    let header = &case.header;
    let attr = prog::LoadAttr {
        prog_type: header.prog.unwrap_or_default(),
        attach_type: header.attach.unwrap_or_default(),
        insns: &insns,
        license: header.license.as_deref().unwrap_or("GPL"),
        flags: header.flags,
        log_level: prog::LOG_STATS,
        btf: types_fd.as_ref().map(AsFd::as_fd),
        func_info: &funcs,
        ..prog::LoadAttr::default()
    };
    let (loaded, log) = prog::load_logged(&attr);
    let prog = loaded.map_err(|e| format!("refused: {e}\n{}", log.trim_end()))?;
    Ok((prog, log))
}

fn fill(case: &Case, maps: &Maps, prog: &OwnedFd) -> Result<(), String> {
    for [name, key, value] in &case.header.entries {
        let (map, key) = (find(maps, name)?, hex(key)?);
        let done = match value.strip_prefix("map:") {
            Some(inner) => map.update_fd(&key, find(maps, inner)?.as_fd(), 0),
            None if value == "self" => map.update_fd(&key, prog.as_fd(), 0),
            None => {
                let mut value = hex(value)?;
                if is_per_cpu(map) {
                    value.resize(value.len().next_multiple_of(8), 0);
                    value = value.repeat(map.value_len() / value.len().max(1));
                }
                map.update(&key, &value, 0)
            }
        };
        done.map_err(|e| format!("entry of {name}: {e}"))?;
    }
    Ok(())
}

fn is_per_cpu(map: &Map) -> bool {
    map.map_type().row().is_some_and(|row| row.per_cpu)
}

fn observe(case: &Case, maps: &Maps, prog: &OwnedFd) -> Result<Observed, String> {
    let data = if takes_packet(case) { case.packet() } else { &[] };
    let mut out = vec![0; if data.is_empty() { 0 } else { data.len() + ROOM }];
    let input = test_run::Input { data, ctx: case.header.ctx.as_deref(), ..test_run::Input::default() };
    let output = test_run::run(prog.as_fd(), &input, &mut out).map_err(|e| format!("test run: {e}"))?;
    out.truncate(output.data_len);
    let mut after = Vec::new();
    for [name, key, _] in &case.header.after {
        let map = find(maps, name)?;
        let key = if key == "-" { Vec::new() } else { hex(key)? };
        after.push(match map.lookup(&key, 0) {
            Ok(value) => spell_value(&value, map.info().value_size as usize, is_per_cpu(map)),
            Err(skep_sys::Errno::ENOENT) => "none".into(),
            Err(e) => return Err(format!("{name}: {e}")),
        });
    }
    Ok(Observed { r0: Some(Ok(output.retval.into())), out: Some(out), after, events: None })
}
