//! Which parts of the expression an instruction serves.
//!
//! Of the compiler's own code this is known: it was noted when the code was made. Better code of the same filter has lost
//! that, but asks the same questions: a branch serves the parts that ask for the same value, with a bound in common, where
//! they can still be asked after what is known at the branch; what comes before it serves whatever it is computed for.

use std::rc::Rc;

use rustc_hash::FxHashMap as HashMap;
use skep_isa::classic::{Insn, Op};

use super::flow::{At, Facts, Question, both};
use crate::decide::effects;
use crate::decide::expr::Exprs;
use crate::decide::steps::{A, PLACES, complement};
use crate::graph::Graph;
use crate::ir::Marks;

/// Parts of the expression, by their numbers, sorted.
pub(super) type Parts = Rc<[usize]>;

/// The compiler's code, and the part that each instruction was made for.
pub(super) fn plain(graph: &mut Graph, marks: &Marks) -> Result<(Vec<Insn>, Vec<Option<usize>>), String> {
    let (insns, starts) = graph.emit_placed()?;
    let mut parts = vec![None; insns.len()];
    let mut order: Vec<usize> = graph.postorder(true);
    order.sort_unstable_by_key(|&node| starts[node]);
    for (n, &node) in order.iter().enumerate() {
        let end = order.get(n + 1).map_or(insns.len(), |&next| starts[next]);
        let own = marks.of_block(graph.ids[node]);
        let stmts = graph.nodes[node].stmts.iter().map(|&id| marks.of_stmt(id).or(own));
        // The test, and the jumps that its far targets take.
        let all = stmts.chain(std::iter::repeat(own));
        for (place, part) in parts[starts[node]..end].iter_mut().zip(all) {
            *place = part;
        }
    }
    Ok((insns, parts))
}

/// The compiler's code with what is known of it, to look parts up in.
pub(super) struct Source<'s> {
    insns: &'s [Insn],
    at: &'s [At],
    parts: &'s [Option<usize>],
    reached: HashMap<Rc<Facts>, Rc<[usize]>>,
}

/// Walks through the compiler's code that one explanation may take, in instructions.
const MOST_WALKED: usize = 40_000_000;

impl<'s> Source<'s> {
    pub(super) fn new(insns: &'s [Insn], at: &'s [At], parts: &'s [Option<usize>]) -> Self {
        Self { insns, at, parts, reached: HashMap::default() }
    }

    /// The branches that can be come to where these facts hold.
    fn branches(&mut self, facts: &Rc<Facts>) -> Rc<[usize]> {
        let affordable = self.reached.len() * self.insns.len() < MOST_WALKED;
        let facts = if affordable { Rc::clone(facts) } else { Rc::default() };
        if let Some(known) = self.reached.get(&facts) {
            return Rc::clone(known);
        }
        let mut come = vec![false; self.insns.len() + 1];
        come[0] = true;
        let mut found = Vec::new();
        for pc in 0..self.insns.len() {
            if !come[pc] {
                continue;
            }
            let mut go = |distance: usize| {
                if let Some(place) = come.get_mut((pc + 1).saturating_add(distance)) {
                    *place = true;
                }
            };
            match Op::decode(self.insns[pc]) {
                Some(Op::Branch { jt, jf, .. }) => {
                    found.push(pc);
                    let (yes, no) = ways(&facts, &self.at[pc].asks);
                    yes.then(|| go(jt.into()));
                    no.then(|| go(jf.into()));
                }
                Some(Op::Jump { k }) => go(k as usize),
                Some(Op::RetK { .. } | Op::RetA) => {}
                _ => go(0),
            }
        }
        let found: Rc<[usize]> = found.into();
        self.reached.insert(facts, Rc::clone(&found));
        found
    }

    /// The parts that ask what a branch asks, where they can after what is known there.
    fn asking(&mut self, at: &At) -> Parts {
        let near = self.branches(&at.facts);
        let all = self.branches(&Rc::default());
        // What is nearest first: a question that nothing can ask any more is still that part's question.
        let ways: [(_, Alike); 6] = [
            (&near, same),
            (&near, touching),
            (&all, same),
            (&all, touching),
            (&near, of_one_value),
            (&all, of_one_value),
        ];
        for (among, alike) in ways {
            let asks = |&pc: &usize| {
                let theirs = &self.at[pc];
                theirs.asks.iter().any(|q| at.asks.iter().any(|p| alike(p, q)))
                    || theirs.compares.iter().any(|c| at.compares.contains(c))
            };
            let found = self.parts(among.iter().copied().filter(asks).collect());
            if !found.is_empty() {
                return found;
            }
        }
        Rc::new([])
    }

