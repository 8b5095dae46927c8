//! A fixed set of random programs in both worlds; skipped, with the reason, where Linux may not be asked. More of
//! them: `cargo xtask diff --programs N --seed S`.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use skep::vm::Engine;
use skep_isa::decode;
use skep_tests::differ::{self, Verdict, Worlds};

/// Enough that each operation is there many times.
const PROGRAMS: u64 = 300;

/// The interpreter, and the JIT where there is one.
fn engines() -> Vec<Engine> {
    let jit = cfg!(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable)));
    [Engine::Interpreter].into_iter().chain(jit.then_some(Engine::Jit)).collect()
}

#[test]
fn random_programs_do_the_same_in_both_worlds() {
    let worlds = match Worlds::open(&engines(), 10_000_000) {
        Ok(worlds) => worlds,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    let mut refused = 0;
    for seed in 0..PROGRAMS {
        match worlds.compare(seed).unwrap() {
            Verdict::Same | Verdict::Known(_) => {}
            Verdict::Refused(_) => refused += 1,
            Verdict::Different(found) => {
                panic!("{}\n{}", found.text(), found.differences().join("\n"))
            }
        }
    }
    assert!(refused * 10 < PROGRAMS, "Linux refused {refused} of {PROGRAMS}");
}

/// The same seed gives the same program, and programs have every class of instruction that they should.
#[test]
fn programs_are_repeatable_and_varied() {
    let mut opcodes = std::collections::BTreeSet::new();
    let mut slots = 0;
    for seed in 0..PROGRAMS {
        let program = differ::generate(seed);
        assert_eq!(program.insns, differ::generate(seed).insns);
        slots += program.insns.len();
        let mut pc = 0;
        while pc < program.insns.len() {
            decode(&program.insns, pc).unwrap_or_else(|e| panic!("program {seed}, slot {pc}: {e}"));
            opcodes.insert((program.insns[pc].opcode, program.insns[pc].off.clamp(0, 1)));
            pc += 1 + usize::from(program.insns[pc].is_wide());
        }
    }
    assert!(slots as u64 / PROGRAMS > 60, "{} slots a program", slots as u64 / PROGRAMS);
    assert!(opcodes.len() > 130, "{} kinds of instruction", opcodes.len());
}
