//! The loop programs as verified XDP programs, and packets in memory: skep with proofs and without, and Linux where the
//! process may use it.

use std::sync::Arc;

use serde_json::{Value, json};
use skep::backend::{Backend, Incoming, LoadOptions, Loaded, TestRun};
use skep::kernel::Kernel;
use skep::object::Spec;
use skep::runtime::World;

use crate::engines::{Named, Native, agreeing, engine, lookup};
use crate::programs::{PROGRAMS, Program};
use crate::{Args, geomean, median, thread_ns};

/// Nanoseconds that a sample should take at least.
const SAMPLE: u64 = 300_000;
const PACKETS: &[u8] = include_bytes!("../programs/packets.xdp.o");

/// An engine that runs one program: nanoseconds a run.
type Sampler<'a> = Box<dyn FnMut() -> u64 + 'a>;

/// A program in one of the worlds.
struct Placed {
    loaded: Box<dyn Loaded>,
    index: usize,
    name: String,
    kernel: bool,
}

impl Placed {
    fn new(backend: &dyn Backend, object: &[u8], name: &str, kernel: bool) -> Option<Self> {
        let spec = Spec::from_elf(object).expect("object");
        let options = LoadOptions { programs: vec![name.to_owned()], ..LoadOptions::default() };
        let loaded = match backend.load(&spec, &options) {
            Ok(loaded) => loaded,
            Err(e) => {
                eprintln!("{name}: {e}");
                return None;
            }
        };
        let index = loaded.program_index(name).expect("the program");
        Some(Self { loaded, index, name: name.to_owned(), kernel })
    }

    fn fill(&mut self, input: &[u8]) {
        if let Some(map) = self.loaded.map("input") {
            map.update(&0u32.to_le_bytes(), input, 0).expect("input");
        }
        if let Some(map) = self.loaded.map("table") {
            for key in 0..256u32 {
                map.update(&key.to_le_bytes(), &lookup(key.into()).to_le_bytes(), 0).expect("table");
            }
        }
    }

    fn result(&mut self) -> Option<u64> {
        let value = self.loaded.map("input")?.lookup(&0u32.to_le_bytes()).expect("input")?;
        Some(u64::from_le_bytes(value[8..16].try_into().expect("eight bytes")))
    }

    /// Picoseconds a run on one packet.
    fn sample(&mut self, packet: &[u8], times: u64) -> u64 {
        if self.kernel {
            let input = TestRun { packet, repeat: times as u32, ..TestRun::default() };
            return self.loaded.test_run(&self.name, &input).expect("a run").duration_ns * 1000;
        }
        let start = thread_ns();
        for _ in 0..times {
            self.loaded.run_packet(self.index, packet, None).expect("a run");
        }
        (thread_ns() - start) * 1000 / times
    }
}

/// The worlds: with proofs, without, and Linux.
fn place(object: &[u8], name: &str, skep_alone: bool) -> [Option<Placed>; 3] {
    let jit = World::new().engine(skep::vm::Engine::Jit);
    [
        Placed::new(&jit.clone().proofs(true), object, name, false),
        Placed::new(&jit, object, name, false),
        if skep_alone { None } else { Placed::new(&Kernel::new(), object, name, true) },
    ]
}

/// How many times, so that a sample is long enough.
fn times(mut run: impl FnMut(u64) -> u64) -> u64 {
    (SAMPLE * 1000 / run(16).max(1)).clamp(16, 1_000_000)
}

/// The worlds that [`place`] gives, in its order.
const WORLDS: [&str; 3] = ["skep", "skep_sandbox", "kernel"];

/// Compilers that run the plain form.
const PEERS: [&str; 3] = ["rbpf_jit", "rbpf_cranelift", "sbpf_jit"];

/// Names of all engines, in the order of columns.
fn names(args: &Args) -> Vec<&str> {
    let drivers = args.drivers.iter().map(|d| d.name.as_str());
    WORLDS.into_iter().chain(PEERS).chain(drivers).chain(["native"]).collect()
}

/// Picoseconds a run of a loop program by each engine of [`names`].
fn times_of(program: &Program, library: Option<&Arc<libloading::Library>>, args: &Args) -> Vec<Option<u64>> {
    let packet = [0u8; 64];
    let input = program.input_of(program.count());
    let mut placed = place(program.verified, "measured", args.skep_alone);
    placed.iter_mut().flatten().for_each(|p| p.fill(&input));
    let insns = program.insns();
    let peers = PEERS.into_iter().filter(|_| !args.skep_alone);
    let mut plain: Vec<Named> =
        peers.filter_map(|name| Some((name.to_owned(), engine(name, &insns, &input)?))).collect();
    let started = args.drivers.iter().map(|d| (d.name.clone(), d.start(program.name, &insns, &input)));
    plain.extend(started.filter_map(|(name, driver)| Some((name, driver?))));
    if let Some(native) = library.and_then(|l| Native::new(l, program.name, &input)) {
        plain.push(("native".to_owned(), Box::new(native)));
    }
    let mut results = Vec::new();
    for p in placed.iter_mut().flatten() {
        p.sample(&packet, 1);
        results.extend(p.result());
    }
    assert!(results.iter().all(|r| *r == results[0]), "{}: {results:x?}", program.name);
    let mut plain = agreeing(plain, results[0], program.name);
    let mut samplers: Vec<Option<Sampler<'_>>> = Vec::new();
    for p in &mut placed {
        samplers.push(p.as_mut().map(|p| {
            let n = times(|n| p.sample(&packet, n));
            Box::new(move || p.sample(&packet, n)) as Sampler<'_>
        }));
    }
    for name in &names(args)[WORLDS.len()..] {
        let engine = plain.iter().position(|e| e.0 == *name).map(|i| plain.swap_remove(i).1);
        samplers.push(engine.map(|mut e| {
            let mut sample = move |n: u64| e.timed(n).1 * 1000 / n;
            let n = times(&mut sample);
            Box::new(move || sample(n)) as Sampler<'_>
        }));
    }
    interleave(&mut samplers, args.rounds)
}

