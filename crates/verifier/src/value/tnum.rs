//! Tristate numbers: what is known of each bit of a value.
//!
//! A tnum stands for every `x` with `x & !mask == value`. Invariant: `value & mask == 0`.
//! Prior art: Vishwanathan et al., "Sound, Precise, and Fast Abstract Interpretation with Tristate
//! Numbers" (CGO 2022), which also proves addition and subtraction optimal.

/// Known and unknown bits of a 64-bit value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tnum {
    /// The known bits; zero where unknown.
    pub value: u64,
    /// One where a bit is unknown.
    pub mask: u64,
}

impl Tnum {
    /// Nothing known.
    pub const UNKNOWN: Self = Self { value: 0, mask: u64::MAX };

    /// Everything known.
    pub const fn constant(value: u64) -> Self {
        Self { value, mask: 0 }
    }

    const fn new(value: u64, mask: u64) -> Self {
        Self { value: value & !mask, mask }
    }

    /// The least tnum that holds all of `min..=max`.
    pub const fn range(min: u64, max: u64) -> Self {
        let chi = min ^ max;
        let bits = 64 - chi.leading_zeros();
        if bits > 63 {
            return Self::UNKNOWN;
        }
        let delta = (1 << bits) - 1;
        Self { value: min & !delta, mask: delta }
    }

    /// Whether every bit is known.
    pub const fn is_const(self) -> bool {
        self.mask == 0
    }

    /// Whether it is exactly this value.
    pub const fn equals(self, value: u64) -> bool {
        self.mask == 0 && self.value == value
    }

    /// Whether nothing is known.
    pub const fn is_unknown(self) -> bool {
        self.mask == u64::MAX
    }

    /// Whether `x` is one of the values.
    pub const fn contains(self, x: u64) -> bool {
        x & !self.mask == self.value
    }

    /// Whether every value of `inner` is one of ours.
    pub const fn includes(self, inner: Self) -> bool {
        inner.mask & !self.mask == 0 && inner.value & !self.mask == self.value
    }

    /// Least and greatest value, unsigned.
    pub const fn bounds(self) -> (u64, u64) {
        (self.value, self.value | self.mask)
    }

    /// The least value above `z`; the least of all if `z` is below it, the greatest if none is above.
    pub const fn step(self, z: u64) -> u64 {
        let (min, max) = self.bounds();
        if z >= max {
            return max;
        }
        if z < min {
            return min;
        }
        // Where the distance from the least value has a bit that is not ours to choose, everything
        // below it has to roll over; then one is added to the bits that are ours.
        let d = z - min;
        let foreign = d & !self.mask;
        let low = if foreign == 0 { 0 } else { u64::MAX >> foreign.leading_zeros() };
        min | ((d | low | !self.mask).wrapping_add(1) & self.mask)
    }

    /// `self + b`.
    pub const fn add(self, b: Self) -> Self {
        let sm = self.mask.wrapping_add(b.mask);
        let sv = self.value.wrapping_add(b.value);
        let chi = sm.wrapping_add(sv) ^ sv;
        Self::new(sv, chi | self.mask | b.mask)
    }

    /// `self - b`.
    pub const fn sub(self, b: Self) -> Self {
        let dv = self.value.wrapping_sub(b.value);
        let chi = dv.wrapping_add(self.mask) ^ dv.wrapping_sub(b.mask);
        Self::new(dv, chi | self.mask | b.mask)
    }

    /// `-self`.
    pub const fn neg(self) -> Self {
        Self::constant(0).sub(self)
    }

    /// `self & b`.
    pub const fn and(self, b: Self) -> Self {
        let alpha = self.value | self.mask;
        let beta = b.value | b.mask;
        let v = self.value & b.value;
        Self { value: v, mask: alpha & beta & !v }
    }

    /// `self | b`.
    pub const fn or(self, b: Self) -> Self {
        let v = self.value | b.value;
        Self { value: v, mask: (self.mask | b.mask) & !v }
    }

    /// `self ^ b`.
    pub const fn xor(self, b: Self) -> Self {
        Self::new(self.value ^ b.value, self.mask | b.mask)
    }

    /// `self << n`.
    pub const fn lsh(self, n: u32) -> Self {
        Self { value: self.value << n, mask: self.mask << n }
    }

    /// `self >> n`, logical.
    pub const fn rsh(self, n: u32) -> Self {
        Self { value: self.value >> n, mask: self.mask >> n }
    }

    /// `self >> n`, arithmetic, in 32 or 64 bits.
    pub const fn arsh(self, n: u32, bits: u32) -> Self {
        if bits == 32 {
            Self {
                value: ((self.value as i32) >> n) as u32 as u64,
                mask: ((self.mask as i32) >> n) as u32 as u64,
            }
        } else {
            Self { value: ((self.value as i64) >> n) as u64, mask: ((self.mask as i64) >> n) as u64 }
        }
    }

