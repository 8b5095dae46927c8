//! What maps hold after a run, typed through BTF where the object has it, hex where not.

use std::io::Write;
use std::ops::ControlFlow;

use serde::Serialize;
use serde_json::{Value, json};
use skep::backend::{Loaded, Map};
use skep::btf::{self, Btf, TypeId};
use skep::isa::Endian;

use crate::failure::Failure;
use crate::output::{Output, Style};

/// How many entries of a map the text shows, and how many the JSON holds, unless all are asked for.
const SHOWN: usize = 20;
const KEPT: usize = 10_000;
/// Longer values take several lines.
const WIDE: usize = 120;
/// What the text shows of one value: lines, and characters of a line.
const LINES: usize = 40;
const LONGEST: usize = 400;

/// The contents of one map.
#[derive(Serialize)]
pub(super) struct Dump {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) entries: Vec<Entry>,
    /// How many entries there are, those that were left out included.
    pub(super) total: usize,
    /// Entries whose value is all zero, which the text leaves out of arrays.
    array: bool,
}

/// One entry, as data and as text.
#[derive(Serialize)]
pub(super) struct Entry {
    pub(super) key: Value,
    pub(super) value: Value,
    #[serde(skip)]
    text: (String, Vec<String>),
    #[serde(skip)]
    zero: bool,
}

/// How to read bytes.
pub(super) struct Reading<'a> {
    pub(super) btf: Option<&'a Btf>,
    pub(super) endian: Endian,
}

/// Which maps are wanted.
pub(super) struct Wanted<'a> {
    /// These; all of them if empty.
    pub(super) names: &'a [String],
    /// Every entry, however many.
    pub(super) all: bool,
}

/// Reads the maps that can be walked. Ring buffers and the like hold events, not entries.
pub(super) fn dump(loaded: &mut dyn Loaded, wanted: &Wanted<'_>, how: &Reading<'_>) -> Vec<Dump> {
    let mut dumps = Vec::new();
    for name in loaded.maps() {
        if !wanted.names.is_empty() && !wanted.names.contains(&name) {
            continue;
        }
        // Constants tell nothing about the run, unless they are asked for.
        let asked = wanted.names.contains(&name) || wanted.all;
        let Some(map) = loaded.map(&name) else { continue };
        if map.spec().frozen && !asked {
            continue;
        }
        if let Some(d) = one(&*map, if wanted.all { usize::MAX } else { KEPT }, how) {
            dumps.push(d);
        }
    }
    dumps
}

fn one(map: &dyn Map, limit: usize, how: &Reading<'_>) -> Option<Dump> {
    let spec = map.spec();
    let row = spec.map_type.row();
    let mut entries = Vec::new();
    let mut total = 0;
    let mut visit = |key: &[u8], value: &[u8]| {
        total += 1;
        if entries.len() < limit {
            entries.push(entry(key, value, map, row.is_some_and(|r| r.per_cpu), how));
        }
        // A map may be larger than its contents; this ends for one that hands out keys without end, too.
        match total > spec.max_entries.max(1) as usize {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    map.walk(&mut visit).ok()?;
    let array = spec.map_type.name().is_some_and(|n| n.contains("array"));
    Some(Dump { name: spec.name.clone(), kind: spec.map_type.to_string(), entries, total, array })
}

fn entry(key: &[u8], value: &[u8], map: &dyn Map, per_cpu: bool, how: &Reading<'_>) -> Entry {
    let spec = map.spec();
    let (key_json, key_text) = how.read(spec.btf_key, key, true);
    let zero = value.iter().all(|b| *b == 0);
    if !per_cpu {
        let (value, text) = how.read(spec.btf_value, value, false);
        return Entry { key: key_json, value, text: (key_text, vec![text]), zero };
    }
    let size = spec.value_size as usize;
    let each = size.next_multiple_of(8).max(8);
    let (mut list, mut texts) = (Vec::new(), Vec::new());
    for (cpu, part) in value.chunks(each).enumerate() {
        let part = part.get(..size).unwrap_or(part);
        let (v, text) = how.read(spec.btf_value, part, false);
        list.push(v);
        if part.iter().any(|b| *b != 0) {
            texts.push(if value.len() > each { format!("cpu {cpu}: {text}") } else { text });
        }
    }
    if texts.is_empty() {
        texts.push("0".into());
    }
    Entry { key: key_json, value: json!(list), text: (key_text, texts), zero }
}

impl Reading<'_> {
    /// A value as JSON and as text. Keys without a type that are four bytes long are numbers, as in arrays.
    fn read(&self, ty: Option<TypeId>, bytes: &[u8], key: bool) -> (Value, String) {
        if let (Some(btf), Some(ty)) = (self.btf, ty)
            && let Ok(v) = btf::print::value(btf, ty, bytes, self.endian)
        {
            return (v.to_json(), layout(&v));
        }
        if let (true, Ok(four)) = (key, <[u8; 4]>::try_from(bytes)) {
            let n = match self.endian {
                Endian::Little => u32::from_le_bytes(four),
                Endian::Big => u32::from_be_bytes(four),
            };
            return (n.into(), n.to_string());
        }
        let text = hex(bytes);
        (text.clone().into(), text)
    }
}

/// A value on one line, or on several if it is long.
pub(crate) fn layout(v: &btf::print::Value<'_>) -> String {
    let line = v.to_string();
    if line.len() <= WIDE { line } else { format!("{v:#}") }
}

/// The beginning of a line that is longer than any screen.
fn cut(line: &str) -> &str {
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => &line[..end],
        None => line,
    }
}

/// Bytes as pairs of hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Maps as text: arrays without their zero entries, big maps cut.
pub(super) fn print(dumps: &[Dump], all: bool, out: &mut Output) -> Result<(), Failure> {
    for d in dumps {
        let shown: Vec<&Entry> = d.entries.iter().filter(|e| all || !d.array || !e.zero).collect();
        let zeros = d.entries.len() - shown.len();
        let heading = out.paint(Style::Heading, &d.name);
        let count = if d.total == 1 { "1 entry".into() } else { format!("{} entries", d.total) };
        let zero = if zeros > 0 { format!(", {zeros} of them zero") } else { String::new() };
        writeln!(out, "\n{heading} {}", out.paint(Style::Faint, format!("({}, {count}{zero})", d.kind)))?;
        let limit = if all { usize::MAX } else { SHOWN };
        let width = shown.iter().take(limit).map(|e| e.text.0.len()).max().unwrap_or(0).min(40);
        for e in shown.iter().take(limit) {
            let (key, values) = &e.text;
            let lines: Vec<&str> = values.iter().flat_map(|v| v.lines()).collect();
            let limit = if all { usize::MAX } else { LINES };
            for (n, line) in lines.iter().take(limit).enumerate() {
                let key = if n == 0 { key.as_str() } else { "" };
                let line = if all { line } else { cut(line) };
                writeln!(out, "  {}  {line}", out.paint(Style::Name, format!("{key:width$}")))?;
            }
            if lines.len() > limit {
                writeln!(out, "  {:width$}  ... {} more lines", "", lines.len() - limit)?;
            }
        }
        let hidden = d.total - zeros - shown.len().min(limit);
        if hidden > 0 {
            writeln!(out, "  ... {hidden} more (--all-maps shows them)")?;
        }
    }
    Ok(())
}
