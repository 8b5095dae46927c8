//! `skep prog dump xlated|jited`.

use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};
use skep::kernel::objects::xlated::{self, Line, Source};
use skep::kernel::objects::{Ksyms, Prog, jited, visual};

use super::super::live::{Words, failure, plain};
use super::list::{header_json, print_header};
use crate::Verdict;
use crate::failure::Failure;
use crate::output::{Output, Style};

const EXAMPLES: &str = "\
Examples:
  skep prog dump xlated id 17
  skep prog dump xlated id 17 opcodes linum
  skep prog dump xlated name main visual | dot -Tsvg > main.svg
  skep prog dump jited tag 6deef7357e7b4530
  skep prog dump jited id 17 file main.bin      the bytes themselves";

/// Instructions as the verifier left them (xlated), or machine code (jited)
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// {xlated|jited} PROG [file FILE | [opcodes] [linum] [visual]]
    #[arg(value_name = "WHAT PROG", required = true)]
    words: Vec<String>,
}

/// What is asked for.
#[derive(Default)]
struct Options {
    opcodes: bool,
    linum: bool,
    visual: bool,
    file: Option<String>,
}

impl Options {
    fn parse(words: &mut Words<'_>, jited: bool) -> Result<Self, Failure> {
        let mut options = Self::default();
        let known: &[&str] =
            if jited { &["file", "opcodes", "linum"] } else { &["file", "opcodes", "linum", "visual"] };
        while !words.is_empty() {
            match words.keyword(known)? {
                "file" => options.file = Some(words.next("the file")?.to_owned()),
                "opcodes" => options.opcodes = true,
                "linum" => options.linum = true,
                _ => options.visual = true,
            }
        }
        if options.file.is_some() && (options.opcodes || options.linum || options.visual) {
            return Err(Failure::new("`file` takes the bytes, and nothing beside it"));
        }
        Ok(options)
    }
}

pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let is_jited = words.keyword(&["xlated", "jited"])? == "jited";
    let progs = Prog::find(&words.selector(super::words::PROGRAM)?).map_err(|e| failure(&e))?;
    let options = Options::parse(&mut words, is_jited)?;
    if progs.len() > 1 && (options.file.is_some() || options.visual) {
        return Err(Failure::new("several programs have that name").hint("give an id"));
    }
    if let (Some(file), Some(prog)) = (&options.file, progs.first()) {
        let bytes = if is_jited { jited::bytes(prog) } else { xlated::bytes(prog) };
        let bytes = bytes.map_err(|e| failure(&e))?;
        std::fs::write(file, &bytes).map_err(|e| crate::input::at(Path::new(file), &e))?;
        let facts = [("id", prog.info.id.into()), ("path", file.as_str().into())];
        super::live::done(out, "skep.prog/1", "dump", &facts)?;
        return Ok(Verdict::Yes);
    }
    if is_jited && !jited::DISASSEMBLES {
        out.warn(format!("there is no disassembler for {} here: bytes are shown", std::env::consts::ARCH));
    }
    let symbols = Ksyms::read();
    let mut all = Vec::new();
    for (n, prog) in progs.iter().enumerate() {
        if out.json {
            let mut o = header_json(prog);
            let insns = if is_jited {
                jited_json(prog, &symbols, &options)
            } else {
                xlated_json(prog, &symbols, &options)
            };
            o.insert("insns".into(), insns?);
            all.push(Value::Object(o));
            continue;
        }
        if n > 0 {
            writeln!(out)?;
        }
        if progs.len() > 1 {
            print_header(prog, out)?;
        }
        match (is_jited, options.visual) {
            (true, _) => print_jited(prog, &symbols, &options, out)?,
            (false, true) => print_visual(prog, &symbols, &options, out)?,
            (false, false) => print_xlated(prog, &symbols, &options, out)?,
        }
    }
    if out.json {
        let image = if is_jited { "jited" } else { "xlated" };
        out.object(&json!({"schema": "skep.prog-dump/1", "image": image, "progs": all}))?;
    }
    Ok(Verdict::Yes)
}

/// `; return XDP_PASS; [file:a.c line_num:7 line_col:2]`.
fn source_line(s: &Source, linum: bool) -> String {
    let place = match linum {
        true => format!(" [file:{} line_num:{} line_col:{}]", s.file, s.line, s.column),
        false => String::new(),
    };
    plain(&format!("; {}{place}", s.text)).into_owned()
}

