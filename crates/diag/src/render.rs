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
    /// Whether notes that are longer are broken into lines too.
    pub wrap: bool,
    /// Box-drawing characters instead of ASCII.
    pub unicode: bool,
}

impl Default for Style {
    fn default() -> Style {
        Style { color: false, width: 140, wrap: false, unicode: false }
    }
}

/// Draws a diagnostic, without a line end.
pub fn render(diagnostic: &Diagnostic, style: &Style) -> String {
    let notes: Vec<String> = diagnostic.notes.iter().map(|note| wrapped(note, style)).collect();
    let mut groups = vec![finding(diagnostic, &notes)];
    groups.extend(fix(diagnostic));
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let decor = if style.unicode { DecorStyle::Unicode } else { DecorStyle::Ascii };
    renderer.decor_style(decor).term_width(style.width).render(&groups)
}

/// Title, sources with their labels, notes.
fn finding<'a>(diagnostic: &'a Diagnostic, notes: &'a [String]) -> Group<'a> {
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
    let notes = notes.iter().map(|note| Level::NOTE.message(note));
    Group::with_title(title).elements(snippets).elements(notes)
}

/// A note in lines that fit beside the line numbers and the word that leads it.
fn wrapped(note: &str, style: &Style) -> String {
    const LEAD: usize = 14;
    let room = style.width.saturating_sub(LEAD).max(LEAD);
    let mut lines = vec![String::new()];
    for word in note.split(' ') {
        let line = lines.len() - 1;
        if style.wrap
            && !lines[line].is_empty()
            && lines[line].chars().count() + 1 + word.chars().count() > room
        {
            lines.push(word.to_owned());
            continue;
        }
        if !lines[line].is_empty() {
            lines[line].push(' ');
        }
        lines[line].push_str(word);
    }
    lines.join("\n")
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
    // Drawn with spaces for tabs: where there are tabs, annotate-snippets takes lines that are put in for lines that change.
    let spaces = |text: &str| text.replace('\t', "    ");
    let span = source.clamp(&fix.span);
    let (start, len) = (spaces(&source.text[..span.start]).len(), spaces(&source.text[span]).len());
    let patch = Patch::new(start..start + len, spaces(&fix.replacement));
    let text = Snippet::source(spaces(&source.text)).path(&source.name).line_start(source.first_line);
    Some(Group::with_title(Level::HELP.secondary_title(&fix.title)).element(text.patch(patch)))
}

fn snippet<T: Clone>(source: &Source) -> Snippet<'_, T> {
    Snippet::source(&source.text).path(&source.name).line_start(source.first_line)
}
