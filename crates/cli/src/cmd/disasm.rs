//! `skep disasm`: bytecode to text, with the names that an object gives, and its source lines with `-S`.

pub(super) mod listing;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;
use skep::isa::classic::{Insn as ClassicInsn, text};
use skep::isa::disasm::Style;
use skep::isa::{Endian, slots_from_bytes};
use skep::object::{Program, Spec};

use super::classic::{self, FormArg};
use crate::failure::Failure;
use crate::output::{Output, Style as Paint};
use crate::{Verdict, input, names};
use listing::{Line, Listing};

const EXAMPLES: &str = "\
Examples:
  skep disasm examples/xdp_firewall.o
  skep disasm examples/xdp_firewall.o -S --prog xdp_firewall
  skep disasm prog.bin --style llvm            raw bytecode
  echo 'b7 00 00 00 00 00 00 00' | skep disasm - --hex
  tcpdump -ddd port 53 | skep disasm - --form source   a classic program";

/// Show the instructions of an object or of raw bytecode
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An ELF object, or raw bytecode (`-` is stdin)
    #[arg(value_name = "OBJ|FILE")]
    file: PathBuf,

    /// Only the program of this name
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,

    /// Put the source lines between the instructions
    #[arg(short = 'S', long)]
    source: bool,

    /// Whose spelling
    #[arg(long, value_name = "STYLE", default_value = "kernel")]
    style: StyleArg,

    /// Show the bytes of each instruction
    #[arg(long)]
    bytes: bool,

    /// The file is hex digits rather than bytes
    #[arg(long)]
    hex: bool,

    /// Raw bytecode is big-endian
    #[arg(long)]
    big_endian: bool,

    /// The file is a classic program: raw, or any dump of tcpdump or source of bpf_asm
    ///
    /// Found out by itself where the file is a dump.
    #[arg(long)]
    classic: bool,

    /// How a classic program is written
    #[arg(long, value_name = "FORM", default_value = "listing")]
    form: FormArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StyleArg {
    /// r0 = *(u32 *)(r1 +4)
    Kernel,
    /// w0 = *(u32 *)(r1 + 0x4)
    Llvm,
    /// ldxw %r0, [%r1+4]
    Mnemonic,
}

#[derive(Serialize)]
struct Json {
    schema: &'static str,
    file: String,
    programs: Vec<ProgramJson>,
}

#[derive(Serialize)]
struct ProgramJson {
    name: String,
    section: String,
    insns: Vec<Line>,
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let mut bytes = input::read(&args.file)?;
    let is_object = bytes.starts_with(b"\x7fELF");
    if args.hex && !is_object {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        bytes = input::hex(&text).map_err(|f| f.context(input::label(&args.file)))?;
    }
    let dump = || !args.hex && std::str::from_utf8(&bytes).is_ok_and(classic::has_classic_form);
    if args.classic || (!is_object && dump()) {
        return run_classic(args, &classic::read(&bytes, &args.file, endian(args))?, out);
    }
    let spec = spec(&bytes, args)?;
    let programs = chosen(&spec, args.prog.as_deref())?;
    let style = match args.style {
        StyleArg::Kernel => Style::Kernel,
        StyleArg::Llvm => Style::Llvm,
        StyleArg::Mnemonic => Style::Mnemonic,
    };
    if out.json {
        let programs = programs
            .iter()
            .map(|p| ProgramJson {
                name: p.name.clone(),
                section: p.section.clone(),
                insns: Listing::new(&spec, p).lines(style),
            })
            .collect();
        let file = input::label(&args.file);
        out.object(&Json { schema: "skep.disasm/1", file, programs })?;
        return Ok(Verdict::Yes);
    }
    if args.source && programs.iter().all(|p| p.line_info.is_empty()) {
        out.warn("there are no source lines: compile with `clang -g`");
    }
    for (n, p) in programs.iter().enumerate() {
        if n > 0 {
            writeln!(out)?;
        }
        if !p.name.is_empty() {
            let heading = out.paint(Paint::Heading, format!("{}:", p.name));
            let section =
                out.paint(Paint::Faint, format!("; section {}, {} slots", p.section, p.insns.len()));
            writeln!(out, "{heading} {section}")?;
        }
        for line in Listing::new(&spec, p).lines(style) {
            print(&line, args, out)?;
        }
    }
    Ok(Verdict::Yes)
}

