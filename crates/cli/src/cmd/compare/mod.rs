//! `skep compare`: the same program on the same packets in userspace and in Linux, and the first packet that they
//! disagree about, then the maps, and the steps of that packet in both worlds.

mod traces;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use skep::abi::ProgType;
use skep::compare::{Comparison, Fate, MapReport, Outcome};

use super::run;
use super::verify::judge::Kernel;
use crate::Verdict;
use crate::failure::Failure;
use crate::output::{Output, Style};
use crate::packets::Packets;

const EXAMPLES: &str = "\
Examples:
  skep compare examples/xdp_firewall.o --pcap examples/traffic.pcapng
  skep compare prog.o --prog ingress --type tc --pcap traffic.pcap.zst --json

Where they differ, the capture is replayed up to the first packet that shows it, with the program rewritten to write down
its steps, and the steps of both worlds are shown side by side from where they part.

Not compared: what helpers make of time, chance and the task (they are named); which entries an LRU map drops; packets
shorter than an Ethernet header, which the kernel does not run programs on.

Exit codes: 0 no difference, 1 a difference, 2 it could not be compared.";

/// How many entries of a map the text shows.
const SHOWN: usize = 10;

/// Run a program in userspace and in Linux on the same packets, and say what differs
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    program: run::ProgramArgs,

    /// Packets: pcap or pcapng, also as .gz or .zst (`-` is stdin)
    #[arg(long, value_name = "FILE")]
    pcap: PathBuf,
}

/// What was found.
#[derive(Default)]
struct Findings {
    packets: u64,
    same: u64,
    short: u64,
    refused: u64,
    /// Number of the packet, from 1, and what became of it.
    first: Option<(u64, Fate, Fate)>,
    different: u64,
    maps: Vec<MapReport>,
    /// The steps of the packet at which the worlds part.
    steps: Option<traces::Found>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let text = args.program.read(false)?;
    let spec = &text.spec;
    let (program, prog_type) = args.program.choose(spec, true)?;
    if !run::forward::takes_packets(prog_type) {
        return Err(Failure::new(format!("{prog_type} programs take no packets")));
    }
    let options = run::options(spec, program, prog_type);
    let mut comparison =
        Comparison::new(spec, &program.name, &options).map_err(|e| run::engine::failure(&e, spec))?;
    for (map, key, value) in &text.entries {
        comparison.put(map, key, value).map_err(|e| Failure::new(e.to_string()))?;
    }
    let mut found = Findings::default();
    feed(&args.pcap, &mut comparison, &mut found, out)?;
    found.maps = comparison.maps().map_err(|e| Failure::new(e.to_string()))?;
    if !found.agree() {
        let vmlinux = Kernel::Running.types(program);
        let replay = traces::Replay {
            text: &text,
            program: &program.name,
            options: &options,
            pcap: &args.pcap,
            vmlinux,
        };
        found.steps = replay.find(found.first.as_ref().map(|(n, ..)| *n), found.packets)?;
    }
    let varying = &comparison.varying;
    if out.json {
        let mut report = found.json(&program.name, prog_type, varying);
        report["steps"] = found.steps.as_ref().map(|s| s.json(&text)).into();
        out.object(&report)?;
    } else {
        found.print(&program.name, prog_type, varying, out)?;
        if let Some(steps) = &found.steps {
            steps.print(&text, out)?;
        }
    }
    Ok(if found.agree() { Verdict::Yes } else { Verdict::No })
}

fn feed(path: &Path, worlds: &mut Comparison, found: &mut Findings, out: &mut Output) -> Result<(), Failure> {
    let mut packets = Packets::open(path)?;
    while let Some(packet) = packets.next(out)? {
        found.packets += 1;
        match worlds.packet(packet.data, packet.timestamp_ns) {
            Outcome::Same => found.same += 1,
            Outcome::Short => found.short += 1,
            Outcome::Refused(_) => found.refused += 1,
            Outcome::Different { user, kernel } => {
                found.different += 1;
                found.first.get_or_insert((found.packets, user, kernel));
            }
        }
    }
    Ok(())
}

