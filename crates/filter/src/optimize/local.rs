//! Inside a block: value numbers of its statements, and the simpler statements that known values allow.

use rustc_hash::FxHashMap as HashMap;

use super::flow::{defines, uses};
use super::{A, ATOMS, Optimizer, X};
use crate::code::{
    self, ABS, ADD, ALU, AND, DIV, IMM, IND, K, LD, LDX, LEN, LSH, MEM, MISC, MOD, MSH, MUL, NEG, NOP, OR,
    RET, RSH, ST, STX, SUB, TAX, TXA, XOR,
};
use crate::ir::StmtId;

/// Value numbers: equal numbers are equal values. 0 is a value of which nothing is known.
pub(super) struct Values {
    numbers: HashMap<(u16, u32, u32), u32>,
    /// The constant that a number stands for, if it does.
    constants: Vec<Option<u32>>,
}

impl Values {
    /// Without any, but with room for so many.
    pub(super) fn with_room(count: usize) -> Self {
        let numbers = HashMap::with_capacity_and_hasher(count, Default::default());
        Self { numbers, constants: Vec::with_capacity(count + 1) }
    }

    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.constants.clear();
        self.constants.push(None);
    }

    /// The number of what an operation makes of two operands.
    pub(super) fn of(&mut self, op: u16, v0: u32, v1: u32) -> u32 {
        let next = self.constants.len() as u32;
        let number = *self.numbers.entry((op, v0, v1)).or_insert(next);
        if number == next {
            let is_const = code::mode(op) == IMM && matches!(code::class(op), LD | LDX);
            self.constants.push(is_const.then_some(v0));
        }
        number
    }

    pub(super) fn constant(&mut self, k: u32) -> u32 {
        self.of(LD | IMM, k, 0)
    }

    pub(super) fn known(&self, number: u32) -> Option<u32> {
        self.constants.get(number as usize).copied().flatten()
    }
}

fn compute(op: u16, a: u32, b: u32) -> Result<u32, String> {
    Ok(match op {
        ADD => a.wrapping_add(b),
        SUB => a.wrapping_sub(b),
        MUL => a.wrapping_mul(b),
        DIV => a.checked_div(b).ok_or("division by zero")?,
        MOD => a.checked_rem(b).ok_or("modulus by zero")?,
        AND => a & b,
        OR => a | b,
        XOR => a ^ b,
        LSH => a.checked_shl(b).unwrap_or(0),
        _ => a.checked_shr(b).unwrap_or(0),
    })
}

type Vals = [u32; ATOMS];

