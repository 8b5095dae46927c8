//! Matching the tokens of an instruction against the table's spellings.
//!
//! Every spelling is tried. Where none fits, the [`Miss`] keeps what those that got farthest would
//! have taken next: that is the error.

use super::error::nearest;
use super::operand;
use crate::fields::Slots;
use crate::row::{Field, Row};
use crate::text::Names;
use crate::text::lex::{Kind, Token};
use crate::text::template::{Hole, Piece, Template};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

/// A name in an instruction that is resolved when all labels are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) hole: Hole,
    pub(super) name: String,
    pub(super) span: Range<usize>,
}

/// What did not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// This text.
    Literal(&'static str),
    /// Something of this kind.
    Kind(&'static str),
    /// The token has the right form, but this is wrong with it.
    Wrong { message: String, hint: Option<String> },
}

/// The farthest that any spelling got.
#[derive(Clone, Debug, Default)]
pub(super) struct Miss {
    at: usize,
    wants: Vec<Want>,
}

impl Miss {
    fn note(&mut self, at: usize, want: Want) {
        if at > self.at {
            self.wants.clear();
            self.at = at;
        }
        if at == self.at && !self.wants.contains(&want) {
            self.wants.push(want);
        }
    }
}

/// An error before it has a line.
#[derive(Clone, Debug)]
pub(super) struct Complaint {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// One try of one spelling.
pub(super) struct Attempt<'a, 't> {
    pub(super) tokens: &'a [Token<'t>],
    pub(super) names: &'a dyn Names,
    pub(super) at: usize,
    pub(super) slots: Slots,
    pub(super) link: Option<Link>,
    registers: u8,
}

/// An instruction that fits a spelling.
#[derive(Debug)]
pub(super) struct Matched {
    pub(super) row: &'static Row,
    pub(super) slots: Slots,
    pub(super) link: Option<Link>,
}

impl<'t> Attempt<'_, 't> {
    pub(super) fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).copied()
    }

    /// Takes the next token if it is this symbol or word.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.text == text);
        self.at += usize::from(found);
        found
    }

    fn piece(&mut self, piece: Piece) -> Result<(), Want> {
        match piece {
            Piece::Literal(text) if self.take(text) => Ok(()),
            Piece::Literal(text) => Err(Want::Literal(text)),
            Piece::Register(letter, field) => self.register(letter, field),
            Piece::Hole(hole) => operand::read(self, hole),
        }
    }

    fn register(&mut self, letter: &'static str, field: Field) -> Result<(), Want> {
        let want = Want::Kind(if letter == "w" { "a register w0 to w10" } else { "a register r0 to r10" });
        let Some(token) = self.peek().filter(|token| token.is_register() && token.text.starts_with(letter))
        else {
            return Err(want);
        };
        let number = token.text[1..].parse::<u8>().ok().filter(|n| *n <= 10 && token.text.len() < 4);
        let Some(number) = number else {
            let hint = Some("registers are r0 to r10".to_string());
            return Err(Want::Wrong { message: format!("there is no register `{}`", token.text), hint });
        };
        let number = i32::from(number);
        if self.registers & field.bit() != 0 && self.slots.get(field) != number {
            let message = format!("expected `{letter}{}` again", self.slots.get(field));
            return Err(Want::Wrong { message, hint: None });
        }
        self.registers |= field.bit();
        self.slots.set(field, number);
        self.at += 1;
        Ok(())
    }
}

/// The kernel's log leaves the `ll` of a wide load out; the opcode before it tells.
const WIDE: &str = "ll";

fn attempt(
    template: &Template,
    tokens: &[Token<'_>],
    names: &dyn Names,
    logged: bool,
    miss: &mut Miss,
) -> Option<Matched> {
    let slots = template.row.template();
    let mut attempt = Attempt { tokens, names, at: 0, slots, link: None, registers: 0 };
    let mut pieces = template.pieces.as_slice();
    let wide = pieces.last() == Some(&Piece::Literal(WIDE));
    let ends_wide = tokens.last().is_some_and(|token| token.text == WIDE);
    if wide && logged && !ends_wide {
        pieces = &pieces[..pieces.len() - 1];
    }
    for &piece in pieces {
        // What is wrong with a line that has no `ll` is something else.
        let unfit = wide && !logged && !ends_wide && matches!(piece, Piece::Hole(_));
        let read = if unfit { Err(Want::Kind("a constant with `ll`")) } else { attempt.piece(piece) };
        if let Err(want) = read {
            miss.note(attempt.at, want);
            return None;
        }
    }
    if attempt.at < tokens.len() {
        miss.note(attempt.at, Want::Kind("the end of the line"));
        return None;
    }
    Some(Matched { row: template.row, slots: attempt.slots, link: attempt.link })
}

/// Finds the spelling that the tokens fit. `opcode`, if given, narrows the choice.
pub(super) fn find(
    templates: &[Template],
    tokens: &[Token<'_>],
    opcode: Option<u8>,
    names: &dyn Names,
) -> Result<Matched, Complaint> {
    let mut miss = Miss::default();
    let mut candidates = templates.iter().filter(|t| opcode.is_none_or(|code| t.row.opcode == code));
    match candidates.find_map(|template| attempt(template, tokens, names, opcode.is_some(), &mut miss)) {
        Some(matched) => Ok(matched),
        None => Err(complain(&miss, tokens)),
    }
}

fn complain(miss: &Miss, tokens: &[Token<'_>]) -> Complaint {
    let end = tokens.last().map_or(0, |token| token.span().end);
    let found = tokens.get(miss.at);
    let span = found.map_or(end..end, Token::span);
    let wrong = miss.wants.iter().find_map(|want| match want {
        Want::Wrong { message, hint } => Some((message.clone(), hint.clone())),
        _ => None,
    });
    let (message, hint) = wrong.unwrap_or_else(|| expected(miss, found));
    Complaint { span, message, hint }
}

fn expected(miss: &Miss, found: Option<&Token<'_>>) -> (String, Option<String>) {
    let literals = miss.wants.iter().filter_map(|want| match want {
        Want::Literal(text) => Some(*text),
        _ => None,
    });
    let words = literals.filter(|text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    let hint = found
        .filter(|token| token.kind == Kind::Word)
        .and_then(|token| nearest(token.text, words))
        .map(|word| format!("did you mean `{word}`?"));
    let what = match found {
        Some(token) => format!("found `{}`", token.text),
        None => "found the end of the line".to_string(),
    };
    if miss.at == 0 {
        return (format!("expected an instruction, {what}"), hint);
    }
    (format!("expected {}, {what}", list(&miss.wants)), hint)
}

/// At most six of what was wanted.
fn list(wants: &[Want]) -> String {
    const MOST: usize = 6;
    let mut out = String::new();
    for (i, want) in wants.iter().take(MOST).enumerate() {
        let last = i + 1 == wants.len();
        out.push_str(if i == 0 {
            ""
        } else if last {
            " or "
        } else {
            ", "
        });
        match want {
            Want::Literal(text) => out.push_str(&format!("`{text}`")),
            Want::Kind(kind) => out.push_str(kind),
            Want::Wrong { message, .. } => out.push_str(message),
        }
    }
    if wants.len() > MOST {
        out.push_str(", ...");
    }
    out
}
