//! What `skep run` found, as data and as text.

use std::io::Write;

use serde_json::{Map, Value, json};
use skep::abi::ProgType;
use skep::backend::TestOutput;

use super::maps::{self, Dump};
use super::tally::Tally;
use crate::failure::Failure;
use crate::output::{Output, Style};

/// How many kinds of error, lines of trace and events the text shows.
const SHOWN: usize = 10;

/// Everything that is told of a run, but what the tally has.
pub(super) struct Report<'a> {
    program: &'a str,
    prog_type: ProgType,
    big_endian: bool,
    /// Engine and world.
    pub(super) names: [&'static str; 2],
    pub(super) maps: Vec<Dump>,
    pub(super) all_maps: bool,
    /// The verifier accepted it.
    pub(super) verified: bool,
    /// There is one run, not one a packet of a capture.
    pub(super) single: bool,
    /// What that one gave, if it did not go wrong.
    answer: Option<Answer>,
}

/// What a single run gave.
struct Answer {
    r0: u64,
    packet: Option<Vec<u8>>,
    mem: Option<Vec<u8>>,
    ctx: Option<Vec<u8>>,
}

impl<'a> Report<'a> {
    pub(super) fn new(program: &'a str, prog_type: ProgType, big_endian: bool) -> Self {
        Self {
            program,
            prog_type,
            big_endian,
            names: ["interp", "user"],
            maps: Vec::new(),
            all_maps: false,
            verified: false,
            single: false,
            answer: None,
        }
    }

    pub(super) fn once(&mut self, o: TestOutput, packet: bool) {
        let packet = packet.then_some(o.packet);
        self.answer = Some(Answer { r0: o.retval, packet, mem: o.mem, ctx: o.ctx });
    }

    pub(super) fn json(&self, t: &Tally<'_>) -> Value {
        let hex = |b: &Option<Vec<u8>>| b.as_deref().map(maps::hex);
        let a = self.answer.as_ref();
        let errors: Map<String, Value> =
            t.first_errors.iter().map(|(n, m)| (n.to_string(), m.as_str().into())).collect();
        let verdicts: Map<String, Value> =
            t.verdicts(self.prog_type).into_iter().map(|(v, n)| (v, n.into())).collect();
        let maps: Map<String, Value> = self.maps.iter().map(|d| (d.name.clone(), json!(d.entries))).collect();
        let cut: Map<String, Value> = self
            .maps
            .iter()
            .filter(|d| d.total > d.entries.len())
            .map(|d| (d.name.clone(), d.total.into()))
            .collect();
        json!({
            "schema": "skep.run/1",
            "program": self.program,
            "type": self.prog_type.to_string(),
            "engine": self.names[0],
            "backend": self.names[1],
            "endian": if self.big_endian { "big" } else { "little" },
            "verified": self.verified,
            "packets": t.packets,
            "packets_cut_by_capture": t.cut,
            "verdicts": verdicts,
            "errors": errors,
            "errors_total": t.error_count(),
            "ns_per_packet": t.ns_per_packet(),
            "redirects": t.redirects,
            "trace": t.trace,
            "trace_total": t.traced,
            "events": t.records,
            "events_total": t.record_count(),
            "events_lost": t.lost,
            "written": t.written,
            "retval": a.map(|a| a.r0),
            "packet": a.and_then(|a| hex(&a.packet)),
            "mem": a.and_then(|a| hex(&a.mem)),
            "ctx": a.and_then(|a| hex(&a.ctx)),
            "maps": maps,
            "maps_cut": cut,
        })
    }

    pub(super) fn print(&self, t: &Tally<'_>, out: &mut Output) -> Result<(), Failure> {
        let name = out.paint(Style::Name, self.program);
        write!(out, "{name} ({}): ", self.prog_type)?;
        match &self.answer {
            Some(a) => self.print_answer(a, t, out)?,
            None if self.single => writeln!(out, "{}", out.paint(Style::Bad, "went wrong"))?,
            None => self.print_verdicts(t, out)?,
        }
        for (target, n) in &t.redirects {
            writeln!(out, "  redirected to {target}: {n}")?;
        }
        self.print_errors(t, out)?;
        print_emitted(t, out)?;
        maps::print(&self.maps, self.all_maps, out)
    }

