//! `skep prog run`: BPF_PROG_TEST_RUN of a program that is loaded.

use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value};
use skep::kernel::objects::run::{self, Run};

use super::super::live::{Words, failure, hex_list};
use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input};

const EXAMPLES: &str = "\
Examples:
  skep prog run id 17 data_in packet.bin
  skep prog run name main data_in hex:ffffffffffff0000000000010800 repeat 1000
  skep prog run id 17 data_in packet.bin data_out - ctx_in ctx.bin

An input is a file, `-` for stdin, or hex:... ; an output is a file, or `-` for stdout.";

/// Run a loaded program on given input
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// PROG [data_in FILE] [data_out FILE] [data_size_out N] [ctx_in FILE] [ctx_out FILE] [ctx_size_out N] [repeat N]
    #[arg(value_name = "PROG OPTIONS", required = true)]
    words: Vec<String>,
}

/// Room for what comes out, where nothing is said of it.
const ROOM: usize = 32 << 10;
/// The most room that may be asked for.
const ROOM_MAX: usize = 64 << 20;

#[derive(Default)]
struct Options {
    data_in: Option<String>,
    data_out: Option<String>,
    data_size_out: Option<usize>,
    ctx_in: Option<String>,
    ctx_out: Option<String>,
    ctx_size_out: Option<usize>,
    repeat: u32,
}

const KNOWN: &[&str] =
    &["data_in", "data_out", "data_size_out", "ctx_in", "ctx_out", "ctx_size_out", "repeat"];

fn options(words: &mut Words<'_>) -> Result<Options, Failure> {
    let mut o = Options { repeat: 1, ..Options::default() };
    while !words.is_empty() {
        let word = words.keyword(KNOWN)?;
        if word == "repeat" {
            o.repeat = words.number("repeat")?;
        } else if word.ends_with("size_out") {
            let size: usize = words.number(word)?;
            if size > ROOM_MAX {
                return Err(Failure::new(format!("{word}: at most {ROOM_MAX} bytes")));
            }
            let place = if word == "data_size_out" { &mut o.data_size_out } else { &mut o.ctx_size_out };
            *place = Some(size);
        } else {
            let place = match word {
                "data_in" => &mut o.data_in,
                "data_out" => &mut o.data_out,
                "ctx_in" => &mut o.ctx_in,
                _ => &mut o.ctx_out,
            };
            *place = Some(words.next("the file")?.to_owned());
        }
    }
    if o.data_in.as_deref() == Some("-") && o.ctx_in.as_deref() == Some("-") {
        return Err(Failure::new("data_in and ctx_in can't both be stdin"));
    }
    Ok(o)
}

pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let prog = super::one(&mut words)?;
    let o = options(&mut words)?;
    let read = |from: &Option<String>| from.as_deref().map(input::bytes).transpose();
    let (data, ctx) = (read(&o.data_in)?, read(&o.ctx_in)?);
    let room = |asked: Option<usize>, input: bool| asked.unwrap_or(if input { ROOM } else { 0 });
    let request = Run {
        data_out: room(o.data_size_out, data.is_some()),
        ctx_out: room(o.ctx_size_out, ctx.is_some()),
        data,
        ctx,
        repeat: o.repeat,
    };
    let ran = run::run(&prog, &request).map_err(|e| failure(&e))?;
    let mut json = Map::new();
    json.insert("schema".into(), "skep.prog-run/1".into());
    for (name, to, bytes) in [("data_out", &o.data_out, &ran.data), ("ctx_out", &o.ctx_out, &ran.ctx)] {
        match to.as_deref() {
            Some("-") if out.json => _ = json.insert(name.into(), hex_list(bytes)),
            Some("-") => out.write_all(hex_dump(bytes).as_bytes())?,
            Some(path) => std::fs::write(path, bytes).map_err(|e| input::at(Path::new(path), &e))?,
            None => {}
        }
    }
    if out.json {
        json.insert("retval".into(), ran.retval.into());
        json.insert("duration".into(), ran.duration_ns.into());
        out.object(&Value::Object(json))?;
    } else {
        let average = if o.repeat > 1 { " (average)" } else { "" };
        writeln!(out, "Return value: {}, duration{average}: {}ns", ran.retval, ran.duration_ns)?;
    }
    Ok(Verdict::Yes)
}

/// Offset, bytes in pairs, and what of them is text; as hexdump has it.
fn hex_dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (n, line) in bytes.chunks(16).enumerate() {
        let pairs: Vec<String> =
            line.chunks(2).map(|p| p.iter().map(|b| format!("{b:02x}")).collect()).collect();
        let shown = |b: &u8| if (b' '..=b'~').contains(b) { char::from(*b) } else { '.' };
        let (left, right) = line.split_at(line.len().min(8));
        let (left, right): (String, String) =
            (left.iter().map(shown).collect(), right.iter().map(shown).collect());
        text += &format!("{:07x}\t{:<40}| {left} {right}\n", n * 16, pairs.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::hex_dump;

    #[test]
    fn bytes_are_shown_in_lines_of_sixteen() {
        let text = hex_dump(b"0123456789abcdef\n");
        let first = "0000000\t3031 3233 3435 3637 3839 6162 6364 6566 | 01234567 89abcdef\n";
        assert!(text.starts_with(first), "{text}");
        assert_eq!(text.lines().nth(1), Some("0000010\t0a                                      | . "));
    }
}
