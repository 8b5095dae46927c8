//! Names of BTF types, as C would spell them in a declaration without a name.

use skep::btf::{Btf, Kind, TypeId};

/// `struct flow`, `__u32`, `char[16]`, `struct task_struct *`; `void` for what does not exist.
pub(crate) fn name(btf: &Btf, id: TypeId) -> String {
    spell(btf, id, 16)
}

fn spell(btf: &Btf, id: TypeId, depth: usize) -> String {
    let (Some(depth), Some(t)) = (depth.checked_sub(1), btf.ty(id)) else { return "void".into() };
    let target = || t.target().map_or_else(|| "void".into(), |to| spell(btf, to, depth));
    let tagged = |word: &str| match t.name() {
        "" => format!("{word} {{...}}"),
        name => format!("{word} {name}"),
    };
    match t.kind() {
        Kind::Struct => tagged("struct"),
        Kind::Union => tagged("union"),
        Kind::Enum | Kind::Enum64 => tagged("enum"),
        Kind::Fwd if t.is_union_fwd() => tagged("union"),
        Kind::Fwd => tagged("struct"),
        Kind::Ptr => format!("{} *", target()),
        Kind::Const => format!("const {}", target()),
        Kind::Volatile => format!("volatile {}", target()),
        Kind::Restrict | Kind::TypeTag | Kind::Var => target(),
        Kind::Array => match t.array() {
            Some(a) => format!("{}[{}]", spell(btf, a.element, depth), a.len),
            None => "void[]".into(),
        },
        Kind::Datasec => format!("section {}", t.name()),
        _ => t.name().to_owned(),
    }
}
