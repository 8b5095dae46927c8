//! `skep asm`: text to bytecode, as raw bytes, hex, a C array, or JSON.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;
use skep::isa::asm::{Assembly, Dialect, RefKind};
use skep::isa::classic::text::{Form as ClassicForm, print};
use skep::isa::classic::{Insn as Classic, bytes_from_insns};
use skep::isa::{Endian, bytes_from_slots};

use super::classic;
use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input};

const EXAMPLES: &str = "\
Examples:
  skep asm prog.bpf -o prog.bin
  printf 'r0 = 0\\nexit\\n' | skep asm - --emit hex
  printf 'mov %%r0, 0\\nexit\\n' | skep asm - --dialect mnemonic --emit c
  skep asm prog.bpf --emit hex | skep conformance
  skep asm filter.bpf --classic --emit bytecode        for iptables -m bpf";

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

    /// The text is classic BPF: source of bpf_asm or bpfc, or any dump of tcpdump
    ///
    /// Found out by itself where the text is nothing else.
    #[arg(long, conflicts_with = "dialect")]
    classic: bool,

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
    /// An initialiser of `struct bpf_insn`, or those of `struct sock_filter`
    C,
    /// Classic: (000) ldh [12], as tcpdump -d
    Listing,
    /// Classic: numbers, as tcpdump -ddd
    Decimal,
    /// Classic: one line, as iptables -m bpf --bytecode takes it
    Bytecode,
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
    machine: &'static str,
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
    if let Some(insns) = classic(args, &text, &file)? {
        return run_classic(args, file, &insns, out);
    }
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
        Form::Listing | Form::Decimal | Form::Bytecode => {
            return Err(Failure::new("this is a form of classic programs, and the text is extended BPF"));
        }
    };
    match &args.output {
        Some(path) => std::fs::write(path, written).map_err(|e| input::at(path, &e))?,
        None => out.write_all(&written)?,
    }
    Ok(Verdict::Yes)
}

/// The program, if the text is classic: if it is said to be, or is nothing else.
fn classic(args: &Args, text: &str, file: &str) -> Result<Option<Vec<Classic>>, Failure> {
    let auto = args.dialect == DialectArg::Auto;
    let extended = || skep::asm::assemble_any(text, file).is_ok();
    if args.classic
        || (auto && (classic::has_classic_form(text) || (!extended() && classic::is_classic(text))))
    {
        return classic::assemble(text, file).map(Some);
    }
    Ok(None)
}

fn run_classic(args: &Args, file: String, insns: &[Classic], out: &mut Output) -> Result<Verdict, Failure> {
    let endian = if args.big_endian { Endian::Big } else { Endian::Little };
    let bytes = bytes_from_insns(insns, endian);
    if let Some(warning) = classic::warning(insns) {
        out.warn(warning);
    }
    if out.json {
        if let Some(path) = &args.output {
            std::fs::write(path, &bytes).map_err(|e| input::at(path, &e))?;
        }
        let empty = Assembly { insns: vec![], labels: vec![], references: vec![], lines: vec![] };
        let json =
            Json { machine: "classic", slots: insns.len(), ..json(file, &empty, &bytes, args.big_endian) };
        out.object(&json)?;
        return Ok(Verdict::Yes);
    }
    let terminal = args.output.is_none() && std::io::stdout().is_terminal();
    let form = args.emit.unwrap_or(if terminal { Form::Listing } else { Form::Raw });
    let written = match form {
        Form::Raw => bytes,
        Form::Hex => lines(&bytes, |b| b.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")),
        Form::C => print(insns, ClassicForm::C).into_bytes(),
        Form::Listing => print(insns, ClassicForm::Listing).into_bytes(),
        Form::Decimal => print(insns, ClassicForm::Decimal).into_bytes(),
        Form::Bytecode => print(insns, ClassicForm::Bytecode).into_bytes(),
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
        machine: "extended",
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
