//! The disassembler: slots to text, by the spellings of the table.
//!
//! What it prints, the assembler of the same dialect reads back to the same slots, but for
//! [`Disassembler::log`], which prints what the kernel prints, and the kernel does not print all.

mod printer;

use crate::decode::{DecodeError, find, locate};
use crate::insn::Insn;
use crate::op::Op;
use crate::row::Row;
use crate::text::template::segments;
use crate::text::{Names, NoNames};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use printer::{Printer, place};

/// Whose spelling is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Style {
    /// The kernel's, as in the verifier's log: `r0 = *(u32 *)(r1 +4)`.
    #[default]
    Kernel,
    /// LLVM's, as llvm-objdump prints at cpu v4: `w0 = *(u32 *)(r1 + 0x4)`. Calls that are not to
    /// helpers are spelled so that they can be told apart, which LLVM does not do.
    Llvm,
    /// The mnemonic dialect: `ldxw %r0, [%r1+4]`.
    Mnemonic,
}

/// One instruction of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Index of its first slot.
    pub slot: usize,
    /// How many slots it takes; 1 if they do not decode.
    pub slots: usize,
    /// The label that stands before it.
    pub label: Option<String>,
    /// The instruction, or why there is none.
    pub text: Result<String, DecodeError>,
}

/// Prints instructions in one style.
#[derive(Clone, Copy)]
pub struct Disassembler<'n> {
    style: Style,
    names: &'n dyn Names,
    labels: bool,
    log: bool,
    loose: bool,
}

impl core::fmt::Debug for Disassembler<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Disassembler").field("style", &self.style).finish_non_exhaustive()
    }
}

/// Prints a whole program with labels, one instruction a line. What does not decode is a comment
/// that says why.
///
/// ```
/// use skep_isa::{Insn, disasm::{Style, disassemble}};
///
/// let load = Insn { opcode: 0x61, dst: 0, src: 1, off: 4, imm: 0 };
/// assert_eq!(disassemble(&[load], Style::Kernel), "r0 = *(u32 *)(r1 +4)\n");
/// assert_eq!(disassemble(&[load], Style::Mnemonic), "ldxw %r0, [%r1+4]\n");
/// ```
pub fn disassemble(insns: &[Insn], style: Style) -> String {
    Disassembler::new(style).labels(true).program(insns)
}

impl Disassembler<'static> {
    /// A disassembler that knows no names and prints distances, not labels.
    pub fn new(style: Style) -> Self {
        Self { style, names: &NoNames, labels: false, log: false, loose: false }
    }
}

