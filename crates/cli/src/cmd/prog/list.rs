//! `skep prog list`.

use std::io::Write;

use serde_json::{Map, Value};
use skep::kernel::objects::{Kind, Prog};

use super::super::live::{Kept, Words, failure};
use crate::Verdict;
use crate::failure::Failure;
use crate::output::{Output, Style};

const EXAMPLES: &str = "\
Examples:
  skep prog list
  skep prog show name main -f           with the paths that it is pinned at
  skep prog show tag 6deef7357e7b4530 --json";

/// What programs are loaded
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, visible_alias = "show")]
pub(super) struct Args {
    /// Only this one: `id N`, `name NAME`, `tag TAG` or `pinned PATH`
    #[arg(value_name = "PROG")]
    words: Vec<String>,

    /// Look for the paths that they are pinned at
    #[arg(short = 'f', long)]
    bpffs: bool,
}

pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let progs = super::several(&mut words)?;
    words.finish()?;
    let kept = Kept::scan(Kind::Prog, args.bpffs);
    if out.json {
        let progs = progs.iter().map(|p| json(p, &kept)).collect::<Result<Vec<_>, _>>()?;
        out.object(&serde_json::json!({"schema": "skep.prog-list/1", "progs": progs}))?;
        return Ok(Verdict::Yes);
    }
    for prog in &progs {
        print(prog, &kept, out)?;
    }
    Ok(Verdict::Yes)
}

/// What stands first of a program, in bpftool's words.
pub(super) fn header_json(p: &Prog) -> Map<String, Value> {
    let mut o = Map::new();
    o.insert("id".into(), p.info.id.into());
    o.insert("type".into(), p.prog_type().name().map_or_else(|| p.info.r#type.into(), Value::from));
    if !p.name().is_empty() {
        o.insert("name".into(), p.name().into());
    }
    o.insert("tag".into(), p.tag().into());
    o.insert("gpl_compatible".into(), p.gpl_compatible().into());
    if p.info.run_time_ns != 0 {
        o.insert("run_time_ns".into(), p.info.run_time_ns.into());
        o.insert("run_cnt".into(), p.info.run_cnt.into());
    }
    if p.info.recursion_misses != 0 {
        o.insert("recursion_misses".into(), p.info.recursion_misses.into());
    }
    o
}

fn json(p: &Prog, kept: &Kept) -> Result<Value, Failure> {
    let mut o = header_json(p);
    let id = p.info.id;
    if p.info.ifindex != 0 {
        o.insert("ifindex".into(), p.info.ifindex.into());
    }
    if let Some(ns) = p.loaded_at_ns() {
        o.insert("loaded_at".into(), ((ns / 1_000_000_000) as i64).into());
        o.insert("uid".into(), p.info.created_by_uid.into());
    }
    o.insert("orphaned".into(), p.orphaned.into());
    o.insert("bytes_xlated".into(), p.info.xlated_prog_len.into());
    o.insert("jited".into(), (p.info.jited_prog_len != 0).into());
    if p.info.jited_prog_len != 0 {
        o.insert("bytes_jited".into(), p.info.jited_prog_len.into());
    }
    if let Some(bytes) = p.memlock() {
        o.insert("bytes_memlock".into(), bytes.into());
    }
    if p.info.nr_map_ids != 0 {
        o.insert("map_ids".into(), p.map_ids().map_err(|e| failure(&e))?.into());
    }
    if p.info.btf_id != 0 {
        o.insert("btf_id".into(), p.info.btf_id.into());
    }
    kept.pinned_json(id, &mut o);
    kept.pids_json(id, &mut o);
    Ok(Value::Object(o))
}

/// The first line of a program.
pub(super) fn print_header(p: &Prog, out: &mut Output) -> Result<(), Failure> {
    let id = out.paint(Style::Heading, format!("{}:", p.info.id));
    match p.prog_type().name() {
        Some(name) => write!(out, "{id} {name}  ")?,
        None => write!(out, "{id} type {}  ", p.info.r#type)?,
    }
    if !p.name().is_empty() {
        let name = out.paint(Style::Name, p.name());
        write!(out, "name {name}  ")?;
    }
    write!(out, "tag {}", p.tag())?;
    if p.info.ifindex != 0 {
        write!(out, "  offloaded_to ifindex {}", p.info.ifindex)?;
    }
    if p.gpl_compatible() {
        write!(out, "  gpl")?;
    }
    if p.info.run_time_ns != 0 {
        write!(out, " run_time_ns {} run_cnt {}", p.info.run_time_ns, p.info.run_cnt)?;
    }
    if p.info.recursion_misses != 0 {
        write!(out, " recursion_misses {}", p.info.recursion_misses)?;
    }
    Ok(writeln!(out)?)
}

fn print(p: &Prog, kept: &Kept, out: &mut Output) -> Result<(), Failure> {
    print_header(p, out)?;
    if let Some(time) = p.loaded_at() {
        writeln!(out, "\tloaded_at {time}  uid {}", p.info.created_by_uid)?;
    }
    write!(out, "\txlated {}B", p.info.xlated_prog_len)?;
    match p.info.jited_prog_len {
        0 => write!(out, "  not jited")?,
        bytes => write!(out, "  jited {bytes}B")?,
    }
    if let Some(bytes) = p.memlock() {
        write!(out, "  memlock {bytes}B")?;
    }
    if p.orphaned {
        write!(out, "  orphaned")?;
    }
    if p.info.nr_map_ids != 0 {
        let ids = p.map_ids().map_err(|e| failure(&e))?;
        let ids: Vec<_> = ids.iter().map(u32::to_string).collect();
        write!(out, "  map_ids {}", ids.join(","))?;
    }
    kept.print_pinned(p.info.id, out)?;
    if p.info.btf_id != 0 {
        write!(out, "\n\tbtf_id {}", p.info.btf_id)?;
    }
    kept.print_pids(p.info.id, out)?;
    Ok(writeln!(out)?)
}
