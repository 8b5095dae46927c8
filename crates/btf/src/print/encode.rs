//! The other way: JSON to the bytes of a type, so that people can write values as they read them. Both shapes are
//! taken, this crate's own ([`super::Value::to_json`]) and bpftool's ([`super::bpftool`]).
//!
//! What is not said is zero: members that are left out, the rest of a list or a text. What does not fit is an error
//! that names the member: numbers out of range, names that are not there, lists that are too long.

use serde_json::{Map, Value as Json};

use super::read::mask;
use crate::{Btf, BtfError, Endian, Kind, MAX_DEPTH, Type, TypeId};

/// The largest value that is made: 256 MiB.
const LARGEST: usize = 256 << 20;
/// How many members are looked at; a hostile type must not make it more.
const STEPS: usize = 1 << 22;

/// The bytes of a value of type `id`.
///
/// # Errors
/// If the JSON does not fit the type, or the type is nested without end or of absurd size.
pub fn encode(btf: &Btf, id: TypeId, json: &Json, endian: Endian) -> Result<Vec<u8>, BtfError> {
    let size = btf.size_of(id)? as usize;
    if size > LARGEST {
        return Err(BtfError::new(format!("a value of {size} bytes is too large")).in_type(id));
    }
    let mut writer = Writer { btf, bytes: vec![0; size], endian, budget: STEPS };
    writer.value(id, json, 0, MAX_DEPTH).map_err(|why| BtfError::new(why).in_type(id))?;
    Ok(writer.bytes)
}

struct Writer<'a> {
    btf: &'a Btf,
    bytes: Vec<u8>,
    endian: Endian,
    budget: usize,
}

/// What is wrong, with the path of members that lead there.
type Done = Result<(), String>;

fn within(name: &str, why: String) -> String {
    match why.strip_prefix('.') {
        Some(rest) => format!(".{name}.{rest}"),
        None => format!(".{name}: {why}"),
    }
}

impl<'a> Writer<'a> {
    fn value(&mut self, id: TypeId, json: &Json, at: usize, depth: usize) -> Done {
        let depth = depth.checked_sub(1).ok_or("is nested without end")?;
        let t = self.btf.resolve(id).map_err(|e| e.to_string())?;
        let size = t.size().unwrap_or(0);
        match t.kind() {
            Kind::Int => {
                let int = t.int().ok_or("is no integer")?;
                let width = if int.bits == 0 { size * 8 } else { int.bits.into() };
                let raw = number(t, json, width)?;
                self.bits(raw, at as u64 * 8 + u64::from(int.offset), width)
            }
            Kind::Enum | Kind::Enum64 => {
                let raw = number(t, json, size.saturating_mul(8))?;
                self.bits(raw, at as u64 * 8, size.saturating_mul(8))
            }
            Kind::Ptr => {
                let address = read_number(json).and_then(|n| u64::try_from(n).ok());
                self.bits(address.ok_or_else(|| format!("{json} is no address"))?.into(), at as u64 * 8, 64)
            }
            Kind::Float => self.float(json, at, size),
            Kind::Array => self.array(t, json, at, depth),
            Kind::Struct | Kind::Union => match json {
                Json::Object(fields) => self.fields(t, fields, at, depth),
                _ => Err(format!("{json} is no object of members")),
            },
            Kind::Var => {
                let inner = json.as_object().and_then(|o| o.get(t.name()));
                self.value(t.target().unwrap_or_default(), inner.unwrap_or(json), at, depth)
            }
            Kind::Datasec => self.datasec(t, json, at, depth),
            kind => Err(format!("a {kind} has no value")),
        }
    }

    fn fields(&mut self, t: Type<'a>, fields: &Map<String, Json>, at: usize, depth: usize) -> Done {
        for (name, json) in fields {
            if !self.field(t, name, json, at, depth)? {
                let known: Vec<_> = t.members().map(|m| m.name).filter(|n| !n.is_empty()).take(20).collect();
                return Err(format!("there is no member `{name}`; there are {}", known.join(", ")));
            }
        }
        Ok(())
    }

