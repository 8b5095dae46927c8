//! Words, numbers and signs of one line.

/// Reads a number: decimal, `0x` hex, `0b` binary, or octal after a `0`; with a sign; as 32 bits, two's complement.
pub(super) fn number(text: &str) -> Option<u32> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let radix = |digits: &str, radix| {
        // No second sign.
        digits
            .bytes()
            .all(|b| b.is_ascii_hexdigit())
            .then(|| i64::from_str_radix(digits, radix).ok())
            .flatten()
    };
    let value = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        radix(hex, 16)?
    } else if let Some(binary) = digits.strip_prefix("0b") {
        radix(binary, 2)?
    } else if digits.len() > 1 && digits.starts_with('0') {
        radix(digits, 8)?
    } else {
        radix(digits, 10)?
    };
    if negative { i32::try_from(-value).ok().map(i32::cast_unsigned) } else { u32::try_from(value).ok() }
}

/// A line of which the front is taken off bit by bit.
#[derive(Clone)]
pub(super) struct Cursor<'t> {
    line: &'t str,
    /// Of the line, in bytes of the text.
    base: usize,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) const fn new(line: &'t str, base: usize) -> Self {
        Self { line, base, at: 0 }
    }

    /// What is left, without blanks before it.
    pub(super) fn rest(&mut self) -> &'t str {
        let rest = &self.line[self.at..];
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    /// Where the next thing begins, in bytes of the text.
    pub(super) fn position(&mut self) -> usize {
        self.rest();
        self.base + self.at
    }

    /// Takes a sign, if it is next.
    pub(super) fn eat(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    /// Takes a word or a number: letters, digits and underscores.
    pub(super) fn word(&mut self) -> Option<&'t str> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += end;
        (end > 0).then(|| &rest[..end])
    }

    /// Takes a word, if it is next and whole.
    pub(super) fn keyword(&mut self, wanted: &str) -> bool {
        let before = self.at;
        let found = self.word().is_some_and(|word| word.eq_ignore_ascii_case(wanted));
        if !found {
            self.at = before;
        }
        found
    }

    /// Takes a number with its sign, if one is next.
    pub(super) fn number(&mut self) -> Option<u32> {
        let rest = self.rest();
        let sign = usize::from(rest.starts_with(['-', '+']));
        let body = &rest[sign..];
        let end = body.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(body.len());
        let value = number(&rest[..sign + end])?;
        self.at += sign + end;
        Some(value)
    }
}
