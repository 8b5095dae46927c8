//! The header of a corpus file, read strictly: an unknown key is an error, so that no expectation is
//! silently not checked.

use std::fmt;
use std::str::FromStr;

use skep_abi::{AttachType, MapType, ProgType};

/// What is wrong with a header, and on which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderError {
    line: usize,
    message: String,
}

impl HeaderError {
    pub(super) fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for HeaderError {}

/// What a verifier must say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// It accepts.
    #[default]
    Accept,
    /// It refuses.
    Reject,
    /// It is not asked.
    Skip,
}

/// What a run must give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Run {
    /// This r0.
    Value(u64),
    /// A trap, or a refusal to load.
    Trap,
    /// It is not run.
    #[default]
    Skip,
}

/// How Linux compares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Kernel {
    /// It gives the same result.
    #[default]
    Same,
    /// It refuses to load the program.
    Reject,
    /// It is not asked, for this reason.
    Skip(String),
}

/// Which engines a file is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Engines {
    /// Every one.
    #[default]
    All,
    /// All but these, for this reason.
    AllBut(Vec<String>, String),
    /// Only these, for this reason.
    Only(Vec<String>, String),
}

impl Engines {
    /// The reason why this engine is left out, if it is.
    pub fn skip_reason(&self, engine: &str) -> Option<&str> {
        match self {
            Self::All => None,
            Self::AllBut(names, why) => names.iter().any(|n| n == engine).then_some(why),
            Self::Only(names, why) => (!names.iter().any(|n| n == engine)).then_some(why),
        }
    }
}

/// A map that a file declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapLine {
    /// Name.
    pub name: String,
    /// Type.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Capacity.
    pub max_entries: u32,
    /// `map_flags`.
    pub flags: u32,
}

/// What a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A number.
    Number,
    /// A pointer to 16 bytes, or null.
    Memory,
    /// A pointer to 16 bytes.
    NonNull,
    /// The context.
    Context,
}

/// The type of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuncLine {
    /// Its label.
    pub name: String,
    /// Whether it is global, and verified by itself.
    pub global: bool,
    /// What it takes.
    pub args: Vec<Takes>,
}

/// All that a header says; texts that are looked at later stay texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Program type.
    pub prog: Option<ProgType>,
    /// Expected attach type.
    pub attach: Option<AttachType>,
    /// Licence.
    pub license: Option<String>,
    /// Program flags.
    pub flags: u32,
    /// Maps.
    pub maps: Vec<MapLine>,
    /// `OUTER MAP`.
    pub inner: Vec<[String; 2]>,
    /// Types of functions, in their order; the program's own comes by itself.
    pub funcs: Vec<FuncLine>,
    /// `MAP KEY VALUE` before the run.
    pub entries: Vec<[String; 3]>,
    /// `MAP KEY VALUE` after the run.
    pub after: Vec<[String; 3]>,
    /// What is emitted: a map's name or `trace`, and hex or text. Empty means that it is not looked at.
    pub events: Vec<[String; 2]>,
    /// The packet.
    pub packet: Option<Vec<u8>>,
    /// Plain memory.
    pub mem: Option<Vec<u8>>,
    /// The context.
    pub ctx: Option<Vec<u8>>,
    /// What a verifier says.
    pub verify: Verify,
    /// How many instructions it processes.
    pub count: Option<u32>,
    /// What a run gives.
    pub run: Run,
    /// The packet or memory after the run.
    pub out: Option<Vec<u8>>,
    /// How Linux compares.
    pub kernel: Kernel,
    /// Which engines it is for.
    pub engines: Engines,
    /// First Linux release that gives these answers.
    pub kernel_since: Option<String>,
}

impl Header {
    /// Reads the lines that begin with `#!`.
    ///
    /// # Errors
    /// The first line that cannot be read.
    pub fn parse(text: &str) -> Result<Self, HeaderError> {
        let mut header = Self::default();
        for (i, line) in text.lines().enumerate() {
            let Some(rest) = line.strip_prefix("#!") else { continue };
            let fail = |message: String| HeaderError::new(i + 1, message);
            let (key, value) = rest.split_once('=').ok_or_else(|| fail("expected `key = value`".into()))?;
            header.set(key.trim(), value.trim()).map_err(fail)?;
        }
        if header.prog.is_none() {
            return Err(HeaderError::new(1, "no `prog`"));
        }
        Ok(header)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "prog" => self.prog = Some(parse(value)?),
            "attach" => self.attach = Some(parse(value)?),
            "license" => self.license = Some(value.to_owned()),
            "flags" => self.flags = number(value)? as u32,
            "map" => self.maps.push(map_line(value)?),
            "inner" => self.inner.push(words(value)?),
            "func" => self.funcs.push(func_line(value)?),
            "count" => self.count = Some(number(value)? as u32),
            "entry" => self.entries.push(words(value)?),
            "after" => self.after.push(words(value)?),
            "event" => self.events.push(event(value)),
            "packet" => self.packet = Some(hex(value)?),
            "mem" => self.mem = Some(hex(value)?),
            "ctx" => self.ctx = Some(hex(value)?),
            "out" => self.out = Some(hex(value)?),
            "verify" => self.verify = verify(value)?,
            "run" => self.run = run(value)?,
            "kernel" => self.kernel = kernel(value)?,
            "engines" => self.engines = engines(value)?,
            "kernel-since" => self.kernel_since = Some(value.to_owned()),
            _ => return Err(format!("unknown key `{key}`")),
        }
        Ok(())
    }
}

