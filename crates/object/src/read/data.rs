//! Data sections as maps: `.data`, `.rodata`, `.bss`, what begins with these names and a dot, merged strings
//! (`.rodata.str1.1`), and any other allocated section that code refers to.
//!
//! Each is an array of one value, as libbpf makes it. `.rodata` and the like are read-only to programs and
//! frozen. A section whose DATASEC has a variable that is not static can be mapped by userspace.

use std::collections::BTreeSet;

use skep_abi::MapType;
use skep_btf::{Btf, Kind, TypeId, VarLinkage};

use super::Reader;
use crate::elf::{File, Place, Section};
use crate::{MapOrigin, MapSpec, ObjectError, Part};

/// Makes the maps of data sections, in the order of the file.
pub(super) fn read(reader: &mut Reader<'_>) {
    let referenced = referenced_sections(&reader.file);
    let special = |s: &Section<'_>| reader.places.defines(s.index) || super::is_special(&s.name);
    let holds_data = |s: &&Section<'_>| {
        s.is_allocated()
            && !s.is_code()
            && s.size > 0
            && !special(s)
            && (standard(&s.name).is_some() || referenced.contains(&s.index))
    };
    let sections: Vec<Section<'_>> = reader.file.sections.iter().filter(holds_data).cloned().collect();
    for section in sections {
        let made = data_map(reader, &section);
        let made = made.map_err(|e| e.in_section(&*section.name)).and_then(|map| reader.add_map(map));
        if let Err(error) = &made {
            reader.problem(Part::Map, &section.name, error.clone());
        }
        reader.places.hold(section.index, made);
    }
}

/// What a section is by its name.
fn standard(name: &str) -> Option<MapOrigin> {
    const KINDS: [(&str, MapOrigin); 3] =
        [(".data", MapOrigin::Data), (".rodata", MapOrigin::Rodata), (".bss", MapOrigin::Bss)];
    let is =
        |stem: &str| name.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    KINDS.iter().find(|(stem, _)| is(stem)).map(|k| k.1)
}

/// Sections whose bytes code refers to.
fn referenced_sections(file: &File<'_>) -> BTreeSet<usize> {
    let code = file.sections.iter().filter(|s| s.is_code());
    let symbols = code.flat_map(|s| file.relocs(s.index)).filter_map(|r| file.symbol(r).ok());
    symbols
        .filter_map(|s| match s.place {
            Place::Section(index) => Some(index),
            _ => None,
        })
        .collect()
}

fn data_map(reader: &mut Reader<'_>, section: &Section<'_>) -> Result<MapSpec, ObjectError> {
    let value_size = u32::try_from(section.size).map_err(|_| {
        ObjectError::new(format!("{} bytes are more than a map's value can hold", section.size))
    })?;
    let by_flags = if section.is_writable() { MapOrigin::Data } else { MapOrigin::Rodata };
    let origin = match standard(&section.name) {
        // A `.bss` with bytes in the file is plain data.
        Some(MapOrigin::Bss) | None if !section.is_nobits() => by_flags,
        Some(origin) => origin,
        None => MapOrigin::Bss,
    };
    let initial_value = initial_value(reader, section)?;
    let datasec = reader.datasec(&section.name);
    let mut flags = 0;
    if origin == MapOrigin::Rodata {
        flags |= MapSpec::F_RDONLY_PROG;
    }
    if datasec.is_some_and(|id| reader.spec.btf.as_ref().is_some_and(|btf| has_shared_variable(btf, id))) {
        flags |= MapSpec::F_MMAPABLE;
    }
    Ok(MapSpec {
        name: section.name.to_string(),
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size,
        max_entries: 1,
        flags,
        btf_value: datasec,
        initial_value,
        frozen: origin == MapOrigin::Rodata,
        origin,
        ..MapSpec::default()
    })
}

fn initial_value(reader: &mut Reader<'_>, section: &Section<'_>) -> Result<Option<Vec<u8>>, ObjectError> {
    if section.is_nobits() {
        return Ok(None);
    }
    let bytes = section.data()?;
    reader.budget.take(bytes.len(), 1, "the contents of data sections")?;
    Ok(Some(bytes.to_vec()))
}

/// Whether a DATASEC has a variable that other objects or userspace may see.
pub(super) fn has_shared_variable(btf: &Btf, datasec: TypeId) -> bool {
    let vars = btf.ty(datasec).filter(|t| t.kind() == Kind::Datasec).into_iter().flat_map(|t| t.vars());
    vars.filter_map(|v| btf.ty(v.ty)).any(|v| v.var_linkage().is_some_and(|l| l != VarLinkage::Static))
}
