//! `skep asm`: text to bytecode, as raw bytes, hex, a C array, or JSON.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;
use skep::isa::asm::{Assembly, Dialect, RefKind};
use skep::isa::{Endian, bytes_from_slots};

use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input};

const EXAMPLES: &str = "\
Examples:
  skep asm prog.bpf -o prog.bin
  printf 'r0 = 0\\nexit\\n' | skep asm - --emit hex
  printf 'mov %%r0, 0\\nexit\\n' | skep asm - --dialect mnemonic --emit c
  skep asm prog.bpf --emit hex | skep conformance";

/// Assemble text into bytecode
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Assembler text (`-` is stdin)
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Write there instead of stdout
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,

    /// What is written: raw bytes are the default, but not for a terminal
    #[arg(long, value_name = "FORM")]
    emit: Option<Form>,

    /// How instructions are written; `auto` tries both
    #[arg(long, value_name = "DIALECT", default_value = "auto")]
    dialect: DialectArg,

    /// Big-endian bytecode
    #[arg(long)]
    big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Bytes
    Raw,
    /// One instruction a line, as hex bytes
    Hex,
    /// An initialiser of `struct bpf_insn`
    C,
}

/// The text dialects, as arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DialectArg {
    Auto,
    /// r0 = *(u32 *)(r1 + 4)
    Kernel,
    /// ldxw %r0, [%r1+4]
    Mnemonic,
}

#[derive(Serialize)]
struct Json {
    schema: &'static str,
    file: String,
    endian: &'static str,
    slots: usize,
    hex: String,
    labels: Vec<Label>,
    references: Vec<Reference>,
}

#[derive(Serialize)]
struct Label {
    name: String,
    slot: usize,
}

#[derive(Serialize)]
struct Reference {
    slot: usize,
    kind: &'static str,
    name: String,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let text = input::read_text(&args.file)?;
    let file = input::label(&args.file);
    let assembly = assemble(&text, args.dialect, &file)?;
    let endian = if args.big_endian { Endian::Big } else { Endian::Little };
    let bytes = bytes_from_slots(&assembly.insns, endian);
    if out.json {
        let json = json(file, &assembly, &bytes, args.big_endian);
        match &args.output {
            Some(path) => {
                std::fs::write(path, &bytes).map_err(|e| input::at(path, &e))?;
                out.object(&json)?;
            }
            None => out.object(&json)?,
        }
        return Ok(Verdict::Yes);
    }
    for r in &assembly.references {
        out.warn(format!("slot {} names `{}`, which a loader must fill in", r.slot, r.name));
    }
    let terminal = args.output.is_none() && std::io::stdout().is_terminal();
    let form = args.emit.unwrap_or(if terminal { Form::Hex } else { Form::Raw });
    let written = match form {
        Form::Raw => bytes,
        Form::Hex => lines(&bytes, |b| b.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")),
        Form::C => initialiser(&assembly),
    };
    match &args.output {
        Some(path) => std::fs::write(path, written).map_err(|e| input::at(path, &e))?,
        None => out.write_all(&written)?,
    }
    Ok(Verdict::Yes)
}

/// Assembles, with what is wrong as a failure that shows the text.
pub(crate) fn assemble(text: &str, dialect: DialectArg, file: &str) -> Result<Assembly, Failure> {
    match dialect {
        DialectArg::Auto => skep::asm::assemble_any(text, file),
        DialectArg::Kernel => skep::asm::assemble(text, Dialect::Kernel, file),
        DialectArg::Mnemonic => skep::asm::assemble(text, Dialect::Mnemonic, file),
    }
    .map_err(|errors| Failure::diagnosed(errors).negative())
}

fn lines(bytes: &[u8], line: impl Fn(&[u8]) -> String) -> Vec<u8> {
    bytes.chunks(8).flat_map(|b| (line(b) + "\n").into_bytes()).collect()
}

fn initialiser(a: &Assembly) -> Vec<u8> {
    let mut text = String::from("static const struct bpf_insn prog[] = {\n");
    for i in &a.insns {
        text += &format!(
            "\t{{ .code = {:#04x}, .dst_reg = {}, .src_reg = {}, .off = {}, .imm = {} }},\n",
            i.opcode, i.dst, i.src, i.off, i.imm
        );
    }
    (text + "};\n").into_bytes()
}

fn json(file: String, a: &Assembly, bytes: &[u8], big: bool) -> Json {
    let kind = |k| match k {
        RefKind::Map => "map",
        RefKind::MapValue => "map value",
        RefKind::Ksym => "ksym",
        RefKind::Kfunc => "kfunc",
        RefKind::Symbol => "symbol",
    };
    Json {
        schema: "skep.asm/1",
        file,
        endian: if big { "big" } else { "little" },
        slots: a.insns.len(),
        hex: bytes.iter().map(|b| format!("{b:02x}")).collect(),
        labels: a.labels.iter().map(|l| Label { name: l.name.clone(), slot: l.slot }).collect(),
        references: a
            .references
            .iter()
            .map(|r| Reference { slot: r.slot, kind: kind(r.kind), name: r.name.clone() })
            .collect(),
    }
}
