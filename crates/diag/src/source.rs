//! Source texts, and the arithmetic of places in them.

use core::ops::Range;

/// One source text that labels point into (C, bytecode, filter text, trace text, P4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What to call it: a path, `<stdin>`, `bytecode`.
    pub name: String,
    /// The text.
    pub text: String,
    /// The number of the text's first line, 1 unless it is an excerpt.
    pub first_line: usize,
}

impl Source {
    /// A whole text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        Source { name: name.into(), text: text.into(), first_line: 1 }
    }

    /// A text that begins at this line of something longer.
    pub fn excerpt(name: impl Into<String>, text: impl Into<String>, first_line: usize) -> Source {
        Source { name: name.into(), text: text.into(), first_line }
    }

    /// The range, made to lie in the text and on character boundaries.
    pub fn clamp(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start);
        start..self.text.floor_char_boundary(span.end).max(start)
    }

    /// Line and column of a byte offset. Lines count from `first_line`, columns from 1 and in characters. An offset
    /// behind the end is at the end.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count();
        (self.first_line.saturating_add(line), before[line_start..].chars().count() + 1)
    }

    /// The bytes of a line, without its end; lines count from `first_line`. What a diagnostic about a whole line
    /// points at.
    pub fn line_span(&self, line: usize) -> Option<Range<usize>> {
        let wanted = line.checked_sub(self.first_line)?;
        let mut start = 0;
        for (index, text) in self.text.split('\n').enumerate() {
            if index == wanted {
                return Some(start..start + text.trim_end_matches('\r').len());
            }
            start += text.len() + 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let source = Source::excerpt("a", "grün = 1\nx\r\n", 7);
        assert_eq!(source.line_column(0), (7, 1));
        assert_eq!(source.line_column(5), (7, 5));
        assert_eq!(source.line_column(3), (7, 3), "in the middle of a character");
        assert_eq!(source.line_column(10), (8, 1));
        assert_eq!(source.line_column(999), (9, 1));
        assert_eq!(source.line_span(8), Some(10..11));
        assert_eq!(source.line_span(9), Some(13..13));
        assert_eq!((source.line_span(6), source.line_span(10)), (None, None));
        #[expect(clippy::reversed_empty_ranges, reason = "what a confused caller may pass")]
        let confused = 900..3;
        assert_eq!(source.clamp(&confused), 13..13);
    }
}
