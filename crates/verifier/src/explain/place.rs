//! Where instructions stand in a source: lines of C by the object's line information, lines of an assembler text, or a
//! listing of the instructions themselves.
//!
//! An object holds only the lines that code was made of. A source is made of those that are near, with the others empty.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use skep_abi::HelperId;
use skep_diag::Source;
use skep_isa::disasm::{Disassembler, Style};
use skep_isa::{Insn, Names};
use skep_object::{LineInfo, Program, RelocTarget, Spec};

/// Names of helpers, for listings.
struct HelperNames;

impl Names for HelperNames {
    fn helper_name(&self, id: i32) -> Option<&str> {
        HelperId(u32::try_from(id).ok()?).name()
    }
}

/// Line and column of C.
type Line = (u32, u32);
/// A file's name and those of its lines that code was made of.
type File = (Arc<str>, BTreeMap<u32, Arc<str>>);

/// Where the instructions of a program stand.
#[derive(Clone, Debug)]
pub struct Places {
    name: String,
    /// A line of listing for each slot; empty for the second half of a wide load.
    listing: Vec<String>,
    /// An assembler text, and the place of each slot in it.
    text: Option<(Source, BTreeMap<usize, Range<usize>>)>,
    /// For each slot that begins one: file, line and column.
    lines: BTreeMap<usize, (usize, Line)>,
    files: Vec<File>,
}

impl Places {
    /// Places in a listing alone.
    pub fn listing(name: &str, insns: &[Insn]) -> Self {
        let mut listing = vec![String::new(); insns.len()];
        for line in Disassembler::new(Style::Kernel).names(&HelperNames).lines(insns) {
            listing[line.slot] = line.text.unwrap_or_else(|e| e.to_string());
        }
        Self { name: name.to_owned(), listing, text: None, lines: BTreeMap::new(), files: Vec::new() }
    }

    /// Places of a Spec's program: by its line information, where it has some.
    pub fn of_program(spec: &Spec, program: &Program) -> Self {
        let mut places = Self::listing(&program.name, &program.insns);
        for r in &program.relocs {
            let (RelocTarget::Map(m) | RelocTarget::MapValue { map: m, .. }) = r.target else { continue };
            let (Some(map), Some(line)) = (spec.maps.get(m), places.listing.get_mut(r.insn)) else {
                continue;
            };
            if let Some((dst, _)) = line.split_once(" = ") {
                *line = match r.target {
                    RelocTarget::MapValue { offset, .. } => format!("{dst} = map[{}][0]+{offset}", map.name),
                    _ => format!("{dst} = map[{}]", map.name),
                };
            }
        }
        for l in spec.programs.iter().flat_map(|p| &p.line_info) {
            places.line(l);
        }
        for l in &program.line_info {
            let file = places.line(l);
            places.lines.insert(l.insn, (file, (l.line, l.column)));
        }
        places
    }

    /// Places in an assembler text: the range of each slot's instruction.
    #[must_use]
    pub fn with_text(
        mut self,
        source: Source,
        spans: impl IntoIterator<Item = (usize, Range<usize>)>,
    ) -> Self {
        self.text = Some((source, spans.into_iter().collect()));
        self
    }

    fn line(&mut self, l: &LineInfo) -> usize {
        let at = self.files.iter().position(|(name, _)| *name == l.file).unwrap_or_else(|| {
            self.files.push((Arc::clone(&l.file), BTreeMap::new()));
            self.files.len() - 1
        });
        self.files[at].1.entry(l.line).or_insert_with(|| Arc::clone(&l.text));
        at
    }

    /// The instruction as it is listed.
    pub fn insn(&self, slot: usize) -> &str {
        self.listing.get(slot).map_or("", String::as_str)
    }

    /// File, line and column of a slot, where it is a line of C.
    pub(super) fn at(&self, slot: usize) -> Option<(usize, u32, u32)> {
        let (_, (file, (line, column))) = self.lines.range(..=slot).next_back()?;
        self.text.is_none().then_some((*file, *line, *column))
    }

    /// A line of a file, if code was made of it.
    pub(super) fn text(&self, file: usize, line: u32) -> Option<&str> {
        self.files.get(file)?.1.get(&line).map(|t| &**t)
    }

    /// Whether a slot's place is a line of C, rather than the instruction itself.
    pub(super) fn is_line(&self, slot: usize) -> bool {
        self.text.is_none() && self.lines.range(..=slot).next_back().is_some()
    }

