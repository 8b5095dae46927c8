//! Static linking: several objects become one, as `bpftool gen object` has it.
//!
//! Sections of one name are put one after the other; a strong definition takes the place of a weak one and of every
//! extern of its name, be it a function, a map or a variable; BTF and `.BTF.ext` are joined, with one DATASEC a
//! section. The result is an object again: [`Spec::from_elf`] reads it, and so does libbpf.
//!
//! Types that two objects share are not merged into one (that is deduplication): the result is right, but larger.

mod symbols;
mod types;

use std::collections::HashMap;

use object::elf;

use crate::elf::write::{OutRel, OutSection, Output};
use crate::elf::{File, Section};
use crate::limits::Budget;
use crate::{Limits, ObjectError, Spec};

use symbols::Table;

/// An object to be linked.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What errors call it; a file name, as a rule.
    pub name: &'a str,
    /// The object.
    pub bytes: &'a [u8],
}

/// Largest alignment of a section that is taken for meant.
const MAX_ALIGN: u64 = 1 << 16;

/// Links objects into one object.
///
/// # Errors
/// If an input can't be read, byte orders or licences differ, a symbol is defined twice, or a section of one name is data
/// here and zeros there.
pub fn link(inputs: &[Input<'_>]) -> Result<Vec<u8>, ObjectError> {
    let mut budget = Budget::new(&Limits::default());
    let mut linker = Linker { output: Output::default(), places: Vec::new(), by_name: HashMap::new() };
    let mut files = Vec::new();
    for input in inputs {
        let file = File::parse(input.bytes, &Limits::default(), &mut budget).map_err(|e| of(input, e))?;
        if let Some(damage) = &file.damage {
            return Err(of(input, damage.clone()));
        }
        files.push(file);
    }
    let first = files.first().ok_or_else(|| ObjectError::new("nothing to link"))?;
    linker.output.endian = first.endian;
    for (file, input) in files.iter().zip(inputs) {
        if file.endian != linker.output.endian {
            return Err(of(input, ObjectError::new("byte order differs from the first object's")));
        }
        linker.add_sections(file, &mut budget).map_err(|e| of(input, e))?;
    }
    let mut table = Table::default();
    for (n, (file, input)) in files.iter().zip(inputs).enumerate() {
        table.add(file, &linker.places[n], input.name, &mut budget).map_err(|e| of(input, e))?;
    }
    for (n, (file, input)) in files.iter().zip(inputs).enumerate() {
        linker.add_relocs(file, n, &table, &mut budget).map_err(|e| of(input, e))?;
    }
    linker.output.symbols = table.symbols;
    types::join(&files, &linker.places, &mut linker.output, &mut budget)?;
    Ok(linker.output.to_bytes())
}

impl Spec {
    /// Links objects, and reads the result.
    ///
    /// # Errors
    /// As [`link`] and [`Spec::from_elf`].
    pub fn link(inputs: &[Input<'_>]) -> Result<Self, ObjectError> {
        Self::from_elf(&link(inputs)?)
    }
}

fn of(input: &Input<'_>, error: ObjectError) -> ObjectError {
    error.in_file(input.name)
}

/// Sections of which one is enough, if the objects agree.
fn is_shared(name: &str) -> bool {
    matches!(name, "license" | "version")
}

/// Where a section went: index in the output, and offset there.
type Place = Option<(usize, u64)>;

struct Linker {
    output: Output,
    /// By input and section.
    places: Vec<Vec<Place>>,
    by_name: HashMap<String, usize>,
}

impl Linker {
    fn add_sections(&mut self, file: &File<'_>, budget: &mut Budget) -> Result<(), ObjectError> {
        let mut places = Vec::with_capacity(file.sections.len());
        for section in &file.sections {
            let kept = matches!(section.kind, elf::SHT_PROGBITS | elf::SHT_NOBITS)
                && section.is_allocated()
                && section.name != ".eh_frame";
            let place = if kept { Some(self.add_section(section, budget)?) } else { None };
            places.push(place);
        }
        self.places.push(places);
        Ok(())
    }

    fn add_section(&mut self, s: &Section<'_>, budget: &mut Budget) -> Result<(usize, u64), ObjectError> {
        let fail = |why: String| ObjectError::new(why).in_section(&*s.name);
        let data = s.data()?;
        let align = s.align.max(1);
        if !align.is_power_of_two() || align > MAX_ALIGN {
            return Err(fail(format!("alignment of {align} bytes is not possible")));
        }
        let known = self.by_name.get(&*s.name).copied();
        let index = known.unwrap_or(self.output.sections.len());
        if known.is_none() {
            self.by_name.insert(s.name.to_string(), index);
            let (name, kind) = (s.name.to_string(), s.kind);
            self.output.sections.push(OutSection { name, kind, flags: s.flags, ..OutSection::default() });
        }
        let out = &mut self.output.sections[index];
        if out.kind != s.kind {
            return Err(fail("holds bytes in one object and only zeros in another".into()));
        }
        if known.is_some() && is_shared(&s.name) {
            return match out.bytes == data {
                true => Ok((index, 0)),
                false => Err(fail("differs between the objects".into())),
            };
        }
        let too_large = || fail("is too large".into());
        let base = out.size.checked_next_multiple_of(align).ok_or_else(too_large)?;
        if !s.is_nobits() {
            budget.take(data.len() + (base - out.size) as usize, 1, "the linked sections")?;
        }
        out.size = base.checked_add(s.size).ok_or_else(too_large)?;
        out.flags |= s.flags;
        // Merged strings are data like any other from here on.
        out.flags &= !u64::from(elf::SHF_MERGE | elf::SHF_STRINGS);
        out.align = out.align.max(align);
        if !s.is_nobits() {
            out.bytes.resize(base as usize, 0);
            out.bytes.extend_from_slice(data);
        }
        Ok((index, base))
    }

    fn add_relocs(
        &mut self,
        file: &File<'_>,
        input: usize,
        table: &Table,
        budget: &mut Budget,
    ) -> Result<(), ObjectError> {
        for section in &file.sections {
            let Some(Some((index, base))) = self.places[input].get(section.index).copied() else { continue };
            let rels = file.checked_relocs(section.index).map_err(|e| e.in_section(&*section.name))?;
            budget.take(rels.len(), size_of::<OutRel>(), "the linked relocations")?;
            for rel in rels {
                let fail = |why: &str| ObjectError::new(why).in_section(&*section.name).at(rel.offset);
                let symbol = table.of(input, rel.symbol).ok_or_else(|| fail("relocation against nothing"))?;
                if rel.addend != 0 {
                    return Err(fail("relocations with addends (RELA) can't be linked"));
                }
                let offset = base.checked_add(rel.offset).ok_or_else(|| fail("offset out of range"))?;
                self.output.sections[index].relocs.push(OutRel { offset, symbol, kind: rel.kind });
            }
        }
        Ok(())
    }
}
