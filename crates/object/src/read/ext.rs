//! `.BTF.ext`, sorted by section and slot so that a function's records can be cut out.

use std::collections::BTreeMap;
use std::ops::Range;

use skep_btf::TypeId;

use crate::{CoreReloc, LineInfo};

/// Function, line and CO-RE records; `insn` counts slots of the section.
#[derive(Debug, Default)]
pub(super) struct Records {
    functions: BTreeMap<(usize, usize), TypeId>,
    lines: BTreeMap<usize, Vec<LineInfo>>,
    core: BTreeMap<usize, Vec<CoreReloc>>,
}

impl Records {
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

fn cut<T>(sorted: Option<&Vec<T>>, slots: Range<usize>, slot: impl Fn(&T) -> usize) -> &[T] {
    let Some(sorted) = sorted else { return &[] };
    let from = sorted.partition_point(|r| slot(r) < slots.start);
    let to = sorted.partition_point(|r| slot(r) < slots.end);
    &sorted[from..to]
}
