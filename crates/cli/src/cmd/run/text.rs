//! Assembler text as something to run: instructions, and what the header of a corpus file (`#! key = value`) says
//! of them. Keys that only tests look at are passed over. What has a header and no input runs on the corpus's packet,
//! 00 01 02 .. 3f.

use std::ops::Range;
use std::sync::Arc;

use skep::abi::{AttachType, MapType, ProgType};
use skep::diag::Source;
use skep::isa::asm::{Assembly, RefKind, SlotSpan};
use skep::object::{Extern, ExternKind, InitialRef, LineInfo, MapSpec, Program, Reloc, RelocTarget, Spec};

use super::forward;
use crate::cmd::asm::{DialectArg, assemble};
use crate::failure::Failure;
use crate::input;

/// A slot, and where its instruction stands in a text.
type Span = (usize, Range<usize>);

/// A text that can be run, and what it wants to be run on.
#[derive(Default)]
pub(in crate::cmd) struct Text {
    pub(in crate::cmd) spec: Spec,
    pub(super) packet: Option<Vec<u8>>,
    pub(super) mem: Option<Vec<u8>>,
    pub(super) ctx: Option<Vec<u8>>,
    /// Map, key and value to be put there before the run.
    pub(in crate::cmd) entries: Vec<(String, Vec<u8>, Vec<u8>)>,
    /// Maps of maps, and the map that their inner maps are like.
    inner: Vec<(String, String)>,
    /// Map, key and what is put there: a map's name, or nothing for the program itself.
    refs: Vec<(String, u32, Option<String>)>,
    /// The text itself, and where each instruction stands in it.
    pub(in crate::cmd) source: Option<(Source, Vec<Span>)>,
}

/// Reads a text. `name` is what the program is called.
pub(super) fn read(text: &str, file: &str, name: &str) -> Result<Text, Failure> {
    let mut t = Text::default();
    t.spec.license = "GPL".into();
    let mut program = Program { name: name.to_owned(), ..Program::default() };
    for (n, line) in text.lines().enumerate() {
        let Some((key, value)) = line.strip_prefix("#!").and_then(|l| l.split_once('=')) else { continue };
        header(&mut t, &mut program, key.trim(), value.trim())
            .map_err(|f| f.context(format_args!("{file}:{}", n + 1)))?;
    }
    if program.prog_type.is_some_and(forward::takes_packets) && t.packet.is_none() {
        t.packet = Some((0..64).collect());
    }
    t.connect().map_err(|f| f.context(file))?;
    let assembly = assemble(text, DialectArg::Auto, file)?;
    program.relocs = relocs(&assembly, &mut t.spec, file)?;
    program.line_info = lines(&assembly, text, file);
    let spans = assembly.lines.iter().map(|l| (l.slot, l.span.clone())).collect();
    t.source = Some((Source::new(file, text), spans));
    program.insns = assembly.insns;
    t.spec.programs.push(program);
    Ok(t)
}

fn header(t: &mut Text, p: &mut Program, key: &str, value: &str) -> Result<(), Failure> {
    let unknown = |e: skep::abi::UnknownName| Failure::new(e.to_string()).hint_opt(e.hint());
    match key {
        "prog" => p.prog_type = Some(value.parse::<ProgType>().map_err(unknown)?),
        "attach" => p.attach_type = Some(value.parse::<AttachType>().map_err(unknown)?),
        "license" => t.spec.license = value.to_owned(),
        "flags" => p.flags = number(value)?,
        "map" => t.spec.maps.push(map(value)?),
        "inner" => {
            let (outer, like) = value.split_once(' ').ok_or_else(|| Failure::new("inner is `OUTER MAP`"))?;
            t.inner.push((outer.to_owned(), like.trim().to_owned()));
        }
        "entry" => entry(t, value)?,
        "packet" => t.packet = Some(input::hex(value)?),
        "mem" => t.mem = Some(input::hex(value)?),
        "ctx" => t.ctx = Some(input::hex(value)?),
        _ => {}
    }
    Ok(())
}

/// `MAP KEY VALUE`, where the value is hex, `map:NAME`, or `self`.
fn entry(t: &mut Text, line: &str) -> Result<(), Failure> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [map, key, value] = words.as_slice() else {
        return Err(Failure::new("an entry is `MAP KEY VALUE`"));
    };
    let (map, key) = ((*map).to_owned(), input::hex(key)?);
    let target = match (*value, value.strip_prefix("map:")) {
        ("self", _) => None,
        (_, Some(name)) => Some(name.to_owned()),
        (hex, None) => {
            t.entries.push((map, key, input::hex(hex)?));
            return Ok(());
        }
    };
    let index =
        key.try_into().map_err(|_| Failure::new("the key of a map of maps or programs is four bytes"))?;
    t.refs.push((map, u32::from_le_bytes(index), target));
    Ok(())
}

