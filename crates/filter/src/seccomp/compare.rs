//! How two filters differ, decided by walking both along every path that a call can take.
//!
//! A walk keeps what each word of the call may be ([`Domain`]) and what A, X and memory hold: a constant, or a word of
//! the call with some of its bits masked away. Filters that compute anything else from a call are not decided, and the
//! error names the instruction. Each difference comes with a call, and that call is run through both filters before it
//! is shown.

use std::fmt;
use std::rc::Rc;

use skep_abi::Arch;
use skep_isa::classic::{AluOp, CheckError, Insn, MEM_WORDS, Op, Source, check_seccomp};

use super::domain::{Domain, GaveUp};
use super::{Action, Call, machine};

/// A call that two filters treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The call.
    pub call: Call,
    /// What the first filter does.
    pub first: Action,
    /// What the second does.
    pub second: Action,
}

/// How two filters differ; nothing where they are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// A call where the first is weaker.
    pub first_weaker: Option<Witness>,
    /// A call where the second is weaker.
    pub second_weaker: Option<Witness>,
    /// A call where only the number that goes along differs, such as the errno.
    pub other: Option<Witness>,
}

impl Difference {
    /// Whether the filters do the same to every call.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Why two filters could not be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompareError {
    message: String,
    second: bool,
    insn: Option<usize>,
}

impl CompareError {
    /// Whether it is the second filter's fault.
    pub fn is_second(&self) -> bool {
        self.second
    }

    /// The instruction that is to blame, if one is.
    pub fn insn(&self) -> Option<usize> {
        self.insn
    }
}

impl fmt::Display for CompareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CompareError {}

/// Steps of a comparison before it gives up.
const STEPS: u64 = 50_000_000;

/// Compares two filters on every call there can be.
///
/// # Errors
/// If seccomp(2) would not take one of them, if one computes more than this follows, or if there are too many paths.
pub fn compare(first: &[Insn], second: &[Insn]) -> Result<Difference, CompareError> {
    for (insns, is_second) in [(first, false), (second, true)] {
        check_seccomp(insns).map_err(|e: CheckError| CompareError {
            message: e.to_string(),
            second: is_second,
            insn: None,
        })?;
    }
    let words: Words = std::array::from_fn(|_| Rc::new(Domain::any()));
    let mut steps = 0;
    let mut found = Difference::default();
    let mut todo = vec![Walk::new(first, None, words)];
    while let Some(walk) = todo.pop() {
        steps += 1;
        if steps > STEPS {
            return Err(CompareError { message: "too many paths".into(), second: false, insn: None });
        }
        match walk.step(&mut todo)? {
            None => {}
            Some((_, value, words)) if walk.answer.is_none() => {
                todo.push(Walk::new(second, Some(value), words));
            }
            Some((answer, value, words)) => {
                let pair = (Action::from_value(answer), Action::from_value(value));
                note(&mut found, pair, &words, (first, second))?;
            }
        }
    }
    Ok(found)
}

type Words = [Rc<Domain>; 16];

fn note(
    found: &mut Difference,
    (a, b): (Action, Action),
    words: &Words,
    (first, second): (&[Insn], &[Insn]),
) -> Result<(), CompareError> {
    let place = match () {
        () if a == b => return Ok(()),
        () if a.is_weaker_than(b) => &mut found.first_weaker,
        () if b.is_weaker_than(a) => &mut found.second_weaker,
        () => &mut found.other,
    };
    if place.is_some() {
        return Ok(());
    }
    let call = call(words).map_err(|GaveUp| CompareError {
        message: "no call was found for a path in good time".into(),
        second: false,
        insn: None,
    })?;
    let run = |insns| machine::run(insns, &call).map_or(Action::KillThread, |(action, _)| action);
    let witness = Witness { call, first: run(first), second: run(second) };
    debug_assert_eq!((witness.first, witness.second), (a, b));
    *place = Some(witness);
    Ok(())
}

/// A call whose words are in these domains.
fn call(words: &Words) -> Result<Call, GaveUp> {
    let mut values = [0; 16];
    for (value, domain) in values.iter_mut().zip(words) {
        *value = domain.value()?.unwrap_or(0);
    }
    let arch = Arch::ALL.into_iter().map(Arch::audit).find(|&a| words[1].contains(a));
    let wide = |at: usize| u64::from(values[at]) | u64::from(values[at + 1]) << 32;
    Ok(Call {
        number: values[0],
        arch: arch.unwrap_or(values[1]),
        instruction_pointer: wide(2),
        args: std::array::from_fn(|n| wide(4 + 2 * n)),
    })
}

/// What a register holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Const(u32),
    /// A word of the call and a mask.
    Word(usize, u32),
    /// Something else, made by this instruction.
    Other(usize),
}

