//! Types as JSON, in bpftool's words.

use serde_json::{Map, Value, json};
use skep::btf::{Kind, Type};

/// A type with the field names of `bpftool btf dump -j`.
pub(super) fn of(t: Type<'_>) -> Value {
    let mut o = Map::new();
    o.insert("id".into(), t.id().0.into());
    o.insert("kind".into(), t.kind().name().into());
    o.insert("name".into(), anon(t.name()).into());
    if t.kind().is_enum() {
        // For enumerations the kind flag says that they are signed.
        o.insert("encoding".into(), if t.kind_flag() { "SIGNED" } else { "UNSIGNED" }.into());
    }
    if let Some(size) = t.size() {
        o.insert("size".into(), size.into());
    }
    if let Some(int) = t.int() {
        o.insert("bits_offset".into(), int.offset.into());
        o.insert("nr_bits".into(), int.bits.into());
        let e = int.encoding;
        let names = [(e.signed, "SIGNED"), (e.char, "CHAR"), (e.bool, "BOOL")];
        let names: Vec<_> = names.iter().filter(|(on, _)| *on).map(|(_, n)| *n).collect();
        o.insert("encoding".into(), if names.is_empty() { "(none)".into() } else { names.join(" ").into() });
    }
    if let Some(a) = t.array() {
        o.insert("type_id".into(), a.element.0.into());
        o.insert("index_type_id".into(), a.index.0.into());
        o.insert("nr_elems".into(), a.len.into());
    } else if let Some(target) = t.target() {
        let name = if t.kind() == Kind::FuncProto { "ret_type_id" } else { "type_id" };
        o.insert(name.into(), target.0.into());
    }
    if t.kind() == Kind::Fwd {
        o.insert("fwd_kind".into(), if t.is_union_fwd() { "union" } else { "struct" }.into());
    }
    if let Some(linkage) = t.func_linkage() {
        o.insert("linkage".into(), format!("{linkage:?}").to_lowercase().into());
    }
    if let Some(linkage) = t.var_linkage() {
        o.insert("linkage".into(), format!("{linkage:?}").to_lowercase().into());
    }
    if let Some(component) = t.component() {
        o.insert("component_idx".into(), component.into());
    }
    if let Some((name, list)) = parts(t) {
        o.insert("vlen".into(), list.len().into());
        o.insert(name.into(), list.into());
    }
    Value::Object(o)
}

fn parts(t: Type<'_>) -> Option<(&'static str, Vec<Value>)> {
    Some(match t.kind() {
        Kind::Struct | Kind::Union => {
            let member = |m: skep::btf::Member<'_>| {
                let mut o = Map::new();
                o.insert("name".into(), anon(m.name).into());
                o.insert("type_id".into(), m.ty.0.into());
                o.insert("bits_offset".into(), m.bit_offset.into());
                if m.bits != 0 {
                    o.insert("bitfield_size".into(), m.bits.into());
                }
                Value::Object(o)
            };
            ("members", t.members().map(member).collect())
        }
        Kind::Enum | Kind::Enum64 => {
            let value = |v: i128| match i64::try_from(v) {
                Ok(n) => json!(n),
                Err(_) => json!(v as u64),
            };
            let one = |v: skep::btf::Variant<'_>| json!({"name": v.name, "val": value(v.value())});
            ("values", t.variants().map(one).collect())
        }
        Kind::FuncProto => {
            ("params", t.params().map(|p| json!({"name": anon(p.name), "type_id": p.ty.0})).collect())
        }
        Kind::Datasec => {
            let var =
                |v: skep::btf::VarSecInfo| json!({"type_id": v.ty.0, "offset": v.offset, "size": v.size});
            ("vars", t.vars().map(var).collect())
        }
        _ => return None,
    })
}

/// What bpftool says where there is no name.
fn anon(name: &str) -> &str {
    if name.is_empty() { "(anon)" } else { name }
}
