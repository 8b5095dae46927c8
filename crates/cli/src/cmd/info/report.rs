//! What `skep info` found, as data and as text.

use std::collections::BTreeSet;
use std::io::Write;

use serde::Serialize;
use skep::abi::{self, HelperId};
use skep::isa::{self, CallTarget, Endian, Op};
use skep::object::{ExternKind, MapSpec, Part, Program, RelocTarget, Spec};

use super::needs;
use crate::failure::Failure;
use crate::output::{Output, Style};
use crate::types;

#[derive(Serialize)]
pub(super) struct Info {
    schema: &'static str,
    file: String,
    bytes: usize,
    endian: &'static str,
    license: String,
    /// Of a legacy `version` section.
    kernel_version: Option<String>,
    needs_kernel: Option<needs::Kernel>,
    programs: Vec<Prog>,
    maps: Vec<Map>,
    btf: Option<BtfInfo>,
    externs: Vec<Ext>,
    problems: Vec<Trouble>,
}

#[derive(Serialize)]
struct Prog {
    name: String,
    section: String,
    #[serde(rename = "type")]
    prog_type: Option<String>,
    attach_type: Option<String>,
    attach_to: Option<String>,
    flags: u32,
    insns: usize,
    subprograms: Vec<String>,
    helpers: Vec<String>,
    kfuncs: Vec<String>,
    maps: Vec<String>,
    core_relocations: usize,
    source_lines: usize,
}

#[derive(Serialize)]
struct Map {
    name: String,
    #[serde(rename = "type")]
    map_type: String,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: Vec<String>,
    key: Option<String>,
    value: Option<String>,
    inner: Option<Box<Map>>,
    frozen: bool,
    pin_by_name: bool,
}

#[derive(Serialize)]
struct BtfInfo {
    bytes: usize,
    types: usize,
}

#[derive(Serialize)]
struct Ext {
    name: String,
    kind: &'static str,
    weak: bool,
    #[serde(rename = "type")]
    btf_type: Option<String>,
}

#[derive(Serialize)]
struct Trouble {
    part: &'static str,
    name: String,
    message: String,
    hint: Option<String>,
}

impl Info {
    pub(super) fn new(spec: &Spec, file: String, bytes: &[u8]) -> Self {
        Self {
            schema: "skep.info/1",
            file,
            bytes: bytes.len(),
            endian: match spec.endian {
                Endian::Little => "little",
                Endian::Big => "big",
            },
            license: spec.license.clone(),
            kernel_version: spec.kernel_version.map(release),
            needs_kernel: needs::kernel(spec),
            programs: spec.programs.iter().map(|p| Prog::new(spec, p)).collect(),
            maps: spec.maps.iter().map(|m| Map::new(spec, m)).collect(),
            btf: spec.btf.as_ref().map(|b| BtfInfo { bytes: b.to_bytes(spec.endian).len(), types: b.len() }),
            externs: spec.externs.iter().map(|e| Ext::new(spec, e)).collect(),
            problems: spec
                .problems
                .iter()
                .map(|p| Trouble {
                    part: part(p.part),
                    name: p.name.clone(),
                    message: p.error.to_string(),
                    hint: p.error.hint().map(str::to_owned),
                })
                .collect(),
        }
    }
}

/// `LINUX_VERSION_CODE` as people write it.
fn release(code: u32) -> String {
    format!("{}.{}.{}", code >> 16, code >> 8 & 255, code & 255)
}

fn part(p: Part) -> &'static str {
    match p {
        Part::Program => "program",
        Part::Map => "map",
        Part::Section => "section",
        Part::Extern => "extern",
        _ => "part",
    }
}