impl Text {
    /// Whether it is instructions and nothing else, which run without any input.
    pub(super) fn is_bare(&self) -> bool {
        let [p] = self.spec.programs.as_slice() else { return false };
        p.prog_type.is_none() && p.section.is_empty()
    }

    /// What an object is: nothing but itself.
    pub(super) fn object(spec: Spec) -> Self {
        Self { spec, ..Self::default() }
    }

    /// Gives maps of maps their inner shapes and first contents, now that all maps are known.
    fn connect(&mut self) -> Result<(), Failure> {
        let maps = self.spec.maps.clone();
        let find = |name: &str| {
            maps.iter().position(|m| m.name == name).ok_or_else(|| Failure::new(format!("no map `{name}`")))
        };
        for m in &mut self.spec.maps {
            if matches!(m.map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS) {
                let like = match self.inner.iter().find(|(outer, _)| *outer == m.name) {
                    Some((_, like)) => maps[find(like)?].clone(),
                    None => map("inner array 4 8 1")?,
                };
                m.inner = Some(Box::new(like));
            }
        }
        for (outer, key, target) in &self.refs {
            let target = match target {
                Some(name) => InitialRef::Map(find(name)?),
                None => InitialRef::Program(0),
            };
            self.spec.maps[find(outer)?].initial_refs.push((*key, target));
        }
        Ok(())
    }
}

fn number(text: &str) -> Result<u32, Failure> {
    let n = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    n.map_err(|_| Failure::new(format!("`{text}` is not a number of 32 bits")))
}

/// `NAME TYPE KEY VALUE MAX [FLAGS]`
fn map(line: &str) -> Result<MapSpec, Failure> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (&[name, kind, key, value, max], flags) = words
        .split_first_chunk::<5>()
        .ok_or_else(|| Failure::new("a map is `NAME TYPE KEY_SIZE VALUE_SIZE MAX_ENTRIES [FLAGS]`"))?;
    let map_type: MapType =
        kind.parse().map_err(|e: skep::abi::UnknownName| Failure::new(e.to_string()).hint_opt(e.hint()))?;
    Ok(MapSpec {
        name: name.to_owned(),
        map_type,
        key_size: number(key)?,
        value_size: number(value)?,
        max_entries: number(max)?,
        flags: flags.first().map_or(Ok(0), |f| number(f))?,
        ..MapSpec::default()
    })
}

/// Where instructions stand, so that traps show their lines.
fn lines(a: &Assembly, text: &str, file: &str) -> Vec<LineInfo> {
    let file: Arc<str> = file.into();
    let one = |l: &SlotSpan| LineInfo {
        insn: l.slot,
        file: Arc::clone(&file),
        text: text.get(l.span.clone()).unwrap_or_default().into(),
        line: u32::try_from(l.line).unwrap_or(u32::MAX),
        column: 1,
    };
    a.lines.iter().map(one).collect()
}

/// The place of a function of the kernel's among the externs, declared when it is first named.
fn kernel_function(externs: &mut Vec<Extern>, name: &str) -> usize {
    externs.iter().position(|e| e.name == name).unwrap_or_else(|| {
        externs.push(Extern { name: name.to_owned(), kind: ExternKind::Kfunc, weak: false, btf_type: None });
        externs.len() - 1
    })
}

/// Names that the text leaves open, as relocations.
fn relocs(a: &Assembly, spec: &mut Spec, file: &str) -> Result<Vec<Reloc>, Failure> {
    let mut all = Vec::new();
    for r in &a.references {
        let map = spec.map(&r.name).map(|(index, _)| index);
        let target = match (r.kind, map) {
            (RefKind::Map, Some(m)) => RelocTarget::Map(m),
            (RefKind::MapValue, Some(map)) => {
                let offset = a.insns.get(r.slot + 1).map_or(0, |i| i.imm as u32);
                RelocTarget::MapValue { map, offset }
            }
            (RefKind::Map | RefKind::MapValue, None) => {
                let hint = format!("declare it: `#! map = {} array 4 8 1`", r.name);
                return Err(Failure::new(format!("{file}: no map `{}`", r.name)).hint(hint));
            }
            (RefKind::Kfunc, _) => RelocTarget::Extern(kernel_function(&mut spec.externs, &r.name)),
            _ => return Err(Failure::new(format!("{file}: `{}` is defined nowhere", r.name))),
        };
        all.push(Reloc { insn: r.slot, target });
    }
    Ok(all)
}
