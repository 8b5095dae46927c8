//! An element of a map, as bpftool prints it: typed where the map has types, bytes where not.

use std::io::Write;
use std::sync::Arc;

use serde_json::{Map as Fields, Value, json};
use skep::abi::MapType;
use skep::btf::print::{Form, bpftool};
use skep::btf::{Btf, TypeId};
use skep::isa::Endian;
use skep::kernel::objects::elements::Unread;
use skep::kernel::objects::{Map, btf};

use super::super::live::{failure, hex_lines, hex_list};
use crate::failure::Failure;
use crate::output::Output;

/// The byte order of the kernel's values.
pub(super) const HERE: Endian = if cfg!(target_endian = "big") { Endian::Big } else { Endian::Little };

/// The types of a map's keys and values.
pub(super) struct Types {
    pub(super) btf: Arc<Btf>,
    pub(super) key: Option<TypeId>,
    pub(super) value: TypeId,
}

/// How the elements of a map are read.
pub(super) struct Reading<'a> {
    pub(super) map: &'a Map,
    pub(super) types: Option<Types>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(map: &'a Map) -> Result<Self, Failure> {
        let info = &map.info;
        let key = Some(TypeId(info.btf_key_type_id)).filter(|k| k.0 != 0);
        let (load, value) = if info.btf_vmlinux_value_type_id != 0 {
            (btf::kernel_types(), info.btf_vmlinux_value_type_id)
        } else if info.btf_value_type_id != 0 {
            (btf::types(info.btf_id), info.btf_value_type_id)
        } else {
            return Ok(Self { map, types: None });
        };
        let types = Types { btf: load.map_err(|e| failure(&e))?, key, value: TypeId(value) };
        Ok(Self { map, types: Some(types) })
    }

    /// One value for each CPU; a value on its own is that of no CPU.
    fn values<'v>(&self, value: &'v [u8]) -> Vec<&'v [u8]> {
        let size = self.map.info.value_size as usize;
        if !self.map.per_cpu() || size == 0 {
            return vec![value];
        }
        value.chunks(size.next_multiple_of(8)).map(|v| v.get(..size).unwrap_or(v)).collect()
    }

    /// `{"key": 1, "value": {...}}` through the map's types; `None` if it has none, or they do not fit.
    pub(super) fn typed(&self, key: &[u8], value: &[u8], form: Form) -> Option<Value> {
        let types = self.types.as_ref()?;
        let read = |id, bytes: &[u8]| bpftool(&types.btf, id, bytes, HERE, form).ok();
        let mut o = Fields::new();
        if let Some(id) = types.key {
            o.insert("key".into(), read(id, key)?);
        }
        if self.map.per_cpu() {
            let one = |(cpu, v): (usize, &[u8])| Some(json!({"cpu": cpu, "value": read(types.value, v)?}));
            let values = self.values(value).into_iter().enumerate().map(one).collect::<Option<Value>>()?;
            o.insert("values".into(), values);
        } else {
            o.insert("value".into(), read(types.value, value)?);
        }
        Some(Value::Object(o))
    }

    /// An element with its bytes, and, where there are types, as they say.
    pub(super) fn json(&self, key: &[u8], value: &[u8]) -> Value {
        let mut o = Fields::new();
        o.insert("key".into(), hex_list(key));
        if self.map.per_cpu() {
            let one = |(cpu, v): (usize, &[u8])| json!({"cpu": cpu, "value": hex_list(v)});
            o.insert("values".into(), self.values(value).into_iter().enumerate().map(one).collect());
        } else {
            o.insert("value".into(), hex_list(value));
            if let (true, Some(id)) = (self.map.of_maps(), id_of(value)) {
                o.insert("inner_map_id".into(), id.into());
            }
        }
        if let Some(typed) = self.typed(key, value, Form::Json) {
            o.insert("formatted".into(), typed);
        }
        Value::Object(o)
    }

    /// An element as bytes.
    pub(super) fn print(&self, key: &[u8], value: &[u8], out: &mut Output) -> Result<(), Failure> {
        if self.map.per_cpu() {
            if !key.is_empty() {
                writeln!(out, "key:\n{}", hex_lines(key))?;
            }
            for (cpu, v) in self.values(value).into_iter().enumerate() {
                let space = if v.len() > 16 { '\n' } else { ' ' };
                writeln!(out, "value (CPU {cpu:02}):{space}{}", hex_lines(v))?;
            }
            return Ok(());
        }
        let (broken, one_line) = layout(key.len(), value.len());
        let space = if broken { '\n' } else { ' ' };
        if !key.is_empty() {
            write!(out, "key:{space}{}{}", hex_lines(key), if one_line { "  " } else { "\n" })?;
        }
        match id_of(value).filter(|_| self.map.of_maps()) {
            Some(id) => write!(out, "inner_map_id:{space}{id}")?,
            None if !value.is_empty() => write!(out, "value:{space}{}", hex_lines(value))?,
            None => {}
        }
        Ok(writeln!(out)?)
    }

    /// A key whose value the kernel does not give; `None` where an empty slot is nothing to speak of.
    pub(super) fn unread_json(&self, key: &[u8], why: Unread) -> Option<Value> {
        (!self.is_gap(why)).then(|| json!({"key": hex_list(key), "value": {"error": why.text()}}))
    }

    pub(super) fn print_unread(&self, key: &[u8], why: Unread, out: &mut Output) -> Result<(), Failure> {
        if self.is_gap(why) {
            return Ok(());
        }
        let text = match why {
            w if w.no_entry() => "<no entry>".to_owned(),
            w if w.no_room() && self.map.map_type() == MapType::REUSEPORT_SOCKARRAY => {
                "<cannot read>".to_owned()
            }
            w => w.text(),
        };
        let (broken, one_line) = layout(key.len(), text.len());
        let space = if broken { '\n' } else { ' ' };
        let end = if one_line { "  " } else { "\n" };
        Ok(writeln!(out, "key:{space}{}{end}value:{space}{text}", hex_lines(key))?)
    }

    /// Slots that nobody has filled yet.
    fn is_gap(&self, why: Unread) -> bool {
        why.no_entry() && (self.map.of_maps() || self.map.map_type() == MapType::PROG_ARRAY)
    }
}

