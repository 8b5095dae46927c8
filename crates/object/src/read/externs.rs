//! Undefined symbols: kernel functions and variables (`.ksyms`), configuration (`.kconfig`), and what other objects
//! provide.
//!
//! Configuration values get a map of their own. They are laid out as libbpf does it: the
//! strictest alignment first, then the smaller first, then by name.

use std::collections::{BTreeSet, HashMap};

use skep_abi::MapType;
use skep_btf::{Btf, Kind, TypeId};

use super::Reader;
use super::data::has_shared_variable;
use crate::elf::{File, Place};
use crate::{Extern, ExternKind, MapOrigin, MapSpec, ObjectError, Part};

/// Where BTF says that an extern lives.
#[derive(Clone, Copy)]
struct Declared {
    /// VAR or FUNC.
    id: TypeId,
    home: Home,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Home {
    Kconfig,
    Ksyms,
    Elsewhere,
}

struct Config {
    symbol: usize,
    name: String,
    weak: bool,
    id: TypeId,
    size: u32,
    align: u32,
}

/// Reads all externs, in the order of the symbol table.
pub(super) fn read(reader: &mut Reader<'_>) {
    let btf = reader.spec.btf.clone();
    let declared = btf.as_ref().map(declarations).unwrap_or_default();
    let called = called_symbols(&reader.file);
    let symbols = reader.file.symbols.iter().enumerate();
    let undefined = symbols.filter(|(_, s)| s.place == Place::Undefined && !s.name.is_empty());
    let undefined: Vec<usize> = undefined.map(|(i, _)| i).collect();
    let mut configs = Vec::new();
    for symbol in undefined {
        let (name, weak) =
            (reader.file.symbols[symbol].name.to_string(), reader.file.symbols[symbol].is_weak());
        if let Err(error) = reader.budget.take(1, size_of::<Extern>() + name.len(), "the externs") {
            return reader.problem(Part::Extern, &name, error);
        }
        let found = declared.get(name.as_str()).copied();
        if let (Some(declared), Some(btf)) = (found.filter(|d| d.home == Home::Kconfig), &btf) {
            match config(btf, declared.id) {
                Ok((size, align)) => {
                    configs.push(Config { symbol, name, weak, id: declared.id, size, align });
                }
                Err(error) => {
                    let error = error.in_section(".kconfig").on_symbol(name.as_str());
                    reader.problem(Part::Extern, &name, error.clone());
                    reader.places.break_import(symbol, error);
                }
            }
            continue;
        }
        let kind = kind(btf.as_ref(), found, called.contains(&symbol));
        reader.places.import(symbol, reader.spec.externs.len());
        reader.spec.externs.push(Extern { name, kind, weak, btf_type: found.map(|d| d.id) });
    }
    add_configs(reader, configs);
}

/// Names to VARs and FUNCs of the extern sections, and to other extern FUNCs and VARs.
fn declarations(btf: &Btf) -> HashMap<&str, Declared> {
    let mut found = HashMap::new();
    let mut add = |id: TypeId, home: Home| {
        if let Some(t) = btf.ty(id) {
            found.entry(t.name()).or_insert(Declared { id, home });
        }
    };
    for (name, home) in [(".kconfig", Home::Kconfig), (".ksyms", Home::Ksyms)] {
        let datasec = btf.find(name, Kind::Datasec).and_then(|id| btf.ty(id));
        datasec.into_iter().flat_map(|t| t.vars()).for_each(|v| add(v.ty, home));
    }
    for t in btf.own_types() {
        let is_extern = t.func_linkage() == Some(skep_btf::FuncLinkage::Extern)
            || t.var_linkage() == Some(skep_btf::VarLinkage::Extern);
        if is_extern {
            add(t.id(), Home::Elsewhere);
        }
    }
    found
}

/// Symbols that some call names.
fn called_symbols(file: &File<'_>) -> BTreeSet<usize> {
    let mut called = BTreeSet::new();
    for section in file.sections.iter().filter(|s| s.is_code()) {
        let Ok(bytes) = section.data() else { continue };
        let is_call =
            |offset: u64| usize::try_from(offset).ok().and_then(|o| bytes.get(o)) == Some(&super::code::CALL);
        called.extend(file.relocs(section.index).iter().filter(|r| is_call(r.offset)).map(|r| r.symbol));
    }
    called
}

fn kind(btf: Option<&Btf>, declared: Option<Declared>, called: bool) -> ExternKind {
    let ty = declared.zip(btf).and_then(|(d, btf)| btf.ty(d.id));
    let is_function = ty.map_or(called, |t| t.kind() == Kind::Func);
    match (declared.map(|d| d.home), is_function) {
        (Some(Home::Ksyms), true) => ExternKind::Kfunc,
        (Some(Home::Ksyms), false) => {
            let typed = ty.and_then(|t| t.btf().resolve(t.target()?).ok());
            if typed.is_some_and(|t| t.kind() != Kind::Void) {
                ExternKind::Ksym
            } else {
                ExternKind::KsymAddr
            }
        }
        (_, true) => ExternKind::Func,
        (_, false) => ExternKind::Var,
    }
}

/// Size and alignment of a configuration value.
fn config(btf: &Btf, var: TypeId) -> Result<(u32, u32), ObjectError> {
    let wrong = |e: skep_btf::BtfError| ObjectError::new(e.to_string());
    let ty = btf.ty(var).filter(|t| t.kind() == Kind::Var).and_then(|t| t.target());
    let ty = ty.ok_or_else(|| ObjectError::new("a configuration value must be a variable"))?;
    Ok((btf.size_of(ty).map_err(wrong)?, btf.align_of(ty).map_err(wrong)?.max(1)))
}

fn add_configs(reader: &mut Reader<'_>, mut configs: Vec<Config>) {
    if configs.is_empty() {
        return;
    }
    configs.sort_by(|a, b| (b.align, a.size, &a.name).cmp(&(a.align, b.size, &b.name)));
    let map = reader.spec.maps.len();
    let mut end = 0u32;
    for c in configs {
        let place = end.checked_next_multiple_of(c.align).and_then(|at| Some((at, at.checked_add(c.size)?)));
        let Some((offset, next)) = place else {
            let error = ObjectError::new("the configuration values are too large").in_section(".kconfig");
            reader.problem(Part::Extern, &c.name, error.clone());
            reader.places.break_import(c.symbol, error);
            continue;
        };
        end = next;
        reader.places.configure(c.symbol, map, offset);
        reader.spec.externs.push(Extern {
            name: c.name,
            kind: ExternKind::Kconfig { offset, size: c.size },
            weak: c.weak,
            btf_type: Some(c.id),
        });
    }
    let datasec = reader.datasec(".kconfig");
    let shared = datasec.zip(reader.spec.btf.as_ref()).is_some_and(|(id, btf)| has_shared_variable(btf, id));
    let map = MapSpec {
        name: ".kconfig".to_owned(),
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: end,
        max_entries: 1,
        flags: MapSpec::F_RDONLY_PROG | if shared { MapSpec::F_MMAPABLE } else { 0 },
        btf_value: datasec,
        frozen: true,
        origin: MapOrigin::Kconfig,
        ..MapSpec::default()
    };
    if let Err(error) = reader.add_map(map) {
        reader.problem(Part::Map, ".kconfig", error);
    }
}