    fn print_answer(&self, a: &Answer, t: &Tally<'_>, out: &mut Output) -> Result<(), Failure> {
        write!(out, "r0 = {:#x} ({})", a.r0, a.r0 as i64)?;
        if let Some(name) = self.prog_type.verdict_name(i64::from(a.r0 as i32)) {
            write!(out, " {}", out.paint(Style::Name, name))?;
        }
        if let Some(ns) = t.ns_per_packet() {
            write!(out, ", {ns} ns a run")?;
        }
        writeln!(out)?;
        for (label, bytes) in [("packet", &a.packet), ("memory", &a.mem), ("context", &a.ctx)] {
            if let Some(b) = bytes.as_ref().filter(|b| !b.is_empty()) {
                writeln!(out, "  {label} afterwards: {}", maps::hex(b))?;
            }
        }
        Ok(())
    }

    fn print_verdicts(&self, t: &Tally<'_>, out: &mut Output) -> Result<(), Failure> {
        write!(out, "{}", if t.packets == 1 { "1 packet".into() } else { format!("{} packets", t.packets) })?;
        if let Some(ns) = t.ns_per_packet() {
            write!(out, ", {ns} ns each")?;
        }
        if t.cut > 0 {
            write!(out, ", {} of them cut by the capture", t.cut)?;
        }
        writeln!(out)?;
        let verdicts = t.verdicts(self.prog_type);
        let width = verdicts.iter().map(|v| v.0.len()).max().unwrap_or(0);
        for (name, n) in verdicts.iter().take(2 * SHOWN) {
            let share = *n as f64 * 100.0 / t.packets.max(1) as f64;
            let name = out.paint(Style::Name, format!("{name:width$}"));
            writeln!(out, "  {name}  {n:>8}  {share:5.1} %")?;
        }
        if verdicts.len() > 2 * SHOWN {
            writeln!(out, "  ... {} other answers", verdicts.len() - 2 * SHOWN)?;
        }
        if t.written > 0 {
            writeln!(out, "  {} packets written", t.written)?;
        }
        Ok(())
    }

    fn print_errors(&self, t: &Tally<'_>, out: &mut Output) -> Result<(), Failure> {
        if t.errors.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{}", out.paint(Style::Bad, "errors"))?;
        let mut kinds: Vec<_> = t.errors.iter().collect();
        kinds.sort_by_key(|(_, (_, n))| std::cmp::Reverse(*n));
        for (message, (first, n)) in kinds.iter().take(SHOWN) {
            let indented = message.replace('\n', "\n            ");
            writeln!(out, "  {n:>8}  {indented}")?;
            if !self.single && t.packets > 1 {
                let first = format!("first on packet {first}");
                writeln!(out, "            {}", out.paint(Style::Faint, first))?;
            }
        }
        if kinds.len() > SHOWN {
            writeln!(out, "  ... {} other errors", kinds.len() - SHOWN)?;
        }
        Ok(())
    }
}

/// Trace lines and events.
fn print_emitted(t: &Tally<'_>, out: &mut Output) -> Result<(), Failure> {
    if t.traced > 0 {
        writeln!(out, "\n{}", out.paint(Style::Heading, "trace"))?;
        for line in t.trace.iter().take(SHOWN) {
            writeln!(out, "  {line}")?;
        }
        if t.traced > SHOWN as u64 {
            writeln!(out, "  ... {} more lines (--json holds 1000)", t.traced - SHOWN as u64)?;
        }
    }
    for (map, n) in &t.records_by_map {
        let n = if *n == 1 { "1 event".into() } else { format!("{n} events") };
        writeln!(out, "\n{} {}", out.paint(Style::Heading, map), out.paint(Style::Faint, format!("({n})")))?;
        for (packet, cpu, lines) in t.shown.get(map).into_iter().flatten() {
            let whence = format!("packet {packet}, cpu {cpu}:");
            match lines.as_slice() {
                [one] => writeln!(out, "  {whence} {one}")?,
                many => {
                    writeln!(out, "  {whence}")?;
                    for line in many {
                        writeln!(out, "    {line}")?;
                    }
                }
            }
        }
    }
    if t.lost > 0 {
        out.warn(format_args!("{} samples found no room in their buffers", t.lost));
    }
    Ok(())
}
