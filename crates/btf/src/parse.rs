//! Bytes to [`Btf`]: one pass over the words, one to check what they refer to.

use std::sync::{Arc, OnceLock};

use crate::strings::Strings;
use crate::{Btf, BtfError, Endian, Kind, TypeId};

pub(crate) const MAGIC: u16 = 0xeb9f;
/// Length of the header that every version of the format has.
pub(crate) const HEADER: usize = 24;

impl Btf {
    /// Reads BTF: an ELF's `.BTF` section, or `/sys/kernel/btf/vmlinux`. The byte order is told by the magic.
    ///
    /// Memory: about the size of the input, plus four bytes a type.
    ///
    /// # Errors
    /// If a section or type lies outside the input, a kind is unknown, or an id or name does not exist.
    pub fn parse(bytes: &[u8]) -> Result<Self, BtfError> {
        parse(bytes, None)
    }

    /// Reads split BTF, such as a module's, whose ids and strings continue those of `base`.
    ///
    /// # Errors
    /// As [`Btf::parse`]; also if the byte orders differ.
    pub fn parse_split(bytes: &[u8], base: Arc<Btf>) -> Result<Self, BtfError> {
        parse(bytes, Some(base))
    }
}

fn parse(bytes: &[u8], base: Option<Arc<Btf>>) -> Result<Btf, BtfError> {
    let header = Header::parse(bytes)?;
    if base.as_ref().is_some_and(|base| base.endian != header.endian) {
        return Err(BtfError::new("byte order differs from that of the base"));
    }
    let types = header.section(bytes, header.types, "type")?;
    let strings = header.section(bytes, header.strings, "string")?;
    if !types.len().is_multiple_of(4) || header.types.0 % 4 != 0 {
        return Err(BtfError::new("type section is not a whole number of words").at(header.len));
    }
    let strings = Strings::parse(strings, base.is_some())
        .map_err(|e| e.at(header.len.saturating_add(header.strings.0 as usize)))?;
    let words: Vec<u32> = types.chunks_exact(4).map(|w| word(w, header.endian)).collect();
    let types_at = header.len + header.types.0 as usize;
    let starts = find_starts(&words, base.as_ref().map_or(1, |b| b.end_id().0), types_at)?;
    let btf = Btf { endian: header.endian, words, starts, strings, base, names: OnceLock::new() };
    check_references(&btf).map_err(|(e, word)| e.at(types_at + 4 * word))?;
    Ok(btf)
}

/// The fixed part of the header; sections are (offset, length) from its end.
struct Header {
    endian: Endian,
    len: usize,
    types: (u32, u32),
    strings: (u32, u32),
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, BtfError> {
        let Some(fixed) = bytes.get(..HEADER) else {
            return Err(BtfError::new(format!("{} bytes are too few for a header of {HEADER}", bytes.len())));
        };
        let endian = endian_of(fixed)
            .ok_or_else(|| BtfError::new(format!("magic is {:02x}{:02x}, not eb9f", fixed[0], fixed[1])))?;
        if fixed[2] != 1 {
            return Err(BtfError::new(format!("version {} is not known, only 1", fixed[2])).at(2));
        }
        let field = |n: usize| word(&fixed[n..n + 4], endian);
        let len = field(4) as usize;
        if len < HEADER || len > bytes.len() {
            return Err(BtfError::new(format!("header length {len} is out of range")).at(4));
        }
        Ok(Self { endian, len, types: (field(8), field(12)), strings: (field(16), field(20)) })
    }

    fn section<'a>(&self, bytes: &'a [u8], (off, len): (u32, u32), what: &str) -> Result<&'a [u8], BtfError> {
        let body = &bytes[self.len..];
        let end = off.checked_add(len).map(|end| end as usize);
        end.and_then(|end| body.get(off as usize..end)).ok_or_else(|| {
            BtfError::new(format!("{what} section ({off:#x} + {len:#x}) runs past the end"))
                .at(if what == "type" { 8 } else { 16 })
        })
    }
}

