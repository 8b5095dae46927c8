//! Maps that were defined before BTF: a `maps` section (or `maps/NAME`, as gobpf had it) of plain structs.
//!
//! All begin with type, key size, value size and capacity. What follows depends on the size of a record, which
//! is that of the section over the number of its symbols:
//!
//! | bytes | source | then |
//! |---|---|---|
//! | 16 | earliest | nothing |
//! | 20 | libbpf's `bpf_map_def` | flags |
//! | 24, 28 | the kernel samples' `bpf_load_map_def` | flags, index of the inner map, NUMA node |
//! | 28, 36 | iproute2's `bpf_elf_map` | flags, id, pinning; then id of the inner map, index of the inner map |
//! | other | extensions of their own | flags; the rest must be zero |
//!
//! Of those with 28 bytes, iproute2's are told by an id or pinning where the samples would have zero.

use std::collections::BTreeMap;

use skep_abi::MapType;

use super::Reader;
use crate::elf::Section;
use crate::{InitialRef, MapOrigin, MapSpec, ObjectError, Part};

/// Whether a section holds legacy definitions.
pub(super) fn is_maps(name: &str) -> bool {
    name == "maps" || name.starts_with("maps/")
}

/// Map types that hold maps: array and hash of maps.
pub(super) fn holds_maps(map_type: MapType) -> bool {
    matches!(map_type.0, 12 | 13)
}

/// Reads all legacy definitions.
pub(super) fn read(reader: &mut Reader<'_>) {
    let sections: Vec<_> = reader.file.sections.iter().filter(|s| is_maps(&s.name)).cloned().collect();
    for section in sections {
        if let Err(error) = read_section(reader, &section) {
            reader.problem(Part::Section, &section.name, error.in_section(&*section.name));
        }
    }
}

struct Definition {
    map: MapSpec,
    offset: u32,
    link: Link,
}

/// How outer and inner maps find one another.
#[derive(Clone, Copy, Default)]
struct Link {
    /// iproute2: this map's id, 0 for none.
    id: u32,
    /// iproute2: the id of the inner map's definition, 0 for none.
    inner_id: u32,
    /// iproute2: the key under which this inner map is put into its outer one; all ones for nowhere.
    inner_key: u32,
    /// Kernel samples: the number of the inner map's definition in the section.
    inner_number: Option<u32>,
}

fn read_section(reader: &mut Reader<'_>, section: &Section<'_>) -> Result<(), ObjectError> {
    let bytes = section.data()?;
    let symbols = reader.file.symbols_in(section.index).map(|(_, s)| s);
    let named = symbols.filter(|s| !s.is_section() && !s.name.is_empty());
    let mut names: Vec<(u64, String)> = named.map(|s| (s.value, s.name.to_string())).collect();
    names.sort();
    names.dedup_by_key(|n| n.0);
    if names.is_empty() {
        return Err(ObjectError::new("map definitions without symbols"));
    }
    if bytes.len() % names.len() != 0 {
        let message = format!("{} bytes are no whole number of {} definitions", bytes.len(), names.len());
        return Err(ObjectError::new(message));
    }
    let size = bytes.len() / names.len();
    let iproute2 = size == 36 || size == 28 && bytes.chunks_exact(size).any(|r| is_iproute2(reader, r));
    let mut definitions = Vec::new();
    for (at, name) in &names {
        match definition(reader, bytes, *at, size, iproute2, name) {
            Ok(definition) => definitions.push(definition),
            Err(error) => {
                let error = error.in_section(&*section.name).at(*at).on_symbol(name.as_str());
                reader.problem(Part::Map, name, error.clone());
                if let Ok(at) = u32::try_from(*at) {
                    reader.places.define(section.index, at, Err(error));
                }
            }
        }
    }
    add(reader, section, definitions)
}

