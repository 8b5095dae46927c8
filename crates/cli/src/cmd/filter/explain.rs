//! `skep filter EXPR --explain`: the code, instruction by instruction, with the part of the expression that each serves.

use std::io::Write;
use std::ops::Range;

use serde::Serialize;
use skep::filter::explain::{Explanation, Line, explain};

use super::{Args, lookup, options};
use crate::Verdict;
use crate::cmd::classic;
use crate::failure::Failure;
use crate::output::{Output, Style};

#[derive(Serialize)]
struct Json<'a> {
    schema: &'static str,
    expression: &'a str,
    dlt: String,
    insns: Vec<InsnJson<'a>>,
}

#[derive(Serialize)]
struct InsnJson<'a> {
    pc: usize,
    /// As `tcpdump -d` prints it.
    text: &'a str,
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
    words: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    parts: Vec<Part<'a>>,
}

/// A part of the expression, in bytes.
#[derive(Serialize)]
pub(super) struct Part<'a> {
    start: usize,
    end: usize,
    text: &'a str,
}

impl<'a> Part<'a> {
    pub(super) fn new(span: &Range<usize>, expression: &'a str) -> Self {
        Self { start: span.start, end: span.end, text: part(expression, span) }
    }
}

/// The parts of the expression that an instruction serves.
pub(super) fn parts_of<'a>(line: &Line, expression: &'a str) -> Vec<Part<'a>> {
    line.parts.iter().map(|p| Part::new(p, expression)).collect()
}

pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    let explained = explained(args)?;
    let texts = classic::lines(&explained.insns);
    if out.json {
        out.object(&json(args, &explained, &texts)?)?;
        return Ok(Verdict::Yes);
    }
    let width = out.columns().unwrap_or(usize::MAX);
    for (pc, (text, line)) in texts.iter().zip(&explained.lines).enumerate() {
        let row = Row { insn: format!("({pc:03}) {}", spaced(text)), line, expression: &args.expression };
        out.write_all(row.text(width, &|style, text| out.paint(style, text)).as_bytes())?;
    }
    Ok(Verdict::Yes)
}

/// The expression's code, explained.
pub(super) fn explained(args: &Args) -> Result<Explanation, Failure> {
    let options = options(args, super::dlt(args)?, None, false);
    explain(&args.expression, &options, &lookup::System::new())
        .map_err(|e| Failure::diagnosed(vec![e.diagnostic(&args.expression)]))
}

fn json<'a>(args: &'a Args, explained: &'a Explanation, texts: &'a [String]) -> Result<Json<'a>, Failure> {
    let dlt = super::dlt(args)?;
    let insns = explained.insns.iter().zip(&explained.lines).zip(texts).enumerate();
    let insns = insns.map(|(pc, ((insn, line), text))| InsnJson {
        pc,
        text,
        code: insn.code,
        jt: insn.jt,
        jf: insn.jf,
        k: insn.k,
        words: &line.words,
        field: line.field.as_deref(),
        parts: parts_of(line, &args.expression),
    });
    Ok(Json {
        schema: "skep.filter-explain/1",
        expression: &args.expression,
        dlt: dlt.name().map_or_else(|| dlt.0.to_string(), str::to_string),
        insns: insns.collect(),
    })
}

/// tcpdump's tabs, as blanks.
pub(super) fn spaced(text: &str) -> String {
    text.replace('\t', "  ")
}

fn part<'a>(expression: &'a str, span: &Range<usize>) -> &'a str {
    expression.get(span.clone()).unwrap_or_default()
}

/// Parts named in full; others are counted.
const MOST_PARTS: usize = 4;

/// The parts of the expression that an instruction serves: the first few, and how many others there are.
pub(super) fn parts(line: &Line, expression: &str) -> String {
    let named: Vec<&str> = line.parts.iter().take(MOST_PARTS).map(|p| part(expression, p)).collect();
    let more = line.parts.len() - named.len();
    let list = named.join(" | ");
    if more == 0 { list } else { format!("{list} | and {more} others") }
}

/// An instruction with what is said of it.
struct Row<'a> {
    insn: String,
    line: &'a Line,
    expression: &'a str,
}

/// Where the columns begin: of words, and of the expression's parts.
const WORDS: usize = 46;
const PARTS: usize = 92;

impl Row<'_> {
    /// The row, side by side where there is room for it, its columns one below the other where there is none.
    fn text(&self, width: usize, paint: &dyn Fn(Style, &str) -> String) -> String {
        let parts = parts(self.line, self.expression);
        let (insn, words) = (self.insn.trim_end(), self.line.words.as_str());
        let (painted, faint) = (paint(self.style(), words), paint(Style::Name, &parts));
        let gap = |from: usize, to: usize| " ".repeat(to.saturating_sub(from).max(2));
        let words_end = WORDS.max(insn.len() + 2) + words.chars().count();
        let end = PARTS.max(words_end + 2) + parts.chars().count();
        if end <= width {
            let parts = if parts.is_empty() { String::new() } else { gap(words_end, PARTS) + &faint };
            return format!("{insn}{}{painted}{parts}\n", gap(insn.len(), WORDS));
        }
        let parts = if parts.is_empty() { String::new() } else { format!("      {faint}\n") };
        format!("{insn}\n      {painted}\n{parts}")
    }

    fn style(&self) -> Style {
        match self.line.words.split(' ').next() {
            Some("accept") => Style::Good,
            Some("reject") => Style::Bad,
            _ => Style::Heading,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_on_a_narrow_terminal() {
        let words = "load the Ethernet type".to_owned();
        let line = Line { words, field: None, parts: vec![0..2, 6..9] };
        let row = Row { insn: "(000) ldh      [12]".into(), line: &line, expression: "ip or arp" };
        let plain = |_, text: &str| text.to_owned();
        let narrow = row.text(60, &plain);
        assert_eq!(narrow, "(000) ldh      [12]\n      load the Ethernet type\n      ip | arp\n");
        let wide = row.text(120, &plain);
        assert_eq!(wide.lines().count(), 1);
        assert_eq!(wide.find("ip | arp"), Some(PARTS), "{wide}");
    }
}