    /// Writes a member, which may stand in an anonymous one; whether there is one of that name.
    fn field(
        &mut self,
        t: Type<'a>,
        name: &str,
        json: &Json,
        at: usize,
        depth: usize,
    ) -> Result<bool, String> {
        let depth = depth.checked_sub(1).ok_or("is nested without end")?;
        for m in t.members() {
            self.budget = self.budget.checked_sub(1).ok_or("has too many members to look through")?;
            let bit = (at as u64 * 8).saturating_add(m.bit_offset.into());
            let place = usize::try_from(bit / 8).unwrap_or(usize::MAX);
            if m.name.is_empty() {
                let inner = self.btf.resolve(m.ty).map_err(|e| e.to_string())?;
                let done = match (name, json) {
                    _ if !inner.kind().is_composite() => false,
                    ("", Json::Object(fields)) => {
                        let mut any = false;
                        for (name, json) in fields {
                            any |= self.field(inner, name, json, place, depth)?;
                        }
                        any
                    }
                    _ => self.field(inner, name, json, place, depth)?,
                };
                if done && !name.is_empty() {
                    return Ok(true);
                }
                continue;
            }
            if m.name == name {
                let named = |why| within(name, why);
                let inner = self.btf.resolve(m.ty).map_err(|e| e.to_string())?;
                let width = match u32::from(m.bits) {
                    0 if bit % 8 != 0 => inner.int().map_or(0, |i| i.bits.into()),
                    width => width,
                };
                if width != 0 {
                    let raw = number(inner, json, width).map_err(named)?;
                    self.bits(raw, bit, width).map_err(named)?;
                } else {
                    self.value(m.ty, json, place, depth).map_err(named)?;
                }
                return Ok(true);
            }
        }
        Ok(name.is_empty())
    }

    fn array(&mut self, t: Type<'a>, json: &Json, at: usize, depth: usize) -> Done {
        let array = t.array().ok_or("is no array")?;
        let size = self.btf.size_of(array.element).map_err(|e| e.to_string())? as usize;
        let len = array.len as usize;
        match json {
            Json::Array(list) if list.len() <= len => {
                for (n, json) in list.iter().enumerate() {
                    self.value(array.element, json, at.saturating_add(n.saturating_mul(size)), depth)
                        .map_err(|why| within(&n.to_string(), why))?;
                }
                Ok(())
            }
            Json::Array(list) => Err(format!("{} items, and there is room for {len}", list.len())),
            Json::String(text) if size == 1 && text.len() <= len => {
                self.place(at, text.len())?.copy_from_slice(text.as_bytes());
                Ok(())
            }
            Json::String(text) if size == 1 => {
                Err(format!("a text of {} bytes, and there is room for {len}", text.len()))
            }
            _ => Err(format!("{json} is no list")),
        }
    }

    fn datasec(&mut self, t: Type<'a>, json: &Json, at: usize, depth: usize) -> Done {
        let json = json.as_object().and_then(|o| o.get(t.name())).unwrap_or(json);
        let one = |o: &Map<String, Json>, writer: &mut Self| -> Done {
            for (name, json) in o {
                let var = t.vars().find(|v| writer.btf.ty(v.ty).is_some_and(|v| v.name() == name));
                let var = var.ok_or_else(|| format!("there is no variable `{name}`"))?;
                writer
                    .value(var.ty, json, at.saturating_add(var.offset as usize), depth)
                    .map_err(|why| within(name, why))?;
            }
            Ok(())
        };
        match json {
            Json::Object(o) => one(o, self),
            Json::Array(list) => list.iter().try_for_each(|json| match json {
                Json::Object(o) => one(o, self),
                other => Err(format!("{other} is no variable")),
            }),
            other => Err(format!("{other} is no object of variables")),
        }
    }

