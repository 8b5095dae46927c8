//! The `skep` command: takes arguments, asks the libraries, prints. Nothing else in the project prints.
//!
//! What holds for every command: data goes to stdout and all else to stderr; exit 0 is yes, 1 a negative
//! verdict, 2 usage or environment; a reader that goes away (a broken pipe) is success; `-` is stdin.
#![forbid(unsafe_code)]

mod args;
mod cmd;
mod events;
mod failure;
mod input;
mod names;
mod output;
mod packets;
mod progress;
mod types;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Cli, ColorChoice, Command};
use failure::Failure;
use output::Output;

fn main() -> ExitCode {
    let argv: Vec<_> = std::env::args_os().collect();
    let color = ColorChoice::from_argv(&argv);
    let parsed = Cli::command().color(color.for_clap()).try_get_matches_from(&argv);
    let cli = match parsed.and_then(|m| Cli::from_arg_matches(&m)) {
        Ok(cli) => cli,
        Err(e) => return clap_exit(&e),
    };
    let mut out = Output::new(color, cli.json);
    let result = run(cli, &mut out).and_then(|verdict| {
        out.flush()?;
        Ok(verdict)
    });
    match result {
        Ok(Verdict::Yes) => ExitCode::SUCCESS,
        Ok(Verdict::No) => ExitCode::from(1),
        Err(f) if f.is_broken_pipe() => ExitCode::SUCCESS,
        Err(f) => {
            // What was printed so far comes first; if that can't be printed, the failure still can.
            let _ = out.flush();
            out.failure(&f);
            ExitCode::from(f.exit_code())
        }
    }
}

/// Help and version are data; everything else that clap has to say is a usage error.
fn clap_exit(e: &clap::Error) -> ExitCode {
    let printed = e.print();
    match (e.use_stderr(), printed) {
        (false, Ok(())) => ExitCode::SUCCESS,
        (false, Err(io)) if io.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        _ => ExitCode::from(2),
    }
}

/// What a command found, where it found anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Yes,
    No,
}

fn run(cli: Cli, out: &mut Output) -> Result<Verdict, Failure> {
    match cli.command {
        Some(Command::Run(a)) => cmd::run::run(&a, out),
        Some(Command::Compare(a)) => cmd::compare::run(&a, out),
        Some(Command::Load(a)) => cmd::load::run(&a, out),
        Some(Command::Attach(a)) => cmd::attach::run(&a, out),
        Some(Command::Detach(a)) => cmd::detach::run(&a, out),
        Some(Command::Iter(a)) => cmd::iter::run(&a, out),
        Some(Command::Info(a)) => cmd::info::run(&a, out),
        Some(Command::Asm(a)) => cmd::asm::run(&a, out),
        Some(Command::Disasm(a)) => cmd::disasm::run(&a, out),
        Some(Command::Jit(a)) => cmd::jit::run(&a, out),
        Some(Command::Bench(a)) => cmd::bench::run(&a, out),
        Some(Command::Btf(a)) => cmd::btf::run(&a, out),
        Some(Command::Filter(a)) => cmd::filter::run(&a, out),
        Some(Command::Seccomp(a)) => cmd::seccomp::run(&a, out),
        Some(Command::Top(a)) => cmd::top::run(&a, out),
        Some(Command::Doctor(a)) => cmd::doctor::run(&a, out),
        Some(Command::Feature(a)) => cmd::feature::run(&a, out),
        Some(Command::Explain(a)) => cmd::explain::run(&a, out),
        Some(Command::Verify(a)) => cmd::verify::run(&a, out),
        Some(Command::Cfg(a)) => cmd::cfg::run(&a, out),
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Some(Command::Prog(a)) => cmd::prog::run(&a, out),
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Some(Command::Map(a)) => cmd::map::run(&a, out),
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Some(Command::Link(a)) => cmd::link::run(&a, out),
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Some(Command::Net(a)) => cmd::net::run(&a, out),
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Some(Command::Perf(a)) => cmd::perf::run(&a, out),
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Some(Command::Cgroup(a)) => cmd::cgroup::run(&a, out),
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        Some(Command::StructOps(a)) => cmd::struct_ops::run(&a, out),
        Some(Command::Conformance(a)) => cmd::conformance::run(&a, out),
        Some(Command::Completions(a)) => cmd::completions::run(&a, out),
        Some(Command::Man(a)) => cmd::man::run(&a, out),
        None => cmd::info::bare(cli.object.as_deref(), out),
    }
}
