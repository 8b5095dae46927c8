//! `skep bench`: the user's own program in every engine that there is, in one run.
//!
//! Engines take turns, so that a disturbance hits all alike; what is told are medians of the rounds, of time by the clock, as
//! Linux tells its own. Before, every engine runs each packet once, and answers that differ are told.

mod chart;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use skep::abi::ProgType;
use skep::backend::{Backend, Incoming, LoadOptions, Loaded, TestRun};
use skep::kernel::Kernel;
use skep::object::{Program, Spec};
use skep::runtime::World;
use skep::vm::Engine;

use super::run;
use crate::Verdict;
use crate::failure::Failure;
use crate::input;
use crate::output::{Output, Style};
use crate::packets::Packets;

const EXAMPLES: &str = "\
Examples:
  skep bench examples/xdp_firewall.o
  skep bench examples/xdp_firewall.o --pcap examples/traffic.pcapng --svg speed.svg
  skep bench prog.o --prog main --rounds 21 --json";

/// Measure a program in the interpreter, the jit and, with rights, Linux
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    program: run::ProgramArgs,

    /// The packets, of which the first sixteen are taken; without, one of 64 bytes with IPv4 and UDP
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,

    /// How often every engine has its turn
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Tell profilers where the machine code is: `perf report` names frames by /tmp/perf-PID.map
    #[arg(long)]
    perf_map: bool,

    /// Draw a chart
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Packets that are taken.
const PACKETS: usize = 16;
/// Nanoseconds that a turn should take, about.
const TURN: u64 = 3_000_000;

/// An engine with the program.
struct Placed {
    name: &'static str,
    kernel: bool,
    loaded: Box<dyn Loaded>,
    index: usize,
    /// How often the packets are run in a turn.
    times: u32,
    samples: Vec<f64>,
}

/// What is told of an engine.
#[derive(Serialize)]
pub(super) struct Row {
    engine: &'static str,
    /// Nanoseconds a run: the median, and the quickest turn.
    ns: f64,
    best_ns: f64,
    runs_per_second: f64,
    /// How many times as fast as the interpreter.
    times_interpreter: f64,
    /// How many times as fast as Linux, if that took part.
    times_kernel: Option<f64>,
}

#[derive(Serialize)]
struct Json<'a> {
    schema: &'static str,
    program: &'a str,
    prog_type: String,
    packets: usize,
    rounds: u32,
    engines: &'a [Row],
}

/// What the program is given.
struct Work<'a> {
    program: &'a Program,
    packets: Vec<Vec<u8>>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let text = args.program.read(false)?;
    let spec = &text.spec;
    let (program, prog_type) = args.program.choose(spec, args.pcap.is_some())?;
    let takes_packets = run::forward::takes_packets(prog_type);
    let packets = match &args.pcap {
        Some(_) if !takes_packets => {
            return Err(Failure::new(format!("programs of type {prog_type} take no packets here")));
        }
        Some(path) => packets(path, out)?,
        None if takes_packets => vec![packet()],
        None => Vec::new(),
    };
    let work = Work { program, packets };
    let mut engines = place(spec, &work, &run::options(spec, program, prog_type), args.perf_map, out)?;
    agree(&mut engines, &work, out)?;
    for placed in &mut engines {
        placed.times = 1;
        let once = placed.turn(&work)?;
        let runs = work.packets.len().max(1) as f64;
        placed.times = (TURN as f64 / (once * runs).max(1.0)).clamp(1.0, 1e6) as u32;
        if placed.kernel {
            // Linux takes some milliseconds to begin with many.
            placed.times = placed.times.max(10_000);
        }
    }
    for _ in 0..args.rounds {
        for placed in &mut engines {
            let ns = placed.turn(&work)?;
            placed.samples.push(ns);
        }
    }
    tell(args, &work, prog_type, &rows(&mut engines), out)
}

