//! Two kinds of data that are not values of array maps: tables of functions for the kernel (struct_ops), and
//! the global variables of an arena.

use skep_abi::MapType;

use super::Reader;
use super::initial::Slots;
use crate::elf::Section;
use crate::{MapOrigin, MapSpec, ObjectError, Part};

/// Sections of struct_ops variables; `.link` ones are registered through a link, and a `?` only asks a loader to wait.
const SECTIONS: [(&str, u32); 4] = [
    (".struct_ops", 0),
    (".struct_ops.link", MapSpec::F_LINK),
    ("?.struct_ops", 0),
    ("?.struct_ops.link", MapSpec::F_LINK),
];

/// Section of variables in address space 1.
pub(super) const ARENA_DATA: &str = ".addr_space.1";

/// Whether a section holds struct_ops variables.
pub(super) fn is_struct_ops(name: &str) -> bool {
    SECTIONS.iter().any(|s| s.0 == name)
}

/// Makes a map of each struct_ops variable.
pub(super) fn read(reader: &mut Reader<'_>) {
    let flags = |name: &str| SECTIONS.iter().find(|s| s.0 == name).map(|s| s.1);
    let found = reader.file.sections.iter().filter_map(|s| Some((s.clone(), flags(&s.name)?)));
    for (section, flags) in found.collect::<Vec<_>>() {
        if let Err(error) = read_section(reader, &section, flags) {
            reader.problem(Part::Section, &section.name, error.in_section(&*section.name));
        }
    }
}

fn read_section(reader: &mut Reader<'_>, section: &Section<'_>, flags: u32) -> Result<(), ObjectError> {
    let datasec = reader.datasec(&section.name);
    let (btf, id) = reader.spec.btf.clone().zip(datasec).ok_or_else(|| {
        ObjectError::new("a table of functions without its type").with_hint("compile with -g")
    })?;
    let bytes = section.data()?;
    let mut vars: Vec<_> = btf.ty(id).into_iter().flat_map(|t| t.vars()).collect();
    vars.sort_by_key(|v| v.offset);
    for var in vars {
        let Some((variable, ty)) = btf.ty(var.ty).and_then(|v| Some((v, v.target()?))) else { continue };
        let at = u64::from(var.offset);
        let size = btf.size_of(ty).map_err(|e| ObjectError::new(e.to_string()).at(at))?;
        let end = u64::from(var.offset) + u64::from(size);
        let value = usize::try_from(end).ok().and_then(|end| bytes.get(var.offset as usize..end));
        let value = value
            .ok_or_else(|| ObjectError::new("the variable ends outside").at(at).on_symbol(variable.name()))?;
        reader.budget.take(value.len(), 1, "the contents of data sections")?;
        let map = reader.add_map(MapSpec {
            name: variable.name().to_owned(),
            map_type: MapType::STRUCT_OPS,
            key_size: 4,
            value_size: size,
            max_entries: 1,
            flags,
            btf_value: btf.resolve(ty).ok().map(|t| t.id()),
            initial_value: Some(value.to_vec()),
            origin: MapOrigin::StructOps,
            ..MapSpec::default()
        })?;
        reader.slots.push(Slots { section: section.index, start: var.offset, values: 0, unit: 1, map });
    }
    Ok(())
}

/// Gives an arena the variables that live in it.
pub(super) fn read_arena(reader: &mut Reader<'_>) {
    let Some(section) = reader.file.section_named(ARENA_DATA).cloned() else { return };
    let arena = reader.spec.maps.iter().position(|m| m.map_type == MapType::ARENA);
    let held = arena.ok_or_else(|| {
        ObjectError::new("variables of an arena, but no arena")
            .in_section(ARENA_DATA)
            .with_hint("define a map of type arena")
    });
    let held = held.and_then(|map| {
        let bytes = section.data()?;
        reader.budget.take(bytes.len(), 1, "the contents of data sections")?;
        reader.spec.maps[map].initial_value = (!section.is_nobits()).then(|| bytes.to_vec());
        Ok(map)
    });
    if let Err(error) = &held {
        reader.problem(Part::Section, ARENA_DATA, error.clone());
    }
    reader.places.hold(section.index, held);
}
