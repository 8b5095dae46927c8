//! libpcap's optimiser (McCanne's), step for step: value numbering inside and across blocks, removal of dead statements,
//! jumps threaded past tests whose outcome their dominators decide, and equal blocks merged.
//!
//! It repeats its steps until nothing changes, or until nothing has changed but branches for a hundred rounds, as
//! libpcap does; compat mode depends on the order of every step.

mod branch;
mod flow;
mod local;
mod merge;
mod peep;

use crate::code;
use crate::graph::{Graph, NONE, Walk};
use std::ops::Range;

/// The 16 memory words, the accumulator, the index register.
const ATOMS: usize = 18;
const A: usize = 16;
const X: usize = 17;

/// More blocks than this are not optimised: the dominator sets grow with the square.
const MAX_BLOCKS: usize = 16_384;

/// What the optimiser knows of a block.
#[derive(Clone, Default)]
struct Facts {
    level: usize,
    /// The first of the edges that lead here; the last one added is looked at first.
    in_edge: usize,
    kill: u32,
    in_use: u32,
    out_use: u32,
    /// The value number of the test's operand.
    oval: u32,
    val: [u32; ATOMS],
}

/// The state of an optimisation. Edge `i` is the true side of block `i`, edge `n + i` its false side.
struct Optimizer<'g> {
    g: &'g mut Graph,
    n: usize,
    facts: Vec<Facts>,
    walk: Walk,
    /// Blocks by their distance from the end, each level in the order in which it is looked at: the last one added first.
    by_level: Vec<usize>,
    /// Where each level begins there, and where the last one ends.
    starts: Vec<usize>,
    /// Of each edge: the next of those that lead to the same block.
    next_in: Vec<usize>,
    dom: flow::Sets,
    edom: flow::Sets,
    values: local::Values,
    done: bool,
    /// Something but a branch has changed in this round.
    moved: bool,
    /// The code of each block's test when its edges were last computed.
    edge_code: Vec<u16>,
}

pub(crate) fn optimize(g: &mut Graph) -> Result<(), String> {
    let n = g.nodes.len();
    if n > MAX_BLOCKS {
        return Err("filter is too complex to optimize".to_string());
    }
    let mut o = Optimizer {
        n,
        facts: vec![Facts::default(); n],
        walk: Walk::default(),
        by_level: vec![0; n],
        starts: Vec::with_capacity(n + 2),
        next_in: vec![NONE; 2 * n],
        dom: flow::Sets::new(n, n),
        edom: flow::Sets::new(2 * n, 2 * n),
        values: local::Values::with_room(4 * n),
        done: false,
        moved: false,
        edge_code: vec![0; n],
        g,
    };
    o.rounds(false)?;
    o.rounds(true)?;
    o.merge_equal_blocks();
    o.skip_decided_root();
    Ok(())
}

impl Optimizer<'_> {
    fn rounds(&mut self, change_stmts: bool) -> Result<(), String> {
        let mut branch_rounds = 0;
        loop {
            self.moved = false;
            self.done = true;
            self.find_levels();
            self.find_dominators();
            self.find_uses();
            self.find_edge_dominators();
            self.blocks(change_stmts)?;
            if self.done {
                return Ok(());
            }
            if self.moved {
                branch_rounds = 0;
            } else {
                branch_rounds += 1;
                if branch_rounds >= 100 {
                    return Ok(());
                }
            }
        }
    }

    fn blocks(&mut self, change_stmts: bool) -> Result<(), String> {
        self.values.clear();
        let top = self.facts[self.g.root].level;
        self.find_in_edges();
        for level in (0..=top).rev() {
            for i in self.level(level) {
                self.block(self.by_level[i], change_stmts)?;
            }
        }
        if change_stmts {
            return Ok(());
        }
        for level in 1..=top {
            for i in self.level(level) {
                let at = self.by_level[i];
                self.thread(at);
                self.thread(self.n + at);
            }
        }
        self.find_in_edges();
        for level in 1..=top {
            for i in self.level(level) {
                let at = self.by_level[i];
                self.pull_up(at, true);
                self.pull_up(at, false);
            }
        }
        Ok(())
    }

    /// Where the blocks of a level are.
    fn level(&self, level: usize) -> Range<usize> {
        self.starts[level]..self.starts[level + 1]
    }

    /// The edges that lead to a block.
    fn in_edges(&self, at: usize) -> impl Iterator<Item = usize> {
        let some = |edge: usize| (edge != NONE).then_some(edge);
        std::iter::successors(some(self.facts[at].in_edge), move |&edge| some(self.next_in[edge]))
    }

    fn pred(&self, edge: usize) -> usize {
        if edge < self.n { edge } else { edge - self.n }
    }

    fn succ(&self, edge: usize) -> usize {
        if edge < self.n { self.g.nodes[edge].jt } else { self.g.nodes[edge - self.n].jf }
    }

    fn set_succ(&mut self, edge: usize, to: usize) {
        if edge < self.n {
            self.g.nodes[edge].jt = to;
        } else {
            self.g.nodes[edge - self.n].jf = to;
        }
    }

    fn changed(&mut self) {
        self.done = false;
        self.moved = true;
    }

    /// A root whose two sides are one decides nothing.
    fn skip_decided_root(&mut self) {
        let mut stmts = std::mem::take(&mut self.g.nodes[self.g.root].stmts);
        loop {
            let node = &self.g.nodes[self.g.root];
            if code::class(node.code) != code::JMP || node.jt != node.jf || node.jt == NONE {
                break;
            }
            self.g.root = node.jt;
        }
        let node = &mut self.g.nodes[self.g.root];
        stmts.append(&mut node.stmts);
        if code::class(node.code) != code::RET {
            node.stmts = stmts;
        }
    }
}
