//! Operations on one element, and on a map as a whole.

use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use serde_json::{Map as Fields, Value, json};
use skep::btf::print::Form;
use skep::kernel::objects::{Access, pin_object};

use super::super::live::{Words, done, failure, hex_lines, hex_list};
use super::entry::{Reading, pretty};
use super::parse::{self, Said};
use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident, $value:literal, $help:literal, $examples:literal, $($alias:literal)?;)*) => {$(
        $(#[$doc])*
        #[derive(clap::Args, Debug)]
        #[command(after_help = $examples $(, visible_alias = $alias)?)]
        pub(super) struct $name {
            #[doc = $help]
            #[arg(value_name = $value, required = true, allow_negative_numbers = true)]
            words: Vec<String>,
        }
    )*};
}

commands! {
    /// The value of a key
    Lookup, "MAP KEY", "MAP key DATA: bytes (`hex 0a 00`), a number, or JSON", "\
Examples:
  skep map lookup id 5 key hex 0a 00 00 00
  skep map lookup name flows key '{\"src\": 1, \"dst\": 2}'

Exit codes: 0 it is there, 1 it is not, 2 it could not be looked for.",;
    /// Write a value
    Update, "MAP KEY VALUE", "MAP [key DATA] [value VALUE] [any|exist|noexist]; VALUE is data, a map, or a program", "\
Examples:
  skep map update id 5 key 1 0 0 0 value 7 0 0 0 0 0 0 0
  skep map update id 5 key 1 value 7 noexist
  skep map update name jump key 0 value pinned /sys/fs/bpf/prog",;
    /// Take an element away
    Delete, "MAP KEY", "MAP key DATA", "\
Examples:
  skep map delete id 5 key 1 0 0 0
  skep map delete id 5 key 1",;
    /// The key after a key; the first, if none is given
    Getnext, "MAP KEY", "MAP [key DATA]", "\
Examples:
  skep map getnext id 5
  skep map getnext id 5 key 1

Exit codes: 0 there is one, 1 there is none.",;
    /// Give a map a path, which keeps it alive
    Pin, "MAP PATH", "MAP PATH: the map, and a path of a BPF file system", "\
Examples:
  skep map pin id 5 /sys/fs/bpf/m",;
    /// Keep user space from writing a map, for ever
    Freeze, "MAP", "`id N`, `name NAME` or `pinned PATH`", "\
Examples:
  skep map freeze id 5",;
    /// The next value of a queue or stack
    Peek, "MAP", "`id N`, `name NAME` or `pinned PATH`", "\
Examples:
  skep map peek id 5

Exit codes: 0 there is one, 1 it is empty.",;
    /// Take the next value of a queue or stack
    Pop, "MAP", "`id N`, `name NAME` or `pinned PATH`", "\
Examples:
  skep map pop id 5
  skep map dequeue id 5", "dequeue";
    /// Put a value into a queue or stack
    Push, "MAP VALUE", "MAP value DATA", "\
Examples:
  skep map push id 5 value 7
  skep map enqueue id 5 value hex 07 00 00 00", "enqueue";
}

/// The key that was said, which a map with keys needs.
fn key(reading: &Reading<'_>, said: Option<Vec<u8>>) -> Result<Vec<u8>, Failure> {
    match (said, reading.map.info.key_size) {
        (Some(key), _) => Ok(key),
        (None, 0) => Ok(Vec::new()),
        (None, size) => Err(Failure::new("the key is missing")
            .hint(format!("`key DATA`, where DATA is {size} bytes, or a number"))),
    }
}

fn show(reading: &Reading<'_>, key: &[u8], value: &[u8], out: &mut Output) -> Result<(), Failure> {
    if out.json {
        let mut o = Fields::from_iter([("schema".to_owned(), Value::from("skep.map-lookup/1"))]);
        if let Value::Object(entry) = reading.json(key, value) {
            o.extend(entry);
        }
        return out.object(&o);
    }
    match reading.typed(key, value, Form::Plain) {
        Some(typed) => Ok(writeln!(out, "{}", pretty(&typed, 0))?),
        None => reading.print(key, value, out),
    }
}

fn nothing(key: &[u8], text: &str, out: &mut Output) -> Result<Verdict, Failure> {
    if out.json {
        out.object(&json!({"schema": "skep.map-lookup/1", "key": hex_list(key), "value": null}))?;
    } else if key.is_empty() {
        writeln!(out, "{text}")?;
    } else {
        writeln!(out, "key:\n{}\n\n{text}", hex_lines(key))?;
    }
    Ok(Verdict::No)
}

pub(super) fn lookup(args: &Lookup, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let map = super::one(&mut words, Access::Read)?;
    let reading = Reading::of(&map)?;
    let said = parse::element(&mut words, &reading)?;
    if said.value.is_some() {
        return Err(Failure::new("a value is what is looked up; give a key alone"));
    }
    let key = key(&reading, said.key)?;
    match map.lookup(&key).map_err(|e| failure(&e))? {
        Some(value) => show(&reading, &key, &value, out).map(|()| Verdict::Yes),
        None => nothing(&key, "Not found", out),
    }
}

