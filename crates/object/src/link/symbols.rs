//! One table of symbols from several: definitions meet the externs of their name.

use std::collections::HashMap;

use object::elf;

use super::Place;
use crate::ObjectError;
use crate::elf::write::OutSymbol;
use crate::elf::{self as input, File, Symbol};
use crate::limits::Budget;

/// The joined table.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) symbols: Vec<OutSymbol>,
    /// Global names, and the object that defines each.
    globals: HashMap<String, (usize, String)>,
    /// By input and symbol: index in `symbols`.
    places: Vec<Vec<Option<usize>>>,
}

impl Table {
    /// Where a symbol of an input went.
    pub(super) fn of(&self, input: usize, symbol: usize) -> Option<usize> {
        *self.places.get(input)?.get(symbol)?
    }

    /// Adds the symbols of an input, whose sections went to `sections`.
    pub(super) fn add(
        &mut self,
        file: &File<'_>,
        sections: &[Place],
        name: &str,
        budget: &mut Budget,
    ) -> Result<(), ObjectError> {
        let mut places = Vec::with_capacity(file.symbols.len());
        for symbol in &file.symbols {
            // Once in the table, once in the index of names.
            let size = size_of::<OutSymbol>() + 2 * symbol.name.len() + name.len();
            budget.take(1, size, "the linked symbols")?;
            places.push(match moved(symbol, sections) {
                Some(moved) if symbol.is_local() => self.push_local(moved),
                Some(moved) if !symbol.name.is_empty() => Some(self.add_global(moved, name)?),
                _ => None,
            });
        }
        self.places.push(places);
        Ok(())
    }

    /// The null symbol, local and nowhere, is not one.
    fn push_local(&mut self, symbol: OutSymbol) -> Option<usize> {
        symbol.section?;
        self.symbols.push(symbol);
        Some(self.symbols.len() - 1)
    }

    fn add_global(&mut self, new: OutSymbol, file: &str) -> Result<usize, ObjectError> {
        let Some((known, home)) = self.globals.get_mut(&new.name) else {
            let at = self.symbols.len();
            self.globals.insert(new.name.clone(), (at, file.to_owned()));
            self.symbols.push(new);
            return Ok(at);
        };
        let at = *known;
        let old = &mut self.symbols[at];
        let strong = |s: &OutSymbol| s.bind != elf::STB_WEAK;
        match (old.section.is_some(), new.section.is_some()) {
            // In a section that the objects share.
            (true, true) if (old.section, old.value) == (new.section, new.value) => {}
            (true, true) if strong(old) && strong(&new) => {
                return Err(ObjectError::new(format!("is defined in `{home}` already"))
                    .on_symbol(&new.name)
                    .with_hint("make one of the two static or weak"));
            }
            // The stronger one takes the name; the other stays as a local, since its code is still there.
            (true, true) if strong(&new) => {
                let weak = std::mem::replace(old, new);
                *home = file.to_owned();
                self.symbols.push(OutSymbol { bind: elf::STB_LOCAL, ..weak });
            }
            (true, true) => self.symbols.push(OutSymbol { bind: elf::STB_LOCAL, ..new }),
            (false, true) => {
                *old = new;
                *home = file.to_owned();
            }
            (false, false) if strong(&new) => old.bind = new.bind,
            (true | false, false) => {}
        }
        Ok(at)
    }
}

/// A symbol at its place in the output; `None` for those of sections that are not kept.
fn moved(symbol: &Symbol<'_>, sections: &[Place]) -> Option<OutSymbol> {
    let (section, base) = match symbol.place {
        input::Place::Undefined => (None, 0),
        input::Place::Section(index) => {
            let (section, base) = (*sections.get(index)?)?;
            (Some(section), base)
        }
        input::Place::Special(_) => return None,
    };
    Some(OutSymbol {
        name: symbol.name.to_string(),
        value: symbol.value.wrapping_add(base),
        size: symbol.size,
        kind: symbol.kind,
        bind: symbol.bind,
        other: symbol.other,
        section,
    })
}
