//! Formulas over questions: values in sets, joined by and, or, not. Questions about one value are put together as they
//! meet, so that a search tree comes out as one set.

use std::collections::BTreeMap;
use std::rc::Rc;

use skep_isa::classic::Cond;

use crate::decide::expr::{ExprId, Exprs};
use crate::decide::steps::{Set, complement};
use crate::explain::flow::both;

/// A formula. Operands of `And` and `Or` are two or more, none of them of the same kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Formula {
    True,
    False,
    And(Vec<Formula>),
    Or(Vec<Formula>),
    Not(Box<Formula>),
    /// A value is in a set.
    In(ExprId, Set),
    /// Two values compare so.
    Compare(Cond, ExprId, ExprId),
    /// The bytes of a load are there.
    There(ExprId),
}

/// What is known of values.
pub(super) type Facts = BTreeMap<ExprId, Set>;

/// All that a value can be.
pub(super) fn full(exprs: &Exprs, field: ExprId) -> Set {
    [(0, exprs.max(field))].as_slice().into()
}

/// What formulas are made by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'e> {
    pub(super) exprs: &'e Exprs,
    /// Alternatives keep their order: a packet that ends before the bytes of one has not come to the next.
    pub(super) ordered: bool,
}

fn union(a: &Set, b: &Set) -> Set {
    complement(&both(&complement(a), &complement(b)))
}

fn outside(exprs: &Exprs, field: ExprId, set: &Set) -> Set {
    both(&complement(set), &full(exprs, field))
}

/// Whether all of a set is in another.
pub(super) fn within(set: &Set, other: &Set) -> bool {
    both(set, &complement(other)).is_empty()
}

/// A value in a set, as far as it can be.
pub(super) fn is_in(exprs: &Exprs, field: ExprId, set: &[(u32, u32)]) -> Formula {
    let all = full(exprs, field);
    let set = both(set, &all);
    match set {
        set if set.is_empty() => Formula::False,
        set if set == all => Formula::True,
        set => Formula::In(field, set),
    }
}

pub(super) fn not(rules: Rules<'_>, f: Formula) -> Formula {
    match f {
        Formula::True => Formula::False,
        Formula::False => Formula::True,
        Formula::Not(inner) => *inner,
        Formula::In(field, set) => Formula::In(field, outside(rules.exprs, field, &set)),
        f => Formula::Not(Box::new(f)),
    }
}

pub(super) fn and(a: Formula, b: Formula) -> Formula {
    let mut all = match a {
        Formula::And(all) => all,
        a => vec![a],
    };
    let more = match b {
        Formula::And(more) => more,
        b => vec![b],
    };
    for f in more {
        match f {
            Formula::True => continue,
            Formula::False => return Formula::False,
            Formula::In(field, ref set) => {
                let there = all.iter_mut().find_map(|g| match g {
                    Formula::In(other, set) if *other == field => Some(set),
                    _ => None,
                });
                match there {
                    Some(known) => {
                        *known = both(known, set);
                        if known.is_empty() {
                            return Formula::False;
                        }
                    }
                    None => all.push(f),
                }
            }
            f if all.contains(&f) => {}
            f => all.push(f),
        }
    }
    all.retain(|f| *f != Formula::True);
    if all.contains(&Formula::False) {
        return Formula::False;
    }
    one(all, Formula::True, Formula::And)
}

pub(super) fn or(rules: Rules<'_>, a: Formula, b: Formula) -> Formula {
    let mut any = match a {
        Formula::Or(any) => any,
        a => vec![a],
    };
    let more = match b {
        Formula::Or(more) => more,
        b => vec![b],
    };
    for f in more {
        match f {
            Formula::False => continue,
            Formula::True => return Formula::True,
            Formula::In(field, ref set) => {
                let from = if rules.ordered { any.len().saturating_sub(1) } else { 0 };
                let there = any[from..].iter_mut().find_map(|g| match g {
                    Formula::In(other, set) if *other == field => Some(set),
                    _ => None,
                });
                match there {
                    Some(known) => {
                        *known = union(known, set);
                        if *known == full(rules.exprs, field) {
                            return Formula::True;
                        }
                    }
                    None => any.push(f),
                }
            }
            f if any.contains(&f) => {}
            f => any.push(f),
        }
    }
    any.retain(|f| *f != Formula::False);
    if any.contains(&Formula::True) {
        return Formula::True;
    }
    one(any, Formula::False, Formula::Or)
}

