//! Which element of an LRU map goes when room is needed.
//!
//! The kernel approximates least-recently-used with two lists and a reference bit that a program's lookup
//! sets; here it is the clock algorithm over slots with the same bit: a hand goes round, clears bits that are
//! set, and evicts the first element whose bit is not. Lookups through bpf(2) set no bit, as in the kernel.
//! Unlike the kernel, whose CPUs hoard free nodes, nothing is evicted before the map holds max_entries.

/// The hand and the bits.
#[derive(Default)]
pub(super) struct Clock {
    marks: Vec<Mark>,
    hand: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Free,
    Cold,
    /// Looked up since the hand last came by.
    Hot,
}

impl Clock {
    fn mark(&mut self, slot: u32, mark: Mark) {
        let slot = slot as usize;
        if slot >= self.marks.len() {
            self.marks.resize(slot + 1, Mark::Free);
        }
        self.marks[slot] = mark;
    }

    /// A slot was filled.
    pub(super) fn filled(&mut self, slot: u32) {
        self.mark(slot, Mark::Cold);
    }

    /// A slot was used by a program, or written again.
    pub(super) fn used(&mut self, slot: u32) {
        self.mark(slot, Mark::Hot);
    }

    /// A slot was given back.
    pub(super) fn freed(&mut self, slot: u32) {
        self.mark(slot, Mark::Free);
    }

    /// The first cold slot that the hand meets. Two rounds suffice: the first clears every bit.
    pub(super) fn coldest(&mut self) -> Option<u32> {
        for _ in 0..self.marks.len().saturating_mul(2) {
            let slot = self.hand;
            self.hand = (self.hand + 1) % self.marks.len() as u32;
            match self.marks[slot as usize] {
                Mark::Free => {}
                Mark::Hot => self.marks[slot as usize] = Mark::Cold,
                Mark::Cold => return Some(slot),
            }
        }
        None
    }
}
