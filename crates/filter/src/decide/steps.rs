//! A compiled filter, run on symbols: what is compared with what, and where that leads.

use rustc_hash::FxHashMap as HashMap;
use std::rc::Rc;

use skep_isa::classic::{AluOp, Cond, Insn, Op, Source};

use super::expr::{Expr, ExprId, Exprs};
use super::{Bail, GiveUp};
use crate::graph::Graph;

/// A step, by its index; children come before their parents.
pub(super) type StepId = u32;

/// The packet is not taken.
pub(super) const REJECT: StepId = 0;
/// It is.
pub(super) const ACCEPT: StepId = 1;

/// Ranges of values, sorted, apart from each other, both ends included.
pub(crate) type Set = Rc<[(u32, u32)]>;

/// A set, by its index.
pub(super) type SetId = u32;

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Step {
    pub(super) field: ExprId,
    pub(super) set: SetId,
    pub(super) yes: StepId,
    pub(super) no: StepId,
}

/// All steps; equal ones shared.
#[derive(Debug)]
pub(super) struct Steps {
    all: Vec<Step>,
    known: HashMap<Step, StepId>,
    sets: Vec<Set>,
    sets_known: HashMap<Set, SetId>,
}

impl Steps {
    fn new() -> Self {
        // The two ends have a place, so that indices fit.
        let end = Step { field: 0, set: 0, yes: 0, no: 0 };
        Self {
            all: vec![end; 2],
            known: HashMap::default(),
            sets: Vec::new(),
            sets_known: HashMap::default(),
        }
    }

    pub(super) fn get(&self, id: StepId) -> Step {
        self.all[id as usize]
    }

    pub(super) fn set(&self, id: SetId) -> &Set {
        &self.sets[id as usize]
    }

    fn set_id(&mut self, set: &[(u32, u32)]) -> SetId {
        if let Some(&id) = self.sets_known.get(set) {
            return id;
        }
        let set: Set = set.into();
        let id = self.sets.len() as SetId;
        self.sets.push(Rc::clone(&set));
        self.sets_known.insert(set, id);
        id
    }

    pub(super) fn make(&mut self, step: Step) -> StepId {
        if (step.yes, step.no) == (REJECT, REJECT) {
            return REJECT;
        }
        *self.known.entry(step).or_insert_with(|| {
            self.all.push(step);
            (self.all.len() - 1) as StepId
        })
    }

    /// What can be reached from a step, itself included, in falling order: parents first.
    pub(super) fn reachable(&self, root: StepId) -> Vec<StepId> {
        let mut seen = vec![false; root as usize + 1];
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            if id > ACCEPT && !seen[id as usize] {
                seen[id as usize] = true;
                let step = self.get(id);
                stack.extend([step.yes, step.no]);
            }
        }
        (2..=root).rev().filter(|&id| seen[id as usize]).collect()
    }
}

/// Whether a set has a value.
pub(crate) fn has(set: &[(u32, u32)], value: u32) -> bool {
    let at = set.partition_point(|r| r.1 < value);
    set.get(at).is_some_and(|r| r.0 <= value)
}

/// What a set has not.
pub(crate) fn complement(set: &[(u32, u32)]) -> Set {
    let mut out = Vec::with_capacity(set.len() + 1);
    let mut from = Some(0);
    for &(low, high) in set {
        if let Some(start) = from
            && start < low
        {
            out.push((start, low - 1));
        }
        from = high.checked_add(1);
    }
    out.extend(from.map(|start| (start, u32::MAX)));
    out.into()
}

/// A filter as steps, with what they are about.
pub(super) struct Symbols {
    pub(super) exprs: Exprs,
    pub(super) steps: Steps,
    pub(super) root: StepId,
    /// What the filter returns for a packet that it takes.
    pub(super) accept: u32,
}

/// A register or memory word.
pub(crate) const A: usize = 0;
pub(crate) const X: usize = 1;
pub(crate) const MEM: usize = 2;
pub(crate) const PLACES: usize = MEM + skep_isa::classic::MEM_WORDS;

/// Runs a graph on symbols.
pub(super) fn symbols(graph: &Graph) -> Result<Symbols, GiveUp> {
    let mut run = Run {
        graph,
        live: live(graph)?,
        out: Symbols { exprs: Exprs::default(), steps: Steps::new(), root: REJECT, accept: 0 },
        zero: 0,
        plain: vec![None; graph.nodes.len()],
        done: HashMap::default(),
    };
    run.zero = run.out.exprs.make(Expr::Const(0));
    run.out.exprs.given = graph.given;
    let mut start = [run.zero; PLACES];
    for word in (0..skep_isa::classic::MEM_WORDS).filter(|w| graph.given & 1 << w != 0) {
        start[MEM + word] = run.out.exprs.make(Expr::Word(word as u32));
    }
    run.out.root = run.all(start)?;
    Ok(run.out)
}

