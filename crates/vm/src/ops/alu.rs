//! Arithmetic, moves, byte order. RFC 9669, section 4.1, 4.2; Linux for what it leaves open.

use std::marker::PhantomData;

use skep_isa::AluOp;

use super::{Cx, Miss, Unit};

macro_rules! codes {
    ($($name:ident = $op:ident;)*) => {
        $(pub(crate) const $name: u8 = AluOp::$op as u8;)*
    };
}

codes! {
    ADD = Add; SUB = Sub; MUL = Mul; DIV = Div; SDIV = Sdiv; OR = Or; AND = And; LSH = Lsh; RSH = Rsh;
    MOD = Mod; SMOD = Smod; XOR = Xor; MOV = Mov;
}

macro_rules! alu {
    ($(#[$doc:meta])* $name:ident: $unsigned:ty as $signed:ty, shifts by $mask:literal) => {
        $(#[$doc])*
        #[inline(always)]
        pub(crate) fn $name(op: u8, a: $unsigned, b: $unsigned) -> $unsigned {
            match op {
                ADD => a.wrapping_add(b),
                SUB => a.wrapping_sub(b),
                MUL => a.wrapping_mul(b),
                DIV => a.checked_div(b).unwrap_or(0),
                SDIV if b == 0 => 0,
                SDIV => (a as $signed).wrapping_div(b as $signed) as $unsigned,
                OR => a | b,
                AND => a & b,
                LSH => a << (b & $mask),
                RSH => a >> (b & $mask),
                MOD => a.checked_rem(b).unwrap_or(a),
                SMOD if b == 0 => a,
                SMOD => (a as $signed).wrapping_rem(b as $signed) as $unsigned,
                XOR => a ^ b,
                MOV => b,
                // Arsh, the only one left.
                _ => ((a as $signed) >> (b & $mask)) as $unsigned,
            }
        }
    };
}

alu! {
    /// 64-bit arithmetic. Division by zero gives 0, remainder by zero the dividend.
    alu64: u64 as i64, shifts by 63
}
alu! {
    /// 32-bit arithmetic, otherwise as [`alu64`].
    alu32: u32 as i32, shifts by 31
}

/// Two-operand arithmetic: which, whether on 64 bits, whether with an immediate.
pub(crate) struct Alu<const OP: u8, const WIDE: bool, const IMM: bool>;

impl<const OP: u8, const WIDE: bool, const IMM: bool> Unit for Alu<OP, WIDE, IMM> {
    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        let a = if OP == MOV { 0 } else { cx.a() };
        let b = if IMM { cx.imm() } else { cx.b() };
        cx.set_a(if WIDE { alu64(OP, a, b) } else { u64::from(alu32(OP, a as u32, b as u32)) });
        Ok(())
    }
}

/// `dst = -dst`.
pub(crate) struct Neg<const WIDE: bool>;

impl<const WIDE: bool> Unit for Neg<WIDE> {
    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        let a = cx.a();
        cx.set_a(if WIDE { a.wrapping_neg() } else { u64::from((a as u32).wrapping_neg()) });
        Ok(())
    }
}

/// Sign-extends the low `BITS` of the source.
pub(crate) struct Movsx<const BITS: u32, const WIDE: bool>;

impl<const BITS: u32, const WIDE: bool> Unit for Movsx<BITS, WIDE> {
    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        let wide = ((cx.b() << (64 - BITS)) as i64 >> (64 - BITS)) as u64;
        cx.set_a(if WIDE { wide } else { u64::from(wide as u32) });
        Ok(())
    }
}

/// Keeps the low `BITS`: a byte-order instruction whose order is the machine's own.
pub(crate) struct Truncate<const BITS: u32>;

impl<const BITS: u32> Unit for Truncate<BITS> {
    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        cx.set_a(cx.a() & (u64::MAX >> (64 - BITS)));
        Ok(())
    }
}

/// Swaps the low `BITS` and clears the rest.
pub(crate) struct Swap<const BITS: u32>;

impl<const BITS: u32> Unit for Swap<BITS> {
    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        cx.set_a(cx.a().swap_bytes() >> (64 - BITS));
        Ok(())
    }
}

/// A constant that needs more than 32 bits: the upper half is in the next cell.
pub(crate) struct WideConst;

impl Unit for WideConst {
    const CELLS: usize = 2;

    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        cx.set_a(u64::from(cx.cell().imm as u32) | u64::from(cx.next_imm()) << 32);
        Ok(())
    }
}

/// A constant of 32 bits, zero-extended.
pub(crate) struct Const32;

impl Unit for Const32 {
    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        cx.set_a(u64::from(cx.cell().imm as u32));
        Ok(())
    }
}

/// `addr_space_cast` with an arena: the low 32 bits in the region whose number is the immediate; null stays null.
pub(crate) struct ArenaCast;

impl Unit for ArenaCast {
    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        let low = u64::from(cx.b() as u32);
        let base = u64::from(cx.cell().imm as u32) << 32;
        cx.set_a(if low == 0 { 0 } else { base | low });
        Ok(())
    }
}

/// What is done to a value on its way from cell to cell, all with the same destination.
pub(crate) trait Step {
    /// How many cells it takes.
    const CELLS: usize;

    /// The next value, and nothing else changed.
    fn step(cx: Cx, value: u64) -> u64;
}

impl<const OP: u8, const WIDE: bool, const IMM: bool> Step for Alu<OP, WIDE, IMM> {
    const CELLS: usize = 1;

    #[inline(always)]
    fn step(cx: Cx, value: u64) -> u64 {
        let b = if IMM { cx.imm() } else { cx.b() };
        if WIDE { alu64(OP, value, b) } else { u64::from(alu32(OP, value as u32, b as u32)) }
    }
}

/// One step after another.
pub(crate) struct Then<A, B>(PhantomData<(A, B)>);

impl<A: Step, B: Step> Step for Then<A, B> {
    const CELLS: usize = A::CELLS + B::CELLS;

    #[inline(always)]
    fn step(cx: Cx, value: u64) -> u64 {
        let value = A::step(cx, value);
        // SAFETY: the builder chooses chains only where their cells stand in a row.
        B::step(unsafe { cx.skip(A::CELLS) }, value)
    }
}

/// Steps on one destination, read before the first and written after the last. No later step reads it otherwise.
pub(crate) struct Chain<S>(PhantomData<S>);

impl<S: Step> Unit for Chain<S> {
    const CELLS: usize = S::CELLS;

    #[inline(always)]
    fn exec(cx: Cx) -> Result<(), Miss> {
        cx.set_a(S::step(cx, cx.a()));
        Ok(())
    }
}
