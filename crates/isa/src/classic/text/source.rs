//! Assembler source and listings, which spell instructions alike: bpf_asm's grammar (Linux `tools/bpf`), with what
//! bpfc (netsniff-ng) and tcpdump write otherwise. Letters may be of either case, but in labels.

use super::lex::Cursor;
use super::{LIMIT, finding};
use crate::asm::{AsmError, Finding, nearest};
use crate::classic::{Ancillary, Insn, ROWS, Row};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// Other names of mnemonics, and whether the two targets change places.
const ALIASES: &[(&str, &str, bool)] = &[
    ("ldi", "ld", false),
    ("ldxi", "ldx", false),
    ("jmp", "ja", false),
    ("jneq", "jeq", true),
    ("jne", "jeq", true),
    ("jlt", "jge", true),
    ("jle", "jgt", true),
];

/// An operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operand {
    None,
    Imm(u32),
    Abs(u32),
    Ind(u32),
    Mem(u32),
    Msh(u32),
    Len,
    A,
    X,
    /// A label or, in a listing, a number.
    Target,
}

impl Operand {
    fn k(self) -> u32 {
        match self {
            Self::Imm(k) | Self::Abs(k) | Self::Ind(k) | Self::Mem(k) | Self::Msh(k) => k,
            _ => 0,
        }
    }

    /// Whether a row of the table takes it.
    fn fits(self, row: &Row) -> bool {
        match self {
            Self::None => row.asm.is_empty() || row.asm == "a",
            Self::Imm(_) => row.asm.starts_with("#$"),
            Self::Abs(_) => row.asm == "$fact",
            Self::Ind(_) => row.asm.starts_with("[x"),
            Self::Mem(_) => row.asm.starts_with('M'),
            Self::Msh(_) => row.asm.starts_with("4*"),
            Self::Len => row.asm == "#len",
            Self::A => row.asm == "a",
            Self::X => row.asm.starts_with('x'),
            Self::Target => row.asm == "$to",
        }
    }
}

/// Where a jump goes.
#[derive(Clone, Debug)]
enum Target<'t> {
    Label(&'t str, Range<usize>),
    Number(usize, Range<usize>),
}

/// A jump whose targets are not yet known: of the next instruction, if none is named.
struct Jump<'t> {
    insn: usize,
    holds: Option<Target<'t>>,
    fails: Option<Target<'t>>,
}

struct Reader<'t, 'f> {
    text: &'t str,
    listing: bool,
    insns: Vec<Insn>,
    labels: BTreeMap<&'t str, usize>,
    jumps: Vec<Jump<'t>>,
    findings: &'f mut Vec<Finding>,
}

type Parsed<T> = Result<T, (Range<usize>, String, Option<String>)>;

/// Reads source or a listing.
pub(super) fn read(text: &str, listing: bool, findings: &mut Vec<Finding>) -> Vec<Insn> {
    let mut reader =
        Reader { text, listing, insns: Vec::new(), labels: BTreeMap::new(), jumps: Vec::new(), findings };
    let mut base = 0;
    let mut comment = false;
    for line in text.split_inclusive('\n') {
        // A `#` that begins a line begins a comment; elsewhere it is a constant's.
        let commented = !comment && line.starts_with('#');
        for (range, code) in if commented { Vec::new() } else { code_of(line, &mut comment) } {
            if code.trim().is_empty() {
                continue;
            }
            if let Err((span, message, hint)) = reader.line(code, base + range.start) {
                reader.findings.push(finding(text, span, message, hint));
            }
        }
        base += line.len();
        if reader.insns.len() >= LIMIT || reader.findings.len() >= AsmError::MAX_FINDINGS {
            break;
        }
    }
    reader.resolve();
    reader.insns
}

