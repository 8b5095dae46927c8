//! What lines of C say: the name that a statement assigns to, the pointer that an access goes through, and where a statement
//! can be put in.
//!
//! An object has the text of those lines that code was made of, and no syntax tree. What is read off a line here is used for
//! names and for where a patch goes, never for a verdict; where a line does not tell, there is no answer.

use std::ops::RangeInclusive;

use super::place::Places;

/// How far above its line a statement may begin.
const MAX_LINES: u32 = 4;
/// Lines between the places of a name and its use that are still taken for one function.
const MAX_SCOPE: u32 = 200;

/// Where a statement can be put in.
pub(super) struct Spot {
    /// Index of the file.
    pub(super) file: usize,
    /// Lines of the statement before which it goes.
    pub(super) statement: RangeInclusive<u32>,
    /// The line of the `if` or loop whose whole body the statement is, without braces.
    pub(super) head: Option<u32>,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The identifier at the end of a text.
fn last_word(text: &str) -> Option<&str> {
    let start =
        text.rfind(|c| !is_word(c)).map_or(0, |i| i + text[i..].chars().next().map_or(1, char::len_utf8));
    let word = &text[start..];
    word.starts_with(|c: char| is_word(c) && !c.is_ascii_digit()).then_some(word)
}

/// The variable that the last plain assignment in a text is to.
fn assigned(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let at = (1..bytes.len()).rev().find(|i| {
        bytes[*i] == b'=' && bytes.get(i + 1) != Some(&b'=') && !b"=!<>+-*/%&|^".contains(&bytes[i - 1])
    })?;
    let before = text[..at].trim_end();
    let name = last_word(before)?;
    // A member is no variable.
    let lead = before[..before.len() - name.len()].trim_end();
    (!lead.ends_with('.') && !lead.ends_with("->")).then_some(name)
}

fn opens(text: &str) -> usize {
    text.matches(['(', '[']).count()
}

fn closes(text: &str) -> usize {
    text.matches([')', ']']).count()
}

/// Whether a line only goes on with what an earlier one began.
fn continues(text: &str) -> bool {
    let t = text.trim_start();
    closes(t) > opens(t)
        || ["&&", "||", "?", ":", ".", "+", "*", "/", "|", "&", ",", "\"", ")"]
            .iter()
            .any(|s| t.starts_with(s))
}

/// Whether a line goes on in the next.
fn unfinished(text: &str) -> bool {
    let t = text.trim_end();
    opens(t) > closes(t) || [",", "=", "&&", "||", "?", "+", "|", "\\"].iter().any(|s| t.ends_with(s))
}

/// Whether a line is the whole head of an `if` or a loop, and its body is not in braces.
fn is_head(text: &str) -> bool {
    let t = text.trim();
    let word = t.trim_start_matches('}').trim_start();
    let word = &word[..word.find(|c| !is_word(c)).unwrap_or(word.len())];
    matches!(word, "if" | "for" | "while" | "else") && !t.ends_with('{') && !t.ends_with(';')
}

fn indent(text: &str) -> &str {
    &text[..text.len() - text.trim_start().len()]
}

impl Places {
    fn before_column(&self, slot: usize) -> Option<&str> {
        let (file, line, column) = self.at(slot)?;
        self.text(file, line)?.get(..(column as usize).checked_sub(1)?)
    }

    /// The variable that the statement of a slot assigns what is computed there to.
    pub(super) fn assigned(&self, slot: usize) -> Option<&str> {
        assigned(self.before_column(slot)?)
    }

    /// The pointer that a member is accessed through: `p` in `p->member`.
    pub(super) fn pointer(&self, slot: usize) -> Option<&str> {
        let lead = self.before_column(slot)?.strip_suffix("->")?;
        let name = last_word(lead)?;
        let before = &lead[..lead.len() - name.len()];
        (!before.ends_with('.') && !before.ends_with("->")).then_some(name)
    }

    /// The member that is accessed at a slot: `member` in `p->member`.
    pub(super) fn member(&self, slot: usize) -> Option<&str> {
        let (file, line, column) = self.at(slot)?;
        let rest = self.text(file, line)?.get((column as usize).checked_sub(1)?..)?;
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        (end > 0).then(|| &rest[..end])
    }