impl Optimizer<'_> {
    /// Writes a value number; the statement is superfluous if the number is there already.
    fn store(&mut self, s: StmtId, slot: &mut u32, value: u32, alter: bool) {
        if alter && value != 0 && *slot == value {
            self.g.stmts[s].code = NOP;
        } else {
            *slot = value;
        }
    }

    fn rewrite(&mut self, s: StmtId, code: u16, k: u32) {
        self.g.stmts[s].code = code;
        self.g.stmts[s].k = k;
    }

    fn statement(&mut self, s: StmtId, val: &mut Vals, alter: bool) -> Result<(), String> {
        let (code, k) = (self.g.stmts[s].code, self.g.stmts[s].k);
        if code == NOP {
            return Ok(());
        }
        match code::class(code) {
            LD | LDX => self.load(s, val, alter),
            ALU if code == ALU | NEG => self.negate(s, val, alter),
            ALU if code::src(code) == K => return self.alu_k(s, val, alter),
            ALU => return self.alu_x(s, val, alter),
            MISC if code == MISC | TXA => {
                let v = val[X];
                self.store(s, &mut val[A], v, alter);
            }
            MISC if code == MISC | TAX => {
                let v = val[A];
                self.store(s, &mut val[X], v, alter);
            }
            ST => {
                let v = val[A];
                self.store(s, &mut val[k as usize & 15], v, alter);
            }
            STX => {
                let v = val[X];
                self.store(s, &mut val[k as usize & 15], v, alter);
            }
            _ => {}
        }
        Ok(())
    }

    fn load(&mut self, s: StmtId, val: &mut Vals, alter: bool) {
        let (code, k) = (self.g.stmts[s].code, self.g.stmts[s].k);
        let to = if code::class(code) == LD { A } else { X };
        let v = match code::mode(code) {
            ABS | MSH => self.values.of(code, k, 0),
            IND => {
                let x = val[X];
                match self.values.known(x) {
                    Some(add) if alter => {
                        let (code, k) = (LD | ABS | code::size(code), k.wrapping_add(add));
                        self.rewrite(s, code, k);
                        self.changed();
                        self.values.of(code, k, 0)
                    }
                    _ => self.values.of(code, k, x),
                }
            }
            LEN => self.values.of(code, 0, 0),
            IMM => self.values.constant(k),
            MEM => {
                let v = val[k as usize & 15];
                if let (true, Some(known)) = (alter, self.values.known(v)) {
                    self.rewrite(s, code::class(code) | IMM, known);
                    self.changed();
                }
                v
            }
            _ => return,
        };
        self.store(s, &mut val[to], v, alter);
    }

    fn negate(&mut self, s: StmtId, val: &mut Vals, alter: bool) {
        match self.values.known(val[A]) {
            Some(n) if alter => {
                self.rewrite(s, LD | IMM, n.wrapping_neg());
                val[A] = self.values.constant(n.wrapping_neg());
            }
            _ => val[A] = self.values.of(ALU | NEG, val[A], 0),
        }
    }

    fn fold(&mut self, s: StmtId, op: u16, a: u32, b: u32, val: &mut Vals) -> Result<(), String> {
        let k = compute(op, a, b)?;
        self.rewrite(s, LD | IMM, k);
        self.changed();
        val[A] = self.values.constant(k);
        Ok(())
    }

    fn alu_k(&mut self, s: StmtId, val: &mut Vals, alter: bool) -> Result<(), String> {
        let (code, k) = (self.g.stmts[s].code, self.g.stmts[s].k);
        let op = code::op(code);
        if alter {
            if k == 0 {
                match op {
                    ADD | LSH | RSH | OR | XOR => {
                        self.g.stmts[s].code = NOP;
                        return Ok(());
                    }
                    MUL | AND => {
                        self.g.stmts[s].code = LD | IMM;
                        val[A] = self.values.constant(k);
                        return Ok(());
                    }
                    DIV => return Err("division by zero".into()),
                    MOD => return Err("modulus by zero".into()),
                    _ => {}
                }
            }
            if let Some(a) = self.values.known(val[A]) {
                // The operand gets its number before the result does.
                self.values.constant(k);
                return self.fold(s, op, a, k, val);
            }
        }
        let operand = self.values.constant(k);
        val[A] = self.values.of(code, val[A], operand);
        Ok(())
    }

    fn alu_x(&mut self, s: StmtId, val: &mut Vals, alter: bool) -> Result<(), String> {
        let code = self.g.stmts[s].code;
        let op = code::op(code);
        let (a, x) = (self.values.known(val[A]), self.values.known(val[X]));
        match (a, x) {
            (Some(a), Some(x)) if alter => return self.fold(s, op, a, x, val),
            (None, Some(x)) if alter => {
                if matches!(op, LSH | RSH) && x > 31 {
                    return Err("shift by more than 31 bits".into());
                }
                self.rewrite(s, ALU | K | op, x);
                self.changed();
                let operand = self.values.constant(x);
                val[A] = self.values.of(ALU | K | op, val[A], operand);
                return Ok(());
            }
            (Some(0), None) if alter => match op {
                ADD | OR | XOR => {
                    self.g.stmts[s].code = MISC | TXA;
                    let v = val[X];
                    self.store(s, &mut val[A], v, alter);
                    return Ok(());
                }
                MUL | DIV | MOD | AND | LSH | RSH => {
                    self.rewrite(s, LD | IMM, 0);
                    let v = self.values.constant(0);
                    self.store(s, &mut val[A], v, alter);
                    return Ok(());
                }
                _ => {}
            },
            _ => {}
        }
        val[A] = self.values.of(code, val[A], val[X]);
        Ok(())
    }

    /// Removes statements whose results nobody reads.
    fn dead_statements(&mut self, at: usize) {
        let mut last: [Option<StmtId>; ATOMS] = [None; ATOMS];
        let node = &self.g.nodes[at];
        let (code, k) = (node.code, node.k);
        let forget = |last: &mut [Option<StmtId>; ATOMS], used: u32| {
            for (atom, slot) in last.iter_mut().enumerate() {
                if used & (1 << atom) != 0 {
                    *slot = None;
                }
            }
        };
        for i in 0..node.stmts.len() {
            let id = self.g.nodes[at].stmts[i];
            let s = &self.g.stmts[id];
            forget(&mut last, uses(s.code, s.k));
            if let Some(atom) = defines(s)
                && let Some(before) = last[atom].replace(id)
            {
                self.g.stmts[before].code = NOP;
                self.changed();
            }
        }
        forget(&mut last, uses(code, k));
        for (atom, slot) in last.iter().enumerate() {
            if let Some(id) = *slot
                && self.facts[at].out_use & (1 << atom) == 0
            {
                self.g.stmts[id].code = NOP;
                self.facts[at].val[atom] = 0;
                self.changed();
            }
        }
    }

    pub(super) fn block(&mut self, at: usize, alter: bool) -> Result<(), String> {
        let mut edges = self.in_edges(at);
        let mut val = match edges.next() {
            None => [0; ATOMS],
            Some(edge) => self.facts[self.pred(edge)].val,
        };
        for edge in edges {
            let other = &self.facts[self.pred(edge)].val;
            for (mine, theirs) in val.iter_mut().zip(other) {
                if *mine != *theirs {
                    *mine = 0;
                }
            }
        }
        let (a, x) = (val[A], val[X]);
        for i in 0..self.g.nodes[at].stmts.len() {
            let s = self.g.nodes[at].stmts[i];
            self.statement(s, &mut val, alter)?;
        }
        self.facts[at].val = val;
        let no_effect = self.facts[at].out_use == 0 && a != 0 && val[A] == a && x != 0 && val[X] == x;
        if alter && (no_effect || code::class(self.g.nodes[at].code) == RET) {
            if !self.g.nodes[at].stmts.is_empty() {
                self.g.nodes[at].stmts.clear();
                self.changed();
            }
        } else {
            self.peep(at);
            self.dead_statements(at);
        }
        let node = &self.g.nodes[at];
        self.edge_code[at] = node.code;
        let oval =
            if code::src(node.code) == K { self.values.constant(node.k) } else { self.facts[at].val[X] };
        self.facts[at].oval = oval;
        Ok(())
    }
}
