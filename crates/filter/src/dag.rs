//! Decisions as a graph without cycles, equal parts shared, and classic code from it.
//!
//! Code is laid out from its end, so that where a jump goes is always known. A branch reaches 255 instructions; what is
//! farther away is reached by way of an island, a jump (or a return) that stands behind the branch and serves all
//! branches around it.

use rustc_hash::FxHashMap as HashMap;

use skep_isa::classic::{AluOp, Cond, Insn, MEM_WORDS, Op, Source};

/// A node, by its index.
pub(crate) type Id = usize;

/// One step of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// A statement.
    Stmt(Op, Id),
    /// Loads that have to succeed, for their own sake: not done again where they, or loads that reach as far, were done
    /// on every way here. What they load is not used.
    Guard(Vec<Op>, Id),
    /// A against a constant: where it goes if it holds, and if not.
    Branch(Cond, u32, Id, Id),
    /// The end.
    Ret(u32),
}

/// A graph under construction. A node is made after those that it leads to, so its index is above theirs.
#[derive(Debug, Default)]
pub(crate) struct Dag {
    nodes: Vec<Node>,
    known: HashMap<Node, Id>,
}

impl Dag {
    /// A node; the one that is there already, if there is one like it.
    pub(crate) fn node(&mut self, node: Node) -> Id {
        if let Node::Branch(_, _, yes, no) = node
            && yes == no
        {
            return yes;
        }
        if let Some(&id) = self.known.get(&node) {
            return id;
        }
        self.nodes.push(node.clone());
        self.known.insert(node, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Statements, then `next`.
    pub(crate) fn stmts(&mut self, ops: &[Op], next: Id) -> Id {
        ops.iter().rev().fold(next, |next, &op| self.node(Node::Stmt(op, next)))
    }

    /// A search for A among ranges: each goes from its number up to the next one's, the first from 0. There is one.
    pub(crate) fn search(&mut self, ranges: &[(u32, Id)]) -> Id {
        self.search_below(ranges, 1 << 32)
    }

    fn search_below(&mut self, ranges: &[(u32, Id)], end: u64) -> Id {
        if let Some(id) = self.among(ranges, end) {
            return id;
        }
        // Single numbers among others that are alike are four ranges for two of them, which is what a leaf takes.
        let half = ranges.len() / 2;
        let at = if half > 4 { half & !3 } else { half };
        let (low, high) = ranges.split_at(at);
        let from = high[0].0;
        let (low, high) = (self.search_below(low, from.into()), self.search_below(high, end));
        self.node(Node::Branch(Cond::Ge, from, high, low))
    }

    /// At most two single numbers among others that are alike: one test each.
    fn among(&mut self, ranges: &[(u32, Id)], end: u64) -> Option<Id> {
        let ends = ranges.iter().skip(1).map(|r| u64::from(r.0)).chain([end]);
        let (mut single, mut other) = (Vec::new(), None);
        for (&(from, id), end) in ranges.iter().zip(ends) {
            if other == Some(id) {
                continue;
            }
            if end - u64::from(from) == 1 && single.len() < 2 {
                single.push((from, id));
            } else if other.is_none() {
                other = Some(id);
            } else {
                return None;
            }
        }
        let other = other.or_else(|| single.pop().map(|s| s.1))?;
        Some(
            single
                .into_iter()
                .rev()
                .fold(other, |id, (k, then)| self.node(Node::Branch(Cond::Eq, k, then, id))),
        )
    }

    /// Code that begins at `root`.
    pub(crate) fn emit(&self, root: Id) -> Vec<Insn> {
        let states = Flow::new().states(&self.nodes, root);
        let mut layout = Layout { rev: Vec::new(), at: vec![0; root + 1], islands: HashMap::default() };
        for (id, needed) in (0..=root).zip(states) {
            if let Some(needed) = needed {
                layout.put(&self.nodes, id, needed);
            }
        }
        layout.rev.reverse();
        layout.rev
    }
}

/// Whether a statement or a guard has to be done: what it gives may be there already.
type Needed = bool;

/// Code from its end.
struct Layout {
    rev: Vec<Insn>,
    /// Index in `rev` of each node's first instruction.
    at: Vec<usize>,
    /// The nearest island for a node.
    islands: HashMap<Id, usize>,
}

impl Layout {
    /// Distance from the instruction that is put next to one that is there.
    fn distance(&self, at: usize) -> usize {
        self.rev.len() - at - 1
    }

    fn put(&mut self, nodes: &[Node], id: Id, needed: Needed) {
        match &nodes[id] {
            Node::Ret(k) => self.rev.push(Op::RetK { k: *k }.encode()),
            Node::Stmt(_, next) | Node::Guard(_, next) if !needed => {
                self.at[id] = self.at[*next];
                return;
            }
            Node::Stmt(op, next) => {
                self.fall_to(nodes, *next);
                self.rev.push(op.encode());
            }
            Node::Guard(ops, next) => {
                self.fall_to(nodes, *next);
                self.rev.extend(ops.iter().rev().map(|op| op.encode()));
            }
            Node::Branch(cond, k, yes, no) => {
                let (yes, no) = (self.reach(nodes, *yes), self.reach(nodes, *no));
                // Reach leaves room for the island of the other arm.
                let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
                self.rev.push(Op::Branch { cond: *cond, src: Source::K(*k), jt, jf }.encode());
            }
        }
        self.at[id] = self.rev.len() - 1;
    }

    /// What is put next goes on at `next`.
    fn fall_to(&mut self, nodes: &[Node], next: Id) {
        if self.distance(self.at[next]) > 0 {
            let insn = self.jump(nodes, next);
            self.rev.push(insn);
        }
    }

    fn jump(&self, nodes: &[Node], to: Id) -> Insn {
        match nodes[to] {
            Node::Ret(k) => Op::RetK { k }.encode(),
            _ => Op::Jump { k: self.distance(self.at[to]) as u32 }.encode(),
        }
    }

    /// An instruction near enough for a branch that leads to a node.
    fn reach(&mut self, nodes: &[Node], to: Id) -> usize {
        const NEAR: usize = 254;
        if self.distance(self.at[to]) <= NEAR {
            return self.at[to];
        }
        if let Some(&island) = self.islands.get(&to)
            && self.distance(island) <= NEAR
        {
            return island;
        }
        let insn = self.jump(nodes, to);
        self.rev.push(insn);
        self.islands.insert(to, self.rev.len() - 1);
        self.rev.len() - 1
    }
}

/// A value, by number: what A or X holds.
type Value = u32;

/// What was loaded successfully: bytes from the packet's start, and from where a value says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Loaded {
    to: u32,
    from: Vec<(Value, u32)>,
    other: Vec<Op>,
}

/// What is known on the way into a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    a: Option<Value>,
    x: Option<Value>,
    loaded: Loaded,
}

