//! Branches: past tests that an edge on the way has decided, and tests of one value moved together.

use super::{A, ATOMS, Optimizer};
use crate::code::{JEQ, JMP, K};
use crate::graph::NONE;

impl Optimizer<'_> {
    /// Whether going to `to` directly from `from` would change a value that is used there or later.
    fn use_conflict(&self, from: usize, to: usize) -> bool {
        let used = self.facts[to].out_use;
        (0..ATOMS)
            .any(|atom| used & (1 << atom) != 0 && self.facts[from].val[atom] != self.facts[to].val[atom])
    }

    /// Where `child`'s test leads if one came over `edge`, when that is decided.
    fn decided(&self, child: usize, edge: usize) -> Option<usize> {
        let from = self.pred(edge);
        let code = self.edge_code[from];
        let sense = edge < self.n;
        let node = &self.g.nodes[child];
        if node.code != code || self.facts[child].val[A] != self.facts[from].val[A] {
            return None;
        }
        let to = if self.facts[child].oval == self.facts[from].oval {
            if sense { node.jt } else { node.jf }
        } else if sense && code == JMP | JEQ | K {
            node.jf
        } else {
            return None;
        };
        (to != NONE).then_some(to)
    }

    /// Moves an edge's end as far down as is decided.
    pub(super) fn thread(&mut self, edge: usize) {
        let from = self.pred(edge);
        let to = self.succ(edge);
        let node = &self.g.nodes[to];
        if node.jt == NONE {
            return;
        }
        let next = node.jt;
        if next == node.jf && !self.use_conflict(from, next) {
            self.set_succ(edge, next);
            self.changed();
        }
        'top: loop {
            for word in 0..self.edom.words() {
                let mut bits = self.edom.word(edge, word);
                while bits != 0 {
                    let over = word * 32 + bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    if let Some(target) = self.decided(self.succ(edge), over)
                        && !self.use_conflict(from, target)
                    {
                        self.done = false;
                        self.set_succ(edge, target);
                        if self.g.nodes[target].jt == NONE {
                            return;
                        }
                        continue 'top;
                    }
                }
            }
            return;
        }
    }

    /// In a chain of alternatives (or of conditions), moves the next test of `at`'s value up to where that value is
    /// already loaded. `or`: the chain goes on where tests fail.
    pub(super) fn pull_up(&mut self, at: usize, or: bool) {
        let Some(first) = self.in_edges(at).next() else { return };
        let val = self.facts[self.pred(first)].val[A];
        if self.in_edges(at).any(|e| self.facts[self.pred(e)].val[A] != val) {
            return;
        }
        // The chain's edges: `on` goes on, `out` leaves.
        let n = self.n;
        let on = move |block: usize| if or { n + block } else { block };
        let out = |o: &Self, block: usize| if or { o.g.nodes[block].jt } else { o.g.nodes[block].jf };
        let from = self.pred(first);
        let mut diff = if self.g.nodes[from].jt == at { from } else { n + from };
        let mut at_top = true;
        loop {
            let block = self.succ(diff);
            if block == NONE || out(self, block) != out(self, at) || !self.dom.contains(block, at) {
                return;
            }
            if self.facts[block].val[A] != val {
                break;
            }
            diff = on(block);
            at_top = false;
        }
        let mut same = on(self.succ(diff));
        loop {
            let block = self.succ(same);
            if block == NONE || out(self, block) != out(self, at) || !self.dom.contains(block, at) {
                return;
            }
            if self.facts[block].val[A] == val {
                break;
            }
            same = on(block);
        }
        let pull = self.succ(same);
        let rest = self.succ(on(pull));
        self.set_succ(same, rest);
        let below = self.succ(diff);
        self.set_succ(on(pull), below);
        if at_top {
            let mut edge = first;
            while edge != NONE {
                let from = self.pred(edge);
                if self.g.nodes[from].jt == at {
                    self.g.nodes[from].jt = pull;
                } else {
                    self.g.nodes[from].jf = pull;
                }
                edge = self.next_in[edge];
            }
        } else {
            self.set_succ(diff, pull);
        }
        self.done = false;
        self.find_dominators();
    }
}
