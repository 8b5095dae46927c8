//! `skep completions`: the script that a shell completes skep's arguments with.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;
use serde::Serialize;

use crate::Verdict;
use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep completions bash > ~/.local/share/bash-completion/completions/skep
  skep completions zsh > ~/.zfunc/_skep
  skep completions fish > ~/.config/fish/completions/skep.fish";

/// Print a shell's completion script
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Serialize)]
struct Json {
    schema: &'static str,
    shell: String,
    script: String,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "skep", &mut script);
    if out.json {
        let script = String::from_utf8_lossy(&script).into_owned();
        out.object(&Json { schema: "skep.completions/1", shell: args.shell.to_string(), script })?;
    } else {
        out.write_all(&script)?;
    }
    Ok(Verdict::Yes)
}
