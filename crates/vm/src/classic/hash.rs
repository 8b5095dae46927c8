//! Sets of words that one comparison decides: perfect hashing by displacement.
//!
//! A word's bucket is the upper bits of its product with one multiplier; each bucket has a multiplier of its own, found by
//! trying, under which the words of all buckets fall into slots of their own. A word is in the set if it stands in its slot.
//!
//! Prior art: "hash, displace and compress" (Belazzougui, Botelho, Dietzfelbinger 2009); multiply-shift (Dietzfelbinger
//! et al. 1997).

/// A set of words, none of which is 0.
pub(super) struct PerfectHash {
    /// What finds the bucket.
    pub(super) multiplier: u32,
    /// By how much products are shifted to the right: to a bucket, and to a slot. Both lie from 1 to 31.
    pub(super) shifts: [u8; 2],
    /// The buckets' multipliers, then the slots.
    pub(super) table: Box<[u32]>,
}

/// How many multipliers are tried for one bucket, and how many for buckets.
const TRIES: u32 = 4096;
const STARTS: u32 = 8;

impl PerfectHash {
    /// Of words that differ from each other and from 0; none if the tries do not suffice, or there are no words.
    pub(super) fn new(words: &[u32]) -> Option<Self> {
        let first = *words.first()?;
        let slots = (words.len() + words.len() / 4).next_power_of_two().max(8);
        let buckets = (words.len() / 4).next_power_of_two().max(2);
        let shifts = [32 - buckets.ilog2() as u8, 32 - slots.ilog2() as u8];
        let mut odd = Odd(0);
        (0..STARTS).find_map(|_| {
            // Slots that stay free hold a word that belongs elsewhere.
            let mut table = vec![first; buckets + slots].into_boxed_slice();
            let multiplier = odd.draw();
            fill(words, multiplier, shifts, table.split_at_mut(buckets), &mut odd)?;
            Some(Self { multiplier, shifts, table })
        })
    }

    /// How many buckets there are: where slots begin.
    pub(super) fn buckets(&self) -> usize {
        1 << (32 - self.shifts[0])
    }

    /// Whether a word is in the set: what compiled code does.
    #[cfg(test)]
    pub(super) fn contains(&self, word: u32) -> bool {
        let bucket = word.wrapping_mul(self.multiplier) >> self.shifts[0];
        let slot = word.wrapping_mul(self.table[bucket as usize]) >> self.shifts[1];
        self.table[self.buckets() + slot as usize] == word
    }
}

/// Finds a multiplier for each bucket, the fullest first.
fn fill(
    words: &[u32],
    multiplier: u32,
    shifts: [u8; 2],
    (multipliers, slots): (&mut [u32], &mut [u32]),
    odd: &mut Odd,
) -> Option<()> {
    let bucket = |word: u32| (word.wrapping_mul(multiplier) >> shifts[0]) as usize;
    let mut sorted = words.to_vec();
    sorted.sort_unstable_by_key(|&word| bucket(word));
    let mut groups: Vec<&[u32]> = sorted.chunk_by(|&a, &b| bucket(a) == bucket(b)).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let mut taken = vec![false; slots.len()];
    let mut places = Vec::new();
    for group in groups {
        let found = (0..TRIES).find_map(|_| {
            let own = odd.draw();
            places.clear();
            places.extend(group.iter().map(|word| (word.wrapping_mul(own) >> shifts[1]) as usize));
            let fits = places.iter().enumerate().all(|(i, at)| !taken[*at] && !places[..i].contains(at));
            fits.then_some(own)
        })?;
        multipliers[bucket(group[0])] = found;
        for (&word, &at) in group.iter().zip(&places) {
            taken[at] = true;
            slots[at] = word;
        }
    }
    Some(())
}

/// Odd numbers, the same each time (SplitMix64, by Steele, Lea and Flood).
struct Odd(u64);

impl Odd {
    fn draw(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 32) as u32 | 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_is_found_and_nothing_else() {
        let mut odd = Odd(1);
        for count in [1, 2, 3, 9, 100, 1000, 4096] {
            let random: Vec<u32> = (0..count).map(|_| odd.draw()).collect();
            let neighbours: Vec<u32> = (0..count).map(|n| 0x0a00_0001 + n).collect();
            let apart: Vec<u32> = (0..count).map(|n| (n + 1) << 16).collect();
            for words in [random, neighbours, apart] {
                let set = std::collections::BTreeSet::from_iter(&words);
                let hash = PerfectHash::new(&Vec::from_iter(set.iter().map(|w| **w))).expect("a hash");
                let near = words.iter().flat_map(|w| [*w, w.wrapping_add(1), w.wrapping_sub(1), w ^ 0x8000]);
                for word in near.chain([0, 1, u32::MAX]).chain((0..1000).map(|_| odd.draw())) {
                    assert_eq!(hash.contains(word), set.contains(&word), "{word:#x} of {count}");
                }
            }
        }
        assert!(PerfectHash::new(&[]).is_none());
    }
}
