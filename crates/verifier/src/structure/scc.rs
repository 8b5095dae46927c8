//! Loops: strongly connected components of each subprogram's graph, by Tarjan's algorithm.

use super::{Aux, Slot, successors};

struct Tarjan<'a> {
    slots: &'a [Slot],
    index: Vec<u32>,
    low: Vec<u32>,
    on_stack: Vec<bool>,
    stack: Vec<usize>,
    next: u32,
}

/// Numbers the loops: instructions of one loop get one number above 0, all others 0.
pub(crate) fn components(slots: &[Slot], aux: &mut [Aux]) {
    let n = slots.len();
    let mut t = Tarjan {
        slots,
        index: vec![0; n],
        low: vec![0; n],
        on_stack: vec![false; n],
        stack: Vec::new(),
        next: 1,
    };
    let mut id = 0;
    for root in 0..n {
        if t.index[root] == 0 && !matches!(slots[root], Slot::Half) {
            t.walk(root, &mut |members| {
                let looped = members.len() > 1 || successors(slots, members[0]).any(|s| s == members[0]);
                if looped {
                    id += 1;
                    for m in members {
                        aux[*m].scc = id;
                    }
                }
            });
        }
    }
}

impl Tarjan<'_> {
    fn enter(&mut self, v: usize) {
        self.index[v] = self.next;
        self.low[v] = self.next;
        self.next += 1;
        self.stack.push(v);
        self.on_stack[v] = true;
    }

    /// Without recursion: a program can be long and deep.
    fn walk(&mut self, root: usize, found: &mut impl FnMut(&[usize])) {
        let mut work = vec![(root, 0usize)];
        self.enter(root);
        while let Some((v, edge)) = work.last().copied() {
            if let Some(s) = successors(self.slots, v).nth(edge) {
                if let Some(top) = work.last_mut() {
                    top.1 += 1;
                }
                if self.index[s] == 0 {
                    self.enter(s);
                    work.push((s, 0));
                } else if self.on_stack[s] {
                    self.low[v] = self.low[v].min(self.index[s]);
                }
                continue;
            }
            work.pop();
            if let Some((parent, _)) = work.last() {
                self.low[*parent] = self.low[*parent].min(self.low[v]);
            }
            if self.low[v] == self.index[v] {
                let at = self.stack.iter().rposition(|x| *x == v).unwrap_or(0);
                let members = self.stack.split_off(at);
                for m in &members {
                    self.on_stack[*m] = false;
                }
                found(&members);
            }
        }
    }
}
