//! What a comparison tells: whether it is decided already, and what each outcome teaches.

use super::{Scalar, Tnum};
use skep_isa::{Cond, Width};

/// Ranges of one width, widened to 64 bits so that rules are written once.
struct View {
    t: Tnum,
    umin: u64,
    umax: u64,
    smin: i64,
    smax: i64,
}

fn view(s: &Scalar, width: Width) -> View {
    match width {
        Width::W64 => View { t: s.var, umin: s.umin, umax: s.umax, smin: s.smin, smax: s.smax },
        Width::W32 => View {
            t: s.var.subreg(),
            umin: s.u32_min.into(),
            umax: s.u32_max.into(),
            smin: s.s32_min.into(),
            smax: s.s32_max.into(),
        },
    }
}

fn disjoint(a: &Scalar, b: &Scalar, width: Width) -> bool {
    let (x, y) = (view(a, width), view(b, width));
    if !x.t.overlaps(y.t) || x.umin > y.umax || x.umax < y.umin || x.smin > y.smax || x.smax < y.smin {
        return true;
    }
    // 64-bit ranges that overlap may still have low halves that do not.
    width == Width::W64
        && (a.u32_min > b.u32_max || a.u32_max < b.u32_min || a.s32_min > b.s32_max || a.s32_max < b.s32_min)
}

fn ordered<T: Ord>(a: (T, T), b: (T, T), strict: bool) -> Option<bool> {
    // Is `a > b` (or `>=`) always, never, or undecided?
    let (always, never) = if strict { (a.0 > b.1, a.1 <= b.0) } else { (a.0 >= b.1, a.1 < b.0) };
    if always {
        Some(true)
    } else if never {
        Some(false)
    } else {
        None
    }
}

fn bits_set(a: &Scalar, b: &Scalar, width: Width) -> Option<bool> {
    let (mut x, mut y) = (view(a, width).t, view(b, width).t);
    if !y.is_const() {
        core::mem::swap(&mut x, &mut y);
    }
    if !y.is_const() {
        None
    } else if x.value & y.value != 0 {
        Some(true)
    } else if (x.mask | x.value) & y.value == 0 {
        Some(false)
    } else {
        None
    }
}

/// Whether `a cond b` always or never holds; `None` if both can be.
pub(crate) fn branch_taken(a: &Scalar, b: &Scalar, cond: Cond, width: Width) -> Option<bool> {
    let (x, y) = (view(a, width), view(b, width));
    let (ux, uy, sx, sy) = ((x.umin, x.umax), (y.umin, y.umax), (x.smin, x.smax), (y.smin, y.smax));
    match cond {
        Cond::Eq | Cond::Ne => {
            let equal = if x.t.is_const() && y.t.is_const() {
                Some(x.t.value == y.t.value)
            } else if disjoint(a, b, width) {
                Some(false)
            } else {
                None
            };
            equal.map(|e| e == (cond == Cond::Eq))
        }
        Cond::Set => bits_set(a, b, width),
        Cond::Gt => ordered(ux, uy, true),
        Cond::Ge => ordered(ux, uy, false),
        Cond::Lt => ordered(uy, ux, true),
        Cond::Le => ordered(uy, ux, false),
        Cond::Sgt => ordered(sx, sy, true),
        Cond::Sge => ordered(sx, sy, false),
        Cond::Slt => ordered(sy, sx, true),
        Cond::Sle => ordered(sy, sx, false),
    }
}

fn meet_equal(a: &mut Scalar, b: &mut Scalar, width: Width) {
    match width {
        Width::W32 => {
            let (umin, umax) = (a.u32_min.max(b.u32_min), a.u32_max.min(b.u32_max));
            let (smin, smax) = (a.s32_min.max(b.s32_min), a.s32_max.min(b.s32_max));
            let t = a.var.subreg().intersect(b.var.subreg());
            for s in [a, b] {
                (s.u32_min, s.u32_max, s.s32_min, s.s32_max) = (umin, umax, smin, smax);
                s.var = s.var.with_subreg(t);
            }
        }
        Width::W64 => {
            let (umin, umax) = (a.umin.max(b.umin), a.umax.min(b.umax));
            let (smin, smax) = (a.smin.max(b.smin), a.smax.min(b.smax));
            let t = a.var.intersect(b.var);
            for s in [a, b] {
                (s.umin, s.umax, s.smin, s.smax, s.var) = (umin, umax, smin, smax, t);
            }
        }
    }
}