/// The parts of a line that are not comments: `; ...` and `/* ... */`, which may span lines.
fn code_of<'t>(line: &'t str, comment: &mut bool) -> Vec<(Range<usize>, &'t str)> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let rest = &line[at..];
        if *comment {
            let Some(end) = rest.find("*/") else { return out };
            *comment = false;
            at += end + 2;
            continue;
        }
        let end = [rest.find(';'), rest.find("/*")].into_iter().flatten().min().unwrap_or(rest.len());
        out.push((at..at + end, &line[at..at + end]));
        if !rest[end..].starts_with("/*") {
            return out;
        }
        *comment = true;
        at += end + 2;
    }
    out
}

impl<'t> Reader<'t, '_> {
    fn line(&mut self, code: &'t str, base: usize) -> Parsed<()> {
        let mut cursor = Cursor::new(code, base);
        if self.listing {
            self.index(&mut cursor)?;
        }
        while let Some(word) = self.label(&mut cursor)? {
            self.labels.insert(word, self.insns.len());
        }
        if cursor.rest().is_empty() {
            return Ok(());
        }
        self.instruction(&mut cursor)?;
        let start = cursor.position();
        let rest = cursor.rest().trim_end();
        if rest.is_empty() {
            return Ok(());
        }
        Err((
            start..start + rest.len(),
            format!("expected the end of the line, found `{}`", short(rest)),
            None,
        ))
    }

    /// `(007)`: the number of the instruction that follows.
    fn index(&self, cursor: &mut Cursor<'t>) -> Parsed<()> {
        let start = cursor.position();
        let mut ahead = cursor.clone();
        let digits = if ahead.eat("(") { ahead.word() } else { None };
        let number = digits.and_then(|d| d.parse::<usize>().ok()).filter(|_| ahead.eat(")"));
        let span = start..ahead.position().max(start);
        *cursor = ahead;
        match number {
            Some(n) if n == self.insns.len() => Ok(()),
            Some(n) => Err((span, format!("instruction {n} where {} is expected", self.insns.len()), None)),
            None => Err((span, "expected the number of the instruction, as `(000)`".into(), None)),
        }
    }

    fn label(&self, cursor: &mut Cursor<'t>) -> Parsed<Option<&'t str>> {
        let start = cursor.position();
        let mut ahead = cursor.clone();
        let Some(word) = ahead.word().filter(|_| ahead.eat(":")) else { return Ok(None) };
        *cursor = ahead;
        if self.labels.contains_key(word) {
            return Err((start..start + word.len(), format!("label `{word}` is there already"), None));
        }
        Ok(Some(word))
    }

    fn instruction(&mut self, cursor: &mut Cursor<'t>) -> Parsed<()> {
        let start = cursor.position();
        let Some(word) = cursor.word() else {
            let found = cursor.rest();
            let end = start + found.chars().next().map_or(0, char::len_utf8);
            return Err((start..end, "expected an instruction".into(), None));
        };
        let span = start..start + word.len();
        let alias = ALIASES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(word));
        let own = ROWS.iter().map(|row| row.mnemonic).find(|name| name.eq_ignore_ascii_case(word));
        let (mnemonic, swap) = alias.map_or((own.unwrap_or(word), false), |&(_, name, swap)| (name, swap));
        if own.is_none() && alias.is_none() {
            let names = ROWS.iter().map(|row| row.mnemonic).chain(ALIASES.iter().map(|a| a.0));
            let hint = nearest(word, names).map(|name| format!("did you mean `{name}`"));
            return Err((span, format!("unknown instruction `{}`", short(word)), hint));
        }
        let jump = mnemonic == "ja";
        let operand = if jump { Operand::Target } else { operand(cursor, mnemonic)? };
        // `ldx 4*([14]&0xf)` is `ldxb`.
        let mnemonic =
            if mnemonic == "ldx" && matches!(operand, Operand::Msh(_)) { "ldxb" } else { mnemonic };
        let Some(row) = ROWS.iter().find(|row| row.mnemonic == mnemonic && operand.fits(row)) else {
            let forms = ROWS.iter().filter(|row| row.mnemonic == mnemonic);
            let forms: Vec<_> = forms.map(|row| format!("`{}`", example(row))).collect();
            let end = cursor.position();
            return Err((
                start..end.max(span.end),
                format!("`{word}` does not take this operand"),
                Some(format!("write {}", forms.join(" or "))),
            ));
        };
        if row.code & 7 == 5 {
            self.targets(cursor, jump, swap)?;
        }
        self.insns.push(Insn::stmt(row.code, operand.k()));
        Ok(())
    }

    fn targets(&mut self, cursor: &mut Cursor<'t>, jump: bool, swap: bool) -> Parsed<()> {
        let insn = self.insns.len();
        let (mut holds, mut fails) = if jump {
            (Some(self.target(cursor)?), None)
        } else if self.listing {
            let both = self.listed(cursor)?;
            (Some(both.0), Some(both.1))
        } else {
            self.comma(cursor)?;
            let first = self.target(cursor)?;
            (Some(first), if cursor.eat(",") { Some(self.target(cursor)?) } else { None })
        };
        if swap {
            core::mem::swap(&mut holds, &mut fails);
        }
        self.jumps.push(Jump { insn, holds, fails });
        Ok(())
    }

    /// `jt 2 jf 5`.
    fn listed(&self, cursor: &mut Cursor<'t>) -> Parsed<(Target<'t>, Target<'t>)> {
        let mut one = |name: &str| {
            let start = cursor.position();
            if !cursor.keyword(name) {
                return Err((start..start, format!("expected `{name}` and a number"), None));
            }
            self.target(cursor)
        };
        Ok((one("jt")?, one("jf")?))
    }

    fn comma(&self, cursor: &mut Cursor<'t>) -> Parsed<()> {
        let start = cursor.position();
        if cursor.eat(",") {
            return Ok(());
        }
        Err((start..start, "expected a comma and the label to go to".into(), None))
    }

    fn target(&self, cursor: &mut Cursor<'t>) -> Parsed<Target<'t>> {
        let start = cursor.position();
        let Some(word) = cursor.word() else {
            return Err((start..start, "expected where to go to".into(), None));
        };
        let span = start..start + word.len();
        match word.parse() {
            Ok(n) if self.listing => Ok(Target::Number(n, span)),
            Ok(_) => Err((span, "expected a label, found a number".into(), None)),
            Err(_) => Ok(Target::Label(word, span)),
        }
    }

    fn resolve(&mut self) {
        for jump in core::mem::take(&mut self.jumps) {
            let long = self.insns.get(jump.insn).is_some_and(|insn| insn.code == 5);
            let limit = if long { u32::MAX as usize } else { 255 };
            let mut distance = |target: Option<Target<'t>>| match target {
                None => 0,
                Some(target) => self.distance(jump.insn, target, limit),
            };
            let (holds, fails) = (distance(jump.holds), distance(jump.fails));
            let Some(insn) = self.insns.get_mut(jump.insn) else { continue };
            if long {
                insn.k = holds as u32;
            } else {
                (insn.jt, insn.jf) = (holds as u8, fails as u8);
            }
        }
    }

    /// How far on it is, at most `limit`; what is wrong is noted and gives 0.
    fn distance(&mut self, insn: usize, target: Target<'t>, limit: usize) -> usize {
        let (at, span) = match target {
            Target::Number(at, span) => (Some(at), span),
            Target::Label(name, span) => (self.labels.get(name).copied(), span),
        };
        let name = self.text.get(span.clone()).map_or("", short);
        let wrong = match at {
            None => {
                let hint = nearest(name, self.labels.keys().copied()).map(|l| format!("did you mean `{l}`"));
                (format!("no label `{name}`"), hint)
            }
            // `ja` wraps around, and libpcap makes loops of it, for `protochain`; Linux does not take them.
            Some(at) if at <= insn && limit > 255 => {
                return (at as u32).wrapping_sub(insn as u32 + 1) as usize;
            }
            Some(at) if at <= insn => {
                (format!("`{name}` lies behind"), Some("branches only go forward".into()))
            }
            Some(at) if at - insn - 1 > limit => (
                format!("`{name}` is {} instructions on, a branch reaches {limit}", at - insn - 1),
                Some("go there with `ja`".into()),
            ),
            Some(at) => return at - insn - 1,
        };
        self.findings.push(finding(self.text, span, wrong.0, wrong.1));
        0
    }
}

