//! Arithmetic on numbers, and moves.

use skep_isa::{AluOp, Operand, SwapKind, Width};

use crate::env::Env;
use crate::refusal::{Step, errno};
use crate::state::{ADD_CONST, ADD_CONST32, ADD_CONST64, Reg};

/// How an operation is written in the log.
pub(crate) fn symbol(op: AluOp) -> &'static str {
    match op {
        AluOp::Add => "+=",
        AluOp::Sub => "-=",
        AluOp::Mul => "*=",
        AluOp::Div | AluOp::Sdiv => "/=",
        AluOp::Or => "|=",
        AluOp::And => "&=",
        AluOp::Lsh => "<<=",
        AluOp::Rsh => ">>=",
        AluOp::Mod | AluOp::Smod => "%=",
        AluOp::Xor => "^=",
        AluOp::Mov => "=",
        AluOp::Arsh => "s>>=",
    }
}

impl Env<'_> {
    pub(crate) fn alu(&mut self, width: Width, op: AluOp, dst: usize, src: Operand) -> Step {
        self.operand_readable(src)?;
        if op == AluOp::Mov {
            self.writable(dst)?;
            self.mov(width, dst, src)?;
            return self.sane(dst);
        }
        self.readable(dst)?;
        if let Operand::Imm(imm) = src {
            self.check_imm(width, op, imm)?;
        }
        self.writable(dst)?;
        self.arith(width, op, dst, src)?;
        self.sane(dst)
    }

    fn check_imm(&self, width: Width, op: AluOp, imm: i32) -> Step {
        let bits = if width == Width::W64 { 64 } else { 32 };
        match op {
            AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod if imm == 0 => {
                Err(self.refuse(errno::EINVAL, "V0203", "div by zero"))
            }
            AluOp::Lsh | AluOp::Rsh | AluOp::Arsh if !(0..bits).contains(&imm) => {
                Err(self.refuse(errno::EINVAL, "V0204", format!("invalid shift {imm}")))
            }
            _ => Ok(()),
        }
    }

    /// Ranges that contradict each other come from a dead branch: forget them.
    pub(crate) fn sane(&mut self, r: usize) -> Step {
        if !self.cur.reg(r).val.sane() {
            self.cur.reg_mut(r).val.unbound();
        }
        Ok(())
    }

    fn mov(&mut self, width: Width, dst: usize, src: Operand) -> Step {
        let src = match src {
            Operand::Imm(imm) => {
                let v = if width == Width::W64 { i64::from(imm) as u64 } else { u64::from(imm as u32) };
                self.set_reg(dst, Reg::constant(v));
                return Ok(());
            }
            Operand::Reg(r) => r.index(),
        };
        if width == Width::W64 {
            self.link_reg(src);
            let r = *self.cur.reg(src);
            self.cur.top_mut().regs[dst] = r;
            return Ok(());
        }
        if self.is_secret(src) {
            return Err(self.deny(src, "V0205", format!("R{src} partial copy of pointer")));
        }
        if self.cur.reg(src).is_scalar() {
            let narrow = self.cur.reg(src).val.umax >> 32 == 0;
            if narrow {
                self.link_reg(src);
            }
            let mut r = *self.cur.reg(src);
            if !narrow {
                r.unlink();
            }
            self.cur.top_mut().regs[dst] = r;
        } else {
            self.set_unknown(dst);
        }
        let v = &mut self.cur.reg_mut(dst).val;
        v.zext32();
        v.sync();
        Ok(())
    }

    pub(crate) fn move_extended(&mut self, width: Width, size: usize, dst: usize, src: usize) -> Step {
        self.readable(src)?;
        self.writable(dst)?;
        if self.is_secret(src) {
            let what = if width == Width::W64 { "sign-extension part" } else { "partial copy" };
            return Err(self.deny(src, "V0205", format!("R{src} {what} of pointer")));
        }
        if self.cur.reg(src).is_scalar() {
            let same = self.cur.reg(src).val.umax < 1 << (size * 8 - 1);
            if same {
                self.link_reg(src);
            }
            let mut r = *self.cur.reg(src);
            if !same {
                r.unlink();
            }
            match width {
                Width::W64 => r.val.sign_extend(size),
                Width::W32 => r.val.sign_extend32(size),
            }
            self.cur.top_mut().regs[dst] = r;
        } else {
            self.set_unknown(dst);
        }
        if width == Width::W32 {
            let v = &mut self.cur.reg_mut(dst).val;
            v.zext32();
            v.sync();
        }
        self.sane(dst)
    }

    fn no_pointer(&self, r: usize) -> Step {
        if self.is_secret(r) {
            return Err(self.deny(r, "V0206", format!("R{r} pointer arithmetic prohibited")));
        }
        Ok(())
    }

    pub(crate) fn negate(&mut self, width: Width, dst: usize) -> Step {
        self.readable(dst)?;
        self.no_pointer(dst)?;
        self.writable(dst)?;
        if self.cur.reg(dst).is_scalar() {
            let d = self.cur.reg_mut(dst);
            d.val.negate(width);
            d.unlink();
        } else {
            self.set_unknown(dst);
        }
        self.sane(dst)
    }

    /// Byte order, for a little-endian machine: to little-endian only truncates.
    pub(crate) fn swap_bytes(&mut self, kind: SwapKind, size: usize, dst: usize) -> Step {
        self.readable(dst)?;
        self.no_pointer(dst)?;
        self.writable(dst)?;
        if !self.cur.reg(dst).is_scalar() {
            self.set_unknown(dst);
            return Ok(());
        }
        let swaps = kind != SwapKind::ToLe;
        let d = self.cur.reg_mut(dst);
        if swaps || size < 8 {
            d.unlink();
        }
        if swaps {
            d.val.swap_bytes(size);
        }
        d.val.truncate(size);
        d.val.sync();
        self.sane(dst)
    }

    fn arith(&mut self, width: Width, op: AluOp, dst: usize, src: Operand) -> Step {
        let d = *self.cur.reg(dst);
        let s = match src {
            Operand::Imm(imm) => {
                let k = Reg::constant(i64::from(imm) as u64);
                if !d.is_scalar() {
                    return self.pointer_arith(width, op, dst, &d, &k);
                }
                k
            }
            Operand::Reg(r) => {
                let src = r.index();
                let s = *self.cur.reg(src);
                match (d.is_scalar(), s.is_scalar()) {
                    (false, false) if op == AluOp::Sub && self.rights.ptr_leaks => {
                        self.set_unknown(dst);
                        return Ok(());
                    }
                    (false, false) => {
                        let m = format!("R{dst} pointer {} pointer prohibited", symbol(op));
                        return Err(self.deny(dst, "V0206", m));
                    }
                    (true, false) => {
                        self.mark_precise(dst)?;
                        return self.pointer_arith(width, op, dst, &s, &d);
                    }
                    (false, true) => {
                        self.mark_precise(src)?;
                        return self.pointer_arith(width, op, dst, &d, &s);
                    }
                    (true, true) if d.precise => self.mark_precise(src)?,
                    (true, true) => {}
                }
                s
            }
        };
        if matches!(op, AluOp::And | AluOp::Or) && s.val.is_const() {
            self.fork_mask(dst)?;
        }
        self.guess_numbers(op, dst)?;
        self.scalar_arith(width, op, dst, &s);
        Ok(())
    }

    /// A number that is 0 or -1 is a mask made of a sign: the two are followed apart.
    fn fork_mask(&mut self, dst: usize) -> Step {
        let v = self.cur.reg(dst).val;
        let wide = v.smin == -1 && v.smax == 0;
        let narrow = v.s32_min == -1 && v.s32_max == 0;
        if !(wide || narrow) {
            return Ok(());
        }
        let pc = self.pc;
        let other = self.push_branch(pc)?;
        if wide {
            *other.reg_mut(dst) = Reg { precise: other.reg(dst).precise, ..Reg::constant(0) };
            let precise = self.cur.reg(dst).precise;
            *self.cur.reg_mut(dst) = Reg { precise, ..Reg::constant(u64::MAX) };
        } else {
            other.reg_mut(dst).val.set_const32(0);
            self.cur.reg_mut(dst).val.set_const32(u32::MAX);
        }
        Ok(())
    }

    fn scalar_arith(&mut self, width: Width, op: AluOp, dst: usize, s: &Reg) {
        let bpf = self.rights.bpf;
        let d = self.cur.reg_mut(dst);
        // What is added in 32 bits is no distance where the upper half was something before.
        let whole = width == Width::W64 || d.val.umax >> 32 == 0;
        if !d.val.alu(op, width, &s.val) {
            *d = Reg { precise: !bpf, ..Reg::UNKNOWN };
        }
        let delta = match op {
            AluOp::Add | AluOp::Sub if bpf && d.id != 0 && whole => s.val.const_value(width == Width::W64),
            _ => None,
        };
        let Some(v) = delta else { return d.unlink() };
        // A second constant can't be added to the first, nor one that 32 bits don't hold.
        let off = if width == Width::W64 { i32::try_from(v as i64).ok() } else { Some(v as i32) };
        let off = if op == AluOp::Sub { off.and_then(i32::checked_neg) } else { off };
        match off {
            Some(off) if d.id & ADD_CONST == 0 => {
                d.id |= if width == Width::W64 { ADD_CONST64 } else { ADD_CONST32 };
                d.off = off;
            }
            _ => d.unlink(),
        }
    }
}
