//! `skep map dump`.

use std::io::Write;
use std::ops::ControlFlow;

use serde_json::{Value, json};
use skep::btf::print::Form;
use skep::kernel::objects::{Access, Map};

use super::super::live::{Words, failure, words};
use super::entry::{Reading, pretty};
use super::list::{header_json, print_header};
use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep map dump id 5
  skep map dump name counters --json
  skep map dump pinned /sys/fs/bpf/m";

/// All elements of a map
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// `id N`, `name NAME` or `pinned PATH`
    #[arg(value_name = "MAP", required = true)]
    words: Vec<String>,
}

pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let selector = words.selector(words::MAP)?;
    words.finish()?;
    let maps = Map::find(&selector, Access::Read).map_err(|e| failure(&e))?;
    if out.json {
        let mut all = Vec::new();
        for map in &maps {
            let mut o = header_json(map);
            o.insert("elements".into(), elements(map)?);
            all.push(Value::Object(o));
        }
        out.object(&json!({"schema": "skep.map-dump/1", "maps": all}))?;
        return Ok(Verdict::Yes);
    }
    for (n, map) in maps.iter().enumerate() {
        if n > 0 {
            writeln!(out)?;
        }
        if maps.len() > 1 {
            print_header(map, out)?;
        }
        print(map, out)?;
    }
    Ok(Verdict::Yes)
}

fn elements(map: &Map) -> Result<Value, Failure> {
    let reading = Reading::of(map)?;
    let mut all = Vec::new();
    map.walk(|e| {
        all.extend(match &e.value {
            Ok(value) => Some(reading.json(&e.key, value)),
            Err(why) => reading.unread_json(&e.key, *why),
        });
        ControlFlow::Continue(())
    })
    .map_err(|e| failure(&e))?;
    Ok(all.into())
}

/// A map with types as a list of JSON, element by element; one without as bytes.
fn print(map: &Map, out: &mut Output) -> Result<(), Failure> {
    let reading = Reading::of(map)?;
    let (mut count, mut first, mut wrong) = (0, true, None);
    let typed = reading.types.is_some();
    if typed {
        write!(out, "[")?;
    }
    let walked = map.walk(|e| {
        let mut one = || {
            let json = match &e.value {
                Ok(value) if typed => {
                    reading.typed(&e.key, value, Form::Plain).or_else(|| Some(reading.json(&e.key, value)))
                }
                Err(why) if typed => reading.unread_json(&e.key, *why),
                Ok(value) => {
                    count += 1;
                    return reading.print(&e.key, value, out);
                }
                Err(why) => return reading.print_unread(&e.key, *why, out),
            };
            let Some(json) = json else { return Ok(()) };
            write!(out, "{}{}", if first { "" } else { "," }, pretty(&json, 1))?;
            first = false;
            Ok(())
        };
        match one() {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                wrong = Some(failure);
                ControlFlow::Break(())
            }
        }
    });
    if let Some(failure) = wrong {
        return Err(failure);
    }
    walked.map_err(|e| failure(&e))?;
    match typed {
        true => writeln!(out, "{}]", if first { "" } else { "\n" })?,
        false => writeln!(out, "Found {count} element{}", if count == 1 { "" } else { "s" })?,
    }
    Ok(())
}
