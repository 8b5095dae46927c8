//! `skep verify`: the kernel's verdict without the kernel.

mod batch;
mod line;

use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep verify --batch < programs.jsonl              a verdict a line
  echo '{\"prog_type\": \"xdp\", \"insns\": \"b7000000020000009500000000000000\"}' | skep verify --batch";

/// Say whether programs are safe, as Linux would
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Read one program a line from stdin, as JSON, and answer with a line each
    #[arg(long, required = true)]
    batch: bool,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    debug_assert!(args.batch, "clap requires it");
    batch::run(out)
}
