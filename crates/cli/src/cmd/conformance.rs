//! `skep conformance`: a plugin of the bpf_conformance suite. Memory comes as hex in the arguments, bytecode as hex on
//! stdin, r0 goes out as hex.
//!
//! The suite calls helpers as uBPF's test program has them: gather_bytes, memfrob, one that does nothing, an integer
//! square root, strcmp, and number 5, unwind, which ends the run where it gives zero.

use std::io::Read;

use serde::Serialize;
use skep::Vm;
use skep::isa::Endian;
use skep::vm::{Engine, Fault, Memory, Stop};

use super::run;
use crate::failure::{Failure, reason};
use crate::output::Output;
use crate::{Verdict, input};

const EXAMPLES: &str = "\
Examples:
  echo 'b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00' | skep conformance
  printf '#!/bin/sh\\nexec skep conformance \"$@\"\\n' > plugin && chmod +x plugin
  bpf_conformance_runner --test_file_directory tests --plugin_path ./plugin \\
      --cpu_version v4 --include_groups callx packet";

/// Run bytecode as a plugin of the bpf_conformance suite
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Memory in hex: r1 points to it, r2 is its length
    #[arg(value_name = "HEX", default_value = "")]
    memory: String,

    /// Bytecode in hex, instead of stdin
    #[arg(long, value_name = "HEX")]
    program: Option<String>,

    /// The bytecode is an ELF object; its first program runs
    #[arg(long)]
    elf: bool,

    /// Run native code instead of the interpreter (x86-64, AArch64)
    #[arg(long)]
    jit: bool,

    /// Hide the program's constants in native code
    #[arg(long, requires = "jit")]
    blind: bool,

    /// Say on stdout why a program is refused, as the suite's own plugin does
    #[arg(long)]
    debug: bool,
}

#[derive(Serialize)]
struct Json {
    schema: &'static str,
    r0: String,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    use std::io::Write;
    let mut memory = input::hex(&args.memory).map_err(|f| f.context("memory"))?;
    let code = code(args)?;
    if let Some(reg) = unset(&code).filter(|_| !args.elf) {
        let why = format!("r{reg} is read before anything is in it");
        if args.debug {
            writeln!(out, "Failed to load program: {why}")?;
        }
        return Err(Failure::new(why).negative());
    }
    let r0 = prepare(&code, args.elf).and_then(|vm| {
        let engine = if args.jit { Engine::Jit } else { Engine::Interpreter };
        vm.engine(engine).blind(args.blind.then(run::engine::chance)).run_mem(&mut memory)
    });
    match r0 {
        Ok(r0) if out.json => {
            out.object(&Json { schema: "skep.conformance/1", r0: format!("{r0:x}") })?;
            Ok(Verdict::Yes)
        }
        Ok(r0) => {
            writeln!(out, "{r0:x}")?;
            Ok(Verdict::Yes)
        }
        Err(e) => {
            if args.debug {
                writeln!(out, "Failed to load program: {e}")?;
            }
            Err(Failure::new(e.to_string()).negative())
        }
    }
}

fn code(args: &Args) -> Result<Vec<u8>, Failure> {
    let text = match &args.program {
        Some(p) => p.clone(),
        None => {
            let mut text = String::new();
            std::io::stdin()
                .take(64 << 20)
                .read_to_string(&mut text)
                .map_err(|e| Failure::new(format!("<stdin>: {}", reason(&e))))?;
            text
        }
    };
    input::hex(&text).map_err(|f| f.context("bytecode"))
}

/// A register that the program takes for granted: at the start only r1, r2 and r10 are set.
fn unset(code: &[u8]) -> Option<u8> {
    let insns = skep::isa::slots_from_bytes(code, Endian::Little).ok()?;
    skep::verifier::unset_register(&insns, 1 << 1 | 1 << 2 | 1 << 10)
}

fn prepare(code: &[u8], elf: bool) -> Result<Vm, skep::Error> {
    let vm = if elf {
        let spec = skep::object::Spec::from_elf(code)?;
        let name = spec.programs.first().map_or("main", |p| p.name.as_str());
        Vm::from_elf(code, name)?
    } else {
        Vm::from_bytes(code)?
    };
    Ok(vm
        .helper(0, gather_bytes)
        .helper(1, memfrob)
        .helper(2, || 0u64)
        .helper(3, |a: u64| a.isqrt())
        .helper(4, strcmp)
        .helper(5, |a: u64| if a == 0 { Err(Stop::Exit(0)) } else { Ok(a) }))
}

fn gather_bytes(a: u8, b: u8, c: u8, d: u8, e: u8) -> u64 {
    [a, b, c, d, e].iter().fold(0, |n, byte| (n << 8) | u64::from(*byte))
}

/// Inverts bits of memory, as the C library's function of that name.
fn memfrob(memory: &mut Memory, at: u64, len: u64) -> Result<u64, Fault> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    memory.slice_mut(at, len)?.iter_mut().for_each(|b| *b ^= 42);
    Ok(at)
}

fn strcmp(memory: &mut Memory, a: u64, b: u64) -> Result<i64, Fault> {
    for n in 0.. {
        let (x, y) = (memory.read(a.wrapping_add(n), 1)?[0], memory.read(b.wrapping_add(n), 1)?[0]);
        if x != y || x == 0 {
            return Ok(i64::from(x) - i64::from(y));
        }
    }
    Ok(0)
}