impl Findings {
    fn agree(&self) -> bool {
        self.different == 0 && self.maps.iter().all(|m| m.different.is_empty())
    }

    fn json(&self, program: &str, prog_type: ProgType, varying: &[&str]) -> Value {
        let fate = |f: &Fate| {
            json!({
                "verdict": f.verdict.as_ref().ok().map(|v| verdict(prog_type, *v)),
                "error": f.verdict.as_ref().err(),
                "packet": run::maps::hex(&f.bytes),
            })
        };
        let first = self.first.as_ref();
        let value = |v: &Option<Vec<u8>>| v.as_deref().map(run::maps::hex);
        let maps = self.maps.iter().map(|m| {
            let different = m.different.iter().map(
                |(key, u, k)| json!({ "key": run::maps::hex(key), "user": value(u), "kernel": value(k) }),
            );
            json!({
                "name": m.name,
                "same": m.same,
                "not_compared": m.left_out,
                "different": different.collect::<Vec<_>>(),
            })
        });
        json!({
            "schema": "skep.compare/1",
            "program": program,
            "type": prog_type.to_string(),
            "agree": self.agree(),
            "packets": self.packets,
            "same": self.same,
            "short": self.short,
            "refused_by_kernel": self.refused,
            "different": self.different,
            "first_difference": first.map(|(n, u, k)| json!({ "packet": n, "user": fate(u), "kernel": fate(k) })),
            "varying_helpers": varying,
            "maps": maps.collect::<Vec<_>>(),
        })
    }

    fn print(
        &self,
        program: &str,
        prog_type: ProgType,
        varying: &[&str],
        out: &mut Output,
    ) -> Result<(), Failure> {
        let name = out.paint(Style::Name, program);
        let word = if self.agree() {
            out.paint(Style::Good, "no difference")
        } else {
            out.paint(Style::Bad, "they differ")
        };
        writeln!(out, "{name} ({prog_type}): {} packets, {word}", self.packets)?;
        let counts = [
            ("the same in both worlds", self.same),
            ("different", self.different),
            ("shorter than an Ethernet header, not run", self.short),
            ("that the kernel does not run it on", self.refused),
        ];
        for (what, n) in counts.into_iter().filter(|(_, n)| *n > 0) {
            writeln!(out, "  {n} {what}")?;
        }
        if !varying.is_empty() {
            let helpers = varying.join(", ");
            writeln!(out, "  not compared: what {helpers} made of packets and maps")?;
        }
        if let Some((n, user, kernel)) = &self.first {
            writeln!(out, "\npacket {n}")?;
            for (world, fate) in [("user", user), ("kernel", kernel)] {
                let verdict = match &fate.verdict {
                    Ok(v) => verdict(prog_type, *v),
                    Err(why) => why.clone(),
                };
                writeln!(out, "  {world:6}  {verdict}  {}", run::maps::hex(&fate.bytes))?;
            }
        }
        self.maps.iter().try_for_each(|m| print_map(m, out))
    }
}

fn print_map(m: &MapReport, out: &mut Output) -> Result<(), Failure> {
    let heading = out.paint(Style::Heading, &m.name);
    let left_out = if m.left_out > 0 { format!(", {} not compared", m.left_out) } else { String::new() };
    let count =
        out.paint(Style::Faint, format!("({} the same, {} different{left_out})", m.same, m.different.len()));
    writeln!(out, "\n{heading} {count}")?;
    let shown = |v: &Option<Vec<u8>>| v.as_deref().map_or("none".to_owned(), run::maps::hex);
    for (key, user, kernel) in m.different.iter().take(SHOWN) {
        writeln!(out, "  {}  user {}  kernel {}", run::maps::hex(key), shown(user), shown(kernel))?;
    }
    if m.different.len() > SHOWN {
        writeln!(out, "  ... {} more (--json has them)", m.different.len() - SHOWN)?;
    }
    Ok(())
}

fn verdict(prog_type: ProgType, value: u32) -> String {
    let value = i64::from(value as i32);
    prog_type.verdict_name(value).map_or_else(|| value.to_string(), str::to_owned)
}
