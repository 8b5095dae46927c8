//! What is wrong with a text, and where.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub(crate) line: usize,
    pub(crate) columns: Range<usize>,
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Finding {
    /// Line, from 1.
    pub const fn line(&self) -> usize {
        self.line
    }

    /// Columns in characters, from 1; the end is exclusive.
    pub const fn columns(&self) -> &Range<usize> {
        &self.columns
    }

    /// Range in bytes of the whole text.
    pub const fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// What is wrong: lower case, no full stop.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.columns.start, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

/// A text that does not assemble: all that was found wrong, in the order of the text, up to
/// [`AsmError::MAX_FINDINGS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsmError {
    findings: Vec<Finding>,
}

impl AsmError {
    /// No more than this many are collected.
    pub const MAX_FINDINGS: usize = 100;

    pub(crate) fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.span.start);
        Self { findings }
    }

    /// What was found; at least one.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl fmt::Display for AsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, finding) in self.findings.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            finding.fmt(f)?;
        }
        Ok(())
    }
}

impl core::error::Error for AsmError {}

/// The candidate most like `word`, if one is like it: at most a third of it differs.
pub(crate) fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    if word.len() > 64 {
        return None;
    }
    let limit = (word.len() / 3).max(1);
    let scored = candidates.filter(|c| c.len() <= 64).map(|c| (distance(word.as_bytes(), c.as_bytes()), c));
    scored.filter(|&(d, _)| d > 0 && d <= limit).min_by_key(|&(d, _)| d).map(|(_, c)| c)
}

/// Edit distance with transpositions of neighbours (optimal string alignment).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = alloc::vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut best = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = core::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_the_nearest_word_or_none() {
        let words = ["add", "sub", "ldxdw", "exit"];
        assert_eq!(nearest("ldxwd", words.into_iter()), Some("ldxdw"));
        assert_eq!(nearest("exti", words.into_iter()), Some("exit"));
        assert_eq!(nearest("frobnicate", words.into_iter()), None);
    }
}
