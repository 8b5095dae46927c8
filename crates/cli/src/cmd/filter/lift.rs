//! `skep filter --lift FILE`: a classic program as an expression, and whether that was proved to take the same packets.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use skep::filter::Code;
use skep::filter::equivalence::Answer;
use skep::filter::lift::{Lifted, lift};
use skep::isa::Endian;

use super::Args;
use crate::cmd::classic;
use crate::failure::Failure;
use crate::output::Output;
use crate::{Verdict, input};

/// What is lifted.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub(super) struct Flags {
    /// Say by which expression a classic program could have been written, proved to take the same packets; exit code 1 if
    /// that is not proved
    ///
    /// The program may be in any form of -d, -dd, -ddd, --xt-bpf or bpf_asm, or raw instructions (`-` is stdin); --dlt tells
    /// what its packets are.
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["expression", "dump", "packets", "explain", "cfg", "xt_bpf", "asm", "ebpf", "compat", "no_optimize"])]
    pub(super) lift: Option<PathBuf>,
}

#[derive(Serialize)]
struct Json<'a> {
    schema: &'static str,
    file: String,
    dlt: String,
    expression: &'a str,
    /// Whether it is proved to take the same packets.
    proved: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Whether the code that was compared is the expression's optimised one.
    optimized: bool,
    /// Whether it compares no bytes.
    in_words: bool,
    /// What the program returns for packets that it takes.
    lengths: &'a [u32],
}

pub(super) fn run(args: &Args, path: &Path, out: &mut Output) -> Result<Verdict, Failure> {
    let dlt = super::dlt(args)?;
    let insns = classic::read(&input::read(path)?, path, Endian::Little)?;
    let lifted = lift(&insns, dlt).map_err(|e| {
        let hint = "skep asm --emit listing shows what it does";
        Failure::new(format!("{}: no expression is the same: {e}", input::label(path))).hint(hint)
    })?;
    if out.json {
        out.object(&Json {
            schema: "skep.filter-lift/1",
            file: input::label(path),
            dlt: dlt.name().map_or_else(|| dlt.0.to_string(), str::to_string),
            expression: &lifted.expression,
            proved: lifted.answer == Answer::Same,
            reason: reason(&lifted),
            optimized: lifted.code != Code::Plain,
            in_words: lifted.in_words,
            lengths: &lifted.lengths,
        })?;
    } else {
        writeln!(out, "{}", lifted.expression)?;
    }
    if let Some(why) = reason(&lifted) {
        out.warn(format!("it was not proved to take the same packets: {why}"));
        return Ok(Verdict::No);
    }
    if !out.json {
        out.note("proved: it takes the same packets");
        if lifted.code == Code::Plain {
            out.note(
                "optimised, its code may treat packets that are cut short otherwise; -O keeps it as it is",
            );
        }
        match lifted.lengths[..] {
            [] | [262_144] => {}
            [length] => {
                out.note(format!("the program asks for {length} bytes of a packet: --snaplen {length}"))
            }
            _ => out.note(format!("the program returns several lengths: {:?}", lifted.lengths)),
        }
    }
    Ok(Verdict::Yes)
}

/// Why it is not proved.
fn reason(lifted: &Lifted) -> Option<String> {
    match &lifted.answer {
        Answer::Same => None,
        Answer::Different(_) => Some("a packet tells them apart".into()),
        Answer::Unknown(why) => Some(why.to_string()),
    }
}
