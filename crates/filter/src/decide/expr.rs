//! What a filter computes from a packet before it compares: expressions, equal ones shared; and which bytes they need.

use rustc_hash::FxHashMap as HashMap;

use skep_isa::classic::{AluOp, MEM_WORDS, Op, Size, Source};

use super::{Bail, GiveUp};

/// An expression, by its index.
pub(crate) type ExprId = u32;

/// A value made of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Expr {
    Const(u32),
    Len,
    /// What a memory word holds from before.
    Word(u32),
    /// Bytes at an offset; a negative one is Linux's.
    Load(Size, u32),
    /// Bytes at an offset from a value.
    Ind(Size, u32, ExprId),
    /// Four times the low half of the byte at an offset.
    Msh(u32),
    Alu(AluOp, ExprId, ExprId),
    Neg(ExprId),
}

/// Bytes that have to be there for a filter to go on, each entry as far as it reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Needs {
    /// From the start of the packet.
    pub(crate) to: u32,
    /// From where a value says.
    pub(crate) from: Vec<(ExprId, Size, u32)>,
    /// Linux's own, and divisions: all of an expression.
    pub(crate) other: Vec<ExprId>,
}

impl Needs {
    pub(crate) fn add(&mut self, more: &Self) {
        self.to = self.to.max(more.to);
        for &(base, size, k) in &more.from {
            match self.from.iter_mut().find(|(b, ..)| *b == base) {
                Some((_, s, at)) if end(size, k) > end(*s, *at) => (*s, *at) = (size, k),
                Some(_) => {}
                None => self.from.push((base, size, k)),
            }
        }
        for &e in &more.other {
            if !self.other.contains(&e) {
                self.other.push(e);
            }
        }
        self.from.sort_unstable_by_key(|f| f.0);
        self.other.sort_unstable();
    }

    /// Whether whoever has these bytes has those of `less`, too.
    pub(crate) fn cover(&self, less: &Self) -> bool {
        let from = |&(base, size, k): &(ExprId, Size, u32)| {
            self.from.iter().any(|&(b, s, at)| b == base && end(s, at) >= end(size, k))
        };
        self.to >= less.to && less.from.iter().all(from) && less.other.iter().all(|e| self.other.contains(e))
    }

    /// What both need.
    pub(crate) fn common(&self, other: &Self) -> Self {
        let from = self.from.iter().filter_map(|&(base, size, k)| {
            let &(_, s, at) = other.from.iter().find(|(b, ..)| *b == base)?;
            Some(if end(size, k) <= end(s, at) { (base, size, k) } else { (base, s, at) })
        });
        Self {
            to: self.to.min(other.to),
            from: from.collect(),
            other: self.other.iter().copied().filter(|e| other.other.contains(e)).collect(),
        }
    }
}

fn end(size: Size, k: u32) -> u64 {
    u64::from(k) + size.bytes() as u64
}

/// All expressions of a filter.
#[derive(Debug, Default)]
pub(crate) struct Exprs {
    all: Vec<Expr>,
    known: HashMap<Expr, ExprId>,
    needs: Vec<Needs>,
    /// Memory words that are not ours to write, the topmost ones, as bits.
    pub(crate) given: u16,
}

impl Exprs {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn get(&self, id: ExprId) -> Expr {
        self.all[id as usize]
    }

    /// What has to be there for an expression.
    pub(crate) fn needs(&self, id: ExprId) -> &Needs {
        &self.needs[id as usize]
    }

    pub(crate) fn make(&mut self, expr: Expr) -> ExprId {
        let expr = self.folded(expr);
        if let Some(&id) = self.known.get(&expr) {
            return id;
        }
        let id = self.all.len() as ExprId;
        let needs = self.needs_of(expr, id);
        self.all.push(expr);
        self.needs.push(needs);
        self.known.insert(expr, id);
        id
    }

    fn folded(&mut self, expr: Expr) -> Expr {
        let Expr::Alu(op, a, b) = expr else { return expr };
        match (op, self.get(a), self.get(b)) {
            (_, Expr::Const(x), Expr::Const(y)) => op.apply(x, y).map_or(expr, Expr::Const),
            (AluOp::Add | AluOp::Sub | AluOp::Or | AluOp::Lsh | AluOp::Rsh, same, Expr::Const(0)) => same,
            (AluOp::And, Expr::Alu(AluOp::And, inner, m), Expr::Const(k)) => match self.get(m) {
                Expr::Const(m) => {
                    let mask = self.make(Expr::Const(m & k));
                    Expr::Alu(AluOp::And, inner, mask)
                }
                _ => expr,
            },
            _ => expr,
        }
    }

