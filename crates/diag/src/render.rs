//! Diagnostics as text: the source, the labels under it, notes, and the fix as a patch, as rustc prints them. The
//! drawing is annotate-snippets', which is rustc's own.
//!
//! Colour and width are the caller's to decide: nothing here looks at a terminal.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use crate::{Diagnostic, Label, MAX_SECONDARY, Severity, Source};

/// How to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub color: bool,
    /// Columns of the terminal; longer source lines are cut around the labels.
    pub width: usize,
    /// Box-drawing characters instead of ASCII.
    pub unicode: bool,
}

impl Default for Style {
    fn default() -> Style {
        Style { color: false, width: 140, unicode: false }
    }
}

/// Draws a diagnostic, without a line end.
pub fn render(diagnostic: &Diagnostic, style: &Style) -> String {
    let mut groups = vec![finding(diagnostic)];
    groups.extend(fix(diagnostic));
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let decor = if style.unicode { DecorStyle::Unicode } else { DecorStyle::Ascii };
    renderer.decor_style(decor).term_width(style.width).render(&groups)
}

/// Title, sources with their labels, notes.
fn finding(diagnostic: &Diagnostic) -> Group<'_> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(&diagnostic.title);
    let title = match diagnostic.code {
        Some(code) => title.id(code),
        None => title,
    };
    // The source of the primary label comes first: it is where the reader looks.
    let first = diagnostic.primary.as_ref().map_or(0, |label| label.source);
    let order = core::iter::once(first).chain((0..diagnostic.sources.len()).filter(|index| *index != first));
    let snippets = order.filter_map(|index| labelled(diagnostic, index));
    let notes = diagnostic.notes.iter().map(|note| Level::NOTE.message(note));
    Group::with_title(title).elements(snippets).elements(notes)
}

/// One source with its labels, or `None` where it has none.
fn labelled(diagnostic: &Diagnostic, index: usize) -> Option<Snippet<'_, Annotation<'_>>> {
    let source = diagnostic.sources.get(index)?;
    let primary = diagnostic.primary.iter().map(|label| (AnnotationKind::Primary, label));
    let others =
        diagnostic.secondary.iter().take(MAX_SECONDARY).map(|label| (AnnotationKind::Context, label));
    let mut here = primary.chain(others).filter(|(_, label)| label.source == index).peekable();
    here.peek()?;
    Some(snippet(source).annotations(here.map(|(kind, label)| annotation(kind, label, source))))
}

fn annotation<'a>(kind: AnnotationKind, label: &'a Label, source: &Source) -> Annotation<'a> {
    let annotation = kind.span(source.clamp(&label.span));
    if label.text.is_empty() { annotation } else { annotation.label(&label.text) }
}

/// The fix as a patch.
fn fix(diagnostic: &Diagnostic) -> Option<Group<'_>> {
    let fix = diagnostic.fix.as_ref()?;
    let source = diagnostic.sources.get(fix.source)?;
    let patch = Patch::new(source.clamp(&fix.span), fix.replacement.as_str());
    Some(Group::with_title(Level::HELP.secondary_title(&fix.title)).element(snippet(source).patch(patch)))
}

fn snippet<T: Clone>(source: &Source) -> Snippet<'_, T> {
    Snippet::source(&source.text).path(&source.name).line_start(source.first_line)
}
