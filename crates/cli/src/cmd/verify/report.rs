//! What is printed of verdicts, and its JSON.

use std::io::Write;

use serde::Serialize;
use skep::abi::ProgType;
use skep::diag::Report as Finding;
use skep::diag::render::render;
use skep::verifier::Verdict as Decision;

use super::judge::Judged;
use crate::failure::Failure;
use crate::output::{Output, Style};

#[derive(Serialize)]
pub(super) struct Json<'a> {
    pub(super) schema: &'static str,
    pub(super) file: String,
    pub(super) programs: Vec<Entry<'a>>,
}

/// One program.
#[derive(Serialize)]
pub(super) struct Entry<'a> {
    program: &'a str,
    r#type: String,
    verdict: &'static str,
    not_modelled: Option<&'a str>,
    errno: i32,
    insns: usize,
    insns_processed: u32,
    total_states: u32,
    peak_states: u32,
    time_us: u64,
    refusals: Vec<Finding>,
}

impl<'a> Entry<'a> {
    pub(super) fn new(name: &'a str, prog_type: ProgType, j: &'a Judged) -> Self {
        let (verdict, not_modelled, errno) = match &j.outcome.verdict {
            Decision::Accept => ("accept", None, 0),
            Decision::Reject(r) => ("reject", None, r.errno),
            Decision::NotModelled(what) => ("not_modelled", Some(what.as_str()), 0),
        };
        let counts = j.outcome.counts;
        Self {
            program: name,
            r#type: prog_type.to_string(),
            verdict,
            not_modelled,
            errno,
            insns: j.task.insns.len(),
            insns_processed: counts.insns,
            total_states: counts.total_states,
            peak_states: counts.peak_states,
            time_us: u64::try_from(j.took.as_micros()).unwrap_or(u64::MAX),
            refusals: j.told.iter().map(|e| e.diagnostic.report()).collect(),
        }
    }
}

/// One program as text.
pub(super) fn print(name: &str, prog_type: ProgType, j: &Judged, out: &mut Output) -> Result<(), Failure> {
    let shown = out.paint(Style::Name, name);
    let counts = j.outcome.counts;
    match &j.outcome.verdict {
        Decision::Accept => {
            let word = out.paint(Style::Good, "accepted");
            writeln!(
                out,
                "{shown} ({prog_type}): {word}; {} instructions, {} processed in {} us",
                j.task.insns.len(),
                counts.insns,
                j.took.as_micros()
            )?;
        }
        Decision::NotModelled(what) => {
            let word = out.paint(Style::Warn, "no verdict");
            writeln!(out, "{shown} ({prog_type}): {word}: {what} is not modelled")?;
            out.warn(format_args!("{name} was not verified: {what} is not modelled"));
        }
        Decision::Reject(_) => {
            let word = out.paint(Style::Bad, "refused");
            let n = j.told.len();
            let how_many = if n > 1 { format!(", for {n} reasons") } else { String::new() };
            writeln!(out, "{shown} ({prog_type}): {word}{how_many}\n")?;
            findings(j, out)?;
        }
    }
    Ok(())
}

/// The refusals, drawn.
fn findings(j: &Judged, out: &mut Output) -> Result<(), Failure> {
    let drawing = out.drawing();
    for e in &j.told {
        writeln!(out, "{}\n", render(&e.diagnostic, &drawing))?;
    }
    let codes: Vec<&str> = j.told.iter().map(|e| e.refusal.code).collect();
    if let Some(first) = codes.first() {
        writeln!(out, "`skep explain {first}` tells more.")?;
    }
    Ok(())
}
