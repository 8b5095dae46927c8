//! The functions of the code sections: where each begins and ends, and whether it is a program of its own.
//!
//! Bounds come from FUNC symbols. Clang before 9 wrote functions as NOTYPE symbols, so a section without FUNC
//! symbols is cut at its global symbols, and one without those is a single function named after the section.
//!
//! As libbpf has it, functions in `.text` are subprograms and those elsewhere are programs. A local (static) function
//! outside of `.text`, which libbpf refuses, is a subprogram if some code refers to it, else a program (Falco's
//! are). An object with code in `.text` alone has its global functions there as programs, since it
//! could have none otherwise.

use std::collections::BTreeSet;

use skep_isa::{Endian, Insn};

use crate::ObjectError;
use crate::elf::{File, Section, Symbol};
use crate::limits::Budget;

/// All functions, by section and place.
#[derive(Debug, Default)]
pub(super) struct Functions {
    list: Vec<Function>,
    sections: Vec<CodeSection>,
}

/// A code section's slots.
#[derive(Debug)]
pub(super) struct CodeSection {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) insns: Vec<Insn>,
}

/// A function: a range of slots of a code section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// Index into the ELF file's sections.
    pub(super) section: usize,
    /// First slot in the section.
    pub(super) start: usize,
    /// One past its last slot.
    pub(super) end: usize,
    /// A program, rather than a subprogram; of local ones only what refers to them tells.
    is_program: bool,
    /// A static function.
    is_local: bool,
    is_text: bool,
}

/// A function, by its index in [`Functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FnId(pub(super) usize);

impl Functions {
    /// Finds the functions; a section that can't be cut is reported and left out.
    pub(super) fn find(
        file: &File<'_>,
        budget: &mut Budget,
        report: &mut dyn FnMut(&str, ObjectError),
    ) -> Result<Self, ObjectError> {
        let mut found = Self::default();
        for section in file.sections.iter().filter(|s| s.is_code() && s.size > 0) {
            let bytes = match section.data() {
                Ok(bytes) => bytes,
                Err(error) => {
                    report(&section.name, error);
                    continue;
                }
            };
            budget.take(bytes.len() / Insn::BYTES, size_of::<Insn>(), "the code")?;
            match cut(file, section, bytes) {
                Ok(functions) => {
                    let names: usize = functions.iter().map(|f| f.name.len()).sum();
                    budget.take(functions.len(), size_of::<Function>(), "the functions")?;
                    budget.take(names, 1, "the functions' names")?;
                    found.list.extend(functions);
                }
                Err(error) => {
                    report(&section.name, error.in_section(&*section.name));
                    continue;
                }
            }
            let insns = slots(bytes, file.endian);
            found.sections.push(CodeSection { index: section.index, name: section.name.to_string(), insns });
        }
        found.choose_programs();
        Ok(found)
    }

    fn choose_programs(&mut self) {
        if self.list.iter().any(|f| !f.is_text) {
            self.list.iter_mut().filter(|f| f.is_text).for_each(|f| f.is_program = false);
        }
    }

    /// The function with this id.
    pub(super) fn get(&self, id: FnId) -> Option<&Function> {
        self.list.get(id.0)
    }

    /// Programs, in file order: a local function is one if it is not in `.text`, and not among the functions that
    /// some code refers to.
    pub(super) fn programs(&self, referenced: &BTreeSet<FnId>) -> Vec<FnId> {
        let standing_alone = |id: FnId, f: &Function| f.is_local && !f.is_text && !referenced.contains(&id);
        let all = self.list.iter().enumerate().map(|(i, f)| (FnId(i), f));
        all.filter(|(id, f)| f.is_program || standing_alone(*id, f)).map(|(id, _)| id).collect()
    }

    /// The function that begins at a slot of a section.
    pub(super) fn starting_at(&self, section: usize, slot: usize) -> Option<FnId> {
        self.list.binary_search_by_key(&(section, slot), |f| (f.section, f.start)).ok().map(FnId)
    }

    /// Name of the function that holds a slot.
    pub(super) fn around(&self, section: usize, slot: usize) -> Option<&str> {
        let next = self.list.partition_point(|f| (f.section, f.start) <= (section, slot));
        let f = self.list.get(next.checked_sub(1)?)?;
        (f.section == section && slot < f.end).then_some(f.name.as_str())
    }

    /// The slots of a section.
    pub(super) fn code(&self, section: usize) -> Option<&CodeSection> {
        self.sections.binary_search_by_key(&section, |s| s.index).ok().map(|i| &self.sections[i])
    }

    /// All code sections.
    pub(super) fn sections(&self) -> &[CodeSection] {
        &self.sections
    }
}

fn slots(bytes: &[u8], endian: Endian) -> Vec<Insn> {
    let (chunks, _) = bytes.as_chunks::<{ Insn::BYTES }>();
    chunks.iter().map(|c| Insn::from_bytes(*c, endian)).collect()
}

/// Cuts a section at its functions' symbols.
fn cut(file: &File<'_>, section: &Section<'_>, bytes: &[u8]) -> Result<Vec<Function>, ObjectError> {
    if !bytes.len().is_multiple_of(Insn::BYTES) {
        return Err(ObjectError::new(format!("{} bytes are no whole number of instructions", bytes.len())));
    }
    let slots = bytes.len() / Insn::BYTES;
    let mut starts: Vec<&Symbol<'_>> =
        file.symbols_in(section.index).map(|(_, s)| s).filter(|s| s.is_function()).collect();
    if starts.is_empty() {
        let named = |s: &&Symbol<'_>| !s.is_local() && !s.is_section() && !s.name.is_empty();
        starts = file.symbols_in(section.index).map(|(_, s)| s).filter(named).collect();
    }
    if starts.is_empty() {
        return Ok(vec![Function {
            name: section.name.to_string(),
            section: section.index,
            start: 0,
            end: slots,
            is_program: true,
            is_local: false,
            is_text: section.name == ".text",
        }]);
    }
    starts.sort_by_key(|s| s.value);
    starts.dedup_by_key(|s| s.value);
    let ends = starts.iter().skip(1).map(|s| s.value).chain([bytes.len() as u64]).collect::<Vec<_>>();
    starts.iter().zip(ends).map(|(s, next)| function(section, s, next)).collect()
}

/// A function from its symbol; it ends with its size, or where the next begins if it has none.
fn function(section: &Section<'_>, symbol: &Symbol<'_>, next: u64) -> Result<Function, ObjectError> {
    let end = if symbol.size == 0 { Some(next) } else { symbol.value.checked_add(symbol.size) };
    let slot = Insn::BYTES as u64;
    let whole = |offset: u64| offset.is_multiple_of(slot);
    match end {
        Some(end) if end <= next && symbol.value < end && whole(symbol.value) && whole(end) => Ok(Function {
            name: symbol.name.to_string(),
            section: section.index,
            start: (symbol.value / slot) as usize,
            end: (end / slot) as usize,
            is_program: !symbol.is_local(),
            is_local: symbol.is_local(),
            is_text: section.name == ".text",
        }),
        _ => Err(ObjectError::new(format!(
            "a function of {} bytes does not fit between its start and {next:#x}",
            symbol.size
        ))
        .at(symbol.value)
        .on_symbol(&*symbol.name)),
    }
}
