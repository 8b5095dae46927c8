//! Chance that can be repeated: SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).

/// The generator.
#[derive(Clone, Debug)]
pub struct Rng(u64);

/// Numbers at which arithmetic turns.
const EDGES: [u64; 16] = [
    0,
    1,
    2,
    7,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

impl Rng {
    /// The one of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.any() % n as u64) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these, which are not none.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A number of 64 bits, often one where arithmetic turns.
    pub fn word(&mut self) -> u64 {
        match self.below(4) {
            0 => self.any(),
            1 => self.any() >> self.below(64),
            _ => self.pick(&EDGES).wrapping_add(self.pick(&[0, 0, 1, u64::MAX])),
        }
    }
}
