//! What a program's registers hold and what is known of the packet before each instruction.
//!
//! Programs go forward, so one pass meets every instruction after all that lead to it. Where ways meet, a register holds
//! one of a few values, and of the packet that is known which both ways know. Invariant: what is said holds on every run.

use std::collections::BTreeMap;
use std::rc::Rc;

use skep_isa::classic::{AluOp, Cond, Insn, Op};

use crate::decide::effects;
use crate::decide::expr::{Expr, ExprId, Exprs};
use crate::decide::steps::{A, PLACES, Set, State, X, apply, comparison, complement};

/// A place that may hold more values than this holds any.
const MOST_VALUES: usize = 4;

/// What a place may hold; nothing listed is anything.
type Values = Rc<[ExprId]>;

/// Values of which more is known than their size tells: the sets that they are in.
pub(crate) type Facts = BTreeMap<ExprId, Set>;

/// A question of a branch: a value, and the range that it has to be in; no range can't be met.
pub(crate) type Question = (ExprId, Option<(u32, u32)>);

/// An instruction, seen from before it.
#[derive(Clone, Debug, Default)]
pub(super) struct At {
    /// Some run comes here.
    pub(super) reached: bool,
    pub(super) facts: Rc<Facts>,
    /// What A and X may hold; nothing is anything.
    pub(super) a: Vec<ExprId>,
    pub(super) x: Vec<ExprId>,
    /// What the instruction puts where it writes; nothing is anything.
    pub(super) gives: Vec<ExprId>,
    /// What a branch asks, for each value of A.
    pub(super) asks: Vec<Question>,
    /// Comparisons of two values that are no questions about one.
    pub(super) compares: Vec<(Cond, ExprId, ExprId)>,
}

#[derive(Clone)]
struct Entry {
    places: [Values; PLACES],
    facts: Rc<Facts>,
}

/// Follows a program. Of one that goes back, which is nothing that this follows, nothing is known.
pub(super) fn follow(exprs: &mut Exprs, insns: &[Insn]) -> Vec<At> {
    let ops: Vec<Option<Op>> = insns.iter().map(|&i| Op::decode(i)).collect();
    let back = |(pc, op): (usize, &Option<Op>)| match op {
        Some(Op::Jump { k }) => *k as usize >= insns.len() - pc,
        None => true,
        _ => false,
    };
    if ops.iter().enumerate().any(back) {
        return vec![At { reached: true, ..At::default() }; insns.len()];
    }
    let zero: Values = Rc::new([exprs.make(Expr::Const(0))]);
    let mut entries: Vec<Option<Entry>> = vec![None; insns.len() + 1];
    entries[0] = Some(Entry { places: std::array::from_fn(|_| Rc::clone(&zero)), facts: Rc::default() });
    let mut out = Vec::with_capacity(insns.len());
    for (pc, op) in ops.iter().enumerate() {
        let (Some(entry), Some(op)) = (entries[pc].take(), *op) else {
            out.push(At::default());
            continue;
        };
        let mut at = At {
            reached: true,
            facts: Rc::clone(&entry.facts),
            a: entry.places[A].to_vec(),
            x: entry.places[X].to_vec(),
            ..At::default()
        };
        let mut flow = |distance: usize, entry: Entry| {
            // What the checks refuse may jump past the end.
            if let Some(place) = entries.get_mut(pc + 1 + distance) {
                *place = Some(match place.take() {
                    None => entry,
                    Some(there) => met(&there, &entry),
                });
            }
        };
        match op {
            Op::RetK { .. } | Op::RetA => {}
            Op::Jump { k } => flow(k as usize, entry),
            Op::Branch { cond, src, jt, jf } => {
                for (a, x) in pairs(&entry, effects(op).0) {
                    match comparison(exprs, cond, src, (a, x)) {
                        Ok(question) => at.asks.push(plain_question(exprs, question)),
                        Err(_) => at.compares.push((cond, a, x)),
                    }
                }
                let sides = [(jt, true), (jf, false)];
                for (distance, holds) in sides {
                    if let Some(facts) = told(exprs, &entry.facts, &at.asks, holds) {
                        flow(usize::from(distance), Entry { facts, ..entry.clone() });
                    }
                }
            }
            _ => {
                let mut entry = entry;
                at.gives = done(exprs, op, &mut entry);
                flow(0, entry);
            }
        }
        out.push(at);
    }
    out
}

