//! A diagnostic as plain data for machines: places as lines and columns beside bytes. With feature `serde` it can be
//! serialised; the field names are the names in JSON.

use crate::{Diagnostic, Label, MAX_SECONDARY};

/// A diagnostic for machines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Report {
    /// The code, where it has one.
    pub code: Option<&'static str>,
    /// `error` or `warning`.
    pub severity: &'static str,
    /// The title.
    pub message: String,
    /// The primary label first, then the others in causal order.
    pub spans: Vec<ReportSpan>,
    /// Facts that belong to no place.
    pub notes: Vec<String>,
    /// What to do.
    pub fix: Option<ReportFix>,
}

/// A label for machines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ReportSpan {
    /// The name of the source.
    pub source: String,
    /// Is it where it broke?
    pub primary: bool,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// Line of the first byte, from 1.
    pub line: usize,
    /// Column of the first byte, from 1, in characters.
    pub column: usize,
    /// Line of the byte after the last.
    pub end_line: usize,
    /// Column of the byte after the last.
    pub end_column: usize,
    /// What is said there.
    pub label: String,
}

/// A fix for machines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ReportFix {
    /// What it does.
    pub title: String,
    /// The name of the source.
    pub source: String,
    /// First byte that is replaced.
    pub start: usize,
    /// Byte after the last that is replaced.
    pub end: usize,
    /// Line of the first byte, from 1.
    pub line: usize,
    /// Column of the first byte, from 1, in characters.
    pub column: usize,
    /// Line of the byte after the last.
    pub end_line: usize,
    /// Column of the byte after the last.
    pub end_column: usize,
    /// The new text.
    pub replacement: String,
}

impl Diagnostic {
    /// The diagnostic as plain data. Labels that point into no source are left out.
    pub fn report(&self) -> Report {
        let primary = self.primary.iter().filter_map(|label| self.span(label, true));
        let others = self.secondary.iter().take(MAX_SECONDARY).filter_map(|label| self.span(label, false));
        let fix = self.fix.as_ref().and_then(|fix| {
            let source = self.sources.get(fix.source)?;
            let span = source.clamp(&fix.span);
            let (line, column) = source.line_column(span.start);
            let (end_line, end_column) = source.line_column(span.end);
            Some(ReportFix {
                title: fix.title.clone(),
                source: source.name.clone(),
                start: span.start,
                end: span.end,
                line,
                column,
                end_line,
                end_column,
                replacement: fix.replacement.clone(),
            })
        });
        Report {
            code: self.code,
            severity: self.severity.name(),
            message: self.title.clone(),
            spans: primary.chain(others).collect(),
            notes: self.notes.clone(),
            fix,
        }
    }

    fn span(&self, label: &Label, primary: bool) -> Option<ReportSpan> {
        let source = self.sources.get(label.source)?;
        let span = source.clamp(&label.span);
        let (line, column) = source.line_column(span.start);
        let (end_line, end_column) = source.line_column(span.end);
        Some(ReportSpan {
            source: source.name.clone(),
            primary,
            start: span.start,
            end: span.end,
            line,
            column,
            end_line,
            end_column,
            label: label.text.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Diagnostic, Source};

    fn found() -> Diagnostic {
        Diagnostic::error("bad")
            .source(Source::new("a", "one\ntwo"))
            .primary(0, 4..7, "here")
            .because(9, 0..1, "nowhere")
            .fix("say 2", 0, 4..7, "2")
    }

    #[test]
    fn places_become_lines_and_columns() {
        let report = found().report();
        let [span] = &report.spans[..] else { panic!("{:?}", report.spans) };
        assert_eq!((span.line, span.column, span.end_line, span.end_column), (2, 1, 2, 4));
        assert_eq!(report.fix.unwrap().source, "a");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn names_in_json() {
        let json = serde_json::to_value(found().report()).unwrap();
        assert_eq!(json["severity"], "error");
        assert_eq!(json["spans"][0]["label"], "here");
        assert_eq!(json["fix"]["replacement"], "2");
        assert!(json["code"].is_null());
    }
}
