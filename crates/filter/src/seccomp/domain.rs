//! What is known of one word of a call: ranges, and comparisons of some of its bits.

use skep_isa::classic::Cond;

/// A comparison of masked bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bits {
    mask: u32,
    cond: Cond,
    k: u32,
    holds: bool,
}

/// The values that a word may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Domain {
    /// Sorted, apart from each other, both ends included.
    ranges: Vec<(u32, u32)>,
    bits: Vec<Bits>,
}

/// The search for a value took too long.
#[derive(Debug)]
pub(super) struct GaveUp;

/// Prefixes that the search for a value looks at before it gives up.
const SEARCH: u32 = 1 << 16;

impl Domain {
    /// Any value.
    pub(super) fn any() -> Self {
        Self { ranges: vec![(0, u32::MAX)], bits: Vec::new() }
    }

    /// Those values for which `word & mask` compares so; none if there is no such value.
    pub(super) fn refine(&self, mask: u32, cond: Cond, k: u32, holds: bool) -> Result<Option<Self>, GaveUp> {
        let mut new = self.clone();
        match (mask, cond) {
            (u32::MAX, Cond::Eq) if holds => new.keep(k, k),
            (u32::MAX, Cond::Eq) => new.remove(k),
            (u32::MAX, Cond::Gt) => match (holds, k.checked_add(1)) {
                (true, Some(from)) => new.keep(from, u32::MAX),
                (true, None) => return Ok(None),
                (false, _) => new.keep(0, k),
            },
            (u32::MAX, Cond::Ge) => match (holds, k.checked_sub(1)) {
                (true, _) => new.keep(k, u32::MAX),
                (false, Some(to)) => new.keep(0, to),
                (false, None) => return Ok(None),
            },
            // A common bit is the same as: those bits are not zero.
            (_, Cond::Set) => new.bits.push(Bits { mask: mask & k, cond: Cond::Eq, k: 0, holds: !holds }),
            _ => new.bits.push(Bits { mask, cond, k, holds }),
        }
        Ok(new.value()?.map(|_| new))
    }

    /// A value, the least one.
    pub(super) fn value(&self) -> Result<Option<u32>, GaveUp> {
        if self.bits.is_empty() {
            return Ok(self.ranges.first().map(|r| r.0));
        }
        let mut fixed = Fixed::default();
        for bits in &self.bits {
            if !fixed.learn(bits) {
                return Ok(None);
            }
        }
        let mut budget = SEARCH;
        self.search(32, 0, &fixed, &mut budget)
    }

    /// Whether it may have this value.
    pub(super) fn contains(&self, value: u32) -> bool {
        let inside = self.ranges.iter().any(|&(from, to)| (from..=to).contains(&value));
        inside && self.bits.iter().all(|b| b.cond.holds(value & b.mask, b.k) == b.holds)
    }

    fn keep(&mut self, from: u32, to: u32) {
        self.ranges.retain_mut(|r| {
            *r = (r.0.max(from), r.1.min(to));
            r.0 <= r.1
        });
    }

    fn remove(&mut self, k: u32) {
        let Some(at) = self.ranges.iter().position(|&(from, to)| (from..=to).contains(&k)) else { return };
        let (from, to) = self.ranges.remove(at);
        if k < to {
            self.ranges.insert(at, (k + 1, to));
        }
        if from < k {
            self.ranges.insert(at, (from, k - 1));
        }
    }

    /// The least value whose bits above the `free` lowest are those of `prefix`.
    fn search(&self, free: u32, prefix: u32, fixed: &Fixed, budget: &mut u32) -> Result<Option<u32>, GaveUp> {
        *budget = budget.checked_sub(1).ok_or(GaveUp)?;
        let low = u32::MAX.checked_shr(32 - free).unwrap_or(0);
        let reaches = self.ranges.iter().any(|&(from, to)| from <= prefix | low && prefix <= to);
        let least = prefix | fixed.value & low;
        if !reaches || !self.bits.iter().all(|b| b.possible(least, least | low & !fixed.mask)) {
            return Ok(None);
        }
        let Some(bit) = free.checked_sub(1) else { return Ok(Some(prefix)) };
        for value in [0, 1] {
            let known = fixed.mask >> bit & 1 == 1;
            if known && fixed.value >> bit & 1 != value {
                continue;
            }
            if let Some(value) = self.search(bit, prefix | value << bit, fixed, budget)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

/// Bits that comparisons leave no choice: without them, two that contradict each other in a low bit would be tried on
/// every value above it.
#[derive(Default)]
struct Fixed {
    mask: u32,
    value: u32,
}

impl Fixed {
    /// Adds what a comparison fixes; false if that contradicts what is fixed.
    fn learn(&mut self, bits: &Bits) -> bool {
        let value = match (bits.cond, bits.holds) {
            (Cond::Eq, true) => bits.k,
            // One bit that is not this is the other.
            (Cond::Eq, false) if bits.mask.is_power_of_two() && bits.k & !bits.mask == 0 => {
                bits.k ^ bits.mask
            }
            _ => return true,
        };
        let agrees = value & !bits.mask == 0 && (value ^ self.value) & bits.mask & self.mask == 0;
        self.mask |= bits.mask;
        self.value |= value;
        agrees
    }
}

impl Bits {
    /// Whether a value between these two, whose low bits are free, may satisfy this alone.
    fn possible(&self, least: u32, last: u32) -> bool {
        let (low, high) = (least & self.mask, last & self.mask);
        let free = low ^ high;
        match (self.cond, self.holds) {
            (Cond::Eq, true) => (self.k ^ low) & !free == 0,
            (Cond::Eq, false) => free != 0 || low != self.k,
            (Cond::Gt, true) => high > self.k,
            (Cond::Gt, false) => low <= self.k,
            (Cond::Ge, true) => high >= self.k,
            (Cond::Ge, false) => low < self.k,
            (Cond::Set, true) => high & self.k != 0,
            (Cond::Set, false) => low & self.k == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small words, by brute force: the least value is found, and none where there is none.
    #[test]
    fn values_are_found_where_there_are_any() {
        let conds = [Cond::Eq, Cond::Gt, Cond::Ge, Cond::Set];
        let mut seed = 1u32;
        let mut next = |n: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % n
        };
        let mut empty = 0;
        for _ in 0..20_000 {
            let mut domain = Domain::any().refine(u32::MAX, Cond::Gt, 31, false).unwrap().unwrap();
            let mut wanted: Vec<u32> = (0..32).collect();
            for _ in 0..next(5) + 1 {
                let mask = if next(2) == 0 { u32::MAX } else { next(32) };
                let (cond, k, holds) = (conds[next(4) as usize], next(33), next(2) == 0);
                wanted.retain(|v| cond.holds(v & mask, k) == holds);
                match domain.refine(mask, cond, k, holds).unwrap() {
                    Some(new) => domain = new,
                    None => {
                        assert!(wanted.is_empty());
                        empty += 1;
                        break;
                    }
                }
                assert_eq!(domain.value().unwrap(), wanted.first().copied());
                assert!((0..40).all(|v| domain.contains(v) == wanted.contains(&v)));
            }
        }
        assert!(empty > 1000);
    }
}