impl State {
    /// What holds whichever of two ways was taken.
    fn meet(&mut self, other: &Self) {
        self.a = self.a.filter(|_| self.a == other.a);
        self.x = self.x.filter(|_| self.x == other.x);
        let theirs = &other.loaded;
        self.loaded.to = self.loaded.to.min(theirs.to);
        self.loaded.from.retain_mut(|(base, end)| {
            let found = theirs.from.iter().find(|(b, _)| b == base);
            found.is_some_and(|(_, e)| {
                *end = (*end).min(*e);
                true
            })
        });
        self.loaded.other.retain(|op| theirs.other.contains(op));
    }
}

/// The memory words that a node stores to, as bits.
fn stores(node: &Node) -> u32 {
    let word = |op: &Op| match *op {
        Op::Store { k } | Op::Storex { k } => 1 << (k as usize % MEM_WORDS),
        _ => 0,
    };
    match node {
        Node::Stmt(op, _) => word(op),
        Node::Guard(ops, _) => ops.iter().map(word).fold(0, |all, words| all | words),
        Node::Branch(..) | Node::Ret(_) => 0,
    }
}

/// Numbers values: the same statement on the same values gives the same value.
struct Flow {
    values: HashMap<(Op, Option<Value>, Option<Value>), Value>,
    /// Memory words that are stored to, as bits.
    written: u32,
}

impl Flow {
    fn new() -> Self {
        Self { values: HashMap::default(), written: 0 }
    }

