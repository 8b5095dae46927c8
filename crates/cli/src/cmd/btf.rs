//! `skep btf dump`: the types of an object or of a raw BTF blob (`/sys/kernel/btf/vmlinux`), raw, as C, or as JSON.

mod json;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use skep::btf::Btf;
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

/// Show the types that objects and kernels carry
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    Dump(Dump),
}

/// Print all types of an object or a BTF file
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
struct Dump {
    /// An ELF object, or raw BTF (`-` is stdin)
    #[arg(value_name = "OBJ|FILE")]
    file: PathBuf,

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

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let Command::Dump(args) = &args.command;
    let base = match &args.base {
        Some(path) => Some(Arc::new(load(path, None)?)),
        None => None,
    };
    let btf = load(&args.file, base)?;
    let file = input::label(&args.file);
    let wrong = |e: skep::btf::BtfError| Failure::new(e.to_string()).context(&file);
    if args.c {
        let c = skep::btf::c::dump(&btf).map_err(wrong)?;
        if out.json {
            out.object(&Json { schema: "skep.btf/1", file: file.clone(), what: AsC { c } })?;
        } else {
            out.write_all(c.as_bytes())?;
        }
    } else if out.json {
        let types = btf.own_types().map(json::of).collect();
        out.object(&Json { schema: "skep.btf/1", file: file.clone(), what: AsTypes { types } })?;
    } else {
        out.write_all(skep::btf::raw::dump(&btf).map_err(wrong)?.as_bytes())?;
    }
    Ok(Verdict::Yes)
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
