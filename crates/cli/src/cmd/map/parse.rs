//! Keys and values as words: byte by byte as bpftool takes them, and, where one word stands for all, as the number
//! that it is or as JSON that fits the map's types.

use std::os::fd::{AsFd, BorrowedFd};

use serde_json::Value;
use skep::abi::MapType;
use skep::btf::TypeId;
use skep::btf::print::encode;
use skep::kernel::objects::{Access, Map, Prog};

use super::super::live::{Words, words};
use super::entry::{HERE, Reading};
use crate::failure::Failure;

/// Words that end a key or a value.
const ENDS: &[&str] = &["key", "value", "any", "noexist", "exist"];

/// What was said of an element.
#[derive(Default)]
pub(super) struct Element {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Said>,
    /// BPF_ANY, BPF_NOEXIST, BPF_EXIST.
    pub(super) flags: u64,
}

/// A value.
pub(super) enum Said {
    Bytes(Vec<u8>),
    Map(Map),
    Prog(Prog),
}

impl Said {
    /// The descriptor that is the value, if an object is.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Bytes(_) => None,
            Self::Map(m) => Some(m.as_fd()),
            Self::Prog(p) => Some(p.as_fd()),
        }
    }
}

/// Reads `[key DATA] [value VALUE] [any|exist|noexist]`.
pub(super) fn element(words: &mut Words<'_>, reading: &Reading<'_>) -> Result<Element, Failure> {
    let mut element = Element::default();
    let info = &reading.map.info;
    let types = reading.types.as_ref();
    while !words.is_empty() {
        match words.keyword(ENDS)? {
            "key" if element.key.is_some() => return Err(Failure::new("the key is said twice")),
            "key" => {
                let id = types.and_then(|t| t.key);
                element.key = Some(bytes(words.until(ENDS), "key", info.key_size as usize, reading, id)?);
            }
            "value" if element.value.is_some() => return Err(Failure::new("the value is said twice")),
            "value" => element.value = Some(value(words, reading)?),
            flag => {
                element.flags =
                    ["any", "noexist", "exist"].iter().position(|f| *f == flag).unwrap_or(0) as u64
            }
        }
    }
    Ok(element)
}

fn value(words: &mut Words<'_>, reading: &Reading<'_>) -> Result<Said, Failure> {
    let map = reading.map;
    if map.of_maps() {
        return super::one(words, Access::Write).map(Said::Map);
    }
    if map.map_type() == MapType::PROG_ARRAY {
        return super::super::prog::one(words).map(Said::Prog);
    }
    let size = map.info.value_size as usize;
    let id = reading.types.as_ref().map(|t| t.value);
    let bytes = bytes(words.until(ENDS), "value", size, reading, id)?;
    if !map.per_cpu() {
        return Ok(Said::Bytes(bytes));
    }
    // The same for every CPU.
    let mut one = bytes;
    one.resize(size.next_multiple_of(8), 0);
    let count = map.value_len() / one.len().max(1);
    Ok(Said::Bytes(one.repeat(count)))
}

/// `hex 0a 0b`, `10 11`, `{"a": 1}`, `7`.
fn bytes(
    words: &[String],
    what: &str,
    size: usize,
    reading: &Reading<'_>,
    id: Option<TypeId>,
) -> Result<Vec<u8>, Failure> {
    let (words, hex) = match words.split_first() {
        Some((first, rest)) if !first.is_empty() && "hex".starts_with(first.as_str()) => (rest, true),
        _ => (words, false),
    };
    if let ([word], false) = (words, hex)
        && (size != 1 || byte(word, false).is_none())
    {
        return typed(word, what, size, reading, id);
    }
    let run: String = words.concat();
    if hex && words.len() != size && run.len() == 2 * size {
        // Digits without spaces between the bytes.
        return crate::input::hex(&run).map_err(|f| f.context(what));
    }
    let wrong = |w: &String| Failure::new(format!("{what}: `{w}` is no byte"));
    let bytes = words.iter().map(|w| byte(w, hex).ok_or_else(|| wrong(w))).collect::<Result<Vec<_>, _>>()?;
    if bytes.len() == size {
        return Ok(bytes);
    }
    let failure = Failure::new(format!("{what}: {} bytes, and it takes {size}", bytes.len()));
    Err(match id.is_some() {
        true => failure
            .hint(format!("it has a type: one word is taken as JSON, as `{what} 5` or `{what} '{{...}}'`")),
        false => failure.hint(format!("one number alone is taken whole: `{what} 5`")),
    })
}

fn byte(word: &str, hex: bool) -> Option<u8> {
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    match (digits, hex) {
        (Some(digits), _) => u8::from_str_radix(digits, 16).ok(),
        (None, true) => u8::from_str_radix(word, 16).ok(),
        // As strtoul has it: a zero in front makes it octal.
        (None, false) if word.len() > 1 && word.starts_with('0') => u8::from_str_radix(&word[1..], 8).ok(),
        (None, false) => word.parse().ok(),
    }
}

/// One word for all bytes.
fn typed(
    word: &str,
    what: &str,
    size: usize,
    reading: &Reading<'_>,
    id: Option<TypeId>,
) -> Result<Vec<u8>, Failure> {
    if let (Some(types), Some(id)) = (&reading.types, id) {
        // What is no JSON is a text: the name of an enumeration's value, a number with 0x.
        let json: Value = match serde_json::from_str(word) {
            Ok(json) => json,
            Err(e) if word.starts_with(['{', '[', '"']) => {
                return Err(Failure::new(format!("{what}: is no JSON: {e}")));
            }
            Err(_) => word.into(),
        };
        return encode(&types.btf, id, &json, HERE).map_err(|e| Failure::new(format!("{what}: {e}")));
    }
    let wrong = || {
        Failure::new(format!("{what}: `{word}` is no number of {size} bytes"))
            .hint(format!("the map has no types; give {size} bytes, such as `{what} hex 00 01 ..`"))
    };
    let negative = word.starts_with('-');
    let number = match word.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16).ok(),
        None => word.parse().ok(),
    };
    let number: i128 = number.filter(|_| matches!(size, 1 | 2 | 4 | 8)).ok_or_else(wrong)?;
    let bits = 8 * size as u32;
    let fits = if negative { number >= -(1_i128 << (bits - 1)) } else { number < 1_i128 << bits };
    if !fits {
        return Err(wrong());
    }
    let whole = number.to_ne_bytes();
    Ok(if cfg!(target_endian = "big") { whole[16 - size..].to_vec() } else { whole[..size].to_vec() })
}

/// What an object is asked by: words of a selector, for those who make maps of maps.
pub(super) fn inner(words: &mut Words<'_>) -> Result<Map, Failure> {
    let selector = words.selector(words::MAP)?;
    let found = Map::find(&selector, Access::Read).map_err(|e| super::live::failure(&e))?;
    super::live::single(found, &selector)
}