    fn needs_of(&self, expr: Expr, id: ExprId) -> Needs {
        let mut needs = Needs::default();
        match expr {
            Expr::Const(_) | Expr::Len | Expr::Word(_) => {}
            Expr::Load(size, k) if k.cast_signed() >= 0 => needs.to = k.saturating_add(size.bytes() as u32),
            Expr::Load(..) => needs.other.push(id),
            Expr::Ind(size, k, base) => {
                needs = self.needs(base).clone();
                needs.add(&Needs { from: vec![(base, size, k)], ..Needs::default() });
            }
            Expr::Msh(k) => needs.to = k.saturating_add(1),
            Expr::Neg(a) => needs = self.needs(a).clone(),
            Expr::Alu(op, a, b) => {
                needs = self.needs(a).clone();
                needs.add(self.needs(b));
                let ends =
                    matches!(op, AluOp::Div | AluOp::Mod) && !matches!(self.get(b), Expr::Const(k) if k != 0);
                if ends {
                    needs.add(&Needs { other: vec![id], ..Needs::default() });
                }
            }
        }
        needs
    }

    /// The largest value that it can have, as far as its size tells.
    pub(crate) fn max(&self, id: ExprId) -> u32 {
        match self.get(id) {
            Expr::Load(Size::B, k) | Expr::Ind(Size::B, k, _) if k.cast_signed() >= 0 => 0xff,
            Expr::Load(Size::H, k) | Expr::Ind(Size::H, k, _) if k.cast_signed() >= 0 => 0xffff,
            Expr::Msh(_) => 60,
            Expr::Const(k) => k,
            _ => u32::MAX,
        }
    }

    /// Statements that put it into A.
    pub(crate) fn in_a(&self, id: ExprId) -> Result<Vec<Op>, GiveUp> {
        let mut ops = Vec::new();
        self.eval(id, 0, &mut ops)?;
        Ok(ops)
    }

    fn eval(&self, id: ExprId, word: u32, ops: &mut Vec<Op>) -> Result<(), GiveUp> {
        match self.get(id) {
            Expr::Const(k) => ops.push(Op::LoadImm { k }),
            Expr::Len => ops.push(Op::LoadLen),
            Expr::Word(k) => ops.push(Op::LoadMem { k }),
            Expr::Load(size, k) => ops.push(Op::LoadAbs { size, k }),
            Expr::Ind(size, k, base) => {
                self.eval_x(base, word, ops)?;
                ops.push(Op::LoadInd { size, k });
            }
            Expr::Msh(k) => ops.extend([Op::LoadxMsh { k }, Op::Txa]),
            Expr::Neg(a) => {
                self.eval(a, word, ops)?;
                ops.push(Op::Neg);
            }
            Expr::Alu(op, a, b) => match self.get(b) {
                Expr::Const(k) => {
                    self.eval(a, word, ops)?;
                    ops.push(Op::Alu { op, src: Source::K(k) });
                }
                Expr::Msh(k) => {
                    self.eval(a, word, ops)?;
                    ops.extend([Op::LoadxMsh { k }, Op::Alu { op, src: Source::X }]);
                }
                Expr::Word(k) => {
                    self.eval(a, word, ops)?;
                    ops.extend([Op::LoadxMem { k }, Op::Alu { op, src: Source::X }]);
                }
                _ => {
                    if word as usize >= MEM_WORDS - self.given.count_ones() as usize {
                        return Err(Bail::TooDeep.into());
                    }
                    self.eval(b, word, ops)?;
                    ops.push(Op::Store { k: word });
                    self.eval(a, word + 1, ops)?;
                    ops.extend([Op::LoadxMem { k: word }, Op::Alu { op, src: Source::X }]);
                }
            },
        }
        if ops.len() > 256 { Err(Bail::TooDeep.into()) } else { Ok(()) }
    }

    fn eval_x(&self, id: ExprId, word: u32, ops: &mut Vec<Op>) -> Result<(), GiveUp> {
        match self.get(id) {
            Expr::Msh(k) => ops.push(Op::LoadxMsh { k }),
            Expr::Const(k) => ops.push(Op::LoadxImm { k }),
            Expr::Word(k) => ops.push(Op::LoadxMem { k }),
            _ => {
                self.eval(id, word, ops)?;
                ops.push(Op::Tax);
            }
        }
        Ok(())
    }

    /// Statements that fail where these bytes are not there, one list for each.
    pub(crate) fn guards(&self, needs: &Needs) -> Result<Vec<Vec<Op>>, GiveUp> {
        let mut all = Vec::new();
        if let Some(last) = needs.to.checked_sub(1) {
            all.push(vec![Op::LoadAbs { size: Size::B, k: last }]);
        }
        for &(base, size, k) in &needs.from {
            let mut ops = Vec::new();
            self.eval_x(base, 0, &mut ops)?;
            ops.push(Op::LoadInd { size, k });
            all.push(ops);
        }
        for &e in &needs.other {
            all.push(self.in_a(e)?);
        }
        Ok(all)
    }
}
