//! Ranges and known bits of one number, and the deduction between them.

use super::Tnum;

/// What is known of a 64-bit value and of its low half.
///
/// Freshly made scalars are consistent; while a dead branch is explored, a minimum may exceed its
/// maximum, and what is known is forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Scalar {
    /// Known bits.
    pub var: Tnum,
    /// Least signed value.
    pub smin: i64,
    /// Greatest signed value.
    pub smax: i64,
    /// Least unsigned value.
    pub umin: u64,
    /// Greatest unsigned value.
    pub umax: u64,
    /// Least signed value of the low half.
    pub s32_min: i32,
    /// Greatest signed value of the low half.
    pub s32_max: i32,
    /// Least unsigned value of the low half.
    pub u32_min: u32,
    /// Greatest unsigned value of the low half.
    pub u32_max: u32,
}

const LOW: u64 = u32::MAX as u64;

impl Scalar {
    /// Nothing known.
    pub const UNKNOWN: Self = Self {
        var: Tnum::UNKNOWN,
        smin: i64::MIN,
        smax: i64::MAX,
        umin: 0,
        umax: u64::MAX,
        s32_min: i32::MIN,
        s32_max: i32::MAX,
        u32_min: 0,
        u32_max: u32::MAX,
    };

    /// Exactly this value.
    pub const fn constant(v: u64) -> Self {
        Self {
            var: Tnum::constant(v),
            smin: v as i64,
            smax: v as i64,
            umin: v,
            umax: v,
            s32_min: v as i32,
            s32_max: v as i32,
            u32_min: v as u32,
            u32_max: v as u32,
        }
    }

    /// Whether one 64-bit value remains.
    pub const fn is_const(&self) -> bool {
        self.var.is_const()
    }

    /// Whether one value of the low half remains.
    pub const fn is_const32(&self) -> bool {
        self.var.subreg().is_const()
    }

    /// The one value of this width, if only one remains.
    pub const fn const_value(&self, wide: bool) -> Option<u64> {
        let t = if wide { self.var } else { self.var.subreg() };
        if t.is_const() { Some(t.value) } else { None }
    }

    /// Whether the concrete value agrees with every part.
    pub const fn contains(&self, v: u64) -> bool {
        self.var.contains(v)
            && self.smin <= v as i64
            && v as i64 <= self.smax
            && self.umin <= v
            && v <= self.umax
            && self.s32_min <= v as i32
            && v as i32 <= self.s32_max
            && self.u32_min <= v as u32
            && v as u32 <= self.u32_max
    }

    /// Whether every range of `inner` lies in ours, and its bits in our bits.
    pub const fn includes(&self, inner: &Self) -> bool {
        self.ranges_include(inner) && self.var.includes(inner.var)
    }

    /// Whether every range of `inner` lies in ours.
    pub const fn ranges_include(&self, inner: &Self) -> bool {
        self.umin <= inner.umin
            && self.umax >= inner.umax
            && self.smin <= inner.smin
            && self.smax >= inner.smax
            && self.u32_min <= inner.u32_min
            && self.u32_max >= inner.u32_max
            && self.s32_min <= inner.s32_min
            && self.s32_max >= inner.s32_max
    }

    /// The least that holds both, part by part.
    #[must_use]
    pub(crate) fn union(&self, b: &Self) -> Self {
        Self {
            var: self.var.union(b.var),
            smin: self.smin.min(b.smin),
            smax: self.smax.max(b.smax),
            umin: self.umin.min(b.umin),
            umax: self.umax.max(b.umax),
            s32_min: self.s32_min.min(b.s32_min),
            s32_max: self.s32_max.max(b.s32_max),
            u32_min: self.u32_min.min(b.u32_min),
            u32_max: self.u32_max.max(b.u32_max),
        }
    }

    /// Forgets the 64-bit ranges, not the bits.
    pub(crate) const fn unbound64(&mut self) {
        self.smin = i64::MIN;
        self.smax = i64::MAX;
        self.umin = 0;
        self.umax = u64::MAX;
    }

