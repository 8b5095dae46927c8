//! The steps of the packet at which two worlds part: found by replaying the capture up to it with programs that write
//! down what they do.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use skep::backend::LoadOptions;
use skep::btf::Btf;
use skep::capture::Reader;
use skep::compare::{Comparison, Meaning, Step, Traces, Tracing};
use skep::isa::disasm::Style as Spelling;

use crate::cmd::disasm::listing::{Line, Listing};
use crate::cmd::run::text::Text;
use crate::failure::Failure;
use crate::output::{Output, Style};
use crate::{input, packets};

/// Steps that the text shows before and behind the place where the worlds part.
const AROUND: usize = 6;

/// What is replayed, and from where.
pub(super) struct Replay<'a> {
    pub(super) text: &'a Text,
    pub(super) program: &'a str,
    pub(super) options: &'a LoadOptions,
    pub(super) pcap: &'a Path,
    pub(super) vmlinux: Option<Arc<Btf>>,
}

/// The steps of one packet.
pub(super) struct Found {
    /// Its number, from 1.
    pub(super) packet: u64,
    /// It is the first after which the maps differ; its verdict and bytes do not.
    pub(super) in_maps: bool,
    /// Or why there are none.
    pub(super) traces: Result<Traces, String>,
}

impl Replay<'_> {
    /// The traces of packet `first`, which went differently; or of the first one after which the maps are different, of
    /// `packets`.
    pub(super) fn find(&self, first: Option<u64>, packets: u64) -> Result<Option<Found>, Failure> {
        if input::is_stdin(self.pcap) {
            // It is gone. The report has the packet's number.
            return Ok(first.map(|packet| Found {
                packet,
                in_maps: false,
                traces: Err("the capture came from a pipe and can't be read again: give a file".into()),
            }));
        }
        let packet = match first {
            Some(n) => n,
            None => match self.first_in_maps(packets)? {
                Some(n) => n,
                None => return Ok(None),
            },
        };
        let traces = self.traces(packet)?;
        Ok(Some(Found { packet, in_maps: first.is_none(), traces }))
    }

    /// The first packet after which the maps differ: halving, as one look at the maps costs more than many packets.
    fn first_in_maps(&self, packets: u64) -> Result<Option<u64>, Failure> {
        let (mut same, mut differ) = (0, packets);
        if self.same_after(packets)? {
            // What differed varies by itself after all.
            return Ok(None);
        }
        while differ - same > 1 {
            let middle = same + (differ - same) / 2;
            if self.same_after(middle)? {
                same = middle;
            } else {
                differ = middle;
            }
        }
        Ok((differ > 0).then_some(differ))
    }

    fn same_after(&self, packets: u64) -> Result<bool, Failure> {
        let failed = |e: skep::backend::Error| Failure::new(e.to_string());
        let mut worlds = Comparison::new(&self.text.spec, self.program, self.options).map_err(failed)?;
        self.put(&mut worlds)?;
        self.feed(&mut worlds, packets)?;
        Ok(worlds.maps().map_err(failed)?.iter().all(|m| m.different.is_empty()))
    }

    fn put(&self, worlds: &mut Comparison) -> Result<(), Failure> {
        for (map, key, value) in &self.text.entries {
            worlds.put(map, key, value).map_err(|e| Failure::new(e.to_string()))?;
        }
        Ok(())
    }

    /// Runs the first `packets` packets; what comes next in the capture.
    fn feed(&self, worlds: &mut Comparison, packets: u64) -> Result<Reader<Box<dyn std::io::Read>>, Failure> {
        let wrong = |e: skep::capture::Error| packets::failure(&e, self.pcap);
        let mut reader = Reader::new(input::open(self.pcap)?).map_err(wrong)?;
        for _ in 0..packets {
            let Some(packet) = reader.next_packet().map_err(wrong)? else { break };
            worlds.packet(packet.data, packet.timestamp_ns);
        }
        Ok(reader)
    }

    fn traces(&self, packet: u64) -> Result<Result<Traces, String>, Failure> {
        let made = Tracing::new(&self.text.spec, self.program, self.options, self.vmlinux.as_ref());
        let mut tracing = match made {
            Ok(tracing) => tracing,
            Err(e) => return Ok(Err(e.to_string())),
        };
        self.put(tracing.worlds())?;
        let mut reader = self.feed(tracing.worlds(), packet - 1)?;
        let wrong = |e: skep::capture::Error| packets::failure(&e, self.pcap);
        let Some(packet) = reader.next_packet().map_err(wrong)? else {
            return Ok(Err("the capture is shorter than it was".into()));
        };
        Ok(tracing.packet(packet.data, packet.timestamp_ns).map(|(_, t)| t).map_err(|e| e.to_string()))
    }
}

/// The programs' instructions, to put beside the steps.
struct Code<'a> {
    text: &'a Text,
    lines: Vec<Vec<Line>>,
}

impl<'a> Code<'a> {
    fn new(text: &'a Text) -> Self {
        let lines = |p| Listing::new(&text.spec, p).lines(Spelling::Kernel);
        Self { text, lines: text.spec.programs.iter().map(lines).collect() }
    }

