//! Random programs with functions: spilled numbers and pointers, callees that write to their callers' stacks, helpers that
//! fill memory, loops whose counter lies on the stack. What the other generator has not.

use skep_abi::{AttachType, ProgType};
use skep_isa::Insn;
use skep_tests::differ::Rng;

use super::program::{Program, VALUE_SIZES};

/// Slots of the stack that hold numbers: -8 to -64. Behind them lie a key, a spilled pointer and a counter.
const SLOTS: usize = 8;
const KEY: i16 = -72;
const POINTER: i16 = -80;
const COUNTER: i16 = -88;
const MAX_DEPTH: u32 = 3;
/// Functions besides the entry; each may call those after it.
const FUNCTIONS: usize = 3;

struct Builder {
    rng: Rng,
    insns: Vec<Insn>,
    /// Which function is being written; 0 is the entry.
    function: usize,
    depth: u32,
    /// Calls and whom they call.
    calls: Vec<(usize, usize)>,
    /// A loop is open: its counter is taken.
    in_loop: bool,
}

/// The program of a seed.
pub(super) fn generate(seed: u64) -> Program {
    let mut b = Builder {
        rng: Rng::new(seed),
        insns: Vec::new(),
        function: 0,
        depth: 0,
        calls: Vec::new(),
        in_loop: false,
    };
    let mut starts = Vec::new();
    for function in 0..=FUNCTIONS {
        starts.push(b.insns.len());
        b.function = function;
        b.body();
    }
    for (at, callee) in std::mem::take(&mut b.calls) {
        b.insns[at].imm = starts[callee] as i32 - at as i32 - 1;
    }
    Program { prog_type: ProgType::XDP, attach_type: AttachType::XDP, insns: b.insns }
}

impl Builder {
    fn emit(&mut self, opcode: u8, dst: u8, src: u8, off: i16, imm: i32) {
        self.insns.push(Insn { opcode, dst, src, off, imm });
    }

    /// One of the registers that hold numbers all the time.
    fn number(&mut self) -> u8 {
        7 + self.rng.below(3) as u8
    }

    fn slot(&mut self) -> i16 {
        -8 * (1 + self.rng.below(SLOTS) as i16)
    }

    fn imm(&mut self) -> i32 {
        match self.rng.below(4) {
            0 => self.rng.word() as i32,
            1 => 1 << self.rng.below(31),
            _ => self.rng.below(40) as i32 - 4,
        }
    }

    /// r6 is the context in the entry, and memory of the caller's in the others.
    fn body(&mut self) {
        self.emit(0xbf, 6, 1, 0, 0);
        if self.function == 0 {
            self.emit(0x61, 7, 6, 12, 0);
        } else {
            self.emit(0xbf, 7, 2, 0, 0);
        }
        for reg in [8, 9] {
            let imm = self.imm();
            self.emit(0xb7, reg, 0, 0, imm);
        }
        for i in 1..=SLOTS as i16 {
            let imm = self.imm();
            self.emit(0x7a, 10, 0, -8 * i, imm);
        }
        self.block(12);
        let result = self.number();
        self.emit(0xbf, 0, result, 0, 0);
        self.emit(0x95, 0, 0, 0, 0);
    }

    fn block(&mut self, steps: usize) {
        self.depth += 1;
        for _ in 0..=self.rng.below(steps) {
            match self.rng.below(12) {
                0..3 => self.alu(),
                3 => self.spill(),
                4 => self.fill(),
                5 => self.call(),
                6 => self.outside(),
                7 => self.lookup(),
                8 | 9 if self.depth < MAX_DEPTH => self.branch(),
                10 if self.depth < MAX_DEPTH && !self.in_loop => self.repeat(),
                _ => self.atomic(),
            }
        }
        self.depth -= 1;
    }

    fn alu(&mut self) {
        const OPS: [u8; 14] =
            [0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x50, 0x60, 0x70, 0x90, 0xa0, 0xb0, 0xc0, 0x84];
        let (op, dst, wide) = (self.rng.pick(&OPS), self.number(), self.rng.one_in(2));
        let class = if wide { 0x07 } else { 0x04 };
        if op == 0x84 {
            return self.emit(0x80 | class, dst, 0, 0, 0);
        }
        if self.rng.one_in(2) {
            let src = self.number();
            let signed = matches!(op, 0x30 | 0x90) && self.rng.one_in(3);
            return self.emit(class | op | 0x08, dst, src, signed.into(), 0);
        }
        let imm = match (op, self.imm()) {
            (0x60 | 0x70 | 0xc0, imm) => imm & 31,
            (0x30 | 0x90, 0) => 3,
            (_, imm) => imm,
        };
        self.emit(class | op, dst, 0, 0, imm);
    }

    fn spill(&mut self) {
        let (reg, slot) = (self.number(), self.slot());
        let (size, inside) =
            self.rng.pick(&[(0x18, 0), (0x18, 0), (0x00, 0), (0x00, 4), (0x08, 2), (0x10, 5)]);
        self.emit(0x63 | size, 10, reg, slot + inside, 0);
    }

