//! Programs to text. The listing is libpcap's to the byte, trailing blanks included.

use super::Form;
use crate::classic::{Ancillary, Insn, Op, row_of};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use core::fmt::Write;

/// The text of a program, with a line end after the last line. A code that the machine has not is printed as
/// `unimp`, as libpcap does; no form but the numeric ones takes it back.
pub fn print(insns: &[Insn], form: Form) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = match form {
        Form::Listing => listing(insns, &mut out),
        Form::C => insns
            .iter()
            .try_for_each(|i| writeln!(out, "{{ 0x{:x}, {}, {}, 0x{:08x} }},", i.code, i.jt, i.jf, i.k)),
        Form::Decimal => writeln!(out, "{}", insns.len()).and_then(|()| {
            insns.iter().try_for_each(|i| writeln!(out, "{} {} {} {}", i.code, i.jt, i.jf, i.k))
        }),
        Form::Bytecode => write!(out, "{}", insns.len())
            .and_then(|()| {
                insns.iter().try_for_each(|i| write!(out, ",{} {} {} {}", i.code, i.jt, i.jf, i.k))
            })
            .and_then(|()| writeln!(out)),
        Form::Source => source(insns, &mut out),
    };
    out
}

fn listing(insns: &[Insn], out: &mut String) -> core::fmt::Result {
    for (at, insn) in insns.iter().enumerate() {
        let (mnemonic, operand) = match row_of(insn.code) {
            Some(row) => (row.mnemonic, operand(row.tcpdump, *insn, |k| target(at, k).to_string())),
            None => ("unimp", format!("0x{:x}", insn.code)),
        };
        // The class alone decides: so does libpcap, also for codes that it does not know.
        if insn.code & 7 == 5 && insn.code & 0xf0 != 0 {
            let [jt, jf] = [insn.jt, insn.jf].map(|distance| at + 1 + usize::from(distance));
            writeln!(out, "({at:03}) {mnemonic:<8} {operand:<16} jt {jt}\tjf {jf}")?;
        } else {
            writeln!(out, "({at:03}) {mnemonic:<8} {operand}")?;
        }
    }
    Ok(())
}

fn source(insns: &[Insn], out: &mut String) -> core::fmt::Result {
    let mut labelled = vec![false; insns.len()];
    let mut mark = |at: usize, distance: u32| {
        if let Some(flag) = usize::try_from(target(at, distance)).ok().and_then(|t| labelled.get_mut(t)) {
            *flag = true;
        }
    };
    for (at, insn) in insns.iter().enumerate() {
        match Op::decode(*insn) {
            Some(Op::Jump { k }) => mark(at, k),
            Some(Op::Branch { jt, jf, .. }) => {
                mark(at, jt.into());
                mark(at, jf.into());
            }
            _ => {}
        }
    }
    for (at, insn) in insns.iter().enumerate() {
        if labelled[at] {
            writeln!(out, "l{at}:")?;
        }
        match row_of(insn.code) {
            Some(row) => {
                let text = operand(row.asm, *insn, |k| format!("l{}", target(at, k)));
                writeln!(out, "    {}", format!("{} {text}", row.mnemonic).trim_end())?;
            }
            None => writeln!(out, "    unimp 0x{:x}", insn.code)?,
        }
    }
    Ok(())
}

/// The instruction that a jump at `at` goes to. Distances wrap around, so that libpcap's loops go back.
fn target(at: usize, distance: u32) -> i32 {
    (at as u32).wrapping_add(1).wrapping_add(distance).cast_signed()
}

/// Fills a template of the table; `target` names the instruction that is so far on.
fn operand(template: &str, insn: Insn, target: impl Fn(u32) -> String) -> String {
    let signed = insn.k.cast_signed();
    let fact = Ancillary::from_offset(insn.k);
    match (template, fact) {
        ("", _) => String::new(),
        ("$abs", Some(fact)) => format!("[{}]", fact.tcpdump_name()),
        ("$fact", Some(fact)) => format!("#{}", fact.asm_names().first().unwrap_or(&fact.tcpdump_name())),
        ("$abs" | "$fact", None) => format!("[{signed}]"),
        ("$to", _) => target(insn.k),
        _ => {
            let mut out = template.to_string();
            if let Some(head) = template.strip_suffix("$jumps") {
                let [jt, jf] = [insn.jt, insn.jf].map(|distance| target(distance.into()));
                out = format!("{head}, {jt}, {jf}");
            }
            out.replace("$d", &format!("{signed}")).replace("$x", &format!("0x{:x}", insn.k))
        }
    }
}