    fn insn(&self, step: &Step) -> &str {
        let lines = self.lines.get(step.program).map_or(&[][..], Vec::as_slice);
        let line = lines.binary_search_by_key(&step.slot, |l| l.slot).ok().map(|i| &lines[i]);
        line.and_then(|l| l.text.as_deref()).unwrap_or("?")
    }

    /// File, line and text of the source of an object.
    fn source(&self, step: &Step) -> Option<(&str, u32, &str)> {
        // A line of assembler text says what the instruction says.
        if self.text.source.is_some() {
            return None;
        }
        let line = self.text.spec.programs.get(step.program)?.line_at(step.slot)?;
        Some((&line.file, line.line, line.text.trim()))
    }

    fn json(&self, traces: &Traces) -> Value {
        let step = |s: Option<&Step>| {
            let s = s?;
            let source = self.source(s);
            Some(json!({
                "program": self.text.spec.programs.get(s.program).map(|p| p.name.as_str()),
                "slot": s.slot,
                "instruction": self.insn(s),
                "line": source.map(|(file, line, _)| format!("{file}:{line}")),
                "value": s.value.map(|v| format!("{v:#x}")),
                "address": s.value.map(|_| s.meaning == Meaning::Address),
            }))
        };
        let steps = (0..traces.user.len().max(traces.kernel.len()))
            .map(|i| json!({ "user": step(traces.user.get(i)), "kernel": step(traces.kernel.get(i)) }));
        json!({
            "first_step": traces.first,
            "parted": traces.parted,
            "steps": steps.collect::<Vec<_>>(),
        })
    }
}

impl Found {
    pub(super) fn json(&self, text: &Text) -> Value {
        json!({
            "packet": self.packet,
            "in_maps": self.in_maps,
            "traces": self.traces.as_ref().ok().map(|t| Code::new(text).json(t)),
            "no_traces": self.traces.as_ref().err(),
        })
    }

    pub(super) fn print(&self, text: &Text, out: &mut Output) -> Result<(), Failure> {
        if self.in_maps {
            writeln!(out, "\npacket {} is the first after which the maps differ", self.packet)?;
        }
        let traces = match &self.traces {
            Ok(traces) => traces,
            Err(why) => {
                writeln!(out, "\nno traces: {why}")?;
                return Ok(());
            }
        };
        let steps = traces.user.len().max(traces.kernel.len());
        let Some(parted) = traces.parted else {
            writeln!(out, "\nits {steps} steps are the same in both worlds, but for addresses")?;
            return Ok(());
        };
        let number = traces.first + parted as u64 + 1;
        writeln!(out, "\nthe worlds part at step {number} of packet {}", self.packet)?;
        if traces.first > 0 {
            writeln!(out, "  (the first {} steps were not kept: earlier ones may differ too)", traces.first)?;
        }
        let code = Code::new(text);
        let heading = format!("  {:>6} {:>5}  {:<18} {:<18} instruction", "step", "slot", "user", "kernel");
        writeln!(out, "{}", out.paint(Style::Faint, heading))?;
        let shown = parted.saturating_sub(AROUND)..steps.min(parted + AROUND + 1);
        let mut last = None;
        for i in shown {
            code.print(traces, i, &mut last, out)?;
        }
        if steps > parted + AROUND + 1 {
            writeln!(out, "  ... {} more (--json has them)", steps - parted - AROUND - 1)?;
        }
        Ok(())
    }
}

impl<'a> Code<'a> {
    fn print(
        &'a self,
        traces: &Traces,
        i: usize,
        last: &mut Option<(&'a str, u32)>,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let (user, kernel) = (traces.user.get(i), traces.kernel.get(i));
        let there = |s: &Step| (s.program, s.slot);
        let both = user.map(there) == kernel.map(there);
        let number = traces.first + i as u64 + 1;
        let mark = if traces.parted == Some(i) { ">" } else { " " };
        let mut line = |s: &Step, u: Option<&Step>, k: Option<&Step>| -> Result<(), Failure> {
            if let Some((file, n, text)) = self.source(s)
                && last.replace((file, n)) != Some((file, n))
            {
                writeln!(out, "  {}", out.paint(Style::Faint, format!("; {file}:{n}: {text}")))?;
            }
            let (u, k) = (cell(u, k.is_some()), cell(k, u.is_some()));
            let row = format!("{mark} {number:>6} {:>5}  {u:<18} {k:<18} {}", s.slot, self.insn(s));
            let row = row.trim_end().to_owned();
            let painted = if mark == ">" { out.paint(Style::Bad, row) } else { row };
            writeln!(out, "{painted}")?;
            Ok(())
        };
        match (user, kernel) {
            (Some(u), Some(k)) if both => line(u, Some(u), Some(k)),
            _ => {
                if let Some(u) = user {
                    line(u, Some(u), None)?;
                }
                kernel.map_or(Ok(()), |k| line(k, None, Some(k)))
            }
        }
    }
}

/// What a world's column shows of a step that it took, or did not take.
fn cell(step: Option<&Step>, other: bool) -> String {
    match step {
        Some(Step { value: Some(v), .. }) => format!("{v:#x}"),
        Some(_) if other => String::new(),
        Some(_) => "here".into(),
        None => "-".into(),
    }
}
