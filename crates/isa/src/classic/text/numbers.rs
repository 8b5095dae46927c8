//! The numeric forms: four numbers an instruction.

use super::{LIMIT, finding};
use crate::asm::Finding;
use crate::classic::Insn;
use alloc::format;
use alloc::vec::Vec;

/// `{ 0x28, 0, 0, 0x0000000c },` and so on.
pub(super) fn c(text: &str, findings: &mut Vec<Finding>) -> Vec<Insn> {
    let mut out = Vec::new();
    for piece in text.split_inclusive('}') {
        let Some((before, inside)) = piece.split_once('{') else {
            if !piece.trim_matches([',', ' ', '\t', '\r', '\n', ';', '}']).is_empty() {
                report(text, piece, "expected `{ code, jt, jf, k }`", findings);
            }
            continue;
        };
        if !before.trim_matches([',', ' ', '\t', '\r', '\n']).is_empty() {
            report(text, before, "expected `{ code, jt, jf, k }`", findings);
        }
        push(text, inside.trim_end_matches('}'), ',', &mut out, findings);
        if full(&out, findings) {
            break;
        }
    }
    out
}

/// The count in the first line, then an instruction a line.
pub(super) fn decimal(text: &str, findings: &mut Vec<Finding>) -> Vec<Insn> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    counted(text, lines.next().unwrap_or_default(), lines, findings)
}

/// The count and the instructions between commas.
pub(super) fn bytecode(text: &str, findings: &mut Vec<Finding>) -> Vec<Insn> {
    let mut pieces = text.split(',').filter(|piece| !piece.trim().is_empty());
    counted(text, pieces.next().unwrap_or_default(), pieces, findings)
}

fn counted<'t>(
    text: &'t str,
    count: &'t str,
    rest: impl Iterator<Item = &'t str>,
    findings: &mut Vec<Finding>,
) -> Vec<Insn> {
    let mut out = Vec::new();
    for piece in rest {
        push(text, piece, ' ', &mut out, findings);
        if full(&out, findings) {
            return out;
        }
    }
    match count.trim().parse::<usize>() {
        Ok(n) if n == out.len() || !findings.is_empty() => {}
        Ok(n) => report(text, count, format!("says {n} instructions, {} follow", out.len()), findings),
        Err(_) => report(text, count, "expected the number of instructions", findings),
    }
    out
}

/// Whether to stop: too long, or too much is wrong.
fn full(out: &[Insn], findings: &[Finding]) -> bool {
    out.len() >= LIMIT || findings.len() >= crate::asm::AsmError::MAX_FINDINGS
}

fn push(text: &str, piece: &str, separator: char, out: &mut Vec<Insn>, findings: &mut Vec<Finding>) {
    let parts = piece.split(|c: char| c == separator || (separator == ' ' && c.is_whitespace()));
    let mut numbers = parts.map(str::trim).filter(|part| !part.is_empty()).map(super::lex::number);
    let mut next = || numbers.next().flatten();
    let mut insn = || -> Option<Insn> {
        let insn = Insn {
            code: u16::try_from(next()?).ok()?,
            jt: u8::try_from(next()?).ok()?,
            jf: u8::try_from(next()?).ok()?,
            k: next()?,
        };
        Some(insn)
    };
    match insn() {
        Some(insn) if numbers.next().is_none() => out.push(insn),
        _ => report(text, piece, "expected four numbers: code, jt, jf, k", findings),
    }
}

/// `piece` is a part of `text`.
fn report(text: &str, piece: &str, message: impl Into<alloc::string::String>, findings: &mut Vec<Finding>) {
    let part = piece.trim();
    let start = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    findings.push(finding(text, start..start + part.len(), message, None));
}
