//! Decisions as a graph without cycles, equal parts shared, and classic code from it.

use std::collections::HashMap;

use skep_isa::classic::{AluOp, Cond, Insn, Op, Size, Source};

/// A node, by its index.
pub(super) type Id = usize;

/// One step of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// A = word at this offset.
    Load(u32, Id),
    /// A = A & constant.
    And(u32, Id),
    /// A against a constant: where it goes if it holds, and if not.
    Branch(Cond, u32, Id, Id),
    /// The end.
    Ret(u32),
}

impl Node {
    fn targets(self) -> impl Iterator<Item = Id> {
        let (a, b) = match self {
            Node::Load(_, next) | Node::And(_, next) => (Some(next), None),
            Node::Branch(_, _, yes, no) => (Some(yes), Some(no)),
            Node::Ret(_) => (None, None),
        };
        a.into_iter().chain(b)
    }
}

/// A graph under construction. A node is made after those that it leads to, so its index is above theirs.
#[derive(Debug, Default)]
pub(super) struct Dag {
    nodes: Vec<Node>,
    known: HashMap<Node, Id>,
}

impl Dag {
    /// A node; the one that is there already, if there is one like it.
    pub(super) fn node(&mut self, node: Node) -> Id {
        if let Node::Branch(_, _, yes, no) = node
            && yes == no
        {
            return yes;
        }
        *self.known.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }

    /// Code that begins at `root`.
    pub(super) fn emit(&self, root: Id) -> Vec<Insn> {
        let loaded = self.loaded(root);
        // What leads to a node has a larger index, so falling indices are a topological order.
        let order: Vec<Id> = (0..=root).rev().filter(|&id| loaded[id] != Loaded::Never).collect();
        let skip = |mut id: Id| loop {
            match self.nodes[id] {
                Node::Load(word, next) if loaded[id] == Loaded::Word(word) => id = next,
                _ => return id,
            }
        };
        let live: Vec<Id> = order.into_iter().filter(|&id| skip(id) == id).collect();
        let mut wide = vec![[false; 2]; self.nodes.len()];
        loop {
            match self.place(&live, &skip, &wide) {
                Ok(insns) => return insns,
                Err(far) => far.into_iter().for_each(|(id, arm)| wide[id][arm] = true),
            }
        }
    }

    /// What A holds on the way into each node.
    fn loaded(&self, root: Id) -> Vec<Loaded> {
        let mut loaded = vec![Loaded::Never; self.nodes.len()];
        loaded[root] = Loaded::Anything;
        for id in (0..=root).rev() {
            let out = match (self.nodes[id], loaded[id]) {
                (_, Loaded::Never) => continue,
                (Node::Load(word, _), _) => Loaded::Word(word),
                (Node::And(..), _) => Loaded::Anything,
                (_, same) => same,
            };
            for next in self.nodes[id].targets() {
                loaded[next] = match loaded[next] {
                    Loaded::Never => out,
                    same if same == out => same,
                    _ => Loaded::Anything,
                };
            }
        }
        loaded
    }

    /// The code, or the arms of branches that do not reach.
    fn place(
        &self,
        live: &[Id],
        skip: &dyn Fn(Id) -> Id,
        wide: &[[bool; 2]],
    ) -> Result<Vec<Insn>, Vec<(Id, usize)>> {
        let extra = |id: Id| wide[id].iter().filter(|&&w| w).count();
        let mut at = vec![0; self.nodes.len()];
        let mut len = 0;
        for (index, &id) in live.iter().enumerate() {
            at[id] = len;
            len += 1 + extra(id) + usize::from(self.jumps_on(live, index, skip));
        }
        let mut insns = Vec::with_capacity(len);
        let mut far = Vec::new();
        for (index, &id) in live.iter().enumerate() {
            let here = insns.len();
            let from = |pc: usize, to: Id| at[skip(to)] - pc - 1;
            match self.nodes[id] {
                Node::Load(k, _) => insns.push(Op::LoadAbs { size: Size::W, k }.encode()),
                Node::And(k, _) => insns.push(Op::Alu { op: AluOp::And, src: Source::K(k) }.encode()),
                Node::Ret(k) => insns.push(Op::RetK { k }.encode()),
                Node::Branch(cond, k, yes, no) => {
                    // A far arm goes through a jump (or ends) right behind the branch.
                    let mut arms = [0; 2];
                    let mut jumps = Vec::new();
                    for (arm, to) in [yes, no].into_iter().enumerate() {
                        if wide[id][arm] {
                            arms[arm] = jumps.len() as u8;
                            let pc = here + 1 + jumps.len();
                            jumps.push(match self.nodes[skip(to)] {
                                Node::Ret(k) => Op::RetK { k }.encode(),
                                _ => Op::Jump { k: from(pc, to) as u32 }.encode(),
                            });
                        } else if let Ok(near) = u8::try_from(from(here, to)) {
                            arms[arm] = near;
                        } else {
                            far.push((id, arm));
                        }
                    }
                    let branch = Op::Branch { cond, src: Source::K(k), jt: arms[0], jf: arms[1] };
                    insns.push(branch.encode());
                    insns.extend(jumps);
                }
            }
            if self.jumps_on(live, index, skip) {
                let to = self.nodes[id].targets().next().unwrap_or(id);
                insns.push(Op::Jump { k: from(insns.len(), to) as u32 }.encode());
            }
        }
        if far.is_empty() { Ok(insns) } else { Err(far) }
    }

    /// Whether a statement is followed by another node than its own next.
    fn jumps_on(&self, live: &[Id], index: usize, skip: &dyn Fn(Id) -> Id) -> bool {
        match self.nodes[live[index]] {
            Node::Load(_, next) | Node::And(_, next) => live.get(index + 1) != Some(&skip(next)),
            Node::Branch(..) | Node::Ret(_) => false,
        }
    }
}

/// What A holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loaded {
    /// Not reached.
    Never,
    Anything,
    /// The word at this offset.
    Word(u32),
}
