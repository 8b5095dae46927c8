//! The format string of bpf_snprintf: a constant, so what is wrong with it is said when the program is loaded.
//!
//! Source: bpf-helpers(7), and the running kernel's answers.

use crate::env::Env;
use crate::refusal::{Step, errno};

const FORMAT: usize = 3;
const LENGTH: usize = 5;

/// Whether a format, without its zero, takes at most so many arguments and has nothing in it that the kernel can't print.
pub(super) fn is_valid(format: &[u8], args: usize) -> bool {
    let at = |i: usize| format.get(i).copied().unwrap_or(0);
    let ends_word = |c: u8| c == 0 || is_space(c) || c.is_ascii_punctuation();
    let (mut i, mut taken) = (0, 0);
    while i < format.len() {
        let c = format[i];
        if !(is_space(c) || (0x20..0x7f).contains(&c)) {
            return false;
        }
        i += 1;
        if c != b'%' {
            continue;
        }
        if at(i) == b'%' {
            i += 1;
            continue;
        }
        if taken >= args {
            return false;
        }
        taken += 1;
        while matches!(at(i), b'0' | b'+' | b'-' | b' ') {
            i += 1;
        }
        if matches!(at(i), b'1'..=b'9') {
            while at(i).is_ascii_digit() {
                i += 1;
            }
        }
        match at(i) {
            b'p' => match pointer(format, i + 1) {
                Some(next) => i = next,
                None => return false,
            },
            b's' if ends_word(at(i + 1)) => i += 1,
            b's' => return false,
            b'c' => i += 1,
            _ => {
                for _ in 0..2 {
                    i += usize::from(at(i) == b'l');
                }
                if !matches!(at(i), b'i' | b'd' | b'u' | b'x' | b'X') {
                    return false;
                }
                i += 1;
            }
        }
    }
    true
}

/// What isspace() says in the kernel.
fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t'..=b'\r')
}

/// Behind `%p`: how far the conversion goes.
fn pointer(format: &[u8], i: usize) -> Option<usize> {
    let at = |i: usize| format.get(i).copied().unwrap_or(0);
    let ends_word = |c: u8| c == 0 || is_space(c) || c.is_ascii_punctuation();
    match (at(i), at(i + 1)) {
        (c, _) if ends_word(c) => Some(i),
        (b'k' | b'u', b's') => ends_word(at(i + 2)).then_some(i + 2),
        (b'K' | b'x' | b's' | b'S' | b'B', _) => Some(i + 1),
        (b'i' | b'I', b'4' | b'6') => Some(i + 2),
        _ => None,
    }
}

impl Env<'_> {
    /// The length of the arguments is that of whole words, and the format takes no more of them.
    pub(super) fn format_string(&self) -> Step {
        let refuse = |m: &str| Err(self.refuse(errno::EINVAL, "V0508", m));
        let (text, length) = (self.cur.reg(FORMAT), self.cur.reg(LENGTH).val.var.value);
        if length % 8 != 0 {
            return refuse("the length of bpf_snprintf's data is no multiple of 8");
        }
        let map = &self.maps[text.aux as usize];
        let at = text.const_offset().and_then(|o| usize::try_from(o).ok());
        let rest = map.frozen.as_ref().zip(at).and_then(|(data, at)| data.get(at..));
        let end = rest.and_then(|r| r.iter().position(|b| *b == 0));
        match rest.zip(end) {
            Some((r, end)) if is_valid(&r[..end], (length / 8) as usize) => Ok(()),
            _ => refuse("Invalid format string"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn formats_take_what_they_name() {
        assert!(is_valid(b"%d %u %lx", 3) && !is_valid(b"%d %u %lx", 2) && is_valid(b"100%%", 0));
        assert!(is_valid(b"%pI4 %pi6 %p, %ps %pks", 5) && !is_valid(b"%pI5", 1) && !is_valid(b"%pk", 1));
        assert!(is_valid(b"%08lld|%-5x|%s.", 3) && !is_valid(b"%sx", 1) && !is_valid(b"%f", 1));
        assert!(!is_valid(b"\x80", 0) && !is_valid(b"%", 1) && is_valid(b"a\tb\n", 0));
    }
}