impl<'n> Disassembler<'n> {
    /// Takes names of helpers, kernel functions and labels from here.
    pub fn names<'m>(self, names: &'m dyn Names) -> Disassembler<'m> {
        Disassembler { style: self.style, names, labels: self.labels, log: self.log, loose: self.loose }
    }

    /// Prints labels instead of distances: those that [`Names::label`] knows, else `L` and the slot.
    #[must_use]
    pub const fn labels(mut self, on: bool) -> Self {
        self.labels = on;
        self
    }

    /// Prints as the verifier's log does: slot numbers, opcodes (`(b7) r0 = 1`), wide loads without
    /// their source, calls as `name#number`. For [`Style::Kernel`]; without effect on others.
    #[must_use]
    pub const fn log(mut self, on: bool) -> Self {
        self.log = on;
        self
    }

    /// Prints what no program may hold, but the kernel makes of one while it loads it: r11, and numbers in fields that
    /// are nought in programs.
    #[must_use]
    pub const fn loose(mut self, on: bool) -> Self {
        self.loose = on;
        self
    }

    /// The instruction at slot `pc`, targets as distances.
    pub fn insn(&self, insns: &[Insn], pc: usize) -> Result<String, DecodeError> {
        self.render(insns, pc, &BTreeMap::new())
    }

    /// A listing, instruction by instruction.
    pub fn lines<'a>(&'a self, insns: &'a [Insn]) -> impl Iterator<Item = Line> + 'a {
        let labels = if self.labels { self.find_labels(insns) } else { BTreeMap::new() };
        let mut pc = 0;
        core::iter::from_fn(move || {
            let insn = insns.get(pc)?;
            let text = self.render(insns, pc, &labels);
            let slots = if text.is_ok() && insn.is_wide() { 2 } else { 1 };
            let line = Line { slot: pc, slots, label: labels.get(&pc).cloned(), text };
            pc += slots;
            Some(line)
        })
    }

    /// A listing as text; what does not decode is a comment that says why.
    pub fn program(&self, insns: &[Insn]) -> String {
        let mut out = String::new();
        for line in self.lines(insns) {
            if let Some(label) = &line.label {
                out.push_str(label);
                out.push_str(":\n");
            }
            if self.is_log() {
                out.push_str(&format!("{}: ", line.slot));
            }
            match line.text {
                Ok(text) => out.push_str(&text),
                Err(error) => out.push_str(&format!("; {error}")),
            }
            out.push('\n');
        }
        out
    }

    fn is_log(&self) -> bool {
        self.log && self.style == Style::Kernel
    }

    /// Labels of all slots that are jumped to, called, or taken the address of, if an instruction begins there.
    fn find_labels(&self, insns: &[Insn]) -> BTreeMap<usize, String> {
        let mut starts = alloc::vec![false; insns.len()];
        let mut targets = alloc::collections::BTreeSet::new();
        let mut pc = 0;
        while pc < insns.len() {
            starts[pc] = true;
            let op = crate::decode::decode(insns, pc);
            targets.extend(op.as_ref().ok().and_then(Op::target_distance).and_then(|d| place(pc, d)));
            pc += op.map_or(1, |op| op.slots());
        }
        let landed = targets.into_iter().filter(|&slot| starts.get(slot) == Some(&true));
        landed.map(|slot| (slot, self.label_name(slot))).collect()
    }

    fn label_name(&self, slot: usize) -> String {
        self.names.label(slot).map_or_else(|| format!("L{slot}"), ToString::to_string)
    }

    fn render(
        &self,
        insns: &[Insn],
        pc: usize,
        labels: &BTreeMap<usize, String>,
    ) -> Result<String, DecodeError> {
        let (row, slots) = if self.loose { find(insns, pc)? } else { locate(insns, pc)? };
        let mut out = String::new();
        if self.is_log() {
            out.push_str(&format!("({:02x}) ", row.opcode));
            if row.is_wide() {
                out.push_str(&format!("r{} = {:#x}", slots.first.dst, slots.imm64()));
                return Ok(out);
            }
        }
        let printer = Printer { dis: self, slots: &slots, pc, labels };
        for (i, (text, hole)) in segments(self.spelling(row)).enumerate() {
            // The first word of a mnemonic may have alternatives.
            match text.split_once('|').filter(|_| i == 0 && self.style == Style::Mnemonic) {
                Some((word, rest)) => {
                    out.push_str(word);
                    out.push_str(&rest[rest.find(' ').unwrap_or(rest.len())..]);
                }
                None => out.push_str(text),
            }
            if let Some(hole) = hole {
                // Writing to a String does not fail.
                let _ = printer.hole(&mut out, hole);
            }
        }
        Ok(out)
    }

    fn spelling(&self, row: &Row) -> &'static str {
        let all = if self.style == Style::Mnemonic { row.mnemonic } else { row.kernel };
        let index = usize::from(self.style == Style::Llvm && all.len() > 1);
        match self.log && row.name == "call_kfunc" {
            true => "call $kfunc",
            false => all.get(index).copied().unwrap_or(row.name),
        }
    }
}

/// The kernel's spelling, without names.
impl core::fmt::Display for Op {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let text = self.encode().ok().and_then(|slots| Disassembler::new(Style::Kernel).insn(&slots, 0).ok());
        match text {
            Some(text) => f.write_str(&text),
            None => core::fmt::Debug::fmt(self, f),
        }
    }
}

impl Op {
    /// The distance of whatever this instruction names in the program: a jump's or call's target, a
    /// subprogram's address; in slots from the following one (of a wide load, from its second slot).
    pub fn target_distance(&self) -> Option<i32> {
        crate::validate::target(self).map(|(_, distance)| distance)
    }
}
