//! `skep info`: what an object holds. Nothing is run and no machine is asked.

mod needs;
mod report;

use std::io::Write;
use std::path::{Path, PathBuf};

use skep::object::Spec;

use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input, names};

const EXAMPLES: &str = "\
Examples:
  skep info examples/xdp_firewall.o
  skep info --json prog.o | jq '.programs[].helpers'
  clang -O2 -g --target=bpf -c prog.c -o - | skep info -";

/// Say what an object holds: programs, maps, types, externs, and what kernel it needs
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An ELF object (`-` is stdin)
    #[arg(value_name = "OBJ")]
    file: PathBuf,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    show(&args.file, out)?;
    Ok(Verdict::Yes)
}

/// `skep OBJ`, without a command.
pub(crate) fn bare(file: Option<&Path>, out: &mut Output) -> Result<Verdict, Failure> {
    let Some(file) = file else {
        return Err(Failure::new("no command and no object").hint("try `skep --help`"));
    };
    if !input::is_stdin(file) && !file.exists() {
        let name = file.display().to_string();
        let known = ["run", "info", "asm", "disasm", "btf", "explain", "conformance", "completions", "man"];
        let hint = skep::abi::nearest(&name, known.into_iter());
        return Err(match hint {
            Some(c) => Failure::new(format!("no command and no file `{name}`"))
                .hint(names::suggestion(&name, [c]).unwrap_or_default()),
            None => Failure::new(format!("{name}: no such file")),
        });
    }
    show(file, out)?;
    if out.json {
        return Ok(Verdict::Yes);
    }
    writeln!(out)?;
    super::verify::all(file, &super::run::read(file, false)?, out)
}

fn show(file: &Path, out: &mut Output) -> Result<(), Failure> {
    let bytes = input::read(file)?;
    let spec = object(&bytes, file)?;
    let report = report::Info::new(&spec, input::label(file), &bytes);
    if out.json { out.object(&report) } else { report.print(out) }
}

/// Reads an ELF object, with the file's name in what goes wrong.
pub(crate) fn object(bytes: &[u8], file: &Path) -> Result<Spec, Failure> {
    Spec::from_elf(bytes).map_err(|e| {
        Failure::new(e.to_string()).hint_opt(e.hint().map(str::to_owned)).context(input::label(file))
    })
}
