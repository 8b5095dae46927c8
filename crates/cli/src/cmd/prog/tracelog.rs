//! `skep prog tracelog`: the lines that programs print.

use std::io::Write;
use std::time::Duration;

use serde_json::json;
use skep::kernel::objects::tracelog::{Stream, TracePipe, stream};

use super::super::live::{Until, Words, failure, plain};
use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep prog tracelog                    the trace pipe, until ctrl-c
  skep prog tracelog --for 5 --json
  skep prog tracelog stderr id 17       what a program said to its own stream (bpf_stream_printk)

A line of the pipe goes to whoever reads it first: other readers do not get it.";

/// Show what programs print: the trace pipe, or a program's own streams
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Nothing, or {stdout|stderr} PROG
    #[arg(value_name = "STREAM PROG")]
    words: Vec<String>,

    /// For how long; without it, until ctrl-c
    #[arg(long = "for", value_name = "SECONDS", value_parser = super::stats::seconds)]
    duration: Option<Duration>,
}

pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    if !words.is_empty() {
        let which = match words.keyword(&["stdout", "stderr"])? {
            "stdout" => Stream::Stdout,
            _ => Stream::Stderr,
        };
        let prog = super::one(&mut words)?;
        words.finish()?;
        let text = stream(&prog, which).map_err(|e| failure(&e))?;
        let text = String::from_utf8_lossy(&text);
        for line in text.lines() {
            print(line, out)?;
        }
        return Ok(Verdict::Yes);
    }
    let mut pipe = TracePipe::open().map_err(|e| failure(&e))?;
    let until = Until::new(args.duration)?;
    while !until.over() {
        for line in pipe.lines(until.slice()).map_err(|e| failure(&e))? {
            print(&line, out)?;
        }
        // Somebody is watching.
        out.flush()?;
    }
    Ok(Verdict::Yes)
}

fn print(line: &str, out: &mut Output) -> Result<(), Failure> {
    if out.json {
        let object = json!({"schema": "skep.prog-tracelog/1", "line": line});
        return Ok(writeln!(out, "{object}")?);
    }
    Ok(writeln!(out, "{}", plain(line))?)
}
