//! Random programs, most of which a verifier accepts: each step uses registers by what they hold.

use skep_abi::{AttachType, ProgType};
use skep_isa::Insn;

use crate::random::Random;

/// A random program.
pub(super) struct Program {
    /// Its type.
    pub(super) prog_type: ProgType,
    /// Its attach type.
    pub(super) attach_type: AttachType,
    /// Its instructions; wide loads of maps hold a map's index in `imm`.
    pub(super) insns: Vec<Insn>,
}

/// Sizes of the values of the maps that programs look things up in, by index.
pub(super) const VALUE_SIZES: [u32; 3] = [64, 48, 128];

/// What a register holds, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Nothing,
    Number,
    Other,
}

/// The program of this seed; the same seed gives the same program.
pub(super) fn generate(seed: u64) -> Program {
    let types = [ProgType::XDP, ProgType::SCHED_CLS, ProgType::SOCKET_FILTER, ProgType::TRACEPOINT];
    let mut random = Random(seed);
    let prog_type = random.of(&types);
    let mut b = Builder { random, insns: Vec::new(), regs: [Holds::Nothing; 10], prog_type, depth: 0 };
    b.start();
    let steps = 3 + b.random.below(12);
    b.block(steps);
    if b.regs[0] != Holds::Number || b.random.below(2) == 0 {
        let r0 = b.random.below(3) as i32;
        b.emit(0xb7, 0, 0, 0, r0);
    }
    b.emit(EXIT, 0, 0, 0, 0);
    // BPF_XDP: the kernel asks for it from no one, and libbpf gives it.
    let attach_type = if prog_type == ProgType::XDP { AttachType::XDP } else { AttachType(0) };
    Program { prog_type, attach_type, insns: b.insns }
}

const EXIT: u8 = 0x95;
const CALL: u8 = 0x85;
const SIZES: [(u8, i16); 4] = [(0x10, 1), (0x08, 2), (0x00, 4), (0x18, 8)];
const ALU: [u8; 12] = [0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0, 0xb0, 0xc0];
const CONDITIONS: [u8; 11] = [0x10, 0x50, 0x20, 0x30, 0xa0, 0xb0, 0x60, 0x70, 0xc0, 0xd0, 0x40];
const MAX_DEPTH: u32 = 4;

/// A constant: small, a power of two or one less, or anything.
fn constant(random: &mut Random) -> i32 {
    match random.below(6) {
        0 | 1 => random.below(16) as i32,
        2 => random.below(32) as i32 - 16,
        3 => 1 << random.below(31),
        4 => ((1_u64 << random.below(32)) - 1) as i32,
        _ => random.next() as i32,
    }
}

struct Builder {
    random: Random,
    insns: Vec<Insn>,
    regs: [Holds; 10],
    prog_type: ProgType,
    depth: u32,
}

impl Builder {
    fn emit(&mut self, opcode: u8, dst: u8, src: u8, off: i16, imm: i32) {
        self.insns.push(Insn { opcode, dst, src, off, imm });
    }

    /// A register with a number, or now and then any at all.
    fn number(&mut self) -> u8 {
        let numbers: Vec<u8> = (0..10).filter(|r| self.regs[usize::from(*r)] == Holds::Number).collect();
        if numbers.is_empty() || self.random.percent(2) {
            return self.random.below(10) as u8;
        }
        self.random.of(&numbers)
    }

    fn set(&mut self, reg: u8, holds: Holds) {
        self.regs[usize::from(reg)] = holds;
    }

    /// The context goes to r6, which stays; others get constants, or bytes of the stack that nobody wrote.
    fn start(&mut self) {
        self.emit(0xbf, 6, 1, 0, 0);
        self.set(6, Holds::Other);
        for reg in [0, 2, 3, 4, 5, 7, 8, 9] {
            if self.random.percent(40) {
                let imm = constant(&mut self.random);
                self.emit(0xb7, reg, 0, 0, imm);
            } else {
                self.emit(0x79, reg, 10, -8 * (i16::from(reg) + 1), 0);
            }
            self.set(reg, Holds::Number);
        }
    }

