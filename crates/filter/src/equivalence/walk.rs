//! Classic programs as one graph of questions about a packet: are these bytes there, how do these two values compare.
//!
//! Each instruction is run once for each state of the registers that reaches it and matters after it, on expressions
//! instead of numbers. Programs only go forward, so that ends. Questions are shared, within a program and between two.

use rustc_hash::FxHashMap as HashMap;
use skep_isa::classic::{AluOp, Ancillary, Cond, Insn, LL_OFF, MEM_WORDS, Op, Size, Source};

use super::Unknown;
use crate::decide::effects;
use crate::decide::expr::{Expr, ExprId, Exprs};

/// A question, by its index; those that it leads to come before it.
pub(crate) type NodeId = u32;

/// The packet is not taken.
pub(crate) const REJECT: NodeId = 0;
/// It is.
pub(crate) const ACCEPT: NodeId = 1;

/// Questions that two programs may ask.
const MOST_NODES: usize = 400_000;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// [`REJECT`] or [`ACCEPT`].
    End,
    /// The bytes of a load have to be there, else the packet is not taken.
    There(ExprId, NodeId),
    /// A comparison, where it leads if it holds, and if not.
    Test(Cond, ExprId, ExprId, NodeId, NodeId),
}

/// All questions.
#[derive(Debug)]
pub(crate) struct Questions {
    pub(crate) exprs: Exprs,
    pub(crate) nodes: Vec<Node>,
    known: HashMap<Node, NodeId>,
}

impl Questions {
    pub(crate) fn new() -> Self {
        Self { exprs: Exprs::default(), nodes: vec![Node::End; 2], known: HashMap::default() }
    }

    fn node(&mut self, node: Node) -> NodeId {
        match node {
            Node::There(_, REJECT) => return REJECT,
            Node::Test(_, _, _, yes, no) if yes == no => return yes,
            Node::Test(cond, a, b, yes, no) => {
                if let (Expr::Const(a), Expr::Const(b)) = (self.exprs.get(a), self.exprs.get(b)) {
                    return if cond.holds(a, b) { yes } else { no };
                }
            }
            _ => {}
        }
        if let Some(&there) = self.known.get(&node) {
            return there;
        }
        self.nodes.push(node);
        let id = (self.nodes.len() - 1) as NodeId;
        self.known.insert(node, id);
        id
    }

    /// The first question of a program that has been checked.
    pub(crate) fn add(&mut self, insns: &[Insn], second: bool) -> Result<NodeId, Unknown> {
        let ops: Vec<Op> = insns.iter().filter_map(|&insn| Op::decode(insn)).collect();
        let zero = self.exprs.make(Expr::Const(0));
        let walk = Walk { live: live(&ops), ops: &ops, all: self, done: HashMap::default(), second, zero };
        walk.all()
    }
}

const A: usize = 0;
const X: usize = 1;
const MEM: usize = 2;
/// What the registers and memory words hold.
type State = [ExprId; MEM + MEM_WORDS];
type Place = (usize, State);

/// Which places each instruction, and what follows it, reads before it writes them; as bits.
fn live(ops: &[Op]) -> Vec<u32> {
    let mut live = vec![0; ops.len() + 1];
    for (at, &op) in ops.iter().enumerate().rev() {
        let (reads, writes) = effects(op);
        let to = |distance: usize| live.get(at + 1 + distance).copied().unwrap_or(0);
        let after = match op {
            Op::RetA | Op::RetK { .. } => 0,
            Op::Jump { k } => to(k as usize),
            Op::Branch { jt, jf, .. } => to(jt.into()) | to(jf.into()),
            _ => to(0),
        };
        // Two of Linux's facts are made of the registers.
        let fact = matches!(op, Op::LoadAbs { k, .. } if k.cast_signed() < 0);
        live[at] = after & !writes | reads | if fact { 1 << A | 1 << X } else { 0 };
    }
    live
}

/// Where a straight run of instructions ends.
enum End {
    Ret(NodeId),
    Nonzero(ExprId),
    Branch(Cond, ExprId, ExprId, Place, Place),
}

/// What has to hold on a straight run.
#[derive(Clone, Copy)]
enum Guard {
    There(ExprId),
    Nonzero(ExprId),
}

struct Walk<'q> {
    ops: &'q [Op],
    live: Vec<u32>,
    all: &'q mut Questions,
    done: HashMap<Place, NodeId>,
    second: bool,
    zero: ExprId,
}