    /// Forgets the 32-bit ranges, not the bits.
    pub(crate) const fn unbound32(&mut self) {
        self.s32_min = i32::MIN;
        self.s32_max = i32::MAX;
        self.u32_min = 0;
        self.u32_max = u32::MAX;
    }

    /// Forgets all ranges, not the bits.
    pub(crate) const fn unbound(&mut self) {
        self.unbound64();
        self.unbound32();
    }

    /// Sets the low half to one value; the high bits stay.
    pub(crate) const fn set_const32(&mut self, v: u32) {
        self.var = self.var.with_subreg(Tnum::constant(v as u64));
        self.s32_min = v as i32;
        self.s32_max = v as i32;
        self.u32_min = v;
        self.u32_max = v;
    }

    /// Narrows the 32-bit ranges by the known bits.
    pub(crate) fn narrow32(&mut self) {
        let t = self.var.subreg();
        let (v, m) = (t.value as u32, t.mask as u32);
        self.s32_min = self.s32_min.max((v | (m & i32::MIN as u32)) as i32);
        self.s32_max = self.s32_max.min((v | (m & i32::MAX as u32)) as i32);
        self.u32_min = self.u32_min.max(v);
        self.u32_max = self.u32_max.min(v | m);
    }

    /// Narrows all ranges by the known bits.
    pub(crate) fn narrow(&mut self) {
        self.narrow32();
        let Tnum { value: v, mask: m } = self.var;
        self.smin = self.smin.max((v | (m & i64::MIN as u64)) as i64);
        self.smax = self.smax.min((v | (m & i64::MAX as u64)) as i64);
        self.umin = self.umin.max(v);
        self.umax = self.umax.min(v | m);
        if let Some(only) = self.only_member() {
            *self = Self::constant(only);
        }
    }

    /// The value that is left if the unsigned range holds a single one of those that the bits allow.
    fn only_member(&self) -> Option<u64> {
        let t = self.var;
        if t.is_unknown() || t.is_const() && self.umin == t.value && self.umax == t.value {
            return None;
        }
        let next = t.step(self.umin);
        if t.contains(self.umin) {
            (next > self.umax).then_some(self.umin)
        } else if next == t.bounds().1 {
            Some(next)
        } else {
            (next <= self.umax && t.step(next) > self.umax).then_some(next)
        }
    }

    /// 32-bit ranges from the 64-bit ones and from each other.
    fn deduce32(&mut self) {
        let clamp_s = |s: &mut Self, lo: i32, hi: i32| {
            s.s32_min = s.s32_min.max(lo);
            s.s32_max = s.s32_max.min(hi);
        };
        // The same high half at both ends: the low halves are ordered like the whole.
        if self.umin >> 32 == self.umax >> 32 {
            let (lo, hi) = (self.umin as u32, self.umax as u32);
            self.u32_min = self.u32_min.max(lo);
            self.u32_max = self.u32_max.min(hi);
            if lo as i32 <= hi as i32 {
                clamp_s(self, lo as i32, hi as i32);
            }
        }
        if self.smin >> 32 == self.smax >> 32 {
            let (lo, hi) = (self.smin as u32, self.smax as u32);
            if lo <= hi {
                self.u32_min = self.u32_min.max(lo);
                self.u32_max = self.u32_max.min(hi);
            }
            if lo as i32 <= hi as i32 {
                clamp_s(self, lo as i32, hi as i32);
            }
        }
        // High halves next to each other, the low half wrapping through zero: signed order holds.
        for (lo, hi) in [(self.umin, self.umax), (self.smin as u64, self.smax as u64)] {
            let next = ((lo >> 32) as u32).wrapping_add(1) == (hi >> 32) as u32;
            if next && (lo as i32) < 0 && hi as i32 >= 0 {
                clamp_s(self, lo as i32, hi as i32);
            }
        }
        if self.u32_min as i32 <= self.u32_max as i32 {
            let (lo, hi) = (self.u32_min as i32, self.u32_max as i32);
            clamp_s(self, lo, hi);
        }
        if self.s32_min as u32 <= self.s32_max as u32 {
            self.u32_min = self.u32_min.max(self.s32_min as u32);
            self.u32_max = self.u32_max.min(self.s32_max as u32);
        } else if self.u32_max < self.s32_min as u32 {
            // The signed range crosses zero, and only its non-negative part meets the unsigned one.
            self.s32_min = self.u32_min as i32;
            self.u32_max = self.u32_max.min(self.s32_max as u32);
        } else if (self.s32_max as u32) < self.u32_min {
            // ... or only its negative part.
            self.s32_max = self.u32_max as i32;
            self.u32_min = self.u32_min.max(self.s32_min as u32);
        }
    }