fn one(mut all: Vec<Formula>, none: Formula, many: fn(Vec<Formula>) -> Formula) -> Formula {
    match all.len() {
        0 => none,
        1 => all.pop().unwrap_or(none),
        _ => many(all),
    }
}

/// One formula where a condition holds, another where it does not.
pub(super) fn choice(rules: Rules<'_>, c: Formula, yes: Formula, no: Formula) -> Formula {
    let otherwise = not(rules, c.clone());
    let (yes, no) = (and(c, yes), and(otherwise, no));
    or(rules, yes, no)
}

/// How large a formula is.
pub(super) fn size(f: &Formula) -> usize {
    match f {
        Formula::And(all) | Formula::Or(all) => 1 + all.iter().map(size).sum::<usize>(),
        Formula::Not(inner) => 1 + size(inner),
        Formula::In(_, set) => set.len(),
        _ => 1,
    }
}

/// The sets that values are in wherever a formula holds.
fn implied(f: &Formula) -> Facts {
    match f {
        Formula::In(field, set) => Facts::from([(*field, Rc::clone(set))]),
        Formula::And(all) => {
            let mut facts = Facts::new();
            for f in all {
                narrow(&mut facts, implied(f));
            }
            facts
        }
        Formula::Or(any) => {
            let mut each = any.iter().map(implied);
            let Some(mut facts) = each.next() else { return Facts::new() };
            for other in each {
                facts.retain(|field, set| {
                    let Some(more) = other.get(field) else { return false };
                    *set = union(set, more);
                    true
                });
            }
            facts
        }
        _ => Facts::new(),
    }
}

/// Knows more.
pub(super) fn narrow(facts: &mut Facts, more: Facts) {
    for (field, set) in more {
        let now = match facts.get(&field) {
            Some(known) => both(known, &set),
            None => set,
        };
        facts.insert(field, now);
    }
}

/// Leaves out what is known where a formula stands, and what the rest of it says.
pub(super) fn simplified(rules: Rules<'_>, f: Formula, facts: &Facts) -> Formula {
    match f {
        Formula::In(field, set) => match facts.get(&field) {
            Some(known) if within(known, &set) => Formula::True,
            Some(known) if both(known, &set).is_empty() => Formula::False,
            _ => Formula::In(field, set),
        },
        Formula::Not(inner) => not(rules, simplified(rules, *inner, facts)),
        Formula::Or(any) => {
            any.into_iter().fold(Formula::False, |done, f| or(rules, done, simplified(rules, f, facts)))
        }
        Formula::And(all) => {
            let mut known = facts.clone();
            for f in &all {
                if let Formula::In(field, set) = f {
                    narrow(&mut known, Facts::from([(*field, Rc::clone(set))]));
                }
            }
            let mut done = Formula::True;
            for f in all {
                let f = match f {
                    Formula::In(..) => simplified(rules, f, facts),
                    f => simplified(rules, f, &known),
                };
                done = and(done, f);
            }
            unneeded(done)
        }
        f => f,
    }
}

/// Without the questions that the other parts of a conjunction answer: what is IPv4 is not IPv6.
fn unneeded(f: Formula) -> Formula {
    let Formula::And(all) = f else { return f };
    let mut facts = Facts::new();
    for f in all.iter().filter(|f| !matches!(f, Formula::In(..))) {
        narrow(&mut facts, implied(f));
    }
    let needed = |f: &Formula| match f {
        Formula::In(field, set) => !facts.get(field).is_some_and(|known| within(known, set)),
        _ => true,
    };
    all.into_iter().filter(needed).fold(Formula::True, and)
}

