//! `skep man`: the manual pages, made from the same declarations as `--help`.

use std::io::Write;
use std::path::PathBuf;

use clap::CommandFactory;
use serde::Serialize;

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input, names};

const EXAMPLES: &str = "\
Examples:
  skep man | man -l -                 read the page of skep
  skep man run | man -l -             the page of one command
  skep man --all -o ~/.local/share/man/man1";

/// Print a manual page
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The command whose page is wanted; skep's own without it
    #[arg(value_name = "COMMAND", conflicts_with = "all")]
    command: Option<String>,

    /// Write the pages of all commands into the directory of --output
    #[arg(long, requires = "output")]
    all: bool,

    /// Where the pages go (made if missing)
    #[arg(short, long, value_name = "DIR", requires = "all")]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
struct Json {
    schema: &'static str,
    pages: Vec<Page>,
}

#[derive(Serialize)]
struct Page {
    name: String,
    roff: String,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let pages = pages()?;
    let chosen: Vec<Page> = match &args.command {
        _ if args.all => pages,
        None => pages.into_iter().filter(|p| p.name == "skep").collect(),
        Some(c) => {
            let name = format!("skep-{c}");
            let known: Vec<String> =
                pages.iter().filter_map(|p| p.name.strip_prefix("skep-").map(str::to_owned)).collect();
            let found: Vec<Page> = pages.into_iter().filter(|p| p.name == name).collect();
            if found.is_empty() {
                let hint = names::suggestion(c, known.iter().map(String::as_str));
                return Err(Failure::new(format!("no command `{c}`")).hint_opt(hint));
            }
            found
        }
    };
    if let Some(dir) = &args.output {
        std::fs::create_dir_all(dir).map_err(|e| input::at(dir, &e))?;
        for page in &chosen {
            let path = dir.join(format!("{}.1", page.name));
            std::fs::write(&path, &page.roff).map_err(|e| input::at(&path, &e))?;
        }
        out.note(format!("wrote {} pages to {}", chosen.len(), dir.display()));
    }
    if out.json {
        out.object(&Json { schema: "skep.man/1", pages: chosen })?;
    } else if args.output.is_none() {
        for page in &chosen {
            out.write_all(page.roff.as_bytes())?;
        }
    }
    Ok(Verdict::Yes)
}

/// Every page: skep's, then one a command, `skep-btf-dump` included.
fn pages() -> Result<Vec<Page>, Failure> {
    fn add(c: &clap::Command, pages: &mut Vec<Page>) -> std::io::Result<()> {
        let mut roff = Vec::new();
        clap_mangen::Man::new(c.clone()).render(&mut roff)?;
        let name = c.get_display_name().unwrap_or(c.get_name()).to_owned();
        pages.push(Page { name, roff: String::from_utf8_lossy(&roff).into_owned() });
        c.get_subcommands().try_for_each(|s| add(s, pages))
    }
    let mut root = Cli::command();
    root.build();
    let mut all = Vec::new();
    add(&root, &mut all)?;
    Ok(all)
}