    fn block(&mut self, steps: u32) {
        if self.depth >= MAX_DEPTH {
            return;
        }
        self.depth += 1;
        for _ in 0..=self.random.below(steps) {
            match self.random.below(100) {
                0..45 => self.alu(),
                45..60 => self.stack(),
                60..64 => self.variable_stack(),
                64..78 => self.branch(steps / 2),
                78..82 => self.repeat(steps / 2),
                82..88 => self.lookup(),
                88..93 => self.packet(),
                93..96 => self.context(),
                _ => self.helper(),
            }
        }
        self.depth -= 1;
    }

    fn alu(&mut self) {
        let (op, dst) = (self.random.of(&ALU), self.number());
        let class = if self.random.percent(60) { 0x07 } else { 0x04 };
        if self.random.percent(50) {
            let shift = matches!(op, 0x60 | 0x70 | 0xc0);
            let imm = if shift { self.random.below(32) as i32 } else { constant(&mut self.random) };
            let imm = if matches!(op, 0x30 | 0x90) && imm == 0 { 3 } else { imm };
            self.emit(class | op, dst, 0, 0, imm);
        } else {
            let src = self.number();
            self.emit(class | op | 0x08, dst, src, 0, 0);
        }
    }

    fn stack(&mut self) {
        let (size, bytes) = self.random.of(&SIZES);
        let inside = self.random.below(8) as i16 / bytes * bytes;
        let off = -8 * (1 + self.random.below(9) as i16) + if self.random.percent(30) { inside } else { 0 };
        let reg = self.number();
        match self.random.below(10) {
            0..4 => self.emit(0x63 | size, 10, reg, off, 0),
            4..6 => {
                let imm = constant(&mut self.random);
                self.emit(0x62 | size, 10, 0, off, imm);
            }
            6..9 => {
                self.emit(0x61 | size, reg, 10, off, 0);
                self.set(reg, Holds::Number);
            }
            _ if bytes >= 4 => {
                let op = self.random.of(&[0x00, 0x01, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe1, 0xf1]);
                self.emit(0xc3 | size, 10, reg, off, op);
            }
            _ => {}
        }
    }

    /// An access to the stack at an offset that is known within bounds.
    fn variable_stack(&mut self) {
        let (by, to) = (self.number(), self.random.below(6) as u8);
        let mask = self.random.of(&[3, 7, 8, 24, 56]);
        let base = -8 * (1 + self.random.below(9) as i32);
        let (size, _) = self.random.of(&SIZES);
        self.emit(0x57, by, 0, 0, mask);
        self.emit(0xbf, to, 10, 0, 0);
        self.emit(0x07, to, 0, 0, base);
        self.emit(0x0f, to, by, 0, 0);
        self.emit(0x71 & !0x18 | size, to, to, 0, 0);
        self.set(to, Holds::Number);
    }

    /// A branch over a block; sometimes with another block for the other case.
    fn branch(&mut self, steps: u32) {
        let (op, dst, at) = (self.random.of(&CONDITIONS), self.number(), self.insns.len());
        let class = if self.random.percent(65) { 0x05 } else { 0x06 };
        if self.random.percent(60) {
            let imm = constant(&mut self.random);
            self.emit(class | op, dst, 0, 0, imm);
        } else {
            let src = self.number();
            self.emit(class | op | 0x08, dst, src, 0, 0);
        }
        let before = self.regs;
        self.block(steps);
        self.land(at);
        self.merge(before);
    }

    /// Lets the jump at `at` come to here.
    fn land(&mut self, at: usize) {
        self.insns[at].off = (self.insns.len() - at - 1) as i16;
    }

    fn merge(&mut self, other: [Holds; 10]) {
        for (mine, theirs) in self.regs.iter_mut().zip(other) {
            if *mine != theirs {
                *mine = Holds::Nothing;
            }
        }
    }

