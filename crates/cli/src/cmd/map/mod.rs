//! `skep map`: maps in the kernel, in bpftool's words.

mod create;
mod dump;
mod entry;
mod list;
mod ops;
mod parse;
mod pipe;

use skep::kernel::objects::{Access, Map};

use super::live::{self, Words, words};
use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep map list
  skep map dump name counters                 all elements, typed where the map has types
  skep map lookup id 5 key 1 0 0 0            a key byte by byte, as bpftool takes it
  skep map lookup id 5 key 1                  or as the number that it is
  skep map update id 5 key 1 value '{\"packets\": 0}'
  skep map create /sys/fs/bpf/m type hash key 4 value 8 entries 16 name m
  skep map event_pipe name events --for 10

MAP is `id N`, `name NAME` or `pinned PATH`.";

/// Look at, write, make and pin maps of the kernel
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
    Lookup(ops::Lookup),
    Update(ops::Update),
    Delete(ops::Delete),
    Getnext(ops::Getnext),
    Create(create::Args),
    Pin(ops::Pin),
    Freeze(ops::Freeze),
    Peek(ops::Peek),
    Pop(ops::Pop),
    Push(ops::Push),
    #[command(name = "event_pipe")]
    EventPipe(pipe::Args),
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    match &args.command {
        Command::List(a) => list::run(a, out),
        Command::Dump(a) => dump::run(a, out),
        Command::Lookup(a) => ops::lookup(a, out),
        Command::Update(a) => ops::update(a, out),
        Command::Delete(a) => ops::delete(a, out),
        Command::Getnext(a) => ops::getnext(a, out),
        Command::Create(a) => create::run(a, out),
        Command::Pin(a) => ops::pin(a, out),
        Command::Freeze(a) => ops::freeze(a, out),
        Command::Peek(a) => ops::peek(a, out),
        Command::Pop(a) => ops::pop(a, out),
        Command::Push(a) => ops::push(a, out),
        Command::EventPipe(a) => pipe::run(a, out),
    }
}

/// The map that words name: one and only one.
pub(super) fn one(words: &mut Words<'_>, access: Access) -> Result<Map, Failure> {
    let selector = words.selector(words::MAP)?;
    let found = Map::find(&selector, access).map_err(|e| live::failure(&e))?;
    live::single(found, &selector)
}
