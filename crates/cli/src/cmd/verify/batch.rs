//! `skep verify --batch`: one program a line in, as a JSON object, and one verdict a line out, for CI, editors and
//! fuzzers.
//!
//! Lines are answered in order and each is flushed. A line that can't be read is answered with what is wrong with
//! it, and the next goes on. Types of the kernel come from the line's `vmlinux`, else from the running kernel.

use std::io::{BufRead, Read, Write};
use std::time::Instant;

use serde::Serialize;
use skep::verifier::{LogLevel, Outcome, Verdict as Decision, verify, verify_logged};

use super::line::Reader;
use crate::Verdict;
use crate::failure::{Failure, reason};
use crate::output::Output;

/// Longest line: a program of a million instructions is 16 MB in hex, and its types some more.
const MAX_LINE: u64 = 256 << 20;

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    name: &'a str,
    verdict: &'static str,
    errno: i32,
    insns_processed: u32,
    total_states: u32,
    time_us: u64,
    code: Option<&'static str>,
    insn: Option<usize>,
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
}

#[derive(Serialize)]
struct Unreadable<'a> {
    schema: &'static str,
    name: Option<&'a str>,
    error: String,
}

const SCHEMA: &str = "skep.verify-batch/1";

/// Answers every line of stdin; with the log of states, if it is wanted.
pub(super) fn run(logged: Option<LogLevel>, out: &mut Output) -> Result<Verdict, Failure> {
    let mut stdin = std::io::stdin().lock();
    let mut reader = Reader::default();
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let n = (&mut stdin)
            .take(MAX_LINE)
            .read_until(b'\n', &mut bytes)
            .map_err(|e| Failure::new(format!("<stdin>: {}", reason(&e))))?;
        if n == 0 {
            return Ok(Verdict::Yes);
        }
        if n as u64 == MAX_LINE && bytes.last() != Some(&b'\n') {
            return Err(Failure::new(format!("<stdin>: a line is longer than {} MiB", MAX_LINE >> 20)));
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        answer(&mut reader, &bytes, logged, out)?;
        out.flush()?;
    }
}

fn answer(
    reader: &mut Reader,
    bytes: &[u8],
    logged: Option<LogLevel>,
    out: &mut Output,
) -> Result<(), Failure> {
    let task = match reader.task(bytes) {
        Ok(task) => task,
        Err(e) => {
            return line(out, &Unreadable { schema: SCHEMA, name: e.name.as_deref(), error: e.message });
        }
    };
    let begin = Instant::now();
    let outcome = verify(&task);
    let time_us = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
    let log = logged.map(|level| verify_logged(&task, level, reader.source()).1);
    line(out, &Answer { log, ..told(&task.name, &outcome, time_us) })
}

fn told<'a>(name: &'a str, outcome: &'a Outcome, time_us: u64) -> Answer<'a> {
    let (verdict, errno, code, insn, message) = match &outcome.verdict {
        Decision::Accept => ("accept", 0, None, None, None),
        Decision::Reject(r) => ("reject", r.errno, Some(r.code), Some(r.insn), Some(r.message.as_str())),
        Decision::NotModelled(what) => ("not_modelled", 0, None, None, Some(what.as_str())),
    };
    Answer {
        schema: SCHEMA,
        name,
        verdict,
        errno,
        insns_processed: outcome.counts.insns,
        total_states: outcome.counts.total_states,
        time_us,
        code,
        insn,
        message,
        log: None,
    }
}

/// One line, also on a terminal.
fn line(out: &mut Output, value: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, value).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}