    /// The parts that need bytes as far as a load reaches whose value is of no use.
    fn needing(&mut self, exprs: &Exprs, at: &At) -> Parts {
        let near = self.branches(&at.facts);
        let needs = |pc: &usize| {
            let fields = self.at[*pc].asks.iter().map(|q| exprs.needs(q.0));
            let mut gives = at.gives.iter().map(|&e| exprs.needs(e));
            gives.any(|g| fields.clone().any(|f| f.to == g.to && f.cover(g)))
        };
        let found = near.iter().copied().filter(needs).collect();
        self.parts(found)
    }

    fn parts(&self, branches: Vec<usize>) -> Parts {
        let mut parts: Vec<usize> = branches.into_iter().filter_map(|pc| self.parts[pc]).collect();
        parts.sort_unstable();
        parts.dedup();
        parts.into()
    }
}

/// Which ways a branch may go.
fn ways(facts: &Facts, asks: &[Question]) -> (bool, bool) {
    let [(field, range)] = *asks else { return (true, true) };
    let Some(known) = facts.get(&field) else { return (true, true) };
    let yes = range.as_slice();
    (!both(known, yes).is_empty(), !both(known, &complement(yes)).is_empty())
}

/// Whether two questions have enough in common.
type Alike = fn(&Question, &Question) -> bool;

fn same(a: &Question, b: &Question) -> bool {
    a == b
}

/// A bound in common.
fn touching(a: &Question, b: &Question) -> bool {
    let bounds = |q: &Question| q.1.map_or([0, 0], |(from, to)| [from, to.wrapping_add(1)]);
    a.0 == b.0 && bounds(a).iter().any(|x| *x != 0 && bounds(b).contains(x))
}

fn of_one_value(a: &Question, b: &Question) -> bool {
    a.0 == b.0
}

/// The parts that each instruction of a program serves.
pub(super) fn served(exprs: &Exprs, insns: &[Insn], at: &[At], source: &mut Source<'_>) -> Vec<Parts> {
    let none: Parts = Rc::new([]);
    // What is in each place before an instruction, and what it will be used for.
    let mut wanted: Vec<[Parts; PLACES]> = vec![std::array::from_fn(|_| Rc::clone(&none)); insns.len() + 1];
    let mut out = vec![Rc::clone(&none); insns.len()];
    for pc in (0..insns.len()).rev() {
        let Some(op) = Op::decode(insns[pc]) else { continue };
        let behind = |distance: usize| (pc + 1).saturating_add(distance).min(insns.len());
        let (reads, writes) = effects(op);
        let mut now = match op {
            Op::RetK { .. } | Op::RetA => std::array::from_fn(|_| Rc::clone(&none)),
            Op::Jump { k } => wanted[behind(k as usize)].clone(),
            Op::Branch { jt, jf, .. } => {
                let (a, b) = (&wanted[behind(jt.into())], &wanted[behind(jf.into())]);
                std::array::from_fn(|place| joined(&a[place], &b[place]))
            }
            _ => wanted[pc + 1].clone(),
        };
        let serves = match op {
            Op::Branch { .. } => source.asking(&at[pc]),
            Op::RetK { .. } | Op::RetA | Op::Jump { .. } => Rc::clone(&none),
            _ => {
                let to = writes.trailing_zeros() as usize;
                let used = std::mem::replace(&mut now[to], Rc::clone(&none));
                if used.is_empty() && to == A { source.needing(exprs, &at[pc]) } else { used }
            }
        };
        for (place, parts) in now.iter_mut().enumerate() {
            if reads & 1 << place != 0 {
                *parts = joined(parts, &serves);
            }
        }
        out[pc] = serves;
        wanted[pc] = now;
    }
    out
}

fn joined(a: &Parts, b: &Parts) -> Parts {
    if a == b || b.is_empty() {
        return Rc::clone(a);
    }
    if a.is_empty() {
        return Rc::clone(b);
    }
    let mut all: Vec<usize> = a.iter().chain(b.iter()).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.into()
}
