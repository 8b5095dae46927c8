//! `skep btf`: the types of an object, of a raw BTF blob (`/sys/kernel/btf/vmlinux`) or of what is live in the kernel: raw,
//! as C, or as JSON.

mod json;
#[cfg(all(target_os = "linux", not(skep_portable)))]
mod live;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use skep::btf::{Btf, TypeId};
use skep::object::Spec;

use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input};

const EXAMPLES: &str = "\
Examples:
  skep btf dump examples/xdp_firewall.o
  skep btf dump examples/xdp_firewall.o --c
  skep btf dump /sys/kernel/btf/vmlinux --c > vmlinux.h
  skep btf dump /sys/kernel/btf/nf_tables --base /sys/kernel/btf/vmlinux";

const LIVE_EXAMPLES: &str = "\
Examples:
  skep btf dump examples/xdp_firewall.o --c
  skep btf list                                 the types that the kernel holds
  skep btf dump id 1 --c
  skep btf dump map name counters               the types of a map's keys and values
  skep btf dump prog id 17 format c             all types of a program";

/// Show the types that objects and kernels carry
#[derive(clap::Args, Debug)]
#[command(after_help = LIVE_EXAMPLES, infer_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    Dump(Dump),
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    List(live::List),
}

/// Print all types of an object or a BTF file, or of what is live
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
struct Dump {
    /// An ELF object or raw BTF (`-` is stdin); or `id N`, `prog PROG`, `map MAP [key|value|kv|all]`, `file FILE`
    ///
    /// Behind it, as bpftool takes them: [format {raw|c}] [root_id N]..
    #[arg(value_name = "OBJ|FILE|WHAT", required = true)]
    words: Vec<String>,

    /// As C declarations, in an order that compiles
    #[arg(long, conflicts_with = "raw")]
    c: bool,

    /// One line a type, with ids (the default)
    #[arg(long)]
    raw: bool,

    /// BTF that a split one (a module's) is based on
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
}

#[derive(Serialize)]
struct Json<T> {
    schema: &'static str,
    file: String,
    #[serde(flatten)]
    what: T,
}

#[derive(Serialize)]
struct AsC {
    c: String,
}

#[derive(Serialize)]
struct AsTypes {
    types: Vec<serde_json::Value>,
}

/// What is to be dumped.
struct Source {
    btf: Arc<Btf>,
    /// What to call it.
    label: String,
    /// Only these, and, as C, what they need; all, if there are none.
    roots: Vec<TypeId>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    match &args.command {
        Command::Dump(args) => dump(args, out),
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Command::List(args) => live::list(args, out),
    }
}

fn dump(args: &Dump, out: &mut Output) -> Result<Verdict, Failure> {
    let base = match &args.base {
        Some(path) => Some(Arc::new(load(path, None)?)),
        None => None,
    };
    let (source, said_c) = match args.words.as_slice() {
        [file] => (file_source(Path::new(file), base)?, false),
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        words => live::source(words, base)?,
        #[cfg(not(all(target_os = "linux", not(skep_portable))))]
        _ => return Err(Failure::new("this build has no door to Linux").hint("give one file")),
    };
    print(&source, args.c || said_c, out)?;
    Ok(Verdict::Yes)
}

fn file_source(path: &Path, base: Option<Arc<Btf>>) -> Result<Source, Failure> {
    Ok(Source { btf: Arc::new(load(path, base)?), label: input::label(path), roots: Vec::new() })
}

fn print(source: &Source, c: bool, out: &mut Output) -> Result<(), Failure> {
    let Source { btf, label, roots } = source;
    let file = label.clone();
    let wrong = |e: skep::btf::BtfError| Failure::new(e.to_string()).context(label);
    if c {
        let c = match roots.as_slice() {
            [] => skep::btf::c::dump(btf),
            roots => skep::btf::c::dump_types(btf, roots),
        };
        let c = c.map_err(wrong)?;
        if out.json {
            return out.object(&Json { schema: "skep.btf/1", file, what: AsC { c } });
        }
        out.write_all(c.as_bytes())?;
    } else if out.json {
        let wanted = |id: TypeId| roots.is_empty() || roots.contains(&id);
        let types = btf.types().filter(|t| !roots.is_empty() || t.id() >= btf.first_id());
        let types = types.filter(|t| wanted(t.id())).map(json::of).collect();
        out.object(&Json { schema: "skep.btf/1", file, what: AsTypes { types } })?;
    } else {
        let raw = match roots.as_slice() {
            [] => skep::btf::raw::dump(btf),
            roots => skep::btf::raw::dump_types(btf, roots),
        };
        out.write_all(raw.map_err(wrong)?.as_bytes())?;
    }
    Ok(())
}

/// The BTF of an ELF file, or of a file that is BTF itself.
pub(super) fn load(path: &Path, base: Option<Arc<Btf>>) -> Result<Btf, Failure> {
    let bytes = input::read(path)?;
    let label = input::label(path);
    let wrong = |e: skep::btf::BtfError| Failure::new(e.to_string()).context(&label);
    if bytes.starts_with(&[0x9f, 0xeb]) || bytes.starts_with(&[0xeb, 0x9f]) {
        return match base {
            Some(base) => Btf::parse_split(&bytes, base),
            None => Btf::parse(&bytes),
        }
        .map_err(wrong);
    }
    let spec = Spec::from_elf(&bytes)
        .map_err(|e| Failure::new(e.to_string()).hint_opt(e.hint().map(str::to_owned)).context(&label))?;
    spec.btf.ok_or_else(|| {
        Failure::new(format!("{label}: has no BTF"))
            .hint("compile with `clang -g` to get .BTF and line information")
    })
}
