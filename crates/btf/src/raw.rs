//! The raw dump: a line a type and a line a member, byte for byte as `bpftool btf dump` prints it.

use std::fmt::{self, Write};

use crate::c::text_limit;
use crate::{Btf, BtfError, FuncLinkage, IntEncoding, Kind, Type, TypeId, VarLinkage};

/// All types; of split BTF only those that are not in the base.
///
/// # Errors
/// If the text would be out of all proportion to the BTF, as when many members share one endless name.
/// Writing [`Raw`] type by type to a stream has no such limit.
pub fn dump(btf: &Btf) -> Result<String, BtfError> {
    dump_all(btf, btf.own_types())
}

/// These types alone.
///
/// # Errors
/// As for [`dump`]; if there is no type of such an id.
pub fn dump_types(btf: &Btf, ids: &[TypeId]) -> Result<String, BtfError> {
    let types = ids.iter().map(|id| btf.existing(*id)).collect::<Result<Vec<_>, _>>()?;
    dump_all(btf, types)
}

fn dump_all<'a>(btf: &Btf, types: impl IntoIterator<Item = Type<'a>>) -> Result<String, BtfError> {
    let mut out = Limited { text: String::new(), limit: text_limit(btf) };
    for t in types {
        writeln!(out, "{}", Raw(t))
            .map_err(|_| BtfError::new("the dump would be too large").in_type(t.id()))?;
    }
    Ok(out.text)
}

/// Text up to a limit.
struct Limited {
    text: String,
    limit: usize,
}

impl Write for Limited {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        if self.text.len() + s.len() > self.limit {
            return Err(fmt::Error);
        }
        self.text.push_str(s);
        Ok(())
    }
}

/// One type in the raw form, without a newline at the end.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a>(pub Type<'a>);

/// A name, or what stands for none.
fn name(s: &str) -> &str {
    if s.is_empty() { "(anon)" } else { s }
}

impl fmt::Display for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.0;
        write!(f, "{} {} '{}'", t.id(), t.kind(), name(t.name()))?;
        let target = t.target().unwrap_or_default().0;
        let size = t.size().unwrap_or(0);
        match t.kind() {
            Kind::Int => int(f, t),
            Kind::Array => array(f, t),
            Kind::Struct | Kind::Union => members(f, t),
            Kind::Enum | Kind::Enum64 => variants(f, t),
            Kind::Fwd => write!(f, " fwd_kind={}", if t.kind_flag() { "union" } else { "struct" }),
            Kind::Func => write!(f, " type_id={target} linkage={}", func_linkage(t)),
            Kind::FuncProto => params(f, t),
            Kind::Var => write!(f, " type_id={target}, linkage={}", var_linkage(t)),
            Kind::Datasec => vars(f, t),
            Kind::Float => write!(f, " size={size}"),
            Kind::DeclTag => {
                write!(f, " type_id={target} component_idx={}", t.component().unwrap_or(-1))
            }
            _ => write!(f, " type_id={target}"),
        }
    }
}

fn int(f: &mut fmt::Formatter<'_>, t: Type<'_>) -> fmt::Result {
    let Some(int) = t.int() else { return Ok(()) };
    let encoding = match int.encoding {
        IntEncoding { signed: false, char: false, bool: false } => "(none)",
        IntEncoding { signed: true, char: false, bool: false } => "SIGNED",
        IntEncoding { signed: false, char: true, bool: false } => "CHAR",
        IntEncoding { signed: false, char: false, bool: true } => "BOOL",
        _ => "UNKN",
    };
    let (size, offset, bits) = (int.size, int.offset, int.bits);
    write!(f, " size={size} bits_offset={offset} nr_bits={bits} encoding={encoding}")
}

fn array(f: &mut fmt::Formatter<'_>, t: Type<'_>) -> fmt::Result {
    let Some(array) = t.array() else { return Ok(()) };
    let (element, index, len) = (array.element.0, array.index.0, array.len);
    write!(f, " type_id={element} index_type_id={index} nr_elems={len}")
}

fn members(f: &mut fmt::Formatter<'_>, t: Type<'_>) -> fmt::Result {
    write!(f, " size={} vlen={}", t.size().unwrap_or(0), t.vlen())?;
    for m in t.members() {
        write!(f, "\n\t'{}' type_id={} bits_offset={}", name(m.name), m.ty.0, m.bit_offset)?;
        if m.bits != 0 {
            write!(f, " bitfield_size={}", m.bits)?;
        }
    }
    Ok(())
}

fn variants(f: &mut fmt::Formatter<'_>, t: Type<'_>) -> fmt::Result {
    let sign = if t.kind_flag() { "SIGNED" } else { "UNSIGNED" };
    write!(f, " encoding={sign} size={} vlen={}", t.size().unwrap_or(0), t.vlen())?;
    let suffix = match (t.kind(), t.kind_flag()) {
        (Kind::Enum64, true) => "LL",
        (Kind::Enum64, false) => "ULL",
        _ => "",
    };
    t.variants().try_for_each(|v| write!(f, "\n\t'{}' val={}{suffix}", name(v.name), v.value()))
}

fn params(f: &mut fmt::Formatter<'_>, t: Type<'_>) -> fmt::Result {
    write!(f, " ret_type_id={} vlen={}", t.target().unwrap_or_default().0, t.vlen())?;
    t.params().try_for_each(|p| write!(f, "\n\t'{}' type_id={}", name(p.name), p.ty.0))
}

fn vars(f: &mut fmt::Formatter<'_>, t: Type<'_>) -> fmt::Result {
    write!(f, " size={} vlen={}", t.size().unwrap_or(0), t.vlen())?;
    for v in t.vars() {
        write!(f, "\n\ttype_id={} offset={} size={}", v.ty.0, v.offset, v.size)?;
        if let Some(var) = t.btf().ty(v.ty).filter(|_| v.ty != TypeId::VOID) {
            write!(f, " ({} '{}')", var.kind(), name(var.name()))?;
        }
    }
    Ok(())
}

fn func_linkage(t: Type<'_>) -> &'static str {
    match t.func_linkage() {
        Some(FuncLinkage::Static) => "static",
        Some(FuncLinkage::Global) => "global",
        Some(FuncLinkage::Extern) => "extern",
        _ => "(unknown)",
    }
}

fn var_linkage(t: Type<'_>) -> &'static str {
    match t.var_linkage() {
        Some(VarLinkage::Static) => "static",
        Some(VarLinkage::Global) => "global",
        Some(VarLinkage::Extern) => "extern",
        _ => "(unknown)",
    }
}