    /// The assembler text, if that is what it is.
    pub(super) fn asm(&self) -> Option<&(Source, BTreeMap<usize, Range<usize>>)> {
        self.text.as_ref()
    }

    /// Instructions in the listing around some slots, a line each, numbered as the slots are.
    pub(super) fn excerpt(&self, slots: Range<usize>) -> Source {
        let end = slots.end.min(self.listing.len());
        let start = slots.start.min(end);
        Source::excerpt(format!("{} (bytecode)", self.name), self.listing[start..end].join("\n"), start)
    }

    /// The sources that these slots stand in, and each one's source and range.
    pub(super) fn locate(&self, slots: &[usize]) -> (Vec<Source>, Vec<(usize, Range<usize>)>) {
        if let Some((source, spans)) = &self.text {
            let of = |s: &usize| (0, spans.get(s).cloned().unwrap_or(0..0));
            return (vec![source.clone()], slots.iter().map(of).collect());
        }
        let of = |s: &usize| self.lines.range(..=*s).next_back().map(|(_, place)| *place);
        let found: Option<Vec<(usize, Line)>> = slots.iter().map(of).collect();
        match found {
            Some(found) if !found.is_empty() => self.in_files(&found),
            _ => self.in_listing(slots),
        }
    }

    fn in_listing(&self, slots: &[usize]) -> (Vec<Source>, Vec<(usize, Range<usize>)>) {
        let (low, high) = bounds(slots.iter().copied());
        let source = self.excerpt(low.saturating_sub(2)..high + 2);
        let spans = slots.iter().map(|s| (0, source.line_span(*s).unwrap_or(0..0))).collect();
        (vec![source], spans)
    }

    fn in_files(&self, found: &[(usize, Line)]) -> (Vec<Source>, Vec<(usize, Range<usize>)>) {
        let mut sources: Vec<(usize, Source)> = Vec::new();
        let mut spans = Vec::new();
        for (file, (line, column)) in found {
            let at = sources.iter().position(|(f, _)| f == file).unwrap_or_else(|| {
                let lines = found.iter().filter(|(f, _)| f == file).map(|(_, l)| l.0 as usize);
                sources.push((*file, self.file_excerpt(*file, bounds(lines))));
                sources.len() - 1
            });
            let source = &sources[at].1;
            let span = source.line_span(*line as usize).unwrap_or(0..0);
            spans.push((at, token(&source.text, span, *column)));
        }
        (sources.into_iter().map(|(_, s)| s).collect(), spans)
    }

    /// The source in which lines of a file are patched.
    pub(super) fn patched(&self, file: usize, first: u32, last: u32) -> Source {
        self.file_excerpt(file, (first as usize, (last as usize).max(first as usize)))
    }

    /// Lines of a file that code was made of, from one to another, and one more on each side.
    fn file_excerpt(&self, file: usize, (low, high): (usize, usize)) -> Source {
        let (name, lines) = &self.files[file];
        let first = low.saturating_sub(1).max(1);
        // Lines far apart are not filled up: a file may say that it has four thousand million of them.
        let last = high.min(first + MAX_LINES) + 1;
        let text: Vec<&str> =
            (first..=last).map(|n| lines.get(&(n as u32)).map_or("", |t| t.trim_end())).collect();
        let short = name.strip_prefix("./").unwrap_or(name);
        Source::excerpt(short, text.join("\n"), first)
    }
}

/// Most lines in an excerpt of a file.
const MAX_LINES: usize = 20_000;

fn bounds(numbers: impl Iterator<Item = usize>) -> (usize, usize) {
    numbers.fold((usize::MAX, 0), |(low, high), n| (low.min(n), high.max(n)))
}

/// The word or sign at a column (from 1) of a line; the whole line where there is none.
fn token(text: &str, line: Range<usize>, column: u32) -> Range<usize> {
    let body = &text[line.clone()];
    let whole = {
        let trimmed = body.trim_start();
        line.end - trimmed.len()..line.end
    };
    // Line information counts bytes.
    let Some(at) = (column as usize).checked_sub(1) else { return whole };
    let Some(rest) = body.get(at..).filter(|r| !r.is_empty() && !r.starts_with(' ')) else { return whole };
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let len = match rest.chars().next() {
        Some(c) if word(c) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
        Some(c) => c.len_utf8(),
        None => return whole,
    };
    line.start + at..line.start + at + len
}