    fn fill(&mut self) {
        let (reg, slot) = (self.number(), self.slot());
        let (size, inside) =
            self.rng.pick(&[(0x18, 0), (0x18, 0), (0x00, 0), (0x00, 4), (0x08, 0), (0x10, 0)]);
        let mode = if size != 0x18 && self.rng.one_in(3) { 0x81 } else { 0x61 };
        self.emit(mode | size, reg, 10, slot + inside, 0);
    }

    fn call(&mut self) {
        if self.function == FUNCTIONS {
            return self.alu();
        }
        let callee = self.function + 1 + self.rng.below(FUNCTIONS - self.function);
        // What was passed may be passed on, if it is memory.
        if self.function > 0 && self.rng.one_in(3) {
            self.emit(0xbf, 1, 6, 0, 0);
        } else {
            let slot = self.slot();
            self.emit(0xbf, 1, 10, 0, 0);
            self.emit(0x07, 1, 0, 0, slot.into());
        }
        let (arg, result) = (self.number(), self.number());
        self.emit(0xbf, 2, arg, 0, 0);
        self.calls.push((self.insns.len(), callee));
        self.emit(0x85, 0, 1, 0, 0);
        self.emit(0xbf, result, 0, 0, 0);
    }

    /// Memory that is not this frame's: the caller's, or what a helper fills.
    fn outside(&mut self) {
        let reg = self.number();
        if self.function > 0 {
            let store = self.rng.one_in(2);
            return if store { self.emit(0x7b, 6, reg, 0, 0) } else { self.emit(0x79, reg, 6, 0, 0) };
        }
        let (slot, offset) = (self.slot(), self.rng.below(16) as i32);
        self.emit(0xbf, 1, 6, 0, 0);
        self.emit(0xb7, 2, 0, 0, offset);
        self.emit(0xbf, 3, 10, 0, 0);
        self.emit(0x07, 3, 0, 0, slot.into());
        if self.rng.one_in(2) {
            self.emit(0xb7, 4, 0, 0, 8);
        } else {
            self.emit(0xbf, 4, reg, 0, 0);
            self.emit(0x57, 4, 0, 0, 7);
            self.emit(0x07, 4, 0, 0, 1);
        }
        self.emit(0x85, 0, 0, 0, 189);
        self.emit(0xbf, reg, 0, 0, 0);
    }

    /// A lookup whose result is spilled before it is checked, and used through both copies.
    fn lookup(&mut self) {
        let map = self.rng.below(VALUE_SIZES.len());
        let (key, reg) = (self.rng.below(5) as i32, self.number());
        self.emit(0x62, 10, 0, KEY, key);
        self.emit(0xbf, 2, 10, 0, 0);
        self.emit(0x07, 2, 0, 0, KEY.into());
        self.emit(0x18, 1, 1, 0, map as i32);
        self.emit(0, 0, 0, 0, 0);
        self.emit(0x85, 0, 0, 0, 1);
        self.emit(0x7b, 10, 0, POINTER, 0);
        let miss = self.insns.len();
        let inverse = self.rng.one_in(2);
        self.emit(if inverse { 0x55 } else { 0x15 }, 0, 0, 0, 0);
        if inverse {
            self.insns[miss].off = 1;
            self.emit(0x05, 0, 0, 0, 0);
        }
        self.emit(0x79, 1, 10, POINTER, 0);
        let off = 8 * self.rng.below(VALUE_SIZES[map] as usize / 8) as i16;
        self.emit(0x79, reg, 1, off, 0);
        self.emit(0x7b, 0, reg, 0, 0);
        let jump = if inverse { miss + 1 } else { miss };
        self.insns[jump].off = (self.insns.len() - jump - 1) as i16;
    }

    fn branch(&mut self) {
        const CONDITIONS: [u8; 11] = [0x10, 0x50, 0x20, 0x30, 0xa0, 0xb0, 0x60, 0x70, 0xc0, 0xd0, 0x40];
        let (op, dst, at) = (self.rng.pick(&CONDITIONS), self.number(), self.insns.len());
        let class = if self.rng.one_in(2) { 0x05 } else { 0x06 };
        if self.rng.one_in(2) {
            let imm = self.imm();
            self.emit(class | op, dst, 0, 0, imm);
        } else {
            let src = self.number();
            self.emit(class | op | 0x08, dst, src, 0, 0);
        }
        self.block(4);
        self.insns[at].off = (self.insns.len() - at - 1) as i16;
    }

    fn repeat(&mut self) {
        self.in_loop = true;
        self.emit(0x7a, 10, 0, COUNTER, 0);
        let top = self.insns.len();
        self.block(4);
        self.emit(0x79, 1, 10, COUNTER, 0);
        self.emit(0x07, 1, 0, 0, 1);
        self.emit(0x7b, 10, 1, COUNTER, 0);
        let back = top as i64 - self.insns.len() as i64 - 1;
        let (op, rounds) = (self.rng.pick(&[0xa5, 0x55, 0xc5]), 1 + self.rng.below(6) as i32);
        self.emit(op, 1, 0, back as i16, rounds);
        self.in_loop = false;
    }

    fn atomic(&mut self) {
        let (reg, slot) = (self.number(), self.slot());
        let op = self.rng.pick(&[0x00, 0x01, 0x41, 0x50, 0xe1]);
        let size = if self.rng.one_in(2) { 0x18 } else { 0x00 };
        self.emit(0xc3 | size, 10, reg, slot, op);
    }
}
