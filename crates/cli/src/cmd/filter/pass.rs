//! What becomes of packets that may match: printed, counted or written, from files and from interfaces alike.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use skep::capture::{LinkType, Packet, Writer};
use skep::filter::{ByteOrder, Dlt};
use skep::isa::classic::Insn;
use skep::vm::classic::{self, Filter};

use super::line::Lines;
use super::{Args, build, json};
use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input, packets};

/// How much is written at once.
const BUFFER: usize = 1 << 20;

/// How many packets there were, and how many matched.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Counts {
    pub(super) packets: u64,
    pub(super) matched: u64,
    /// Of an interface: those that found no room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dropped: Option<u64>,
}

/// The filter as compiled for one link type.
struct Compiled {
    link: LinkType,
    insns: Vec<Insn>,
    filter: Filter,
}

impl Compiled {
    fn new(args: &Args, link: LinkType) -> Result<Self, Failure> {
        let insns = build(args, Dlt::from_linktype(link.0), Some(ByteOrder::Same), false)?;
        let filter = Filter::new(&insns).map_err(|e| {
            Failure::new(format!("the filter can not run: {e}"))
                .hint("jumps backwards, which protochain needs, are not run yet")
        })?;
        Ok(Self { link, insns, filter })
    }
}

/// A stream of packets on its way through.
pub(super) struct Pass<'a> {
    args: &'a Args,
    // What an expression means, and whether it means anything, depends on the link type: the packets tell it.
    compiled: Option<Compiled>,
    writer: Option<Writer<BufWriter<File>>>,
    lines: Lines,
    pub(super) counts: Counts,
}

impl<'a> Pass<'a> {
    pub(super) fn new(args: &'a Args) -> Self {
        Self { args, compiled: None, writer: None, lines: Lines::default(), counts: Counts::default() }
    }

    /// Whether enough have matched.
    pub(super) fn is_full(&self) -> bool {
        self.args.count.is_some_and(|max| self.counts.matched >= max)
    }

    /// A packet that has not been filtered.
    pub(super) fn packet(&mut self, packet: &Packet<'_>, out: &mut Output) -> Result<(), Failure> {
        let current = match self.compiled.take() {
            Some(c) if c.link == packet.link_type => c,
            _ => Compiled::new(self.args, packet.link_type)?,
        };
        let view = classic::Packet { len: packet.orig_len, ..classic::Packet::new(packet.data) };
        if self.compiled.insert(current).filter.run(&view) == 0 {
            self.counts.packets += 1;
            return Ok(());
        }
        self.matched(packet, out)
    }

    /// A packet that matches.
    pub(super) fn matched(&mut self, packet: &Packet<'_>, out: &mut Output) -> Result<(), Failure> {
        self.counts.packets += 1;
        self.counts.matched += 1;
        match &self.args.write {
            Some(to) => self.write(to, packet),
            None if !out.json => Ok(writeln!(out, "{}", self.lines.line(packet))?),
            None => Ok(()),
        }
    }

    fn write(&mut self, to: &Path, packet: &Packet<'_>) -> Result<(), Failure> {
        let wrong = |e: skep::capture::Error| packets::failure(&e, to);
        if self.writer.is_none() {
            let file = BufWriter::with_capacity(BUFFER, File::create(to).map_err(|e| input::at(to, &e))?);
            let link = packet.link_type;
            let writer = match to.extension().and_then(|e| e.to_str()) {
                Some("pcap" | "cap") => Writer::pcap(file, link),
                _ => Writer::pcapng(file, &[link]),
            };
            self.writer = Some(writer.map_err(wrong)?);
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        // One interface is declared; a packet of another link type is refused by the writer.
        writer.write(&Packet { interface: 0, ..*packet }).map_err(wrong)
    }

    /// Nothing more comes; `link` is what packets would have been, had there been any.
    pub(super) fn finish(self, link: LinkType, out: &mut Output) -> Result<Verdict, Failure> {
        // An expression that does not compile is an error also for a capture without packets.
        let compiled = match self.compiled {
            Some(c) => c,
            None => Compiled::new(self.args, link)?,
        };
        if let (Some(writer), Some(to)) = (self.writer, &self.args.write) {
            let mut file: BufWriter<File> = writer.finish().map_err(|e| packets::failure(&e, to))?;
            file.flush().map_err(|e| input::at(to, &e))?;
        }
        let counts = self.counts;
        if out.json {
            let dlt = Dlt::from_linktype(compiled.link.0);
            out.object(&json(self.args, dlt, &compiled.insns, Some(counts)))?;
        } else if let Some(dropped) = counts.dropped {
            out.note(format!("{} packets captured, {dropped} dropped by the kernel", counts.matched));
        } else {
            out.note(format!("{} of {} packets matched", counts.matched, counts.packets));
        }
        Ok(if counts.matched > 0 { Verdict::Yes } else { Verdict::No })
    }
}