/// Loads the program into all that there are: those of this process must take it, Linux may refuse.
fn place(
    spec: &Spec,
    work: &Work<'_>,
    options: &LoadOptions,
    perf_map: bool,
    out: &mut Output,
) -> Result<Vec<Placed>, Failure> {
    let name = work.program.name.as_str();
    let placed = |engine, kernel, loaded: Box<dyn Loaded>| {
        let index = loaded.program_index(name);
        let index = index.ok_or_else(|| Failure::new(format!("program `{name}` was not loaded")))?;
        Ok::<_, Failure>(Placed { name: engine, kernel, loaded, index, times: 1, samples: Vec::new() })
    };
    let failed = |e: &skep::backend::Error| run::engine::failure(e, spec);
    let interpreter = World::new().load(spec, options).map_err(|e| failed(&e))?;
    let mut engines = vec![placed("interpreter", false, Box::new(interpreter))?];
    let jit = World::new().engine(Engine::Jit).own_pages(perf_map);
    match jit.load(spec, options) {
        Ok(live) => engines.push(placed("jit, all checks", false, Box::new(live))?),
        Err(e) => out.note(format!("no jit: {e}")),
    }
    if let Ok(live) = jit.proofs(true).load(spec, options) {
        match live.is_proved(name) {
            true => {
                if perf_map {
                    run::engine::write_perf_map(&live)?;
                }
                engines.push(placed("jit", false, Box::new(live))?);
            }
            false => out.note("the verifier has no proof to give, so the jit keeps all checks"),
        }
    }
    match Backend::load(&Kernel::new(), spec, options) {
        Ok(loaded) => engines.push(placed("linux", true, loaded)?),
        Err(e) => out.note(format!("without Linux: {}", e.to_string().lines().next().unwrap_or_default())),
    }
    Ok(engines)
}

/// Lets every engine run each packet once, and tells where answers differ. Linux leaves if it can't.
fn agree(engines: &mut Vec<Placed>, work: &Work<'_>, out: &mut Output) -> Result<(), Failure> {
    let mut first: Option<Vec<u64>> = None;
    let mut gone = Vec::new();
    for (i, placed) in engines.iter_mut().enumerate() {
        let answers: Result<Vec<u64>, _> = work
            .inputs(1)
            .map(|run| placed.loaded.test_run(&work.program.name, &run).map(|o| o.retval))
            .collect();
        match answers {
            Ok(answers) => {
                if first.get_or_insert_with(|| answers.clone()) != &answers {
                    out.warn(format!("{} answers otherwise than the {}", placed.name, "interpreter"));
                }
            }
            Err(e) if placed.kernel => {
                out.note(format!("without Linux: {e}"));
                gone.push(i);
            }
            Err(e) => return Err(Failure::new(format!("{}: {e}", placed.name))),
        }
    }
    gone.into_iter().rev().for_each(|i| _ = engines.remove(i));
    Ok(())
}

impl Work<'_> {
    fn inputs(&self, repeat: u32) -> impl Iterator<Item = TestRun<'_>> {
        let packets: Box<dyn Iterator<Item = &[u8]>> = match self.packets.as_slice() {
            [] => Box::new(std::iter::once(&[][..])),
            all => Box::new(all.iter().map(Vec::as_slice)),
        };
        packets.map(move |packet| TestRun { packet, repeat, ..TestRun::default() })
    }
}

impl Placed {
    /// One turn: nanoseconds a run.
    fn turn(&mut self, work: &Work<'_>) -> Result<f64, Failure> {
        if self.kernel || work.packets.is_empty() {
            let (mut sum, mut count) = (0, 0);
            for input in work.inputs(self.times) {
                let run = self.loaded.test_run(&work.program.name, &input);
                sum += run.map_err(|e| Failure::new(format!("{}: {e}", self.name)))?.duration_ns;
                count += 1;
            }
            return Ok(sum as f64 / f64::from(count.max(1)));
        }
        let packets: Vec<_> = work.packets.iter().map(|p| Incoming { data: p, timestamp_ns: None }).collect();
        let mut wrong = None;
        let start = Instant::now();
        for _ in 0..self.times {
            self.loaded.run_packets(self.index, &packets, &mut |_, outcome, _| {
                if let Err(e) = outcome {
                    wrong = Some(e);
                }
            });
        }
        let took = start.elapsed().as_nanos() as f64;
        match wrong {
            Some(e) => Err(Failure::new(format!("{}: {e}", self.name))),
            None => Ok(took / (f64::from(self.times) * packets.len() as f64)),
        }
    }
}