    /// A loop that counts in a register which its body leaves alone.
    fn repeat(&mut self, steps: u32) {
        let counter = 7 + self.random.below(3) as u8;
        self.emit(0xb7, counter, 0, 0, 0);
        let (top, before) = (self.insns.len(), self.regs);
        self.set(counter, Holds::Other);
        self.block(steps);
        self.merge(before);
        self.set(counter, Holds::Number);
        self.emit(0x07, counter, 0, 0, 1);
        let (op, limit) = (self.random.of(&[0xa5, 0x55, 0xc5]), 1 + self.random.below(8) as i32);
        let back = top as i64 - self.insns.len() as i64 - 1;
        self.emit(op, counter, 0, back as i16, limit);
    }

    fn called(&mut self, id: i32) {
        self.emit(CALL, 0, 0, 0, id);
        self.regs[1..6].fill(Holds::Nothing);
        self.set(0, Holds::Number);
    }

    /// A lookup, and an access to what it found, at a constant offset or a masked one.
    fn lookup(&mut self) {
        let map = self.random.below(VALUE_SIZES.len() as u32);
        let key = self.random.below(4) as i32;
        self.emit(0x62, 10, 0, -4, key);
        self.emit(0xbf, 2, 10, 0, 0);
        self.emit(0x07, 2, 0, 0, -4);
        self.emit(0x18, 1, 1, 0, map as i32);
        self.emit(0, 0, 0, 0, 0);
        self.called(1);
        self.set(0, Holds::Other);
        let miss = self.insns.len();
        let checked = self.random.percent(96);
        if checked {
            self.emit(0x15, 0, 0, 0, 0);
        }
        let (size, _) = self.random.of(&SIZES);
        if self.random.percent(40) {
            let by = self.number();
            let mask = self.random.of(&[7, 15, 31, 63]);
            self.emit(0x57, by, 0, 0, mask);
            self.emit(0x0f, 0, by, 0, 0);
        }
        let (off, reg) = (self.random.below(VALUE_SIZES[map as usize] - 4) as i16, self.number());
        if self.random.percent(50) {
            self.emit(0x61 | size, reg, 0, off, 0);
        } else {
            self.emit(0x63 | size, 0, reg, off, 0);
        }
        if checked {
            self.land(miss);
        }
        self.emit(0xb7, 0, 0, 0, 0);
        self.set(0, Holds::Number);
    }

    /// Bytes of the packet behind a comparison with its end.
    fn packet(&mut self) {
        let (data, end) = match self.prog_type {
            ProgType::XDP => (0, 4),
            ProgType::SCHED_CLS => (76, 80),
            _ => return,
        };
        let length = 1 + self.random.below(40) as i32;
        self.emit(0x61, 2, 6, data, 0);
        self.emit(0x61, 3, 6, end, 0);
        self.emit(0xbf, 4, 2, 0, 0);
        self.emit(0x07, 4, 0, 0, length);
        let at = self.insns.len();
        let op = self.random.of(&[0x2d, 0x3d]);
        self.emit(op, 4, 3, 0, 0);
        let (size, _) = self.random.of(&SIZES);
        let off = self.random.below(length as u32 + 1) as i16;
        self.emit(0x61 | size, 5, 2, off, 0);
        self.land(at);
        self.regs[2..6].fill(Holds::Nothing);
    }

    fn context(&mut self) {
        let (reg, off) = (self.number(), 4 * self.random.below(30) as i16);
        if reg != 6 {
            self.emit(0x61, reg, 6, off, 0);
            self.set(reg, Holds::Number);
        }
    }

    /// A helper without arguments, or any at all with whatever the registers hold.
    fn helper(&mut self) {
        let id = if self.random.percent(70) {
            self.random.of(&[5, 7, 8, 125])
        } else {
            1 + self.random.below(211) as i32
        };
        self.called(id);
    }
}

#[cfg(test)]
mod tests {
    use super::generate;

    #[test]
    fn a_seed_gives_one_program() {
        assert_eq!(generate(7).insns, generate(7).insns);
        assert_ne!(generate(7).insns, generate(8).insns);
    }
}
