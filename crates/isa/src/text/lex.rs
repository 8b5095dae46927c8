//! Tokens of assembly text. A token is never rejected here: a character that no spelling has becomes
//! a symbol of its own, and matching says what was expected in its place.

use alloc::vec::Vec;
use core::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Letters, digits, `_` and `.`, not beginning with a digit.
    Word,
    /// Begins with a digit.
    Number,
    /// Punctuation.
    Symbol,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'t> {
    pub(crate) kind: Kind,
    pub(crate) text: &'t str,
    /// Byte offset in the whole source.
    pub(crate) start: usize,
}

impl Token<'_> {
    pub(crate) fn span(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    pub(crate) fn is_register(&self) -> bool {
        let mut bytes = self.text.bytes();
        matches!(bytes.next(), Some(b'r' | b'w')) && bytes.len() > 0 && bytes.all(|b| b.is_ascii_digit())
    }
}

/// Symbols of more than one character, longer before shorter.
const SYMBOLS: [&str; 21] = [
    "s>>=", "s/=", "s%=", "s>=", "s<=", ">>=", "<<=", "s>", "s<", "+=", "-=", "*=", "/=", "%=", "|=", "&=",
    "^=", "==", "!=", ">=", "<=",
];

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'.'
}

/// Splits `text`, which begins at byte `base` of the source. With `percent`, a `%` before a letter is
/// skipped (`%r0` is `r0`).
pub(crate) fn lex(text: &str, base: usize, percent: bool) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        let next = bytes.get(at + 1).copied().unwrap_or(b' ');
        if b.is_ascii_whitespace() || percent && b == b'%' && next.is_ascii_alphabetic() {
            at += 1;
            continue;
        }
        let rest = &text[at..];
        let (kind, len) = if let Some(symbol) = SYMBOLS.iter().find(|s| rest.starts_with(**s)) {
            (Kind::Symbol, symbol.len())
        } else if is_word(b) {
            let len = rest.bytes().take_while(|&b| is_word(b)).count();
            (if b.is_ascii_digit() { Kind::Number } else { Kind::Word }, len)
        } else {
            (Kind::Symbol, rest.chars().next().map_or(1, char::len_utf8))
        };
        out.push(Token { kind, text: &rest[..len], start: base + at });
        at += len;
    }
    out
}

/// A number without its sign: decimal, or hexadecimal after `0x`. None if it is not one or exceeds 64 bits.
pub(crate) fn number(text: &str) -> Option<(u64, bool)> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.starts_with('+') => None,
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(|n| (n, true)),
        None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok().map(|n| (n, false)),
        None => None,
    }
}
