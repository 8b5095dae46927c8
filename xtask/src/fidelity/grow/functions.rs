//! Functions of the program: static ones, global ones by their types, and those that helpers call back.

use super::{Builder, CALL, Holds, KEPT, MOV, MOV_IMM, WIDE};
use crate::fidelity::program::{FUNCTION, SUBPROG};
use crate::fidelity::world::{GLOBAL, GLOBALS, MAIN, STATIC, Takes};

/// Most functions that a program has.
const MAX_FUNCTIONS: usize = 6;

/// What is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Callee {
    /// Takes two numbers, and the context where the flag says so.
    Static {
        context: bool,
    },
    Global(usize),
    Callback,
}

/// A function.
pub(super) struct Function {
    callee: Callee,
    start: usize,
}

/// An instruction that names a function.
pub(super) struct Site {
    at: usize,
    function: usize,
}

impl Builder<'_> {
    /// The index of a function of this kind: one that there is, or a new one.
    fn function(&mut self, callee: Callee) -> usize {
        let there: Vec<usize> =
            (0..self.functions.len()).filter(|n| self.functions[*n].callee == callee).collect();
        if !there.is_empty() && (self.functions.len() >= MAX_FUNCTIONS || self.random.percent(40)) {
            return self.random.of(&there);
        }
        self.functions.push(Function { callee, start: 0 });
        self.functions.len() - 1
    }

    /// The address of a function.
    pub(super) fn take_address(&mut self, reg: u8, callee: Callee) {
        if self.functions.len() >= 2 * MAX_FUNCTIONS {
            return self.emit(MOV_IMM, reg, 0, 0, 0);
        }
        let function = self.function(callee);
        self.sites.push(Site { at: self.insns.len(), function });
        self.emit(WIDE, reg, FUNCTION, 0, 0);
        self.emit(0, 0, 0, 0, 0);
        self.set(reg, Holds::Other);
    }

    /// A call of a function of the program.
    pub(super) fn call(&mut self) {
        if self.functions.len() >= MAX_FUNCTIONS {
            return;
        }
        let callee = match self.random.below(10) {
            0..4 => Callee::Static { context: false },
            4..7 => Callee::Static { context: true },
            7 if self.random.percent(10) => Callee::Global(GLOBALS.len() - 1),
            _ => Callee::Global(self.random.below(GLOBALS.len() as u32 - 1) as usize),
        };
        let takes: &[Takes] = match callee {
            Callee::Global(n) => GLOBALS[n],
            Callee::Static { context: true } => &[Takes::Context, Takes::Number, Takes::Number],
            _ => &[Takes::Number, Takes::Number],
        };
        for (reg, t) in (1..).zip(takes) {
            self.pass(reg, *t);
        }
        let function = self.function(callee);
        self.sites.push(Site { at: self.insns.len(), function });
        self.emit(CALL, 0, SUBPROG, 0, 0);
        self.regs[1..6].fill(Holds::Nothing);
        self.set(0, Holds::Number);
    }

    fn pass(&mut self, reg: u8, takes: Takes) {
        let wrong = self.random.percent(4);
        match takes {
            Takes::Context if self.holds(KEPT) == Holds::Context && !wrong => self.emit(MOV, reg, KEPT, 0, 0),
            Takes::Memory if self.random.percent(30) => self.emit(MOV_IMM, reg, 0, 0, 0),
            Takes::Memory | Takes::MemoryNotNull if !wrong => {
                self.fill(32, 16);
                self.load_stack(reg, 32);
            }
            _ if self.random.percent(60) => {
                let from = self.number();
                self.emit(MOV, reg, from, 0, 0);
            }
            _ => {
                let imm = self.random.imm();
                self.emit(MOV_IMM, reg, 0, 0, imm);
            }
        }
    }

    /// Writes the functions that are named, and those that these name; lets each site know. First slot and type of each.
    pub(super) fn bodies(&mut self) -> Vec<(usize, u32)> {
        let mut at = vec![(0, MAIN)];
        let mut n = 0;
        while n < self.functions.len() {
            let callee = self.functions[n].callee;
            self.functions[n].start = self.insns.len();
            let args: Vec<Holds> = match callee {
                Callee::Static { context: true } => vec![Holds::Context, Holds::Number, Holds::Number],
                Callee::Static { context: false } => vec![Holds::Number, Holds::Number],
                Callee::Callback => vec![Holds::Other; 3],
                Callee::Global(g) => GLOBALS[g].iter().map(|t| argument(*t)).collect(),
            };
            let ty = match callee {
                Callee::Global(g) => GLOBAL + g as u32,
                _ => STATIC,
            };
            at.push((self.insns.len(), ty));
            self.in_callback = callee == Callee::Callback;
            self.start(&args);
            let steps = if n > 3 { 1 } else { 1 + self.random.below(5) };
            self.depth = 1;
            self.block(steps);
            self.depth = 0;
            self.finish();
            n += 1;
        }
        for site in &self.sites {
            let by = self.functions[site.function].start as i64 - site.at as i64 - 1;
            self.insns[site.at].imm = by as i32;
        }
        at
    }

    /// Whether some function may only be there with types.
    pub(super) fn needs_types(&self) -> bool {
        self.functions.iter().any(|f| f.callee == Callee::Callback)
    }
}

fn argument(takes: Takes) -> Holds {
    match takes {
        Takes::Number => Holds::Number,
        Takes::MemoryNotNull => Holds::Value(16),
        Takes::Memory => Holds::Other,
        Takes::Context => Holds::Context,
    }
}
