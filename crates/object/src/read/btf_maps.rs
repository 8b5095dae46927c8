//! Maps that are defined by their type: variables of `.maps`, whose members say the shape.
//!
//! A number is written as the length of an array that is pointed to (`__uint`) or as the value of an
//! enumerator (`__ulong`), a type as what is pointed to (`__type`), and the contents of an outer map or of a prog
//! array as an array of pointers (`__array(values, ...)`).

use std::collections::HashMap;

use skep_abi::MapType;
use skep_btf::{Btf, Kind, TypeId, VarLinkage};

use super::Reader;
use super::initial::{POINTER, Slots};
use super::legacy::holds_maps;
use crate::elf::{File, Place, Section};
use crate::{MapOrigin, MapSpec, ObjectError, Part};

/// `BPF_MAP_TYPE_PROG_ARRAY`.
const PROG_ARRAY: MapType = MapType(3);

/// `LIBBPF_PIN_BY_NAME`.
const PIN_BY_NAME: u32 = 1;

/// Fills in what the compiler leaves to the loader: sizes of DATASECs, and offsets of their global variables.
pub(crate) fn place_variables(file: &File<'_>, btf: &mut Btf) {
    let sections: HashMap<&str, &Section<'_>> = file.sections.iter().rev().map(|s| (&*s.name, s)).collect();
    let datasecs: Vec<(TypeId, &Section<'_>)> = btf
        .own_types()
        .filter(|t| t.kind() == Kind::Datasec)
        .filter_map(|t| Some((t.id(), *sections.get(t.name())?)))
        .collect();
    let symbols: HashMap<(usize, &str), u64> = file
        .symbols
        .iter()
        .filter_map(|s| match s.place {
            Place::Section(index) if !s.is_local() => Some(((index, &*s.name), s.value)),
            _ => None,
        })
        .collect();
    for (id, section) in datasecs {
        let Ok(size) = u32::try_from(section.size) else { continue };
        let Some(datasec) = btf.ty(id) else { continue };
        // Static variables already have their offset.
        let offset = |ty: TypeId| {
            let var = btf.ty(ty).filter(|v| v.var_linkage().is_some_and(|l| l != VarLinkage::Static))?;
            symbols.get(&(section.index, var.name())).and_then(|&v| u32::try_from(v).ok())
        };
        let offsets: Vec<Option<u32>> = datasec.vars().map(|v| offset(v.ty)).collect();
        let mut offsets = offsets.into_iter();
        // The id is that of an own DATASEC, so this can't fail.
        let _ = btf.patch_datasec(id, size, |var| {
            if let Some(Some(offset)) = offsets.next() {
                var.offset = offset;
            }
        });
    }
}

/// Reads all definitions of `.maps`, in the order of the section.
pub(super) fn read(reader: &mut Reader<'_>) {
    let Some(section) = reader.file.section_named(".maps").cloned() else { return };
    let Some((btf, datasec)) = reader.spec.btf.clone().zip(reader.datasec(".maps")) else {
        let error = ObjectError::new("map definitions without types")
            .in_section(".maps")
            .with_hint("compile with -g, and strip with `llvm-strip -g`, which keeps BTF");
        reader.problem(Part::Section, ".maps", error.clone());
        let symbols: Vec<u64> = reader.file.symbols_in(section.index).map(|(_, s)| s.value).collect();
        for at in symbols.into_iter().filter_map(|v| u32::try_from(v).ok()) {
            reader.places.define(section.index, at, Err(error.clone()));
        }
        return;
    };
    let mut vars: Vec<_> = btf.ty(datasec).into_iter().flat_map(|t| t.vars()).collect();
    vars.sort_by_key(|v| v.offset);
    for var in vars {
        let Some(variable) = btf.ty(var.ty) else { continue };
        let name = variable.name();
        let parsed = definition(&btf, name, variable.target().unwrap_or_default(), Level::Outer);
        let parsed = parsed.map_err(|e| e.in_section(".maps").at(u64::from(var.offset)).on_symbol(name));
        let index = parsed.and_then(|d| {
            let index = reader.add_map(d.map)?;
            if let Some(values) = d.values {
                reader.slots.push(Slots {
                    section: section.index,
                    start: var.offset,
                    values,
                    unit: POINTER,
                    map: index,
                });
            }
            Ok(index)
        });
        if let Err(error) = &index {
            reader.problem(Part::Map, name, error.clone());
        }
        reader.places.define(section.index, var.offset, index);
    }
}

/// Whether a definition stands for itself or inside another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Outer,
    Inner,
}

struct Definition {
    map: MapSpec,
    /// Offset of `values` in the definition.
    values: Option<u32>,
}