    /// 64-bit ranges from each other.
    fn deduce64(&mut self) {
        if self.umin as i64 <= self.umax as i64 {
            self.smin = self.smin.max(self.umin as i64);
            self.smax = self.smax.min(self.umax as i64);
        }
        if self.smin as u64 <= self.smax as u64 {
            self.umin = self.umin.max(self.smin as u64);
            self.umax = self.umax.min(self.smax as u64);
        } else if self.umax < self.smin as u64 {
            // The signed range crosses zero, and only its non-negative part meets the unsigned one.
            self.smin = self.umin as i64;
            self.umax = self.umax.min(self.smax as u64);
        } else if (self.smax as u64) < self.umin {
            // ... or only its negative part.
            self.smax = self.umax as i64;
            self.umin = self.umin.max(self.smin as u64);
        }
    }

    /// 64-bit ranges from the 32-bit ones.
    fn deduce_mixed(&mut self) {
        self.umin = self.umin.max(self.umin & !LOW | u64::from(self.u32_min));
        self.umax = self.umax.min(self.umax & !LOW | u64::from(self.u32_max));
        self.smin = self.smin.max((self.smin as u64 & !LOW | u64::from(self.u32_min)) as i64);
        self.smax = self.smax.min((self.smax as u64 & !LOW | u64::from(self.u32_max)) as i64);
        // A low half that is not negative, in a range of 32 bits' width: the high half is zero. The
        // kernel takes the low half's range over as it is, looser or not.
        if self.s32_min >= 0 && self.smin >= i64::from(i32::MIN) && self.smax <= i64::from(i32::MAX) {
            (self.smin, self.smax) = (self.s32_min.into(), self.s32_max.into());
            (self.umin, self.umax) = (self.smin as u64, self.smax as u64);
            self.var = self.var.intersect(Tnum::range(self.umin, self.umax));
        }
    }

    /// Known bits from the ranges.
    fn learn_bits(&mut self) {
        let wide = self.var.intersect(Tnum::range(self.umin, self.umax));
        let low = wide.subreg().intersect(Tnum::range(self.u32_min.into(), self.u32_max.into()));
        self.var = wide.clear_subreg().or(low);
    }

    /// Lets each part narrow the others. Three rounds are what the kernel does; more can gain more.
    pub(crate) fn sync(&mut self) {
        self.narrow();
        for _ in 0..3 {
            self.deduce32();
            self.deduce64();
            self.deduce_mixed();
        }
        self.learn_bits();
        self.narrow();
    }

    /// Whether the parts agree with each other; a dead branch can make them disagree.
    pub(crate) fn sane(&self) -> bool {
        let ordered = self.umin <= self.umax
            && self.smin <= self.smax
            && self.u32_min <= self.u32_max
            && self.s32_min <= self.s32_max;
        let const64 = !self.var.is_const()
            || (self.umin == self.var.value
                && self.umax == self.var.value
                && self.smin == self.var.value as i64
                && self.smax == self.var.value as i64);
        let low = self.var.subreg();
        let const32 = !low.is_const()
            || (self.u32_min == low.value as u32
                && self.u32_max == low.value as u32
                && self.s32_min == low.value as i32
                && self.s32_max == low.value as i32);
        ordered && const64 && const32
    }