    /// `self * b`, by long multiplication: an unknown bit of ours joins both outcomes.
    pub const fn mul(self, mut b: Self) -> Self {
        let mut a = self;
        let mut acc = Self::constant(0);
        while a.value != 0 || a.mask != 0 {
            if a.value & 1 == 1 {
                acc = acc.add(b);
            } else if a.mask & 1 == 1 {
                acc = acc.union(acc.add(b));
            }
            a = a.rsh(1);
            b = b.lsh(1);
        }
        acc
    }

    /// What both agree on.
    pub const fn union(self, b: Self) -> Self {
        Self::new(self.value & b.value, (self.value ^ b.value) | self.mask | b.mask)
    }

    /// What is known from either; meaningless if they contradict (see [`Tnum::overlaps`]).
    pub const fn intersect(self, b: Self) -> Self {
        Self::new(self.value | b.value, self.mask & b.mask)
    }

    /// Whether some value is in both.
    pub const fn overlaps(self, b: Self) -> bool {
        let known = !(self.mask | b.mask);
        self.value & known == b.value & known
    }

    /// The low `size` bytes, zero-extended.
    pub const fn cast(self, size: usize) -> Self {
        if size >= 8 {
            return self;
        }
        let m = (1u64 << (size * 8)) - 1;
        Self { value: self.value & m, mask: self.mask & m }
    }

    /// The low `size` bytes in reverse order, zero-extended.
    pub const fn swap_bytes(self, size: usize) -> Self {
        let shift = 64 - size as u32 * 8;
        Self { value: self.value.swap_bytes() >> shift, mask: self.mask.swap_bytes() >> shift }
    }

    /// The low 32 bits.
    pub const fn subreg(self) -> Self {
        self.cast(4)
    }

    /// The high 32 bits, low ones zero.
    pub const fn clear_subreg(self) -> Self {
        Self { value: self.value & !0xffff_ffff, mask: self.mask & !0xffff_ffff }
    }

    /// Our high half with the low half of `low`.
    pub const fn with_subreg(self, low: Self) -> Self {
        let (h, l) = (self.clear_subreg(), low.subreg());
        Self { value: h.value | l.value, mask: h.mask | l.mask }
    }

    /// Whether every value is a multiple of `size` (a power of two, or 0 and 1 for no demand).
    pub const fn is_aligned(self, size: u64) -> bool {
        size == 0 || (self.value | self.mask) & (size - 1) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All tnums of `bits` bits.
    fn all(bits: u32) -> impl Iterator<Item = Tnum> {
        let n = 1u64 << bits;
        (0..n).flat_map(move |mask| {
            (0..n).filter(move |v| v & mask == 0).map(move |value| Tnum { value, mask })
        })
    }

    fn members(t: Tnum, bits: u32) -> impl Iterator<Item = u64> {
        (0..1u64 << bits).filter(move |x| t.contains(*x))
    }

    #[test]
    fn binary_operations_are_sound_at_four_bits() {
        type Case = (&'static str, fn(Tnum, Tnum) -> Tnum, fn(u64, u64) -> u64);
        let ops: [Case; 6] = [
            ("add", Tnum::add, |a, b| a.wrapping_add(b)),
            ("sub", Tnum::sub, |a, b| a.wrapping_sub(b)),
            ("and", Tnum::and, |a, b| a & b),
            ("or", Tnum::or, |a, b| a | b),
            ("xor", Tnum::xor, |a, b| a ^ b),
            ("mul", Tnum::mul, |a, b| a.wrapping_mul(b)),
        ];
        for (name, abs, conc) in ops {
            for a in all(4) {
                for b in all(4) {
                    let t = abs(a, b);
                    assert_eq!(t.value & t.mask, 0, "{name} breaks the invariant on {a:?} {b:?}");
                    for x in members(a, 4) {
                        for y in members(b, 4) {
                            assert!(t.contains(conc(x, y)), "{name}: {a:?} {b:?} misses {x} {y}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn range_is_the_least_tnum() {
        for lo in 0..64u64 {
            for hi in lo..64 {
                let t = Tnum::range(lo, hi);
                assert!((lo..=hi).all(|x| t.contains(x)));
            }
        }
        assert_eq!(Tnum::range(0, u64::MAX), Tnum::UNKNOWN);
    }

    #[test]
    fn step_is_the_next_member() {
        for t in all(6) {
            for z in 0..64 {
                let (min, max) = t.bounds();
                let next = members(t, 6).find(|x| *x > z).unwrap_or(max);
                assert_eq!(t.step(z), if z < min { min } else { next }, "{t:?} {z}");
            }
        }
    }

    #[test]
    fn union_and_intersection_hold_members() {
        for a in all(4) {
            for b in all(4) {
                let u = a.union(b);
                assert!(members(a, 4).chain(members(b, 4)).all(|x| u.contains(x)));
                let both = members(a, 4).filter(|x| b.contains(*x)).count();
                assert_eq!(a.overlaps(b), both > 0);
                if both > 0 {
                    assert_eq!(members(a.intersect(b), 4).count(), both);
                }
            }
        }
    }
}
