//! Loads, stores and atomics: the check, the access, the byte order.
//!
//! Checks are as on x86-64 (`jit/x86/access.rs`). An access through r10 that lies in the frame needs none, and goes by
//! x27. Atomics are the machine's own, which costs little on it and keeps for maps that others share: one instruction with
//! FEAT_LSE, a loop without.

use skep_isa::{AtomicOp, Operand, Reg, Size};

use super::compile::{CAGE, Compiler, FRAME, HEAD, host, log2};
use super::encode::*;
use super::thunks::head;
use crate::jit::layout;
use crate::ops::select::in_frame;

/// What an access wants besides its address.
#[derive(Clone, Copy)]
struct Want {
    size: Size,
    write: bool,
    aligned: bool,
}

/// Where bytes are in the host's memory.
#[derive(Clone, Copy)]
pub(super) enum At {
    /// At the frame's end plus an offset.
    Frame(i32),
    /// At the cage's base plus a register.
    Sum(Gpr),
}

/// The rows of an access by size: by [`At::Sum`], by [`At::Frame`].
const LOADS: [(Enc, Enc); 4] = [(LDRB_SUM, LDURB), (LDRH_SUM, LDURH), (LDRW_SUM, LDUR_W), (LDRX_SUM, LDUR_X)];
const SIGNED_LOADS: [(Enc, Enc); 4] =
    [(LDRSB_SUM, LDURSB), (LDRSH_SUM, LDURSH), (LDRSW_SUM, LDURSW), (LDRX_SUM, LDUR_X)];
const STORES: [(Enc, Enc); 4] =
    [(STRB_SUM, STURB), (STRH_SUM, STURH), (STRW_SUM, STUR_W), (STRX_SUM, STUR_X)];