fn definition(btf: &Btf, name: &str, id: TypeId, level: Level) -> Result<Definition, ObjectError> {
    let shape = btf.resolve(id).map_err(|e| ObjectError::new(e.to_string()))?;
    if shape.kind() != Kind::Struct {
        return Err(ObjectError::new(format!("a map is defined by a struct, not by {}", shape.kind())));
    }
    let map = MapSpec { name: name.to_owned(), origin: MapOrigin::Btf, ..MapSpec::default() };
    let mut definition = Definition { map, values: None };
    for member in shape.members() {
        let field = Field { btf, ty: member.ty, level };
        let values_at = member.bit_offset / 8;
        field
            .apply(member.name, values_at, &mut definition)
            .map_err(|e| ObjectError::new(format!("member `{}`: {e}", member.name)))?;
    }
    if definition.map.map_type == MapType(0) {
        return Err(ObjectError::new("the definition has no `type`")
            .with_hint("add `__uint(type, BPF_MAP_TYPE_...)` to the definition"));
    }
    Ok(definition)
}

struct Field<'a> {
    btf: &'a Btf,
    ty: TypeId,
    level: Level,
}

impl Field<'_> {
    fn apply(&self, name: &str, offset: u32, d: &mut Definition) -> Result<(), ObjectError> {
        let map = &mut d.map;
        match name {
            "type" => map.map_type = MapType(self.uint()?),
            "max_entries" => map.max_entries = self.uint()?,
            "map_flags" => map.flags = self.uint()?,
            "numa_node" => map.numa_node = Some(self.uint()?),
            "map_extra" => map.map_extra = self.ulong()?,
            "key_size" => agree(&mut map.key_size, self.uint()?)?,
            "value_size" => agree(&mut map.value_size, self.uint()?)?,
            "key" => {
                let (id, size) = self.pointee()?;
                map.btf_key = Some(id);
                agree(&mut map.key_size, size)?;
            }
            "value" => {
                let (id, size) = self.pointee()?;
                map.btf_value = Some(id);
                agree(&mut map.value_size, size)?;
            }
            "values" => {
                self.values(map)?;
                d.values = Some(offset);
            }
            // Other numbers than 0 and 1 are for loaders of their own (Cilium has 16).
            "pinning" => map.pin_by_name = self.uint()? == PIN_BY_NAME,
            _ => return Err(ObjectError::new("not a field of a map definition")),
        }
        Ok(())
    }

    /// `__uint`: the length of an array that is pointed to.
    fn uint(&self) -> Result<u32, ObjectError> {
        let pointer = self.resolve(self.ty)?;
        let array = pointer.target().filter(|_| pointer.kind() == Kind::Ptr);
        let array = array.map(|id| self.resolve(id)).transpose()?.and_then(|t| t.array());
        array.map(|a| a.len).ok_or_else(|| ObjectError::new("not written with `__uint`"))
    }

    /// `__ulong`: the value of the only enumerator; `__uint` is accepted too.
    fn ulong(&self) -> Result<u64, ObjectError> {
        let ty = self.resolve(self.ty)?;
        match ty.variants().next() {
            Some(variant) => Ok(variant.bits),
            None => self.uint().map(u64::from),
        }
    }

    /// `__type`: what is pointed to, and its size.
    fn pointee(&self) -> Result<(TypeId, u32), ObjectError> {
        let pointer = self.resolve(self.ty)?;
        let target = pointer.target().filter(|_| pointer.kind() == Kind::Ptr);
        let id = target.ok_or_else(|| ObjectError::new("not written with `__type`"))?;
        let size = self.btf.size_of(id).map_err(|e| ObjectError::new(e.to_string()))?;
        Ok((id, size))
    }

    /// `__array(values, ...)`: the shape of inner maps, or that of functions for a prog array.
    fn values(&self, map: &mut MapSpec) -> Result<(), ObjectError> {
        if self.level == Level::Inner {
            return Err(ObjectError::new("an inner map can't have contents of its own"));
        }
        let array = self.resolve(self.ty)?.array();
        let array = array.ok_or_else(|| ObjectError::new("not written with `__array`"))?;
        let pointer = self.resolve(array.element)?;
        let target = pointer.target().filter(|_| pointer.kind() == Kind::Ptr);
        let target = target.ok_or_else(|| ObjectError::new("elements must be pointers"))?;
        agree(&mut map.value_size, 4)?;
        if map.map_type == PROG_ARRAY {
            return match self.resolve(target)?.kind() {
                Kind::FuncProto => Ok(()),
                kind => Err(ObjectError::new(format!("a prog array holds functions, not {kind}"))),
            };
        }
        if !holds_maps(map.map_type) {
            return Err(ObjectError::new("only prog arrays and maps of maps have it")
                .with_hint("`type` must stand before `values`"));
        }
        let inner = definition(self.btf, &format!("{}.inner", map.name), target, Level::Inner)?;
        map.inner = Some(Box::new(inner.map));
        Ok(())
    }

    fn resolve(&self, id: TypeId) -> Result<skep_btf::Type<'_>, ObjectError> {
        self.btf.resolve(id).map_err(|e| ObjectError::new(e.to_string()))
    }
}

/// Sets a size that may be given twice (`key` and `key_size`), if both agree.
fn agree(size: &mut u32, given: u32) -> Result<(), ObjectError> {
    if *size != 0 && *size != given {
        return Err(ObjectError::new(format!("{given} bytes, but {} bytes were said before", *size)));
    }
    *size = given;
    Ok(())
}
