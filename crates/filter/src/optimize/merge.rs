//! Equal blocks with equal successors become one.

use super::Optimizer;
use crate::code::NOP;
use crate::graph::{Graph, NONE};

/// The statements that are still there.
fn live<'a>(g: &'a Graph, stmts: &'a [usize]) -> impl Iterator<Item = (u16, u32)> + 'a {
    stmts.iter().map(|&s| &g.stmts[s]).filter(|s| s.code != NOP).map(|s| (s.code, s.k))
}

impl Optimizer<'_> {
    fn equal(&self, a: usize, b: usize) -> bool {
        let (x, y) = (&self.g.nodes[a], &self.g.nodes[b]);
        if x.code != y.code || x.k != y.k || x.jt != y.jt || x.jf != y.jf {
            return false;
        }
        live(self.g, &x.stmts).eq(live(self.g, &y.stmts))
    }

    pub(super) fn merge_equal_blocks(&mut self) {
        loop {
            let mut reachable = vec![false; self.n];
            for at in self.g.postorder(true) {
                reachable[at] = true;
            }
            let mut link = vec![NONE; self.n];
            for i in (0..self.n.saturating_sub(1)).rev() {
                if !reachable[i] {
                    continue;
                }
                if let Some(j) = (i + 1..self.n).find(|&j| reachable[j] && self.equal(i, j)) {
                    link[i] = if link[j] == NONE { j } else { link[j] };
                }
            }
            let mut done = true;
            for node in &mut self.g.nodes {
                if node.jt == NONE {
                    continue;
                }
                for side in [&mut node.jt, &mut node.jf] {
                    if link[*side] != NONE {
                        *side = link[*side];
                        done = false;
                    }
                }
            }
            if done {
                return;
            }
        }
    }
}