impl Walk<'_> {
    fn all(mut self) -> Result<NodeId, Unknown> {
        let root = (0, [self.zero; MEM + MEM_WORDS]);
        let mut stack = vec![root];
        while let Some(&place) = stack.last() {
            if self.done.contains_key(&place) {
                stack.pop();
                continue;
            }
            if self.done.len() + self.all.nodes.len() > MOST_NODES {
                return Err(Unknown::new("the filters ask too many questions".into()));
            }
            let mut guards = Vec::new();
            let made = match self.straight(place, &mut guards)? {
                End::Ret(end) => Some(end),
                End::Nonzero(a) => Some(self.all.node(Node::Test(Cond::Eq, a, self.zero, REJECT, ACCEPT))),
                End::Branch(cond, a, b, yes, no) => {
                    match (self.done.get(&yes).copied(), self.done.get(&no).copied()) {
                        (Some(yes), Some(no)) => Some(self.all.node(Node::Test(cond, a, b, yes, no))),
                        (one, other) => {
                            stack.extend(one.is_none().then_some(yes));
                            stack.extend(other.is_none().then_some(no));
                            None
                        }
                    }
                }
            };
            if let Some(end) = made {
                let first = guards.into_iter().rev().fold(end, |next, guard| match guard {
                    Guard::There(load) => self.all.node(Node::There(load, next)),
                    Guard::Nonzero(e) => self.all.node(Node::Test(Cond::Eq, e, self.zero, REJECT, next)),
                });
                self.done.insert(place, first);
                stack.pop();
            }
        }
        Ok(self.done[&root])
    }

    /// A state without what is not looked at any more.
    fn place(&self, at: usize, mut state: State) -> Place {
        let live = self.live.get(at).copied().unwrap_or(0);
        for (n, value) in state.iter_mut().enumerate() {
            if live & 1 << n == 0 {
                *value = self.zero;
            }
        }
        (at, state)
    }

    fn unknown(&self, at: usize, what: &str) -> Unknown {
        Unknown::at(what, at, self.second)
    }

    fn straight(&mut self, (mut at, mut state): Place, guards: &mut Vec<Guard>) -> Result<End, Unknown> {
        loop {
            let Some(&op) = self.ops.get(at) else {
                return Err(self.unknown(at, "it runs past the end"));
            };
            match op {
                Op::RetK { k } => return Ok(End::Ret(if k == 0 { REJECT } else { ACCEPT })),
                Op::RetA => return Ok(End::Nonzero(state[A])),
                Op::Jump { k } => at += k as usize,
                Op::Branch { cond, src, jt, jf } => {
                    let b = self.source(src, &state);
                    let [yes, no] = [jt, jf].map(|to| self.place(at + 1 + usize::from(to), state));
                    return Ok(End::Branch(cond, state[A], b, yes, no));
                }
                Op::LoadAbs { size, k } => state[A] = self.load(size, k, at, &state, guards)?,
                Op::LoadInd { size, k } => {
                    state[A] = match self.all.exprs.get(state[X]) {
                        Expr::Const(x) => {
                            let k = x.wrapping_add(k);
                            if k.cast_signed() < 0 {
                                return Err(self.unknown(at, "a load at a negative offset"));
                            }
                            self.there(Expr::Load(size, k), guards)
                        }
                        _ => self.there(Expr::Ind(size, k, state[X]), guards),
                    };
                }
                Op::LoadxMsh { k } if k.cast_signed() < 0 => {
                    return Err(self.unknown(at, "a load at a negative offset"));
                }
                Op::LoadxMsh { k } => state[X] = self.there(Expr::Msh(k), guards),
                Op::Alu { op, src } => {
                    let b = self.source(src, &state);
                    if matches!(op, AluOp::Div | AluOp::Mod) && src == Source::X {
                        guards.push(Guard::Nonzero(b));
                    }
                    state[A] = self.all.exprs.make(Expr::Alu(op, state[A], b));
                }
                _ => self.plain(op, &mut state),
            }
            at += 1;
        }
    }

    fn source(&mut self, src: Source, state: &State) -> ExprId {
        match src {
            Source::K(k) => self.all.exprs.make(Expr::Const(k)),
            Source::X => state[X],
        }
    }

    fn there(&mut self, load: Expr, guards: &mut Vec<Guard>) -> ExprId {
        let load = self.all.exprs.make(load);
        guards.push(Guard::There(load));
        load
    }

    /// A load at a fixed offset, which may be one of Linux's facts.
    fn load(
        &mut self,
        size: Size,
        k: u32,
        at: usize,
        state: &State,
        guards: &mut Vec<Guard>,
    ) -> Result<ExprId, Unknown> {
        match Ancillary::from_offset(k) {
            None if k.cast_signed() >= 0 => Ok(self.there(Expr::Load(size, k), guards)),
            None if k < LL_OFF => Ok(self.there(Expr::Load(size, k), guards)),
            None => Err(self.unknown(at, "a load from a header whose place Linux keeps")),
            Some(Ancillary::XorX) => Ok(self.all.exprs.make(Expr::Alu(AluOp::Xor, state[A], state[X]))),
            Some(fact) if super::solve::fact_bits(fact).is_none() => {
                Err(self.unknown(at, &format!("a load of {}", fact.tcpdump_name())))
            }
            Some(_) => Ok(self.all.exprs.make(Expr::Load(Size::W, k))),
        }
    }

    /// What neither loads from the packet nor goes elsewhere.
    fn plain(&mut self, op: Op, state: &mut State) {
        let word = |k: u32| MEM + k as usize % MEM_WORDS;
        let exprs = &mut self.all.exprs;
        match op {
            Op::LoadImm { k } => state[A] = exprs.make(Expr::Const(k)),
            Op::LoadxImm { k } => state[X] = exprs.make(Expr::Const(k)),
            Op::LoadMem { k } => state[A] = state[word(k)],
            Op::LoadxMem { k } => state[X] = state[word(k)],
            Op::LoadLen => state[A] = exprs.make(Expr::Len),
            Op::LoadxLen => state[X] = exprs.make(Expr::Len),
            Op::Store { k } => state[word(k)] = state[A],
            Op::Storex { k } => state[word(k)] = state[X],
            Op::Neg => state[A] = exprs.make(Expr::Neg(state[A])),
            Op::Tax => state[X] = state[A],
            Op::Txa => state[A] = state[X],
            // The caller has done the others.
            _ => {}
        }
    }
}
