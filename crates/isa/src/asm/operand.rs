//! Reading the operands that stand in a spelling's placeholders.
//!
//! Numbers: decimal ones must fit the field as signed numbers; hexadecimal ones may also be its bit
//! pattern (`0xffffffff` for -1), which is what disassemblers print.

use super::matching::{Attempt, Link, Want};
use crate::row::Field;
use crate::text::lex::{Kind, Token, number};
use crate::text::template::Hole;
use alloc::format;
use alloc::string::{String, ToString};

type Read = Result<(), Want>;

/// Reads what stands in the place of `hole`.
pub(super) fn read(a: &mut Attempt<'_, '_>, hole: Hole) -> Read {
    match hole {
        // A register's hole is part of its piece.
        Hole::Dst | Hole::Src => Err(Want::Kind("a register")),
        Hole::Imm | Hole::Hex | Hole::Low => immediate(a, Field::Imm),
        Hole::High => immediate(a, Field::NextImm),
        Hole::Imm64 => immediate64(a),
        Hole::To => half(a, 16),
        Hole::From => half(a, 0),
        Hole::Mem => after_base(a, Field::Off, 16, "an offset"),
        Hole::Plus => after_base(a, Field::Imm, 32, "an immediate"),
        Hole::Near => target(a, hole, Field::Off, 16),
        Hole::Far | Hole::Call | Hole::Func => target(a, hole, Field::Imm, 32),
        Hole::Helper => helper(a),
        Hole::Kfunc => kfunc(a),
        Hole::Map | Hole::Ksym => name(a, hole, "the name of a map"),
        Hole::Symbol => name(a, hole, "a label"),
    }
}

fn wrong<T>(message: String, hint: Option<&str>) -> Result<T, Want> {
    Err(Want::Wrong { message, hint: hint.map(ToString::to_string) })
}

/// The magnitude that a token stands for, and whether it is hexadecimal.
fn magnitude(token: Option<Token<'_>>) -> Result<(u64, bool), Want> {
    match token.filter(|token| token.kind == Kind::Number) {
        None => Err(Want::Kind("a number")),
        Some(token) => match number(token.text) {
            Some(found) => Ok(found),
            None => wrong(format!("`{}` is not a number of at most 64 bits", token.text), None),
        },
    }
}

/// A number of `bits` bits with an optional sign. On an error the position stays where it was.
fn signed(a: &mut Attempt<'_, '_>, bits: u32, what: &str) -> Result<i64, Want> {
    let start = a.at;
    let negative = a.take("-");
    if !negative {
        a.take("+");
    }
    let signed = negative || a.at > start;
    let token = a.peek();
    let result = magnitude(token).and_then(|(n, hex)| fit(n, negative, hex && !signed, bits, what));
    match result {
        Ok(n) => {
            a.at += 1;
            Ok(n)
        }
        Err(want) => {
            if matches!(want, Want::Kind(_)) {
                a.at = start;
            }
            Err(want)
        }
    }
}

fn fit(n: u64, negative: bool, pattern: bool, bits: u32, what: &str) -> Result<i64, Want> {
    let value = if negative { -i128::from(n) } else { i128::from(n) };
    let half = 1i128 << (bits - 1);
    if (-half..half).contains(&value) {
        return Ok(value as i64);
    }
    if pattern && value < 2 * half {
        return Ok((value - 2 * half) as i64);
    }
    let hint = match bits {
        32 if what == "an immediate" && value < 2 * half && value > 0 => {
            Some("a hexadecimal number is taken as the bit pattern")
        }
        32 if what == "an immediate" => Some("a wide load takes 64 bits: `r1 = N ll`, `lddw r1, N`"),
        16 if what == "a jump" => Some("`gotol` reaches farther"),
        _ => None,
    };
    wrong(format!("{value} does not fit {what} of {bits} bits ({} to {})", -half, half - 1), hint)
}

fn immediate(a: &mut Attempt<'_, '_>, field: Field) -> Read {
    let value = signed(a, 32, "an immediate")?;
    a.slots.set(field, value as i32);
    Ok(())
}

