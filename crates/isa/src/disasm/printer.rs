//! What stands in the placeholders of a spelling, in each style.

use super::{Disassembler, Style};
use crate::fields::Slots;
use crate::row::Field;
use crate::text::template::Hole;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt::Write;

/// The slot at a distance from the one that follows `pc`; none before the first.
pub(super) fn place(pc: usize, distance: i32) -> Option<usize> {
    usize::try_from(pc as i64 + 1 + i64::from(distance)).ok()
}

/// Prints placeholders of one instruction.
pub(super) struct Printer<'a> {
    pub(super) dis: &'a Disassembler<'a>,
    pub(super) slots: &'a Slots,
    pub(super) pc: usize,
    pub(super) labels: &'a BTreeMap<usize, String>,
}

impl Printer<'_> {
    pub(super) fn hole(&self, out: &mut String, hole: Hole) -> core::fmt::Result {
        let s = self.slots;
        match hole {
            Hole::Dst => write!(out, "{}", s.first.dst),
            Hole::Src => write!(out, "{}", s.first.src),
            Hole::Imm => self.number(out, s.first.imm),
            Hole::Hex if self.dis.style == Style::Kernel => write!(out, "{:#x}", s.first.imm),
            Hole::Hex => self.number(out, s.first.imm),
            Hole::Imm64 if self.dis.style == Style::Llvm && s.next.imm < 0 => {
                write!(out, "-{:#x}", s.imm64().wrapping_neg())
            }
            Hole::Imm64 => write!(out, "{:#x}", s.imm64()),
            Hole::Low => write!(out, "{}", s.first.imm),
            Hole::High => write!(out, "{}", s.next.imm),
            Hole::To => self.number(out, (s.first.imm as u32 >> 16) as i32),
            Hole::From => self.number(out, s.first.imm & 0xffff),
            Hole::Mem => self.offset(out, s.first.off),
            Hole::Plus => self.plus(out, s.first.imm),
            Hole::Near => self.target(out, i32::from(s.first.off)),
            Hole::Far | Hole::Func => self.target(out, s.first.imm),
            Hole::Call => self.call(out, s.first.imm),
            Hole::Helper => self.helper(out),
            Hole::Kfunc => self.kfunc(out),
            // These stand only in spellings that are read, never in the first ones.
            Hole::Map | Hole::Ksym | Hole::Symbol => Ok(()),
        }
    }

    fn number(&self, out: &mut String, n: i32) -> core::fmt::Result {
        match self.dis.style {
            Style::Llvm if n < 0 => write!(out, "-{:#x}", n.unsigned_abs()),
            Style::Llvm => write!(out, "{n:#x}"),
            _ => write!(out, "{n}"),
        }
    }

    fn offset(&self, out: &mut String, off: i16) -> core::fmt::Result {
        match self.dis.style {
            Style::Kernel => write!(out, " {off:+}"),
            Style::Llvm if off < 0 => write!(out, " - {:#x}", off.unsigned_abs()),
            Style::Llvm => write!(out, " + {off:#x}"),
            Style::Mnemonic if off == 0 => Ok(()),
            Style::Mnemonic => write!(out, "{off:+}"),
        }
    }

    fn plus(&self, out: &mut String, imm: i32) -> core::fmt::Result {
        match self.dis.style {
            Style::Llvm if imm == 0 => Ok(()),
            _ => {
                out.push_str(" + ");
                self.number(out, imm)
            }
        }
    }

    fn target(&self, out: &mut String, distance: i32) -> core::fmt::Result {
        if let Some(label) = place(self.pc, distance).and_then(|slot| self.labels.get(&slot)) {
            out.push_str(label);
            return Ok(());
        }
        match self.dis.style {
            Style::Kernel => write!(out, "pc{distance:+}"),
            Style::Llvm if distance < 0 => write!(out, "-{:#x}", distance.unsigned_abs()),
            Style::Llvm => write!(out, "+{distance:#x}"),
            Style::Mnemonic => write!(out, "{distance:+}"),
        }
    }

    /// A bare number would be a helper.
    fn call(&self, out: &mut String, distance: i32) -> core::fmt::Result {
        let labelled = place(self.pc, distance).is_some_and(|slot| self.labels.contains_key(&slot));
        if self.dis.style == Style::Llvm && !labelled {
            out.push_str("pc");
        }
        self.target(out, distance)
    }

    fn helper(&self, out: &mut String) -> core::fmt::Result {
        let id = self.slots.first.imm;
        match self.dis.names.helper_name(id) {
            Some(name) if self.dis.style == Style::Kernel => write!(out, "{name}#{id}"),
            None if self.dis.is_log() => write!(out, "unknown#{id}"),
            _ => self.number(out, id),
        }
    }

    fn kfunc(&self, out: &mut String) -> core::fmt::Result {
        let (id, module) = (self.slots.first.imm, self.slots.first.off);
        match self.dis.names.kfunc_name(id, module) {
            Some(name) => write!(out, "{name}#{id}")?,
            None if self.dis.is_log() => write!(out, "unknown#{id}")?,
            None => write!(out, "{id}")?,
        }
        if module != 0 && !self.dis.is_log() {
            write!(out, " module {module}")?;
        }
        Ok(())
    }
}

impl Slots {
    /// Both immediates as one number.
    pub(crate) fn imm64(&self) -> u64 {
        let half = |field| u64::from(self.get(field) as u32);
        half(Field::Imm) | half(Field::NextImm) << 32
    }
}