pub(super) fn peek(args: &Peek, out: &mut Output) -> Result<Verdict, Failure> {
    keyless(&args.words, Access::Read, out, |map| map.lookup(&[]))
}

pub(super) fn pop(args: &Pop, out: &mut Output) -> Result<Verdict, Failure> {
    keyless(&args.words, Access::Write, out, |map| map.take(&[]))
}

fn keyless(
    words: &[String],
    access: Access,
    out: &mut Output,
    get: impl Fn(&skep::kernel::objects::Map) -> Result<Option<Vec<u8>>, skep::backend::Error>,
) -> Result<Verdict, Failure> {
    let mut words = Words::new(words);
    let map = super::one(&mut words, access)?;
    words.finish()?;
    let reading = Reading::of(&map)?;
    key(&reading, None)
        .map_err(|_| Failure::new(format!("a {} map has keys: use `lookup`", map.map_type())))?;
    match get(&map).map_err(|e| failure(&e))? {
        Some(value) => show(&reading, &[], &value, out).map(|()| Verdict::Yes),
        None => nothing(&[], "empty map", out),
    }
}

pub(super) fn update(args: &Update, out: &mut Output) -> Result<Verdict, Failure> {
    write(&args.words, "update", out)
}

pub(super) fn push(args: &Push, out: &mut Output) -> Result<Verdict, Failure> {
    write(&args.words, "push", out)
}

fn write(words: &[String], action: &str, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(words);
    let map = super::one(&mut words, Access::Write)?;
    let reading = Reading::of(&map)?;
    let said = parse::element(&mut words, &reading)?;
    let key = key(&reading, said.key)?;
    let Some(value) = said.value else {
        return Err(Failure::new("the value is missing").hint("`value VALUE`, after the key"));
    };
    let written = match (value.fd(), &value) {
        (Some(object), _) => map.update_fd(&key, object, said.flags),
        (None, Said::Bytes(bytes)) => map.update(&key, bytes, said.flags),
        (None, _) => Ok(()),
    };
    written.map_err(|e| failure(&e))?;
    done(out, "skep.map/1", action, &[("id", map.info.id.into()), ("key", hex_list(&key))])?;
    Ok(Verdict::Yes)
}

pub(super) fn delete(args: &Delete, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let map = super::one(&mut words, Access::Write)?;
    let reading = Reading::of(&map)?;
    let said = parse::element(&mut words, &reading)?;
    if said.value.is_some() {
        return Err(Failure::new("a key alone says what goes"));
    }
    let key = key(&reading, said.key)?;
    map.delete(&key).map_err(|e| failure(&e))?;
    done(out, "skep.map/1", "delete", &[("id", map.info.id.into()), ("key", hex_list(&key))])?;
    Ok(Verdict::Yes)
}

pub(super) fn getnext(args: &Getnext, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let map = super::one(&mut words, Access::Read)?;
    let reading = Reading::of(&map)?;
    let said = parse::element(&mut words, &reading)?;
    let next = map.next_key(said.key.as_deref()).map_err(|e| failure(&e))?;
    if out.json {
        let list = |key: &Option<Vec<u8>>| key.as_deref().map_or(Value::Null, hex_list);
        let (key, next_key) = (list(&said.key), list(&next));
        out.object(&json!({"schema": "skep.map-getnext/1", "key": key, "next_key": next_key}))?;
    } else {
        match &said.key {
            Some(key) => writeln!(out, "key:\n{}", hex_lines(key))?,
            None => writeln!(out, "key: None")?,
        }
        match &next {
            Some(next) => writeln!(out, "next key:\n{}", hex_lines(next))?,
            None => writeln!(out, "next key: None")?,
        }
    }
    Ok(if next.is_some() { Verdict::Yes } else { Verdict::No })
}

pub(super) fn pin(args: &Pin, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let map = super::one(&mut words, Access::Write)?;
    let path = Path::new(words.next("the path to pin it at")?);
    words.finish()?;
    pin_object(map.as_fd(), path).map_err(|e| failure(&e))?;
    let facts = [("id", map.info.id.into()), ("path", path.to_string_lossy().into())];
    done(out, "skep.map/1", "pin", &facts)?;
    Ok(Verdict::Yes)
}

pub(super) fn freeze(args: &Freeze, out: &mut Output) -> Result<Verdict, Failure> {
    let mut words = Words::new(&args.words);
    let map = super::one(&mut words, Access::Write)?;
    words.finish()?;
    map.freeze().map_err(|e| failure(&e))?;
    done(out, "skep.map/1", "freeze", &[("id", map.info.id.into())])?;
    Ok(Verdict::Yes)
}
