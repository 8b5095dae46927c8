//! The assembler: writes rows of [`super::encode`] with their operands, and keeps track of where jumps lead.
//!
//! A conditional branch reaches a megabyte. Code may be longer: then all of it is made again with `far` set, where such
//! branches jump over an unconditional one, which reaches 128.

use super::encode::*;

/// A branch over code that is not written yet.
#[must_use]
pub(crate) struct Skip(usize);

/// Machine code in the making.
#[derive(Default)]
pub(crate) struct Asm {
    pub(crate) code: Vec<u8>,
    /// Branches take the long way.
    pub(crate) far: bool,
    /// A jump did not reach.
    pub(crate) overflow: bool,
}

fn r(reg: Gpr, at: u32) -> u32 {
    u32::from(reg.0) << at
}

fn signed(value: i32, bits: u32, at: u32) -> u32 {
    debug_assert!((-1 << (bits - 1)..1 << (bits - 1)).contains(&value), "{value} in {bits} bits");
    (value as u32 & ((1 << bits) - 1)) << at
}

impl Asm {
    pub(crate) fn here(&self) -> usize {
        self.code.len()
    }

    pub(crate) fn word(&mut self, word: u32) {
        self.code.extend_from_slice(&word.to_le_bytes());
    }

    /// d, n, m.
    pub(crate) fn rrr(&mut self, enc: Enc, w: W, d: Gpr, n: Gpr, m: Gpr) {
        self.word(enc.of(w) | r(d, 0) | r(n, 5) | r(m, 16));
    }

    /// d, n, m, a.
    pub(crate) fn rrrr(&mut self, enc: Enc, w: W, (d, n, m, a): (Gpr, Gpr, Gpr, Gpr)) {
        self.word(enc.of(w) | r(d, 0) | r(n, 5) | r(m, 16) | r(a, 10));
    }

    /// d, n.
    pub(crate) fn rr(&mut self, enc: Enc, w: W, d: Gpr, n: Gpr) {
        self.word(enc.of(w) | r(d, 0) | r(n, 5));
    }

    /// d, n, twelve bits, whether they are shifted by twelve.
    pub(crate) fn imm12(&mut self, enc: Enc, w: W, (d, n): (Gpr, Gpr), imm: u32, shifted: bool) {
        debug_assert!(imm < 1 << 12);
        self.word(enc.of(w) | r(d, 0) | r(n, 5) | imm << 10 | u32::from(shifted) << 22);
    }

    /// d, n, what [`pattern`] gave.
    pub(crate) fn logic(&mut self, enc: Enc, w: W, (d, n): (Gpr, Gpr), pattern: u32) {
        self.word(enc.of(w) | r(d, 0) | r(n, 5) | pattern << 10);
    }

    /// d, sixteen bits, the quarter of the register that they go to.
    pub(crate) fn movw(&mut self, enc: Enc, w: W, d: Gpr, imm: u16, quarter: u32) {
        self.word(enc.of(w) | r(d, 0) | u32::from(imm) << 5 | quarter << 21);
    }

    /// d, n, `immr`, `imms`.
    pub(crate) fn bitfield(&mut self, enc: Enc, w: W, (d, n): (Gpr, Gpr), first: u32, last: u32) {
        let wide = u32::from(w == W::X) << 22;
        self.word(enc.of(w) | wide | r(d, 0) | r(n, 5) | first << 16 | last << 10);
    }

    /// `d = cc ? n : m`.
    pub(crate) fn select(&mut self, w: W, d: Gpr, (n, m): (Gpr, Gpr), cc: Cc) {
        self.word(CSEL.of(w) | r(d, 0) | r(n, 5) | r(m, 16) | u32::from(cc.0) << 12);
    }

    /// t, `[n, #off]`, of rows that scale.
    pub(crate) fn at(&mut self, enc: Enc, t: Gpr, n: Gpr, off: u32) {
        let Form::Scaled(scale) = enc.form else { unreachable!("{enc:?} does not scale") };
        debug_assert!(off.is_multiple_of(1 << scale) && off >> scale < 1 << 12, "{off}");
        self.word(enc.bits | r(t, 0) | r(n, 5) | off >> scale << 10);
    }