impl Prog {
    fn new(spec: &Spec, p: &Program) -> Self {
        let mut helpers = BTreeSet::new();
        let mut kfuncs = Vec::new();
        let mut maps = BTreeSet::new();
        for (_, op) in ops(p) {
            if let Op::Call(CallTarget::Helper(id)) = op {
                helpers.insert(id);
            }
        }
        for r in &p.relocs {
            match r.target {
                RelocTarget::Map(m) | RelocTarget::MapValue { map: m, .. } => {
                    maps.insert(m);
                }
                RelocTarget::Extern(e) => match spec.externs.get(e) {
                    Some(e) if e.kind == ExternKind::Kfunc && !kfuncs.contains(&e.name) => {
                        kfuncs.push(e.name.clone());
                    }
                    _ => {}
                },
                RelocTarget::Func(_) => {}
            }
        }
        let helper = |id: i32| u32::try_from(id).map_or(id.to_string(), |n| HelperId(n).to_string());
        Self {
            name: p.name.clone(),
            section: p.section.clone(),
            prog_type: p.prog_type.map(|t| t.to_string()),
            attach_type: p.attach_type.map(|t| t.to_string()),
            attach_to: p.attach_to.clone(),
            flags: p.flags,
            insns: p.insns.len(),
            subprograms: p.func_info.iter().filter(|f| f.insn > 0).map(|f| f.name.clone()).collect(),
            helpers: helpers.into_iter().map(helper).collect(),
            kfuncs,
            maps: maps.into_iter().filter_map(|m| Some(spec.maps.get(m)?.name.clone())).collect(),
            core_relocations: p.core_relocs.len(),
            source_lines: p.line_info.len(),
        }
    }
}

/// Instructions that decode; an object may hold others, and is described all the same.
fn ops(p: &Program) -> impl Iterator<Item = (usize, Op)> + '_ {
    let mut pc = 0;
    std::iter::from_fn(move || {
        while pc < p.insns.len() {
            let at = pc;
            let op = isa::decode(&p.insns, at);
            pc += if p.insns[at].is_wide() { 2 } else { 1 };
            if let Ok(op) = op {
                return Some((at, op));
            }
        }
        None
    })
}

impl Map {
    fn new(spec: &Spec, m: &MapSpec) -> Self {
        let name = |id: Option<skep::btf::TypeId>| Some(types::name(spec.btf.as_ref()?, id?));
        let flags = abi::map_flag_names()
            .iter()
            .filter(|(f, _)| m.flags & f.0 != 0)
            .map(|(_, n)| (*n).to_owned())
            .collect();
        Self {
            name: m.name.clone(),
            map_type: m.map_type.to_string(),
            key_size: m.key_size,
            value_size: m.value_size,
            max_entries: m.max_entries,
            flags,
            key: name(m.btf_key),
            value: name(m.btf_value),
            inner: m.inner.as_ref().map(|i| Box::new(Self::new(spec, i))),
            frozen: m.frozen,
            pin_by_name: m.pin_by_name,
        }
    }

    fn sizes(&self) -> String {
        let side = |size: u32, name: &Option<String>| match name {
            Some(n) => format!("{n} ({size} B)"),
            None => format!("{size} B"),
        };
        let (key, value) = (side(self.key_size, &self.key), side(self.value_size, &self.value));
        match (self.key_size, self.value_size) {
            (0, 0) => format!("{} bytes", self.max_entries),
            _ => format!("{key} -> {value}, {} at most", entries(self.max_entries)),
        }
    }
}

fn entries(n: u32) -> String {
    if n == 1 { "1 entry".into() } else { format!("{n} entries") }
}

impl Ext {
    fn new(spec: &Spec, e: &skep::object::Extern) -> Self {
        let kind = match e.kind {
            ExternKind::Kfunc => "kfunc",
            ExternKind::Func => "function",
            ExternKind::Var => "variable",
            ExternKind::Ksym => "ksym",
            ExternKind::KsymAddr => "ksym address",
            ExternKind::Kconfig { .. } => "kconfig",
            _ => "extern",
        };
        let btf_type = spec.btf.as_ref().zip(e.btf_type).map(|(b, t)| types::name(b, t));
        Self { name: e.name.clone(), kind, weak: e.weak, btf_type }
    }
}