    /// Whether a name of one slot's line is very likely to mean the same at another's: both are in one function.
    pub(super) fn in_scope(&self, definition: usize, r#use: usize) -> bool {
        let (Some((f, from, _)), Some((g, to, _))) = (self.at(definition), self.at(r#use)) else {
            return false;
        };
        let near = f == g && from <= to && to - from <= MAX_SCOPE;
        // What stands at the margin begins or ends a function.
        near && (from..to).skip(1).all(|n| self.text(f, n).is_none_or(|t| t.starts_with([' ', '\t'])))
    }

    /// Whether the declaration on a slot's line says that its variable has no sign.
    pub(super) fn is_unsigned(&self, slot: usize) -> bool {
        let Some(text) = self.before_column(slot) else { return false };
        let mut words = text.split(|c| !is_word(c));
        words.any(|w| {
            let bits = w.trim_start_matches("__").trim_end_matches("_t");
            w == "unsigned"
                || w == "size_t"
                || matches!(bits, "u8" | "u16" | "u32" | "u64" | "uint8" | "uint16" | "uint32" | "uint64")
        })
    }

    /// Where a statement can be put before the one of a slot.
    pub(super) fn spot(&self, slot: usize) -> Option<Spot> {
        let (file, line, _) = self.at(slot)?;
        let mut first = line;
        let above = |n: u32| n.checked_sub(1).and_then(|n| self.text(file, n));
        let text = self.text(file, line)?;
        while continues(self.text(file, first)?) || above(first).is_some_and(|t| unfinished(t) && !is_head(t))
        {
            first = first.checked_sub(1).filter(|n| line - n <= MAX_LINES)?;
        }
        let begins = self.text(file, first)?;
        let word = begins.trim_start();
        if ["else", "}", "case ", "default", "{", "#"].iter().any(|s| word.starts_with(s)) || unfinished(text)
        {
            return None;
        }
        let head = above(first).filter(|t| is_head(t)).map(|_| first - 1);
        if head.is_none() {
            // Deeper than what is above, and that opens no block: the body of a head that is not to be seen.
            let near = (first.saturating_sub(3)..first).rev().find_map(|n| self.text(file, n));
            if near.is_some_and(|t| {
                indent(t).len() < indent(begins).len() && !t.trim_end().ends_with('{') && !t.trim().is_empty()
            }) {
                return None;
            }
        }
        if head.is_some_and(|h| {
            self.text(file, h).is_some_and(|t| opens(t) != closes(t) || t.trim_start().starts_with("} "))
        }) {
            return None;
        }
        Some(Spot { file, statement: first..=line, head })
    }

    /// A spot's lines with statements put in, and the lines that they replace; none are replaced where `first > last`.
    pub(super) fn put_in(&self, spot: &Spot, statements: &[String]) -> Option<(u32, u32, String)> {
        let (first, last) = (*spot.statement.start(), *spot.statement.end());
        let begins = self.text(spot.file, first)?;
        let lead = indent(begins);
        let step = if lead.is_empty() || lead.contains('\t') { "\t" } else { "    " };
        let mut out = String::new();
        let mut push = |depth: usize, s: &str| {
            out += lead;
            (0..depth).for_each(|_| out += step);
            out += s;
            out.push('\n');
        };
        let lines = |s: &String| -> Vec<(usize, String)> {
            s.split('\n').map(|l| (l.len() - l.trim_start().len(), l.trim_start().to_owned())).collect()
        };
        let Some(head) = spot.head else {
            statements.iter().flat_map(lines).for_each(|(d, l)| push(d, &l));
            return Some((first, first - 1, out));
        };
        let mut whole = format!("{} {{\n", self.text(spot.file, head)?.trim_end());
        statements.iter().flat_map(lines).for_each(|(d, l)| push(d, &l));
        whole += &out;
        for n in first..=last {
            whole += self.text(spot.file, n)?.trim_end();
            whole.push('\n');
        }
        whole += indent(self.text(spot.file, head)?);
        whole += "}\n";
        Some((head, last, whole))
    }
}

#[cfg(test)]
mod tests {
    use super::{assigned, continues, is_head, last_word, unfinished};

    #[test]
    fn names_are_read_off_lines() {
        assert_eq!(assigned("\tstruct stats *s = bpf_map_lookup_elem("), Some("s"));
        assert_eq!(assigned("\tu32 key = 0, slot = ctx->"), Some("slot"));
        assert_eq!(assigned("\tif (a == b && (v = f("), Some("v"));
        for none in ["a->b = ", "x.y = ", "n += ", "if (a <= b", "a == b", "*p++"] {
            assert_eq!(assigned(none), None, "{none}");
        }
        assert_eq!(last_word("(void *)ip"), Some("ip"));
        assert_eq!(last_word("a[3"), None);
    }

    #[test]
    fn statements_over_lines_are_seen() {
        assert!(continues("\t\t&& b > 3)") && continues("\t\tb, c);") && !continues("\tf(a);"));
        assert!(unfinished("\tf(a,") && unfinished("\tx =") && !unfinished("\tif (a)"));
        assert!(is_head("\tif (a)") && is_head("\t} else") && !is_head("\tif (a) {") && !is_head("\tf(a);"));
    }
}