fn parse<T: FromStr<Err: fmt::Display>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|e: T::Err| e.to_string())
}

/// Decimal or 0x.
pub(super) fn number(value: &str) -> Result<u64, String> {
    match value.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => value.parse(),
    }
    .map_err(|_| format!("`{value}` is not a number"))
}

/// Pairs of digits, with or without spaces.
pub(super) fn hex(value: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = value.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    let pair = |p: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(p).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(pair).collect();
    bytes.filter(|_| rest.is_empty()).ok_or_else(|| format!("`{value}` is not hex"))
}

fn words<const N: usize>(value: &str) -> Result<[String; N], String> {
    let words: Vec<String> = value.split_whitespace().map(str::to_owned).collect();
    words.try_into().map_err(|_| format!("expected {N} words, found `{value}`"))
}

fn event(value: &str) -> [String; 2] {
    let (source, rest) = value.split_once(' ').unwrap_or((value, ""));
    [source.to_owned(), rest.trim().to_owned()]
}

fn func_line(value: &str) -> Result<FuncLine, String> {
    let mut words = value.split_whitespace();
    let (Some(name), Some(linkage)) = (words.next(), words.next()) else {
        return Err("expected `LABEL static` or `LABEL global`".into());
    };
    let global = match linkage {
        "static" => false,
        "global" => true,
        _ => return Err(format!("`{linkage}` is not static or global")),
    };
    let takes = |word| match word {
        "number" => Ok(Takes::Number),
        "memory" => Ok(Takes::Memory),
        "nonnull" => Ok(Takes::NonNull),
        "context" => Ok(Takes::Context),
        _ => Err(format!("`{word}` is not number, memory, nonnull or context")),
    };
    Ok(FuncLine { name: name.into(), global, args: words.map(takes).collect::<Result<_, _>>()? })
}

fn map_line(value: &str) -> Result<MapLine, String> {
    let words: Vec<&str> = value.split_whitespace().collect();
    let [name, map_type, key, val, max, flags @ ..] = words.as_slice() else {
        return Err("expected `NAME TYPE KEY VALUE MAX [FLAGS]`".into());
    };
    let flags = match flags {
        [] => 0,
        [flags] => number(flags)? as u32,
        _ => return Err("more words than `NAME TYPE KEY VALUE MAX [FLAGS]`".into()),
    };
    Ok(MapLine {
        name: (*name).to_owned(),
        map_type: parse(map_type)?,
        key_size: number(key)? as u32,
        value_size: number(val)? as u32,
        max_entries: number(max)? as u32,
        flags,
    })
}

fn verify(value: &str) -> Result<Verify, String> {
    Ok(match value {
        "accept" => Verify::Accept,
        "reject" => Verify::Reject,
        "skip" => Verify::Skip,
        _ => return Err(format!("`{value}` is not accept, reject or skip")),
    })
}

fn run(value: &str) -> Result<Run, String> {
    Ok(match value {
        "trap" => Run::Trap,
        "skip" => Run::Skip,
        _ => Run::Value(number(value)?),
    })
}

fn kernel(value: &str) -> Result<Kernel, String> {
    Ok(match value.split_once(':') {
        None if value == "same" => Kernel::Same,
        None if value == "reject" => Kernel::Reject,
        Some(("skip", why)) => Kernel::Skip(why.trim().to_owned()),
        _ => return Err(format!("`{value}` is not same, reject or `skip: reason`")),
    })
}

fn engines(value: &str) -> Result<Engines, String> {
    if value == "all" {
        return Ok(Engines::All);
    }
    let (names, why) = value.split_once(':').ok_or("engines that are left out want a reason")?;
    let why = why.trim().to_owned();
    let list = |names: &str| names.split(',').map(|n| n.trim().to_owned()).collect();
    Ok(match names.strip_prefix("all but ") {
        Some(names) => Engines::AllBut(list(names), why),
        None => Engines::Only(list(names), why),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_and_bad_values_are_errors() {
        let fails = |text: &str| Header::parse(text).unwrap_err().to_string();
        assert_eq!(fails("#! prog = xdp\n#! rum = 3"), "line 2: unknown key `rum`");
        assert_eq!(fails("#! prog = xdp\n#! run = x"), "line 2: `x` is not a number");
        assert_eq!(fails("#! run = 0"), "line 1: no `prog`");
        assert!(fails("#! prog = xpd").contains("unknown program type"));
        assert!(fails("#! prog = xdp\n#! engines = interp").contains("reason"));
    }

    #[test]
    fn reads_what_engines_are_for() {
        let header = Header::parse("#! prog = xdp\n#! engines = all but interp-be: order").unwrap();
        assert_eq!(header.engines.skip_reason("interp-be"), Some("order"));
        assert_eq!(header.engines.skip_reason("interp"), None);
        let header = Header::parse("#! prog = xdp\n#! engines = text, interp-be: order").unwrap();
        assert_eq!(header.engines.skip_reason("interp"), Some("order"));
        assert_eq!(header.engines.skip_reason("text"), None);
    }
}
