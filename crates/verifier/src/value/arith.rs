//! Arithmetic on [`Scalar`]s: for each operation the ranges of both widths, then the bits.

use super::{Scalar, Tnum};
use skep_isa::{AluOp, Width};

/// The two interval pairs of one width, so that each rule is written once for 32 and 64 bits.
macro_rules! interval_rules {
    ($add:ident, $sub:ident, $mul:ident, $bits:ident, $u:ty, $s:ty,
     $umin:ident, $umax:ident, $smin:ident, $smax:ident) => {
        fn $add(d: &mut Scalar, s: &Scalar) {
            match (d.$smin.checked_add(s.$smin), d.$smax.checked_add(s.$smax)) {
                (Some(lo), Some(hi)) => (d.$smin, d.$smax) = (lo, hi),
                _ => (d.$smin, d.$smax) = (<$s>::MIN, <$s>::MAX),
            }
            // Both ends wrap, or neither: the interval is still one piece.
            let (lo, wraps_lo) = d.$umin.overflowing_add(s.$umin);
            let (hi, wraps_hi) = d.$umax.overflowing_add(s.$umax);
            (d.$umin, d.$umax) = if !wraps_lo && wraps_hi { (0, <$u>::MAX) } else { (lo, hi) };
        }

        fn $sub(d: &mut Scalar, s: &Scalar) {
            match (d.$smin.checked_sub(s.$smax), d.$smax.checked_sub(s.$smin)) {
                (Some(lo), Some(hi)) => (d.$smin, d.$smax) = (lo, hi),
                _ => (d.$smin, d.$smax) = (<$s>::MIN, <$s>::MAX),
            }
            let (lo, wraps_lo) = d.$umin.overflowing_sub(s.$umax);
            let (hi, wraps_hi) = d.$umax.overflowing_sub(s.$umin);
            (d.$umin, d.$umax) = if wraps_lo && !wraps_hi { (0, <$u>::MAX) } else { (lo, hi) };
        }

        fn $mul(d: &mut Scalar, s: &Scalar) {
            (d.$umin, d.$umax) = match (d.$umax.checked_mul(s.$umax), d.$umin.checked_mul(s.$umin)) {
                (Some(hi), Some(lo)) => (lo, hi),
                _ => (0, <$u>::MAX),
            };
            let corners = [
                d.$smin.checked_mul(s.$smin),
                d.$smin.checked_mul(s.$smax),
                d.$smax.checked_mul(s.$smin),
                d.$smax.checked_mul(s.$smax),
            ];
            let (mut lo, mut hi) = (<$s>::MAX, <$s>::MIN);
            for corner in corners {
                let Some(c) = corner else {
                    (lo, hi) = (<$s>::MIN, <$s>::MAX);
                    break;
                };
                (lo, hi) = (lo.min(c), hi.max(c));
            }
            (d.$smin, d.$smax) = (lo, hi);
        }

        /// Bitwise operations: unsigned bounds are given, signed ones follow where the sign allows.
        fn $bits(d: &mut Scalar, lo: $u, hi: $u) {
            (d.$umin, d.$umax) = (lo, hi);
            (d.$smin, d.$smax) =
                if lo as $s <= hi as $s { (lo as $s, hi as $s) } else { (<$s>::MIN, <$s>::MAX) };
        }
    };
}

interval_rules!(add64, sub64, mul64, bits64, u64, i64, umin, umax, smin, smax);
interval_rules!(add32, sub32, mul32, bits32, u32, i32, u32_min, u32_max, s32_min, s32_max);

/// `d op= s` for the bitwise operations, both widths; the bits are `var` already.
fn bitwise(d: &mut Scalar, s: &Scalar, op: AluOp, known: (bool, bool)) {
    let t = d.var;
    let low = t.subreg();
    if known.0 {
        d.set_const32(low.value as u32);
    } else {
        let (lo, hi) = match op {
            AluOp::And => (low.value as u32, d.u32_max.min(s.u32_max)),
            AluOp::Or => (d.u32_min.max(s.u32_min), (low.value | low.mask) as u32),
            _ => (low.value as u32, (low.value | low.mask) as u32),
        };
        bits32(d, lo, hi);
    }
    if known.1 {
        *d = Scalar::constant(t.value);
        return;
    }
    let (lo, hi) = match op {
        AluOp::And => (t.value, d.umax.min(s.umax)),
        AluOp::Or => (d.umin.max(s.umin), t.value | t.mask),
        _ => (t.value, t.value | t.mask),
    };
    bits64(d, lo, hi);
    d.narrow();
}

fn shl32_range(d: &mut Scalar, lo: u32, hi: u32) {
    (d.s32_min, d.s32_max) = (i32::MIN, i32::MAX);
    if hi > 31 || u64::from(d.u32_max) > 1u64 << (31 - hi) {
        (d.u32_min, d.u32_max) = (0, u32::MAX);
    } else {
        d.u32_min <<= lo;
        d.u32_max <<= hi;
    }
}