    /// For each node that is reached, whether it has to be done.
    fn states(&mut self, nodes: &[Node], root: Id) -> Vec<Option<Needed>> {
        let mut states: Vec<Option<State>> = vec![None; root + 1];
        let mut needed = vec![None; root + 1];
        self.written = nodes.iter().map(stores).fold(0, |all, words| all | words);
        states[root] = Some(State::default());
        for id in (0..=root).rev() {
            let Some(mut state) = states[id].take() else { continue };
            let before = (state.a, state.x, state.loaded.clone());
            match &nodes[id] {
                Node::Stmt(op, _) => self.apply(*op, &mut state),
                Node::Guard(ops, _) => ops.iter().for_each(|op| self.apply(*op, &mut state)),
                Node::Branch(..) | Node::Ret(_) => {}
            }
            needed[id] = Some(match &nodes[id] {
                Node::Stmt(op, _) => match op {
                    Op::Store { .. } | Op::Storex { .. } => true,
                    Op::LoadxMsh { .. }
                    | Op::LoadxImm { .. }
                    | Op::LoadxMem { .. }
                    | Op::LoadxLen
                    | Op::Tax => state.x.is_none() || state.x != before.1,
                    _ => state.a.is_none() || state.a != before.0,
                },
                Node::Guard(..) if state.loaded == before.2 => {
                    (state.a, state.x) = (before.0, before.1);
                    false
                }
                _ => true,
            });
            let (one, two) = match nodes[id] {
                Node::Stmt(_, next) | Node::Guard(_, next) => (Some(next), None),
                Node::Branch(_, _, yes, no) => (Some(yes), Some(no)),
                Node::Ret(_) => (None, None),
            };
            for to in one.into_iter().chain(two) {
                match &mut states[to] {
                    Some(there) => there.meet(&state),
                    empty => *empty = Some(state.clone()),
                }
            }
        }
        needed
    }

    /// What a memory word holds, if nothing here writes it.
    fn in_word(&mut self, k: u32) -> Option<Value> {
        let written = self.written & 1 << (k as usize % MEM_WORDS) != 0;
        (!written).then(|| self.number(Op::LoadMem { k }, None, None))
    }

    fn number(&mut self, op: Op, a: Option<Value>, x: Option<Value>) -> Value {
        let new = self.values.len() as Value;
        *self.values.entry((op, a, x)).or_insert(new)
    }

    fn apply(&mut self, op: Op, state: &mut State) {
        let wide = |k: u32, size: skep_isa::classic::Size| k.saturating_add(size.bytes() as u32);
        match op {
            Op::LoadAbs { size, k } => {
                state.a = Some(self.number(op, None, None));
                if k.cast_signed() >= 0 {
                    state.loaded.to = state.loaded.to.max(wide(k, size));
                } else if !state.loaded.other.contains(&op) {
                    state.loaded.other.push(op);
                }
            }
            Op::LoadInd { size, k } => {
                let x = state.x;
                state.a = x.map(|x| self.number(op, None, Some(x)));
                let Some(x) = x else { return };
                let end = wide(k, size);
                match state.loaded.from.iter_mut().find(|(base, _)| *base == x) {
                    Some((_, to)) => *to = (*to).max(end),
                    None => state.loaded.from.push((x, end)),
                }
            }
            Op::LoadxMsh { k } => {
                state.x = Some(self.number(op, None, None));
                state.loaded.to = state.loaded.to.max(k.saturating_add(1));
            }
            Op::LoadImm { .. } | Op::LoadLen => state.a = Some(self.number(op, None, None)),
            Op::LoadxImm { .. } | Op::LoadxLen => state.x = Some(self.number(op, None, None)),
            Op::Alu { src: Source::K(_), op: kind } => {
                let ends = matches!(kind, AluOp::Div | AluOp::Mod);
                state.a = state.a.filter(|_| !ends).map(|a| self.number(op, Some(a), None));
            }
            Op::Alu { src: Source::X, .. } => {
                state.a = state.a.zip(state.x).map(|(a, x)| self.number(op, Some(a), Some(x)));
            }
            Op::Neg => state.a = state.a.map(|a| self.number(op, Some(a), None)),
            Op::Tax => state.x = state.a,
            Op::Txa => state.a = state.x,
            Op::LoadMem { k } => state.a = self.in_word(k),
            Op::LoadxMem { k } => state.x = self.in_word(k),
            Op::Store { .. } | Op::Storex { .. } => {}
            Op::Jump { .. } | Op::Branch { .. } | Op::RetK { .. } | Op::RetA => {}
        }
    }
}
