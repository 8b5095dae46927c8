//! Arithmetic, moves, byte order and comparisons. Semantics are those of [`crate::ops::alu`] and [`crate::ops::test`].

use skep_isa::{AluOp, Cond, Operand, Reg, Size, SwapKind, Width};

use super::asm::Asm;
use super::compile::{Compiler, host, w};
use super::encode::*;
use super::numbers::Value;

impl Compiler<'_> {
    #[inline]
    pub(super) fn alu(&mut self, width: Width, op: AluOp, dst: Reg, src: Operand) {
        let dst = host(dst);
        match op {
            AluOp::Lsh => self.shift(width, (SHL_CL, SHL_I), dst, src),
            AluOp::Rsh => self.shift(width, (SHR_CL, SHR_I), dst, src),
            AluOp::Arsh => self.shift(width, (SAR_CL, SAR_I), dst, src),
            AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod => self.divide(w(width), op, dst, src),
            AluOp::Mov => self.mov(width, dst, src),
            AluOp::Mul => match self.value(src) {
                Value::Imm(imm) => self.asm.imul_imm(w(width), dst, dst, imm),
                Value::Reg(src) => self.asm.rm(IMUL_RM, w(width), dst, src),
            },
            AluOp::Add | AluOp::Sub | AluOp::Or | AluOp::And | AluOp::Xor => {
                let rows = match op {
                    AluOp::Add => (ADD_MR, ADD_MI),
                    AluOp::Sub => (SUB_MR, SUB_MI),
                    AluOp::Or => (OR_MR, OR_MI),
                    AluOp::And => (AND_MR, AND_MI),
                    _ => (XOR_MR, XOR_MI),
                };
                self.simple(width, rows, dst, src);
            }
        }
    }

    #[inline]
    fn simple(&mut self, width: Width, (with_reg, with_imm): (Enc, Enc), dst: Gpr, src: Operand) {
        match self.value(src) {
            Value::Imm(imm) => self.asm.ri(with_imm, w(width), dst, imm),
            Value::Reg(src) => self.asm.rr(with_reg, w(width), src, dst),
        }
    }

    fn mov(&mut self, width: Width, dst: Gpr, src: Operand) {
        match (width, src) {
            (_, Operand::Imm(0)) => self.asm.rr(XOR_MR, W::D, dst, dst),
            (Width::W32, Operand::Imm(imm)) => self.number(dst, u64::from(imm as u32)),
            (Width::W64, Operand::Imm(imm)) => self.number(dst, i64::from(imm) as u64),
            (Width::W32, Operand::Reg(src)) => {
                let src = host(src);
                self.asm.rr(MOV_MR, W::D, src, dst);
            }
            (Width::W64, Operand::Reg(src)) => {
                let src = host(src);
                self.asm.mov(dst, src);
            }
        }
    }

    /// Shifts use six bits of the count, or five; so does the machine.
    fn shift(&mut self, width: Width, (by_cl, by_imm): (Enc, Enc), dst: Gpr, src: Operand) {
        let w = w(width);
        let src = match src {
            Operand::Imm(imm) => {
                let mask = if w == W::Q { 63 } else { 31 };
                return self.asm.mi8(by_imm, w, dst, imm as u8 & mask);
            }
            Operand::Reg(src) => host(src),
        };
        if src == RCX {
            self.asm.m(by_cl, w, dst);
        } else if dst == RCX {
            self.asm.mov(R10, RCX);
            self.asm.mov(RCX, src);
            self.asm.m(by_cl, w, R10);
            self.asm.mov(RCX, R10);
        } else {
            self.asm.mov(R10, RCX);
            self.asm.mov(RCX, src);
            self.asm.m(by_cl, w, dst);
            self.asm.mov(RCX, R10);
        }
    }

    /// By zero, division gives 0 and remainder the dividend. By -1, signed, the machine's instruction would
    /// fault on the smallest number: division is negation there, and the remainder 0.
    fn divide(&mut self, w: W, op: AluOp, dst: Gpr, src: Operand) {
        let signed = matches!(op, AluOp::Sdiv | AluOp::Smod);
        let quotient = matches!(op, AluOp::Div | AluOp::Sdiv);
        let src = self.value(src);
        let a = &mut self.asm;
        let zero = |a: &mut Asm| {
            if quotient {
                a.constant(dst, 0);
            } else if w == W::D {
                a.rm(MOV_MR, W::D, dst, dst);
            }
        };
        let src = match src {
            Value::Imm(0) => return zero(a),
            Value::Imm(-1) if signed && quotient => return a.m(NEG, w, dst),
            Value::Imm(-1) if signed => return a.constant(dst, 0),
            Value::Imm(imm) if imm > 0 && imm & (imm - 1) == 0 && !signed => {
                return match quotient {
                    true => a.mi8(SHR_I, w, dst, imm.trailing_zeros() as u8),
                    false => a.mi(AND_MI, w, dst, imm - 1),
                };
            }
            Value::Imm(imm) => {
                a.constant(R11, i64::from(imm) as u64);
                return divide_by_r11(a, w, signed, quotient, dst);
            }
            Value::Reg(src) => src,
        };
        a.mov(R11, src);
        a.rm(TEST_MR, w, R11, R11);
        let divides = a.skip_if(CC_NE);
        zero(a);
        let done = a.skip();
        a.land(divides);
        let minus_one = signed.then(|| {
            a.mi(CMP_MI, w, R11, -1);
            let other = a.skip_if(CC_NE);
            if quotient {
                a.m(NEG, w, dst);
            } else {
                a.constant(dst, 0);
            }
            let done = a.skip();
            a.land(other);
            done
        });
        divide_by_r11(a, w, signed, quotient, dst);
        a.land(done);
        if let Some(skip) = minus_one {
            a.land(skip);
        }
    }

    pub(super) fn movsx(&mut self, width: Width, from: Size, dst: Reg, src: Reg) {
        let dst = host(dst);
        let src = host(src);
        match from {
            Size::B => self.asm.rm8(MOVSX_8, w(width), dst, src),
            Size::H => self.asm.rm(MOVSX_16, w(width), dst, src),
            _ => self.asm.rm(MOVSXD, w(width), dst, src),
        }
    }

    pub(super) fn swap(&mut self, kind: SwapKind, size: Size, dst: Reg) {
        let dst = host(dst);
        let turns = match kind {
            SwapKind::ToLe => self.big(),
            SwapKind::ToBe => !self.big(),
            SwapKind::Swap => true,
        };
        let a = &mut self.asm;
        match (size, turns) {
            (Size::B | Size::H, true) => {
                a.mi8(ROL_I, W::H, dst, 8);
                a.rm(MOVZX_16, W::D, dst, dst);
            }
            (Size::B | Size::H, false) => a.rm(MOVZX_16, W::D, dst, dst),
            (Size::W, true) => a.bswap(W::D, dst),
            (Size::W, false) => a.rm(MOV_MR, W::D, dst, dst),
            (Size::Dw, true) => a.bswap(W::Q, dst),
            (Size::Dw, false) => {}
        }
    }

    /// Compares, and gives the condition to jump on.
    pub(super) fn compare(&mut self, width: Width, cond: Cond, dst: Reg, src: Operand) -> Cc {
        let dst = host(dst);
        let (with_reg, with_imm) = if cond == Cond::Set { (TEST_MR, TEST_MI) } else { (CMP_MR, CMP_MI) };
        match src {
            // The same flags, a byte less.
            Operand::Imm(0) if cond != Cond::Set => self.asm.rr(TEST_MR, w(width), dst, dst),
            _ => self.simple(width, (with_reg, with_imm), dst, src),
        }
        match cond {
            Cond::Eq => CC_E,
            Cond::Ne | Cond::Set => CC_NE,
            Cond::Gt => CC_A,
            Cond::Ge => CC_AE,
            Cond::Lt => CC_B,
            Cond::Le => CC_BE,
            Cond::Sgt => CC_G,
            Cond::Sge => CC_GE,
            Cond::Slt => CC_L,
            Cond::Sle => CC_LE,
        }
    }
}

/// `dst = dst / r11` or the remainder. The machine wants the dividend in rdx and rax, which hold other registers.
fn divide_by_r11(a: &mut Asm, w: W, signed: bool, quotient: bool, dst: Gpr) {
    if dst != RAX {
        a.push(RAX);
    }
    a.mov(R10, RDX);
    a.mov(RAX, dst);
    if signed {
        a.cqo(w);
        a.m(IDIV, w, R11);
    } else {
        a.rm(XOR_MR, W::D, RDX, RDX);
        a.m(DIV, w, R11);
    }
    // Of 32 bits too, the upper half of the result is zero.
    let result = if quotient { RAX } else { RDX };
    if dst == RDX {
        a.mov(RDX, result);
    } else if dst == RAX {
        a.mov(RAX, result);
        a.mov(RDX, R10);
        return;
    } else {
        a.mov(dst, result);
        a.mov(RDX, R10);
    }
    a.pop(RAX);
}