/// Whether a record of 28 bytes has an id or pinning, rather than the number of an inner map and a NUMA node.
fn is_iproute2(reader: &Reader<'_>, record: &[u8]) -> bool {
    let field = |n: usize| record.get(4 * n..4 * n + 4).map_or(0, |b| reader.word(b));
    let (holds_maps, on_node) = (holds_maps(MapType(field(0))), field(4) & MapSpec::F_NUMA_NODE != 0);
    field(5) != 0 && !holds_maps || field(6) != 0 && !on_node
}

fn definition(
    reader: &Reader<'_>,
    bytes: &[u8],
    at: u64,
    size: usize,
    iproute2: bool,
    name: &str,
) -> Result<Definition, ObjectError> {
    let offset = u32::try_from(at).map_err(|_| ObjectError::new("definition outside of its section"))?;
    let start = offset as usize;
    let record = start.checked_add(size).and_then(|end| bytes.get(start..end));
    let record =
        record.ok_or_else(|| ObjectError::new(format!("definition of {size} bytes ends outside")))?;
    let field = |n: usize| record.get(4 * n..4 * n + 4).map_or(0, |b| reader.word(b));
    if size < 16 {
        let message =
            format!("a definition of {size} bytes, at least 16 (type, key, value, entries) are needed");
        return Err(ObjectError::new(message));
    }
    let mut map = MapSpec {
        name: name.to_owned(),
        map_type: MapType(field(0)),
        key_size: field(1),
        value_size: field(2),
        max_entries: field(3),
        flags: field(4),
        origin: MapOrigin::Legacy,
        ..MapSpec::default()
    };
    let mut link = Link::default();
    match size {
        _ if iproute2 => {
            map.origin = MapOrigin::Iproute2;
            map.pin_by_name = field(6) != 0;
            let inner_key = if size == 36 { field(8) } else { u32::MAX };
            link = Link { id: field(5), inner_id: field(7), inner_key, inner_number: None };
        }
        24 | 28 => {
            link.inner_number = holds_maps(map.map_type).then(|| field(5));
            map.numa_node = (map.flags & MapSpec::F_NUMA_NODE != 0).then(|| field(6));
        }
        _ if record.get(20..).is_some_and(|rest| rest.iter().any(|&b| b != 0)) => {
            let message = format!("a definition of {size} bytes has an extension that is not known");
            return Err(ObjectError::new(message).with_hint("bytes after the first 20 must be zero"));
        }
        _ => {}
    }
    Ok(Definition { map, offset, link })
}

/// Adds the maps of a section, and connects outer with inner ones as iproute2 and the kernel's samples do.
fn add(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    definitions: Vec<Definition>,
) -> Result<(), ObjectError> {
    let first = reader.spec.maps.len();
    let mut by_id = BTreeMap::new();
    for (n, d) in definitions.iter().enumerate().filter(|(_, d)| d.link.id != 0) {
        by_id.entry(d.link.id).or_insert(first + n);
        reader.map_ids.entry(d.link.id).or_insert(first + n);
    }
    let links: Vec<Link> = definitions.iter().map(|d| d.link).collect();
    for definition in definitions {
        let index = reader.add_map(definition.map)?;
        reader.places.define(section.index, definition.offset, Ok(index));
    }
    let maps = &mut reader.spec.maps;
    for (n, link) in links.iter().enumerate() {
        if !holds_maps(maps[first + n].map_type) {
            continue;
        }
        let numbered = link.inner_number.map(|i| first.saturating_add(i as usize));
        let inner = numbered.or_else(|| by_id.get(&link.inner_id).copied());
        let shape = inner.and_then(|i| maps.get(i)).map(|m| MapSpec { inner: None, ..m.clone() });
        maps[first + n].inner = shape.map(Box::new);
    }
    // An inner map with an id puts itself into each outer one that takes that id.
    for (n, inner) in links.iter().enumerate() {
        if inner.id == 0 || inner.inner_id != 0 || inner.inner_key == u32::MAX {
            continue;
        }
        for (outer, link) in links.iter().enumerate() {
            if link.inner_id == inner.id && holds_maps(maps[first + outer].map_type) && outer != n {
                maps[first + outer].initial_refs.push((inner.inner_key, InitialRef::Map(first + n)));
            }
        }
    }
    Ok(())
}