/// `d <<= n`, `d >>= n`, `d s>>= n` in 32 bits.
fn shift32(d: &mut Scalar, op: AluOp, n: u32) {
    let low = d.var.subreg();
    match op {
        AluOp::Lsh => {
            shl32_range(d, n, n);
            d.var = low.lsh(n).subreg();
        }
        AluOp::Rsh => {
            (d.s32_min, d.s32_max) = (i32::MIN, i32::MAX);
            d.u32_min >>= n;
            d.u32_max >>= n;
            d.var = low.rsh(n);
        }
        _ => {
            d.s32_min >>= n;
            d.s32_max >>= n;
            (d.u32_min, d.u32_max) = (0, u32::MAX);
            d.var = low.arsh(n, 32);
        }
    }
    d.unbound64();
    d.narrow32();
}

/// `d <<= n`, `d >>= n`, `d s>>= n` in 64 bits.
fn shift64(d: &mut Scalar, op: AluOp, n: u32) {
    match op {
        AluOp::Lsh => {
            // `<<= 32` then `s>>= 32` is how compilers sign-extend: keep the low half's signed range.
            (d.smin, d.smax) = if n == 32 {
                (i64::from(d.s32_min) << 32, i64::from(d.s32_max) << 32)
            } else {
                (i64::MIN, i64::MAX)
            };
            if d.umax > 1u64 << (63 - n) {
                (d.umin, d.umax) = (0, u64::MAX);
            } else {
                d.umin <<= n;
                d.umax <<= n;
            }
            shl32_range(d, n, n);
            d.var = d.var.lsh(n);
        }
        AluOp::Rsh => {
            (d.smin, d.smax) = (i64::MIN, i64::MAX);
            d.umin >>= n;
            d.umax >>= n;
            d.var = d.var.rsh(n);
            d.unbound32();
        }
        _ => {
            d.smin >>= n;
            d.smax >>= n;
            (d.umin, d.umax) = (0, u64::MAX);
            d.var = d.var.arsh(n, 64);
            d.unbound32();
        }
    }
    d.narrow();
}

impl Scalar {
    /// `self op= src` at this width. False if the result is not tracked: nothing is known of it then.
    #[must_use]
    pub(crate) fn alu(&mut self, op: AluOp, width: Width, src: &Scalar) -> bool {
        let bits = if width == Width::W32 { 32 } else { 64 };
        let shift = matches!(op, AluOp::Lsh | AluOp::Rsh | AluOp::Arsh);
        let tracked = match op {
            AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod | AluOp::Mov => false,
            _ if shift && bits == 32 => src.is_const32() && src.umax < 32,
            _ if shift => src.is_const() && src.umax < 64,
            _ => true,
        };
        if !tracked {
            *self = Scalar::UNKNOWN;
            return false;
        }
        self.tracked(op, bits, src);
        if bits == 32 {
            self.zext32();
        }
        self.sync();
        true
    }

    /// `self += delta`; with `low`, in 32 bits.
    pub(crate) fn add(&mut self, delta: &Scalar, low: bool) {
        add32(self, delta);
        add64(self, delta);
        self.var = self.var.add(delta.var);
        if low {
            self.zext32();
        }
        self.sync();
    }

    fn tracked(&mut self, op: AluOp, bits: u32, src: &Scalar) {
        match op {
            AluOp::Add => {
                add32(self, src);
                add64(self, src);
                self.var = self.var.add(src.var);
            }
            AluOp::Sub => {
                sub32(self, src);
                sub64(self, src);
                self.var = self.var.sub(src.var);
            }
            AluOp::Mul => {
                self.var = self.var.mul(src.var);
                mul32(self, src);
                mul64(self, src);
            }
            AluOp::And | AluOp::Or | AluOp::Xor => {
                let known = (self.is_const32() && src.is_const32(), self.is_const() && src.is_const());
                self.var = match op {
                    AluOp::And => self.var.and(src.var),
                    AluOp::Or => self.var.or(src.var),
                    _ => self.var.xor(src.var),
                };
                bitwise(self, src, op, known);
            }
            _ if bits == 32 => shift32(self, op, src.u32_min),
            _ => shift64(self, op, src.umin as u32),
        }
    }

    /// Reverses the low `size` bytes: bits are known still, ranges are not.
    pub(crate) fn swap_bytes(&mut self, size: usize) {
        self.var = self.var.swap_bytes(size);
        self.unbound();
    }

    /// `self = -self` at this width.
    pub(crate) fn negate(&mut self, width: Width) {
        let old = *self;
        *self = Scalar::constant(0);
        sub32(self, &old);
        sub64(self, &old);
        self.var = Tnum::neg(old.var);
        if width == Width::W32 {
            self.zext32();
        }
        self.sync();
    }
}
