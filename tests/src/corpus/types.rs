//! Types of a file's functions: what `func` lines say, as BTF.

use skep_btf::{Btf, Builder, Endian, FuncLinkage, IntEncoding, Kind, TypeId};

use super::case::Case;
use super::header::{FuncLine, Takes};

/// Types, and the first slot and FUNC of each function; `None` if the file has no `func` lines.
pub(super) struct Types {
    pub(super) btf: Btf,
    pub(super) funcs: Vec<(usize, TypeId)>,
}

struct Known {
    long: TypeId,
    pair: TypeId,
    any: TypeId,
}

/// What the header says of the program and its functions.
pub(super) fn types(case: &Case) -> Result<Option<Types>, String> {
    let lines = &case.header.funcs;
    if lines.is_empty() {
        return Ok(None);
    }
    let mut b = Builder::new(Endian::Little);
    let int = b.int("int", 4, IntEncoding { signed: true, ..IntEncoding::default() });
    let long = b.int("unsigned long", 8, IntEncoding::default());
    let pair = b.composite(Kind::Struct, "pair", 16, &[("a", long, 0, 0), ("b", long, 64, 0)]);
    let known = Known { long, pair: b.ptr(pair), any: b.ptr(TypeId(0)) };
    let proto = b.func_proto(int, &[("ctx", known.any)]);
    let mut funcs = vec![(0, b.func("main", proto, FuncLinkage::Global))];
    for line in lines {
        let slot = case.program.assembly.label(&line.name).ok_or(format!("no label `{}`", line.name))?;
        funcs.push((slot, func(&mut b, &known, line)));
    }
    let btf = b.finish().map_err(|e| e.to_string())?;
    Ok(Some(Types { btf, funcs }))
}

fn func(b: &mut Builder, known: &Known, line: &FuncLine) -> TypeId {
    let params: Vec<(&str, TypeId)> = line
        .args
        .iter()
        .map(|takes| match takes {
            Takes::Number => ("n", known.long),
            Takes::Memory | Takes::NonNull => ("p", known.pair),
            Takes::Context => ("c", known.any),
        })
        .collect();
    let proto = b.func_proto(known.long, &params);
    let linkage = if line.global { FuncLinkage::Global } else { FuncLinkage::Static };
    let func = b.func(&line.name, proto, linkage);
    for (arg, takes) in (0..).zip(&line.args) {
        match takes {
            Takes::NonNull => _ = b.decl_tag("arg:nonnull", func, arg),
            Takes::Context => _ = b.decl_tag("arg:ctx", func, arg),
            Takes::Number | Takes::Memory => {}
        }
    }
    func
}
