//! `skep seccomp`: policies on system calls: compiled, asked, taken apart, compared, and put on a command.

mod input;
mod report;
#[cfg(all(target_os = "linux", not(skep_portable)))]
mod run;

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use skep::abi::Arch;
use skep::filter::seccomp::{annotate, compare};
use skep::isa::Endian;
use skep::isa::classic::bytes_from_insns;
use skep::isa::classic::text::{Form, print};

use crate::Verdict;
use crate::failure::Failure;
use crate::output::{Output, Style};

const EXAMPLES: &str = "\
Examples:
  skep seccomp compile policy.json                 the filter, with what its numbers mean
  skep seccomp compile policy.txt --format raw -o filter.bpf
  skep seccomp simulate policy.json openat 0xffffff9c 0 0
  skep seccomp diff old.json new.json              is the new one weaker, and for which call?
  skep seccomp disasm --pid 1234                   the filters of a process
  skep seccomp run policy.txt -- curl example.org  run under it, and say what was denied

A policy is JSON as OCI runtimes or seccompiler have it, or text, `what: calls` a line:

  default: errno EPERM
  allow: read, write, exit_group
  errno EACCES: socket(arg0 == 16)
  allow: ioctl(arg1:32 == 0x5401), clone(arg0 & 0x7e020000 == 0)

Rules are tried in their order; the first that matches decides.";

/// Policies on system calls: compile, ask, take apart, compare, run under one
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    Compile(Compile),
    Simulate(Simulate),
    Disasm(Disasm),
    Diff(Diff),
    Run(Run),
}

/// How a policy is read.
#[derive(clap::Args, Debug)]
struct Reading {
    /// The machine, where the policy names none; this one's if not given
    #[arg(long, value_name = "NAME", value_parser = arch)]
    arch: Option<Arch>,

    /// Which filter of a seccompiler file
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,

    /// A capability that the process will have, for profiles that ask (repeatable)
    #[arg(long, value_name = "CAP_NAME")]
    cap: Vec<String>,
}

fn arch(text: &str) -> Result<Arch, String> {
    text.parse().map_err(|e: skep::abi::UnknownName| e.to_string())
}

/// Compile a policy to the filter that seccomp(2) takes
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
struct Compile {
    /// The policy (`-` is stdin)
    #[arg(value_name = "POLICY")]
    policy: PathBuf,

    #[command(flatten)]
    reading: Reading,

    /// What is written
    #[arg(long, value_name = "FORM", default_value = "listing")]
    format: Format,

    /// Write it there instead of to stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// As tcpdump -d, with what the numbers mean
    Listing,
    /// As tcpdump -dd, for a C array
    C,
    /// As tcpdump -ddd
    Decimal,
    /// As bpf_asm takes it
    Source,
    /// struct sock_filter, little-endian, as crun and bubblewrap take it
    Raw,
}

/// Say what a policy does to a call, and which rule decides; exit 1 if it is not allowed
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
struct Simulate {
    /// The policy (`-` is stdin), or a filter
    #[arg(value_name = "POLICY")]
    policy: PathBuf,

    /// The call, by name or number
    #[arg(value_name = "CALL")]
    call: String,

    /// Its arguments, decimal, hexadecimal or negative; those not given are 0
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    args: Vec<String>,

    #[command(flatten)]
    reading: Reading,

    /// Show the instructions that were run, too
    #[arg(short, long)]
    verbose: bool,
}

/// Show a filter's code, of a file or of a process, with what its numbers mean
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
struct Disasm {
    /// A filter: raw instructions, or text in any form of `skep disasm --classic` (`-` is stdin)
    #[arg(value_name = "FILE", required_unless_present = "pid", conflicts_with = "pid")]
    file: Option<PathBuf>,

    /// The filters of this process, the newest first
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
}

/// Compare two policies or filters on every call there can be; exit 1 if they differ
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
struct Diff {
    /// A policy or a filter
    #[arg(value_name = "A")]
    first: PathBuf,

    /// Another
    #[arg(value_name = "B")]
    second: PathBuf,

    #[command(flatten)]
    reading: Reading,
}

/// Run a command under a policy, and tell what it was denied; exit 1 if anything was, or the command failed
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
struct Run {
    /// The policy
    #[arg(value_name = "POLICY")]
    policy: PathBuf,

    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<std::ffi::OsString>,

    #[command(flatten)]
    reading: Reading,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    match &args.command {
        Command::Compile(a) => compile_policy(a, out),
        Command::Simulate(a) => report::simulate(a, out),
        Command::Disasm(a) => disasm(a, out),
        Command::Diff(a) => diff(a, out),
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Command::Run(a) => run::run(a, out),
        #[cfg(not(all(target_os = "linux", not(skep_portable))))]
        Command::Run(_) => Err(Failure::new("running under a policy takes Linux")),
    }
}

fn compile_policy(args: &Compile, out: &mut Output) -> Result<Verdict, Failure> {
    let policy = input::policy(&args.policy, &args.reading, out)?;
    let insns = input::code(&policy)?;
    if out.json {
        out.object(&report::filter_json("compile", &[insns]))?;
        return Ok(Verdict::Yes);
    }
    let bytes = match args.format {
        Format::Listing => report::listing(&insns, out).into_bytes(),
        Format::C => print(&insns, Form::C).into_bytes(),
        Format::Decimal => print(&insns, Form::Decimal).into_bytes(),
        Format::Source => print(&insns, Form::Source).into_bytes(),
        Format::Raw => bytes_from_insns(&insns, Endian::Little),
    };
    match &args.output {
        Some(path) => std::fs::write(path, bytes).map_err(|e| crate::input::at(path, &e))?,
        None => out.write_all(&bytes)?,
    }
    Ok(Verdict::Yes)
}

fn disasm(args: &Disasm, out: &mut Output) -> Result<Verdict, Failure> {
    let filters = match (&args.file, args.pid) {
        (_, Some(pid)) => input::of_process(pid)?,
        (Some(path), None) => vec![input::filter(path)?],
        (None, None) => Vec::new(),
    };
    if out.json {
        out.object(&report::filter_json("disasm", &filters))?;
        return Ok(Verdict::Yes);
    }
    if filters.is_empty() {
        out.note("the process has no filter");
    }
    for (n, insns) in filters.iter().enumerate() {
        if filters.len() > 1 {
            let title = format!("filter {n}: {} instructions", insns.len());
            writeln!(out, "{}{}", if n > 0 { "\n" } else { "" }, out.paint(Style::Heading, title))?;
        }
        let text = report::listing(insns, out);
        out.write_all(text.as_bytes())?;
    }
    Ok(Verdict::Yes)
}

fn diff(args: &Diff, out: &mut Output) -> Result<Verdict, Failure> {
    let first = input::either(&args.first, &args.reading, out)?;
    let second = input::either(&args.second, &args.reading, out)?;
    let found = compare(first.insns(), second.insns()).map_err(|e| {
        let path = if e.is_second() { &args.second } else { &args.first };
        let failure = Failure::new(format!("{}: {e}", crate::input::label(path)));
        let insns = if e.is_second() { second.insns() } else { first.insns() };
        failure.hint_opt(e.insn().map(|at| {
            let line = print(insns, Form::Listing).lines().nth(at).unwrap_or_default().to_owned();
            let remark = annotate(insns).into_iter().nth(at).flatten();
            format!("it is {line}{}", remark.map_or(String::new(), |r| format!("   ; {r}")))
        }))
    })?;
    report::difference(&found, (&args.first, &args.second), out)
}