fn op(code: u16, k: u32) -> Result<Op, GiveUp> {
    Op::decode(Insn { code, jt: 0, jf: 0, k }).ok_or(Bail::Unknown.into())
}

/// Which places each block's code, and what follows it, reads before it writes them; as bits.
fn live(graph: &Graph) -> Result<Vec<u32>, GiveUp> {
    let mut live = vec![0; graph.nodes.len()];
    for at in graph.postorder(true) {
        let node = &graph.nodes[at];
        let ends = node.jt == crate::graph::NONE;
        let mut now = if ends { 0 } else { live[node.jt] | live[node.jf] };
        let mut step = |op: Op| {
            let (reads, writes) = effects(op);
            now = now & !writes | reads;
        };
        step(op(node.code, node.k)?);
        for &id in node.stmts.iter().rev() {
            step(op(graph.stmts[id].code, graph.stmts[id].k)?);
        }
        live[at] = now;
    }
    Ok(live)
}

/// What an operation reads and writes.
pub(crate) fn effects(op: Op) -> (u32, u32) {
    const A_BIT: u32 = 1 << A;
    const X_BIT: u32 = 1 << X;
    let word = |k: u32| 1 << (MEM + k as usize % skep_isa::classic::MEM_WORDS);
    let source = |src: Source| if src == Source::X { X_BIT } else { 0 };
    match op {
        Op::LoadAbs { .. } | Op::LoadImm { .. } | Op::LoadLen => (0, A_BIT),
        Op::LoadInd { .. } => (X_BIT, A_BIT),
        Op::LoadMem { k } => (word(k), A_BIT),
        Op::LoadxImm { .. } | Op::LoadxLen | Op::LoadxMsh { .. } => (0, X_BIT),
        Op::LoadxMem { k } => (word(k), X_BIT),
        Op::Store { k } => (A_BIT, word(k)),
        Op::Storex { k } => (X_BIT, word(k)),
        Op::Alu { src, .. } => (A_BIT | source(src), A_BIT),
        Op::Neg => (A_BIT, A_BIT),
        Op::Branch { src, .. } => (A_BIT | source(src), 0),
        Op::Tax => (A_BIT, X_BIT),
        Op::Txa => (X_BIT, A_BIT),
        Op::RetA => (A_BIT, 0),
        Op::Jump { .. } | Op::RetK { .. } => (0, 0),
    }
}

/// What the places hold.
pub(crate) type State = [ExprId; PLACES];

struct Run<'g> {
    graph: &'g Graph,
    live: Vec<u32>,
    out: Symbols,
    zero: ExprId,
    /// Blocks that need nothing of what was before them, which most are.
    plain: Vec<Option<StepId>>,
    /// The others.
    done: HashMap<(usize, State), StepId>,
}

impl Run<'_> {
    /// All blocks, the last first; without recursion, since filters are as deep as they are long.
    fn all(&mut self, start: State) -> Result<StepId, GiveUp> {
        let root = (self.graph.root, self.only_live(self.graph.root, start));
        let mut stack = vec![root];
        while let Some(&(at, entry)) = stack.last() {
            if self.made(&(at, entry)).is_some() {
                stack.pop();
                continue;
            }
            if self.done.len() > super::MOST_STEPS {
                return Err(Bail::TooLarge.into());
            }
            let node = &self.graph.nodes[at];
            let mut state = entry;
            for &id in &node.stmts {
                let stmt = &self.graph.stmts[id];
                apply(&mut self.out.exprs, op(stmt.code, stmt.k)?, &mut state)?;
            }
            let made = match op(node.code, node.k)? {
                Op::RetK { k: 0 } => Some(REJECT),
                Op::RetK { k } if self.out.accept != 0 && self.out.accept != k => {
                    return Err(Bail::Unknown.into());
                }
                Op::RetK { k } => {
                    self.out.accept = k;
                    Some(ACCEPT)
                }
                Op::Branch { cond, src, .. } => {
                    let [yes, no] = [node.jt, node.jf].map(|to| (to, self.only_live(to, state)));
                    match (self.made(&yes), self.made(&no)) {
                        (Some(a), Some(b)) => Some(self.branch(cond, src, &state, a, b)?),
                        (one, other) => {
                            stack.extend(one.is_none().then_some(yes));
                            stack.extend(other.is_none().then_some(no));
                            None
                        }
                    }
                }
                _ => return Err(Bail::Unknown.into()),
            };
            if let Some(step) = made {
                match self.live[at] {
                    0 => self.plain[at] = Some(step),
                    _ => {
                        self.done.insert((at, entry), step);
                    }
                }
                stack.pop();
            }
        }
        Ok(self.made(&root).unwrap_or(REJECT))
    }

    fn made(&self, place: &(usize, State)) -> Option<StepId> {
        match self.live[place.0] {
            0 => self.plain[place.0],
            _ => self.done.get(place).copied(),
        }
    }

    /// A state without what is not looked at any more.
    fn only_live(&self, at: usize, state: State) -> State {
        let live = self.live[at];
        if live == 0 {
            return [self.zero; PLACES];
        }
        std::array::from_fn(|place| if live & 1 << place == 0 { self.zero } else { state[place] })
    }

    fn branch(
        &mut self,
        cond: Cond,
        src: Source,
        state: &State,
        yes: StepId,
        no: StepId,
    ) -> Result<StepId, GiveUp> {
        let exprs = &mut self.out.exprs;
        let (field, range) = comparison(exprs, cond, src, (state[A], state[X]))?;
        if let Expr::Const(value) = exprs.get(field) {
            return Ok(if range.is_some_and(|r| (r.0..=r.1).contains(&value)) { yes } else { no });
        }
        let max = exprs.max(field);
        let range = range.filter(|r| r.0 <= max).map(|r| (r.0, if r.1 >= max { u32::MAX } else { r.1 }));
        let set = self.out.steps.set_id(range.as_slice());
        Ok(self.out.steps.make(Step { field, set, yes, no }))
    }
}

