//! Loads, stores and atomics: the check, the access, the byte order.
//!
//! An access through a base register is checked against the region that is cached for that register (see
//! [`Gate`](crate::gate::Gate)), as in the interpreter. Bytes lie at the cage's base plus their address, so the check
//! gives nothing to the access, which need not wait for it. One through r10 that lies in the frame needs no
//! check. A run borrows its memory exclusively, so atomics are plain instructions.

use skep_isa::{AtomicOp, Operand, Reg, Size};

use super::asm::Asm;
use super::compile::{Compiler, host, log2};
use super::encode::*;
use super::numbers::Value;
use crate::ops::select::in_frame;

/// Loads of each size, zeros or signs coming in.
const LOADS: [[CagedRow; 2]; 4] = [
    [CagedRow::new(MOVZX_8, W::D), CagedRow::new(MOVSX_8, W::Q)],
    [CagedRow::new(MOVZX_16, W::D), CagedRow::new(MOVSX_16, W::Q)],
    [CagedRow::new(MOV_RM, W::D), CagedRow::new(MOVSXD, W::Q)],
    [CagedRow::new(MOV_RM, W::Q), CagedRow::new(MOV_RM, W::Q)],
];

/// Stores of each size.
const STORES: [CagedRow; 4] = [
    CagedRow::new(MOV_MR8, W::B),
    CagedRow::new(MOV_MR, W::H),
    CagedRow::new(MOV_MR, W::D),
    CagedRow::new(MOV_MR, W::Q),
];

/// What an access wants besides its address.
#[derive(Clone, Copy)]
struct Want {
    size: Size,
    write: bool,
    aligned: bool,
}

