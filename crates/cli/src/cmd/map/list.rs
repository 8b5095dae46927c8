//! `skep map list`.

use std::io::Write;

use serde_json::{Map as Fields, Value, json};
use skep::abi::MapType;
use skep::kernel::objects::{Kind, Map};

use super::super::live::{Kept, Words, failure, words};
use crate::Verdict;
use crate::failure::Failure;
use crate::output::{Output, Style};

const EXAMPLES: &str = "\
Examples:
  skep map list
  skep map show name counters -f        with the paths that it is pinned at
  skep map show id 5 --json";

/// What maps there are
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, visible_alias = "show")]
pub(super) struct Args {
    /// Only this one: `id N`, `name NAME` or `pinned PATH`
    #[arg(value_name = "MAP")]
    words: Vec<String>,

    /// Look for the paths that they are pinned at
    #[arg(short = 'f', long)]
    bpffs: bool,
}

pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    use skep::kernel::objects::Access::Read;
    let mut words = Words::new(&args.words);
    let maps = match words.is_empty() {
        true => Map::all(),
        false => Map::find(&words.selector(words::MAP)?, Read),
    };
    words.finish()?;
    let maps = maps.map_err(|e| failure(&e))?;
    let kept = Kept::scan(Kind::Map, args.bpffs);
    if out.json {
        let maps: Vec<_> = maps.iter().map(|m| object(m, &kept)).collect();
        out.object(&json!({"schema": "skep.map-list/1", "maps": maps}))?;
        return Ok(Verdict::Yes);
    }
    for map in &maps {
        print(map, &kept, out)?;
    }
    Ok(Verdict::Yes)
}

/// What stands first of a map, in bpftool's words.
pub(super) fn header_json(m: &Map) -> Fields<String, Value> {
    let mut o = Fields::new();
    o.insert("id".into(), m.info.id.into());
    o.insert("type".into(), m.map_type().name().map_or_else(|| m.info.r#type.into(), Value::from));
    if !m.name().is_empty() {
        o.insert("name".into(), m.name().into());
    }
    o.insert("flags".into(), m.info.map_flags.into());
    o
}

fn object(m: &Map, kept: &Kept) -> Value {
    let mut o = header_json(m);
    if m.info.ifindex != 0 {
        o.insert("ifindex".into(), m.info.ifindex.into());
    }
    o.insert("bytes_key".into(), m.info.key_size.into());
    o.insert("bytes_value".into(), m.info.value_size.into());
    o.insert("max_entries".into(), m.info.max_entries.into());
    if let Some(bytes) = m.memlock() {
        o.insert("bytes_memlock".into(), bytes.into());
    }
    if m.map_type() == MapType::PROG_ARRAY {
        if let Some(owner) = m.owner_prog_type() {
            o.insert("owner_prog_type".into(), owner.name().map_or_else(|| owner.0.into(), Value::from));
        }
        if let Some(jited) = m.owner_jited() {
            o.insert("owner_jited".into(), jited.into());
        }
    }
    o.insert("frozen".into(), u32::from(m.frozen()).into());
    if m.info.btf_id != 0 {
        o.insert("btf_id".into(), m.info.btf_id.into());
    }
    kept.pinned_json(m.info.id, &mut o);
    kept.pids_json(m.info.id, &mut o);
    Value::Object(o)
}

/// The first line of a map.
pub(super) fn print_header(m: &Map, out: &mut Output) -> Result<(), Failure> {
    let id = out.paint(Style::Heading, format!("{}:", m.info.id));
    match m.map_type().name() {
        Some(name) => write!(out, "{id} {name}  ")?,
        None => write!(out, "{id} type {}  ", m.info.r#type)?,
    }
    if !m.name().is_empty() {
        let name = out.paint(Style::Name, m.name());
        write!(out, "name {name}  ")?;
    }
    write!(out, "flags {:#x}", m.info.map_flags)?;
    if m.info.ifindex != 0 {
        write!(out, "  offloaded_to ifindex {}", m.info.ifindex)?;
    }
    Ok(writeln!(out)?)
}

fn print(m: &Map, kept: &Kept, out: &mut Output) -> Result<(), Failure> {
    print_header(m, out)?;
    let info = &m.info;
    write!(out, "\tkey {}B  value {}B  max_entries {}", info.key_size, info.value_size, info.max_entries)?;
    if let Some(bytes) = m.memlock() {
        write!(out, "  memlock {bytes}B")?;
    }
    if m.map_type() == MapType::PROG_ARRAY {
        let (owner, jited) = (m.owner_prog_type(), m.owner_jited());
        if owner.is_some() || jited.is_some() {
            write!(out, "\n\t")?;
        }
        if let Some(owner) = owner {
            write!(out, "owner_prog_type {owner}  ")?;
        }
        if let Some(jited) = jited {
            write!(out, "owner{} jited", if jited { "" } else { " not" })?;
        }
    }
    kept.print_pinned(info.id, out)?;
    let facts: Vec<String> = (info.btf_id != 0)
        .then(|| format!("btf_id {}", info.btf_id))
        .into_iter()
        .chain(m.frozen().then(|| "frozen".to_owned()))
        .collect();
    if !facts.is_empty() {
        write!(out, "\n\t{}", facts.join("  "))?;
    }
    kept.print_pids(info.id, out)?;
    Ok(writeln!(out)?)
}
