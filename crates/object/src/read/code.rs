//! What the places in the code name: each relocation of a code section, resolved to a map, a byte of a map's
//! value, an extern or a function.
//!
//! As in libbpf, the instruction decides what a relocation means and not its type: clang's types changed over the
//! years (1, 10; 2, 3 and 4 for data), what a call and a wide load can name did not.

use std::collections::{BTreeMap, BTreeSet};

use object::elf::R_BPF_NONE;
use skep_isa::Insn;

use super::functions::{FnId, Functions};
use super::places::Places;
use crate::ObjectError;
use crate::elf::{File, Place, Rel, Symbol};

/// `call`.
pub(super) const CALL: u8 = 0x85;
/// `src` of a call that names a subprogram.
const PSEUDO_CALL: u8 = 1;

/// What a slot names.
#[derive(Clone, Debug)]
pub(super) enum Named {
    /// A function, called.
    Call(FnId),
    /// A function's address.
    Address(FnId),
    /// A map.
    Map(usize),
    /// A byte of a map's value.
    Value { map: usize, offset: u32 },
    /// An extern that is called.
    ExternCall(usize),
    /// An extern whose address or value is loaded.
    ExternLoad(usize),
}

/// What the slots of one section name; an error is kept for the function that it is in.
pub(super) type SectionNames = BTreeMap<usize, Result<Named, ObjectError>>;

/// Whether a slot is a call of a subprogram.
pub(super) fn is_pseudo_call(insn: Insn) -> bool {
    insn.opcode == CALL && insn.src == PSEUDO_CALL
}

/// Resolves the relocations of a code section.
///
/// # Errors
/// If the section has relocations that can't be read: then none of its code can be used.
pub(super) fn resolve(
    file: &File<'_>,
    functions: &Functions,
    places: &Places,
    section: usize,
) -> Result<SectionNames, ObjectError> {
    let mut names = SectionNames::new();
    let Some(code) = functions.code(section) else { return Ok(names) };
    for rel in file.checked_relocs(section).map_err(|e| e.in_section(&code.name))? {
        let slot = (rel.offset / Insn::BYTES as u64) as usize;
        let Some(&insn) = code.insns.get(slot) else { continue };
        // The earliest compilers wrote R_BPF_NONE where they meant a map; where nothing can be named it means nothing.
        if rel.kind == R_BPF_NONE && insn.opcode != CALL && !insn.is_wide() {
            continue;
        }
        let named = resolve_one(file, functions, places, rel, insn)
            .map_err(|e| e.in_section(code.name.as_str()).at(rel.offset));
        names.insert(slot, named);
    }
    Ok(names)
}

fn resolve_one(
    file: &File<'_>,
    functions: &Functions,
    places: &Places,
    rel: &Rel,
    insn: Insn,
) -> Result<Named, ObjectError> {
    let symbol = file.symbol(rel)?;
    let named = if !rel.offset.is_multiple_of(Insn::BYTES as u64) {
        Err(ObjectError::new("relocation inside an instruction"))
    } else if insn.opcode == CALL {
        called(functions, places, rel, symbol, insn)
    } else if insn.is_wide() {
        loaded(file, functions, places, rel, symbol, insn)
    } else {
        Err(ObjectError::new(format!(
            "relocation on opcode {:#04x}, neither call nor wide load",
            insn.opcode
        )))
    };
    named.map_err(|e| if symbol.name.is_empty() { e } else { e.on_symbol(&*symbol.name) })
}

fn called(
    functions: &Functions,
    places: &Places,
    rel: &Rel,
    symbol: &Symbol<'_>,
    insn: Insn,
) -> Result<Named, ObjectError> {
    let section = match symbol.place {
        Place::Undefined => return places.external(rel.symbol).map(Named::ExternCall),
        Place::Section(section) => section,
        Place::Special(_) => return Err(ObjectError::new("call of a symbol that is no function")),
    };
    // A call of a global function has -1 in its immediate; one of a static function goes by its section,
    // and has the function's slot less one.
    let slot = Insn::BYTES as i64;
    let target = i64::try_from(symbol.value).ok().and_then(|v| v.checked_add(rel.addend));
    let target = target.filter(|t| t % slot == 0).map(|t| t / slot + i64::from(insn.imm) + 1);
    function_at(functions, section, target).map(Named::Call)
}

fn loaded(
    file: &File<'_>,
    functions: &Functions,
    places: &Places,
    rel: &Rel,
    symbol: &Symbol<'_>,
    insn: Insn,
) -> Result<Named, ObjectError> {
    let section = match symbol.place {
        Place::Undefined => return places.loaded_external(rel.symbol),
        Place::Section(section) => section,
        Place::Special(_) => {
            return Err(ObjectError::new("address of a symbol that is in no section")
                .with_hint("a common symbol: initialise the global variable"));
        }
    };
    let offset = i64::try_from(symbol.value).ok().and_then(|v| v.checked_add(rel.addend));
    let offset = offset.and_then(|v| v.checked_add(i64::from(insn.imm)));
    if file.sections.get(section).is_some_and(|s| s.is_code()) {
        let slot = Insn::BYTES as i64;
        return function_at(functions, section, offset.filter(|o| o % slot == 0).map(|o| o / slot))
            .map(Named::Address);
    }
    let offset = offset.and_then(|o| u32::try_from(o).ok());
    let offset = offset.ok_or_else(|| ObjectError::new("offset in the section is out of range"))?;
    places.at(file, section, offset)
}

fn function_at(functions: &Functions, section: usize, slot: Option<i64>) -> Result<FnId, ObjectError> {
    let slot = slot.and_then(|s| usize::try_from(s).ok());
    let slot = slot.ok_or_else(|| ObjectError::new("a function begins at no whole instruction"))?;
    functions.starting_at(section, slot).ok_or_else(|| {
        ObjectError::new(match functions.around(section, slot) {
            Some(name) => format!("slot {slot} is in the middle of function `{name}`"),
            None => format!("no function at slot {slot} of section {section}"),
        })
    })
}

/// Functions that some code calls or takes the address of.
pub(super) fn referenced(
    functions: &Functions,
    names: &BTreeMap<usize, Result<SectionNames, ObjectError>>,
) -> BTreeSet<FnId> {
    let mut found = BTreeSet::new();
    for code in functions.sections() {
        let names = names.get(&code.index).and_then(|names| names.as_ref().ok());
        for named in names.into_iter().flat_map(BTreeMap::values).flatten() {
            if let Named::Call(id) | Named::Address(id) = named {
                found.insert(*id);
            }
        }
        let near = code.insns.iter().enumerate().filter(|(_, insn)| is_pseudo_call(**insn));
        let near = near.filter(|(slot, _)| names.is_none_or(|names| !names.contains_key(slot)));
        found.extend(near.filter_map(|(slot, insn)| near_call(functions, code.index, slot, *insn).ok()));
    }
    found
}

/// The function that a call without relocation means: it stays in its section.
pub(super) fn near_call(
    functions: &Functions,
    section: usize,
    slot: usize,
    insn: Insn,
) -> Result<FnId, ObjectError> {
    let target = i64::try_from(slot).ok().map(|s| s + i64::from(insn.imm) + 1);
    function_at(functions, section, target)
}