impl Compiler<'_> {
    /// Where the bytes at `base + off` are. Uses x9, x16 and x17; the result may use x16.
    fn reach(&mut self, base: Reg, off: i16, want: Want) -> At {
        let align = want.size.bytes() as i32 - 1;
        if base == Reg::FP && in_frame(off, want.size) && !(want.aligned && i32::from(off) & align != 0) {
            return At::Frame(off.into());
        }
        let retry = self.asm.here();
        let address = match off {
            0 => host(base),
            _ => {
                self.asm.add(W::X, X16, host(base), off.into());
                X16
            }
        };
        if let Some(bits) = pattern(align as u64, W::X).filter(|_| want.aligned) {
            self.asm.logic(ANDS_I, W::X, (ZR, address), bits);
            self.bail_if(CC_NE);
        }
        if self.is_proved(want.size) {
            return At::Sum(address);
        }
        let (gate, bits) = (base.index(), log2(want.size));
        self.asm.at(LDR_X, X17, HEAD, head(layout::gate_start(gate)));
        self.asm.at(LDR_X, X9, HEAD, head(layout::gate_limit(gate, bits, want.write)));
        self.asm.rrr(SUB_R, W::X, X17, address, X17);
        self.asm.rrr(SUBS_R, W::X, ZR, X17, X9);
        self.miss_if(CC_HS, (base, off), bits, want.write, retry);
        At::Sum(address)
    }

    /// Puts the host's address into x16.
    fn address(&mut self, at: At) {
        match at {
            At::Frame(off) => self.asm.add(W::X, X16, FRAME, off.into()),
            At::Sum(reg) => self.asm.rrr(ADD_R, W::X, X16, CAGE, reg),
        }
    }

    fn access(&mut self, (sum, near): (Enc, Enc), reg: Gpr, at: At) {
        match at {
            At::Sum(address) => self.asm.sum(sum, reg, CAGE, address),
            At::Frame(off @ -256..) => self.asm.near(near, reg, FRAME, off),
            At::Frame(_) => {
                self.address(at);
                self.asm.near(near, reg, X16, 0);
            }
        }
    }

    /// Where the key is that r2 points to, in code that nobody has verified.
    pub(super) fn key(&mut self) -> At {
        const R2: Reg = match Reg::new(2) {
            Some(reg) => reg,
            None => Reg::FP,
        };
        self.reach(R2, 0, Want { size: Size::W, write: false, aligned: false })
    }

    /// Reads a key of 32 bits.
    pub(super) fn read_key(&mut self, to: Gpr, at: At) {
        self.access(LOADS[2], to, at);
    }

    pub(super) fn load(&mut self, size: Size, signed: bool, dst: Reg, src: Reg, off: i16) {
        let at = self.reach(src, off, Want { size, write: false, aligned: false });
        let dst = host(dst);
        // In the other byte order the sign is known only after the swap.
        let turns = self.big() && size != Size::B;
        let rows = if signed && !turns { SIGNED_LOADS } else { LOADS };
        self.access(rows[log2(size) as usize], dst, at);
        if turns {
            self.turn(size, dst, dst);
            if signed && size != Size::Dw {
                self.extend(W::X, size, dst, dst);
            }
        }
    }

    pub(super) fn load_acquire(&mut self, size: Size, dst: Reg, src: Reg, off: i16) {
        let at = self.reach(src, off, Want { size, write: false, aligned: true });
        self.address(at);
        let dst = host(dst);
        match size {
            Size::B => self.asm.ordered(LDARB, W::W, dst, X16),
            Size::H => self.asm.ordered(LDARH, W::W, dst, X16),
            Size::W => self.asm.ordered(LDAR, W::W, dst, X16),
            Size::Dw => self.asm.ordered(LDAR, W::X, dst, X16),
        }
        if self.big() && size != Size::B {
            self.turn(size, dst, dst);
        }
    }

    pub(super) fn store(&mut self, size: Size, dst: Reg, off: i16, src: Operand) {
        let at = self.reach(dst, off, Want { size, write: true, aligned: false });
        let value = match src {
            Operand::Imm(0) => ZR,
            Operand::Reg(reg) => self.stored(size, host(reg)),
            Operand::Imm(imm) => {
                let bits = 64 - 8 * size.bytes();
                let value = i64::from(imm) as u64;
                let value = if self.big() { value.swap_bytes() >> bits } else { value << bits >> bits };
                self.number(X17, value);
                X17
            }
        };
        self.access(STORES[log2(size) as usize], value, at);
    }

    pub(super) fn store_release(&mut self, size: Size, dst: Reg, src: Reg, off: i16) {
        let at = self.reach(dst, off, Want { size, write: true, aligned: true });
        self.address(at);
        let value = self.stored(size, host(src));
        match size {
            Size::B => self.asm.ordered(STLRB, W::W, value, X16),
            Size::H => self.asm.ordered(STLRH, W::W, value, X16),
            Size::W => self.asm.ordered(STLR, W::W, value, X16),
            Size::Dw => self.asm.ordered(STLR, W::X, value, X16),
        }
    }

    /// A value in memory's byte order, in x17 if that is not the machine's.
    fn stored(&mut self, size: Size, value: Gpr) -> Gpr {
        if !self.big() || size == Size::B {
            return value;
        }
        self.turn(size, X17, value);
        X17
    }

    pub(super) fn atomic(&mut self, (op, fetch): (AtomicOp, bool), size: Size, dst: Reg, src: Reg, off: i16) {
        // In the other byte order, and with the frame's address as the operand: rare, and the interpreter's.
        if self.big() || (src == Reg::FP && fetch) {
            return self.bail();
        }
        let at = self.reach(dst, off, Want { size, write: true, aligned: true });
        self.address(at);
        let w = if size == Size::Dw { W::X } else { W::W };
        if self.options.lse {
            self.atomic_once(op, fetch, w, host(src));
        } else {
            self.atomic_loop(op, fetch, w, host(src));
        }
    }

    /// On what x16 points to, in one instruction.
    fn atomic_once(&mut self, op: AtomicOp, fetch: bool, w: W, src: Gpr) {
        let a = &mut self.asm;
        let old = if fetch { src } else { X17 };
        match op {
            AtomicOp::Add => a.atomic(LDADDAL, w, (src, old), X16),
            AtomicOp::Or => a.atomic(LDSETAL, w, (src, old), X16),
            AtomicOp::Xor => a.atomic(LDEORAL, w, (src, old), X16),
            AtomicOp::And => {
                a.rrr(ORN_R, W::X, X9, ZR, src);
                a.atomic(LDCLRAL, w, (X9, old), X16);
            }
            AtomicOp::Xchg => a.atomic(SWPAL, w, (src, old), X16),
            AtomicOp::Cmpxchg => a.atomic(CASAL, w, (X5, src), X16),
        }
    }

    /// On what x16 points to, until nobody has written in between.
    fn atomic_loop(&mut self, op: AtomicOp, fetch: bool, w: W, src: Gpr) {
        let a = &mut self.asm;
        let again = a.here();
        a.ordered(LDAXR, w, X9, X16);
        let combine = match op {
            AtomicOp::Add => Some(ADD_R),
            AtomicOp::Or => Some(ORR_R),
            AtomicOp::And => Some(AND_R),
            AtomicOp::Xor => Some(EOR_R),
            AtomicOp::Xchg | AtomicOp::Cmpxchg => None,
        };
        let new = match combine {
            Some(combine) => {
                a.rrr(combine, w, X10, X9, src);
                X10
            }
            None => src,
        };
        let differs = (op == AtomicOp::Cmpxchg).then(|| {
            a.rrr(SUBS_R, w, ZR, X5, X9);
            a.skip_if(CC_NE)
        });
        a.atomic(STLXR, w, (X11, new), X16);
        let lost = a.skip_zero(W::W, X11, false);
        a.land_at(lost, again);
        if let Some(differs) = differs {
            a.land(differs);
            a.mov(X5, X9);
        } else if fetch {
            a.mov(src, X9);
        }
    }
}
