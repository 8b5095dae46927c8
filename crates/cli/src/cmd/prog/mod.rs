//! `skep prog`: programs in the kernel, in bpftool's words.

mod dump;
mod list;
mod load;
mod run;
mod stats;
mod tracelog;

use skep::kernel::objects::{self, Prog};

use super::live::{self, Words, words};
use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

pub(in crate::cmd) use stats::seconds;

const EXAMPLES: &str = "\
Examples:
  skep prog list                              all programs
  skep prog show id 17 --json                 one of them
  skep prog dump xlated name main             its instructions, as the verifier left them
  skep prog dump jited id 17 linum            its machine code, with lines of source
  skep prog run id 17 data_in packet.bin      run it once
  skep prog stats --for 5                     who runs, and for how long
  skep prog loadall a.o /sys/fs/bpf/a         load and pin

PROG is `id N`, `name NAME`, `tag TAG` or `pinned PATH`.";

/// Look at, run, pin and load programs of the kernel
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, infer_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    List(list::Args),
    Dump(dump::Args),
    Run(run::Args),
    Stats(stats::Args),
    Pin(Pin),
    Load(load::Args),
    Loadall(load::AllArgs),
    Tracelog(tracelog::Args),
}

const PIN_EXAMPLES: &str = "\
Examples:
  skep prog pin id 17 /sys/fs/bpf/main
  skep prog pin name main /sys/fs/bpf/main";

/// Give a program a path, which keeps it loaded
#[derive(clap::Args, Debug)]
#[command(after_help = PIN_EXAMPLES)]
struct Pin {
    /// PROG PATH: the program, and a path of a BPF file system
    #[arg(value_name = "PROG PATH", required = true)]
    words: Vec<String>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    match &args.command {
        Command::List(a) => list::run(a, out),
        Command::Dump(a) => dump::run(a, out),
        Command::Run(a) => run::run(a, out),
        Command::Stats(a) => stats::run(a, out),
        Command::Pin(a) => pin(a, out),
        Command::Load(a) => load::one(a, out),
        Command::Loadall(a) => load::all(a, out),
        Command::Tracelog(a) => tracelog::run(a, out),
    }
}

fn pin(args: &Pin, out: &mut Output) -> Result<Verdict, Failure> {
    use std::os::fd::AsFd;
    let mut words = Words::new(&args.words);
    let prog = one(&mut words)?;
    let path = std::path::Path::new(words.next("the path to pin it at")?);
    words.finish()?;
    objects::pin_object(prog.as_fd(), path).map_err(|e| live::failure(&e))?;
    let facts = [("id", prog.info.id.into()), ("path", path.to_string_lossy().into())];
    live::done(out, "skep.prog/1", "pin", &facts)?;
    Ok(Verdict::Yes)
}

/// The program that words name: one and only one.
pub(in crate::cmd) fn one(words: &mut Words<'_>) -> Result<Prog, Failure> {
    let selector = words.selector(words::PROGRAM)?;
    let found = Prog::find(&selector).map_err(|e| live::failure(&e))?;
    live::single(found, &selector)
}

/// The programs that words name: all of them, if there are no words.
fn several(words: &mut Words<'_>) -> Result<Vec<Prog>, Failure> {
    if words.is_empty() {
        return Prog::all().map_err(|e| live::failure(&e));
    }
    Prog::find(&words.selector(words::PROGRAM)?).map_err(|e| live::failure(&e))
}
