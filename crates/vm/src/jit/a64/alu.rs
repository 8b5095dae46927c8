//! Arithmetic, moves, byte order and comparisons. Semantics are those of [`crate::ops::alu`] and [`crate::ops::test`].
//!
//! The machine's division is BPF's: by zero it gives zero, and so the remainder by zero is the dividend; the smallest
//! number by -1 is itself. Its shifts use as many bits of the count, and what it does to 32 bits clears the upper half.

use skep_isa::{AluOp, Cond, Operand, Reg, Size, SwapKind, Width};

use super::compile::{Compiler, host, w};
use super::encode::*;

/// What a branch looks at.
#[derive(Clone, Copy)]
pub(super) enum Test {
    /// This condition holds.
    Flags(Cc),
    /// A register is zero, or it is not.
    Zero(W, Gpr, bool),
}

impl Compiler<'_> {
    pub(super) fn alu(&mut self, width: Width, op: AluOp, dst: Reg, src: Operand) {
        let (w, dst) = (w(width), host(dst));
        match op {
            AluOp::Mov => return self.set(w, dst, src),
            AluOp::Add | AluOp::Sub if matches!(src, Operand::Imm(_)) && self.masks.is_none() => {
                let Operand::Imm(imm) = src else { return };
                let value = if op == AluOp::Add { i64::from(imm) } else { -i64::from(imm) };
                return self.asm.add(w, dst, dst, value);
            }
            _ => {}
        }
        if let Operand::Imm(imm) = src
            && self.by_constant(w, op, dst, imm)
        {
            return;
        }
        let src = self.operand(w, src);
        let a = &mut self.asm;
        match op {
            AluOp::Add => a.rrr(ADD_R, w, dst, dst, src),
            AluOp::Sub => a.rrr(SUB_R, w, dst, dst, src),
            AluOp::Mul => a.rrrr(MADD, w, (dst, dst, src, ZR)),
            AluOp::Div => a.rrr(UDIV, w, dst, dst, src),
            AluOp::Sdiv => a.rrr(SDIV, w, dst, dst, src),
            AluOp::Mod | AluOp::Smod => {
                a.rrr(if op == AluOp::Mod { UDIV } else { SDIV }, w, X16, dst, src);
                a.rrrr(MSUB, w, (dst, X16, src, dst));
            }
            AluOp::Or => a.rrr(ORR_R, w, dst, dst, src),
            AluOp::And => a.rrr(AND_R, w, dst, dst, src),
            AluOp::Xor => a.rrr(EOR_R, w, dst, dst, src),
            AluOp::Lsh => a.rrr(LSLV, w, dst, dst, src),
            AluOp::Rsh => a.rrr(LSRV, w, dst, dst, src),
            AluOp::Arsh => a.rrr(ASRV, w, dst, dst, src),
            AluOp::Mov => a.rrr(ORR_R, w, dst, ZR, src),
        }
    }

    fn set(&mut self, w: W, dst: Gpr, src: Operand) {
        match (w, src) {
            (_, Operand::Imm(0)) => self.asm.constant(dst, 0),
            (W::W, Operand::Imm(imm)) => self.number(dst, u64::from(imm as u32)),
            (W::X, Operand::Imm(imm)) => self.number(dst, i64::from(imm) as u64),
            (W::W, Operand::Reg(src)) => self.asm.mov_w(dst, host(src)),
            (W::X, Operand::Reg(src)) => self.asm.mov(dst, host(src)),
        }
    }

    /// The register of an operand; a constant is put into x17.
    pub(super) fn operand(&mut self, w: W, src: Operand) -> Gpr {
        match src {
            Operand::Reg(src) => host(src),
            Operand::Imm(imm) => {
                self.set(w, X17, Operand::Imm(imm));
                X17
            }
        }
    }

    /// Operations that take a constant in their own word. `false` if this is none.
    fn by_constant(&mut self, w: W, op: AluOp, dst: Gpr, imm: i32) -> bool {
        // Counts of shifts are no secret, and small.
        if self.masks.is_some() && !matches!(op, AluOp::Lsh | AluOp::Rsh | AluOp::Arsh) {
            return false;
        }
        let power = (imm > 0 && imm & (imm - 1) == 0).then(|| imm.trailing_zeros());
        let count = imm as u32 & if w == W::X { 63 } else { 31 };
        let pattern = pattern(i64::from(imm) as u64, w);
        let a = &mut self.asm;
        match (op, pattern, power) {
            (AluOp::Lsh, ..) => a.shift_left(w, dst, dst, count),
            (AluOp::Rsh, ..) => a.shift_right(UBFM, w, dst, dst, count),
            (AluOp::Arsh, ..) => a.shift_right(SBFM, w, dst, dst, count),
            (AluOp::Or, Some(bits), _) => a.logic(ORR_I, w, (dst, dst), bits),
            (AluOp::And, Some(bits), _) => a.logic(AND_I, w, (dst, dst), bits),
            (AluOp::Xor, Some(bits), _) => a.logic(EOR_I, w, (dst, dst), bits),
            (AluOp::Mul, _, Some(by)) => a.shift_left(w, dst, dst, by),
            (AluOp::Div, _, Some(by)) => a.shift_right(UBFM, w, dst, dst, by),
            _ => return false,
        }
        true
    }

    /// A constant as a pattern of bits, if it is one and may be seen.
    fn pattern(&self, imm: i32, w: W) -> Option<u32> {
        pattern(i64::from(imm) as u64, w).filter(|_| self.masks.is_none())
    }

    pub(super) fn movsx(&mut self, width: Width, from: Size, dst: Reg, src: Reg) {
        self.extend(w(width), from, host(dst), host(src));
    }

    /// Sign-extends.
    pub(super) fn extend(&mut self, w: W, from: Size, dst: Gpr, src: Gpr) {
        self.asm.bitfield(SBFM, w, (dst, src), 0, from.bytes() as u32 * 8 - 1);
    }

    pub(super) fn swap(&mut self, kind: SwapKind, size: Size, dst: Reg) {
        let dst = host(dst);
        let turns = match kind {
            SwapKind::ToLe => self.big(),
            SwapKind::ToBe => !self.big(),
            SwapKind::Swap => true,
        };
        if turns {
            return self.turn(size, dst, dst);
        }
        match size {
            Size::B | Size::H => self.asm.bitfield(UBFM, W::W, (dst, dst), 0, 15),
            Size::W => self.asm.mov_w(dst, dst),
            Size::Dw => {}
        }
    }

    /// Swaps the bytes of the low part, and clears the rest.
    pub(super) fn turn(&mut self, size: Size, dst: Gpr, src: Gpr) {
        let a = &mut self.asm;
        match size {
            Size::B | Size::H => {
                a.rr(REV16, W::W, dst, src);
                a.bitfield(UBFM, W::W, (dst, dst), 0, 15);
            }
            Size::W => a.rr(REV_W, W::W, dst, src),
            Size::Dw => a.rr(REV_X, W::X, dst, src),
        }
    }

    /// Compares, and gives what to branch on.
    pub(super) fn compare(&mut self, width: Width, cond: Cond, dst: Reg, src: Operand) -> Test {
        let (w, dst) = (w(width), host(dst));
        match (cond, src) {
            (Cond::Eq, Operand::Imm(0)) => return Test::Zero(w, dst, true),
            (Cond::Ne, Operand::Imm(0)) => return Test::Zero(w, dst, false),
            (Cond::Set, Operand::Imm(imm)) => match self.pattern(imm, w) {
                Some(bits) => self.asm.logic(ANDS_I, w, (ZR, dst), bits),
                None => {
                    let src = self.operand(w, src);
                    self.asm.rrr(ANDS_R, w, ZR, dst, src);
                }
            },
            (Cond::Set, Operand::Reg(src)) => self.asm.rrr(ANDS_R, w, ZR, dst, host(src)),
            (_, Operand::Imm(imm)) if self.masks.is_none() => self.asm.compare(w, dst, imm.into()),
            (_, Operand::Imm(_)) => {
                let src = self.operand(w, src);
                self.asm.rrr(SUBS_R, w, ZR, dst, src);
            }
            (_, Operand::Reg(src)) => self.asm.rrr(SUBS_R, w, ZR, dst, host(src)),
        }
        Test::Flags(match cond {
            Cond::Eq => CC_EQ,
            Cond::Ne | Cond::Set => CC_NE,
            Cond::Gt => CC_HI,
            Cond::Ge => CC_HS,
            Cond::Lt => CC_LO,
            Cond::Le => CC_LS,
            Cond::Sgt => CC_GT,
            Cond::Sge => CC_GE,
            Cond::Slt => CC_LT,
            Cond::Sle => CC_LE,
        })
    }
}
