//! BTF and `.BTF.ext` of several objects, joined.
//!
//! DATASECs are made anew, one a section of the output. An extern VAR or FUNC whose definition is in another object
//! goes: nothing but its DATASEC refers to it.

use std::collections::{HashMap, HashSet};

use object::elf;
use skep_btf::ext::{self, BtfExt};
use skep_btf::{Btf, Builder, FuncLinkage, Kind, Type, TypeId, VarLinkage, VarSecInfo};

use super::{Place, is_shared};
use crate::ObjectError;
use crate::elf::File;
use crate::elf::write::{OutSection, Output};
use crate::limits::Budget;
use crate::read::place_variables;

/// Joins the types, and adds them to the output.
pub(super) fn join(
    files: &[File<'_>],
    places: &[Vec<Place>],
    out: &mut Output,
    budget: &mut Budget,
) -> Result<(), ObjectError> {
    let defined = out.symbols.iter().filter(|s| s.section.is_some() && s.bind != elf::STB_LOCAL);
    let defined = defined.map(|s| s.name.clone()).collect();
    let mut joined = Joined {
        builder: Builder::new(out.endian),
        datasecs: Vec::new(),
        seen: HashSet::new(),
        defined,
        ext: BtfExt::default(),
        any: false,
    };
    for (file, places) in files.iter().zip(places) {
        joined.add(file, places, budget)?;
    }
    if !joined.any {
        return Ok(());
    }
    for (name, vars) in std::mem::take(&mut joined.datasecs) {
        let size = out.sections.iter().find(|s| s.name == name).map_or(0, |s| s.size);
        joined.builder.datasec(&name, u32::try_from(size).unwrap_or(0), &vars);
    }
    let btf = joined.builder.finish().map_err(|e| ObjectError::new(e.to_string()).in_section(".BTF"))?;
    add_section(out, ".BTF", btf.to_bytes(out.endian));
    add_section(out, ".BTF.ext", joined.ext.to_bytes(out.endian));
    Ok(())
}

fn add_section(out: &mut Output, name: &str, bytes: Vec<u8>) {
    let size = bytes.len() as u64;
    let kind = elf::SHT_PROGBITS;
    out.sections.push(OutSection { name: name.into(), kind, align: 4, size, bytes, ..OutSection::default() });
}

struct Joined {
    builder: Builder,
    datasecs: Vec<(String, Vec<VarSecInfo>)>,
    /// Externs that already are in a DATASEC, by section and name.
    seen: HashSet<(String, String)>,
    /// Global names that the output defines.
    defined: HashSet<String>,
    ext: BtfExt,
    any: bool,
}

impl Joined {
    fn add(&mut self, file: &File<'_>, places: &[Place], budget: &mut Budget) -> Result<(), ObjectError> {
        let Some(section) = file.section_named(".BTF") else { return Ok(()) };
        let wrong = |e: skep_btf::BtfError| ObjectError::new(e.to_string()).in_section(".BTF");
        let mut btf = Btf::parse(section.data()?).map_err(wrong)?;
        place_variables(file, &mut btf);
        charge_names(&btf, budget)?;
        self.any = true;
        let resolved = |t: Type<'_>| is_extern(t) && self.defined.contains(t.name());
        let kept = |t: Type<'_>| match t.kind() {
            Kind::Datasec => false,
            Kind::DeclTag => !t.target().and_then(|id| btf.ty(id)).is_some_and(resolved),
            _ => !resolved(t),
        };
        let ids = self.builder.append_kept(&btf, kept).map_err(wrong)?;
        let bases = bases(file, places);
        for datasec in btf.own_types().filter(|t| t.kind() == Kind::Datasec) {
            self.add_datasec(datasec, &ids, &bases);
        }
        if let Some(section) = file.section_named(".BTF.ext") {
            let ext = BtfExt::parse(section.data()?, &btf).map_err(wrong)?;
            charge_records(&btf, &ext, budget)?;
            self.add_ext(&btf, &ext, &ids, &bases);
        }
        Ok(())
    }

    fn add_datasec(&mut self, datasec: Type<'_>, ids: &[TypeId], bases: &HashMap<&str, (usize, u64)>) {
        let name = datasec.name();
        let base = bases.get(name).map_or(0, |b| b.1);
        let mut vars = Vec::new();
        for var in datasec.vars() {
            let ty = ids.get(var.ty.0 as usize).copied().unwrap_or_default();
            let Some(t) = datasec.btf().ty(var.ty).filter(|_| ty != TypeId::VOID) else { continue };
            let shared = is_extern(t) || is_shared(name);
            if shared && !self.seen.insert((name.to_owned(), t.name().to_owned())) {
                continue;
            }
            let base = if is_extern(t) { 0 } else { base };
            let offset = u32::try_from(u64::from(var.offset).wrapping_add(base)).unwrap_or(u32::MAX);
            vars.push(VarSecInfo { ty, offset, size: var.size });
        }
        match self.datasecs.iter_mut().find(|d| d.0 == name) {
            Some(known) => known.1.extend(vars),
            None if vars.is_empty() => {}
            None => self.datasecs.push((name.to_owned(), vars)),
        }
    }

    fn add_ext(&mut self, btf: &Btf, ext: &BtfExt, ids: &[TypeId], bases: &HashMap<&str, (usize, u64)>) {
        let id = |old: TypeId| ids.get(old.0 as usize).copied().unwrap_or_default();
        let builder = &mut self.builder;
        let mut homes = Homes::new();
        let names = ext.func_info.iter().map(|s| s.name);
        let names = names.chain(ext.line_info.iter().map(|s| s.name));
        for old in names.chain(ext.core_relos.iter().map(|s| s.name)) {
            let name = btf.string(old).unwrap_or("");
            if let Some(base) = bases.get(name).and_then(|b| u32::try_from(b.1).ok()) {
                homes.insert(old, (builder.string(name), base));
            }
        }
        let mut text = |offset: u32| builder.string(btf.string(offset).unwrap_or(""));
        append(&mut self.ext.func_info, &ext.func_info, &homes, |r, base| ext::FuncInfo {
            insn_off: r.insn_off.wrapping_add(base),
            type_id: id(r.type_id),
        });
        append(&mut self.ext.line_info, &ext.line_info, &homes, |r, base| ext::LineInfo {
            insn_off: r.insn_off.wrapping_add(base),
            file: text(r.file),
            text: text(r.text),
            ..*r
        });
        append(&mut self.ext.core_relos, &ext.core_relos, &homes, |r, base| ext::CoreRelo {
            insn_off: r.insn_off.wrapping_add(base),
            type_id: id(r.type_id),
            access: text(r.access),
            ..*r
        });
    }
}

