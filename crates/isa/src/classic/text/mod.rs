//! Classic programs as text: every form in which tools print and take them.
//!
//! | form | as | example |
//! |---|---|---|
//! | [`Form::Listing`] | `tcpdump -d` | `(000) ldh      [12]` |
//! | [`Form::C`] | `tcpdump -dd`, `bpf_asm -c` | `{ 0x28, 0, 0, 0x0000000c },` |
//! | [`Form::Decimal`] | `tcpdump -ddd` | the count, then `40 0 0 12` a line |
//! | [`Form::Bytecode`] | `iptables -m bpf --bytecode`, `bpf_asm` | `4,40 0 0 12,...` |
//! | [`Form::Source`] | what bpf_asm and bpfc assemble | `ldh [12]`, `jeq #0x800, l2, l5` |
//!
//! [`print()`] writes each, [`read`] takes each, [`parse`] finds out which it is. Whatever is printed of a program
//! with known codes is read back the same, but for fields that the machine ignores, which only the numeric forms keep.

mod lex;
mod numbers;
mod print;
mod source;

use super::insn::Insn;
use crate::asm::{AsmError, Finding};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

pub use print::print;

/// A form of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `tcpdump -d`: a numbered listing, with absolute jump targets.
    Listing,
    /// `tcpdump -dd`: the initialisers of a C array.
    C,
    /// `tcpdump -ddd`: decimal numbers, the count first.
    Decimal,
    /// One line: the count, then the instructions, between commas.
    Bytecode,
    /// Assembler source, with labels.
    Source,
}

/// Reads a text of a known form. A program may be longer than Linux takes, up to 65,535 instructions: that is for
/// [`check_socket`](super::check_socket) to say.
pub fn read(text: &str, form: Form) -> Result<Vec<Insn>, AsmError> {
    let mut findings = Vec::new();
    let insns = match form {
        Form::Listing | Form::Source => source::read(text, form == Form::Listing, &mut findings),
        Form::C => numbers::c(text, &mut findings),
        Form::Decimal => numbers::decimal(text, &mut findings),
        Form::Bytecode => numbers::bytecode(text, &mut findings),
    };
    if findings.is_empty() && insns.is_empty() {
        findings.push(finding(text, 0..0, "no instructions", None));
    }
    if findings.is_empty() { Ok(insns) } else { Err(AsmError::new(findings)) }
}

/// Reads a text of whichever form it has.
pub fn parse(text: &str) -> Result<Vec<Insn>, AsmError> {
    read(text, detect(text))
}

/// Which form a text has, by its first characters.
pub fn detect(text: &str) -> Form {
    let text = text.trim_start();
    let line = text.lines().next().unwrap_or_default();
    match text.bytes().next() {
        Some(b'(') => Form::Listing,
        Some(b'{') => Form::C,
        Some(b'0'..=b'9') if line.contains(',') => Form::Bytecode,
        Some(b'0'..=b'9') => Form::Decimal,
        _ => Form::Source,
    }
}

/// No text gives more instructions, since targets and counts of all forms fit in 16 bits.
const LIMIT: usize = u16::MAX as usize;

/// A finding at a range of bytes of the text.
fn finding(text: &str, span: Range<usize>, message: impl Into<String>, hint: Option<String>) -> Finding {
    let before = text.get(..span.start).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = |to: usize| text.get(start..to).map_or(1, |s| s.chars().count() + 1);
    Finding {
        line: before.matches('\n').count() + 1,
        columns: column(span.start)..column(span.end).max(column(span.start) + 1),
        span,
        message: message.into(),
        hint,
    }
}
