//! `skep filter --diff A B`: do two filters take the same packets? A proof, or a packet that shows that they do not.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use skep::capture::{LinkType, Packet, Writer};
use skep::filter::equivalence::{Answer, Witness, compare};
use skep::filter::{Dlt, compile};
use skep::isa::classic::text::parse;
use skep::isa::classic::{Ancillary, Insn};

use super::{Args, lookup, options};
use crate::failure::Failure;
use crate::output::{Output, Style};
use crate::{Verdict, input, packets};

/// What is compared.
#[derive(clap::Args, Debug)]
pub(super) struct Flags {
    /// Say whether two filters take the same packets: expressions, or programs from files as `@FILE` (in any form of
    /// `-d`, `-dd`, `-ddd`, `--xt-bpf` or bpf_asm); exit code 1 with a packet that shows that they do not
    #[arg(long, num_args = 2, value_names = ["A", "B"], group = "packets",
          conflicts_with_all = ["expression", "dump", "xt_bpf", "read"])]
    diff: Option<Vec<String>>,

    /// Compare them on packets of at least so many bytes only
    #[arg(long, value_name = "N", default_value_t = 0, requires = "diff")]
    min_len: u32,
}

impl Flags {
    /// The two filters, if that is what was asked for.
    pub(super) fn pair(&self) -> Option<[&str; 2]> {
        match self.diff.as_deref() {
            Some([a, b]) => Some([a, b]),
            _ => None,
        }
    }
}

#[derive(Serialize)]
struct Json<'a> {
    schema: &'static str,
    first: &'a str,
    second: &'a str,
    dlt: String,
    /// `same`, `different` or `unknown`.
    answer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packet: Option<PacketJson>,
}

#[derive(Serialize)]
struct PacketJson {
    bytes: String,
    length: u32,
    facts: serde_json::Map<String, serde_json::Value>,
    first: u32,
    second: u32,
}

pub(super) fn run(args: &Args, pair: [&str; 2], out: &mut Output) -> Result<Verdict, Failure> {
    let dlt = super::dlt(args)?;
    let [first, second] = pair.map(|which| program(args, dlt, which));
    let (first, second) = (first?, second?);
    let answer = compare(&first, &second, args.diff.min_len)
        .map_err(|e| Failure::new(e.to_string()).hint("only programs that Linux takes are compared"))?;
    if let (Answer::Different(found), Some(to)) = (&answer, &args.write) {
        write(found, dlt, to)?;
    }
    if out.json {
        out.object(&json(pair, dlt, &answer))?;
    }
    match answer {
        Answer::Same if out.json => Ok(Verdict::Yes),
        Answer::Same => {
            let all = match args.diff.min_len {
                0 => String::new(),
                n => format!(" of at least {n} bytes"),
            };
            writeln!(out, "{}: they take the same packets{all}", out.paint(Style::Good, "same"))?;
            Ok(Verdict::Yes)
        }
        Answer::Different(found) => {
            if !out.json {
                print(&found, pair, out)?;
            }
            Ok(Verdict::No)
        }
        Answer::Unknown(why) => {
            Err(Failure::new(format!("can't tell whether they take the same packets: {why}"))
                .hint("no packet was found that they differ on, and none proves that there is none"))
        }
    }
}

/// An expression, or with an `@` in front a program in a file.
fn program(args: &Args, dlt: Dlt, which: &str) -> Result<Vec<Insn>, Failure> {
    if let Some(path) = which.strip_prefix('@') {
        let path = Path::new(path);
        let text = input::read_text(path)?;
        return parse(&text).map_err(|e| Failure::new(e.to_string()).context(input::label(path)));
    }
    match compile(which, &options(args, dlt, None, false), &lookup::System::new()) {
        Ok(insns) => Ok(insns),
        Err(e) if e.message() == "expression rejects all packets" => Ok(vec![Insn::stmt(0x06, 0)]),
        Err(e) => {
            let failure = Failure::diagnosed(vec![e.diagnostic(which)]);
            let file = Path::new(which).is_file();
            Err(failure.hint_opt(file.then(|| format!("for the program in that file say @{which}"))))
        }
    }
}

fn print(found: &Witness, pair: [&str; 2], out: &mut Output) -> Result<(), Failure> {
    let packet = &found.packet;
    let taker = if found.first != 0 { 0 } else { 1 };
    let words =
        ["the first filter takes it, the second does not", "the second filter takes it, the first does not"];
    writeln!(out, "{}: {}", out.paint(Style::Bad, "different"), words[taker])?;
    for (which, (name, verdict)) in pair.iter().zip([("first", found.first), ("second", found.second)]) {
        writeln!(out, "  {name:<6}  {which}  returns {verdict}")?;
    }
    let cut = match packet.len as usize > packet.bytes.len() {
        true => format!(", captured of {}", packet.len),
        false => String::new(),
    };
    writeln!(out, "  packet of {} bytes{cut}", packet.bytes.len())?;
    for (&at, value) in &packet.facts {
        let fact = Ancillary::from_offset(at).map_or("fact", Ancillary::tcpdump_name);
        writeln!(out, "  {fact} = {value}")?;
    }
    for (n, line) in packet.bytes.chunks(16).enumerate() {
        let hex: Vec<String> = line.iter().map(|b| format!("{b:02x}")).collect();
        writeln!(out, "  {:04x}  {}", n * 16, hex.join(" "))?;
    }
    Ok(())
}

fn write(found: &Witness, dlt: Dlt, to: &Path) -> Result<(), Failure> {
    let wrong = |e: skep::capture::Error| packets::failure(&e, to);
    let link_type = LinkType(dlt.linktype());
    let file = BufWriter::new(File::create(to).map_err(|e| input::at(to, &e))?);
    let mut writer = Writer::pcap(file, link_type).map_err(wrong)?;
    let packet = Packet { orig_len: found.packet.len, link_type, ..Packet::new(&found.packet.bytes).at(0) };
    writer.write(&packet).map_err(wrong)?;
    writer.finish().map_err(wrong)?.flush().map_err(|e| input::at(to, &e))
}

fn json<'a>([first, second]: [&'a str; 2], dlt: Dlt, answer: &Answer) -> Json<'a> {
    let (name, reason, packet) = match answer {
        Answer::Same => ("same", None, None),
        Answer::Unknown(why) => ("unknown", Some(why.to_string()), None),
        Answer::Different(found) => {
            let fact = |(&at, &value): (&u32, &u32)| {
                let name = Ancillary::from_offset(at).map_or("fact", Ancillary::tcpdump_name);
                (name.to_owned(), value.into())
            };
            let packet = PacketJson {
                bytes: found.packet.bytes.iter().map(|b| format!("{b:02x}")).collect(),
                length: found.packet.len,
                facts: found.packet.facts.iter().map(fact).collect(),
                first: found.first,
                second: found.second,
            };
            ("different", None, Some(packet))
        }
    };
    let dlt = dlt.name().map_or_else(|| dlt.0.to_string(), str::to_string);
    Json { schema: "skep.filter-diff/1", first, second, dlt, answer: name, reason, packet }
}
