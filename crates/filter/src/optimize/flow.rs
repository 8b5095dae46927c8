//! The shape of the graph: levels, dominators of blocks and of edges, which words a block uses and what follows uses.

use super::{A, Optimizer, X};
use crate::code::{self, JMP, NOP};
use crate::graph::NONE;
use crate::ir::Stmt;

/// Sets of small numbers, all of one size.
pub(super) struct Sets {
    words: usize,
    bits: Vec<u32>,
}

impl Sets {
    pub(super) fn new(count: usize, members: usize) -> Sets {
        let words = members / 32 + 1;
        Sets { words, bits: vec![0; count * words] }
    }

    fn fill(&mut self) {
        self.bits.fill(u32::MAX);
    }

    fn clear(&mut self, set: usize) {
        self.bits[set * self.words..(set + 1) * self.words].fill(0);
    }

    fn insert(&mut self, set: usize, member: usize) {
        self.bits[set * self.words + member / 32] |= 1 << (member % 32);
    }

    pub(super) fn contains(&self, set: usize, member: usize) -> bool {
        self.bits[set * self.words + member / 32] & (1 << (member % 32)) != 0
    }

    /// `set` keeps what `other` has, too.
    fn intersect(&mut self, set: usize, other: usize) {
        for i in 0..self.words {
            self.bits[set * self.words + i] &= self.bits[other * self.words + i];
        }
    }

    pub(super) fn word(&self, set: usize, word: usize) -> u32 {
        self.bits[set * self.words + word]
    }

    pub(super) fn words(&self) -> usize {
        self.words
    }
}

/// What a statement or test reads: bits of atoms.
pub(super) fn uses(code: u16, k: u32) -> u32 {
    let (a, x) = (1 << A, 1 << X);
    if code == NOP {
        return 0;
    }
    match code::class(code) {
        code::RET if code & 0x18 == code::A => a,
        code::LD | code::LDX => match code::mode(code) {
            code::IND => x,
            code::MEM => 1 << (k & 15),
            _ => 0,
        },
        code::ST => a,
        code::STX => x,
        code::JMP | code::ALU if code::src(code) == code::X => a | x,
        code::JMP | code::ALU => a,
        code::MISC if code & 0xf8 == code::TXA => x,
        code::MISC => a,
        _ => 0,
    }
}

/// The atom that a statement writes.
pub(super) fn defines(s: &Stmt) -> Option<usize> {
    if s.code == NOP {
        return None;
    }
    match code::class(s.code) {
        code::LD | code::ALU => Some(A),
        code::LDX => Some(X),
        code::ST | code::STX => Some((s.k & 15) as usize),
        code::MISC => Some(if s.code & 0xf8 == code::TAX { X } else { A }),
        _ => None,
    }
}

impl Optimizer<'_> {
    pub(super) fn find_levels(&mut self) {
        self.g.walk(true, &mut self.walk);
        self.starts.clear();
        self.starts.push(0);
        for &at in &self.walk.order {
            let node = &self.g.nodes[at];
            let level = if node.jt == NONE {
                0
            } else {
                self.facts[node.jt].level.max(self.facts[node.jf].level) + 1
            };
            self.facts[at].level = level;
            // Successors come before, so levels come without a gap. At first their sizes, a place further on.
            if self.starts.len() < level + 2 {
                self.starts.push(0);
            }
            self.starts[level + 1] += 1;
        }
        for level in 1..self.starts.len() {
            self.starts[level] += self.starts[level - 1];
        }
        // Those that were added last come first: each level is filled from its end, which moves to where it begins.
        for &at in &self.walk.order {
            let end = &mut self.starts[self.facts[at].level + 1];
            *end -= 1;
            self.by_level[*end] = at;
        }
        self.starts.remove(0);
        self.starts.push(self.walk.order.len());
    }

    pub(super) fn find_dominators(&mut self) {
        self.dom.fill();
        self.dom.clear(self.g.root);
        for level in (0..=self.facts[self.g.root].level).rev() {
            for i in self.level(level) {
                let at = self.by_level[i];
                self.dom.insert(at, at);
                let node = &self.g.nodes[at];
                if node.jt != NONE {
                    self.dom.intersect(node.jt, at);
                    self.dom.intersect(node.jf, at);
                }
            }
        }
    }

    pub(super) fn find_edge_dominators(&mut self) {
        self.edom.fill();
        self.edom.clear(self.g.root);
        self.edom.clear(self.n + self.g.root);
        for level in (0..=self.facts[self.g.root].level).rev() {
            for i in self.level(level) {
                let at = self.by_level[i];
                for edge in [at, self.n + at] {
                    self.edom.insert(edge, edge);
                    let to = self.succ(edge);
                    if to != NONE {
                        self.edom.intersect(to, edge);
                        self.edom.intersect(self.n + to, edge);
                    }
                }
            }
        }
    }

    pub(super) fn find_in_edges(&mut self) {
        self.facts.iter_mut().for_each(|f| f.in_edge = NONE);
        for level in (1..=self.facts[self.g.root].level).rev() {
            for i in self.level(level) {
                let at = self.by_level[i];
                for edge in [at, self.n + at] {
                    let to = self.succ(edge);
                    self.next_in[edge] = std::mem::replace(&mut self.facts[to].in_edge, edge);
                }
            }
        }
    }

    fn local_uses(&mut self, at: usize) {
        let (mut def, mut used, mut kill) = (0u32, 0u32, 0u32);
        let node = &self.g.nodes[at];
        for &id in &node.stmts {
            let s = &self.g.stmts[id];
            used |= uses(s.code, s.k) & !def;
            if let Some(atom) = defines(s) {
                if used & (1 << atom) == 0 {
                    kill |= 1 << atom;
                }
                def |= 1 << atom;
            }
        }
        if code::class(node.code) == JMP {
            used |= uses(node.code, node.k) & !def;
        }
        let facts = &mut self.facts[at];
        facts.kill = kill;
        facts.in_use = used;
        facts.out_use = 0;
    }

    pub(super) fn find_uses(&mut self) {
        let top = self.facts[self.g.root].level;
        for level in (0..=top).rev() {
            for i in self.level(level) {
                self.local_uses(self.by_level[i]);
            }
        }
        for level in 1..=top {
            for i in self.level(level) {
                let at = self.by_level[i];
                let node = &self.g.nodes[at];
                let out = self.facts[node.jt].in_use | self.facts[node.jf].in_use;
                let facts = &mut self.facts[at];
                facts.out_use |= out;
                facts.in_use |= facts.out_use & !facts.kill;
            }
        }
    }
}