fn endian(args: &Args) -> Endian {
    if args.big_endian { Endian::Big } else { Endian::Little }
}

fn run_classic(args: &Args, insns: &[ClassicInsn], out: &mut Output) -> Result<Verdict, Failure> {
    if let Some(warning) = classic::warning(insns) {
        out.warn(warning);
    }
    if !out.json {
        out.write_all(text::print(insns, args.form.form()).as_bytes())?;
        return Ok(Verdict::Yes);
    }
    let line = |(slot, text): (usize, String)| Line {
        slot,
        bytes: classic::hex(insns[slot], endian(args)),
        label: None,
        text: Some(text),
        error: None,
        comment: None,
        source: None,
    };
    let insns = classic::lines(insns).into_iter().enumerate().map(line).collect();
    let program = ProgramJson { name: String::new(), section: String::new(), insns };
    let file = input::label(&args.file);
    out.object(&Json { schema: "skep.disasm/1", file, programs: vec![program] })?;
    Ok(Verdict::Yes)
}

fn print(line: &Line, args: &Args, out: &mut Output) -> Result<(), Failure> {
    if let Some(label) = &line.label {
        writeln!(out, "{}:", out.paint(Paint::Name, label))?;
    }
    if let (true, Some(s)) = (args.source, &line.source) {
        let text = format!("; {}:{}: {}", file_name(&s.file), s.line, s.text.trim());
        writeln!(out, "{}", out.paint(Paint::Faint, text))?;
    }
    write!(out, "{:>6}: ", line.slot)?;
    if args.bytes {
        write!(out, "{:<49}", line.bytes)?;
    }
    match (&line.text, &line.error) {
        (Some(text), _) => write!(out, "{text}")?,
        (None, Some(e)) => write!(out, "{}", out.paint(Paint::Bad, format!("; {e}")))?,
        (None, None) => {}
    }
    if let Some(c) = &line.comment {
        write!(out, "  {}", out.paint(Paint::Faint, format!("; {c}")))?;
    }
    Ok(writeln!(out)?)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// An object as it is; raw bytes as an object of one nameless program.
fn spec(bytes: &[u8], args: &Args) -> Result<Spec, Failure> {
    if bytes.starts_with(b"\x7fELF") {
        return super::info::object(bytes, &args.file);
    }
    let endian = endian(args);
    let insns =
        slots_from_bytes(bytes, endian).map_err(|e| raw_failure(&e.to_string(), bytes, &args.file))?;
    let program = Program { insns, ..Program::default() };
    Ok(Spec { endian, programs: vec![program], ..Spec::default() })
}

fn raw_failure(message: &str, bytes: &[u8], file: &Path) -> Failure {
    let f = Failure::new(format!("{}: neither an ELF object nor bytecode: {message}", input::label(file)));
    if bytes.iter().all(|b| b.is_ascii_hexdigit() || b.is_ascii_whitespace()) {
        return f.hint("for hex digits, give --hex");
    }
    f
}

fn chosen<'a>(spec: &'a Spec, name: Option<&str>) -> Result<Vec<&'a Program>, Failure> {
    let Some(name) = name else { return Ok(spec.programs.iter().collect()) };
    program(spec, name).map(|p| vec![p])
}

/// The program of this name, or which there are.
pub(crate) fn program<'a>(spec: &'a Spec, name: &str) -> Result<&'a Program, Failure> {
    if let Some(p) = spec.program(name) {
        return Ok(p);
    }
    if let Some(p) = spec.problem(name) {
        return Err(Failure::new(format!("program `{name}` can't be used: {}", p.error)));
    }
    let hint = names::suggestion(name, spec.programs.iter().map(|p| p.name.as_str()));
    Err(Failure::new(format!("no program `{name}` in the object")).hint_opt(hint))
}