fn operand(cursor: &mut Cursor<'_>, mnemonic: &str) -> Parsed<Operand> {
    let start = cursor.position();
    let before = cursor.clone();
    let parsed = parse_operand(cursor, mnemonic);
    if let Some(operand) = parsed {
        return Ok(operand);
    }
    let mut before = before;
    let rest = before.rest().trim_end();
    Err((start..start + rest.len(), format!("`{}` is no operand", short(rest)), None))
}

fn parse_operand(cursor: &mut Cursor<'_>, mnemonic: &str) -> Option<Operand> {
    if cursor.rest().is_empty() {
        return Some(Operand::None);
    }
    if cursor.eat("#") {
        return cursor.number().map(Operand::Imm).or_else(|| named(cursor.word()?));
    }
    if cursor.eat("[") {
        let operand = bracket(cursor)?;
        return cursor.eat("]").then_some(operand);
    }
    if cursor.eat("%") {
        return register(cursor.word()?);
    }
    if let Some(factor) = cursor.number() {
        // `4*([k]&0xf)`, or the constant of `ldi`.
        return if cursor.eat("*") {
            msh(cursor, factor)
        } else {
            mnemonic.starts_with("ld").then_some(Operand::Imm(factor))
        };
    }
    let word = cursor.word()?;
    if word.eq_ignore_ascii_case("m") {
        let k = if cursor.eat("[") { cursor.number() } else { None }?;
        return cursor.eat("]").then_some(Operand::Mem(k));
    }
    register(word).or_else(|| named(word))
}

