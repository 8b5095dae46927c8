//! Diagnostics as text: the source, the labels under it, notes, and the fix as a patch.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Patch, Renderer, Snippet};
use skep::diag::{Diagnostic, Label, Severity, Source};

/// Renders a diagnostic, without a line end.
pub(crate) fn render(d: &Diagnostic, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut groups = vec![finding(d)];
    if let Some(fix) = d.fix.as_ref()
        && let Some(source) = d.sources.get(fix.source)
    {
        let patch = Patch::new(clamp(&fix.span, &source.text), fix.replacement.as_str());
        groups.push(Level::HELP.secondary_title(fix.title.as_str()).element(snippet(source).patch(patch)));
    }
    renderer.decor_style(DecorStyle::Ascii).render(&groups)
}

fn finding(d: &Diagnostic) -> Group<'_> {
    let level = match d.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(d.title.as_str());
    let mut group = match d.code {
        Some(code) => title.id(code).elements(None::<Snippet<'_, Annotation<'_>>>),
        None => title.elements(None::<Snippet<'_, Annotation<'_>>>),
    };
    let first = d.primary.as_ref().map_or(0, |l| l.source);
    let order = std::iter::once(first).chain((0..d.sources.len()).filter(|i| *i != first));
    for index in order {
        let Some(source) = d.sources.get(index) else { continue };
        let primary = d.primary.iter().map(|l| (AnnotationKind::Primary, l));
        let others = d.secondary.iter().map(|l| (AnnotationKind::Context, l));
        let here: Vec<_> = primary
            .chain(others)
            .filter(|(_, l)| l.source == index)
            .map(|(kind, l)| annotation(kind, l, source))
            .collect();
        if !here.is_empty() {
            group = group.element(snippet(source).annotations(here));
        }
    }
    for note in &d.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    group
}

fn snippet<'a, T: Clone>(source: &'a Source) -> Snippet<'a, T> {
    Snippet::source(source.text.as_str()).path(source.name.as_str()).line_start(source.first_line)
}

fn annotation<'a>(kind: AnnotationKind, label: &'a Label, source: &Source) -> Annotation<'a> {
    let a = kind.span(clamp(&label.span, &source.text));
    if label.text.is_empty() { a } else { a.label(label.text.as_str()) }
}

/// A range that lies within the text and on character boundaries, whatever a library made of it.
fn clamp(span: &std::ops::Range<usize>, text: &str) -> std::ops::Range<usize> {
    let floor = |n: usize| (0..=n.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_source_label_note_and_fix() {
        let text = "r0 = 1\nr1 = r11\nexit\n".to_owned();
        let d = Diagnostic {
            code: Some("A0001"),
            severity: Severity::Error,
            title: "no such register".into(),
            sources: vec![Source { name: "x.bpf".into(), text, first_line: 1 }],
            primary: Some(Label { source: 0, span: 12..15, text: "registers end at r10".into() }),
            secondary: vec![],
            notes: vec!["r10 is the frame pointer".into()],
            fix: None,
        };
        let text = render(&d, false);
        for part in ["error[A0001]: no such register", "x.bpf:2:6", "^^^ registers end at r10", "note: r10"] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
    }
}