/// Medians of rounds that go through all samplers in turn.
fn interleave(samplers: &mut [Option<Sampler<'_>>], rounds: usize) -> Vec<Option<u64>> {
    let mut all = vec![Vec::new(); samplers.len()];
    for _ in 0..rounds.max(1) {
        for (sampler, times) in samplers.iter_mut().zip(&mut all) {
            if let Some(sampler) = sampler {
                times.push(sampler());
            }
        }
    }
    all.into_iter().map(|times| (!times.is_empty()).then(|| median(times))).collect()
}

/// Loop programs and packets, printed and as JSON.
pub fn measure(library: Option<&Arc<libloading::Library>>, args: &Args) -> Value {
    let mut floor = None;
    let mut rows = Vec::new();
    let names = names(args);
    println!("| verified program | {} |\n|---|{}", names.join(" ns | ") + " ns", "---|".repeat(names.len()));
    for program in PROGRAMS {
        if program.n > 0 && args.only.as_deref().is_some_and(|only| only != program.name) {
            continue;
        }
        let found = times_of(program, library, args);
        let floor = floor.get_or_insert_with(|| found.clone());
        let net: Vec<Option<f64>> = found
            .iter()
            .zip(floor.iter())
            .map(|(t, f)| {
                let less = if program.n > 0 { (*f)? } else { 0 };
                Some((*t)?.saturating_sub(less).max(1) as f64 / 1000.0)
            })
            .collect();
        let cells: Vec<_> = net.iter().map(|t| t.map_or("-".into(), |t| format!("{t:.1}"))).collect();
        println!("| {} | {} |", program.name, cells.join(" | "));
        if program.n > 0 {
            rows.push((program.name, net));
        }
    }
    let over = |a: &str, b: &str| {
        let place = |name| names.iter().position(|n| *n == name);
        let (a, b) = place(a).zip(place(b))?;
        let known: Vec<_> = rows.iter().filter_map(|(_, t)| Some(t[a]? / t[b]?)).collect();
        (!known.is_empty()).then(|| geomean(known.into_iter()))
    };
    let mut ratios = serde_json::Map::new();
    let mut add = |a: &str, b: &str| _ = over(a, b).map(|r| ratios.insert(format!("{a}_over_{b}"), json!(r)));
    names.iter().filter(|n| !n.starts_with("skep")).for_each(|n| add("skep", n));
    names.iter().filter(|n| !n.starts_with("skep") && **n != "native").for_each(|n| add(n, "native"));
    add("skep_sandbox", "skep");
    let ratios = Value::Object(ratios);
    println!("\ngeomean: {ratios}");
    let packets = packets(args);
    let programs = rows.iter().map(|(name, t)| {
        let times = names.iter().zip(t).filter_map(|(n, t)| Some(((*n).to_owned(), json!((*t)?))));
        json!({"name": name, "ns": times.collect::<serde_json::Map<_, _>>()})
    });
    json!({"geomean": ratios, "programs": programs.collect::<Vec<_>>(), "packets": packets})
}

/// Packets in memory, one core: nanoseconds a packet.
pub fn packets(args: &Args) -> Value {
    let mut packet = [0u8; 64];
    packet[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
    packet[23] = 17;
    let many: Vec<[u8; 64]> = (0..1024u32)
        .map(|n| {
            let mut packet = packet;
            packet[26..30].copy_from_slice(&n.to_be_bytes());
            packet
        })
        .collect();
    let many: Vec<Incoming<'_>> = many.iter().map(|p| Incoming { data: p, timestamp_ns: None }).collect();
    let mut out = Vec::new();
    println!(
        "\n| packets | batch ns | one by one ns | sandbox ns | kernel ns | kernel / batch |\n|---|---|---|---|---|---|"
    );
    for name in ["empty", "drop", "count", "forward"] {
        if args.only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let mut batch = place(PACKETS, name, args.skep_alone);
        let mut placed = place(PACKETS, name, args.skep_alone);
        let batch = batch[0].as_mut().expect("a world");
        let mut samplers: Vec<Option<Sampler<'_>>> = vec![Some(Box::new(|| {
            let start = thread_ns();
            let mut sum = 0;
            for _ in 0..64 {
                batch.loaded.run_packets(batch.index, &many, &mut |_, outcome, _| {
                    sum += outcome.expect("a run").retval;
                });
            }
            std::hint::black_box(sum);
            (thread_ns() - start) * 1000 / (64 * many.len() as u64)
        }))];
        for p in &mut placed {
            samplers.push(p.as_mut().map(|p| {
                let n = if p.kernel { 1_000_000 } else { times(|n| p.sample(&packet, n)) };
                Box::new(move || p.sample(&packet, n)) as Sampler<'_>
            }));
        }
        let ns: Vec<_> =
            interleave(&mut samplers, args.rounds).iter().map(|t| t.map(|t| t as f64 / 1000.0)).collect();
        let cell = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.1}"));
        let ratio = ns[3].zip(ns[0]).map(|(k, b)| k / b);
        println!(
            "| {name} | {} | {} | {} | {} | {} |",
            cell(ns[0]),
            cell(ns[1]),
            cell(ns[2]),
            cell(ns[3]),
            cell(ratio)
        );
        out.push(
            json!({"program": name, "batch": ns[0], "one_by_one": ns[1], "sandbox": ns[2], "kernel": ns[3]}),
        );
    }
    json!(out)
}
