//! What programs emit, as people and JSON see it: typed where the object says what a record is, else as bytes.
//!
//! A ring buffer has no value type that the kernel would take, so what a record is stands in no map. These say it: the
//! value type of the map, where it has one that is no descriptor; a pointer that is there only to name the type, as cilium
//! has it (`const struct event *unused`); a struct that is called as the map is (`events`: `event`, `events_record`,
//! `event_event`). A type of another size than the record is never it.

use serde_json::Value;
use skep::btf::{self, Btf, Kind, Type, TypeId};
use skep::object::Spec;

use crate::cmd::run::maps::{hex, layout};

/// What is known of one object's records.
#[derive(Debug, Default)]
pub(crate) struct Records<'a> {
    btf: Option<&'a Btf>,
    endian: skep::isa::Endian,
    /// What each map's records may be, best first.
    types: Vec<(&'a str, Vec<TypeId>)>,
}

/// A record to be shown.
#[derive(Debug, PartialEq)]
pub(crate) struct Shown {
    /// As JSON, if its type is known.
    pub(crate) value: Option<Value>,
    /// One line, or several.
    pub(crate) lines: Vec<String>,
}

impl<'a> Records<'a> {
    pub(crate) fn of(spec: &'a Spec) -> Self {
        let Some(btf) = &spec.btf else { return Self { endian: spec.endian, ..Self::default() } };
        let named = named_by_pointers(btf);
        let candidates = |m: &'a skep::object::MapSpec| {
            let own = m.btf_value.filter(|t| btf.size_of(*t).is_ok_and(|size| size > 4));
            let all = own.into_iter().chain(called(btf, &m.name)).chain(named.iter().copied());
            (m.name.as_str(), all.collect())
        };
        Self { btf: Some(btf), endian: spec.endian, types: spec.maps.iter().map(candidates).collect() }
    }

    /// The type of a map's record of so many bytes; perf buffers pad theirs by up to seven.
    fn type_of(&self, map: &str, len: usize) -> Option<(&'a Btf, TypeId, usize)> {
        let btf = self.btf?;
        let types = &self.types.iter().find(|(name, _)| *name == map)?.1;
        let size = |ty: &TypeId| btf.size_of(*ty).ok().map(|s| s as usize);
        let fits = |pad: usize| {
            types.iter().find_map(|ty| {
                size(ty).filter(|s| *s > 0 && *s <= len && len - s <= pad).map(|s| (btf, *ty, s))
            })
        };
        fits(0).or_else(|| fits(7))
    }

    /// A record as it is told.
    pub(crate) fn show(&self, map: &str, data: &[u8]) -> Shown {
        if let Some((btf, ty, size)) = self.type_of(map, data.len())
            && let Ok(value) = btf::print::value(btf, ty, &data[..size], self.endian)
        {
            let lines = layout(&value).lines().map(str::to_owned).collect();
            return Shown { value: Some(value.to_json()), lines };
        }
        Shown { value: None, lines: dump(data) }
    }
}

fn is_struct(t: Type<'_>) -> bool {
    matches!(t.kind(), Kind::Struct | Kind::Union)
}

/// Structs that pointers point to which are called `unused`.
fn named_by_pointers(btf: &Btf) -> Vec<TypeId> {
    let unused =
        |t: &Type<'_>| t.kind() == Kind::Var && t.name().trim_start_matches('_').starts_with("unused");
    let target = |t: Type<'_>| {
        let pointer = btf.skip_modifiers(t.target()?).ok().filter(|p| p.kind() == Kind::Ptr)?;
        btf.skip_modifiers(pointer.target()?).ok().filter(|s| is_struct(*s)).map(|s| s.id())
    };
    btf.own_types().filter(unused).filter_map(target).collect()
}

/// Structs that are called as a map is.
fn called(btf: &Btf, map: &str) -> Vec<TypeId> {
    let one = map.strip_suffix('s').unwrap_or(map);
    let mut names = vec![map.to_owned(), one.to_owned()];
    for stem in [map, one] {
        names.extend(["event", "record", "sample"].map(|what| format!("{stem}_{what}")));
    }
    let found = names.iter().flat_map(|n| btf.named(n)).filter(|id| btf.ty(*id).is_some_and(is_struct));
    found.collect()
}

/// Bytes in rows of sixteen, with what of them is text; a row that is all there is has no offset.
fn dump(data: &[u8]) -> Vec<String> {
    let row = |(n, bytes): (usize, &[u8])| {
        let half = |b: &[u8]| b.iter().map(|b| hex(&[*b])).collect::<Vec<_>>().join(" ");
        let (left, right) = bytes.split_at(bytes.len().min(8));
        let digits = format!("{:<23}  {:<23}", half(left), half(right));
        let shown = |b: &u8| if (0x20..0x7f).contains(b) { char::from(*b) } else { '.' };
        let text: String = bytes.iter().map(shown).collect();
        match data.len() {
            0..=16 => format!("{}  |{text}|", digits.trim_end()),
            _ => format!("{:04x}  {digits}  |{text}|", n * 16),
        }
    };
    if data.is_empty() {
        return vec!["(empty)".to_owned()];
    }
    data.chunks(16).enumerate().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep::btf::{Builder, IntEncoding, VarLinkage};
    use skep::isa::Endian;
    use skep::object::MapSpec;

    fn object() -> Spec {
        let mut b = Builder::new(Endian::Little);
        let int = b.int("int", 4, IntEncoding::default());
        let event = b.composite(Kind::Struct, "event", 8, &[("a", int, 0, 0), ("b", int, 32, 0)]);
        let other = b.composite(Kind::Struct, "other", 4, &[("c", int, 0, 0)]);
        let constant = b.modifier(Kind::Const, other);
        let pointer = b.ptr(constant);
        b.var("unused_other", pointer, VarLinkage::Global);
        let map = |name: &str, btf_value| MapSpec { name: name.into(), btf_value, ..MapSpec::default() };
        Spec {
            btf: b.finish().ok(),
            maps: vec![map("events", Some(int)), map("log", None), map("typed", Some(event))],
            ..Spec::default()
        }
    }

    #[test]
    fn records_have_the_type_that_fits() {
        let spec = object();
        let records = Records::of(&spec);
        let show = |map: &str, data: &[u8]| records.show(map, data).value.map(|v| v.to_string());
        let eight = [1, 0, 0, 0, 2, 0, 0, 0];
        assert_eq!(show("events", &eight).as_deref(), Some("{\"a\":1,\"b\":2}"), "called as the map is");
        assert_eq!(show("typed", &eight).as_deref(), Some("{\"a\":1,\"b\":2}"), "the map's own");
        assert_eq!(
            show("typed", &[1, 0, 0, 0, 2, 0, 0, 0, 9, 9, 9, 9]).as_deref(),
            Some("{\"a\":1,\"b\":2}"),
            "padded"
        );
        assert_eq!(show("log", &eight[..4]).as_deref(), Some("{\"c\":1}"), "named by a pointer");
        assert_eq!(show("log", &[0; 16]), None, "of no such size");
        assert_eq!(show("nowhere", &eight), None);
        assert_eq!(Records::of(&Spec::default()).show("events", &eight).value, None);
    }

    #[test]
    fn bytes_have_their_text_beside_them() {
        assert_eq!(dump(b"skep\0\n"), ["73 6b 65 70 00 0a  |skep..|"]);
        let long = dump(b"0123456789abcdefXY");
        assert_eq!(long[0], "0000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|");
        assert_eq!(long[1], format!("0010  58 59{}|XY|", " ".repeat(45)));
        assert_eq!(dump(b""), ["(empty)"]);
    }
}