/// Values of A and X together, those that matter by `reads`; none where one may be anything.
fn pairs(entry: &Entry, reads: u32) -> Vec<(ExprId, ExprId)> {
    let any = [0];
    let of = |place: usize| if reads & 1 << place == 0 { &any[..] } else { &entry.places[place] };
    of(A).iter().flat_map(|&a| of(X).iter().map(move |&x| (a, x))).collect()
}

/// Runs a statement; what it writes.
fn done(exprs: &mut Exprs, op: Op, entry: &mut Entry) -> Vec<ExprId> {
    let (reads, writes) = effects(op);
    let to = writes.trailing_zeros() as usize;
    let word = (crate::decide::steps::MEM..PLACES).find(|place| reads & 1 << place != 0);
    let states: Vec<State> = match word {
        Some(word) => entry.places[word].iter().map(|&v| [v; PLACES]).collect(),
        None => pairs(entry, reads)
            .into_iter()
            .map(|(a, x)| {
                let mut state = [a; PLACES];
                state[X] = x;
                state
            })
            .collect(),
    };
    let mut gives = Vec::new();
    for mut state in states {
        if apply(exprs, op, &mut state).is_err() {
            gives.clear();
            break;
        }
        gives.push(plain_value(exprs, state[to]));
    }
    gives.sort_unstable();
    gives.dedup();
    if gives.len() > MOST_VALUES {
        gives.clear();
    }
    entry.places[to] = gives.as_slice().into();
    gives
}

/// A value in the form that the optimisers leave: constants to the right of sums, and in the offsets of loads.
pub(crate) fn plain_value(exprs: &mut Exprs, id: ExprId) -> ExprId {
    match exprs.get(id) {
        Expr::Alu(AluOp::Add, a, b) if matches!(exprs.get(a), Expr::Const(_)) => {
            exprs.make(Expr::Alu(AluOp::Add, b, a))
        }
        Expr::Ind(size, k, base) => match exprs.get(base) {
            Expr::Alu(AluOp::Add, inner, more) => match exprs.get(more) {
                Expr::Const(more) => exprs.make(Expr::Ind(size, k.wrapping_add(more), inner)),
                _ => id,
            },
            _ => id,
        },
        _ => id,
    }
}

/// A question in the form that the optimisers leave: a constant is compared with, not subtracted before.
pub(crate) fn plain_question(exprs: &Exprs, (field, range): Question) -> Question {
    match (exprs.get(field), range) {
        (Expr::Alu(AluOp::Sub, inner, less), Some((from, to))) if from == to => match exprs.get(less) {
            Expr::Const(less) => (inner, Some((from.wrapping_add(less), to.wrapping_add(less)))),
            _ => (field, range),
        },
        _ => (field, range),
    }
}

/// What is known behind a branch; none where no run goes that way.
fn told(exprs: &Exprs, facts: &Rc<Facts>, asks: &[Question], holds: bool) -> Option<Rc<Facts>> {
    let [(field, range)] = *asks else { return Some(Rc::clone(facts)) };
    let inside: Set = range.as_slice().into();
    let side = if holds { inside } else { complement(&inside) };
    let known = facts.get(&field).cloned().unwrap_or_else(|| [(0, exprs.max(field))].as_slice().into());
    let now = both(&known, &side);
    if now.is_empty() {
        return None;
    }
    let mut facts = Facts::clone(facts);
    facts.insert(field, now);
    Some(Rc::new(facts))
}

fn met(a: &Entry, b: &Entry) -> Entry {
    let places = std::array::from_fn(|place| {
        let (a, b) = (&a.places[place], &b.places[place]);
        if a == b {
            return Rc::clone(a);
        }
        let mut all: Vec<ExprId> = a.iter().chain(b.iter()).copied().collect();
        all.sort_unstable();
        all.dedup();
        let any = a.is_empty() || b.is_empty() || all.len() > MOST_VALUES;
        if any { Rc::new([]) } else { all.into() }
    });
    let facts = match a.facts == b.facts {
        true => Rc::clone(&a.facts),
        false => {
            let either = |(field, set): (&ExprId, &Set)| {
                let other = b.facts.get(field)?;
                Some((*field, complement(&both(&complement(set), &complement(other)))))
            };
            Rc::new(a.facts.iter().filter_map(either).collect())
        }
    };
    Entry { places, facts }
}

/// What two sets have in common.
pub(crate) fn both(a: &[(u32, u32)], b: &[(u32, u32)]) -> Set {
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (from, to) = (x.0.max(y.0), x.1.min(y.1));
        if from <= to {
            out.push((from, to));
        }
        if x.1 < y.1 { i += 1 } else { j += 1 }
    }
    out.into()
}