/// `a != v`: only a constant at an end of a range teaches anything.
fn trim_edges(a: &mut Scalar, v: u64, width: Width) {
    macro_rules! trim {
        ($min:ident, $max:ident, $v:expr) => {
            if a.$min == $v {
                a.$min = a.$min.wrapping_add(1);
            }
            if a.$max == $v {
                a.$max = a.$max.wrapping_sub(1);
            }
        };
    }
    match width {
        Width::W32 => {
            trim!(u32_min, u32_max, v as u32);
            trim!(s32_min, s32_max, v as i32);
        }
        Width::W64 => {
            trim!(umin, umax, v);
            trim!(smin, smax, v as i64);
        }
    }
}

fn bits_known(a: &mut Scalar, v: u64, set: bool, width: Width) {
    if set {
        // Only a single bit can be known to be set.
        if !v.is_power_of_two() {
            return;
        }
    } else {
        // Ranges and bits may contradict each other on a dead branch: start the ranges anew.
        a.unbound();
    }
    let learn = |t: Tnum| if set { t.or(Tnum::constant(v)) } else { t.and(Tnum::constant(!v)) };
    a.var = match width {
        Width::W32 => a.var.with_subreg(learn(a.var.subreg())),
        Width::W64 => learn(a.var),
    };
}

/// `a <= b` or `a < b`.
fn order(a: &mut Scalar, b: &mut Scalar, signed: bool, strict: bool, width: Width) {
    macro_rules! order {
        ($min:ident, $max:ident) => {{
            let (hi, lo) = (b.$max, a.$min);
            let (hi, lo) = if strict { (hi.wrapping_sub(1), lo.wrapping_add(1)) } else { (hi, lo) };
            a.$max = a.$max.min(hi);
            b.$min = b.$min.max(lo);
        }};
    }
    match (width, signed) {
        (Width::W32, false) => order!(u32_min, u32_max),
        (Width::W32, true) => order!(s32_min, s32_max),
        (Width::W64, false) => order!(umin, umax),
        (Width::W64, true) => order!(smin, smax),
    }
}

fn constant_side<'s>(a: &'s mut Scalar, b: &'s mut Scalar, width: Width) -> Option<(&'s mut Scalar, u64)> {
    let wide = width == Width::W64;
    if let Some(v) = b.const_value(wide) { Some((a, v)) } else { a.const_value(wide).map(|v| (b, v)) }
}

/// Narrows both sides by the fact that `a cond b` turned out to be `holds`, and syncs them.
pub(crate) fn refine(a: &mut Scalar, b: &mut Scalar, cond: Cond, holds: bool, width: Width) {
    narrow(a, b, cond, holds, width);
    a.sync();
    b.sync();
}

/// As [`refine`], for a register that is compared with itself: what either side learns, it learns.
pub(crate) fn refine_self(x: &mut Scalar, cond: Cond, holds: bool, width: Width) {
    let mut y = *x;
    narrow(x, &mut y, cond, holds, width);
    x.umin = x.umin.max(y.umin);
    x.umax = x.umax.min(y.umax);
    x.smin = x.smin.max(y.smin);
    x.smax = x.smax.min(y.smax);
    x.u32_min = x.u32_min.max(y.u32_min);
    x.u32_max = x.u32_max.min(y.u32_max);
    x.s32_min = x.s32_min.max(y.s32_min);
    x.s32_max = x.s32_max.min(y.s32_max);
    x.var = x.var.intersect(y.var);
    x.sync();
    x.sync();
}

fn narrow(a: &mut Scalar, b: &mut Scalar, cond: Cond, holds: bool, width: Width) {
    match (cond, holds) {
        (Cond::Eq, true) | (Cond::Ne, false) => meet_equal(a, b, width),
        (Cond::Eq, false) | (Cond::Ne, true) => {
            if let Some((s, v)) = constant_side(a, b, width) {
                trim_edges(s, v, width);
            }
        }
        (Cond::Set, set) => {
            if let Some((s, v)) = constant_side(a, b, width) {
                bits_known(s, v, set, width);
            }
        }
        (Cond::Le, true) | (Cond::Gt, false) => order(a, b, false, false, width),
        (Cond::Lt, true) | (Cond::Ge, false) => order(a, b, false, true, width),
        (Cond::Gt, true) | (Cond::Le, false) => order(b, a, false, true, width),
        (Cond::Ge, true) | (Cond::Lt, false) => order(b, a, false, false, width),
        (Cond::Sle, true) | (Cond::Sgt, false) => order(a, b, true, false, width),
        (Cond::Slt, true) | (Cond::Sge, false) => order(a, b, true, true, width),
        (Cond::Sgt, true) | (Cond::Sle, false) => order(b, a, true, true, width),
        (Cond::Sge, true) | (Cond::Slt, false) => order(b, a, true, false, width),
    }
}
