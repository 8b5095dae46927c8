//! Comparisons. RFC 9669, section 4.3.

use skep_isa::Cond;

use super::{Cx, Test};

macro_rules! codes {
    ($($name:ident = $cond:ident;)*) => {
        $(pub(crate) const $name: u8 = Cond::$cond as u8;)*
    };
}

codes! {
    EQ = Eq; NE = Ne; SET = Set; GT = Gt; GE = Ge; LT = Lt; LE = Le; SGT = Sgt; SGE = Sge; SLT = Slt; SLE = Sle;
}

/// No bit in common: the inverse of [`SET`], which the instruction set lacks.
pub(crate) const CLEAR: u8 = 32;

#[inline(always)]
pub(crate) fn holds64(cond: u8, a: u64, b: u64) -> bool {
    match cond {
        EQ => a == b,
        NE => a != b,
        SET => a & b != 0,
        CLEAR => a & b == 0,
        GT => a > b,
        GE => a >= b,
        LT => a < b,
        LE => a <= b,
        SGT => a as i64 > b as i64,
        SGE => a as i64 >= b as i64,
        SLT => (a as i64) < b as i64,
        _ => a as i64 <= b as i64,
    }
}

#[inline(always)]
pub(crate) fn holds32(cond: u8, a: u32, b: u32) -> bool {
    match cond {
        SGT => a as i32 > b as i32,
        SGE => a as i32 >= b as i32,
        SLT => (a as i32) < b as i32,
        SLE => a as i32 <= b as i32,
        _ => holds64(cond, u64::from(a), u64::from(b)),
    }
}

/// A comparison: which, whether of 64 bits, whether with an immediate.
pub(crate) struct Compare<const COND: u8, const WIDE: bool, const IMM: bool>;

impl<const COND: u8, const WIDE: bool, const IMM: bool> Test for Compare<COND, WIDE, IMM> {
    #[inline(always)]
    fn holds(cx: Cx) -> bool {
        let a = cx.a();
        let b = if IMM { cx.imm() } else { cx.b() };
        if WIDE { holds64(COND, a, b) } else { holds32(COND, a as u32, b as u32) }
    }
}

/// `may_goto`: taken once its budget is spent.
pub(crate) struct Spent;

impl Test for Spent {
    #[inline(always)]
    fn holds(mut cx: Cx) -> bool {
        let left = &mut cx.machine().may_goto;
        match left.checked_sub(1) {
            Some(n) => {
                *left = n;
                false
            }
            None => true,
        }
    }
}
