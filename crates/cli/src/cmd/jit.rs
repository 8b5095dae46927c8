//! `skep jit`: source, bytecode and machine code side by side.

use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;
use skep::backend::LoadOptions;
use skep::isa::disasm::Style;
use skep::object::{Program, Spec};
use skep::runtime::World;
use skep::vm::{Arch, Engine, Image};

use super::disasm::listing::{Line, Listing};
use super::run;
use crate::Verdict;
use crate::failure::Failure;
use crate::output::{Output, Style as Paint};

const EXAMPLES: &str = "\
Examples:
  skep jit examples/xdp_firewall.o
  skep jit examples/l4_lb.o --prog l4_lb --unverified    with all checks
  skep jit examples/xdp_firewall.o --arch aarch64
  skep jit prog.bpf --json | jq '.insns[].machine[].text'";

/// Show the machine code that a program becomes, under its source and bytecode (x86-64, AArch64)
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    program: run::ProgramArgs,

    /// Keep the checks that the verifier can prove to be needless
    #[arg(long)]
    unverified: bool,

    /// Hide the program's constants behind random masks, as Linux does with bpf_jit_harden
    #[arg(long)]
    blind: bool,

    /// The machine that code is made for; at first the one that this runs on
    #[arg(long, value_name = "NAME")]
    arch: Option<Target>,
}

/// Machines that code can be made for on any machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Armv8.0: atomics are loops
    Aarch64,
    /// with atomic instructions (Armv8.1)
    #[value(name = "aarch64+lse")]
    Aarch64Lse,
}

impl From<Target> for Arch {
    fn from(target: Target) -> Self {
        match target {
            Target::Aarch64 => Self::Aarch64,
            Target::Aarch64Lse => Self::Aarch64Lse,
        }
    }
}

#[derive(Serialize)]
struct Json<'a> {
    schema: &'static str,
    program: &'a str,
    arch: &'static str,
    proved: bool,
    bytes: usize,
    insns: Vec<Both>,
}

/// An instruction, and what it became.
#[derive(Serialize)]
struct Both {
    #[serde(flatten)]
    line: Line,
    machine: Vec<Machine>,
}

/// A machine instruction.
#[derive(Serialize)]
struct Machine {
    offset: usize,
    bytes: String,
    text: String,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let text = args.program.read(false)?;
    let spec = &text.spec;
    let (program, prog_type) = args.program.choose(spec, false)?;
    let options = run::options(spec, program, prog_type);
    let live = compile(spec, program, &options, args)?;
    let name = program.name.as_str();
    let Some((image, code)) = live.image(name).and_then(|i| Some((i, i.machine_code()?))) else {
        return Err(Failure::new("there is no machine code for this program"));
    };
    let arch = if args.arch.is_some() { "aarch64" } else { std::env::consts::ARCH };
    let insns = side_by_side(spec, program, image, code, arch);
    if out.json {
        let (proved, bytes) = (image.is_proved(), code.len());
        out.object(&Json { schema: "skep.jit/1", program: name, arch, proved, bytes, insns })?;
        return Ok(Verdict::Yes);
    }
    let heading = out.paint(Paint::Heading, format!("{name}:"));
    let checks = if image.is_proved() { "needless checks left out" } else { "all checks kept" };
    let all = out.paint(Paint::Faint, format!("; {} bytes of machine code, {checks}", code.len()));
    writeln!(out, "{heading} {all}")?;
    for both in &insns {
        print(both, out)?;
    }
    Ok(Verdict::Yes)
}

fn compile(
    spec: &Spec,
    program: &Program,
    options: &LoadOptions,
    args: &Args,
) -> Result<skep::runtime::Live, Failure> {
    let world = World::new().engine(Engine::Jit).arch(args.arch.map(Arch::from)).proofs(!args.unverified);
    let world = world.blind(args.blind.then(run::engine::chance));
    world
        .load(spec, options)
        .map_err(|e| Failure::new(format!("{}: {e}", program.name)).hint_opt(e.hint().map(str::to_owned)))
}

fn side_by_side(spec: &Spec, program: &Program, image: &Image, code: &[u8], arch: &str) -> Vec<Both> {
    let places = image.native_offsets();
    let lines = Listing::new(spec, program).lines(Style::Kernel);
    lines
        .into_iter()
        .map(|line| {
            let at = places.binary_search_by_key(&line.slot, |p| p.0);
            let machine = at.map_or_else(
                |_| Vec::new(),
                |i| {
                    let start = places[i].1;
                    let end = places.get(i + 1).map(|p| p.1);
                    if arch == "aarch64" { words(code, start, end) } else { decode(code, start, end) }
                },
            );
            Both { line, machine }
        })
        .collect()
}

/// AArch64 code from `start` to `end`, or else to where it goes elsewhere.
fn words(code: &[u8], start: usize, end: Option<usize>) -> Vec<Machine> {
    let own = code.get(start..end.unwrap_or(code.len())).unwrap_or_default();
    let mut all = Vec::new();
    for (offset, word, text) in skep::vm::words(own, start) {
        let leaves = text == "ret" || text.starts_with("b ");
        let bytes = word.to_le_bytes().map(|b| format!("{b:02x}")).join(" ");
        all.push(Machine { offset, bytes, text });
        if end.is_none() && leaves {
            break;
        }
    }
    all
}

/// x86-64 code from `start` to `end`, or else to where it goes elsewhere.
#[cfg(target_arch = "x86_64")]
fn decode(code: &[u8], start: usize, end: Option<usize>) -> Vec<Machine> {
    use iced_x86::{Decoder, DecoderOptions, FlowControl, Formatter, NasmFormatter};

    let own = code.get(start..end.unwrap_or(code.len())).unwrap_or_default();
    let mut decoder = Decoder::with_ip(64, own, start as u64, DecoderOptions::NONE);
    let mut formatter = NasmFormatter::new();
    formatter.options_mut().set_space_after_operand_separator(true);
    formatter.options_mut().set_uppercase_hex(false);
    let mut all = Vec::new();
    while decoder.can_decode() {
        let insn = decoder.decode();
        let mut text = String::new();
        formatter.format(&insn, &mut text);
        let offset = insn.ip() as usize;
        let bytes = code.get(offset..offset + insn.len()).unwrap_or_default();
        let bytes = bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
        all.push(Machine { offset, bytes, text });
        let leaves = matches!(insn.flow_control(), FlowControl::Return | FlowControl::UnconditionalBranch);
        if end.is_none() && leaves {
            break;
        }
    }
    all
}

/// None is made elsewhere.
#[cfg(not(target_arch = "x86_64"))]
fn decode(_: &[u8], _: usize, _: Option<usize>) -> Vec<Machine> {
    Vec::new()
}

fn print(both: &Both, out: &mut Output) -> Result<(), Failure> {
    let line = &both.line;
    if let Some(label) = &line.label {
        writeln!(out, "{}:", out.paint(Paint::Name, label))?;
    }
    if let Some(s) = &line.source {
        let file = s.file.rsplit('/').next().unwrap_or(&s.file);
        let text = format!("; {file}:{}: {}", s.line, s.text.trim());
        writeln!(out, "{}", out.paint(Paint::Faint, text))?;
    }
    let text = line.text.as_deref().or(line.error.as_deref()).unwrap_or_default();
    let comment = line.comment.as_ref().map_or(String::new(), |c| format!("  ; {c}"));
    writeln!(out, "{:>6}: {text}{}", line.slot, out.paint(Paint::Faint, comment))?;
    for m in &both.machine {
        writeln!(out, "{:>14x}  {}", m.offset, m.text)?;
    }
    Ok(())
}
