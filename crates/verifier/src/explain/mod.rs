//! Refusals told to a person: what was to be shown, what was shown, where that came from, and what would help.
//!
//! [`explain`] verifies a refused program again with a record ([`crate::trace`]), going on behind each refusal, so that all
//! independent ones are found; the kernel's comes first. Each becomes a [`Diagnostic`]: [`tell`] chooses words and causes by
//! the refusal's code, from the states along its path ([`path`]); [`place`] says where they stand in the source; [`fix`]
//! proposes instructions and keeps those that a further verification shows to help. What has no words of its own here is
//! told in the kernel's, with its place.

mod c_fix;
mod fix;
mod lines;
mod patch;
mod path;
mod place;
mod tell;
mod tell_calls;
mod tell_packet;
mod tell_sections;
mod words;

use skep_diag::{Diagnostic, Fix};

use crate::refusal::Refusal;
use crate::refusal::Stop;
use crate::structure;
use crate::task::Task;
use crate::trace::{Moment, Trace};
use crate::{Kept, codes, run};
use path::Path;
pub use place::Places;
use tell::Telling;

/// A refusal and its telling.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What was refused.
    pub refusal: Refusal,
    /// What to say of it.
    pub diagnostic: Diagnostic,
}

/// A refusal, and the path to it.
pub(crate) struct Found {
    pub(crate) refusal: Refusal,
    pub(crate) path: Vec<Moment>,
}

/// Tells why a program is refused: the refusal that the kernel gives first, then others that do not follow from it, at most
/// `limit` in all. Empty if the program is accepted or not modelled.
pub fn explain(task: &Task, places: &Places, limit: usize) -> Vec<Explained> {
    let found = collect(task, limit.max(1));
    let slots = structure::decode_slots(&task.insns);
    found
        .into_iter()
        .map(|f| {
            let path = Path::new(&slots, f.path);
            let told = tell::tell(task, places, &f.refusal, &path);
            let fix = fix::fix(task, places, &f.refusal, &path);
            let diagnostic = draw(places, &f.refusal, told, fix);
            Explained { refusal: f.refusal, diagnostic }
        })
        .collect()
}

/// One walk with a record; the refusal that ended it, if one did.
fn walk(task: &Task, trace: Trace) -> (Option<Box<Trace>>, Option<Box<Refusal>>) {
    let mut kept = Kept { trace: Some(Box::new(trace)), ..Kept::default() };
    let stop = run(task, &mut kept);
    let refusal = match stop {
        Err(Stop::Refused(r)) => Some(r),
        _ => None,
    };
    (kept.trace, refusal)
}

fn collect(task: &Task, limit: usize) -> Vec<Found> {
    let (first, last) = walk(task, Trace::new(limit));
    let Some(first) = first.filter(|t| !t.failures.is_empty()) else {
        // Refused before a path was walked, or after all of them: there is none to tell.
        return last.map(|r| Found { refusal: *r, path: Vec::new() }).into_iter().collect();
    };
    let (second, _) = walk(task, first.again());
    let Some(second) = second else { return Vec::new() };
    second.failures.iter().map(|f| Found { refusal: (*f.refusal).clone(), path: second.path(f) }).collect()
}

/// The refusals alone.
pub(crate) fn refusals(task: &Task, limit: usize) -> Vec<Refusal> {
    let (trace, last) = walk(task, Trace::new(limit));
    let found: Vec<Refusal> = trace.iter().flat_map(|t| &t.failures).map(|f| (*f.refusal).clone()).collect();
    if found.is_empty() { last.map(|r| *r).into_iter().collect() } else { found }
}

/// Puts a telling into its places.
fn draw(places: &Places, refusal: &Refusal, told: Telling, fix: Option<fix::Mended>) -> Diagnostic {
    let mut causes = told.causes;
    causes.sort_by_key(|c| c.at);
    causes.dedup_by(|a, b| a.slot == b.slot && a.text == b.text);
    let slots: Vec<usize> = causes.iter().map(|c| c.slot).chain(core::iter::once(refusal.insn)).collect();
    let (sources, spans) = places.locate(&slots);
    let mut d = Diagnostic::error(told.title);
    if let Some(code) = codes::code(refusal.code) {
        d = d.code(code);
    }
    d.sources = sources;
    for (cause, (source, span)) in causes.iter().zip(&spans) {
        d = d.because(*source, span.clone(), cause.text.clone());
    }
    if let Some((source, span)) = spans.last() {
        d = d.primary(*source, span.clone(), told.label);
    }
    if places.is_line(refusal.insn) {
        d = d.note(format!("instruction {}: {}", refusal.insn, places.insn(refusal.insn)));
    }
    for note in told.notes {
        d = d.note(note);
    }
    let said = refusal.message.replace('\n', "; ");
    if !said.is_empty() {
        d = d.note(format!("Linux says: {said}"));
    }
    match fix {
        Some(fix::Mended { patch: Some(patch), .. }) => with_patch(d, places, patch),
        Some(fix::Mended { note: Some(note), .. }) => d.note(note),
        Some(fix) => with_fix(d, places, fix.proposal),
        None => d,
    }
}

/// A patch of lines of C.
fn with_patch(mut d: Diagnostic, places: &Places, patch: c_fix::Patch) -> Diagnostic {
    let source = places.patched(patch.file, patch.first, patch.last);
    let start = source.line_span(patch.first as usize).map_or(0, |s| s.start);
    // Whole lines with their ends; none, where lines are put in.
    let end = match patch.first <= patch.last {
        true => source.line_span(patch.last as usize).map_or(start, |s| (s.end + 1).min(source.text.len())),
        false => start,
    };
    d.sources.push(source);
    let fix = Fix {
        title: patch.title,
        source: d.sources.len() - 1,
        span: start..end,
        replacement: patch.replacement,
    };
    d.fix = Some(fix);
    d
}

fn with_fix(mut d: Diagnostic, places: &Places, fix: fix::Proposal) -> Diagnostic {
    let (source, span) = match places.asm() {
        Some((_, spans)) => (0, spans.get(&fix.at).map_or(0, |s| s.start)),
        None => {
            let listing = places.excerpt(fix.at.saturating_sub(1)..fix.at + 2);
            let at = listing.line_span(fix.at).map_or(0, |s| s.start);
            // In a listing of instructions the source is there already.
            d.sources.push(listing);
            (d.sources.len() - 1, at)
        }
    };
    // Whole lines are put in before the instruction's, as far in as it is.
    let text = &d.sources[source].text;
    let line = text.get(..span).and_then(|t| t.rfind('\n')).map_or(0, |n| n + 1);
    let before = text.get(line..span).unwrap_or_default();
    // A label may stand before the instruction.
    let (span, indent) = if before.trim().is_empty() { (line, before) } else { (span, "") };
    let replacement: String = fix.lines.iter().map(|l| format!("{indent}{l}\n")).collect();
    d.fix = Some(Fix { title: fix.title, source, span: span..span, replacement });
    d
}
