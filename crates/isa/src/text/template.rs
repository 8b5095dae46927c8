//! The spellings of the table, made ready for matching and for printing.
//!
//! A spelling is literal text with placeholders:
//!
//! | placeholder | what stands there |
//! |---|---|
//! | `r$dst`, `w$src` ... | a register: the letter belongs to the spelling, the number to the field |
//! | `$imm`, `$hex` | `imm`; the kernel prints `$hex` in hexadecimal |
//! | `$imm64` | both immediates of a wide load |
//! | `$low`, `$high` | the first, the second of them |
//! | `$to`, `$from` | upper and lower half of `imm` |
//! | `$mem` | `off` after a base register, its sign and spaces included; may be left out |
//! | `$plus` | `imm` after a base register, as `$mem` |
//! | `$near`, `$far` | a jump's target: `pc+N`, `+N` or a label; in `off`, in `imm` |
//! | `$call`, `$func` | a subprogram: as `$far` |
//! | `$helper` | a helper: its name, its number, or `name#number` |
//! | `$kfunc` | a kernel function: as `$helper`, and `module N` where it has one |
//! | `$map`, `$ksym` | name of a map, of a kernel variable: resolved by whoever takes the assembly |
//! | `$symbol` | a subprogram's label, or a name as above |
//!
//! In the mnemonic dialect `a|b` in the first word are two spellings; the first is printed.

use super::lex::lex;
use crate::row::{Field, ROWS, Row};
use alloc::vec::Vec;

/// A placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hole {
    Dst,
    Src,
    Imm,
    Hex,
    Imm64,
    Low,
    High,
    To,
    From,
    Mem,
    Plus,
    Near,
    Far,
    Call,
    Func,
    Helper,
    Kfunc,
    Map,
    Ksym,
    Symbol,
}

const HOLES: [(&str, Hole); 20] = [
    ("dst", Hole::Dst),
    ("src", Hole::Src),
    ("imm", Hole::Imm),
    ("hex", Hole::Hex),
    ("imm64", Hole::Imm64),
    ("low", Hole::Low),
    ("high", Hole::High),
    ("to", Hole::To),
    ("from", Hole::From),
    ("mem", Hole::Mem),
    ("plus", Hole::Plus),
    ("near", Hole::Near),
    ("far", Hole::Far),
    ("call", Hole::Call),
    ("func", Hole::Func),
    ("helper", Hole::Helper),
    ("kfunc", Hole::Kfunc),
    ("map", Hole::Map),
    ("ksym", Hole::Ksym),
    ("symbol", Hole::Symbol),
];

/// A stretch of a spelling: text, then the placeholder that follows it.
pub(crate) fn segments(spelling: &'static str) -> impl Iterator<Item = (&'static str, Option<Hole>)> {
    let mut rest = Some(spelling);
    core::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = text.find('$') else {
            rest = None;
            return Some((text, None));
        };
        let after = &text[at + 1..];
        let end = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
        rest = Some(&after[end..]);
        let hole = HOLES.iter().find(|(name, _)| *name == &after[..end]).map(|&(_, hole)| hole);
        Some((&text[..at], hole))
    })
}

/// A token of a spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// This text.
    Literal(&'static str),
    /// A register with this letter, its number in this field.
    Register(&'static str, Field),
    /// Anything else.
    Hole(Hole),
}

/// A spelling ready for matching.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) row: &'static Row,
    pub(crate) pieces: Vec<Piece>,
}

/// The spellings of the kernel's dialect.
pub(crate) fn kernel() -> Vec<Template> {
    let spellings = ROWS.iter().flat_map(|row| row.kernel.iter().map(move |text| (row, *text)));
    spellings.map(|(row, text)| Template { row, pieces: compile("", text) }).collect()
}

/// The spellings of the mnemonic dialect.
pub(crate) fn mnemonic() -> Vec<Template> {
    let spellings = ROWS.iter().flat_map(|row| row.mnemonic.iter().map(move |text| (row, *text)));
    let each = |(row, text): (&'static Row, &'static str)| {
        let (first, rest) = text.split_at(text.find(' ').unwrap_or(text.len()));
        first.split('|').map(move |word| Template { row, pieces: compile(word, rest) })
    };
    spellings.flat_map(each).collect()
}

fn compile(first: &'static str, rest: &'static str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (text, hole) in core::iter::once((first, None)).chain(segments(rest)) {
        pieces.extend(lex(text, 0, true).iter().map(|token| Piece::Literal(token.text)));
        match hole {
            None => {}
            Some(Hole::Dst) => name_register(&mut pieces, Field::Dst),
            Some(Hole::Src) => name_register(&mut pieces, Field::Src),
            Some(hole) => pieces.push(Piece::Hole(hole)),
        }
    }
    pieces
}

/// The letter before a register's number has been read as a literal.
fn name_register(pieces: &mut [Piece], field: Field) {
    if let Some(last) = pieces.last_mut()
        && let Piece::Literal(letter) = *last
    {
        *last = Piece::Register(letter, field);
    }
}
