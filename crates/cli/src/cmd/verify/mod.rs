//! `skep verify`: the kernel's verdict without the kernel, and why.

mod batch;
pub(super) mod judge;
mod line;
mod report;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use skep::abi::ProgType;
use skep::object::{LineInfo, Program};
use skep::verifier::{LogLevel, Privilege, SourceLines, Task, Verdict as Decision, verify_logged};

use super::run::{self, text::Text};
use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input};
use judge::{Judged, Kernel};
use report::{Entry, Json};

const EXAMPLES: &str = "\
Examples:
  skep verify examples/xdp_firewall.o
  skep verify prog.o --prog ingress --type tc       one program, as this type
  skep verify prog.bpf                              assembler text with a corpus header
  skep verify prog.o --log kernel                   the states, as the kernel's log has them
  skep verify prog.o --btf vmlinux-6.1.btf          for another kernel's types
  skep verify prog.o --privilege bpf_net            for a loader without CAP_PERFMON
  skep verify --batch < programs.jsonl              a verdict a line

The verdict is that of Linux 6.18, for a loader with all rights unless --privilege says otherwise.

Exit codes: 0 nothing is refused (what is not modelled is named), 1 a program is refused, 2 it could not be verified.";

/// Say whether programs are safe, as Linux would, and why not
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An ELF object, or assembler text with a corpus header (`-` is stdin)
    #[arg(value_name = "OBJ|FILE", required_unless_present = "batch")]
    file: Option<PathBuf>,

    /// Only this program
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,

    /// The program type, if the section name does not tell it
    #[arg(long = "type", value_name = "TYPE")]
    prog_type: Option<String>,

    /// Types of the kernel that it is for: BTF, or an ELF file with it; the running kernel's if not given
    #[arg(long, value_name = "FILE")]
    btf: Option<PathBuf>,

    /// The loader's rights: `root` for all, `bpf_net` for CAP_BPF and CAP_NET_ADMIN without CAP_PERFMON, `unprivileged`
    #[arg(long, value_name = "RIGHTS", default_value = "root")]
    privilege: Rights,

    /// Print the states of the walk too
    #[arg(short, long, help_heading = "Output")]
    verbose: bool,

    /// Print only the log of states, in the kernel's format; with --batch, add it to each answer
    #[arg(long, value_name = "FORMAT", conflicts_with = "json", help_heading = "Output")]
    log: Option<Log>,

    /// Read one program a line from stdin, as JSON, and answer with a line each
    #[arg(long, conflicts_with_all = ["file", "prog", "prog_type", "btf", "privilege", "verbose"])]
    batch: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Rights {
    Root,
    BpfNet,
    Unprivileged,
}

impl From<Rights> for Privilege {
    fn from(rights: Rights) -> Self {
        match rights {
            Rights::Root => Self::Root,
            Rights::BpfNet => Self::BpfNet,
            Rights::Unprivileged => Self::Unprivileged,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Log {
    /// As BPF_PROG_LOAD writes it at level 2: every path
    Kernel,
    /// At level 1: the path that is refused
    KernelBrief,
}

impl From<Log> for LogLevel {
    fn from(log: Log) -> Self {
        match log {
            Log::Kernel => Self::Full,
            Log::KernelBrief => Self::Brief,
        }
    }
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let Some(file) = args.file.as_deref().filter(|_| !args.batch) else {
        return batch::run(args.log.map(Into::into), out);
    };
    let text = run::read(file, false)?;
    let kernel = Kernel::of(args.btf.as_deref())?;
    let given: Option<ProgType> = match &args.prog_type {
        Some(t) => Some(
            t.parse().map_err(|e: skep::abi::UnknownName| Failure::new(e.to_string()).hint_opt(e.hint()))?,
        ),
        None => None,
    };
    let programs: Vec<&Program> = match args.prog.as_deref() {
        Some(name) => vec![super::disasm::program(&text.spec, name)?],
        None => text.spec.programs.iter().collect(),
    };
    if programs.is_empty() {
        return Err(Failure::new(format!("{}: there is no program in it", input::label(file))));
    }
    let mut judged = Vec::new();
    for p in &programs {
        judged.push((*p, judge::judge(&text, p, given, &kernel, args.privilege.into())?));
    }
    if let Some(log) = args.log {
        return logs(&judged, log.into(), out);
    }
    if args.verbose {
        logs(&judged, LogLevel::Full, out)?;
    }
    tell(file, &judged, out)
}

/// The verdicts of all programs of a bare object; those whose type is not known are named and passed over.
pub(super) fn all(file: &Path, text: &Text, out: &mut Output) -> Result<Verdict, Failure> {
    let mut judged = Vec::new();
    for p in &text.spec.programs {
        match judge::judge(text, p, None, &Kernel::Running, Privilege::Root) {
            Ok(j) => judged.push((p, j)),
            Err(f) => out.note(format_args!("{} was not verified: {}", p.name, f.message)),
        }
    }
    tell(file, &judged, out)
}

fn tell(file: &Path, judged: &[(&Program, Judged)], out: &mut Output) -> Result<Verdict, Failure> {
    if out.json {
        let programs = judged.iter().map(|(p, j)| Entry::new(&p.name, j.task.prog_type, j)).collect();
        out.object(&Json { schema: "skep.verify/1", file: input::label(file), programs })?;
    } else {
        for (p, j) in judged {
            report::print(&p.name, j.task.prog_type, j, out)?;
        }
    }
    Ok(verdict(judged))
}

fn verdict(judged: &[(&Program, Judged)]) -> Verdict {
    let refused = |j: &Judged| matches!(j.outcome.verdict, Decision::Reject(_));
    if judged.iter().any(|(_, j)| refused(j)) { Verdict::No } else { Verdict::Yes }
}

fn logs(judged: &[(&Program, Judged)], level: LogLevel, out: &mut Output) -> Result<Verdict, Failure> {
    for (p, j) in judged {
        out.write_all(verify_logged(&j.task, level, source(p, &j.task)).1.as_bytes())?;
    }
    Ok(verdict(judged))
}

/// The lines of source that Linux logs: those of objects with types, by the file's own name.
fn source(program: &Program, task: &Task) -> SourceLines {
    let known = program.line_info.iter().filter(|_| task.btf.is_some());
    let shown = |l: &LineInfo| {
        let file = l.file.rsplit('/').next().unwrap_or_default();
        (l.insn, format!("{} @ {file}:{}", l.text.trim_start(), l.line))
    };
    known.map(shown).collect()
}
