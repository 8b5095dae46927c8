//! `skep filter --trace N EXPR -r FILE`: the filter on one packet, each step with the registers, the verdict, and the part of
//! the expression that decided it. What bpf_dbg does, and back.

mod stepper;

use std::io::Write;
use std::ops::Range;

use serde::Serialize;
use skep::capture::Packet;
use skep::filter::explain::{Explanation, explain};
use skep::filter::{ByteOrder, Dlt};
use skep::isa::classic::{MEM_WORDS, Op};
use skep::vm::classic::{self, End, State, Step};

use super::line::Lines;
use super::{Args, explain as explaining, lookup, options};
use crate::Verdict;
use crate::cmd::classic::lines;
use crate::failure::Failure;
use crate::output::{Output, Style};
use crate::packets::Packets;

/// What is traced.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub(super) struct Flags {
    /// Show each step of the filter on packet N of the capture, the first being 1; exit code 1 if it is not taken
    #[arg(long, value_name = "N", requires = "read", conflicts_with_all = ["write", "count", "explain", "cfg", "xt_bpf", "asm", "ebpf"],
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) trace: Option<u64>,

    /// Step through it by commands: forward, back, to breakpoints (`help` lists them)
    #[arg(long, requires = "trace")]
    step: bool,
}

/// Steps that are shown; a loop of libpcap's ends with the packet, long before.
const MOST_STEPS: usize = 100_000;

/// The filter on one packet.
struct Trace<'a> {
    expression: &'a str,
    explained: Explanation,
    texts: Vec<String>,
    data: Vec<u8>,
    /// What was held before each instruction that was run, and the bytes that it read.
    states: Vec<(State, Option<Range<usize>>)>,
    verdict: u32,
    why: End,
    deciding: Option<Range<usize>>,
}

pub(super) fn run(args: &Args, number: u64, out: &mut Output) -> Result<Verdict, Failure> {
    let mut seen = 0;
    for path in &args.read {
        let mut packets = Packets::open(path)?;
        while let Some(packet) = packets.next(out)? {
            seen += 1;
            if seen == number {
                let heading = format!("packet {number}: {}", Lines::default().line(&packet));
                let dlt = Dlt::from_linktype(packet.link_type.0);
                let trace = Trace::new(args, dlt, &packet)?;
                return trace.show(args, number, dlt, &heading, out);
            }
        }
    }
    let there = match seen {
        0 => "there is none".to_owned(),
        1 => "there is one".to_owned(),
        n => format!("there are {n}"),
    };
    Err(Failure::new(format!("no packet {number}: {there} in the capture")))
}

impl<'a> Trace<'a> {
    fn new(args: &'a Args, dlt: Dlt, packet: &Packet<'_>) -> Result<Self, Failure> {
        let options = options(args, dlt, Some(ByteOrder::Same), false);
        let explained = explain(&args.expression, &options, &lookup::System::new())
            .map_err(|e| Failure::diagnosed(vec![e.diagnostic(&args.expression)]))?;
        let view = classic::Packet { len: packet.orig_len, ..classic::Packet::new(packet.data) };
        let mut states = vec![(State::default(), None)];
        let mut now = State::default();
        let (verdict, why) = loop {
            match now.step(&explained.insns, &view) {
                Step::Ends { verdict, why } => break (verdict, why),
                Step::Goes { state, read } => {
                    if let Some(last) = states.last_mut() {
                        last.1 = read;
                    }
                    states.push((state, None));
                    now = state;
                }
            }
            if states.len() > MOST_STEPS {
                return Err(Failure::new(format!("the filter takes more than {MOST_STEPS} steps")));
            }
        };
        let deciding = explained.deciding(&view);
        let texts = lines(&explained.insns);
        let data = packet.data.to_vec();
        Ok(Self { expression: &args.expression, explained, texts, data, states, verdict, why, deciding })
    }

    fn show(
        &self,
        args: &Args,
        number: u64,
        dlt: Dlt,
        heading: &str,
        out: &mut Output,
    ) -> Result<Verdict, Failure> {
        if out.json {
            out.object(&self.json(number, dlt))?;
        } else if args.trace.step {
            writeln!(out, "{}", out.paint(Style::Heading, heading))?;
            stepper::Stepper::new(self).run(out)?;
        } else {
            writeln!(out, "{}", out.paint(Style::Heading, heading))?;
            for at in 0..self.states.len() {
                self.print(at, out)?;
            }
            writeln!(out, "{}", self.conclusion(out))?;
        }
        Ok(if self.verdict == 0 { Verdict::No } else { Verdict::Yes })
    }

    /// A step: its instruction, what came of it, and the parts of the expression that it serves.
    fn print(&self, at: usize, out: &mut Output) -> Result<(), Failure> {
        let pc = self.states[at].0.pc;
        let insn = self.insn(pc);
        let (words, changes, parts) = (self.words(at), self.changes(at), self.parts(pc));
        let columns = [(&insn, 46), (&words, 44), (&changes, 20)];
        let long = columns.iter().map(|(text, width)| text.chars().count().max(width - 2) + 2).sum::<usize>()
            + parts.chars().count();
        if long > out.columns().unwrap_or(usize::MAX) {
            writeln!(out, "{insn}")?;
            for (text, style) in [(&words, Style::Heading), (&changes, Style::Good), (&parts, Style::Name)] {
                if !text.is_empty() {
                    writeln!(out, "      {}", out.paint(style, text))?;
                }
            }
            return Ok(());
        }
        let mut line = String::new();
        for (text, width) in columns {
            let gap = width.max(text.chars().count() + 2) - text.chars().count();
            line += text;
            line += &" ".repeat(gap);
        }
        writeln!(out, "{}", format!("{line}{parts}").trim_end())?;
        Ok(())
    }

