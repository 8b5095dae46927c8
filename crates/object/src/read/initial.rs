//! First contents of maps of maps and of prog arrays, and the functions in struct_ops tables, from the relocations of
//! their definitions.

use std::collections::BTreeMap;

use skep_isa::{Endian, Insn};

use super::Reader;
use super::functions::{FnId, Functions};
use crate::elf::{Place, Rel};
use crate::{InitialRef, MapOrigin, MapSpec, ObjectError, Part};

/// A pointer in a `values` array.
pub(super) const POINTER: u32 = 8;

/// Room for first contents in the definition of a map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    /// Section of the definition.
    pub(super) section: usize,
    /// Where the definition begins.
    pub(super) start: u32,
    /// Offset of `values` in the definition.
    pub(super) values: u32,
    /// Bytes that a key stands for: a pointer's, or 1 where keys are offsets.
    pub(super) unit: u32,
    /// Index into [`crate::Spec::maps`].
    pub(super) map: usize,
}

/// Fills in the first contents.
pub(super) fn read(reader: &mut Reader<'_>, functions: &Functions, programs: &BTreeMap<FnId, usize>) {
    let mut slots = std::mem::take(&mut reader.slots);
    slots.sort_by_key(|s| (s.section, s.start));
    let mut sections: Vec<usize> = slots.iter().map(|s| s.section).collect();
    sections.dedup();
    for section in sections {
        let rels = match reader.file.checked_relocs(section) {
            Ok(rels) => rels.to_vec(),
            Err(error) => {
                let name = section_name(reader, section);
                reader.problem(Part::Section, &name, error.in_section(&name));
                continue;
            }
        };
        for rel in rels {
            let found = slot_of(&slots, section, rel.offset).and_then(|(slot, key)| {
                named(reader, functions, programs, section, &rel).map(|what| (slot, key, what))
            });
            match found {
                Ok((slot, key, what)) => {
                    let map = &mut reader.spec.maps[slot.map];
                    map.initial_refs.push((key, what));
                    clear_pointer(map, key);
                }
                Err(error) => {
                    let name = section_name(reader, section);
                    reader.problem(Part::Section, &name, error.in_section(name.as_str()).at(rel.offset));
                }
            }
        }
    }
    tail_sections(reader, functions, programs);
}

fn section_name(reader: &Reader<'_>, section: usize) -> String {
    reader.file.sections.get(section).map_or_else(String::new, |s| s.name.to_string())
}

/// What stood in a pointer of a struct_ops table is the linker's business: whoever loads it fills it in.
fn clear_pointer(map: &mut MapSpec, key: u32) {
    let value = map.initial_value.as_mut().filter(|_| map.origin == MapOrigin::StructOps);
    let at = key as usize;
    if let Some(pointer) = value.and_then(|v| v.get_mut(at..at.saturating_add(POINTER as usize))) {
        pointer.fill(0);
    }
}

/// The definition that an offset lies in, and the key that it stands for.
fn slot_of(slots: &[Slots], section: usize, offset: u64) -> Result<(Slots, u32), ObjectError> {
    let outside = || ObjectError::new("relocation outside of the first contents of a map");
    let offset = u32::try_from(offset).map_err(|_| outside())?;
    let next = slots.partition_point(|s| (s.section, s.start) <= (section, offset));
    let slot = next.checked_sub(1).and_then(|i| slots.get(i)).filter(|s| s.section == section);
    let slot = *slot.ok_or_else(outside)?;
    let within = (offset - slot.start).checked_sub(slot.values).ok_or_else(outside)?;
    if !within.is_multiple_of(slot.unit) {
        return Err(ObjectError::new("relocation inside a pointer"));
    }
    Ok((slot, within / slot.unit))
}

fn named(
    reader: &Reader<'_>,
    functions: &Functions,
    programs: &BTreeMap<FnId, usize>,
    section: usize,
    rel: &Rel,
) -> Result<InitialRef, ObjectError> {
    let symbol = reader.file.symbol(rel)?;
    let Place::Section(home) = symbol.place else {
        return Err(ObjectError::new("neither a map nor a program of this object").on_symbol(&*symbol.name));
    };
    let value =
        symbol.value.wrapping_add_signed(rel.addend).wrapping_add(in_place(reader, section, rel.offset));
    let offset =
        u32::try_from(value).map_err(|_| ObjectError::new("offset in the section is out of range"))?;
    if let Some(map) = reader.places.map_at(home, offset) {
        return map.map(InitialRef::Map);
    }
    let function = functions.starting_at(home, offset as usize / Insn::BYTES);
    let program = function.and_then(|id| programs.get(&id));
    program.map(|&p| InitialRef::Program(p)).ok_or_else(|| {
        ObjectError::new("neither a map nor a program that can be used").on_symbol(&*symbol.name)
    })
}

/// The addend of a REL record: the number that stands in the place.
fn in_place(reader: &Reader<'_>, section: usize, offset: u64) -> u64 {
    let bytes = reader.file.sections.get(section).and_then(|s| s.data().ok()).unwrap_or_default();
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let place = start.checked_add(8).and_then(|end| bytes.get(start..end)).and_then(|b| b.try_into().ok());
    place.map_or(0, |b| match reader.file.endian {
        Endian::Little => u64::from_le_bytes(b),
        Endian::Big => u64::from_be_bytes(b),
    })
}

/// iproute2 puts the program of a section `ID/KEY` into the prog array with that id.
fn tail_sections(reader: &mut Reader<'_>, functions: &Functions, programs: &BTreeMap<FnId, usize>) {
    let number = |s: &str| match s.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => s.parse().ok(),
    };
    for section in functions.sections() {
        let Some((id, key)) = section.name.split_once('/') else { continue };
        let (Some(id), Some(key)) = (number(id), number(key)) else { continue };
        let program = functions.starting_at(section.index, 0).and_then(|f| programs.get(&f));
        if let (Some(&map), Some(&program)) = (reader.map_ids.get(&id), program) {
            reader.spec.maps[map].initial_refs.push((key, InitialRef::Program(program)));
        }
    }
}