/// Whether a formula reads as what is, or as what is not: 1, -1, or 0 for both.
fn polarity(exprs: &Exprs, f: &Formula) -> i32 {
    match f {
        Formula::In(field, set) => {
            let count = |set: &Set| set.iter().map(|r| u64::from(r.1 - r.0) + 1).sum::<u64>();
            if 2 * count(set) > count(&full(exprs, *field))
                && set.len() <= 2 + outside(exprs, *field, set).len()
            {
                -1
            } else {
                1
            }
        }
        Formula::Not(_) => -1,
        Formula::Compare(..) => 0,
        _ => 1,
    }
}

/// Turned round where it reads better so: `not (not a or b)` is `a and not b`.
pub(super) fn turned(rules: Rules<'_>, f: Formula) -> Formula {
    let sum = |all: &[Formula]| all.iter().map(|f| polarity(rules.exprs, f)).sum::<i32>();
    match f {
        Formula::And(all) => {
            let all: Vec<Formula> = all.into_iter().map(|f| turned(rules, f)).collect();
            if let Some(choice) = as_choice(rules, &all) {
                return choice;
            }
            let negative = all.iter().all(|f| polarity(rules.exprs, f) < 0);
            if negative {
                Formula::Not(Box::new(negated(rules, all, false)))
            } else {
                rebuilt(rules, all, true)
            }
        }
        Formula::Or(any) => {
            let any: Vec<Formula> = any.into_iter().map(|f| turned(rules, f)).collect();
            if sum(&any) <= -2 {
                return Formula::Not(Box::new(negated(rules, any, true)));
            }
            rebuilt(rules, any, false)
        }
        Formula::Not(inner) => match turned(rules, *inner) {
            Formula::Or(any) if let Some(choice) = other_choice(rules, &any) => choice,
            Formula::And(all) if sum(&all) <= 0 => negated(rules, all, false),
            Formula::Or(any) if sum(&any) <= 0 => negated(rules, any, true),
            Formula::Or(any) => {
                let (isnt, is) = any.into_iter().partition(|f| polarity(rules.exprs, f) < 0);
                let is = rebuilt(rules, is, false);
                and(negated(rules, isnt, true), not(rules, is))
            }
            f => not(rules, f),
        },
        f => f,
    }
}

fn rebuilt(rules: Rules<'_>, all: Vec<Formula>, and_: bool) -> Formula {
    if and_ {
        all.into_iter().fold(Formula::True, and)
    } else {
        all.into_iter().fold(Formula::False, |done, f| or(rules, done, f))
    }
}

/// What holds where the disjunction (`or_`) or conjunction of these does not.
fn negated(rules: Rules<'_>, all: Vec<Formula>, or_: bool) -> Formula {
    let all: Vec<Formula> = all.into_iter().map(|f| not(rules, f)).collect();
    rebuilt(rules, all, or_)
}

/// A choice that does not hold is the same choice between what does not hold.
fn other_choice(rules: Rules<'_>, any: &[Formula]) -> Option<Formula> {
    let [Formula::And(yes), Formula::And(no)] = any else { return None };
    let chosen = |f: &&Formula| matches!(f, Formula::In(..)) && no.contains(&not(rules, (*f).clone()));
    let c = yes.iter().find(chosen)?.clone();
    let otherwise = not(rules, c.clone());
    let rest = |all: &[Formula], without: &Formula| {
        let rest = all.iter().filter(|f| *f != without).cloned().fold(Formula::True, and);
        turned(rules, not(rules, rest))
    };
    let (yes, no) = (rest(yes, &c), rest(no, &otherwise));
    Some(choice(rules, c, yes, no))
}

/// `(not c or a) and (c or b)` is a choice by `c`.
fn as_choice(rules: Rules<'_>, all: &[Formula]) -> Option<Formula> {
    let [Formula::Or(yes), Formula::Or(no)] = all else { return None };
    let chosen = |f: &&Formula| matches!(f, Formula::In(..)) && no.contains(&not(rules, (*f).clone()));
    let otherwise = yes.iter().find(chosen)?.clone();
    let c = not(rules, otherwise.clone());
    let rest = |any: &[Formula], without: &Formula| {
        any.iter().filter(|f| *f != without).cloned().fold(Formula::False, |done, f| or(rules, done, f))
    };
    let (yes, no) = (rest(yes, &otherwise), rest(no, &c));
    Some(choice(rules, c, yes, no))
}