impl Info {
    pub(super) fn print(&self, out: &mut Output) -> Result<(), Failure> {
        let license = if self.license.is_empty() { "no licence" } else { &self.license };
        write!(out, "{}: {} bytes, {}-endian, {license}", self.file, self.bytes, self.endian)?;
        match &self.btf {
            Some(b) => writeln!(out, ", BTF of {} bytes and {} types", b.bytes, b.types)?,
            None => writeln!(out, ", no BTF")?,
        }
        if let Some(v) = &self.kernel_version {
            writeln!(out, "asks for kernel {v} (legacy version section)")?;
        }
        if let Some(k) = &self.needs_kernel {
            let why = out.paint(Style::Faint, format!("({})", k.because.join(", ")));
            writeln!(out, "needs Linux {} or later {why}", k.version)?;
        }
        for p in &self.programs {
            p.print(out)?;
        }
        if !self.maps.is_empty() {
            self.print_maps(out)?;
        }
        if !self.externs.is_empty() {
            writeln!(out, "\n{}", out.paint(Style::Heading, "externs"))?;
            for e in &self.externs {
                let weak = if e.weak { ", weak" } else { "" };
                let of = e.btf_type.as_deref().map(|t| format!(": {t}")).unwrap_or_default();
                writeln!(out, "  {} {}{of}{weak}", e.kind, out.paint(Style::Name, &e.name))?;
            }
        }
        if !self.problems.is_empty() {
            writeln!(out, "\n{}", out.paint(Style::Heading, "problems"))?;
            for p in &self.problems {
                let word = out.paint(Style::Bad, p.part);
                writeln!(out, "  {word} {}: {}", p.name, p.message)?;
                if let Some(h) = &p.hint {
                    writeln!(out, "    hint: {h}")?;
                }
            }
        }
        Ok(())
    }

    fn print_maps(&self, out: &mut Output) -> Result<(), Failure> {
        writeln!(out, "\n{}", out.paint(Style::Heading, "maps"))?;
        let names = self.maps.iter().map(|m| m.name.len()).max().unwrap_or(0);
        let kinds = self.maps.iter().map(|m| m.map_type.len()).max().unwrap_or(0);
        for m in &self.maps {
            let name = out.paint(Style::Name, format!("{:names$}", m.name));
            write!(out, "  {name}  {:kinds$}  {}", m.map_type, m.sizes())?;
            if !m.flags.is_empty() {
                write!(out, ", {}", m.flags.join(" "))?;
            }
            if m.frozen {
                write!(out, ", frozen")?;
            }
            if m.pin_by_name {
                write!(out, ", pinned by name")?;
            }
            writeln!(out)?;
            if let Some(inner) = &m.inner {
                writeln!(out, "  {:names$}  {:kinds$}  of {} {}", "", "", inner.map_type, inner.sizes())?;
            }
        }
        Ok(())
    }
}

impl Prog {
    fn print(&self, out: &mut Output) -> Result<(), Failure> {
        let kind = match &self.prog_type {
            Some(t) => t.clone(),
            None => out.paint(Style::Warn, "unknown type"),
        };
        let heading = out.paint(Style::Heading, "program");
        write!(out, "\n{heading} {}: {kind}", out.paint(Style::Name, &self.name))?;
        if let Some(a) = &self.attach_type {
            write!(out, ", attach {a}")?;
        }
        if let Some(to) = &self.attach_to {
            write!(out, ", to {to}")?;
        }
        writeln!(out, ", section {}", self.section)?;
        if self.prog_type.is_none() {
            writeln!(out, "  its section name tells no program type: give --type to run it")?;
        }
        write!(out, "  {} instructions", self.insns)?;
        if self.core_relocations > 0 {
            write!(out, ", {} CO-RE relocations", self.core_relocations)?;
        }
        let lines = if self.source_lines > 0 { "with source lines" } else { "without source lines" };
        writeln!(out, ", {lines}")?;
        let rows = [
            ("subprograms", &self.subprograms),
            ("helpers", &self.helpers),
            ("kfuncs", &self.kfuncs),
            ("maps", &self.maps),
        ];
        for (label, list) in rows {
            if !list.is_empty() {
                writeln!(out, "  {} {}", out.paint(Style::Faint, format!("{label:11}")), list.join(", "))?;
            }
        }
        Ok(())
    }
}
