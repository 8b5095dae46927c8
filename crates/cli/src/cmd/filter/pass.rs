//! What becomes of packets that may match: printed, counted or written, from files and from interfaces alike.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use skep::capture::{Header, LinkType, Packet, Records, Writer};
use skep::filter::{ByteOrder, Dlt};
use skep::isa::classic::Insn;
use skep::vm::classic::{self, Filter, LoopingFilter};

use super::blocks::Blocks;
use super::line::Lines;
use super::{Args, build, json};
use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input, packets};

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
pub(super) struct Compiled {
    link: LinkType,
    insns: Vec<Insn>,
    filter: Machine,
}

/// What runs it: libpcap's `protochain` jumps backwards.
enum Machine {
    Straight(Filter),
    Looping(LoopingFilter),
}

impl Machine {
    #[inline]
    fn run(&self, packet: &classic::Packet<'_>) -> u32 {
        match self {
            Self::Straight(filter) => filter.run(packet),
            Self::Looping(filter) => filter.run(packet),
        }
    }
}

impl Compiled {
    fn new(args: &Args, link: LinkType) -> Result<Self, Failure> {
        let insns = build(args, Dlt::from_linktype(link.0), Some(ByteOrder::Same), false)?;
        let filter = match Filter::compiled(&insns) {
            Ok(filter) => Machine::Straight(filter),
            Err(e) => Machine::Looping(
                LoopingFilter::new(&insns)
                    .map_err(|_| Failure::new(format!("the filter can not run: {e}")))?,
            ),
        };
        Ok(Self { link, insns, filter })
    }

    /// Whether it keeps something of a packet.
    #[inline(always)]
    pub(super) fn keeps(&self, packet: &Packet<'_>) -> bool {
        let view = classic::Packet { len: packet.orig_len, ..classic::Packet::new(packet.data) };
        self.filter.run(&view) != 0
    }
}

/// A stream of packets on its way through.
pub(super) struct Pass<'a> {
    pub(super) args: &'a Args,
    /// The pcap file that a pcap file which is written is to be like.
    pub(super) like: Option<Header>,
    // What an expression means, and whether it means anything, depends on the link type: the packets tell it.
    pub(super) compiled: Option<Compiled>,
    pub(super) writer: Option<Writer<Blocks>>,
    lines: Lines,
    pub(super) counts: Counts,
}

impl<'a> Pass<'a> {
    pub(super) fn new(args: &'a Args) -> Self {
        let (lines, counts) = (Lines::default(), Counts::default());
        Self { args, like: None, compiled: None, writer: None, lines, counts }
    }

    /// Whether enough have matched.
    pub(super) fn is_full(&self) -> bool {
        self.args.count.is_some_and(|max| self.counts.matched >= max)
    }

    /// Sees to it that there is a filter for packets of a link type.
    pub(super) fn prepare(&mut self, link: LinkType) -> Result<(), Failure> {
        if self.compiled.as_ref().is_none_or(|c| c.link != link) {
            self.compiled = Some(Compiled::new(self.args, link)?);
        }
        Ok(())
    }

    /// Packets that have not been filtered, until enough have matched.
    pub(super) fn records(&mut self, records: Records<'_>, out: &mut Output) -> Result<(), Failure> {
        self.prepare(records.header().link_type())?;
        // Taken out, so that nothing says that `matched` may change it.
        let Some(compiled) = self.compiled.take() else { return Ok(()) };
        let mut result = Ok(());
        let mut missed = 0;
        for packet in records {
            if !compiled.keeps(&packet) {
                missed += 1;
                continue;
            }
            result = self.matched(&packet, out);
            if result.is_err() || self.is_full() {
                break;
            }
        }
        self.counts.packets += missed;
        self.compiled = Some(compiled);
        result
    }

    /// A packet that has not been filtered.
    pub(super) fn packet(&mut self, packet: &Packet<'_>, out: &mut Output) -> Result<(), Failure> {
        self.prepare(packet.link_type)?;
        if self.compiled.as_ref().is_some_and(|c| c.keeps(packet)) {
            return self.matched(packet, out);
        }
        self.counts.packets += 1;
        Ok(())
    }

    /// A packet that matches.
    #[inline(never)]
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
        self.open(to, packet.link_type)?;
        let Some(writer) = &mut self.writer else { return Ok(()) };
        // One interface is declared; a packet of another link type is refused by the writer.
        writer.write(&Packet { interface: 0, ..*packet }).map_err(|e| packets::failure(&e, to))
    }

    /// Makes the file for what matches, if it has not been made.
    pub(super) fn open(&mut self, to: &Path, link: LinkType) -> Result<(), Failure> {
        if self.writer.is_some() {
            return Ok(());
        }
        let file = Blocks::new(File::create(to).map_err(|e| input::at(to, &e))?);
        let writer = match (to.extension().and_then(|e| e.to_str()), &self.like) {
            (Some("pcap" | "cap"), Some(header)) => Writer::pcap_like(file, header),
            (Some("pcap" | "cap"), None) => Writer::pcap(file, link),
            _ => Writer::pcapng(file, &[link]),
        };
        self.writer = Some(writer.map_err(|e| packets::failure(&e, to))?);
        Ok(())
    }

    /// Nothing more comes; `link` is what packets would have been, had there been any.
    pub(super) fn finish(mut self, link: LinkType, out: &mut Output) -> Result<Verdict, Failure> {
        // An expression that does not compile is an error also for a capture without packets.
        let compiled = match self.compiled.take() {
            Some(c) => c,
            None => Compiled::new(self.args, link)?,
        };
        if let Some(to) = &self.args.write {
            self.open(to, compiled.link)?;
        }
        if let (Some(writer), Some(to)) = (self.writer, &self.args.write) {
            let mut file: Blocks = writer.finish().map_err(|e| packets::failure(&e, to))?;
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
