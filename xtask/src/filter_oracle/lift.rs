//! The listings of the suite lifted back to expressions: how many are proved to be the same, and how many of those are in
//! words alone.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::Instant;

use serde_json::Value;
use skep_filter::equivalence::Answer;
use skep_filter::lift::lift;
use skep_isa::classic::text::{Form, read};

use super::{Source, foreign, options, rows, text};

/// What came of the listings.
#[derive(Debug, Default)]
pub struct Figures {
    listings: usize,
    proved: usize,
    in_words: usize,
    /// Why the others were not, and how many.
    others: BTreeMap<String, usize>,
    slowest: (f64, String),
    shown: Vec<String>,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.shown {
            writeln!(f, "{line}")?;
        }
        for (why, count) in &self.others {
            writeln!(f, "not proved: {why} ({count})")?;
        }
        let share = |n: usize| 100.0 * n as f64 / self.listings.max(1) as f64;
        writeln!(
            f,
            "{} listings, {} lifted and proved ({:.1} %), {} of them in words ({:.1} %); the slowest took {:.2} s: {}",
            self.listings,
            self.proved,
            share(self.proved),
            self.in_words,
            share(self.in_words),
            self.slowest.0,
            self.slowest.1
        )
    }
}

/// Lifts each listing once. With `show`, what it was and what it has become is said.
///
/// # Errors
/// If the tests can't be read.
pub fn run(source: &Source, show: bool) -> Result<Figures, Box<dyn Error>> {
    let mut figures = Figures::default();
    let mut seen = BTreeSet::new();
    for row in rows(source)?.iter().filter(|r| text(r, "func") == "accept" && foreign(r).is_none()) {
        let fresh = seen.insert((text(row, "DLT").to_owned(), text(row, "expected").to_owned()));
        if fresh && text(row, "expr") != "_enumerate_bpf_image" {
            one(row, show, &mut figures)?;
        }
    }
    Ok(figures)
}

fn one(row: &Value, show: bool, figures: &mut Figures) -> Result<(), Box<dyn Error>> {
    let insns = read(text(row, "expected"), Form::Listing).map_err(|e| e.to_string())?;
    let was = text(row, "expr");
    figures.listings += 1;
    let start = Instant::now();
    let lifted = lift(&insns, options(row)?.dlt);
    let took = start.elapsed().as_secs_f64();
    if took > figures.slowest.0 {
        figures.slowest = (took, was.to_owned());
    }
    match lifted {
        Ok(lifted) if lifted.answer == Answer::Same => {
            figures.proved += 1;
            figures.in_words += usize::from(lifted.in_words);
            if show {
                figures.shown.push(format!("{} `{was}`: `{}`", text(row, "DLT"), lifted.expression));
            }
        }
        Ok(lifted) => {
            let why = match lifted.answer {
                Answer::Unknown(why) => why.to_string(),
                _ => "a packet tells them apart".into(),
            };
            *figures.others.entry(why).or_default() += 1;
        }
        Err(e) => {
            if show {
                figures.shown.push(format!("{} `{was}`: {e}", text(row, "DLT")));
            }
            // Without the number of the instruction, so that reasons can be counted.
            let why = e.to_string();
            let why = match (e.insn(), why.split_once(": ")) {
                (Some(_), Some((_, why))) => why.to_owned(),
                _ => why,
            };
            *figures.others.entry(why).or_default() += 1;
        }
    }
    Ok(())
}