    fn float(&mut self, json: &Json, at: usize, size: u32) -> Done {
        let value = json.as_f64().or_else(|| json.as_str()?.parse().ok());
        let value = value.ok_or_else(|| format!("{json} is no number"))?;
        match size {
            4 => self.bits((value as f32).to_bits().into(), at as u64 * 8, 32),
            8 => self.bits(value.to_bits().into(), at as u64 * 8, 64),
            _ => Err(format!("a float of {size} bytes can't be written")),
        }
    }

    fn place(&mut self, at: usize, len: usize) -> Result<&mut [u8], String> {
        let end = at.checked_add(len);
        end.and_then(|end| self.bytes.get_mut(at..end)).ok_or_else(|| "lies outside its type".to_owned())
    }

    /// Writes the low `width` bits of a number at a bit, counted as bitfields are.
    fn bits(&mut self, raw: u128, at: u64, width: u32) -> Done {
        let (first, skip) = (usize::try_from(at / 8).unwrap_or(usize::MAX), (at % 8) as u32);
        let len = (skip + width).div_ceil(8);
        if len > 16 {
            return Err(format!("{width} bits are too many"));
        }
        let shift = match self.endian {
            Endian::Little => skip,
            Endian::Big => len * 8 - skip - width,
        };
        let (field, raw) = (mask(width) << shift, (raw & mask(width)) << shift);
        let endian = self.endian;
        let bytes = self.place(first, len as usize)?;
        let mut order: Vec<&mut u8> = bytes.iter_mut().collect();
        if endian == Endian::Big {
            order.reverse();
        }
        for (n, byte) in order.into_iter().enumerate() {
            let part = |of: u128| (of >> (8 * n)) as u8;
            *byte = *byte & !part(field) | part(raw);
        }
        Ok(())
    }
}

/// A number for an integer or enumeration of so many bits, in range.
fn number(t: Type<'_>, json: &Json, width: u32) -> Result<u128, String> {
    if let Some(name) = json.as_str()
        && let Some(variant) = t.variants().find(|v| v.name == name)
    {
        return Ok(variant.value() as u128);
    }
    let encoding = t.int().map(|i| i.encoding).unwrap_or_default();
    let value = match json {
        Json::Bool(b) => i128::from(*b),
        // One character, where it is no number.
        Json::String(s) if encoding.char && s.chars().count() == 1 => {
            s.chars().next().map_or(0, |c| c as i128)
        }
        _ => read_number(json).ok_or_else(|| match t.kind().is_enum() {
            true => format!("{json} is no value of `{}`", t.name()),
            false => format!("{json} is no number"),
        })?,
    };
    let signed = encoding.signed || t.kind_flag() && t.kind().is_enum();
    let (low, high) = match (signed, width) {
        (_, 128..) => (i128::MIN, i128::MAX),
        (false, w) => (0, (1_i128 << w) - 1),
        (true, 0) => (0, 0),
        // bpftool shows signed bitfields without their sign; both ways are taken.
        (true, w) => {
            (-(1_i128 << (w - 1)), if w % 8 == 0 { (1_i128 << (w - 1)) - 1 } else { (1_i128 << w) - 1 })
        }
    };
    if !(low..=high).contains(&value) {
        return Err(format!("{value} does not fit: {low} to {high} do"));
    }
    Ok(value as u128)
}

/// A number of JSON, or a text that is one: decimal, or hexadecimal with 0x.
fn read_number(json: &Json) -> Option<i128> {
    match json {
        Json::Number(n) => n.as_i64().map(i128::from).or_else(|| n.as_u64().map(i128::from)),
        Json::String(text) => {
            let (negative, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |d| (true, d));
            let value = match digits.strip_prefix("0x") {
                Some(hex) => i128::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            Some(if negative { -value } else { value })
        }
        _ => None,
    }
}
