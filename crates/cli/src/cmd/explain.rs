//! `skep explain`: what a name of the BPF world stands for. Everything is read off the tables of `abi` and `isa`.

mod entry;

use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;

use crate::Verdict;
use crate::failure::Failure;
use crate::names;
use crate::output::{Output, Style};
use entry::{Entry, Kind};

const EXAMPLES: &str = "\
Examples:
  skep explain helper map_lookup_elem
  skep explain map-type lru_hash
  skep explain prog-type tc
  skep explain insn 0xdb               by opcode
  skep explain insn sdiv               by mnemonic
  skep explain V0405                   why the verifier refused
  skep explain xdp                     whatever is called so
  skep explain helper                  all of a kind";

/// Explain a helper, map type, program type, attach type, link type, instruction or code of a diagnostic
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A kind (helper, map-type, prog-type, attach-type, link-type, insn, code), or at once a name
    #[arg(value_name = "KIND|NAME")]
    first: String,

    /// A name or a number
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

#[derive(Serialize)]
struct Json<'a> {
    schema: &'static str,
    entries: &'a [Entry],
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let entries = find(args)?;
    if out.json {
        out.object(&Json { schema: "skep.explain/1", entries: &entries })?;
    } else if args.name.is_none() && Kind::from_str(&args.first, true).is_ok() {
        list(&entries, out)?;
    } else {
        for (n, e) in entries.iter().enumerate() {
            if n > 0 {
                writeln!(out)?;
            }
            print(e, out)?;
        }
    }
    Ok(Verdict::Yes)
}

fn find(args: &Args) -> Result<Vec<Entry>, Failure> {
    match (Kind::from_str(&args.first, true), &args.name) {
        (Ok(kind), Some(name)) => {
            let found: Vec<Entry> = kind.entries().into_iter().filter(|e| e.is_called(name)).collect();
            if found.is_empty() {
                let all = kind.entries();
                let hint = names::suggestion(name, all.iter().flat_map(Entry::names))
                    .unwrap_or_else(|| format!("`skep explain {}` lists them", args.first));
                return Err(Failure::new(format!("unknown {} `{name}`", kind.title())).hint(hint));
            }
            Ok(found)
        }
        (Ok(kind), None) => Ok(kind.entries()),
        (Err(_), Some(_)) => {
            let kinds: Vec<_> =
                Kind::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect();
            let hint = names::suggestion(&args.first, kinds.iter().map(|k| k.get_name()));
            Err(Failure::new(format!("unknown kind `{}`", args.first)).hint_opt(hint))
        }
        (Err(_), None) if is_code(&args.first) && skep::verifier::code(&args.first).is_none() => {
            Err(Failure::new(format!("no diagnostic has the code `{}`", args.first)))
        }
        (Err(_), None) => {
            let all: Vec<Entry> = Kind::value_variants().iter().flat_map(|k| k.entries()).collect();
            let number = args.first.starts_with(|c: char| c.is_ascii_digit());
            if number {
                let hint = format!("name a kind too, as in `skep explain helper {}`", args.first);
                return Err(Failure::new(format!("`{}` is a number of what kind?", args.first)).hint(hint));
            }
            let hint = names::suggestion(&args.first, all.iter().flat_map(Entry::names));
            let found: Vec<Entry> = all.into_iter().filter(|e| e.is_called(&args.first)).collect();
            if found.is_empty() {
                return Err(Failure::new(format!("nothing is called `{}`", args.first)).hint_opt(hint));
            }
            Ok(found)
        }
    }
}

/// A letter and four digits, as `V0301`.
fn is_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 5 && bytes[0].is_ascii_alphabetic() && bytes[1..].iter().all(u8::is_ascii_digit)
}

fn print(e: &Entry, out: &mut Output) -> Result<(), Failure> {
    if e.kind == Kind::Code {
        let name = out.paint(Style::Name, &e.name);
        writeln!(out, "{name}: {}\n", e.about)?;
        for (_, story) in &e.facts {
            writeln!(out, "{story}")?;
        }
        return Ok(());
    }
    let title = format!("{} {}", e.kind.title(), out.paint(Style::Name, &e.name));
    writeln!(out, "{} ({})", title, e.number)?;
    writeln!(out, "  {}", e.about)?;
    let width = e.facts.iter().map(|f| f.0.len()).max().unwrap_or(0);
    for (name, value) in &e.facts {
        let label = out.paint(Style::Faint, format!("{name:width$}"));
        for (n, line) in value.lines().enumerate() {
            if n == 0 {
                writeln!(out, "  {label}  {line}")?;
            } else {
                writeln!(out, "  {:width$}  {line}", "")?;
            }
        }
    }
    Ok(())
}

fn list(entries: &[Entry], out: &mut Output) -> Result<(), Failure> {
    let width = entries.iter().map(|e| e.name.len()).max().unwrap_or(0);
    for e in entries {
        let name = out.paint(Style::Name, format!("{:width$}", e.name));
        writeln!(out, "{:>4}  {name}  {:>5}  {}", e.number, e.since.as_deref().unwrap_or("-"), e.about)?;
    }
    Ok(())
}
