//! Classic code back to an expression of pcap-filter(7).
//!
//! The code is run on symbols to a graph of questions (as for [`equivalence`]), the graph becomes a formula (`shape`,
//! `formula`), its questions become primitives by what is known of a packet where they are asked (`name`, `leaf`), and those
//! are put together as people write them (`named`). All of that may guess: an expression is offered only with what
//! comparing its code with the program says. Where nothing nicer is the same, bytes are compared one by one, which says
//! everything that a filter can ask of a packet's bytes.

mod formula;
mod leaf;
mod name;
mod named;
mod shape;

use std::fmt;

use skep_isa::classic::{Insn, Op, check_socket};

use crate::equivalence::walk::Questions;
use crate::equivalence::{self, Answer};
use crate::{Code, Database, Dlt, Options, compile};
use formula::{Facts, Rules, simplified, turned};
use name::{Namer, Style};

/// An expression for a program.
#[derive(Clone, Debug)]
pub struct Lifted {
    /// The expression.
    pub expression: String,
    /// Whether it is in words alone, without a comparison of bytes.
    pub in_words: bool,
    /// Whether its code takes the same packets as the program: proved, or not.
    pub answer: Answer,
    /// The code that this is said of: [`Code::Best`], or [`Code::Plain`] alone where optimisers ask in another order, which
    /// matters for packets that are cut short.
    pub code: Code,
    /// What the program returns for the packets that it takes, in their order in the program: `--snaplen`.
    pub lengths: Vec<u32>,
}

/// Why there is no expression for a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiftError {
    what: String,
    insn: Option<usize>,
}

impl LiftError {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), insn: None }
    }

    /// The instruction that has no counterpart, where it is one.
    pub fn insn(&self) -> Option<usize> {
        self.insn
    }
}

impl fmt::Display for LiftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.insn {
            Some(insn) => write!(f, "instruction {insn}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for LiftError {}

/// Ways to write an expression, the nicest first; and whether it asks for bytes that are loaded for their own sake, which
/// matters for packets that are cut short.
const WAYS: [(Style, bool); 6] = [
    (Style::Primitives, false),
    (Style::Primitives, true),
    (Style::Headers, false),
    (Style::Headers, true),
    (Style::Bytes, false),
    (Style::Bytes, true),
];

/// How often a formula is turned and simplified; one gives the other more to do.
const ROUNDS: usize = 3;

/// Finds an expression that takes the packets that a program takes: the first that is proved to, else one that is not
/// shown not to.
///
/// # Errors
/// If the program is none that Linux takes for a socket, asks for what no expression asks for, or would need an expression
/// of tens of thousands of parts; or if whatever was found takes other packets.
///
/// ```
/// use skep_filter::equivalence::Answer;
/// use skep_filter::{Database, Dlt, Options, compile, lift::lift};
/// let code = compile("tcp dst port 80 and ip", &Options::default(), &Database::new())?;
/// let lifted = lift(&code, Dlt::EN10MB).map_err(|e| e.to_string()).expect("it is lifted");
/// assert_eq!((lifted.expression.as_str(), lifted.answer), ("ip and tcp dst port 80", Answer::Same));
/// # Ok::<(), skep_filter::Error>(())
/// ```
pub fn lift(insns: &[Insn], dlt: Dlt) -> Result<Lifted, LiftError> {
    check_socket(insns).map_err(|e| LiftError::new(e.to_string()))?;
    let mut questions = Questions::new();
    let root =
        questions.add(insns, false).map_err(|e| LiftError { what: e.what().to_owned(), insn: e.insn() })?;
    let lengths = lengths(insns);
    let options = Options { dlt, snaplen: lengths.first().copied().unwrap_or(262_144), ..Options::default() };
    let mut unproved: Option<Lifted> = None;
    let mut why = LiftError::new("it would need an expression of tens of thousands of parts");
    let mut tried = Vec::new();
    for (style, guards) in WAYS {
        let Some(formula) = shape::formula(&mut questions, root, guards) else { continue };
        let rules = Rules { exprs: &questions.exprs, ordered: guards };
        let mut formula = simplified(rules, formula, &Facts::new());
        for _ in 0..ROUNDS {
            formula = simplified(rules, turned(rules, formula), &Facts::new());
        }
        let mut namer = Namer { exprs: &mut questions.exprs, dlt, style };
        let named = match namer.name(&formula, &Facts::new(), 0) {
            Ok(named) => named.whole(),
            Err(unsayable) => return Err(LiftError::new(unsayable.0)),
        };
        let expression = named.text();
        if tried.contains(&expression) {
            continue;
        }
        tried.push(expression.clone());
        for code in [Code::Plain, Code::Best] {
            let options = Options { code, ..options.clone() };
            let Ok(made) = compile(&expression, &options, &Database::new()) else { continue };
            let Ok(answer) = equivalence::compare(insns, &made, 0) else { continue };
            let expression = expression.clone();
            let lifted =
                Lifted { expression, in_words: named.is_said(), answer, code, lengths: lengths.clone() };
            match lifted.answer {
                Answer::Same => {
                    let best = Options { code: Code::Best, ..options.clone() };
                    let too = compile(&lifted.expression, &best, &Database::new()).is_ok_and(|best| {
                        equivalence::compare(insns, &best, 0).is_ok_and(|answer| answer == Answer::Same)
                    });
                    return Ok(Lifted { code: if too { Code::Best } else { code }, ..lifted });
                }
                Answer::Unknown(_) => unproved = unproved.or(Some(lifted)),
                Answer::Different(_) => {
                    why = LiftError::new("no expression was found that takes the same packets")
                }
            }
        }
    }
    unproved.ok_or(why)
}

/// What a program returns, but for 0.
fn lengths(insns: &[Insn]) -> Vec<u32> {
    let mut all = Vec::new();
    for &insn in insns {
        if let Some(Op::RetK { k: k @ 1.. }) = Op::decode(insn)
            && !all.contains(&k)
        {
            all.push(k);
        }
    }
    all
}

#[cfg(test)]
mod tests;
