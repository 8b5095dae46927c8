//! Arithmetic, the stack, branches and loops.

use super::{ADD, ADD_IMM, AND_IMM, Builder, FP, Holds, MOV, MOV_IMM, SIZES};

const ALU: [u8; 16] =
    [0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0, 0xb0, 0xc0, 0x00, 0xb0, 0x50, 0x70];
const CONDITIONS: [u8; 11] = [0x10, 0x50, 0x20, 0x30, 0xa0, 0xb0, 0x60, 0x70, 0xc0, 0xd0, 0x40];
const ATOMICS: [i32; 12] = [0, 1, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe1, 0xf1, 0x100, 0x110];
const JUMP: u8 = 0x05;

impl Builder<'_> {
    pub(super) fn alu(&mut self) {
        let (op, dst) = (self.random.of(&ALU), self.number());
        let class = if self.random.percent(60) { 0x07 } else { 0x04 };
        let signed = i16::from(matches!(op, 0x30 | 0x90) && self.random.percent(30));
        if self.random.percent(50) {
            let shift = matches!(op, 0x60 | 0x70 | 0xc0);
            let bits = if class == 7 { 64 } else { 32 };
            let imm = if shift { self.random.below(bits) as i32 } else { self.random.imm() };
            let imm = if matches!(op, 0x30 | 0x90) && imm == 0 { 3 } else { imm };
            self.emit(class | op, dst, 0, signed, imm);
            if op == 0xb0 {
                self.set(dst, Holds::Number);
            }
            return;
        }
        let src = self.number();
        let extends = op == 0xb0 && self.random.percent(30);
        let widths: &[i16] = if class == 7 { &[8, 16, 32] } else { &[8, 16] };
        let off = if extends { self.random.of(widths) } else { signed };
        self.emit(class | op | 0x08, dst, src, off, 0);
        if op == 0xb0 && self.holds(src) != Holds::Nothing {
            let whole = class == 7 && off == 0;
            let holds = if whole { self.holds(src) } else { Holds::Number };
            self.set(dst, holds);
        }
    }

    /// Negation, byte swaps, wide constants.
    pub(super) fn odd_alu(&mut self) {
        let dst = self.number();
        match self.random.below(3) {
            0 => {
                let opcode = self.random.of(&[0x87, 0x84]);
                self.emit(opcode, dst, 0, 0, 0);
            }
            1 => {
                let (opcode, bits) = (self.random.of(&[0xd4, 0xdc, 0xd7]), self.random.of(&[16, 32, 64]));
                self.emit(opcode, dst, 0, 0, bits);
            }
            _ => {
                let (low, high) = (self.random.imm(), self.random.imm());
                self.emit(0x18, dst, 0, 0, low);
                self.emit(0, 0, 0, 0, high);
                self.set(dst, Holds::Number);
            }
        }
    }

    pub(super) fn stack(&mut self) {
        let (size, bytes) = self.random.of(&SIZES);
        let inside = self.random.below(8) as i16 / bytes * bytes;
        let mut off = -8 * (1 + self.random.below(9) as i16);
        off += if self.random.percent(30) { inside } else { 0 };
        off += if self.random.percent(2) { self.random.within(-20, 40) as i16 } else { 0 };
        let reg = if self.random.percent(20) { self.random.below(11) as u8 } else { self.number() };
        match self.random.below(10) {
            0..4 => self.emit(0x63 | size, FP, reg, off, 0),
            4..6 => {
                let imm = self.random.imm();
                self.emit(0x62 | size, FP, 0, off, imm);
            }
            6..9 if reg != FP => {
                let signed = bytes < 8 && self.random.percent(20);
                self.emit(if signed { 0x81 } else { 0x61 } | size, reg, FP, off, 0);
                self.set(reg, Holds::Number);
            }
            _ if bytes >= 4 => {
                let op = self.random.of(&ATOMICS);
                self.emit(0xc3 | size, FP, reg, off, op);
            }
            _ => {}
        }
    }

    /// An access to the stack at an offset that is known within bounds.
    pub(super) fn variable_stack(&mut self) {
        let (by, to) = (self.number(), self.random.below(6) as u8);
        let mask = self.random.of(&[3, 7, 8, 15, 24, 56]);
        let base = -8 * (1 + self.random.below(9) as i32);
        let (size, _) = self.random.of(&SIZES);
        self.emit(AND_IMM, by, 0, 0, mask);
        self.emit(MOV, to, FP, 0, 0);
        self.emit(ADD_IMM, to, 0, 0, base);
        self.emit(ADD, to, by, 0, 0);
        if self.random.percent(50) {
            let src = self.number();
            self.emit(0x63 | size, to, src, 0, 0);
            self.set(to, Holds::Other);
        } else {
            self.emit(0x61 | size, to, to, 0, 0);
            self.set(to, Holds::Number);
        }
    }

    /// A branch over a block; sometimes with another block for the other case.
    pub(super) fn branch(&mut self, steps: u32) {
        let (op, at) = (self.random.of(&CONDITIONS), self.insns.len());
        let dst = if self.random.percent(95) { self.number() } else { self.random.below(11) as u8 };
        let class = if self.random.percent(65) { 0x05 } else { 0x06 };
        if self.random.percent(60) {
            let imm = self.random.imm();
            self.emit(class | op, dst, 0, 0, imm);
        } else {
            let src = self.number();
            self.emit(class | op | 0x08, dst, src, 0, 0);
        }
        let before = self.regs;
        self.block(steps);
        if self.random.percent(40) {
            let over = self.insns.len();
            self.emit(JUMP, 0, 0, 0, 0);
            self.land(at);
            let after = std::mem::replace(&mut self.regs, before);
            self.block(steps);
            self.land(over);
            self.merge(after);
        } else {
            self.land(at);
            self.merge(before);
        }
    }

    /// A loop that counts in a register which its body leaves alone.
    pub(super) fn repeat(&mut self, steps: u32) {
        let counter = 7 + self.random.below(3) as u8;
        self.emit(MOV_IMM, counter, 0, 0, 0);
        let (top, before) = (self.insns.len(), self.regs);
        self.set(counter, Holds::Other);
        self.block(steps);
        self.merge(before);
        self.set(counter, Holds::Number);
        self.emit(ADD_IMM, counter, 0, 0, 1);
        let many = if self.random.percent(5) { 100 } else { 6 };
        let (op, limit) = (self.random.of(&[0xa5, 0x55, 0xc5, 0xa6]), 1 + self.random.below(many) as i32);
        let back = top as i64 - self.insns.len() as i64 - 1;
        self.emit(op, counter, 0, back as i16, limit);
    }
}
