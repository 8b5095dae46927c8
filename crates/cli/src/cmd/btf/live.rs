//! Types that are in the kernel: `skep btf list`, and what `dump` takes besides a file.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map as Fields, Value, json};
use skep::btf::{Btf, TypeId};
use skep::kernel::objects::btf::{Object, kernel_types, types};
use skep::kernel::objects::{Kind, Map, Prog};

use super::super::live::{Kept, Words, failure, plain, single, words};
use super::Source;
use crate::Verdict;
use crate::failure::Failure;
use crate::output::{Output, Style};

const EXAMPLES: &str = "\
Examples:
  skep btf list
  skep btf show id 1 --json";

/// Which types the kernel holds, and who uses them
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, visible_alias = "show")]
pub(super) struct List {
    /// Only this one: `id N`
    #[arg(value_name = "BTF")]
    words: Vec<String>,
}

/// Ids of programs and maps, by the id of their types.
type Users = BTreeMap<u32, Vec<u32>>;

pub(super) fn list(args: &List, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let wrong = |e| failure(&e);
    let objects = if words.is_empty() {
        Object::all().map_err(wrong)?
    } else {
        words.keyword(&["id"])?;
        let id = words.number("the id")?;
        let found = Object::by_id(id).map_err(wrong)?;
        vec![found.ok_or_else(|| Failure::new(format!("no BTF object with id {id}")))?]
    };
    words.finish()?;
    let (mut progs, mut maps) = (Users::new(), Users::new());
    for prog in Prog::all().map_err(wrong)?.iter().filter(|p| p.info.btf_id != 0) {
        progs.entry(prog.info.btf_id).or_default().push(prog.info.id);
    }
    for map in Map::all().map_err(wrong)?.iter().filter(|m| m.info.btf_id != 0) {
        maps.entry(map.info.btf_id).or_default().push(map.info.id);
    }
    let kept = Kept::scan(Kind::Btf, false);
    let users = |of: &Users, id: u32| of.get(&id).cloned().unwrap_or_default();
    if out.json {
        let one = |b: &Object| {
            let mut o = Fields::new();
            o.insert("id".into(), b.id.into());
            o.insert("size".into(), b.size.into());
            o.insert("prog_ids".into(), users(&progs, b.id).into());
            o.insert("map_ids".into(), users(&maps, b.id).into());
            kept.pids_json(b.id, &mut o);
            o.insert("kernel".into(), b.kernel.into());
            if !b.name.is_empty() {
                o.insert("name".into(), b.name.as_str().into());
            }
            Value::Object(o)
        };
        let all: Vec<_> = objects.iter().map(one).collect();
        out.object(&json!({"schema": "skep.btf-list/1", "btfs": all}))?;
        return Ok(Verdict::Yes);
    }
    for b in &objects {
        let name = match (b.kernel, b.name.as_str()) {
            (true, name) => format!("[{}]", plain(name)),
            (false, "") => "<anon>".to_owned(),
            (false, name) => plain(name).into_owned(),
        };
        let id = out.paint(Style::Heading, format!("{}:", b.id));
        write!(out, "{id} name {name}  size {}B", b.size)?;
        for (what, ids) in [("prog_ids", users(&progs, b.id)), ("map_ids", users(&maps, b.id))] {
            if !ids.is_empty() {
                let ids: Vec<_> = ids.iter().map(u32::to_string).collect();
                write!(out, "  {what} {}", ids.join(","))?;
            }
        }
        kept.print_pids(b.id, out)?;
        writeln!(out)?;
    }
    Ok(Verdict::Yes)
}

/// Words to types: `id 5 format c`; and whether C was asked for.
pub(super) fn source(all: &[String], base: Option<Arc<Btf>>) -> Result<(Source, bool), Failure> {
    let mut words = Words::new(all);
    let wrong = |e| failure(&e);
    let mut roots = Vec::new();
    let mut label = all.get(..2).unwrap_or_default().join(" ");
    let btf = match words.keyword(&["id", "map", "prog", "file"])? {
        "file" => {
            let path = Path::new(words.next("the file")?);
            label = crate::input::label(path);
            Arc::new(super::load(path, base)?)
        }
        "id" => types(words.number("the id")?).map_err(wrong)?,
        "prog" => {
            let prog = super::super::prog::one(&mut words)?;
            label = format!("prog {}", prog.info.id);
            let none = || Failure::new(format!("program {} has no types", prog.info.id));
            prog.types().map_err(wrong)?.ok_or_else(none)?
        }
        _ => {
            let selector = words.selector(words::MAP)?;
            let found = Map::find(&selector, skep::kernel::objects::Access::Read).map_err(wrong)?;
            let map = single(found, &selector)?;
            label = format!("map {}", map.info.id);
            of_map(&map, &mut words, &mut roots)?
        }
    };
    let mut c = false;
    while !words.is_empty() {
        match words.keyword(&["format", "root_id", "unsorted"])? {
            "format" => c = words.keyword(&["c", "raw"])? == "c",
            "root_id" => {
                let id = TypeId(words.number("the type's id")?);
                if btf.ty(id).is_none() {
                    return Err(Failure::new(format!("{label}: there is no type {}", id.0)));
                }
                roots.push(id);
            }
            // It never is sorted.
            _ => {}
        }
    }
    Ok((Source { btf, label, roots }, c))
}

/// The types of a map, and which of them are its key's and value's.
fn of_map(map: &Map, words: &mut Words<'_>, roots: &mut Vec<TypeId>) -> Result<Arc<Btf>, Failure> {
    let which = words.take(&["key", "value", "kv", "all"]).unwrap_or("kv");
    let info = &map.info;
    let btf = match (info.btf_vmlinux_value_type_id, info.btf_id) {
        (0, 0) => return Err(Failure::new(format!("map {} has no types", info.id))),
        (0, id) => types(id),
        _ => kernel_types(),
    };
    let value = if info.btf_vmlinux_value_type_id != 0 {
        info.btf_vmlinux_value_type_id
    } else {
        info.btf_value_type_id
    };
    let ids = match which {
        "key" => vec![info.btf_key_type_id],
        "value" => vec![value],
        "kv" => vec![info.btf_key_type_id, value],
        _ => Vec::new(),
    };
    roots.extend(ids.into_iter().filter(|id| *id != 0).map(TypeId));
    btf.map_err(|e| failure(&e))
}
