//! A finished filter as a graph of numbered blocks, and its layout as instructions.
//!
//! Walks are iterative: a filter of ten thousand terms is a graph that deep.

use skep_isa::classic::Insn;

use crate::code;
use crate::ir::{BlockId, Ir, Stmt, StmtId};

/// No successor: the block returns.
pub(crate) const NONE: usize = usize::MAX;

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) stmts: Vec<StmtId>,
    pub(crate) code: u16,
    pub(crate) k: u32,
    pub(crate) jt: usize,
    pub(crate) jf: usize,
    /// The jump is too far for eight bits and goes by way of a `ja`.
    long_jt: bool,
    long_jf: bool,
}

impl Node {
    /// Jumps behind its test.
    fn islands(&self) -> usize {
        usize::from(self.long_jt) + usize::from(self.long_jf)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) stmts: Vec<Stmt>,
    pub(crate) root: usize,
    /// Each node's number in what it was made from.
    pub(crate) ids: Vec<BlockId>,
    /// Memory words that are filled before it, as bits; it does not write them.
    pub(crate) given: u16,
}

/// A walk over a graph, with the room that it takes.
#[derive(Default)]
pub(crate) struct Walk {
    /// The blocks that can be reached, in the order of the walk.
    pub(crate) order: Vec<usize>,
    seen: Vec<bool>,
    stack: Vec<(usize, bool)>,
}

impl Graph {
    /// Numbers what can be reached from `root`, depth first, the true side first.
    pub(crate) fn new(mut ir: Ir, root: BlockId) -> Graph {
        let mut number = vec![NONE; ir.blocks.len()];
        let mut order = Vec::new();
        let mut stack = vec![root];
        while let Some(id) = stack.pop() {
            if number[id] != NONE {
                continue;
            }
            number[id] = order.len();
            order.push(id);
            stack.extend(ir.blocks[id].jf);
            stack.extend(ir.blocks[id].jt);
        }
        let find = |to: Option<BlockId>| to.map_or(NONE, |id| number[id]);
        let nodes = order
            .iter()
            .map(|&id| {
                let stmts = std::mem::take(&mut ir.blocks[id].stmts);
                let b = &ir.blocks[id];
                Node {
                    stmts,
                    code: b.code,
                    k: b.k,
                    jt: find(b.jt),
                    jf: find(b.jf),
                    long_jt: false,
                    long_jf: false,
                }
            })
            .collect();
        Graph { nodes, stmts: ir.stmts, root: 0, ids: order, given: 0 }
    }

    /// The reachable blocks, each after its successors; `true_first` says which side is walked first.
    pub(crate) fn postorder(&self, true_first: bool) -> Vec<usize> {
        let mut walk = Walk::default();
        self.walk(true_first, &mut walk);
        walk.order
    }

    /// The same, with room that is used again.
    pub(crate) fn walk(&self, true_first: bool, Walk { order, seen, stack }: &mut Walk) {
        order.clear();
        seen.clear();
        seen.resize(self.nodes.len(), false);
        order.reserve(self.nodes.len());
        stack.push((self.root, false));
        while let Some((at, done)) = stack.pop() {
            if done {
                order.push(at);
                continue;
            }
            if seen[at] {
                continue;
            }
            seen[at] = true;
            stack.push((at, true));
            let node = &self.nodes[at];
            if node.jt == NONE {
                continue;
            }
            let (first, second) = if true_first { (node.jt, node.jf) } else { (node.jf, node.jt) };
            stack.push((second, false));
            stack.push((first, false));
        }
    }

    pub(crate) fn live(&self, stmts: &[StmtId]) -> usize {
        stmts.iter().filter(|&&s| self.stmts[s].code != code::NOP).count()
    }

    /// The instructions, laid out from the end, false sides last.
    pub(crate) fn emit(&mut self) -> Result<Vec<Insn>, String> {
        self.emit_placed().map(|(insns, _)| insns)
    }

