//! The loop: packet after packet out of a capture, through the program, and on.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Instant;

use skep::abi::{HelperId, MapType, ProgType};
use skep::backend::{Error, ErrorKind, Incoming, Loaded, Outcome};
use skep::capture::{LinkType, Packet, Writer};
use skep::isa::Insn;
use skep::object::{Program, Spec};

use super::tally::Tally;
use super::{engine, forward};
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::packets::Packets;

/// How many packets are run together. Between, progress is told and events are taken.
const EVERY: u64 = 256;
/// No more are gathered once they have so many bytes.
const MOST_BYTES: usize = 4 << 20;

/// What is fed to.
pub(super) struct Feed<'a> {
    pub(super) spec: &'a Spec,
    pub(super) program: &'a Program,
    pub(super) prog_type: ProgType,
    pub(super) repeat: u32,
    pub(super) out: Option<&'a Path>,
}

impl Feed<'_> {
    pub(super) fn run(
        &self,
        path: &Path,
        loaded: &mut dyn Loaded,
        tally: &mut Tally<'_>,
        out: &mut Output,
    ) -> Result<(), Failure> {
        let index = loaded
            .program_index(&self.program.name)
            .ok_or_else(|| Failure::new(format!("program `{}` was not loaded", self.program.name)))?;
        let mut packets = Packets::open(path)?;
        let mut sink = Sink::new(self.out, path)?;
        let mut foreign = None;
        let mut held = Held::default();
        while let Some(packet) = packets.next(out)? {
            if packet.link_type != LinkType::ETHERNET {
                foreign.get_or_insert(packet.link_type);
            }
            tally.cut += u64::from(packet.is_cut());
            held.push(&packet);
            if held.is_full() {
                self.some(&mut held, index, loaded, tally, &mut sink)?;
            }
        }
        self.some(&mut held, index, loaded, tally, &mut sink)?;
        tally.written = sink.finish()?;
        if let Some(link) = foreign {
            out.warn(format!("packets of link type {link} do not begin with an Ethernet header"));
        }
        Ok(())
    }

    /// Some packets: all their runs, the last of which counts.
    fn some(
        &self,
        held: &mut Held,
        index: usize,
        loaded: &mut dyn Loaded,
        tally: &mut Tally<'_>,
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        let packets: Vec<_> = held.packets().collect();
        // What is emitted is told with the number of its packet.
        let together = if emits(self.spec) { 1 } else { packets.len().max(1) };
        let mut done = Ok(());
        for packets in packets.chunks(together) {
            let started = Instant::now();
            done = done.and(self.together(packets, index, loaded, tally, sink));
            tally.took(started.elapsed());
            tally.events(loaded.take_events());
        }
        held.clear();
        done
    }

    /// Packets in one go.
    fn together(
        &self,
        packets: &[Packet<'_>],
        index: usize,
        loaded: &mut dyn Loaded,
        tally: &mut Tally<'_>,
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        let mut written = Ok(());
        if self.repeat == 1 {
            let incoming: Vec<_> =
                packets.iter().map(|p| Incoming { data: p.data, timestamp_ns: p.timestamp_ns }).collect();
            loaded.run_packets(index, &incoming, &mut |i, outcome, after| {
                let done = self.outcome(outcome, &packets[i], after, tally, sink);
                if written.is_ok() {
                    written = done;
                }
            });
            return written;
        }
        for packet in packets {
            let mut outcome = loaded.run_packet(index, packet.data, packet.timestamp_ns);
            for _ in 1..self.repeat {
                if outcome.is_err() {
                    break;
                }
                outcome = loaded.run_packet(index, packet.data, packet.timestamp_ns);
            }
            self.outcome(outcome, packet, loaded.packet(), tally, sink)?;
        }
        Ok(())
    }

    /// What came of a packet.
    fn outcome(
        &self,
        outcome: Result<Outcome, Error>,
        packet: &Packet<'_>,
        after: &[u8],
        tally: &mut Tally,
        sink: &mut Sink,
    ) -> Result<(), Failure> {
        match outcome {
            Ok(o) => {
                tally.answer(&o, self.repeat);
                if let Some(data) = forward::forwarded(self.prog_type, o.retval, after) {
                    sink.write(data, packet)?;
                }
            }
            Err(e) if e.kind() == ErrorKind::Trapped => tally.error(engine::trap(&e, self.spec)),
            // What the world itself refuses (a packet that is too short, say) is an error of that packet, too.
            Err(e) => tally.error(e.to_string()),
        }
        Ok(())
    }
}