    /// t, `[n, #off]`, of rows with nine bits: also those that change n.
    pub(crate) fn near(&mut self, enc: Enc, t: Gpr, n: Gpr, off: i32) {
        self.word(enc.bits | r(t, 0) | r(n, 5) | signed(off, 9, 12));
    }

    /// t, `[n, m]`.
    pub(crate) fn sum(&mut self, enc: Enc, t: Gpr, n: Gpr, m: Gpr) {
        self.word(enc.bits | r(t, 0) | r(n, 5) | r(m, 16));
    }

    /// t, u, `[n, #off]`.
    pub(crate) fn pair(&mut self, enc: Enc, (t, u): (Gpr, Gpr), n: Gpr, off: i32) {
        debug_assert!(off % 8 == 0);
        self.word(enc.bits | r(t, 0) | r(u, 10) | r(n, 5) | signed(off / 8, 7, 15));
    }

    /// n.
    pub(crate) fn reg(&mut self, enc: Enc, n: Gpr) {
        self.word(enc.bits | r(n, 5));
    }

    /// t, `[n]`.
    pub(crate) fn ordered(&mut self, enc: Enc, w: W, t: Gpr, n: Gpr) {
        self.word(enc.of(w) | r(t, 0) | r(n, 5));
    }

    /// s, t, `[n]`.
    pub(crate) fn atomic(&mut self, enc: Enc, w: W, (s, t): (Gpr, Gpr), n: Gpr) {
        self.word(enc.of(w) | r(s, 16) | r(t, 0) | r(n, 5));
    }

    /// `mov d, n` of 64 bits; nothing if they are the same. Neither is the stack pointer.
    pub(crate) fn mov(&mut self, d: Gpr, n: Gpr) {
        if d != n {
            self.rrr(ORR_R, W::X, d, ZR, n);
        }
    }

    /// `mov wd, wn`: the upper half becomes zero.
    pub(crate) fn mov_w(&mut self, d: Gpr, n: Gpr) {
        self.rrr(ORR_R, W::W, d, ZR, n);
    }

    /// Loads a constant in few words. Flags stay.
    pub(crate) fn constant(&mut self, d: Gpr, value: u64) {
        let narrow = value <= u64::from(u32::MAX);
        let w = if narrow { W::W } else { W::X };
        let quarters = if narrow { 2 } else { 4 };
        let quarter = |n: u32| (value >> (16 * n)) as u16;
        let zeros = (0..quarters).filter(|n| quarter(*n) == 0).count();
        let ones = (0..quarters).filter(|n| quarter(*n) == u16::MAX).count();
        let left = quarters as usize - zeros.max(ones);
        if left > 1
            && let Some(pattern) = pattern(value, w)
        {
            return self.logic(ORR_I, w, (d, ZR), pattern);
        }
        let (first, rest) = if ones > zeros { (MOVN, u16::MAX) } else { (MOVZ, 0) };
        let mut begun = false;
        for n in (0..quarters).filter(|n| quarter(*n) != rest) {
            match begun {
                false => self.movw(first, w, d, quarter(n) ^ rest, n),
                true => self.movw(MOVK, w, d, quarter(n), n),
            }
            begun = true;
        }
        if !begun {
            self.movw(first, w, d, 0, 0);
        }
    }

    /// `d = n + value`, by a row of immediates or through x17, which neither is.
    pub(crate) fn add(&mut self, w: W, d: Gpr, n: Gpr, value: i64) {
        self.add_with((ADD_I, SUB_I, ADD_R), w, (d, n), value);
    }

    /// The same with flags.
    pub(crate) fn adds(&mut self, w: W, d: Gpr, n: Gpr, value: i64) {
        self.add_with((ADDS_I, SUBS_I, ADDS_R), w, (d, n), value);
    }

    /// Compares n with a constant, as subtraction sets flags.
    pub(crate) fn compare(&mut self, w: W, n: Gpr, value: i64) {
        self.add_with((SUBS_I, ADDS_I, SUBS_R), w, (ZR, n), value);
    }

