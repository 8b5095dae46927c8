//! Bytes to [`Value`].

use super::Value;
use crate::{Btf, BtfError, Endian, Kind, MAX_DEPTH, Type, TypeId};

/// Reads a value of type `id` from the front of `data`, which is in byte order `endian`.
///
/// # Errors
/// If `data` is shorter than the type, or the type is nested without end, or makes more than its share of
/// nodes.
pub fn value<'a>(btf: &'a Btf, id: TypeId, data: &[u8], endian: Endian) -> Result<Value<'a>, BtfError> {
    let budget = NODES + NODES_A_BYTE.saturating_mul(data.len());
    Reader { btf, data, endian, budget }.value(id, 0, MAX_DEPTH)
}

pub(super) const NODES: usize = 65_536;
pub(super) const NODES_A_BYTE: usize = 16;

pub(super) struct Reader<'a, 'd> {
    pub(super) btf: &'a Btf,
    pub(super) data: &'d [u8],
    pub(super) endian: Endian,
    pub(super) budget: usize,
}

impl<'a, 'd> Reader<'a, 'd> {
    /// The value at byte `at`.
    pub(super) fn value(&mut self, id: TypeId, at: usize, depth: usize) -> Result<Value<'a>, BtfError> {
        let spent = |what: &str| BtfError::new(what).in_type(id);
        self.budget = self.budget.checked_sub(1).ok_or_else(|| spent("has too many parts to print"))?;
        let depth = depth.checked_sub(1).ok_or_else(|| spent("is nested without end"))?;
        let t = self.btf.resolve(id)?;
        match t.kind() {
            Kind::Int => self.int(t, at),
            Kind::Ptr => Ok(Value::Ptr(self.number(t, at, 8)? as u64)),
            Kind::Enum | Kind::Enum64 => {
                // Looking for the name takes time, which a hostile type must not multiply.
                self.budget = self
                    .budget
                    .checked_sub(t.vlen() / 64)
                    .ok_or_else(|| spent("has too many parts to print"))?;
                let size = t.size().unwrap_or(0) as usize;
                let bits = self.number(t, at, size)?;
                Ok(enumeration(t, bits, size as u32 * 8))
            }
            Kind::Float => self.float(t, at),
            Kind::Array => self.array(t, at, depth),
            Kind::Struct | Kind::Union => {
                let mut fields = Vec::new();
                self.members(t, at, depth + 1, &mut fields)?;
                Ok(Value::Fields(fields))
            }
            Kind::Var => self.value(t.target().unwrap_or_default(), at, depth),
            Kind::Datasec => self.datasec(t, at, depth),
            _ => Ok(Value::Bytes(Vec::new())),
        }
    }

    pub(super) fn bytes(&self, t: Type<'_>, at: usize, len: usize) -> Result<&'d [u8], BtfError> {
        at.checked_add(len).and_then(|end| self.data.get(at..end)).ok_or_else(|| {
            let have = self.data.len();
            BtfError::new(format!("{} at byte {at} lies outside the {have} bytes of data", t.kind()))
                .in_type(t.id())
        })
    }

    /// An unsigned number of up to 16 bytes.
    pub(super) fn number(&self, t: Type<'_>, at: usize, size: usize) -> Result<u128, BtfError> {
        if size > 16 {
            return Err(BtfError::new(format!("{} of {size} bytes is too large", t.kind())).in_type(t.id()));
        }
        Ok(self.load(self.bytes(t, at, size)?))
    }

    fn load(&self, bytes: &[u8]) -> u128 {
        let shift = |n: u128, &b: &u8| n << 8 | u128::from(b);
        match self.endian {
            Endian::Little => bytes.iter().rev().fold(0, shift),
            Endian::Big => bytes.iter().fold(0, shift),
        }
    }

    fn int(&self, t: Type<'a>, at: usize) -> Result<Value<'a>, BtfError> {
        let size = t.size().unwrap_or(0);
        let Some(int) = t.int() else { return Ok(Value::Bytes(Vec::new())) };
        let whole = size.saturating_mul(8);
        if u32::from(int.bits) == whole || int.bits == 0 {
            return Ok(integer(t, self.number(t, at, size as usize)?, whole));
        }
        // An integer that is narrower than its bytes: the old way to write bitfields.
        self.bits(t, at as u64 * 8 + u64::from(int.offset), int.bits.into())
    }

    /// A bitfield: `width` bits at bit `at` of the data, counted from the low end of a byte on
    /// little-endian machines and from the high end on big-endian ones.
    fn bits(&self, t: Type<'a>, at: u64, width: u32) -> Result<Value<'a>, BtfError> {
        let raw = self.raw_bits(t, at, width)?;
        Ok(match t.kind() {
            Kind::Enum | Kind::Enum64 => enumeration(t, raw, width),
            _ => integer(t, raw, width),
        })
    }

    /// The same without a sign or a name.
    pub(super) fn raw_bits(&self, t: Type<'a>, at: u64, width: u32) -> Result<u128, BtfError> {
        let first = usize::try_from(at / 8).unwrap_or(usize::MAX);
        let skip = (at % 8) as u32;
        let len = (skip + width).div_ceil(8);
        let raw = self.number(t, first, len as usize)?;
        let shift = match self.endian {
            Endian::Little => skip,
            Endian::Big => len * 8 - skip - width,
        };
        Ok(raw.checked_shr(shift).unwrap_or(0) & mask(width))
    }

    fn float(&self, t: Type<'a>, at: usize) -> Result<Value<'a>, BtfError> {
        let size = t.size().unwrap_or(0) as usize;
        Ok(match size {
            4 => Value::Float(f32::from_bits(self.number(t, at, 4)? as u32).into()),
            8 => Value::Float(f64::from_bits(self.number(t, at, 8)? as u64)),
            _ => Value::Bytes(self.bytes(t, at, size)?.to_vec()),
        })
    }

    fn array(&mut self, t: Type<'a>, at: usize, depth: usize) -> Result<Value<'a>, BtfError> {
        let Some(array) = t.array() else { return Ok(Value::Bytes(Vec::new())) };
        let len = array.len as usize;
        if is_char(self.btf.resolve(array.element)?)
            && let Some(text) = printable(self.bytes(t, at, len)?)
        {
            return Ok(Value::Text(text));
        }
        if len == 0 {
            return Ok(Value::List(Vec::new()));
        }
        let size = self.btf.size_of(array.element)? as usize;
        let total = len.saturating_mul(size);
        self.bytes(t, at, total)?;
        let mut list = Vec::new();
        for n in 0..len {
            list.push(self.value(array.element, at + n * size, depth)?);
        }
        Ok(Value::List(list))
    }

    fn members(
        &mut self,
        t: Type<'a>,
        at: usize,
        depth: usize,
        fields: &mut Vec<(&'a str, Value<'a>)>,
    ) -> Result<(), BtfError> {
        let spent = |what: &str| BtfError::new(what).in_type(t.id());
        let depth = depth.checked_sub(1).ok_or_else(|| spent("is nested without end"))?;
        for m in t.members() {
            self.budget = self.budget.checked_sub(1).ok_or_else(|| spent("has too many parts to print"))?;
            let bit = (at as u64 * 8).saturating_add(m.bit_offset.into());
            let inner = self.btf.resolve(m.ty)?;
            if m.bits != 0 {
                fields.push((m.name, self.bits(inner, bit, m.bits.into())?));
                continue;
            }
            let at = usize::try_from(bit / 8).unwrap_or(usize::MAX);
            if m.name.is_empty() && inner.kind().is_composite() {
                self.members(inner, at, depth, fields)?;
            } else if inner.kind() == Kind::Int && bit % 8 != 0 {
                let width = inner.int().map_or(0, |int| int.bits.into());
                fields.push((m.name, self.bits(inner, bit, width)?));
            } else {
                fields.push((m.name, self.value(m.ty, at, depth)?));
            }
        }
        Ok(())
    }

    fn datasec(&mut self, t: Type<'a>, at: usize, depth: usize) -> Result<Value<'a>, BtfError> {
        let mut fields = Vec::new();
        for var in t.vars() {
            let name = self.btf.existing(var.ty)?.name();
            fields.push((name, self.value(var.ty, at.saturating_add(var.offset as usize), depth)?));
        }
        Ok(Value::Fields(fields))
    }
}

pub(super) fn mask(width: u32) -> u128 {
    if width >= 128 { u128::MAX } else { (1 << width) - 1 }
}

/// `raw` as a signed number of `width` bits.
pub(super) fn sign_extend(raw: u128, width: u32) -> i128 {
    let unused = 128 - width.clamp(1, 128);
    (raw << unused) as i128 >> unused
}

fn integer<'a>(t: Type<'a>, raw: u128, width: u32) -> Value<'a> {
    let encoding = t.int().map(|int| int.encoding).unwrap_or_default();
    let size = t.size().unwrap_or(0);
    if encoding.bool {
        Value::Bool(raw != 0)
    } else if encoding.signed {
        Value::Signed { value: sign_extend(raw, width), size }
    } else {
        Value::Unsigned { value: raw, size }
    }
}

fn enumeration<'a>(t: Type<'a>, raw: u128, width: u32) -> Value<'a> {
    let value = if t.kind_flag() { sign_extend(raw, width) } else { raw as i128 };
    // Enumerations from before the sign flag hold negative values as their 32 bits.
    let same = |v: i128| v == value || (v as u128 & mask(width)) == raw;
    Value::Enum { name: t.variants().find(|v| same(v.value())).map(|v| v.name), value }
}

fn is_char(t: Type<'_>) -> bool {
    t.int().is_some_and(|int| int.size == 1 && (int.encoding.char || t.name() == "char"))
}

/// The text before the first NUL, if there is one or the bytes are full, and all of it can be printed.
fn printable(bytes: &[u8]) -> Option<String> {
    let text = bytes.split(|&b| b == 0).next()?;
    let text = std::str::from_utf8(text).ok()?;
    let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
    (!bytes.is_empty() && text.chars().all(plain)).then(|| text.to_owned())
}
