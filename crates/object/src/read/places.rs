//! Which map or extern is at a place of the file: filled while maps and externs are read, asked by relocations.

use std::collections::BTreeMap;

use super::code::Named;
use crate::ObjectError;
use crate::elf::File;

/// Maps by their place, externs by their symbol.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// (section, offset of the definition) to map, or to what is wrong with it.
    definitions: BTreeMap<(usize, u32), Result<usize, ObjectError>>,
    /// Data section to map.
    data: BTreeMap<usize, Result<usize, ObjectError>>,
    /// Symbol to extern.
    externs: BTreeMap<usize, Loaded>,
}

/// How an extern is reached by a wide load.
#[derive(Clone, Debug)]
enum Loaded {
    Extern(usize),
    Value { map: usize, offset: u32 },
    Broken(ObjectError),
}

impl Places {
    /// A map is defined here.
    pub(super) fn define(&mut self, section: usize, offset: u32, map: Result<usize, ObjectError>) {
        self.definitions.insert((section, offset), map);
    }

    /// A section is the value of a map.
    pub(super) fn hold(&mut self, section: usize, map: Result<usize, ObjectError>) {
        self.data.insert(section, map);
    }

    /// A symbol is this extern.
    pub(super) fn import(&mut self, symbol: usize, external: usize) {
        self.externs.insert(symbol, Loaded::Extern(external));
    }

    /// A symbol is a value in the `.kconfig` map.
    pub(super) fn configure(&mut self, symbol: usize, map: usize, offset: u32) {
        self.externs.insert(symbol, Loaded::Value { map, offset });
    }

    /// A symbol is an extern that can't be used.
    pub(super) fn break_import(&mut self, symbol: usize, error: ObjectError) {
        self.externs.insert(symbol, Loaded::Broken(error));
    }

    /// Whether maps are defined in a section.
    pub(super) fn defines(&self, section: usize) -> bool {
        self.definitions.range((section, 0)..=(section, u32::MAX)).next().is_some()
    }

    /// The map that is defined here.
    pub(super) fn map_at(&self, section: usize, offset: u32) -> Option<Result<usize, ObjectError>> {
        self.definitions.get(&(section, offset)).cloned()
    }

    /// The extern of a symbol that is called.
    pub(super) fn external(&self, symbol: usize) -> Result<usize, ObjectError> {
        match self.externs.get(&symbol) {
            Some(Loaded::Extern(index)) => Ok(*index),
            Some(Loaded::Broken(error)) => Err(error.clone()),
            Some(Loaded::Value { .. }) => Err(ObjectError::new("call of a configuration value")),
            None => Err(ObjectError::new("call of nothing: the symbol has no name")),
        }
    }

    /// What a wide load of an extern means.
    pub(super) fn loaded_external(&self, symbol: usize) -> Result<Named, ObjectError> {
        match self.externs.get(&symbol) {
            Some(Loaded::Extern(index)) => Ok(Named::ExternLoad(*index)),
            Some(Loaded::Value { map, offset }) => Ok(Named::Value { map: *map, offset: *offset }),
            Some(Loaded::Broken(error)) => Err(error.clone()),
            None => Err(ObjectError::new("address of nothing: the symbol has no name")),
        }
    }

    /// What a wide load of a byte of a section means.
    pub(super) fn at(&self, file: &File<'_>, section: usize, offset: u32) -> Result<Named, ObjectError> {
        if let Some(map) = self.data.get(&section) {
            return map.clone().map(|map| Named::Value { map, offset });
        }
        if let Some(map) = self.map_at(section, offset) {
            return map.map(Named::Map);
        }
        let name = file.sections.get(section).map_or("?", |s| &s.name);
        Err(ObjectError::new(format!("no map is defined at {offset:#x} of section `{name}`")))
    }
}