/// The byte order, told by the magic in the first two bytes.
pub(crate) fn endian_of(bytes: &[u8]) -> Option<Endian> {
    let magic = [*bytes.first()?, *bytes.get(1)?];
    if u16::from_le_bytes(magic) == MAGIC {
        Some(Endian::Little)
    } else if u16::from_be_bytes(magic) == MAGIC {
        Some(Endian::Big)
    } else {
        None
    }
}

/// Four bytes as a word.
pub(crate) fn word(b: &[u8], endian: Endian) -> u32 {
    let b = [b[0], b[1], b[2], b[3]];
    match endian {
        Endian::Little => u32::from_le_bytes(b),
        Endian::Big => u32::from_be_bytes(b),
    }
}

/// Finds where each type begins, and checks that it ends within the section.
fn find_starts(words: &[u32], first_id: u32, at: usize) -> Result<Vec<u32>, BtfError> {
    let mut starts = Vec::new();
    let mut pos = 0;
    while pos < words.len() {
        let id = u32::try_from(starts.len()).ok().and_then(|n| first_id.checked_add(n));
        let fail =
            |what: String| Err(BtfError::new(what).in_type(TypeId(id.unwrap_or(u32::MAX))).at(at + 4 * pos));
        if id.is_none() {
            return fail("there are more types than ids".into());
        }
        let Some(head) = words.get(pos..pos + 3) else {
            return fail("is cut off".into());
        };
        let Some(kind) = Kind::from_number(head[1] >> 24 & 0x7f) else {
            return fail(format!("kind {} is not known", head[1] >> 24 & 0x7f));
        };
        let len = type_words(kind, head[1]);
        if len > words.len() - pos {
            return fail(format!("{kind} runs past the end of the type section"));
        }
        starts.push(pos as u32);
        pos += len;
    }
    starts.shrink_to_fit();
    Ok(starts)
}

/// Length of a type in words, from its kind and the second word of its head.
pub(crate) fn type_words(kind: Kind, info: u32) -> usize {
    let shape = kind.shape();
    3 + shape.fixed + shape.element * (info & 0xff_ffff) as usize
}

/// Checks every type id and name offset; on error also tells the word that it stands in.
pub(crate) fn check_references(btf: &Btf) -> Result<(), (BtfError, usize)> {
    let end = btf.end_id().0;
    for (n, t) in btf.own_types().enumerate() {
        let fault = references(t.kind(), t.words).find(|&(_, reference)| match reference {
            Reference::Type(id) => id >= end,
            Reference::Name(offset) => !btf.has_string(offset),
        });
        if let Some((word, reference)) = fault {
            let what = match reference {
                Reference::Type(id) => format!("{} names type [{id}], which does not exist", t.kind()),
                Reference::Name(at) => {
                    format!("{} has a name outside the string section ({at:#x})", t.kind())
                }
            };
            return Err((BtfError::new(what).in_type(t.id), btf.starts[n] as usize + word));
        }
    }
    Ok(())
}

/// Something that a word of a type refers to.
#[derive(Clone, Copy)]
pub(crate) enum Reference {
    /// A type id.
    Type(u32),
    /// An offset in the string section.
    Name(u32),
}

/// Which words of an element are names (n), types (t) or neither; one row a kind with elements or fixed words.
fn element_pattern(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Array => b"tt.",
        Kind::Struct | Kind::Union => b"nt.",
        Kind::Enum => b"n.",
        Kind::Enum64 => b"n..",
        Kind::FuncProto => b"nt",
        Kind::Datasec => b"t..",
        _ => b"",
    }
}

/// All references of a type, with the index of the word that holds each.
pub(crate) fn references(kind: Kind, words: &[u32]) -> impl Iterator<Item = (usize, Reference)> + '_ {
    let head = std::iter::once((0, Reference::Name(words[0])))
        .chain(kind.has_target().then(|| (2, Reference::Type(words[2]))));
    let pattern = element_pattern(kind);
    let body = words[3..].chunks_exact(pattern.len().max(1)).enumerate().flat_map(move |(n, chunk)| {
        pattern.iter().zip(chunk).enumerate().filter_map(move |(i, (&p, &w))| match p {
            b'n' => Some((3 + n * pattern.len() + i, Reference::Name(w))),
            b't' => Some((3 + n * pattern.len() + i, Reference::Type(w))),
            _ => None,
        })
    });
    head.chain(body)
}
