//! `cargo xtask fidelity`: random programs to the running kernel and to the verifier, and where the two differ.
//!
//! Three kinds of program, by their seed: grown ones, most of which are accepted; the same with a few changes, which are
//! refused for many reasons; wild ones, which mean nothing. Where the two verdicts differ, the program is made as small as
//! it gets while they do.

mod figures;
mod grow;
mod minimize;
mod mutate;
mod program;
pub mod rows;
mod text;
mod wild;
mod world;

use std::fmt::Write;
use std::time::Instant;

use skep_sys::Errno;
use skep_verifier::Verdict;

pub use figures::{Difference, Figures};
pub(crate) use minimize::minimize;
pub use program::Program;

use crate::random::Random;
use program::{CALL, WIDE};
use world::{MAPS, Said, World};

/// Most differences of one kind that are made small and kept.
const KEPT: u64 = 2;

/// The program of this seed; the same seed gives the same program.
pub fn generate(seed: u64) -> Program {
    let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    match random.below(20) {
        0 => wild::wild(&mut random),
        1..8 => {
            let mut program = grow::grow(&mut random);
            mutate::mutate(&mut program, &mut random);
            program
        }
        _ => grow::grow(&mut random),
    }
}

/// Runs programs of the seeds from `seed` on.
///
/// # Errors
/// The kernel's, where maps can't be made: `EPERM` without rights.
pub fn run(programs: u64, seed: u64) -> Result<Figures, Errno> {
    let world = World::new()?;
    let mut figures = Figures::default();
    for seed in (0..programs).map(|n| seed.wrapping_add(n)) {
        compare(&world, seed, &mut figures)?;
    }
    Ok(figures)
}

/// What both say of a seed's program, state by state; where they differ, of the smallest that shows it.
///
/// # Errors
/// The kernel's, where maps can't be made.
pub fn show(seed: u64) -> Result<String, Errno> {
    let (world, mut program) = (World::new()?, generate(seed));
    let (said, outcome) = (world.load(&program)?, world.verify(&program));
    let how = stand(&said, &outcome.verdict);
    if matches!(how, Stand::FalseAccept | Stand::FalseReject) {
        program = small(&world, &program, how)?;
    }
    both(&world, &program)
}

/// What both say of a program in the form in which differences are printed.
///
/// # Errors
/// What is wrong with the text, or the kernel's, where maps can't be made.
pub fn show_text(text: &str) -> Result<String, Box<dyn std::error::Error>> {
    let program = text::read(text)?;
    Ok(both(&World::new()?, &program)?)
}

fn both(world: &World, program: &Program) -> Result<String, Errno> {
    let (log, ours) = world.logs(program)?;
    Ok(format!("{}\n--- kernel\n{log}\n--- skep\n{ours}", listing(program)))
}

/// How two verdicts stand to each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    Same,
    FalseAccept,
    FalseReject,
    NotModelled,
    NoVerdict,
}

fn stand(said: &Said, verdict: &Verdict) -> Stand {
    match (said.errno, verdict) {
        (_, Verdict::NotModelled(_)) => Stand::NotModelled,
        (e, _) if e == Errno::EPERM.0 && said.silent => Stand::NoVerdict,
        (0, Verdict::Reject(_)) => Stand::FalseReject,
        (1.., Verdict::Accept) => Stand::FalseAccept,
        _ => Stand::Same,
    }
}