/// Whether programs have a way to emit anything: a ring buffer, a perf event array, `bpf_trace_printk`, a copy of a packet.
fn emits(spec: &Spec) -> bool {
    const CALL: u8 = 0x85;
    const EMIT: [HelperId; 3] = [HelperId::TRACE_PRINTK, HelperId::TRACE_VPRINTK, HelperId::CLONE_REDIRECT];
    let calls = |i: &Insn| i.opcode == CALL && i.src == 0 && EMIT.contains(&HelperId(i.imm as u32));
    let maps = [MapType::RINGBUF, MapType::PERF_EVENT_ARRAY];
    spec.maps.iter().any(|m| maps.contains(&m.map_type))
        || spec.programs.iter().any(|p| p.insns.iter().any(calls))
}

/// Packets that wait to be run together.
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    /// Where each ends, and all else that the capture says of it.
    rest: Vec<(usize, Packet<'static>)>,
}

impl Held {
    fn push(&mut self, packet: &Packet<'_>) {
        self.bytes.extend_from_slice(packet.data);
        self.rest.push((self.bytes.len(), Packet { data: &[], ..*packet }));
    }

    fn is_full(&self) -> bool {
        self.rest.len() as u64 >= EVERY || self.bytes.len() >= MOST_BYTES
    }

    fn packets(&self) -> impl Iterator<Item = Packet<'_>> {
        let mut start = 0;
        self.rest.iter().map(move |(end, packet)| {
            let data = &self.bytes[start..*end];
            start = *end;
            Packet { data, ..*packet }
        })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.rest.clear();
    }
}

/// Where packets go that go on. The file appears with the first line of its header, before the first packet.
struct Sink {
    writer: Option<Writer<BufWriter<File>>>,
    label: String,
    written: u64,
}

impl Sink {
    fn new(out: Option<&Path>, source: &Path) -> Result<Self, Failure> {
        let Some(path) = out else { return Ok(Self { writer: None, label: String::new(), written: 0 }) };
        if let (Ok(a), Ok(b)) = (path.canonicalize(), source.canonicalize())
            && a == b
        {
            return Err(Failure::new(format!("{}: is the capture that is read", path.display())));
        }
        let pcap = match path.extension().and_then(|e| e.to_str()) {
            Some("pcap" | "cap") => true,
            Some("gz" | "zst") => {
                let hint = "write pcapng and pack it afterwards";
                return Err(Failure::new("--out writes no compressed captures").hint(hint));
            }
            _ => false,
        };
        let file = BufWriter::new(File::create(path).map_err(|e| input::at(path, &e))?);
        let label = path.display().to_string();
        let writer = if pcap { Writer::pcap(file, LinkType::ETHERNET) } else { Writer::pcapng(file, &[]) };
        let writer = writer.map_err(|e| Failure::new(format!("{label}: {e}")))?;
        Ok(Self { writer: Some(writer), label, written: 0 })
    }

    fn write(&mut self, data: &[u8], of: &Packet<'_>) -> Result<(), Failure> {
        let Some(w) = &mut self.writer else { return Ok(()) };
        // What the program took off or put on counts; what the capture had cut stays cut.
        let missing = of.orig_len.saturating_sub(u32::try_from(of.data.len()).unwrap_or(u32::MAX));
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let packet = Packet { data, orig_len: len.saturating_add(missing), ..*of };
        w.write(&packet).map_err(|e| Failure::new(format!("{}: {e}", self.label)))?;
        self.written += 1;
        Ok(())
    }

    fn finish(self) -> Result<u64, Failure> {
        if let Some(w) = self.writer {
            w.finish().map_err(|e| Failure::new(format!("{}: {e}", self.label)))?;
        }
        Ok(self.written)
    }
}