/// A path under way.
#[derive(Clone)]
struct Walk<'a> {
    insns: &'a [Insn],
    /// What the first filter answered, once the second runs.
    answer: Option<u32>,
    words: Words,
    pc: usize,
    a: Value,
    x: Value,
    memory: [Value; MEM_WORDS],
}

/// What the first filter answered, what this one did, and the words.
type End = (u32, u32, Words);

impl<'a> Walk<'a> {
    fn new(insns: &'a [Insn], answer: Option<u32>, words: Words) -> Self {
        let zero = Value::Const(0);
        Self { insns, answer, words, pc: 0, a: zero, x: zero, memory: [zero; MEM_WORDS] }
    }

    fn unknown(&self, at: usize) -> CompareError {
        let message = format!("instruction {at} computes more from a call than is followed");
        CompareError { message, second: self.answer.is_some(), insn: Some(at) }
    }

    /// Walks up to a branch that a call decides, or to the end.
    fn step(&self, todo: &mut Vec<Self>) -> Result<Option<End>, CompareError> {
        let mut at = self.clone();
        loop {
            let pc = at.pc;
            let Some(op) = at.insns.get(pc).and_then(|&i| Op::decode(i)) else { return Err(at.unknown(pc)) };
            at.pc += 1;
            match op {
                Op::LoadAbs { k, .. } => at.a = Value::Word(k as usize / 4 % 16, u32::MAX),
                Op::LoadImm { k } => at.a = Value::Const(k),
                Op::LoadxImm { k } => at.x = Value::Const(k),
                Op::LoadLen => at.a = Value::Const(64),
                Op::LoadxLen => at.x = Value::Const(64),
                Op::LoadMem { k } => at.a = at.memory[k as usize % MEM_WORDS],
                Op::LoadxMem { k } => at.x = at.memory[k as usize % MEM_WORDS],
                Op::Store { k } => at.memory[k as usize % MEM_WORDS] = at.a,
                Op::Storex { k } => at.memory[k as usize % MEM_WORDS] = at.x,
                Op::Tax => at.x = at.a,
                Op::Txa => at.a = at.x,
                Op::Neg => {
                    at.a = match at.a {
                        Value::Const(a) => Value::Const(a.wrapping_neg()),
                        _ => Value::Other(pc),
                    };
                }
                Op::Alu { op, src } => match at.alu(op, src) {
                    Some(value) => at.a = value,
                    None => return Ok(Some(at.end(0))),
                },
                Op::Jump { k } => at.pc += k as usize,
                Op::Branch { cond, src, jt, jf } => {
                    let (to, or) = (at.pc + usize::from(jt), at.pc + usize::from(jf));
                    match (at.a, at.source(src)) {
                        (Value::Const(a), Value::Const(b)) => at.pc = if cond.holds(a, b) { to } else { or },
                        (Value::Word(word, mask), Value::Const(k)) => {
                            for (pc, holds) in [(or, false), (to, true)] {
                                let new = at.words[word].refine(mask, cond, k, holds);
                                let Some(new) = new.map_err(|GaveUp| at.unknown(at.pc - 1))? else {
                                    continue;
                                };
                                let mut other = at.clone();
                                other.words[word] = Rc::new(new);
                                other.pc = pc;
                                todo.push(other);
                            }
                            return Ok(None);
                        }
                        (Value::Other(by), _) | (_, Value::Other(by)) => return Err(at.unknown(by)),
                        _ => return Err(at.unknown(pc)),
                    }
                }
                Op::RetK { k } => return Ok(Some(at.end(k))),
                Op::RetA => match at.a {
                    Value::Const(a) => return Ok(Some(at.end(a))),
                    _ => return Err(at.unknown(pc)),
                },
                Op::LoadInd { .. } | Op::LoadxMsh { .. } => return Err(at.unknown(pc)),
            }
        }
    }

    fn source(&self, src: Source) -> Value {
        match src {
            Source::K(k) => Value::Const(k),
            Source::X => self.x,
        }
    }

    /// A after arithmetic; none where a division by zero ends the filter.
    fn alu(&self, op: AluOp, src: Source) -> Option<Value> {
        match (op, self.a, self.source(src)) {
            (_, Value::Const(a), Value::Const(b)) => op.apply(a, b).map(Value::Const),
            (AluOp::And, Value::Word(word, mask), Value::Const(k))
            | (AluOp::And, Value::Const(k), Value::Word(word, mask)) => Some(Value::Word(word, mask & k)),
            _ => Some(Value::Other(self.pc - 1)),
        }
    }

    fn end(self, value: u32) -> End {
        (self.answer.unwrap_or(0), value, self.words)
    }
}