fn compare(world: &World, seed: u64, figures: &mut Figures) -> Result<(), Errno> {
    let program = generate(seed);
    figures.programs += 1;
    let start = Instant::now();
    let said = world.load(&program)?;
    let middle = Instant::now();
    let outcome = world.verify(&program);
    let ours = middle.elapsed().as_micros();
    figures.times.0 += (middle - start).as_micros();
    figures.times.1 += ours;
    figures.slowest = figures.slowest.max((ours, seed));
    if said.errno == 0 {
        figures.accepted += 1;
        let helpers = program.insns.iter().filter(|i| i.opcode == CALL && i.src == 0);
        figures.helpers.extend(helpers.map(|i| i.imm));
    } else {
        let message = figures::plain(said.message.lines().last().unwrap_or("(nothing)"));
        *figures.messages.entry(message).or_default() += 1;
    }
    let how = stand(&said, &outcome.verdict);
    match (how, &outcome.verdict) {
        (Stand::NotModelled, Verdict::NotModelled(what)) => {
            *figures.not_modelled.entry(what.clone()).or_default() += 1;
        }
        (Stand::NoVerdict, _) => figures.no_verdict += 1,
        (Stand::Same, Verdict::Reject(r)) if r.errno != said.errno => figures.other_errno.push(seed),
        (Stand::Same, _) if said.insns.unwrap_or(0) != outcome.counts.insns => {
            figures.other_counts.push(seed)
        }
        (Stand::FalseAccept | Stand::FalseReject, verdict) => {
            let who = if how == Stand::FalseAccept { figures::KERNEL } else { figures::SKEP };
            let kind = format!("{who}{}", why(&said, verdict));
            let n = figures.kinds.entry(kind).or_default();
            *n += 1;
            if *n <= KEPT {
                let found = difference(world, seed, &program, how)?;
                let all = if how == Stand::FalseAccept {
                    &mut figures.false_accepts
                } else {
                    &mut figures.false_rejects
                };
                all.push(found);
            }
        }
        _ => {}
    }
    Ok(())
}

/// The words of the one that refuses.
fn why(said: &Said, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Reject(r) => figures::plain(&r.message),
        _ => figures::plain(said.message.lines().last().unwrap_or_default()),
    }
}

/// Makes a program small, as long as the same message stands against it.
fn small(world: &World, program: &Program, how: Stand) -> Result<Program, Errno> {
    let (said, outcome) = (world.load(program)?, world.verify(program));
    let wanted = why(&said, &outcome.verdict);
    Ok(minimize(program, |p| {
        let (Ok(said), outcome) = (world.load(p), world.verify(p)) else { return false };
        stand(&said, &outcome.verdict) == how && why(&said, &outcome.verdict) == wanted
    }))
}

fn difference(world: &World, seed: u64, program: &Program, how: Stand) -> Result<Difference, Errno> {
    let small = small(world, program, how)?;
    let (said, outcome) = (world.load(&small)?, world.verify(&small));
    Ok(Difference {
        seed,
        kernel: format!("{} {}", said.errno, said.message.trim()),
        skep: match &outcome.verdict {
            Verdict::Reject(r) => format!("{} {} at {}", r.errno, r.message, r.insn),
            other => format!("{other:?}"),
        },
        program: listing(&small),
    })
}

/// A program as the body of a corpus file.
pub(crate) fn listing(p: &Program) -> String {
    let mut out =
        format!("#! prog = {}\n#! attach = {}\n#! flags = {}\n", p.prog_type, p.attach_type, p.flags);
    let halves = p.halves();
    let used =
        |n: usize| p.insns.iter().any(|i| i.opcode == WIDE && matches!(i.src, 1 | 2) && i.imm == n as i32);
    for (n, m) in MAPS.iter().enumerate().filter(|(n, _)| used(*n)) {
        let _ = writeln!(out, "#! map = m{n} {} {} {} {} {}", m.map_type, m.key, m.value, m.max, m.flags);
    }
    let printer = skep_isa::disasm::Disassembler::new(skep_isa::disasm::Style::Kernel);
    for (n, i) in p.insns.iter().enumerate().filter(|(n, _)| !halves[*n]) {
        let text = printer.insn(&p.insns, n).unwrap_or_else(|e| format!("{e}: {i:?}"));
        let _ = writeln!(out, "{n:4}: {text}");
    }
    if !p.funcs.is_empty() {
        let _ = writeln!(out, "# functions {:?}", p.funcs);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::generate;

    #[test]
    fn a_seed_gives_one_program() {
        assert_eq!(generate(7).insns, generate(7).insns);
        assert_ne!(generate(7).insns, generate(8).insns);
    }

    #[test]
    fn every_kind_of_program_can_be_made() {
        for seed in 0..3000 {
            assert!(!generate(seed).insns.is_empty());
        }
    }
}
