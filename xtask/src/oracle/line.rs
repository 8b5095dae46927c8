//! A program of a file: what the kernel needs of it, and what `skep` is given.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use serde_json::{Map, Value};
use skep_isa::{Endian, Insn, bytes_from_slots, slots_from_bytes};

/// Opcode of a wide load, and the sources that name a map.
const WIDE: u8 = 0x18;
const MAP_FD: u8 = 1;
const MAP_VALUE: u8 = 2;

/// A program.
pub struct Line {
    /// Name, for the report.
    pub name: String,
    /// The line, with maps numbered by their first use.
    pub json: Value,
    /// Instructions, with those numbers.
    pub insns: Vec<Insn>,
    /// Shapes of the maps, by number.
    pub maps: Vec<Value>,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// If it is no JSON object, or lacks instructions, or a map that they name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut json: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let bytes = hex(json["insns"].as_str().unwrap_or_default()).ok_or("insns: no hex")?;
        let mut insns = slots_from_bytes(&bytes, Endian::Little).map_err(|e| e.to_string())?;
        let mut numbers: Vec<i32> = Vec::new();
        let mut maps = Vec::new();
        let mut wide = false;
        for i in &mut insns {
            let second = wide;
            wide = i.opcode == WIDE && !second;
            if second || i.opcode != WIDE || !matches!(i.src, MAP_FD | MAP_VALUE) {
                continue;
            }
            let at = numbers.iter().position(|n| *n == i.imm);
            let at = match (at, json["maps"].get(i.imm.to_string())) {
                (Some(at), _) => at,
                (None, Some(map)) => {
                    numbers.push(i.imm);
                    maps.push(map.clone());
                    maps.len() - 1
                }
                // A descriptor of nothing, as some tests have it.
                (None, None) => continue,
            };
            i.imm = FIRST + at as i32;
        }
        json["insns"] = to_hex(&bytes_from_slots(&insns, Endian::Little)).into();
        let numbered = (FIRST..).zip(&maps).map(|(n, m)| (n.to_string(), m.clone()));
        json["maps"] = Value::Object(numbered.collect::<Map<_, _>>());
        let name = json["name"].as_str().unwrap_or_default().to_owned();
        Ok(Self { name, json, insns, maps })
    }

    /// The same for programs that differ in nothing but the name.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (key, value) in self.json.as_object().into_iter().flatten() {
            if key != "name" && key != "line_info" {
                (key, value.to_string()).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// A number, 0 where there is none.
    pub fn number(&self, key: &str) -> u32 {
        number(&self.json, key)
    }

    /// Records of so many 32-bit words.
    pub fn records<const N: usize>(&self, key: &str) -> Vec<[u32; N]> {
        let bytes = hex(self.json[key].as_str().unwrap_or_default()).unwrap_or_default();
        let word =
            |r: &[u8], n: usize| u32::from_le_bytes([r[4 * n], r[4 * n + 1], r[4 * n + 2], r[4 * n + 3]]);
        bytes.chunks_exact(4 * N).map(|r| std::array::from_fn(|n| word(r, n))).collect()
    }
}

/// Maps are numbered from here, above the descriptors that a program might name by accident.
pub(super) const FIRST: i32 = 1000;

/// A number in an object, 0 where there is none.
pub(super) fn number(json: &Value, key: &str) -> u32 {
    json[key].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

/// Bytes from hex digits.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| (b as char).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[a, b]| Some((digit(*a)? << 4 | digit(*b)?) as u8)).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn maps_are_numbered_by_first_use() {
        let text = |fd: u8| {
            let insns = format!("18110000{fd:02x}00000000000000000000009500000000000000");
            format!(r#"{{"name": "{fd}", "insns": "{insns}", "maps": {{"{fd}": {{"type": 1}}}}}}"#)
        };
        let (a, b) = (Line::parse(&text(7)).unwrap(), Line::parse(&text(9)).unwrap());
        assert_eq!(a.fingerprint(), b.fingerprint());
        assert_eq!((a.insns[0].imm, a.maps.len()), (super::FIRST, 1));
    }

    #[test]
    fn what_is_no_program_is_said() {
        assert!(Line::parse("{").is_err());
        assert!(Line::parse(r#"{"insns": "9"}"#).is_err());
    }
}
