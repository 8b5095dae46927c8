//! One line of text: what is in it besides an instruction.

use core::ops::Range;

/// A line, taken apart. Ranges are bytes of the whole text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Names before a colon.
    pub(super) labels: alloc::vec::Vec<Range<usize>>,
    /// The instruction; empty if there is none.
    pub(super) body: Range<usize>,
    /// The opcode that a disassembler printed before it.
    pub(super) opcode: Option<u8>,
}

/// Takes the line apart that begins at byte `start` of `text`.
pub(super) fn split(text: &str, range: Range<usize>) -> Line {
    let mut line = Line::default();
    let mut rest = Cursor { text, range };
    rest.cut_comment();
    if rest.is_heading() {
        rest.range.start = rest.range.end;
    } else {
        rest.cut_suffix();
    }
    rest.trim();
    if let Some(name) = rest.take_objdump_label() {
        line.labels.push(name);
    } else if rest.take_index() {
        rest.take_bytes();
        if rest.str().starts_with('R') {
            // The verifier's state, as in `0: R1=ctx() R10=fp0`.
            rest.range.start = rest.range.end;
        }
    }
    while let Some(name) = rest.take_label() {
        line.labels.push(name);
    }
    line.opcode = rest.take_opcode();
    line.body = rest.range;
    line
}

/// The line of bytes that `bpftool prog dump xlated ... opcodes` prints under an instruction.
fn is_dump(s: &str) -> bool {
    let byte = |word: &str| word.len() == 2 && word.bytes().all(|b| b.is_ascii_hexdigit());
    s.split_whitespace().all(byte) && matches!(s.split_whitespace().count(), 8 | 16)
}

/// What is left of a line.
struct Cursor<'t> {
    text: &'t str,
    range: Range<usize>,
}

impl<'t> Cursor<'t> {
    fn str(&self) -> &'t str {
        &self.text[self.range.clone()]
    }

    fn trim(&mut self) {
        let s = self.str();
        self.range.start += s.len() - s.trim_start().len();
        self.range.end = self.range.start + s.trim().len();
    }

    fn skip(&mut self, len: usize) {
        self.range.start += len;
        self.trim();
    }

    /// `;` and `//` begin a comment, and so does `#`, but for `name#5` of a call.
    fn cut_comment(&mut self) {
        let s = self.str();
        let bytes = s.as_bytes();
        let at = (0..bytes.len()).find(|&i| match bytes[i] {
            b';' => true,
            b'/' => bytes.get(i + 1) == Some(&b'/'),
            b'#' => {
                let before = i.checked_sub(1).map_or(b' ', |i| bytes[i]);
                let after = bytes.get(i + 1).copied().unwrap_or(b' ');
                !((before.is_ascii_alphanumeric() || before == b'_')
                    && (after.is_ascii_digit() || after == b'-'))
            }
            _ => false,
        });
        if let Some(at) = at {
            self.range.end = self.range.start + at;
        }
    }

    /// Lines of llvm-objdump and bpftool that hold no instruction.
    fn is_heading(&self) -> bool {
        let s = self.str().trim();
        s.starts_with("Disassembly of section ")
            || s.contains("\tfile format ")
            || s.contains(":  R_BPF_")
            || s.ends_with("):")
            || is_dump(s)
    }

    /// The symbol that llvm-objdump prints after a jump.
    fn cut_suffix(&mut self) {
        let s = self.str().trim_end();
        if s.ends_with('>')
            && let Some(at) = s.rfind(" <")
        {
            self.range.end = self.range.start + at;
        }
    }

    /// `0000000000000000 <name>:` of llvm-objdump.
    fn take_objdump_label(&mut self) -> Option<Range<usize>> {
        let s = self.str();
        let (address, rest) = s.split_once(" <")?;
        let name = rest.strip_suffix(">:")?;
        if address.len() != 16 || !address.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let start = self.range.start + address.len() + 2;
        self.range.start = self.range.end;
        Some(start..start + name.len())
    }

    /// `12:`
    fn take_index(&mut self) -> bool {
        let s = self.str();
        let digits = s.bytes().take_while(u8::is_ascii_digit).count();
        let found = digits > 0 && s[digits..].starts_with(':');
        if found {
            self.skip(digits + 1);
        }
        found
    }

    /// The 8 or 16 bytes that llvm-objdump prints before an instruction.
    fn take_bytes(&mut self) {
        let pairs = |s: &str| {
            let pair = |c: &[u8]| c.len() >= 2 && c[..2].iter().all(u8::is_ascii_hexdigit);
            let end = |c: &[u8]| c.get(2).is_none_or(u8::is_ascii_whitespace);
            s.as_bytes().chunks(3).take_while(|c| pair(c) && end(c)).count()
        };
        let count = pairs(self.str());
        if count >= 8 {
            let count = if count >= 16 { 16 } else { 8 };
            self.skip((count * 3).min(self.range.len()));
        }
    }

    /// `name:`, not followed by another colon.
    fn take_label(&mut self) -> Option<Range<usize>> {
        let s = self.str();
        let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$');
        let len = s.bytes().take_while(|b| word(b)).count();
        let named = len > 0 && !s.as_bytes()[0].is_ascii_digit();
        let spaces = s[len..].len() - s[len..].trim_start().len();
        if !named || !s[len + spaces..].starts_with(':') {
            return None;
        }
        let name = self.range.start..self.range.start + len;
        self.skip(len + spaces + 1);
        Some(name)
    }

    /// `(b7)`
    fn take_opcode(&mut self) -> Option<u8> {
        let s = self.str();
        let hex = s.get(..4)?.strip_prefix('(')?.strip_suffix(')')?;
        let opcode =
            hex.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u8::from_str_radix(hex, 16).ok())??;
        self.skip(4);
        Some(opcode)
    }
}
