//! `skep map event_pipe`.

use std::io::Write;
use std::time::Duration;

use serde_json::json;
use skep::kernel::objects::Access;
use skep::kernel::objects::pipe::{Event, EventPipe, What};

use super::super::live::{Until, Words, failure, hex_lines, hex_list};
use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep map event_pipe name events             until ctrl-c
  skep map event_pipe id 5 --for 10 --json
  skep map event_pipe id 5 cpu 1 index 0

While it runs, its rings stand in the array; others that read the array at the same time get nothing.";

/// Read what programs send through a perf_event_array
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// MAP [cpu N index M]
    #[arg(value_name = "MAP", required = true)]
    words: Vec<String>,

    /// For how long; without it, until ctrl-c
    #[arg(long = "for", value_name = "SECONDS", value_parser = super::super::prog::seconds)]
    duration: Option<Duration>,
}

pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let map = super::one(&mut words, Access::Write)?;
    let (mut cpu, mut index) = (None, None);
    while !words.is_empty() {
        match words.keyword(&["cpu", "index"])? {
            "cpu" => cpu = Some(words.number("the CPU")?),
            _ => index = Some(words.number("the index")?),
        }
    }
    let only = match (cpu, index) {
        (Some(cpu), Some(index)) => Some((cpu, index)),
        (None, None) => None,
        _ => return Err(Failure::new("`cpu` and `index` go together")),
    };
    let mut pipe = EventPipe::open(map, only).map_err(|e| failure(&e))?;
    let until = Until::new(args.duration)?;
    while !until.over() {
        for event in pipe.events(until.slice()).map_err(|e| failure(&e))? {
            print(&event, out)?;
        }
        // Somebody is watching.
        out.flush()?;
    }
    Ok(Verdict::Yes)
}

fn print(event: &Event, out: &mut Output) -> Result<(), Failure> {
    let Event { cpu, index, what } = event;
    let schema = "skep.map-event-pipe/1";
    match what {
        What::Sample { timestamp, data } if out.json => {
            let data = hex_list(data);
            let object = json!({"schema": schema, "type": 9, "cpu": cpu, "index": index, "timestamp": timestamp, "data": data});
            writeln!(out, "{object}")?;
        }
        What::Lost(count) if out.json => {
            let object =
                json!({"schema": schema, "type": 2, "cpu": cpu, "index": index, "lost": {"count": count}});
            writeln!(out, "{object}")?;
        }
        What::Sample { timestamp, data } => {
            let (s, ns) = (timestamp / 1_000_000_000, timestamp % 1_000_000_000);
            writeln!(out, "== @{s}.{ns:09} CPU: {cpu} index: {index} =====\n{}", hex_lines(data))?;
        }
        What::Lost(count) => writeln!(out, "lost {count} events")?,
    }
    Ok(())
}
