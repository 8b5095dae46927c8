//! The assembler: text in either dialect to slots.
//!
//! A line holds labels (`name:`), at most one instruction, and a comment after `;`, `//` or `#`. The
//! spellings of instructions are the table's; a line is matched against each of them, and where
//! none fits, the farthest that any of them got is where the error points. All errors of a text are
//! collected.
//!
//! What disassemblers print is accepted too: slot numbers (`12:`), opcodes (`(b7)`), the bytes, the headings
//! and the trailing `<name+0x10>` of llvm-objdump, the headings of `bpftool prog dump xlated`.

mod error;
mod line;
mod link;
mod matching;
mod operand;

pub(crate) use error::nearest;
pub use error::{AsmError, Finding};

use crate::insn::Insn;
use crate::text::template::{self, Template};
use crate::text::{Names, NoNames};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// How instructions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// The kernel's and LLVM's: `r0 = *(u32 *)(r1 + 4)`.
    #[default]
    Kernel,
    /// uBPF's, rbpf's and the conformance suite's: `ldxw %r0, [%r1+4]`; the `%` may be left out. A
    /// jump to `exit` goes to the first `exit` instruction if no label has that name.
    Mnemonic,
}

/// A label and the slot it stands before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Index of the slot; the number of slots if it stands at the end.
    pub slot: usize,
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
}

/// What a [`Reference`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefKind {
    /// A map: a wide load with pseudo source 1.
    Map,
    /// A place in a map's first value: a wide load with pseudo source 2; the second immediate is the offset.
    MapValue,
    /// A kernel variable: a wide load with pseudo source 3.
    Ksym,
    /// A kernel function: a call with pseudo source 2.
    Kfunc,
    /// Something that this text does not define (`r1 = name ll`): a wide load with pseudo source 0.
    Symbol,
}

/// A name that the text leaves to whoever loads the program. The immediate is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Index of the (first) slot.
    pub slot: usize,
    /// What kind of thing has that name.
    pub kind: RefKind,
    /// The name.
    pub name: String,
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
}

/// Where the instruction at a slot stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotSpan {
    /// Index of the (first) slot.
    pub slot: usize,
    /// Line, from 1.
    pub line: usize,
    /// Range in bytes, comment excluded.
    pub span: Range<usize>,
}

/// An assembled program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assembly {
    /// The slots.
    pub insns: Vec<Insn>,
    /// Labels, in the order of the text.
    pub labels: Vec<Label>,
    /// Names left open, in the order of slots.
    pub references: Vec<Reference>,
    /// Where instructions stand, in the order of slots; one entry an instruction.
    pub lines: Vec<SlotSpan>,
}

impl Assembly {
    /// Where the instruction stands that this slot is part of.
    pub fn line_of(&self, slot: usize) -> Option<&SlotSpan> {
        let after = self.lines.partition_point(|line| line.slot <= slot);
        (slot < self.insns.len()).then(|| self.lines.get(after.checked_sub(1)?)).flatten()
    }

    /// The slot of a label.
    pub fn label(&self, name: &str) -> Option<usize> {
        self.labels.iter().find(|label| label.name == name).map(|label| label.slot)
    }
}

/// Assembles a text without names for helpers; see [`Assembler`] for more.
///
/// ```
/// use skep_isa::{asm::{Dialect, assemble}, Insn};
///
/// let program = assemble("r0 = 7\nexit", Dialect::Kernel)?;
/// assert_eq!(program.insns[0], Insn { opcode: 0xb7, dst: 0, src: 0, off: 0, imm: 7 });
/// # Ok::<(), skep_isa::asm::AsmError>(())
/// ```
pub fn assemble(text: &str, dialect: Dialect) -> Result<Assembly, AsmError> {
    Assembler::new(dialect).assemble(text)
}

/// An assembler for one dialect. It may be used for any number of texts.
pub struct Assembler<'n> {
    dialect: Dialect,
    templates: Vec<Template>,
    names: &'n dyn Names,
}

impl fmt::Debug for Assembler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembler").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

impl Assembler<'static> {
    /// An assembler that knows helpers by number alone.
    pub fn new(dialect: Dialect) -> Self {
        let templates = match dialect {
            Dialect::Kernel => template::kernel(),
            Dialect::Mnemonic => template::mnemonic(),
        };
        Self { dialect, templates, names: &NoNames }
    }
}

impl<'n> Assembler<'n> {
    /// Looks helpers up here.
    pub fn names<'m>(self, names: &'m dyn Names) -> Assembler<'m> {
        Assembler { dialect: self.dialect, templates: self.templates, names }
    }

    /// Assembles a text.
    pub fn assemble(&self, text: &str) -> Result<Assembly, AsmError> {
        link::Linker::new(self, text).run()
    }
}
