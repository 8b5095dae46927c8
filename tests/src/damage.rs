//! Damage: deterministic mutations of good input, so that a failure is named by a number.

/// xorshift64* (Vigna 2014): small, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

/// Numbers at which sizes, offsets and counts break.
const EDGES: [u64; 13] = [
    0,
    1,
    3,
    8,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x00ff_ffff,
    0x7fff_ffff,
    0xffff_ffff,
    i64::MAX as u64,
    u64::MAX,
];

impl Random {
    /// The sequence with this number.
    pub fn new(number: u64) -> Self {
        Self(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.draw() % n.max(1) as u64) as usize
    }
}

/// Damages `bytes` in one to six places: bits, bytes, words of edge values, other input of its own, its length.
pub fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    // Mostly light, so that what is read gets far.
    let most = [1, 1, 1, 2, 6][random.below(5)];
    for _ in 0..=random.below(most) {
        if bytes.is_empty() {
            return;
        }
        once(bytes, random);
    }
}

fn once(bytes: &mut Vec<u8>, random: &mut Random) {
    let len = bytes.len();
    // Headers are small and matter most.
    let at = if random.below(4) == 0 { random.below(len.min(64)) } else { random.below(len) };
    match random.below(16) {
        0..4 => bytes[at] ^= 1 << random.below(8),
        4..6 => bytes[at] = random.draw() as u8,
        6..10 => {
            let value = EDGES[random.below(EDGES.len())].to_le_bytes();
            let (at, width) = (at & !3, [2, 4, 8][random.below(3)]);
            let end = (at + width).min(len);
            bytes[at..end].copy_from_slice(&value[..end - at]);
        }
        10..12 => bytes[at] = bytes[at].wrapping_add(1),
        12..14 => {
            let from = random.below(len);
            let count = (1 + random.below(64)).min(len - from.max(at));
            bytes.copy_within(from..from + count, at);
        }
        14 => bytes.truncate(len - random.below(len)),
        _ => {
            let extra = bytes[at..(at + 32).min(len)].to_vec();
            bytes.splice(at..at, extra);
        }
    }
}
