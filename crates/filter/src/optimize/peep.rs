//! Pairs and triples of statements, and a block's test, for which there is something shorter.

use super::{A, Optimizer, X};
use crate::code::{
    self, ADD, ALU, AND, B, IMM, IND, JEQ, JGE, JGT, JMP, JSET, K, LD, LDX, MEM, MISC, MSH, NOP, ST, SUB,
    TAX, TXA,
};

impl Optimizer<'_> {
    /// The first statement from `i` on that is still there.
    fn live_from(&self, at: usize, i: usize) -> Option<usize> {
        let stmts = &self.g.nodes[at].stmts;
        (i..stmts.len()).find(|&i| self.g.stmts[stmts[i]].code != NOP)
    }

    fn code_at(&self, at: usize, i: usize) -> u16 {
        self.g.stmts[self.g.nodes[at].stmts[i]].code
    }

    fn k_at(&self, at: usize, i: usize) -> u32 {
        self.g.stmts[self.g.nodes[at].stmts[i]].k
    }

    fn set_code(&mut self, at: usize, i: usize, code: u16) {
        let id = self.g.nodes[at].stmts[i];
        self.g.stmts[id].code = code;
    }

    fn swap_sides(&mut self, at: usize) {
        let node = &mut self.g.nodes[at];
        std::mem::swap(&mut node.jt, &mut node.jf);
    }

    fn used_after(&self, at: usize, atom: usize) -> bool {
        self.facts[at].out_use & (1 << atom) != 0
    }

    pub(super) fn peep(&mut self, at: usize) {
        if self.g.nodes[at].stmts.is_empty() {
            return;
        }
        let last = self.peep_pairs(at);
        self.peep_last(at, last);
        if self.g.nodes[at].code == JMP | K | JSET {
            match self.g.nodes[at].k {
                0 => self.g.nodes[at].jt = self.g.nodes[at].jf,
                u32::MAX => {
                    self.g.nodes[at].code = JMP | JEQ | K;
                    self.g.nodes[at].k = 0;
                    self.swap_sides(at);
                    self.changed();
                }
                _ => {}
            }
        }
        self.known_test(at);
    }

    /// Neighbours. The last statement that is still there, or the first of all.
    fn peep_pairs(&mut self, at: usize) -> usize {
        let mut last = 0;
        let mut from = 0;
        while let Some(s) = self.live_from(at, from) {
            let Some(next) = self.live_from(at, s + 1) else { break };
            last = next;
            from = next;
            if self.code_at(at, s) == ST
                && self.code_at(at, next) == LDX | MEM
                && self.k_at(at, s) == self.k_at(at, next)
            {
                self.set_code(at, next, MISC | TAX);
                self.changed();
            }
            if self.code_at(at, s) == LD | IMM && self.code_at(at, next) == MISC | TAX {
                self.set_code(at, s, LDX | IMM);
                self.set_code(at, next, MISC | TXA);
                self.changed();
            }
            if self.code_at(at, s) == LD | IMM && !self.used_after(at, X) {
                self.constant_index(at, s, next);
            }
        }
        last
    }

    /// `ld #K; [ldxb 4*([i]&0xf);] add x; tax; ld [x + j]`: the constant belongs to `j`.
    fn constant_index(&mut self, at: usize, s: usize, next: usize) {
        let add =
            if self.code_at(at, next) == LDX | MSH | B { self.live_from(at, next + 1) } else { Some(next) };
        let Some(add) = add.filter(|&i| self.code_at(at, i) == ALU | ADD | code::X) else { return };
        let Some(tax) = self.live_from(at, add + 1).filter(|&i| self.code_at(at, i) == MISC | TAX) else {
            return;
        };
        let Some(load) = self.live_from(at, tax + 1) else { return };
        let code = self.code_at(at, load);
        if code::class(code) != LD || code::mode(code) != IND {
            return;
        }
        let k = self.k_at(at, s);
        let id = self.g.nodes[at].stmts[load];
        self.g.stmts[id].k = self.g.stmts[id].k.wrapping_add(k);
        for i in [s, add, tax] {
            self.set_code(at, i, NOP);
        }
        self.changed();
    }

    /// The last statement and the test.
    fn peep_last(&mut self, at: usize, last: usize) {
        if self.g.nodes[at].code != JMP | JEQ | K || self.used_after(at, A) {
            return;
        }
        let (code, k) = (self.code_at(at, last), self.k_at(at, last));
        if code == ALU | SUB | code::X {
            if let Some(x) = self.values.known(self.facts[at].val[X]) {
                self.g.nodes[at].k = self.g.nodes[at].k.wrapping_add(x);
            } else if self.g.nodes[at].k == 0 {
                self.g.nodes[at].code = JMP | JEQ | code::X;
            } else {
                return;
            }
        } else if code == ALU | SUB | K {
            self.g.nodes[at].k = self.g.nodes[at].k.wrapping_add(k);
        } else if code == ALU | AND | K && self.g.nodes[at].k == 0 {
            self.g.nodes[at].k = k;
            self.g.nodes[at].code = JMP | JSET | K;
            self.swap_sides(at);
        } else {
            return;
        }
        self.set_code(at, last, NOP);
        self.changed();
    }

    /// A test whose operands are known.
    fn known_test(&mut self, at: usize) {
        if let Some(x) = self.values.known(self.facts[at].val[X]) {
            let node = &mut self.g.nodes[at];
            if code::src(node.code) == code::X {
                node.code &= !code::X;
                node.k = x;
            }
        }
        let Some(a) = self.values.known(self.facts[at].val[A]) else { return };
        let node = &self.g.nodes[at];
        if code::class(node.code) != JMP || code::src(node.code) != K {
            return;
        }
        let yes = match code::op(node.code) {
            JEQ => a == node.k,
            JGT => a > node.k,
            JGE => a >= node.k,
            _ => a & node.k != 0,
        };
        if node.jf != node.jt {
            self.changed();
        }
        let node = &mut self.g.nodes[at];
        if yes {
            node.jf = node.jt;
        } else {
            node.jt = node.jf;
        }
    }
}