fn bracket(cursor: &mut Cursor<'_>) -> Option<Operand> {
    if let Some(k) = cursor.number() {
        return Some(Operand::Abs(k));
    }
    cursor.eat("%");
    let word = cursor.word()?;
    if !word.eq_ignore_ascii_case("x") {
        return named(word);
    }
    // `[x + 14]`, `[x + -4]`, `[x+14]`.
    cursor.eat("+");
    cursor.number().map(Operand::Ind)
}

fn msh(cursor: &mut Cursor<'_>, factor: u32) -> Option<Operand> {
    let opened = cursor.eat("(") && cursor.eat("[");
    let k = if opened { cursor.number() } else { None }?;
    let mask = if cursor.eat("]") && cursor.eat("&") { cursor.number() } else { None };
    (cursor.eat(")") && factor == 4 && mask == Some(15)).then_some(Operand::Msh(k))
}

fn register(word: &str) -> Option<Operand> {
    match word {
        "a" | "A" => Some(Operand::A),
        "x" | "X" => Some(Operand::X),
        _ => None,
    }
}

fn named(word: &str) -> Option<Operand> {
    if ["len", "pktlen"].iter().any(|name| name.eq_ignore_ascii_case(word)) {
        return Some(Operand::Len);
    }
    Ancillary::from_name(word).map(|fact| Operand::Abs(fact.offset()))
}

/// How a row is written, for hints.
fn example(row: &Row) -> String {
    let operand = row.asm.replace("$fact", "[k]").replace("$jumps", ", label, label").replace("$to", "label");
    String::from(format!("{} {}", row.mnemonic, operand.replace("$d", "k").replace("$x", "k")).trim_end())
}

/// A text of the user's, not too long for a message.
fn short(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(end, _)| &text[..end])
}
