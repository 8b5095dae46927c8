//! A filter over a capture: each packet through the classic interpreter; what matches is printed, counted or written.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use skep::capture::{LinkType, Packet, Reader, Writer};
use skep::filter::{ByteOrder, Dlt};
use skep::isa::classic::Insn;
use skep::vm::classic::{self, Filter};

use super::{Args, build, json};
use crate::cmd::run::feed::capture_failure;
use crate::failure::Failure;
use crate::output::{Output, Style};
use crate::progress::Progress;
use crate::{Verdict, input};

/// How many packets there were, and how many matched.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Counts {
    packets: u64,
    matched: u64,
}

/// The filter as compiled for one link type.
struct Compiled {
    link: LinkType,
    insns: Vec<Insn>,
    filter: Filter,
}

impl Compiled {
    fn new(args: &Args, link: LinkType) -> Result<Compiled, Failure> {
        let insns = build(args, Dlt::from_linktype(link.0), Some(ByteOrder::Same))?;
        let filter = Filter::new(&insns).map_err(|e| {
            Failure::new(format!("the filter can not run: {e}"))
                .hint("jumps backwards, which protochain needs, are not run yet")
        })?;
        Ok(Compiled { link, insns, filter })
    }
}

pub(super) fn run(args: &Args, path: &Path, out: &mut Output) -> Result<Verdict, Failure> {
    let wrong = |e: skep::capture::Error| capture_failure(&e, path);
    let mut reader = Reader::new(input::open(path)?).map_err(wrong)?;
    // What an expression means, and whether it means anything, depends on the link type: the packets tell it.
    let mut compiled: Option<Compiled> = None;
    let mut writer = None;
    let mut progress = Progress::new(input::len(path));
    let mut counts = Counts::default();
    while args.count.is_none_or(|max| counts.matched < max) {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(e) if e.is_truncated() => {
                progress.finish();
                out.warn(format!("{}: {e}", input::label(path)));
                break;
            }
            Err(e) => return Err(wrong(e)),
        };
        counts.packets += 1;
        let current = match compiled.take() {
            Some(c) if c.link == packet.link_type => c,
            _ => Compiled::new(args, packet.link_type)?,
        };
        let view = classic::Packet { len: packet.orig_len, ..classic::Packet::new(packet.data) };
        if compiled.insert(current).filter.run(&view) == 0 {
            continue;
        }
        counts.matched += 1;
        match &args.write {
            Some(to) => write(&mut writer, to, &packet)?,
            None if !out.json => print(counts.packets, &packet, out)?,
            None => {}
        }
    }
    progress.finish();
    // An expression that does not compile is an error also for a capture without packets.
    let compiled = match compiled {
        Some(c) => c,
        None => Compiled::new(args, LinkType::ETHERNET)?,
    };
    if let (Some(writer), Some(to)) = (writer, &args.write) {
        let mut file: BufWriter<File> = writer.finish().map_err(|e| capture_failure(&e, to))?;
        file.flush().map_err(|e| input::at(to, &e))?;
    }
    if out.json {
        out.object(&json(args, Dlt::from_linktype(compiled.link.0), &compiled.insns, Some(counts)))?;
    } else {
        out.note(format!("{} of {} packets matched", counts.matched, counts.packets));
    }
    Ok(if counts.matched > 0 { Verdict::Yes } else { Verdict::No })
}

fn write(
    writer: &mut Option<Writer<BufWriter<File>>>,
    to: &Path,
    packet: &Packet<'_>,
) -> Result<(), Failure> {
    let wrong = |e: skep::capture::Error| capture_failure(&e, to);
    if writer.is_none() {
        let file = File::create(to).map_err(|e| input::at(to, &e))?;
        *writer = Some(Writer::pcapng(BufWriter::new(file), &[packet.link_type]).map_err(wrong)?);
    }
    let Some(writer) = writer else { return Ok(()) };
    // One interface is declared; a packet of another link type is refused by the writer.
    writer.write(&Packet { interface: 0, ..*packet }).map_err(wrong)
}

/// One short line: number, time, length, the first bytes.
fn print(number: u64, packet: &Packet<'_>, out: &mut Output) -> Result<(), Failure> {
    let time = packet
        .timestamp_ns
        .map_or_else(|| "-".to_string(), |ns| format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000));
    let first: String = packet.data.iter().take(34).map(|b| format!("{b:02x}")).collect();
    let head = out.paint(Style::Faint, format!("{number:>6}  {time}"));
    writeln!(out, "{head}  {:>5} bytes  {first}", packet.orig_len)?;
    Ok(())
}
