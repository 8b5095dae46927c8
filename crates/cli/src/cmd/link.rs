//! `skep link`: links in the kernel, in bpftool's words.

pub(in crate::cmd) mod place;

use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use serde_json::{Map, Value, json};
use skep::kernel::objects::links::{PerfPlace, Place};
use skep::kernel::objects::{Kind, Link, pin_object};

use super::live::{Kept, Words, done, failure, words};
use crate::Verdict;
use crate::failure::Failure;
use crate::output::{Output, Style};
use place::Around;

const EXAMPLES: &str = "\
Examples:
  skep link list
  skep link show id 3 --json
  skep link pin id 3 /sys/fs/bpf/l
  skep link detach pinned /sys/fs/bpf/l

LINK is `id N` or `pinned PATH`.";

/// Look at, detach and pin links of the kernel
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, infer_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    List(List),
    Detach(Detach),
    Pin(Pin),
}

const LIST_EXAMPLES: &str = "\
Examples:
  skep link list
  skep link show pinned /sys/fs/bpf/l -f";

/// What links there are, and what they are attached to
#[derive(clap::Args, Debug)]
#[command(after_help = LIST_EXAMPLES, visible_alias = "show")]
struct List {
    /// Only this one: `id N` or `pinned PATH`
    #[arg(value_name = "LINK")]
    words: Vec<String>,

    /// Look for the paths that they are pinned at
    #[arg(short = 'f', long)]
    bpffs: bool,
}

const DETACH_EXAMPLES: &str = "\
Examples:
  skep link detach id 3
  skep link detach pinned /sys/fs/bpf/l";

/// Take a link's program off; the link stays, attached to nothing
#[derive(clap::Args, Debug)]
#[command(after_help = DETACH_EXAMPLES)]
struct Detach {
    /// `id N` or `pinned PATH`
    #[arg(value_name = "LINK", required = true)]
    words: Vec<String>,
}

const PIN_EXAMPLES: &str = "\
Examples:
  skep link pin id 3 /sys/fs/bpf/l";

/// Give a link a path, which keeps it attached
#[derive(clap::Args, Debug)]
#[command(after_help = PIN_EXAMPLES)]
struct Pin {
    /// LINK PATH: the link, and a path of a BPF file system
    #[arg(value_name = "LINK PATH", required = true)]
    words: Vec<String>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    match &args.command {
        Command::List(a) => list(a, out),
        Command::Detach(a) => detach(a, out),
        Command::Pin(a) => pin(a, out),
    }
}

fn one(words: &mut Words<'_>) -> Result<Link, Failure> {
    Link::find(&words.selector(words::LINK)?).map_err(|e| failure(&e))
}

fn list(args: &List, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let links = match words.is_empty() {
        true => Link::all().map_err(|e| failure(&e))?,
        false => vec![one(&mut words)?],
    };
    words.finish()?;
    let kept = Kept::scan(Kind::Link, args.bpffs);
    let around = Around::default();
    if out.json {
        let links: Vec<_> = links.iter().map(|l| object(l, &kept, &around)).collect();
        out.object(&json!({"schema": "skep.link-list/1", "links": links}))?;
        return Ok(Verdict::Yes);
    }
    for link in &links {
        print(link, &kept, &around, out)?;
    }
    Ok(Verdict::Yes)
}

/// The cookie of a perf event's program, which bpftool shows of links that somebody holds.
fn cookie(link: &Link, kept: &Kept) -> Option<u64> {
    let Place::PerfEvent(place) = &link.info.place else { return None };
    let cookie = match place {
        PerfPlace::Unknown => return None,
        PerfPlace::Uprobe { cookie, .. }
        | PerfPlace::Kprobe { cookie, .. }
        | PerfPlace::Tracepoint { cookie, .. }
        | PerfPlace::Event { cookie, .. } => *cookie,
    };
    kept.is_held(link.info.id).then_some(cookie)
}

fn object(link: &Link, kept: &Kept, around: &Around) -> Value {
    let info = &link.info;
    let mut o = Map::new();
    o.insert("id".into(), info.id.into());
    o.insert("type".into(), info.link_type.name().map_or_else(|| info.link_type.0.into(), Value::from));
    o.insert("prog_id".into(), info.prog_id.into());
    place::json(info, around, &mut o);
    kept.pinned_json(info.id, &mut o);
    if let Some(cookie) = cookie(link, kept) {
        o.insert("bpf_cookie".into(), cookie.into());
    }
    kept.pids_json(info.id, &mut o);
    Value::Object(o)
}

fn print(link: &Link, kept: &Kept, around: &Around, out: &mut Output) -> Result<(), Failure> {
    let info = &link.info;
    let id = out.paint(Style::Heading, format!("{}:", info.id));
    match info.link_type.name() {
        Some(name) => write!(out, "{id} {name}  ")?,
        None => write!(out, "{id} type {}  ", info.link_type.0)?,
    }
    match info.place {
        Place::StructOps { map_id } => write!(out, "map {map_id}  ")?,
        _ => write!(out, "prog {}  ", info.prog_id)?,
    }
    write!(out, "{}", place::text(info, around))?;
    kept.print_pinned(info.id, out)?;
    if let Some(cookie) = cookie(link, kept) {
        write!(out, "\n\tbpf_cookie {cookie}")?;
    }
    kept.print_pids(info.id, out)?;
    Ok(writeln!(out)?)
}

fn detach(args: &Detach, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let link = one(&mut words)?;
    words.finish()?;
    link.detach().map_err(|e| failure(&e))?;
    done(out, "skep.link/1", "detach", &[("id", link.info.id.into())])?;
    Ok(Verdict::Yes)
}

fn pin(args: &Pin, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let link = one(&mut words)?;
    let path = Path::new(words.next("the path to pin it at")?);
    words.finish()?;
    pin_object(link.as_fd(), path).map_err(|e| failure(&e))?;
    done(out, "skep.link/1", "pin", &[("id", link.info.id.into()), ("path", path.to_string_lossy().into())])?;
    Ok(Verdict::Yes)
}