    /// Zero-extends the low half into the whole: what every 32-bit operation ends with.
    pub(crate) fn zext32(&mut self) {
        self.var = self.var.subreg();
        self.umin = self.u32_min.into();
        self.umax = self.u32_max.into();
        if self.s32_min >= 0 {
            self.smin = self.s32_min.into();
            self.smax = self.s32_max.into();
        } else {
            self.smin = 0;
            self.smax = LOW as i64;
        }
    }

    /// Keeps the low `size` bytes, zero-extended: what a narrow load gives.
    pub(crate) fn truncate(&mut self, size: usize) {
        if size >= 8 {
            return;
        }
        self.var = self.var.cast(size);
        let mask = (1u64 << (size * 8)) - 1;
        if self.umin & !mask == self.umax & !mask {
            self.umin &= mask;
            self.umax &= mask;
        } else {
            self.umin = 0;
            self.umax = mask;
        }
        self.smin = self.umin as i64;
        self.smax = self.umax as i64;
        if size < 4 {
            self.unbound32();
        }
        self.sync();
    }

    /// Sign-extends the low `size` bytes to 64 bits.
    pub(crate) fn sign_extend(&mut self, size: usize) {
        if size >= 8 {
            return;
        }
        let shift = 64 - size as u32 * 8;
        let sext = |v: u64| ((v << shift) as i64) >> shift;
        if self.var.is_const() {
            *self = Self::constant(sext(self.var.value) as u64);
            return;
        }
        let bits = size as u32 * 8;
        if self.smax >> bits == self.smin >> bits {
            let (a, b) = (sext(self.smax as u64), sext(self.smin as u64));
            let (hi, lo) = (a.max(b), a.min(b));
            if (hi >= 0) == (lo >= 0) {
                self.smin = lo;
                self.smax = hi;
                self.umin = lo as u64;
                self.umax = hi as u64;
                self.s32_min = lo as i32;
                self.s32_max = hi as i32;
                self.u32_min = lo as u32;
                self.u32_max = hi as u32;
                self.var = Tnum::range(lo as u64, hi as u64);
                return;
            }
        }
        let hi = (1i64 << (bits - 1)) - 1;
        *self = Self { smin: -hi - 1, smax: hi, ..Self::UNKNOWN };
        self.s32_min = self.smin as i32;
        self.s32_max = self.smax as i32;
    }

    /// Sign-extends the low `size` bytes (1 or 2) to 32 bits; the caller zero-extends.
    pub(crate) fn sign_extend32(&mut self, size: usize) {
        let bits = size as u32 * 8;
        let shift = 32 - bits;
        let sext = |v: u32| ((v << shift) as i32) >> shift;
        if self.var.is_const() {
            let v = sext(self.var.value as u32);
            self.var = Tnum::constant(u64::from(v as u32));
            self.s32_min = v;
            self.s32_max = v;
            self.u32_min = v as u32;
            self.u32_max = v as u32;
            return;
        }
        if (self.s32_max as u32) >> bits == (self.s32_min as u32) >> bits {
            let (a, b) = (sext(self.s32_max as u32), sext(self.s32_min as u32));
            let (hi, lo) = (a.max(b), a.min(b));
            if (hi >= 0) == (lo >= 0) {
                self.s32_min = lo;
                self.s32_max = hi;
                self.u32_min = lo as u32;
                self.u32_max = hi as u32;
                self.var = Tnum::range(lo as i64 as u64, hi as i64 as u64).subreg();
                return;
            }
        }
        self.s32_max = (1 << (bits - 1)) - 1;
        self.s32_min = -self.s32_max - 1;
        self.u32_min = 0;
        self.u32_max = u32::MAX;
        self.var = Tnum::UNKNOWN.subreg();
    }
}
