//! `skep struct_ops`: tables of functions that subsystems of the kernel call, in bpftool's words.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use skep::backend::LoadOptions;
use skep::btf::Btf;
use skep::kernel::Kernel;
use skep::kernel::attach::Attached;
use skep::kernel::objects::btf::kernel_types;
use skep::kernel::objects::struct_ops::Table;

use super::live::{Words, done, failure, plain, words};
use super::run;
use crate::Verdict;
use crate::failure::Failure;
use crate::output::{Output, Style};

const EXAMPLES: &str = "\
Examples:
  skep struct_ops list
  skep struct_ops register congestion.o /sys/fs/bpf/cc
  skep struct_ops unregister name dctcp

TABLE is `id N`, `name NAME` or `pinned PATH` of its map.";

/// Look at, register and unregister tables of functions
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, infer_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    List(List),
    Register(Register),
    Unregister(Unregister),
}

const LIST_EXAMPLES: &str = "\
Examples:
  skep struct_ops list
  skep struct_ops show name dctcp --json";

/// What tables there are, of which struct, and whether they are registered
#[derive(clap::Args, Debug)]
#[command(after_help = LIST_EXAMPLES, visible_alias = "show")]
struct List {
    /// Only this one: `id N`, `name NAME` or `pinned PATH`
    #[arg(value_name = "TABLE")]
    words: Vec<String>,
}

const REGISTER_EXAMPLES: &str = "\
Examples:
  skep struct_ops register congestion.o                     tables of .struct_ops stay by themselves
  skep struct_ops register congestion.o /sys/fs/bpf/cc      those of .struct_ops.link by their links, pinned there

`skep attach OBJ` registers them for as long as it runs.";

/// Register the tables of an object, so that they stay
#[derive(clap::Args, Debug)]
#[command(after_help = REGISTER_EXAMPLES)]
struct Register {
    /// An ELF object (`-` is stdin)
    #[arg(value_name = "OBJ")]
    object: PathBuf,

    /// A directory of a BPF file system, for the links of tables that go by link
    #[arg(value_name = "LINK_DIR")]
    links: Option<PathBuf>,

    /// Only this table (repeatable)
    #[arg(long, value_name = "NAME")]
    map: Vec<String>,
}

const UNREGISTER_EXAMPLES: &str = "\
Examples:
  skep struct_ops unregister name dctcp
  skep struct_ops unregister id 7";

/// Unregister a table; what uses it goes on with it until it ends
#[derive(clap::Args, Debug)]
#[command(after_help = UNREGISTER_EXAMPLES)]
struct Unregister {
    /// `id N`, `name NAME` or `pinned PATH`
    #[arg(value_name = "TABLE", required = true)]
    words: Vec<String>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    match &args.command {
        Command::List(a) => list(a, out),
        Command::Register(a) => register(a, out),
        Command::Unregister(a) => unregister(a, out),
    }
}

fn list(args: &List, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let tables = match words.is_empty() {
        true => Table::all(),
        false => Table::find(&words.selector(words::MAP)?),
    };
    words.finish()?;
    let tables = tables.map_err(|e| failure(&e))?;
    let kernel = kernel_types().map_err(|e| failure(&e))?;
    if out.json {
        let tables: Vec<_> = tables.iter().map(|t| object(t, &kernel)).collect();
        out.object(&json!({"schema": "skep.struct_ops-list/1", "tables": tables}))?;
        return Ok(Verdict::Yes);
    }
    for table in &tables {
        let id = out.paint(Style::Heading, format!("{}:", table.id()));
        let kind = table.kind(&kernel).unwrap_or("?");
        let state = table.state().map_or("", |s| s.name());
        writeln!(out, "{id} {:<15} {kind:<32} {state}", plain(&table.name()))?;
    }
    Ok(Verdict::Yes)
}

fn object(table: &Table, kernel: &Btf) -> Value {
    let mut o = Map::new();
    o.insert("id".into(), table.id().into());
    o.insert("name".into(), table.name().into());
    o.insert("kernel_struct_ops".into(), table.kind(kernel).map_or(Value::Null, Value::from));
    o.insert("state".into(), table.state().map_or(Value::Null, |s| s.name().into()));
    Value::Object(o)
}

fn register(args: &Register, out: &mut Output) -> Result<Verdict, Failure> {
    let text = run::read(&args.object, false)?;
    let live = Kernel::new()
        .load(&text.spec, &LoadOptions::default())
        .map_err(|e| run::engine::failure(&e, &text.spec))?;
    let known: Vec<&str> = live.table_names().collect();
    if let Some(other) = args.map.iter().find(|m| !known.contains(&m.as_str())) {
        return Err(Failure::new(format!("the object has no table `{other}`"))
            .hint_opt(crate::names::suggestion(other, known.iter().copied())));
    }
    let chosen: Vec<&str> =
        known.into_iter().filter(|t| args.map.is_empty() || args.map.iter().any(|m| m == t)).collect();
    if chosen.is_empty() {
        return Err(Failure::new("the object has no table of functions")
            .hint("one is a variable of a struct such as tcp_congestion_ops in .struct_ops.link"));
    }
    // All are registered before any is kept: if one is refused, all go.
    let mut attached = Vec::new();
    for table in chosen {
        let a = live.register(table).map_err(|e| failure(&e))?;
        if a.link_fd().is_some() && args.links.is_none() {
            return Err(Failure::new(format!(
                "table `{table}` is registered by a link, which goes with this process"
            ))
            .hint(
                "give a directory of a BPF file system to pin the link in, or register it by `skep attach`",
            ));
        }
        attached.push((table, a));
    }
    for (table, a) in attached {
        let id = live.map_fd(table).and_then(|fd| skep_sys::info::map(fd).ok()).map(|i| i.id);
        keep(table, id, a, args.links.as_deref(), out)?;
    }
    Ok(Verdict::Yes)
}

/// Lets a table stay, and says so.
fn keep(
    table: &str,
    id: Option<u32>,
    a: Attached,
    links: Option<&Path>,
    out: &mut Output,
) -> Result<(), Failure> {
    let path = links.filter(|_| a.link_fd().is_some()).map(|dir| dir.join(table));
    let id_text = id.map_or(String::new(), |id| format!(", map {id}"));
    let (link, target) = (a.link_id(), format!("{}{id_text}", a.target()));
    if let Some(dir) = links {
        std::fs::create_dir_all(dir)
            .map_err(|e| Failure::new(format!("{}: {}", dir.display(), crate::failure::reason(&e))))?;
    }
    a.keep(path.as_deref()).map_err(|e| failure(&e))?;
    let pinned = path.map(|p| p.to_string_lossy().into_owned());
    if !out.json {
        match (link, &pinned) {
            (Some(link), Some(path)) => writeln!(out, "registered {target} by link {link}, pinned {path}")?,
            _ => writeln!(out, "registered {target}")?,
        }
        return Ok(());
    }
    let facts = [("name", table.into()), ("id", id.into()), ("link", link.into()), ("pinned", pinned.into())];
    done(out, "skep.struct_ops/1", "register", &facts)
}

fn unregister(args: &Unregister, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let selector = words.selector(words::MAP)?;
    words.finish()?;
    let table = super::live::single(Table::find(&selector).map_err(|e| failure(&e))?, &selector)?;
    let was = table.unregister().map_err(|e| failure(&e))?;
    if !was {
        out.note(format_args!("table {} was not registered", table.id()));
        return Ok(Verdict::No);
    }
    done(
        out,
        "skep.struct_ops/1",
        "unregister",
        &[("name", table.name().into()), ("id", table.id().into())],
    )?;
    Ok(Verdict::Yes)
}