/// Strings may overlap in the file, and are apart in the output: charges each that is named, once.
fn charge<'a>(strings: impl Iterator<Item = &'a str>, budget: &mut Budget) -> Result<(), ObjectError> {
    let mut seen = HashSet::new();
    for s in strings {
        if seen.insert(s.as_ptr()) {
            // Once in the text, once in the index of strings.
            budget.take(2, s.len(), "the joined strings")?;
        }
    }
    Ok(())
}

fn charge_names(btf: &Btf, budget: &mut Budget) -> Result<(), ObjectError> {
    for t in btf.own_types() {
        let elements = t.members().len() + t.variants().len() + t.params().len() + t.vars().len();
        budget.take(elements + 2, 12, "the joined types")?;
    }
    charge(btf.own_types().flat_map(names), budget)
}

/// All names in a type.
fn names(t: Type<'_>) -> Vec<&str> {
    let members = t.members().map(|m| m.name);
    let parts = t.variants().map(|v| v.name).chain(t.params().map(|p| p.name));
    std::iter::once(t.name()).chain(members).chain(parts).collect()
}

fn charge_records(btf: &Btf, ext: &BtfExt, budget: &mut Budget) -> Result<(), ObjectError> {
    let lines = ext.line_info.iter().flat_map(|s| &s.records).flat_map(|r| [r.file, r.text]);
    let accesses = ext.core_relos.iter().flat_map(|s| &s.records).map(|r| r.access);
    charge(lines.chain(accesses).filter_map(|offset| btf.string(offset)), budget)
}

/// Old name of a section to its new one, and where the input's part of it begins.
type Homes = HashMap<u32, (u32, u32)>;

/// Adds the records of an input behind those that are there.
fn append<T>(
    known: &mut Vec<ext::Section<T>>,
    added: &[ext::Section<T>],
    homes: &Homes,
    mut moved: impl FnMut(&T, u32) -> T,
) {
    for section in added {
        let Some(&(name, base)) = homes.get(&section.name) else { continue };
        let records = section.records.iter().map(|r| moved(r, base));
        match known.iter_mut().find(|k| k.name == name) {
            Some(known) => known.records.extend(records),
            None => known.push(ext::Section { name, records: records.collect() }),
        }
    }
}

/// Where the sections of an input went, by name; of several of one name, the first, as the reader has it.
fn bases<'a>(file: &'a File<'_>, places: &[Place]) -> HashMap<&'a str, (usize, u64)> {
    let kept = file.sections.iter().zip(places).rev();
    kept.filter_map(|(s, place)| Some((&*s.name, (*place)?))).collect()
}

fn is_extern(t: Type<'_>) -> bool {
    t.func_linkage() == Some(FuncLinkage::Extern) || t.var_linkage() == Some(VarLinkage::Extern)
}
