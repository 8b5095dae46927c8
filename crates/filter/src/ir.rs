//! The filter while it is being built: blocks that end in a test, with statements before it.
//!
//! An expression under construction is known by its last block. Its exits that are not decided yet are chained through
//! the blocks' own `jt` and `jf` (the one that is not yet decided is the true exit where `sense` is false), as in
//! McCanne's compiler; `and`, `or` and `not` join two such chains without a copy.

use std::ops::Range;

use crate::code;

pub(crate) type BlockId = usize;
pub(crate) type StmtId = usize;

#[derive(Clone, Debug)]
pub(crate) struct Stmt {
    pub(crate) code: u16,
    pub(crate) k: u32,
    /// Where a jump inside a statement list goes.
    pub(crate) jt: Option<StmtId>,
    pub(crate) jf: Option<StmtId>,
}

/// What is known of a test while compiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Uncertain,
    True,
    False,
}

#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) stmts: Vec<StmtId>,
    pub(crate) code: u16,
    pub(crate) k: u32,
    pub(crate) jt: Option<BlockId>,
    pub(crate) jf: Option<BlockId>,
    /// The first block of the expression that ends here.
    pub(crate) head: BlockId,
    pub(crate) sense: bool,
    pub(crate) meaning: Meaning,
}

/// What was made for a part of the expression.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    stmts: Range<StmtId>,
    blocks: Range<BlockId>,
    /// Bytes of the expression.
    pub(crate) span: Range<usize>,
}

/// Which part of the expression made what. Parts inside of others come before them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks(Vec<Mark>);

impl Marks {
    /// The innermost part that made a block, by its number in [`parts`](Self::parts).
    pub(crate) fn of_block(&self, id: BlockId) -> Option<usize> {
        self.0.iter().position(|m| m.blocks.contains(&id))
    }

    /// The innermost part that made a statement.
    pub(crate) fn of_stmt(&self, id: StmtId) -> Option<usize> {
        self.0.iter().position(|m| m.stmts.contains(&id))
    }

    /// All parts.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Range<usize>> {
        self.0.iter().map(|m| m.span.clone())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Ir {
    pub(crate) blocks: Vec<Block>,
    pub(crate) stmts: Vec<Stmt>,
    pub(crate) marks: Marks,
}

impl Ir {
    /// Where a part of the expression begins to make code.
    pub(crate) fn begin(&self) -> (StmtId, BlockId) {
        (self.stmts.len(), self.blocks.len())
    }

    /// What was made since then is for this part of the expression, as far as it is for no part inside of that.
    pub(crate) fn mark(&mut self, begin: (StmtId, BlockId), span: Range<usize>) {
        let (stmts, blocks) = (begin.0..self.stmts.len(), begin.1..self.blocks.len());
        if !blocks.is_empty() {
            self.marks.0.push(Mark { stmts, blocks, span });
        }
    }

    pub(crate) fn stmt(&mut self, code: u16, k: u32) -> StmtId {
        self.stmts.push(Stmt { code, k, jt: None, jf: None });
        self.stmts.len() - 1
    }

    pub(crate) fn block(&mut self, code: u16, k: u32, stmts: Vec<StmtId>) -> BlockId {
        let head = self.blocks.len();
        self.blocks.push(Block {
            stmts,
            code,
            k,
            jt: None,
            jf: None,
            head,
            sense: false,
            meaning: Meaning::Uncertain,
        });
        head
    }

    /// Lets every undecided exit of the chain go to `target`.
    pub(crate) fn backpatch(&mut self, list: BlockId, target: BlockId) {
        let mut at = Some(list);
        while let Some(id) = at {
            let block = &mut self.blocks[id];
            let exit = if block.sense { &mut block.jf } else { &mut block.jt };
            at = exit.replace(target);
        }
    }

    /// Appends the chain of `more` to that of `list`.
    fn merge(&mut self, list: BlockId, more: BlockId) {
        let mut at = list;
        loop {
            let block = &mut self.blocks[at];
            let exit = if block.sense { &mut block.jf } else { &mut block.jt };
            match *exit {
                Some(next) => at = next,
                None => {
                    *exit = Some(more);
                    return;
                }
            }
        }
    }

    fn flip(&mut self, id: BlockId) {
        self.blocks[id].sense = !self.blocks[id].sense;
    }

    pub(crate) fn and(&mut self, a: BlockId, b: BlockId) -> BlockId {
        match (self.blocks[a].meaning, self.blocks[b].meaning) {
            (Meaning::False, _) => return a,
            (_, Meaning::False) => return b,
            (Meaning::True, _) => return b,
            (_, Meaning::True) => return a,
            (Meaning::Uncertain, Meaning::Uncertain) => {}
        }
        self.backpatch(a, self.blocks[b].head);
        self.flip(a);
        self.flip(b);
        self.merge(b, a);
        self.flip(b);
        self.blocks[b].head = self.blocks[a].head;
        b
    }

    pub(crate) fn or(&mut self, a: BlockId, b: BlockId) -> BlockId {
        match (self.blocks[a].meaning, self.blocks[b].meaning) {
            (Meaning::False, _) => return b,
            (_, Meaning::False) => return a,
            (Meaning::True, _) => return a,
            (_, Meaning::True) => return b,
            (Meaning::Uncertain, Meaning::Uncertain) => {}
        }
        self.flip(a);
        self.backpatch(a, self.blocks[b].head);
        self.flip(a);
        self.merge(b, a);
        self.blocks[b].head = self.blocks[a].head;
        b
    }

    pub(crate) fn not(&mut self, a: BlockId) -> BlockId {
        self.flip(a);
        let block = &mut self.blocks[a];
        block.meaning = match block.meaning {
            Meaning::True => Meaning::False,
            Meaning::False => Meaning::True,
            Meaning::Uncertain => Meaning::Uncertain,
        };
        a
    }

    /// Puts statements before those of a block.
    pub(crate) fn prepend(&mut self, mut stmts: Vec<StmtId>, id: BlockId) {
        if stmts.is_empty() {
            return;
        }
        let block = &mut self.blocks[id];
        stmts.append(&mut block.stmts);
        block.stmts = stmts;
        block.meaning = Meaning::Uncertain;
    }

    /// Closes the expression that ends in `last`: its true exits return `accept`, its false ones 0.
    pub(crate) fn finish(&mut self, last: BlockId, accept: u32) -> BlockId {
        let yes = self.block(code::RET | code::K, accept, Vec::new());
        self.backpatch(last, yes);
        self.flip(last);
        let no = self.block(code::RET | code::K, 0, Vec::new());
        self.backpatch(last, no);
        self.blocks[last].head
    }
}