/// Does what a statement does to the places.
pub(crate) fn apply(exprs: &mut Exprs, op: Op, state: &mut State) -> Result<(), GiveUp> {
    let word = |k: u32| MEM + k as usize % skep_isa::classic::MEM_WORDS;
    match op {
        Op::LoadAbs { size, k } => state[A] = exprs.make(Expr::Load(size, k)),
        Op::LoadInd { size, k } => {
            state[A] = match exprs.get(state[X]) {
                Expr::Const(x) => exprs.make(Expr::Load(size, x.checked_add(k).ok_or(Bail::Unknown)?)),
                _ => exprs.make(Expr::Ind(size, k, state[X])),
            };
        }
        Op::LoadImm { k } => state[A] = exprs.make(Expr::Const(k)),
        Op::LoadxImm { k } => state[X] = exprs.make(Expr::Const(k)),
        Op::LoadMem { k } => state[A] = state[word(k)],
        Op::LoadxMem { k } => state[X] = state[word(k)],
        Op::LoadLen => state[A] = exprs.make(Expr::Len),
        Op::LoadxLen => state[X] = exprs.make(Expr::Len),
        Op::LoadxMsh { k } => state[X] = exprs.make(Expr::Msh(k)),
        Op::Store { k } => state[word(k)] = state[A],
        Op::Storex { k } => state[word(k)] = state[X],
        Op::Alu { op, src } => {
            let b = match src {
                Source::K(k) => exprs.make(Expr::Const(k)),
                Source::X => state[X],
            };
            state[A] = exprs.make(Expr::Alu(op, state[A], b));
        }
        Op::Neg => state[A] = exprs.make(Expr::Neg(state[A])),
        Op::Tax => state[X] = state[A],
        Op::Txa => state[A] = state[X],
        Op::Jump { .. } | Op::Branch { .. } | Op::RetK { .. } | Op::RetA => {
            return Err(Bail::Unknown.into());
        }
    }
    Ok(())
}

/// A branch as a question: which value, and the range that it has to be in; no range can't be met.
pub(crate) fn comparison(
    exprs: &mut Exprs,
    cond: Cond,
    src: Source,
    (a, x): (ExprId, ExprId),
) -> Result<(ExprId, Option<(u32, u32)>), GiveUp> {
    let k = match src {
        Source::K(k) => Some(k),
        Source::X => match exprs.get(x) {
            Expr::Const(k) => Some(k),
            _ => None,
        },
    };
    let (field, range) = match (cond, k) {
        (Cond::Eq, Some(k)) => (a, Some((k, k))),
        (Cond::Gt, Some(k)) => (a, k.checked_add(1).map(|from| (from, u32::MAX))),
        (Cond::Ge, Some(k)) => (a, Some((k, u32::MAX))),
        (Cond::Set, Some(k)) => {
            let mask = exprs.make(Expr::Const(k));
            (exprs.make(Expr::Alu(AluOp::And, a, mask)), Some((1, u32::MAX)))
        }
        (Cond::Eq, None) => (exprs.make(Expr::Alu(AluOp::Sub, a, x)), Some((0, 0))),
        _ => return Err(Bail::Unknown.into()),
    };
    Ok(widened(exprs, field, range))
}

/// A range of a value whose low bits are masked away is a range of the value itself.
fn widened(exprs: &Exprs, field: ExprId, range: Option<(u32, u32)>) -> (ExprId, Option<(u32, u32)>) {
    let Expr::Alu(AluOp::And, inner, mask) = exprs.get(field) else { return (field, range) };
    let Expr::Const(mask) = exprs.get(mask) else { return (field, range) };
    let unused = !exprs.max(inner);
    let low = !(mask | unused);
    if low & low.wrapping_add(1) != 0 {
        return (field, range);
    }
    let wide = range.and_then(|(from, to)| {
        // The first and the last masked value in the range.
        let from = from.checked_add(low)? & !low;
        let to = to & !low;
        (from <= to).then_some((from, to | low))
    });
    (inner, wide)
}
