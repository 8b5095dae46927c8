//! `skep cfg`: a program's basic blocks and the ways between them, as a drawing, with what the verifier proved.

mod dot;
mod facts;
pub(super) mod graph;
mod layout;
mod svg;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use skep::object::Program;
use skep::verifier::facts::Verified;
use skep::verifier::{Task, TaskOptions, Verdict as Decision};

use super::run;
use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input};
use graph::{Block, Graph};

const EXAMPLES: &str = "\
Examples:
  skep cfg examples/xdp_firewall.o --svg firewall.svg
  skep cfg prog.o --prog ingress --dot - | dot -Tpng > ingress.png
  skep cfg prog.bpf --svg - | display";

/// Draw the control flow of a program, with what the verifier proved of it
///
/// Blocks that no run reaches are grey. Each instruction of an accepted program says on hovering what its registers hold and
/// what memory it touches.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An ELF object, or assembler text with a corpus header (`-` is stdin)
    #[arg(value_name = "OBJ|FILE")]
    file: PathBuf,

    /// Only this program; needed where there are several
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,

    /// The program type, if the section name does not tell it
    #[arg(long = "type", value_name = "TYPE")]
    prog_type: Option<String>,

    /// Write a drawing (`-` is stdout)
    #[arg(long, value_name = "FILE", required_unless_present_any = ["dot", "json"])]
    svg: Option<PathBuf>,

    /// Write a graph for Graphviz (`-` is stdout)
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,
}

#[derive(Serialize)]
struct Json<'a> {
    schema: &'static str,
    file: String,
    program: &'a str,
    /// Whether the verifier accepts it; without, there are no facts.
    verified: bool,
    blocks: &'a [Block],
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let text = run::read(&args.file, false)?;
    let program = chosen(&text.spec.programs, args)?;
    let prog_type = match &args.prog_type {
        Some(t) => Some(
            t.parse().map_err(|e: skep::abi::UnknownName| Failure::new(e.to_string()).hint_opt(e.hint()))?,
        ),
        None => None,
    };
    let options = TaskOptions { prog_type, ..TaskOptions::default() };
    let verified = match Task::from_spec(&text.spec, program, &options) {
        Ok(task) => proven(task, &program.name, out),
        Err(e) => {
            out.note(format_args!("{} was not verified: {e}", program.name));
            None
        }
    };
    let graph = Graph::new(&text.spec, program, verified.as_ref());
    if let Some(path) = &args.svg {
        write_svg(&graph, path, out)?;
    }
    if let Some(path) = &args.dot {
        write_dot(&graph, path, out)?;
    }
    if out.json {
        out.object(&Json {
            schema: "skep.cfg/1",
            file: input::label(&args.file),
            program: &program.name,
            verified: verified.is_some(),
            blocks: &graph.blocks,
        })?;
    }
    Ok(Verdict::Yes)
}

/// The proof, where there is one; what there is instead is told.
fn proven(task: Task, name: &str, out: &mut Output) -> Option<Verified> {
    match Verified::new(task) {
        Ok(verified) => Some(verified),
        Err(outcome) => {
            match outcome.verdict {
                Decision::NotModelled(what) => {
                    out.note(format_args!("{name} is drawn without facts, as {what} is not modelled"));
                }
                _ => out.note(format_args!("{name} is drawn without facts: the verifier refuses it")),
            }
            None
        }
    }
}

fn chosen<'a>(programs: &'a [Program], args: &Args) -> Result<&'a Program, Failure> {
    let names = || programs.iter().map(|p| p.name.as_str());
    match (&args.prog, programs) {
        (Some(name), _) => programs.iter().find(|p| p.name == *name).ok_or_else(|| {
            let hint = crate::names::suggestion(name, names());
            Failure::new(format!("no program `{name}` in the object")).hint_opt(hint)
        }),
        (None, [one]) => Ok(one),
        (None, []) => Err(Failure::new(format!("{}: there is no program in it", input::label(&args.file)))),
        (None, _) => {
            let list = names().collect::<Vec<_>>().join(", ");
            let hint = format!("--prog with one of: {list}");
            Err(Failure::new("there are several programs, and one is drawn").hint(hint))
        }
    }
}

/// Writes the drawing.
pub(super) fn write_svg(graph: &Graph, path: &Path, out: &mut Output) -> Result<(), Failure> {
    write(path, &svg::draw(graph), out)
}

/// Writes the graph for Graphviz.
pub(super) fn write_dot(graph: &Graph, path: &Path, out: &mut Output) -> Result<(), Failure> {
    write(path, &dot::write(graph), out)
}

fn write(path: &Path, text: &str, out: &mut Output) -> Result<(), Failure> {
    if path == Path::new("-") {
        return Ok(out.write_all(text.as_bytes())?);
    }
    std::fs::write(path, text).map_err(|e| Failure::new(format!("{}: {e}", path.display())))
}
