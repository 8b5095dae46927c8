//! A filter explained: what each instruction does, in words, and which parts of the expression it serves.
//!
//! The compiler notes what it makes for which part; better code of the same filter is explained by the questions that it
//! has in common with that (`origin`). What registers hold and what is known of a packet comes from following the
//! program on symbols (`flow`); the names of header fields hang on that (`fields`).

pub(crate) mod fields;
pub(crate) mod flow;
mod origin;
mod words;

use std::ops::Range;

use skep_isa::classic::{Insn, Op};
use skep_vm::classic::{End, Packet, State, Step};

use crate::decide::expr::Exprs;
use crate::{Code, Error, Names, Options, built, code, coded, walking};

/// What one instruction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// In words: `load the Ethernet type`, `is it IPv4?`, `accept 262144 bytes`.
    pub words: String,
    /// The field that is loaded, kept or asked about, if it is one on every way here: `the Ethernet type`.
    pub field: Option<String>,
    /// The parts of the expression that it serves, as ranges of bytes, in their order; none for what serves all, and none
    /// where the filter [walks](crate::Walk).
    pub parts: Vec<Range<usize>>,
}

/// A filter, with a line for each instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The code, as [`compile`](crate::compile) makes it.
    pub insns: Vec<Insn>,
    /// What each instruction does; as many as there are instructions.
    pub lines: Vec<Line>,
    /// The compiler's own code, and the part of the expression that each of its instructions was made for.
    plain: Vec<(Insn, Option<Range<usize>>)>,
}

/// Instructions that are run to find what decided a packet; a loop of libpcap's ends with the packet, long before.
const MOST_RUN: usize = 1 << 20;

impl Explanation {
    /// The part of the expression that decides a packet: the one that is asked last, in the order of the expression. None
    /// of an expression that takes everything.
    pub fn deciding(&self, packet: &Packet<'_>) -> Option<Range<usize>> {
        let insns: Vec<Insn> = self.plain.iter().map(|p| p.0).collect();
        let (mut state, mut last) = (State::default(), None);
        for _ in 0..MOST_RUN {
            let pc = state.pc;
            let part = || self.plain.get(pc).and_then(|p| p.1.clone());
            match state.step(&insns, packet) {
                Step::Goes { state: next, .. } => {
                    if insns[pc].code & 7 == code::JMP {
                        last = part().or(last);
                    }
                    state = next;
                }
                Step::Ends { why: End::Return, .. } => return last,
                Step::Ends { .. } => return part().or(last),
            }
        }
        None
    }
}

/// Compiles an expression, and explains its code.
///
/// # Errors
/// As [`compile`](crate::compile).
///
/// ```
/// use skep_filter::{Database, Options, explain::explain};
/// let explained = explain("ip or arp", &Options::default(), &Database::new())?;
/// assert_eq!(explained.lines[0].words, "load the Ethernet type");
/// assert_eq!(explained.lines[1].words, "is it IPv4?");
/// assert_eq!(explained.lines[1].parts, [0..2]); // "ip"
/// # Ok::<(), skep_filter::Error>(())
/// ```
pub fn explain(expression: &str, options: &Options, names: &dyn Names) -> Result<Explanation, Error> {
    let whole = |message: String| Error::new(message, 0..expression.len());
    let Some(built) = built(expression, options, names)? else {
        let insns = vec![Insn::stmt(code::RET | code::K, options.snaplen)];
        let lines = lines(&insns, options);
        return Ok(Explanation { insns, lines, plain: Vec::new() });
    };
    let spans: Vec<Range<usize>> = built.marks.parts().collect();
    let span = |part: Option<usize>| part.map(|part| spans[part].clone());
    let (plain, made_for) = origin::plain(&mut built.graph.clone(), &built.marks).map_err(whole)?;
    if options.walk.any() {
        let own = plain.len();
        let plain = walking(plain, options, built.words, usize::MAX).map_err(whole)?;
        let before = std::iter::repeat_n(None, plain.len() - own);
        let plain = plain.into_iter().zip(before.chain(made_for.into_iter().map(span))).collect();
        let insns = coded(built, options, skep_isa::classic::MAX_INSNS).map_err(whole)?;
        let lines = lines(&insns, options);
        return Ok(Explanation { insns, lines, plain });
    }
    let direct = options.code == Code::Plain || built.no_optimize;
    let insns = coded(built, options, skep_isa::classic::MAX_INSNS).map_err(whole)?;
    let mut exprs = Exprs::default();
    let at = flow::follow(&mut exprs, &insns);
    let parts: Vec<Vec<usize>> = if direct {
        made_for.iter().map(|part| part.iter().copied().collect()).collect()
    } else {
        let known = flow::follow(&mut exprs, &plain);
        let mut source = origin::Source::new(&plain, &known, &made_for);
        origin::served(&exprs, &insns, &at, &mut source).iter().map(|p| p.to_vec()).collect()
    };
    let lines = insns.iter().zip(&at).zip(parts).enumerate();
    let lines = lines.map(|(pc, ((&insn, at), parts))| {
        let mut line = line(&mut exprs, options, pc, insn, at);
        line.parts = parts.into_iter().map(|part| spans[part].clone()).collect();
        line.parts.sort_unstable_by_key(|p| (p.start, p.end));
        line.parts.dedup();
        line
    });
    let lines = lines.collect();
    let plain = plain.into_iter().zip(made_for).map(|(insn, part)| (insn, span(part))).collect();
    Ok(Explanation { lines, insns, plain })
}

/// What each instruction of a program does that was made of no expression.
pub fn lines(insns: &[Insn], options: &Options) -> Vec<Line> {
    let mut exprs = Exprs::default();
    let at = flow::follow(&mut exprs, insns);
    insns.iter().zip(&at).enumerate().map(|(pc, (&i, at))| line(&mut exprs, options, pc, i, at)).collect()
}

fn line(exprs: &mut Exprs, options: &Options, pc: usize, insn: Insn, at: &flow::At) -> Line {
    let (words, field) = match Op::decode(insn) {
        Some(op) => words::words(exprs, options.dlt, pc, op, at),
        None => ("no instruction".into(), None),
    };
    Line { words, field: field.map(|f| f.name), parts: Vec::new() }
}

#[cfg(test)]
mod tests;