fn rows(engines: &mut [Placed]) -> Vec<Row> {
    engines.iter_mut().for_each(|e| e.samples.sort_by(f64::total_cmp));
    // A clock may stand still for what takes less than it counts.
    let median = |e: &Placed| e.samples.get(e.samples.len() / 2).copied().unwrap_or_default().max(0.1);
    let of = |kernel: bool| engines.iter().find(|e| e.kernel == kernel).map(median);
    let (interpreter, kernel) = (of(false), of(true));
    let row = |e: &Placed| {
        let ns = median(e);
        Row {
            engine: e.name,
            ns,
            best_ns: e.samples.first().copied().unwrap_or_default(),
            runs_per_second: 1e9 / ns,
            times_interpreter: interpreter.unwrap_or(ns) / ns,
            times_kernel: kernel.map(|k| k / ns),
        }
    };
    engines.iter().map(row).collect()
}

fn tell(
    args: &Args,
    work: &Work<'_>,
    prog_type: ProgType,
    rows: &[Row],
    out: &mut Output,
) -> Result<Verdict, Failure> {
    let name = work.program.name.as_str();
    if let Some(path) = &args.svg {
        let bars: Vec<_> = rows.iter().map(|r| (r.engine, r.ns)).collect();
        let svg = chart::svg(&format!("{name}: nanoseconds a run"), &bars);
        std::fs::write(path, svg).map_err(|e| input::at(path, &e))?;
    }
    let (packets, rounds) = (work.packets.len(), args.rounds);
    if out.json {
        let prog_type = prog_type.to_string();
        out.object(&Json {
            schema: "skep.bench/1",
            program: name,
            prog_type,
            packets,
            rounds,
            engines: rows,
        })?;
        return Ok(Verdict::Yes);
    }
    let heading = out.paint(Style::Heading, format!("{name}:"));
    let on = match packets {
        0 => String::new(),
        1 => ", one packet".to_owned(),
        n => format!(", {n} packets"),
    };
    let rest = out.paint(Style::Faint, format!("medians of {rounds} rounds{on}"));
    writeln!(out, "{heading} {rest}")?;
    writeln!(out, "{:<16} {:>10} {:>12} {:>9} {:>9}", "", "ns a run", "runs/s", "x interp", "x linux")?;
    for row in rows {
        let times = row.times_kernel.map_or_else(|| "-".to_owned(), |t| format!("{t:.2}"));
        let rate = format!("{:.2} M", row.runs_per_second / 1e6);
        let name = out.paint(Style::Name, format!("{:<16}", row.engine));
        writeln!(out, "{name} {:>10.1} {rate:>12} {:>9.2} {times:>9}", row.ns, row.times_interpreter)?;
    }
    Ok(Verdict::Yes)
}

/// The first packets of a capture.
fn packets(path: &Path, out: &mut Output) -> Result<Vec<Vec<u8>>, Failure> {
    let mut packets = Packets::open(path)?;
    let mut all = Vec::new();
    while all.len() < PACKETS
        && let Some(packet) = packets.next(out)?
    {
        all.push(packet.data.to_vec());
    }
    if all.is_empty() {
        return Err(Failure::new(format!("{}: no packets", input::label(path))));
    }
    Ok(all)
}

/// 64 bytes: Ethernet, IPv4 and UDP from 192.0.2.1 port 1024 to 192.0.2.2 port 53 (addresses of RFC 5737).
fn packet() -> Vec<u8> {
    let mut packet = vec![0; 64];
    packet[..12].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
    packet[12..24].copy_from_slice(&[8, 0, 0x45, 0, 0, 50, 0, 0, 0x40, 0, 64, 17]);
    packet[24..34].copy_from_slice(&[0xb6, 0xb7, 192, 0, 2, 1, 192, 0, 2, 2]);
    packet[34..40].copy_from_slice(&[4, 0, 0, 53, 0, 30]);
    packet
}
