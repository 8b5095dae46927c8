//! `skep perf list`: which processes hold programs on tracepoints and probes by descriptors.

use std::io::Write;

use serde_json::{Map, Value, json};
use skep::kernel::objects::perf::{self, FdType, TaskFd};

use super::live::{failure, plain};
use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep perf list
  skep perf show --json";

/// Programs on tracepoints and probes, and the processes that hold them there
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, infer_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    List(List),
}

/// All of them
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, visible_alias = "show")]
struct List {}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let Command::List(List {}) = args.command;
    let held = perf::all().map_err(|e| failure(&e))?;
    if out.json {
        let events: Vec<_> = held.iter().map(object).collect();
        out.object(&json!({"schema": "skep.perf-list/1", "events": events}))?;
        return Ok(Verdict::Yes);
    }
    for h in &held {
        write!(out, "pid {}  fd {}: prog_id {}  ", h.pid, h.fd, h.prog_id)?;
        let (name, text, offset) = (h.fd_type.name().unwrap_or("unknown"), plain(&h.name), h.probe_offset);
        match h.fd_type {
            FdType::Kprobe | FdType::Kretprobe if h.name.is_empty() => {
                writeln!(out, "{name}  addr {}", h.probe_addr)?;
            }
            FdType::Kprobe | FdType::Kretprobe => writeln!(out, "{name}  func {text}  offset {offset}")?,
            FdType::Uprobe | FdType::Uretprobe => writeln!(out, "{name}  filename {text}  offset {offset}")?,
            _ => writeln!(out, "{name}  {text}")?,
        }
    }
    Ok(Verdict::Yes)
}

fn object(h: &TaskFd) -> Value {
    let mut o = Map::new();
    let mut put = |name: &str, value: Value| _ = o.insert(name.to_owned(), value);
    put("pid", h.pid.into());
    put("fd", h.fd.into());
    put("prog_id", h.prog_id.into());
    if let Some(name) = h.fd_type.name() {
        put("fd_type", name.into());
    }
    match h.fd_type {
        FdType::Kprobe | FdType::Kretprobe if h.name.is_empty() => put("addr", h.probe_addr.into()),
        FdType::Kprobe | FdType::Kretprobe => {
            put("func", h.name.as_str().into());
            put("offset", h.probe_offset.into());
        }
        FdType::Uprobe | FdType::Uretprobe => {
            put("filename", h.name.as_str().into());
            put("offset", h.probe_offset.into());
        }
        FdType::RawTracepoint | FdType::Tracepoint => put("tracepoint", h.name.as_str().into()),
        _ => {}
    }
    Value::Object(o)
}
