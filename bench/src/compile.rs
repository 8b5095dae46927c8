//! How long engines take from bytes to machine code.
//!
//! Programs of 3,000 instructions of several kinds give the cost of an instruction, programs of one to ten the cost
//! of a program. Two figures an engine: `whole` begins with bytes and ends with code that may be run, the engine's own
//! check of the program included; `alone` is the compiler by itself, where an engine has it by itself.

use serde_json::{Value, json};
use skep_isa::asm::{Dialect, assemble};
use skep_isa::{Endian, Insn};

use crate::engines;
use crate::programs::PROGRAMS;
use crate::{Args, median, thread_ns};

const LONG: usize = 3000;

/// The arithmetic of a hash, over and over.
const HASH: &str = "
    r2 = *(u32 *)(r10 - 8)
    r3 = r2
    r3 <<= 13
    r2 ^= r3
    w3 >>= 17
    r2 += r3
    r4 = r3
    r4 ^= r2
    r0 += r2
    *(u32 *)(r10 - 8) = r2\n";

/// Memory of the frame, by r10 and by another register.
const MEMORY: &str = "
    r2 = *(u64 *)(r1 - 16)
    *(u8 *)(r10 - 1) = r2
    *(u16 *)(r10 - 4) = r2
    r3 = *(u8 *)(r10 - 1)
    *(u64 *)(r1 - 24) = r3
    r4 = *(u16 *)(r1 - 40)
    *(u32 *)(r10 - 8) = r4
    r5 = *(u32 *)(r10 - 8)
    *(u32 *)(r1 - 300) = r5
    r2 = *(u64 *)(r1 - 8)\n";

/// Comparisons, constants and short ways forward, as a parser has.
const BRANCHES: &str = "
    r2 = *(u16 *)(r1 - 12)
    if r2 != 8 goto +2
    r3 = 1000000
    r0 += r3
    if r2 > r4 goto +1
    r0 |= 4
    w2 &= 255
    if r2 == 17 goto +1
    r0 += 1
    r4 = r2\n";

/// A long program, and what it is called.
pub struct Mix {
    pub name: &'static str,
    pub insns: Vec<Insn>,
}

fn repeated(text: &str, count: usize) -> Vec<Insn> {
    let text = format!("r1 = r10\n*(u64 *)(r10 - 8) = 1\nr0 = 0\nr4 = 0\n{}exit", text.repeat(count));
    assemble(&text, Dialect::Kernel).expect("text").insns
}

fn mixes() -> Vec<Mix> {
    let mut mixes: Vec<Mix> = [("hash", HASH), ("memory", MEMORY), ("branches", BRANCHES)]
        .into_iter()
        .map(|(name, text)| Mix { name, insns: repeated(text, LONG / 10) })
        .collect();
    let mut insns = Vec::new();
    // What clang makes of C: all loop programs without calls, one behind the other.
    let plain = |p: &&crate::programs::Program| !matches!(p.name, "lookups" | "balance" | "subprograms");
    while insns.len() < LONG {
        PROGRAMS.iter().filter(plain).for_each(|p| insns.extend(p.insns()));
    }
    mixes.push(Mix { name: "clang", insns });
    mixes
}

fn short(n: usize) -> Vec<Insn> {
    let text = format!("{}exit", "r0 = 1\n".repeat(n - 1));
    assemble(&text, Dialect::Kernel).expect("text").insns
}

type Build = Box<dyn FnMut()>;

fn builds(insns: &[Insn], skep_alone: bool) -> Vec<(&'static str, Option<Build>)> {
    let bytes = skep_isa::bytes_from_slots(insns, Endian::Little);
    let mut builds = vec![
        ("skep", Some(Box::new(engines::skep_build(&bytes)) as Build)),
        ("skep_proved", engines::proved_build(insns).map(|b| Box::new(b) as Build)),
    ];
    if skep_alone {
        return builds;
    }
    builds.extend([
        ("rbpf", Some(Box::new(engines::rbpf_whole(&bytes)) as Build)),
        ("rbpf_alone", Some(Box::new(engines::rbpf_alone(&bytes)))),
        ("sbpf", engines::sbpf_build(insns, false).map(|b| Box::new(b) as Build)),
        ("sbpf_alone", engines::sbpf_build(insns, true).map(|b| Box::new(b) as Build)),
    ]);
    builds
}

/// Median nanoseconds of a build by each engine, in rounds that go through all of them.
fn times(insns: &[Insn], args: &Args, repeat: u64) -> Vec<(&'static str, Option<f64>)> {
    let mut builds = builds(insns, args.skep_alone);
    let mut samples = vec![Vec::new(); builds.len()];
    for round in 0..=args.rounds {
        for ((_, build), times) in builds.iter_mut().zip(&mut samples) {
            let Some(build) = build else { continue };
            let start = thread_ns();
            (0..repeat).for_each(|_| build());
            let time = thread_ns() - start;
            if round > 0 {
                times.push(time * 1000 / repeat);
            }
        }
    }
    let median = |times: Vec<u64>| (!times.is_empty()).then(|| median(times) as f64 / 1000.0);
    builds.iter().map(|b| b.0).zip(samples.into_iter().map(median)).collect()
}

/// Measures, prints, and gives the same as JSON.
pub fn measure(args: &Args) -> Value {
    let mut out = Vec::new();
    let mut head = false;
    let mut line = |name: &str, unit: &str, times: &[(&'static str, Option<f64>)], digits: usize| {
        if !std::mem::replace(&mut head, true) {
            let names: Vec<_> = times.iter().map(|t| t.0).collect();
            println!("| compiling | unit | {} | skep / rbpf | proved / rbpf |", names.join(" | "));
            println!("|---|---|{}---|---|", "---|".repeat(names.len()));
        }
        let cells: Vec<_> =
            times.iter().map(|t| t.1.map_or("-".into(), |t| format!("{t:.digits$}"))).collect();
        let get = |n: &str| times.iter().find(|t| t.0 == n).and_then(|t| t.1);
        let ratio = |n| get(n).zip(get("rbpf")).map_or("-".into(), |(s, r)| format!("{:.2}", s / r));
        println!(
            "| {name} | {unit} | {} | {} | {} |",
            cells.join(" | "),
            ratio("skep"),
            ratio("skep_proved")
        );
        let map: serde_json::Map<_, _> = times.iter().map(|(n, t)| (n.to_string(), json!(t))).collect();
        out.push(json!({"program": name, "unit": unit, "times": map}));
    };
    let wanted = |name: &str| args.only.as_deref().is_none_or(|only| only == name);
    for mix in mixes().into_iter().filter(|mix| wanted(mix.name)) {
        let n = mix.insns.len() as f64;
        let times: Vec<_> =
            times(&mix.insns, args, 8).into_iter().map(|(e, t)| (e, t.map(|t| t / n))).collect();
        line(mix.name, "ns an instruction", &times, 2);
    }
    for n in [1, 2, 5, 10].into_iter().filter(|_| args.only.is_none()) {
        line(&format!("{n} instructions"), "ns", &times(&short(n), args, 1000), 0);
    }
    json!(out)
}
