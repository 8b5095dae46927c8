//! `skep prog stats`: which programs run, how often, and how long a run takes.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skep::kernel::objects::Prog;
use skep::kernel::objects::stats::{Count, Counting};

use super::super::live::{Words, failure, words};
use crate::Verdict;
use crate::failure::Failure;
use crate::output::{Output, Style};

const EXAMPLES: &str = "\
Examples:
  skep prog stats                       what ran within one second
  skep prog stats id 17 --for 10
  skep prog stats --for 0.5 --json

The kernel counts only while somebody asks it to, which costs each run some 20 ns.";

/// Count the runs of programs, and the time that they take, for a while
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Only this one: `id N`, `name NAME`, `tag TAG` or `pinned PATH`
    #[arg(value_name = "PROG")]
    words: Vec<String>,

    /// For how long
    #[arg(long = "for", value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    duration: Duration,
}

/// Seconds, with a fraction if need be; at most a day.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(s) if (0.0..=86_400.0).contains(&s) => Ok(Duration::from_secs_f64(s)),
        _ => Err("give seconds, such as 5 or 0.5, up to 86400".to_owned()),
    }
}

pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let wanted = match words.is_empty() {
        true => None,
        false => Some(words.selector(words::PROGRAM)?),
    };
    words.finish()?;
    let read = || wanted.as_ref().map_or_else(Prog::all, Prog::find).map_err(|e| failure(&e));
    let before = read()?;
    let counting = Counting::start(&before).map_err(|e| failure(&e))?;
    let started = Instant::now();
    std::thread::sleep(args.duration);
    let mut counts = counting.read(read()?);
    let took = started.elapsed();
    drop(counting);
    if wanted.is_none() {
        counts.retain(|c| c.run_cnt != 0 || c.recursion_misses != 0);
    }
    counts.sort_by_key(|c| std::cmp::Reverse((c.run_time_ns, c.run_cnt)));
    if out.json {
        let progs: Vec<_> = counts.iter().map(json).collect();
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        out.object(&json!({"schema": "skep.prog-stats/1", "duration_ns": ns, "progs": progs}))?;
        return Ok(Verdict::Yes);
    }
    if counts.is_empty() {
        out.note("no program ran meanwhile");
        return Ok(Verdict::Yes);
    }
    let head = format!(
        "{:>8} {:<16} {:>12} {:>14} {:>10} {:>8}  name",
        "id", "type", "run_cnt", "run_time_ns", "ns/run", "cpu"
    );
    writeln!(out, "{}", out.paint(Style::Heading, head))?;
    for c in &counts {
        let share = c.run_time_ns as f64 / took.as_nanos() as f64 * 100.0;
        writeln!(
            out,
            "{:>8} {:<16} {:>12} {:>14} {:>10} {share:>7.2}%  {}",
            c.prog.info.id,
            c.prog.prog_type().to_string(),
            c.run_cnt,
            c.run_time_ns,
            c.run_time_ns.checked_div(c.run_cnt).map_or("-".into(), |n| n.to_string()),
            c.prog.name(),
        )?;
    }
    Ok(Verdict::Yes)
}

fn json(c: &Count) -> Value {
    json!({
        "id": c.prog.info.id,
        "type": c.prog.prog_type().to_string(),
        "name": c.prog.name(),
        "run_cnt": c.run_cnt,
        "run_time_ns": c.run_time_ns,
        "recursion_misses": c.recursion_misses,
    })
}
