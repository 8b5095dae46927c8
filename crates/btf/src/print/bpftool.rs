//! Values as JSON in the very shape of `bpftool map dump --json` (its `btf_dumper.c` tells the format), for those whose
//! scripts read that: bitfields are hexadecimal strings, so are integers of 128 bits; pointers are numbers; members
//! of anonymous structs stand in an object named `""`; a data section is a list of variables.
//!
//! Where bpftool gives up or writes what is no JSON, this goes on: floats are numbers, and what stands in several
//! anonymous members of one struct stands in one object.

use serde_json::{Map, Value as Json};

use super::read::{NODES, NODES_A_BYTE, Reader, mask, sign_extend};
use crate::{Btf, BtfError, Endian, Kind, MAX_DEPTH, Type, TypeId};

/// What bpftool writes the same value as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `--json`.
    Json,
    /// Without: the same, but pointers are hexadecimal.
    Plain,
}

/// Reads a value of type `id` from the front of `data`, as [`super::value`] does, into bpftool's shape.
///
/// # Errors
/// As for [`super::value`].
pub fn bpftool(btf: &Btf, id: TypeId, data: &[u8], endian: Endian, form: Form) -> Result<Json, BtfError> {
    let budget = NODES + NODES_A_BYTE.saturating_mul(data.len());
    Dumper { reader: Reader { btf, data, endian, budget }, form }.value(id, 0, 0, MAX_DEPTH)
}

struct Dumper<'a, 'd> {
    reader: Reader<'a, 'd>,
    form: Form,
}

impl<'a> Dumper<'a, '_> {
    /// The value at byte `at`, and so many bits behind it.
    fn value(&mut self, id: TypeId, at: usize, bit: u32, depth: usize) -> Result<Json, BtfError> {
        let spent = |what: &str| BtfError::new(what).in_type(id);
        self.reader.budget =
            self.reader.budget.checked_sub(1).ok_or_else(|| spent("has too many parts to print"))?;
        let depth = depth.checked_sub(1).ok_or_else(|| spent("is nested without end"))?;
        let t = self.reader.btf.resolve(id)?;
        match t.kind() {
            Kind::Int => self.int(t, at, bit),
            Kind::Ptr => {
                let address = self.reader.number(t, at, 8)? as u64;
                Ok(if self.form == Form::Json { address.into() } else { format!("{address:#x}").into() })
            }
            Kind::Enum | Kind::Enum64 => self.enumeration(t, at),
            Kind::Array => self.array(t, at, depth),
            Kind::Struct | Kind::Union => self.members(t, at, depth),
            Kind::Var => {
                let value = self.value(t.target().unwrap_or_default(), at, 0, depth)?;
                Ok(Json::Object(Map::from_iter([(t.name().to_owned(), value)])))
            }
            Kind::Datasec => {
                let mut list = Vec::new();
                for var in t.vars() {
                    list.push(self.value(var.ty, at.saturating_add(var.offset as usize), 0, depth)?);
                }
                Ok(Json::Object(Map::from_iter([(t.name().to_owned(), list.into())])))
            }
            _ => Ok(self.reader.value(id, at, depth)?.to_json()),
        }
    }

    fn int(&self, t: Type<'a>, at: usize, bit: u32) -> Result<Json, BtfError> {
        let Some(int) = t.int() else { return Ok(Json::Null) };
        let bits = u32::from(int.bits);
        if bit != 0 || int.offset != 0 || !matches!(bits, 8 | 16 | 32 | 64) {
            return self.bits(t, at as u64 * 8 + u64::from(bit) + u64::from(int.offset), bits);
        }
        let raw = self.reader.number(t, at, bits as usize / 8)?;
        let encoding = int.encoding;
        Ok(match (encoding.bool, encoding.char, encoding.signed) {
            (true, ..) => (raw & 0xff != 0).into(),
            (_, true, _) => {
                let c = raw as u8;
                match self.form {
                    Form::Plain if !(b' '..=b'~').contains(&c) => format!("{c:#x}").into(),
                    _ => char::from(c).to_string().into(),
                }
            }
            (_, _, true) => (sign_extend(raw, bits) as i64).into(),
            _ => (raw as u64).into(),
        })
    }

    /// Bits as a hexadecimal number, without a sign.
    fn bits(&self, t: Type<'a>, at: u64, width: u32) -> Result<Json, BtfError> {
        let raw = self.reader.raw_bits(t, at, width)?;
        Ok(format!("{raw:#x}").into())
    }

    fn enumeration(&mut self, t: Type<'a>, at: usize) -> Result<Json, BtfError> {
        let spent = || BtfError::new("has too many parts to print").in_type(t.id());
        self.reader.budget = self.reader.budget.checked_sub(t.vlen() / 64).ok_or_else(spent)?;
        let size = t.size().unwrap_or(0);
        let raw = self.reader.number(t, at, size as usize)?;
        let width = size.saturating_mul(8);
        let named = t.variants().find(|v| (v.value() as u128 & mask(width)) == raw);
        Ok(match named {
            Some(variant) => variant.name.into(),
            None => (sign_extend(raw, width) as i64).into(),
        })
    }

    fn array(&mut self, t: Type<'a>, at: usize, depth: usize) -> Result<Json, BtfError> {
        let Some(array) = t.array() else { return Ok(Json::Null) };
        let (len, size) = (array.len as usize, self.reader.btf.size_of(array.element)? as usize);
        let bytes = self.reader.bytes(t, at, len.saturating_mul(size))?;
        if self.is_char(array.element)
            && let Some(text) = text(bytes)
        {
            return Ok(text.into());
        }
        let mut list = Vec::new();
        for n in 0..len {
            list.push(self.value(array.element, at + n * size, 0, depth)?);
        }
        Ok(list.into())
    }

    /// A typedef of `char` does not make texts.
    fn is_char(&self, id: TypeId) -> bool {
        let Ok(t) = self.reader.btf.skip_modifiers(id) else { return false };
        t.int().is_some_and(|int| int.size == 1 && (int.encoding.char || t.name() == "char"))
    }

    fn members(&mut self, t: Type<'a>, at: usize, depth: usize) -> Result<Json, BtfError> {
        let mut fields = Map::new();
        for m in t.members() {
            let bit = (at as u64 * 8).saturating_add(m.bit_offset.into());
            let value = if m.bits != 0 {
                self.bits(self.reader.btf.resolve(m.ty)?, bit, m.bits.into())?
            } else {
                let at = usize::try_from(bit / 8).unwrap_or(usize::MAX);
                self.value(m.ty, at, (bit % 8) as u32, depth)?
            };
            match (fields.get_mut(m.name), value) {
                (Some(Json::Object(there)), Json::Object(more)) if m.name.is_empty() => there.extend(more),
                (_, value) => _ = fields.insert(m.name.to_owned(), value),
            }
        }
        Ok(fields.into())
    }
}

/// The text before the NUL, if there is one and all before it are printable ASCII characters.
fn text(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|b| *b == 0)?;
    let text = bytes.get(..end).filter(|t| t.iter().all(|b| (b' '..=b'~').contains(b)))?;
    std::str::from_utf8(text).ok()
}
