//! Arithmetic on pointers: a pointer plus or minus a number.

use skep_isa::{AluOp, Width};

use super::alu::symbol;
use super::stack::MAX_VAR_OFF;
use crate::env::Env;
use crate::refusal::{Step, errno};
use crate::state::{Kind, Reg};
use crate::value::Scalar;

impl Env<'_> {
    /// `dst = ptr op off`; one of the two was in `dst`.
    pub(crate) fn pointer_arith(
        &mut self,
        width: Width,
        op: AluOp,
        dst: usize,
        ptr: &Reg,
        off: &Reg,
    ) -> Step {
        let o = &off.val;
        let dead =
            o.smin > o.smax || o.umin > o.umax || o.is_const() && (o.smin != o.smax || o.umin != o.umax);
        if dead || width == Width::W32 && op == AluOp::Sub && self.rights.ptr_leaks {
            self.set_unknown(dst);
            return Ok(());
        }
        if width == Width::W32 {
            let m = format!("R{dst} 32-bit pointer arithmetic prohibited");
            return Err(self.deny(dst, "V0206", m));
        }
        self.arith_allowed(op, dst, ptr, off)?;
        self.sane_offset(off, ptr)?;
        self.sane_offset(ptr, ptr)?;
        let guessed = self.guess_before(op, dst, ptr, off)?;
        let scalar_first = self.cur.reg(dst).is_scalar();
        let mut d = *self.cur.reg(dst);
        // What belongs to the pointer comes along; what is only a number's is left behind.
        d.kind = ptr.kind;
        d.flags = ptr.flags;
        d.id = ptr.id;
        d.aux = ptr.aux;
        d.range = ptr.range;
        d.map_uid = ptr.map_uid;
        d.ref_id = ptr.ref_id;
        if scalar_first && self.recorder.is_none() {
            // Linux 6.18 leaves two things behind when the number stands first: that the pointer dies with a reference,
            // and whose stack it points to, which it takes for the entry's. The verdict follows it; where facts are
            // wanted, what the verdict says has to hold.
            d.ref_id = 0;
            if ptr.kind == Kind::Stack {
                d.aux = 0;
            }
        }
        d.val.unbound32();
        match op {
            AluOp::Add => self.add_offset(&mut d, ptr, off),
            AluOp::Sub if scalar_first => {
                let m = format!("R{dst} tried to subtract pointer from scalar");
                return Err(self.deny(dst, "V0206", m));
            }
            AluOp::Sub if ptr.kind == Kind::Stack => {
                let m = format!("R{dst} subtraction from stack pointer prohibited");
                return Err(self.deny(dst, "V0206", m));
            }
            AluOp::Sub => self.sub_offset(&mut d, ptr, off),
            AluOp::And | AluOp::Or | AluOp::Xor => {
                let m = format!("R{dst} bitwise operator {} on pointer prohibited", symbol(op));
                return Err(self.deny(dst, "V0206", m));
            }
            _ => {
                let m = format!("R{dst} pointer arithmetic with {} operator prohibited", symbol(op));
                return Err(self.deny(dst, "V0206", m));
            }
        }
        self.sane_offset(&d, ptr)?;
        d.val.sync();
        self.cur.top_mut().regs[dst] = d;
        self.guess_after(op, dst, guessed)
    }

    fn arith_allowed(&self, op: AluOp, dst: usize, ptr: &Reg, off: &Reg) -> Step {
        let word = self.type_word(ptr);
        if ptr.maybe_null() {
            let m = format!("R{dst} pointer arithmetic on {word} prohibited, null-check it first");
            return Err(self.deny(dst, "V0207", m));
        }
        let known = off.val.is_const();
        let allowed = match ptr.kind {
            Kind::Ctx
            | Kind::MapValue
            | Kind::MapKey
            | Kind::Stack
            | Kind::PacketMeta
            | Kind::Packet
            | Kind::TpBuffer
            | Kind::Btf
            | Kind::Mem
            | Kind::Buf
            | Kind::Func => true,
            Kind::FlowKeys if known => true,
            Kind::FlowKeys | Kind::MapPtr => known && off.val.smin == 0 && op == AluOp::Add,
            _ => false,
        };
        if allowed {
            return Ok(());
        }
        Err(self.deny(dst, "V0206", format!("R{dst} pointer arithmetic on {word} prohibited")))
    }

    /// Offsets stay small enough that no sum of them wraps.
    fn sane_offset(&self, r: &Reg, ptr: &Reg) -> Step {
        let word = self.type_word(ptr);
        let far = |v: i64| v >= MAX_VAR_OFF || v <= -MAX_VAR_OFF;
        let m = if r.val.is_const() && far(r.val.var.value as i64) {
            let v = r.val.var.value as i64;
            format!("math between {word} pointer and {v} is not allowed")
        } else if far(r.off.into()) {
            format!("{word} pointer offset {} is not allowed", r.off)
        } else if r.val.smin == i64::MIN {
            format!("math between {word} pointer and register with unbounded min value is not allowed")
        } else if far(r.val.smin) {
            format!("value {} makes {word} pointer be out of bounds", r.val.smin)
        } else {
            return Ok(());
        };
        Err(self.refuse(errno::EINVAL, "V0208", m))
    }

    fn fixed_offset(ptr: &Reg, delta: i64) -> Option<i32> {
        i64::from(ptr.off).checked_add(delta).and_then(|v| i32::try_from(v).ok())
    }

    fn keep_var(d: &mut Reg, ptr: &Reg, off: i32) {
        let p = &ptr.val;
        d.val =
            Scalar { var: p.var, smin: p.smin, smax: p.smax, umin: p.umin, umax: p.umax, ..Scalar::UNKNOWN };
        d.off = off;
    }

    fn add_offset(&mut self, d: &mut Reg, ptr: &Reg, off: &Reg) {
        let (p, o) = (&ptr.val, &off.val);
        if o.is_const()
            && let Some(fixed) = Self::fixed_offset(ptr, o.smin)
        {
            return Self::keep_var(d, ptr, fixed);
        }
        let mut v = Scalar::UNKNOWN;
        if let (Some(lo), Some(hi)) = (p.smin.checked_add(o.smin), p.smax.checked_add(o.smax)) {
            (v.smin, v.smax) = (lo, hi);
        }
        if let (Some(lo), Some(hi)) = (p.umin.checked_add(o.umin), p.umax.checked_add(o.umax)) {
            (v.umin, v.umax) = (lo, hi);
        }
        v.var = p.var.add(o.var);
        d.val = v;
        d.off = ptr.off;
        if ptr.kind.is_packet() {
            // A new base: what was proven of the old one says nothing of it.
            d.id = self.new_id();
            d.range = 0;
        }
    }

    fn sub_offset(&mut self, d: &mut Reg, ptr: &Reg, off: &Reg) {
        let (p, o) = (&ptr.val, &off.val);
        if o.is_const()
            && let Some(fixed) = o.smin.checked_neg().and_then(|n| Self::fixed_offset(ptr, n))
        {
            return Self::keep_var(d, ptr, fixed);
        }
        let mut v = Scalar::UNKNOWN;
        if let (Some(lo), Some(hi)) = (p.smin.checked_sub(o.smax), p.smax.checked_sub(o.smin)) {
            (v.smin, v.smax) = (lo, hi);
        }
        if p.umin >= o.umax {
            (v.umin, v.umax) = (p.umin - o.umax, p.umax.wrapping_sub(o.umin));
        }
        v.var = p.var.sub(o.var);
        d.val = v;
        d.off = ptr.off;
        if ptr.kind.is_packet() {
            d.id = self.new_id();
            if o.smin < 0 {
                d.range = 0;
            }
        }
    }
}