/// Whether key and value stand on lines of their own, and whether both stand on one.
fn layout(key: usize, value: usize) -> (bool, bool) {
    let broken = key > 16 || value > 16;
    (broken, key + value <= 24 && !broken)
}

/// The id that a value of four bytes is.
fn id_of(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|b| u32::from_ne_bytes(*b))
}

/// JSON laid out as bpftool lays out typed elements: a line for each member, none for the items of lists.
pub(super) fn pretty(value: &Value, depth: usize) -> String {
    let line = |depth: usize| format!("\n{}", "    ".repeat(depth));
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let field = |(name, v): (&String, &Value)| {
                format!("{}{}: {}", line(depth + 1), Value::from(name.as_str()), pretty(v, depth + 1))
            };
            let fields: Vec<_> = fields.iter().map(field).collect();
            format!("{{{}{}}}", fields.join(","), line(depth))
        }
        Value::Array(items) if !items.is_empty() => {
            let items: Vec<_> = items.iter().map(|v| pretty(v, depth + 1)).collect();
            format!("[{}{}]", items.join(","), line(depth))
        }
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_stay_on_the_lines_of_their_items() {
        let text = pretty(&json!({"a": [1, 2], "b": [{"c": {}}], "d": []}), 0);
        let lines = [
            "{",
            "    \"a\": [1,2",
            "    ],",
            "    \"b\": [{",
            "            \"c\": {}",
            "        }",
            "    ],",
            "    \"d\": []",
            "}",
        ];
        assert_eq!(text, lines.join("\n"));
    }
}
