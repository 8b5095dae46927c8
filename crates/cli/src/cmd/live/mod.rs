//! What the commands on live objects share: bpftool's way to name objects and to give options as words, and what every
//! listing says of an object's pins and holders.

pub(crate) mod words;

use std::borrow::Cow;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use skep::backend::{Error, ErrorKind};
use skep::kernel::objects::{Holders, Kind, Pins, Selector};
use skep_sys::signal::{HUP, INT, Signals, TERM};

use crate::failure::Failure;
use crate::output::Output;

pub(crate) use words::Words;

/// What a library could not do.
pub(crate) fn failure(e: &Error) -> Failure {
    let failure = Failure::new(e.to_string()).hint_opt(e.hint().map(str::to_owned));
    if e.kind() == ErrorKind::Rejected { failure.negative() } else { failure }
}

/// Bytes as bpftool's JSON has them: a list of `"0x0a"`.
pub(crate) fn hex_list(bytes: &[u8]) -> Value {
    bytes.iter().map(|b| Value::from(format!("0x{b:02x}"))).collect()
}

/// Bytes as bpftool's text has them: `0a 0b`, in lines of twice eight.
pub(crate) fn hex_lines(bytes: &[u8]) -> String {
    let eight = |part: &[u8]| part.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    let line = |line: &[u8]| line.chunks(8).map(eight).collect::<Vec<_>>().join("  ");
    bytes.chunks(16).map(line).collect::<Vec<_>>().join("\n")
}

/// A text of someone else's, without what would move a terminal's cursor.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        text.chars().map(|c| if c.is_control() && c != '\t' { '?' } else { c }).collect::<String>().into()
    } else {
        text.into()
    }
}

/// Which paths and processes keep objects of a kind alive.
pub(crate) struct Kept {
    pins: Option<Pins>,
    holders: Holders,
}

impl Kept {
    /// Looks for holders, and, if asked to, for pins.
    pub(crate) fn scan(kind: Kind, pins: bool) -> Self {
        Self { pins: pins.then(|| Pins::scan(kind)), holders: Holders::scan(kind) }
    }

    fn paths(&self, id: u32) -> &[PathBuf] {
        self.pins.as_ref().map_or(&[], |p| p.of(id))
    }

    /// Whether any process is known to hold it.
    pub(crate) fn is_held(&self, id: u32) -> bool {
        !self.holders.of(id).is_empty()
    }

    /// `pinned` of an object.
    pub(crate) fn pinned_json(&self, id: u32, o: &mut Map<String, Value>) {
        let paths = self.paths(id);
        if !paths.is_empty() {
            let paths = paths.iter().map(|p| Value::from(p.to_string_lossy()));
            o.insert("pinned".into(), paths.collect());
        }
    }

    /// `pids` of an object.
    pub(crate) fn pids_json(&self, id: u32, o: &mut Map<String, Value>) {
        let holders = self.holders.of(id);
        if !holders.is_empty() {
            let pids = holders.iter().map(|h| json!({"pid": h.pid, "comm": h.comm}));
            o.insert("pids".into(), pids.collect());
        }
    }

    /// `\n\tpinned /sys/fs/bpf/x` for each path.
    pub(crate) fn print_pinned(&self, id: u32, out: &mut Output) -> Result<(), Failure> {
        for path in self.paths(id) {
            write!(out, "\n\tpinned {}", plain(&path.to_string_lossy()))?;
        }
        Ok(())
    }

    /// `\n\tpids skep(17)`.
    pub(crate) fn print_pids(&self, id: u32, out: &mut Output) -> Result<(), Failure> {
        let holders = self.holders.of(id);
        if !holders.is_empty() {
            let names: Vec<_> = holders.iter().map(|h| format!("{}({})", plain(&h.comm), h.pid)).collect();
            write!(out, "\n\tpids {}", names.join(", "))?;
        }
        Ok(())
    }
}

/// How long something is watched: for a time, or until ctrl-c, which then is no failure.
pub(crate) struct Until {
    signals: Signals,
    deadline: Option<Instant>,
}

impl Until {
    /// From now on.
    pub(crate) fn new(duration: Option<Duration>) -> Result<Self, Failure> {
        let signals = Signals::hold(&[INT, TERM, HUP]);
        let signals = signals.map_err(|e| Failure::new(format!("holding signals: {e}")))?;
        Ok(Self { signals, deadline: duration.map(|d| Instant::now() + d) })
    }

    /// Until when to wait at most before asking whether it is over.
    pub(crate) fn slice(&self) -> Option<Instant> {
        let soon = Instant::now() + Duration::from_millis(100);
        Some(self.deadline.map_or(soon, |d| d.min(soon)))
    }

    /// Whether the time is up, or somebody wants it to end.
    pub(crate) fn over(&self) -> bool {
        self.signals.take().is_some() || self.deadline.is_some_and(|d| Instant::now() >= d)
    }
}

/// What a command did to one object, as JSON: nothing is printed without `--json`.
pub(crate) fn done(
    out: &mut Output,
    schema: &str,
    action: &str,
    facts: &[(&str, Value)],
) -> Result<(), Failure> {
    if !out.json {
        return Ok(());
    }
    let mut o = Map::new();
    o.insert("schema".into(), schema.into());
    o.insert("done".into(), action.into());
    o.extend(facts.iter().map(|(k, v)| ((*k).to_owned(), v.clone())));
    out.object(&o)
}

/// The only one of what was found.
pub(crate) fn single<T>(mut found: Vec<T>, selector: &Selector) -> Result<T, Failure> {
    match found.pop() {
        Some(one) if found.is_empty() => Ok(one),
        _ => Err(Failure::new(format!("several objects have {selector}")).hint("give an id")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_bpftool_does() {
        assert_eq!(hex_list(&[0, 171]), json!(["0x00", "0xab"]));
        assert_eq!(hex_lines(&[1; 17]), "01 01 01 01 01 01 01 01  01 01 01 01 01 01 01 01\n01");
        assert_eq!(plain("a\x1b[2Jb\n"), "a?[2Jb?");
    }
}
