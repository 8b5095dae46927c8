//! Types as a line of C that declares them, in bpftool's spelling: `int xdp_main(struct xdp_md * ctx)`.

use crate::{Btf, Kind, MAX_DEPTH, TypeId, VarLinkage};

/// What is longer is no line.
const LONGEST: usize = 1024;

/// A function, variable or type; `None` for what is nested too deep or too long to be read, and what is no type.
pub fn declaration(btf: &Btf, id: TypeId) -> Option<String> {
    let mut out = String::new();
    spell(btf, id, &mut out, MAX_DEPTH)?;
    Some(out)
}

fn spell(btf: &Btf, id: TypeId, out: &mut String, depth: usize) -> Option<()> {
    let depth = depth.checked_sub(1).filter(|_| out.len() < LONGEST)?;
    if id == TypeId(0) {
        out.push_str("void ");
        return Some(());
    }
    let t = btf.ty(id)?;
    let mut word = |words: &[&str]| words.iter().for_each(|w| out.push_str(w));
    match t.kind() {
        Kind::Int | Kind::Typedef | Kind::Float => word(&[t.name(), " "]),
        Kind::Struct => word(&["struct ", t.name(), " "]),
        Kind::Union => word(&["union ", t.name(), " "]),
        Kind::Enum | Kind::Enum64 => word(&["enum ", t.name(), " "]),
        Kind::Fwd => word(&[if t.is_union_fwd() { "union " } else { "struct " }, t.name(), " "]),
        Kind::Datasec => word(&["section (\"", t.name(), "\") "]),
        Kind::Array => {
            let array = t.array()?;
            spell(btf, array.element, out, depth)?;
            out.push_str(&format!("[{}]", array.len));
        }
        Kind::Ptr => {
            spell(btf, t.target()?, out, depth)?;
            out.push_str("* ");
        }
        Kind::Volatile | Kind::Const | Kind::Restrict => {
            word(&[t.kind().name().to_ascii_lowercase().as_str(), " "]);
            spell(btf, t.target()?, out, depth)?;
        }
        Kind::TypeTag => spell(btf, t.target()?, out, depth)?,
        Kind::FuncProto => function(btf, id, "", out, depth)?,
        Kind::Func => function(btf, t.target()?, t.name(), out, depth)?,
        Kind::Var => {
            if t.var_linkage() == Some(VarLinkage::Static) {
                word(&["static "]);
            }
            spell(btf, t.target()?, out, depth)?;
            out.push_str(&format!(" {}", t.name()));
        }
        _ => return None,
    }
    Some(())
}

fn function(btf: &Btf, proto: TypeId, name: &str, out: &mut String, depth: usize) -> Option<()> {
    let t = btf.ty(proto).filter(|t| t.kind() == Kind::FuncProto)?;
    spell(btf, t.target()?, out, depth)?;
    out.push_str(name);
    out.push('(');
    for (n, param) in t.params().enumerate() {
        if n > 0 {
            out.push_str(", ");
        }
        if param.ty == TypeId(0) {
            out.push_str("...");
            continue;
        }
        spell(btf, param.ty, out, depth)?;
        if !param.name.is_empty() {
            out.push_str(param.name);
        } else if out.ends_with(' ') {
            out.pop();
        }
    }
    out.push(')');
    Some(())
}