fn immediate64(a: &mut Attempt<'_, '_>) -> Read {
    let start = a.at;
    let negative = a.take("-");
    let (n, _) = magnitude(a.peek()).inspect_err(|_| a.at = start)?;
    if negative && n > 1 << 63 {
        return wrong(format!("-{n} does not fit 64 bits"), None);
    }
    let value = if negative { n.wrapping_neg() } else { n };
    a.at += 1;
    a.slots.set(Field::Imm, value as i32);
    a.slots.set(Field::NextImm, (value >> 32) as i32);
    Ok(())
}

fn half(a: &mut Attempt<'_, '_>, shift: u32) -> Read {
    let (n, _) = magnitude(a.peek())?;
    let Ok(n) = u16::try_from(n) else {
        return wrong(format!("{n} does not fit an address space of 16 bits"), None);
    };
    a.at += 1;
    let imm = a.slots.get(Field::Imm) as u32 | u32::from(n) << shift;
    a.slots.set(Field::Imm, imm as i32);
    Ok(())
}

/// `+4`, `- 4`, `+ -4`, or nothing.
fn after_base(a: &mut Attempt<'_, '_>, field: Field, bits: u32, what: &str) -> Read {
    let Some(sign) = a.peek().filter(|token| matches!(token.text, "+" | "-")) else {
        return Ok(());
    };
    // After a plus, a number may have a sign of its own, or be the bit pattern of a negative one.
    a.at += usize::from(sign.text == "+");
    let value = signed(a, bits, what)?;
    a.slots.set(field, value as i32);
    Ok(())
}

/// `pc+3`, `+3`, or a label.
fn target(a: &mut Attempt<'_, '_>, hole: Hole, field: Field, bits: u32) -> Read {
    let start = a.at;
    let pc = a.take("pc");
    if a.peek().is_some_and(|token| matches!(token.text, "+" | "-")) {
        let value = signed(a, bits, if hole == Hole::Near { "a jump" } else { "a distance" })?;
        a.slots.set(field, value as i32);
        return Ok(());
    }
    if pc {
        a.at = start;
    }
    if a.peek().is_some_and(|token| token.kind == Kind::Number) {
        if hole == Hole::Call {
            // `call local 5`, as uBPF writes.
            return immediate(a, field);
        }
        let hint = Some("write the distance with its sign, as in `+3`, or a label");
        return wrong("a jump's target is no absolute number".to_string(), hint);
    }
    name(a, hole, "a label")
}

fn name(a: &mut Attempt<'_, '_>, hole: Hole, what: &'static str) -> Read {
    match a.peek() {
        Some(token) if token.kind == Kind::Word && !token.is_register() => {
            a.link = Some(Link { hole, name: token.text.to_string(), span: token.span() });
            a.at += 1;
            Ok(())
        }
        _ => Err(Want::Kind(what)),
    }
}

/// `5`, `-1`, `name` or `name#5`; the number counts where both are given.
fn helper(a: &mut Attempt<'_, '_>) -> Read {
    let Some(word) = a.peek().filter(|token| token.kind == Kind::Word) else {
        if a.peek().is_some_and(|token| token.text == "+") {
            return Err(Want::Kind("a helper"));
        }
        return immediate(a, Field::Imm);
    };
    if a.tokens.get(a.at + 1).is_some_and(|token| token.text == "#") {
        a.at += 2;
        return immediate(a, Field::Imm);
    }
    match a.names.helper_id(word.text) {
        Some(id) => {
            a.slots.set(Field::Imm, id);
            a.at += 1;
            Ok(())
        }
        None => Err(Want::Kind("a helper")),
    }
}

/// As a helper, or a name that is left open; then `module N`.
fn kfunc(a: &mut Attempt<'_, '_>) -> Read {
    let word = a.peek().is_some_and(|token| token.kind == Kind::Word);
    let numbered = a.tokens.get(a.at + 1).is_some_and(|token| token.text == "#");
    if word && !numbered {
        name(a, Hole::Kfunc, "the name of a kernel function")?;
    } else {
        a.at += if word { 2 } else { 0 };
        immediate(a, Field::Imm)?;
    }
    if a.take("module") {
        let value = signed(a, 16, "a module's index")?;
        a.slots.set(Field::Off, value as i32);
    }
    Ok(())
}