    fn add_with(&mut self, (add, sub, by_reg): (Enc, Enc, Enc), w: W, at: (Gpr, Gpr), value: i64) {
        let (enc, size) = if value < 0 { (sub, value.unsigned_abs()) } else { (add, value as u64) };
        match size {
            0..0x1000 => self.imm12(enc, w, at, size as u32, false),
            0x1000..0x100_0000 if size & 0xfff == 0 => self.imm12(enc, w, at, (size >> 12) as u32, true),
            _ => {
                let value = if w == W::W { u64::from(value as u32) } else { value as u64 };
                self.constant(X17, value);
                self.rrr(by_reg, w, at.0, at.1, X17);
            }
        }
    }

    /// `d = n << by`.
    pub(crate) fn shift_left(&mut self, w: W, d: Gpr, n: Gpr, by: u32) {
        let bits = if w == W::X { 64 } else { 32 };
        self.bitfield(UBFM, w, (d, n), (bits - by) % bits, bits - 1 - by);
    }

    /// `d = n >> by`, zeros or signs coming in.
    pub(crate) fn shift_right(&mut self, enc: Enc, w: W, d: Gpr, n: Gpr, by: u32) {
        self.bitfield(enc, w, (d, n), by, if w == W::X { 63 } else { 31 });
    }

    /// `b` to a place that [`Asm::patch`] fills in; gives where.
    pub(crate) fn b(&mut self) -> usize {
        self.word(B.bits);
        self.here() - 4
    }

    /// `bl` of a place that [`Asm::patch`] fills in.
    pub(crate) fn bl(&mut self) -> usize {
        self.word(BL.bits);
        self.here() - 4
    }

    /// A conditional branch to any place, which [`Asm::patch`] fills in.
    pub(crate) fn b_cond(&mut self, cc: Cc) -> usize {
        match self.far {
            false => self.short(cc),
            true => {
                let over = self.short(cc.inverse());
                let at = self.b();
                self.land(Skip(over));
                at
            }
        }
    }

    fn short(&mut self, cc: Cc) -> usize {
        self.word(B_COND.bits | u32::from(cc.0));
        self.here() - 4
    }

    /// A branch to any place if a register is zero, or is not; [`Asm::patch`] fills in where.
    pub(crate) fn b_zero(&mut self, w: W, t: Gpr, zero: bool) -> usize {
        if self.far {
            let over = self.skip_zero(w, t, !zero);
            let at = self.b();
            self.land(over);
            return at;
        }
        self.skip_zero(w, t, zero).0
    }

    /// A short branch forward.
    pub(crate) fn skip_if(&mut self, cc: Cc) -> Skip {
        Skip(self.short(cc))
    }

    /// A short branch forward if a register is zero, or is not.
    pub(crate) fn skip_zero(&mut self, w: W, t: Gpr, zero: bool) -> Skip {
        self.word(if zero { CBZ.of(w) } else { CBNZ.of(w) } | r(t, 0));
        Skip(self.here() - 4)
    }

    /// A jump forward, always.
    pub(crate) fn skip(&mut self) -> Skip {
        Skip(self.b())
    }

    /// Where a branch leads.
    pub(crate) fn land(&mut self, skip: Skip) {
        self.patch(skip.0, self.here());
    }

    /// Makes a short branch lead back.
    pub(crate) fn land_at(&mut self, skip: Skip, target: usize) {
        self.patch(skip.0, target);
    }

    /// `adr d, #0`: where this very word is.
    pub(crate) fn adr(&mut self, d: Gpr) {
        self.word(ADR.bits | r(d, 0));
    }

    /// Makes the jump at `at` lead to `target`.
    pub(crate) fn patch(&mut self, at: usize, target: usize) {
        let distance = (target as i64 - at as i64) / 4;
        let mut word = [0; 4];
        word.copy_from_slice(&self.code[at..at + 4]);
        let word = u32::from_le_bytes(word);
        let (bits, shift) = if B.is(word) || BL.is(word) { (26, 0) } else { (19, 5) };
        if !(-1i64 << (bits - 1)..1i64 << (bits - 1)).contains(&distance) {
            self.overflow = true;
            return;
        }
        let word = word | (distance as u32 & ((1 << bits) - 1)) << shift;
        self.code[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
}