fn source_json(source: Option<&Source>, linum: bool, o: &mut Map<String, Value>) {
    let Some(s) = source else { return };
    o.insert("src".into(), s.text.as_str().into());
    if linum {
        o.insert("file".into(), s.file.as_str().into());
        for (name, n) in [("line_num", s.line), ("line_col", s.column)] {
            if n != 0 {
                o.insert(name.into(), n.into());
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}

fn slots(line: &Line) -> Vec<String> {
    line.insns.iter().map(|i| hex(&xlated::slot_bytes(*i))).collect()
}

fn lines(prog: &Prog, symbols: &Ksyms) -> Result<Vec<Line>, Failure> {
    xlated::lines(prog, symbols).map_err(|e| failure(&e))
}

fn print_xlated(prog: &Prog, symbols: &Ksyms, options: &Options, out: &mut Output) -> Result<(), Failure> {
    for line in lines(prog, symbols)? {
        if let Some(proto) = &line.proto {
            writeln!(out, "{}", out.paint(Style::Heading, format!("{}:", plain(proto))))?;
        }
        if let Some(s) = &line.source {
            writeln!(out, "{}", out.paint(Style::Faint, source_line(s, options.linum)))?;
        }
        write!(out, "{:4}: {}", line.slot, line.text)?;
        if let Some(note) = &line.note {
            write!(out, "  {}", out.paint(Style::Faint, format!("; {note}")))?;
        }
        writeln!(out)?;
        if options.opcodes {
            writeln!(out, "       {}", slots(&line).join(" "))?;
        }
    }
    Ok(())
}

fn print_visual(prog: &Prog, symbols: &Ksyms, options: &Options, out: &mut Output) -> Result<(), Failure> {
    let label = |line: &Line| {
        let mut texts: Vec<String> = line.proto.iter().map(|p| format!("{p}:")).collect();
        texts.extend(line.source.as_ref().map(|s| source_line(s, options.linum)));
        texts.push(format!("{:4}: {}", line.slot, line.text));
        if options.opcodes {
            texts.push(slots(line).join(" "));
        }
        texts
    };
    out.write_all(visual::dot(&lines(prog, symbols)?, label).as_bytes())?;
    Ok(())
}

fn xlated_json(prog: &Prog, symbols: &Ksyms, options: &Options) -> Result<Value, Failure> {
    let list = |bytes: &[u8]| super::live::hex_list(bytes);
    let one = |line: Line| {
        let mut o = Map::new();
        if let Some(proto) = &line.proto {
            o.insert("proto".into(), proto.as_str().into());
        }
        source_json(line.source.as_ref(), options.linum, &mut o);
        o.insert("disasm".into(), line.text.as_str().into());
        if let Some(note) = &line.note {
            o.insert("note".into(), note.as_str().into());
        }
        if options.opcodes {
            let insn = line.insns[0];
            let first = xlated::slot_bytes(insn);
            let next = line.insns.get(1).map(|i| xlated::slot_bytes(*i)).unwrap_or_default();
            let imm: Vec<u8> = first[4..]
                .iter()
                .chain(if line.insns.len() > 1 { &next[..] } else { &[] })
                .copied()
                .collect();
            let opcodes = json!({
                "code": format!("{:#04x}", insn.opcode),
                "src_reg": format!("{:#x}", insn.src),
                "dst_reg": format!("{:#x}", insn.dst),
                "off": list(&first[2..4]),
                "imm": list(&imm),
            });
            o.insert("opcodes".into(), opcodes);
        }
        Value::Object(o)
    };
    Ok(lines(prog, symbols)?.into_iter().map(one).collect())
}

fn print_jited(prog: &Prog, symbols: &Ksyms, options: &Options, out: &mut Output) -> Result<(), Failure> {
    for function in jited::functions(prog, symbols).map_err(|e| failure(&e))? {
        for heading in function.proto.iter().chain([&function.name]) {
            writeln!(out, "{}", out.paint(Style::Heading, format!("{}:", plain(heading))))?;
        }
        for insn in &function.insns {
            if let Some(s) = &insn.source {
                writeln!(out, "{}", out.paint(Style::Faint, source_line(s, options.linum)))?;
            }
            writeln!(out, "{:4x}:\t{}", insn.pc, insn.text)?;
            if options.opcodes {
                writeln!(out, "\t{}", hex(&insn.bytes))?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn jited_json(prog: &Prog, symbols: &Ksyms, options: &Options) -> Result<Value, Failure> {
    let insn = |insn: &jited::Insn| {
        let mut o = Map::new();
        source_json(insn.source.as_ref(), options.linum, &mut o);
        o.insert("pc".into(), format!("{:#x}", insn.pc).into());
        let mut words = insn.text.split([' ', '\t', ',', '(', ')']).filter(|w| !w.is_empty());
        o.insert("operation".into(), words.next().unwrap_or_default().into());
        let operands: Vec<_> = words.map(Value::from).collect();
        o.insert("operands".into(), if operands.is_empty() { json!([null]) } else { operands.into() });
        if options.opcodes {
            o.insert("opcodes".into(), super::live::hex_list(&insn.bytes));
        }
        Value::Object(o)
    };
    let function = |f: jited::Function| {
        let mut o = Map::new();
        o.extend(f.proto.map(|p| ("proto".to_owned(), p.into())));
        o.insert("name".into(), f.name.into());
        o.insert("insns".into(), f.insns.iter().map(insn).collect());
        Value::Object(o)
    };
    Ok(jited::functions(prog, symbols).map_err(|e| failure(&e))?.into_iter().map(function).collect())
}