impl Compiler<'_> {
    /// Where the bytes at `base + off` are in the cage, once they are known to be there. Uses both scratch registers.
    #[inline(always)]
    fn reach(&mut self, base: Reg, off: i16, want: Want) -> Caged {
        if want.aligned || self.has_proof() {
            return self.reach_aligned_or_proved(base, off, want);
        }
        if base == Reg::FP && in_frame(off, want.size) {
            return Caged(RBP, off.into());
        }
        let (retry, reg) = (self.asm.here(), host(base));
        self.asm.sum(R10, reg, off.into());
        self.check((base, off), log2(want.size), want.write, retry);
        Caged(reg, off.into())
    }

    /// The same where an access may need no check, or one more.
    fn reach_aligned_or_proved(&mut self, base: Reg, off: i16, want: Want) -> Caged {
        let align = want.size.bytes() as i32 - 1;
        if base == Reg::FP && in_frame(off, want.size) && !(want.aligned && i32::from(off) & align != 0) {
            return Caged(RBP, off.into());
        }
        let reg = host(base);
        let proved = self.is_proved(want.size);
        if proved && !(want.aligned && align != 0) {
            return Caged(reg, off.into());
        }
        let retry = self.asm.here();
        self.asm.sum(R10, reg, off.into());
        if want.aligned && align != 0 {
            self.asm.mi(TEST_MI, W::D, R10, align);
            self.bail_if(CC_NE);
        }
        if proved {
            return Caged(reg, off.into());
        }
        self.check((base, off), log2(want.size), want.write, retry);
        Caged(reg, off.into())
    }

    /// Where the 32 bits are that r2 points to.
    pub(super) fn key(&mut self) -> Caged {
        const R2: Reg = match Reg::new(2) {
            Some(reg) => reg,
            None => Reg::FP,
        };
        self.reach(R2, 0, Want { size: Size::W, write: false, aligned: false })
    }

    pub(super) fn load(&mut self, size: Size, signed: bool, dst: Reg, src: Reg, off: i16) {
        let at = self.reach(src, off, Want { size, write: false, aligned: false });
        self.fetch(size, signed, dst, at);
    }

    pub(super) fn load_acquire(&mut self, size: Size, dst: Reg, src: Reg, off: i16) {
        let at = self.reach(src, off, Want { size, write: false, aligned: true });
        self.fetch(size, false, dst, at);
    }

    #[inline]
    fn fetch(&mut self, size: Size, signed: bool, dst: Reg, at: Caged) {
        let dst = host(dst);
        let big = self.big();
        let a = &mut self.asm;
        // In the other byte order the sign is known only after the swap.
        let extends = signed && (!big || size == Size::B);
        a.caged(LOADS[size as usize][usize::from(extends)], dst, at);
        if !big {
            return;
        }
        turn(a, size, dst);
        match size {
            Size::H if signed => a.rm(MOVSX_16, W::Q, dst, dst),
            Size::W if signed => a.rm(MOVSXD, W::Q, dst, dst),
            _ => {}
        }
    }

    pub(super) fn store(&mut self, size: Size, dst: Reg, off: i16, src: Operand) {
        let at = self.reach(dst, off, Want { size, write: true, aligned: false });
        match src {
            Operand::Reg(reg) => self.put(size, at, reg),
            Operand::Imm(imm) => self.put_constant(size, at, imm),
        }
    }

    pub(super) fn store_release(&mut self, size: Size, dst: Reg, src: Reg, off: i16) {
        let at = self.reach(dst, off, Want { size, write: true, aligned: true });
        self.put(size, at, src);
    }

    #[inline]
    fn put(&mut self, size: Size, at: Caged, src: Reg) {
        let mut value = host(src);
        if self.big() && size != Size::B {
            self.asm.mov(R11, value);
            turn(&mut self.asm, size, R11);
            value = R11;
        }
        self.asm.caged(STORES[size as usize], value, at);
    }

    fn put_constant(&mut self, size: Size, at: Caged, imm: i32) {
        let value = match size {
            _ if !self.big() => imm,
            Size::B => imm,
            Size::H => i32::from((imm as i16).swap_bytes()),
            Size::W => imm.swap_bytes(),
            Size::Dw => {
                self.number(R11, i64::from(imm).swap_bytes() as u64);
                return self.asm.caged(STORES[size as usize], R11, at);
            }
        };
        let imm = match self.value(Operand::Imm(value)) {
            Value::Reg(reg) => return self.asm.caged(STORES[size as usize], reg, at),
            Value::Imm(imm) => imm,
        };
        let at = Rm::Sum(CAGE, at.0, at.1);
        match size {
            Size::B => self.asm.mi8(MOV_MI8, W::D, at, imm as u8),
            Size::H => self.asm.mi(MOV_MI, W::H, at, imm),
            Size::W => self.asm.mi(MOV_MI, W::D, at, imm),
            Size::Dw => self.asm.mi(MOV_MI, W::Q, at, imm),
        }
    }

    pub(super) fn atomic(&mut self, op: AtomicOp, size: Size, fetch: bool, dst: Reg, src: Reg, off: i16) {
        // In the other byte order, and with the frame's address as the operand: rare, and the interpreter's.
        if self.big() || (src == Reg::FP && fetch) {
            return self.bail();
        }
        let value = host(src);
        let at = self.reach(dst, off, Want { size, write: true, aligned: true });
        let at = Rm::Sum(CAGE, at.0, at.1);
        let w = if size == Size::Dw { W::Q } else { W::D };
        let a = &mut self.asm;
        let combine = match op {
            AtomicOp::Add => ADD_MR,
            AtomicOp::Or => OR_MR,
            AtomicOp::And => AND_MR,
            AtomicOp::Xor => XOR_MR,
            AtomicOp::Xchg | AtomicOp::Cmpxchg => MOV_MR,
        };
        if op == AtomicOp::Cmpxchg {
            a.rm(MOV_RM, w, R11, at);
            a.rm(CMP_MR, w, RAX, R11);
            let differs = a.skip_if(CC_NE);
            a.rm(combine, w, value, at);
            a.land(differs);
            a.mov(RAX, R11);
        } else if fetch {
            a.rm(MOV_RM, w, R11, at);
            a.rm(combine, w, value, at);
            a.mov(value, R11);
        } else {
            a.rm(combine, w, value, at);
        }
    }
}

/// Swaps the low bytes of a register; those above stay.
fn turn(a: &mut Asm, size: Size, reg: Gpr) {
    match size {
        Size::B => {}
        Size::H => a.mi8(ROL_I, W::H, reg, 8),
        Size::W => a.bswap(W::D, reg),
        Size::Dw => a.bswap(W::Q, reg),
    }
}
