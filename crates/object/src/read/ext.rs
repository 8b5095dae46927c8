//! `.BTF.ext`, sorted by section and slot so that a function's records can be cut out.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use skep_btf::ext::{BtfExt, Section};
use skep_btf::{Btf, TypeId};
use skep_isa::Insn;

use crate::elf::File;
use crate::limits::Budget;
use crate::{CoreReloc, LineInfo, ObjectError};

/// Function, line and CO-RE records; `insn` counts slots of the section.
#[derive(Debug, Default)]
pub(super) struct Records {
    functions: BTreeMap<(usize, usize), TypeId>,
    lines: BTreeMap<usize, Vec<LineInfo>>,
    core: BTreeMap<usize, Vec<CoreReloc>>,
}

impl Records {
    /// Reads `.BTF.ext`. Records of sections that the file does not have are dropped.
    pub(super) fn read(
        file: &File<'_>,
        btf: &Btf,
        bytes: &[u8],
        budget: &mut Budget,
    ) -> Result<Self, ObjectError> {
        let ext = BtfExt::parse(bytes, btf).map_err(|e| {
            let error = ObjectError::new(e.to_string());
            e.offset().map_or(error.clone(), |offset| error.at(offset as u64))
        })?;
        let mut records = Self::default();
        for (section, info) in of_sections(file, btf, &ext.func_info) {
            budget.take(info.len(), size_of::<((usize, usize), TypeId)>(), "the function records")?;
            records.functions.extend(info.iter().map(|f| ((section, slot(f.insn_off)), f.type_id)));
        }
        records.read_lines(file, btf, &ext, budget)?;
        for (section, info) in of_sections(file, btf, &ext.core_relos) {
            let list = records.core.entry(section).or_default();
            for r in info {
                let access = btf.string(r.access).unwrap_or("").to_owned();
                budget.take(1, size_of::<CoreReloc>() + access.len(), "the CO-RE records")?;
                list.push(CoreReloc { insn: slot(r.insn_off), type_id: r.type_id, access, kind: r.kind });
            }
            list.sort_by_key(|r| r.insn);
        }
        Ok(records)
    }

    fn read_lines(
        &mut self,
        file: &File<'_>,
        btf: &Btf,
        ext: &BtfExt,
        budget: &mut Budget,
    ) -> Result<(), ObjectError> {
        let mut interned: HashMap<u32, Arc<str>> = HashMap::new();
        for (section, info) in of_sections(file, btf, &ext.line_info) {
            budget.take(info.len(), size_of::<LineInfo>(), "the line records")?;
            let list = self.lines.entry(section).or_default();
            for l in info {
                for offset in [l.file, l.text] {
                    if let Entry::Vacant(entry) = interned.entry(offset) {
                        let text = btf.string(offset).unwrap_or("");
                        budget.take(1, size_of::<(u32, Arc<str>)>() + text.len(), "the source lines")?;
                        entry.insert(text.into());
                    }
                }
                let (file, text) = (interned[&l.file].clone(), interned[&l.text].clone());
                list.push(LineInfo { insn: slot(l.insn_off), file, text, line: l.line, column: l.column });
            }
            // One line a slot: the kernel wants them to ascend.
            list.sort_by_key(|l| l.insn);
            list.dedup_by_key(|l| l.insn);
        }
        Ok(())
    }

    /// The FUNC that begins at a slot.
    pub(super) fn function_type(&self, section: usize, slot: usize) -> Option<TypeId> {
        self.functions.get(&(section, slot)).copied()
    }

    /// Lines of a range of slots.
    pub(super) fn lines(&self, section: usize, slots: Range<usize>) -> &[LineInfo] {
        cut(self.lines.get(&section), slots, |l| l.insn)
    }

    /// CO-RE records of a range of slots.
    pub(super) fn core(&self, section: usize, slots: Range<usize>) -> &[CoreReloc] {
        cut(self.core.get(&section), slots, |c| c.insn)
    }
}

fn slot(offset: u32) -> usize {
    offset as usize / Insn::BYTES
}

/// The tables of sections that the file has, with the index of the section.
fn of_sections<'a, T>(
    file: &'a File<'_>,
    btf: &'a Btf,
    tables: &'a [Section<T>],
) -> impl Iterator<Item = (usize, &'a [T])> {
    let named: HashMap<&str, usize> =
        file.sections.iter().rev().filter(|s| s.is_code()).map(|s| (&*s.name, s.index)).collect();
    tables.iter().filter_map(move |t| Some((*named.get(t.name(btf))?, t.records.as_slice())))
}

fn cut<T>(sorted: Option<&Vec<T>>, slots: Range<usize>, slot: impl Fn(&T) -> usize) -> &[T] {
    let Some(sorted) = sorted else { return &[] };
    let from = sorted.partition_point(|r| slot(r) < slots.start);
    let to = sorted.partition_point(|r| slot(r) < slots.end);
    &sorted[from..to]
}
