//! Chance that can be repeated: the generators of programs draw from it, and a seed gives one program for ever.

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`, which may not be 0.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        (self.next() % u64::from(n.max(1))) as u32
    }

    /// A number from `from` up to but not including `to`.
    pub(crate) fn within(&mut self, from: i32, to: i32) -> i32 {
        from + self.below(to.saturating_sub(from).max(1) as u32) as i32
    }

    pub(crate) fn percent(&mut self, p: u32) -> bool {
        self.below(100) < p
    }

    pub(crate) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u32) as usize]
    }

    /// A constant: small, a power of two or one less, or anything.
    pub(crate) fn imm(&mut self) -> i32 {
        match self.below(10) {
            0..4 => self.below(16) as i32,
            4 => self.within(-16, 16),
            5 => 1 << self.below(31),
            6 => ((1_u64 << self.below(32)) - 1) as i32,
            7 => -1,
            8 => self.next() as i32,
            _ => self.below(1024) as i32,
        }
    }
}