    fn insn(&self, pc: usize) -> String {
        let text = self.texts.get(pc).map_or("", String::as_str);
        format!("({pc:03}) {}", explaining::spaced(text)).trim_end().to_owned()
    }

    fn parts(&self, pc: usize) -> String {
        let line = self.explained.lines.get(pc);
        line.map_or_else(String::new, |line| explaining::parts(line, self.expression))
    }

    /// What an instruction does, with the answer of a branch.
    fn words(&self, at: usize) -> String {
        let pc = self.states[at].0.pc;
        let words = self.explained.lines.get(pc).map_or("", |line| line.words.as_str());
        match self.answer(at) {
            Some(true) => format!("{words} yes"),
            Some(false) => format!("{words} no"),
            None => words.to_owned(),
        }
    }

    /// How a branch was answered.
    fn answer(&self, at: usize) -> Option<bool> {
        let state = &self.states[at].0;
        let Some(Op::Branch { cond, src, .. }) =
            self.explained.insns.get(state.pc).and_then(|&i| Op::decode(i))
        else {
            return None;
        };
        let operand = match src {
            skep::isa::classic::Source::K(k) => k,
            skep::isa::classic::Source::X => state.x,
        };
        Some(cond.holds(state.a, operand))
    }

    /// The registers that a step changed.
    fn changes(&self, at: usize) -> String {
        let (Some((before, read)), Some((after, _))) = (self.states.get(at), self.states.get(at + 1)) else {
            return String::new();
        };
        let mut all = Vec::new();
        // A load is shown also where it finds what was there.
        let loads_x = matches!(
            self.explained.insns.get(before.pc).and_then(|&i| Op::decode(i)),
            Some(Op::LoadxMsh { .. })
        );
        if before.a != after.a || (read.is_some() && !loads_x) {
            all.push(format!("A = {:#x}", after.a));
        }
        if before.x != after.x || loads_x {
            all.push(format!("X = {:#x}", after.x));
        }
        for word in 0..MEM_WORDS {
            if before.mem[word] != after.mem[word] {
                all.push(format!("M[{word}] = {:#x}", after.mem[word]));
            }
        }
        all.join(", ")
    }

    /// The verdict, and what decided it.
    fn conclusion(&self, out: &Output) -> String {
        let verdict = match self.verdict {
            0 => out.paint(Style::Bad, "rejected"),
            n => format!("{}, {n} bytes", out.paint(Style::Good, "accepted")),
        };
        let part = self.deciding.as_ref().and_then(|p| self.expression.get(p.clone()));
        let part = part.map(|text| out.paint(Style::Name, text));
        let pc = self.states.last().map_or(0, |s| s.0.pc);
        let ends = match self.why {
            End::Return => None,
            End::Beyond => Some("the packet ends before the bytes that it asks for"),
            End::DivideByZero => Some("it divides by 0"),
            End::NoDevice => Some("it asks for the interface, and a capture has none"),
            End::NoInsn => Some("there is no such instruction"),
        };
        match (ends, part) {
            (None, Some(part)) => format!("{verdict}: decided by `{part}`"),
            (None, None) => verdict,
            (Some(why), Some(part)) => format!("{verdict}: instruction {pc}: {why}; decided by `{part}`"),
            (Some(why), None) => format!("{verdict}: instruction {pc}: {why}"),
        }
    }
}

#[derive(Serialize)]
struct Json<'a> {
    schema: &'static str,
    expression: &'a str,
    dlt: String,
    packet: u64,
    /// The bytes that were captured.
    bytes: String,
    steps: Vec<StepJson<'a>>,
    verdict: u32,
    /// Why it ended.
    end: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<explaining::Part<'a>>,
}

/// An instruction that was run, and what was held before it.
#[derive(Serialize)]
struct StepJson<'a> {
    pc: usize,
    text: &'a str,
    words: &'a str,
    a: u32,
    x: u32,
    mem: [u32; MEM_WORDS],
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<Read>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<bool>,
    parts: Vec<explaining::Part<'a>>,
}

/// Bytes of the packet that were loaded.
#[derive(Serialize)]
struct Read {
    offset: usize,
    bytes: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl Trace<'_> {
    fn json(&self, number: u64, dlt: Dlt) -> Json<'_> {
        let end = match self.why {
            End::Return => "return",
            End::Beyond => "beyond_packet",
            End::DivideByZero => "divide_by_zero",
            End::NoDevice => "no_device",
            End::NoInsn => "no_instruction",
        };
        let steps = self.states.iter().enumerate().map(|(at, (state, read))| {
            let line = self.explained.lines.get(state.pc);
            let read = read
                .as_ref()
                .map(|r| Read { offset: r.start, bytes: hex(self.data.get(r.clone()).unwrap_or_default()) });
            StepJson {
                pc: state.pc,
                text: self.texts.get(state.pc).map_or("", String::as_str),
                words: line.map_or("", |l| l.words.as_str()),
                a: state.a,
                x: state.x,
                mem: state.mem,
                read,
                answer: self.answer(at),
                parts: line.map_or_else(Vec::new, |l| explaining::parts_of(l, self.expression)),
            }
        });
        Json {
            schema: "skep.filter-trace/1",
            expression: self.expression,
            dlt: dlt.name().map_or_else(|| dlt.0.to_string(), str::to_string),
            packet: number,
            bytes: hex(&self.data),
            steps: steps.collect(),
            verdict: self.verdict,
            end,
            decided_by: self.deciding.as_ref().map(|p| explaining::Part::new(p, self.expression)),
        }
    }
}
