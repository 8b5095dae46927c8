//! One file of the corpus, run on every engine, and what came out held against what is expected.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::engine::{Answer, ENGINES};
use super::header::{Header, Run};
use super::text::{Program, assemble};

/// A file, read.
#[derive(Clone, Debug)]
pub struct Case {
    /// Path below the corpus, without the suffix.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
    /// The header.
    pub header: Header,
    /// The program.
    pub program: Program,
}

/// The default packet: 64 bytes that count.
const PACKET: [u8; 64] = {
    let mut bytes = [0; 64];
    let mut i = 0;
    while i < 64 {
        bytes[i] = i as u8;
        i += 1;
    }
    bytes
};

impl Case {
    /// Reads and assembles a file.
    ///
    /// # Errors
    /// What is wrong with it, with the line.
    pub fn read(name: &str, path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
        let header = Header::parse(&text).map_err(|e| e.to_string())?;
        let program = assemble(&text)?;
        if program.mark("trap").is_some() && header.run != Run::Trap {
            return Err("a trap is marked, and `run` does not expect one".into());
        }
        Ok(Self { name: name.to_owned(), path: path.to_owned(), text, header, program })
    }

    /// The packet that it is run on.
    pub fn packet(&self) -> &[u8] {
        self.header.packet.as_deref().unwrap_or(&PACKET)
    }

    /// Whether r0 counts in full; programs on packets answer with its low half.
    fn wide_result(&self) -> bool {
        self.header.mem.is_some()
    }
}

/// A run that stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// What was said.
    pub message: String,
    /// The instruction's first slot, if it was said.
    pub slot: Option<usize>,
}

/// What an engine that ran the program saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// r0, or why there is none.
    pub r0: Option<Result<u64, Stopped>>,
    /// The packet or memory afterwards.
    pub out: Option<Vec<u8>>,
    /// Values for the `after` lines, spelled as there, in their order.
    pub after: Vec<String>,
    /// Everything emitted, spelled as `event` lines; `None` if the engine does not see it.
    pub events: Option<Vec<[String; 2]>>,
}

/// What became of a file.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One message a difference: the engine, then what differs.
    pub failures: Vec<String>,
    /// Engines that were left out, with the reason.
    pub skipped: Vec<(&'static str, String)>,
    /// What the reference engine saw, for blessing.
    pub observed: Option<Observed>,
}

/// Runs a file on all engines.
pub fn run(case: &Case) -> Report {
    let mut report = Report::default();
    for engine in ENGINES {
        if let Some(why) = case.header.engines.skip_reason(engine.name()) {
            report.skipped.push((engine.name(), why.to_owned()));
            continue;
        }
        match engine.run(case) {
            Ok(Answer::Done) => {}
            Ok(Answer::Skipped(why)) => report.skipped.push((engine.name(), why)),
            Ok(Answer::Observed(observed)) => {
                let differences = compare(case, &observed);
                report.failures.extend(differences.iter().map(|d| format!("{}: {d}", engine.name())));
                report.observed.get_or_insert(observed);
            }
            Err(why) => report.failures.push(format!("{}: {why}", engine.name())),
        }
    }
    report
}

fn compare(case: &Case, observed: &Observed) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(r0) = &observed.r0 {
        out.extend(compare_r0(case, r0));
    }
    if let (Some(want), Some(got)) = (&case.header.out, &observed.out)
        && want != got
    {
        out.push(format!("expected out {}\n  found {}", super::bless::spell(want), super::bless::spell(got)));
    }
    for (line, got) in case.header.after.iter().zip(&observed.after) {
        if line[2] != *got {
            out.push(format!("expected after {} {} {}, found {got}", line[0], line[1], line[2]));
        }
    }
    let want: Vec<_> = case.header.events.iter().filter(|e| e[0] != "none").collect();
    if let Some(events) = observed.events.as_ref().filter(|_| !case.header.events.is_empty())
        && !want.iter().copied().eq(events)
    {
        out.push(format!("expected events {want:?}, found {events:?}"));
    }
    out
}

fn compare_r0(case: &Case, r0: &Result<u64, Stopped>) -> Option<String> {
    let mask = if case.wide_result() { u64::MAX } else { u64::from(u32::MAX) };
    match (case.header.run, r0) {
        (Run::Skip, _) => None,
        (Run::Value(want), Ok(got)) if want & mask == got & mask => None,
        (Run::Value(want), Ok(got)) => Some(format!("expected run {want:#x}, found {got:#x}")),
        (Run::Value(want), Err(stop)) => {
            Some(format!("expected run {want:#x}, found a trap: {}", stop.message))
        }
        (Run::Trap, Ok(got)) => Some(format!("expected a trap, found r0 = {got:#x}")),
        (Run::Trap, Err(stop)) => compare_trap(case, stop),
    }
}

/// A trap has to say what the mark says, on the mark's line.
fn compare_trap(case: &Case, stop: &Stopped) -> Option<String> {
    let mark = case.program.mark("trap")?;
    let mut wrong = String::new();
    if !stop.message.contains(&mark.text) {
        let _ = write!(wrong, "expected a trap that says `{}`, found `{}`", mark.text, stop.message);
    }
    let line = stop.slot.and_then(|slot| case.program.line_of(slot));
    if line != Some(mark.line) {
        let found = line.map_or("at no line".to_owned(), |l| format!("on line {l}"));
        let _ = write!(
            wrong,
            "{}expected the trap on line {}, found it {found}",
            if wrong.is_empty() { "" } else { "; " },
            mark.line
        );
    }
    (!wrong.is_empty()).then_some(wrong)
}