    /// The same, with where each node's instructions begin.
    pub(crate) fn emit_placed(&mut self) -> Result<(Vec<Insn>, Vec<usize>), String> {
        let order = self.postorder(false);
        let total = self.mark_long(&order);
        let mut out = vec![Insn { code: 0, jt: 0, jf: 0, k: 0 }; total];
        let mut offset = vec![0usize; self.nodes.len()];
        let mut tail = total;
        for &at in &order {
            let node = &self.nodes[at];
            let slen = self.live(&node.stmts);
            tail -= slen + 1 + node.islands();
            offset[at] = tail;
            self.emit_stmts(at, slen, &mut out[tail..])?;
            let end = tail + slen;
            out[end].code = node.code;
            out[end].k = node.k;
            if node.jt == NONE {
                continue;
            }
            let mut jumps = 0usize;
            for (to, long, is_true) in [(node.jt, node.long_jt, true), (node.jf, node.long_jf, false)] {
                let off = offset[to] - end - 1;
                let too_long = |_| String::from("the filter is too long");
                let near = if long {
                    let near = jumps as u8;
                    jumps += 1;
                    let k = u32::try_from(off - jumps).map_err(too_long)?;
                    out[end + jumps] = Insn { code: code::JMP | code::JA, jt: 0, jf: 0, k };
                    near
                } else {
                    u8::try_from(off).map_err(too_long)?
                };
                *(if is_true { &mut out[end].jt } else { &mut out[end].jf }) = near;
            }
        }
        Ok((out, offset))
    }

    /// Finds the jumps that are too far for eight bits, and how long all code is. Code is laid out from its end, so how
    /// far a block jumps depends on what is behind it alone, and on the islands that its own long jumps take.
    fn mark_long(&mut self, order: &[usize]) -> usize {
        // How far each block's beginning is from the end.
        let mut start = vec![0usize; self.nodes.len()];
        let mut behind = 0;
        for &at in order {
            let slen = self.live(&self.nodes[at].stmts);
            let node = &mut self.nodes[at];
            if node.jt != NONE {
                let far = |islands: usize, to: usize| behind + islands - start[to] > usize::from(u8::MAX);
                node.long_jt |= far(node.islands(), node.jt);
                node.long_jf |= far(node.islands(), node.jf);
                // The island of the second may have moved the first out of reach.
                node.long_jt |= far(node.islands(), node.jt);
            }
            behind += slen + 1 + node.islands();
            start[at] = behind;
        }
        behind
    }

    /// The statements before a block's test. Jumps among them are by statement, and their reach is counted over the list
    /// as it stands, removed statements included, as libpcap counts it.
    fn emit_stmts(&self, at: usize, slen: usize, out: &mut [Insn]) -> Result<(), String> {
        let stmts = &self.nodes[at].stmts;
        let places = &stmts[..slen.min(stmts.len())];
        let mut off = 0;
        for &id in stmts {
            let s = &self.stmts[id];
            if s.code == code::NOP {
                continue;
            }
            out[off].code = s.code;
            out[off].k = s.k;
            let jumps = code::class(s.code) == code::JMP && s.code != (code::JMP | code::JA);
            if jumps && off + 2 != slen {
                out[off].jt = local_jump(places, s.jt, off)?;
                out[off].jf = local_jump(places, s.jf, off)?;
            }
            off += 1;
        }
        Ok(())
    }
}

fn local_jump(places: &[StmtId], to: Option<StmtId>, off: usize) -> Result<u8, String> {
    let error = |what: &str| format!("{what} for block-local relative jump: off={off}");
    let to = to.ok_or_else(|| error("no jmp destination"))?;
    let place = places.iter().position(|&s| s == to).ok_or_else(|| error("no destination found"))?;
    place.checked_sub(off + 1).and_then(|n| u8::try_from(n).ok()).ok_or_else(|| error("out-of-range jump"))
}
