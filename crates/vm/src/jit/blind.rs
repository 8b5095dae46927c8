//! Masks that keep a program's constants out of its machine code.
//!
//! Whoever writes a program writes constants into memory that may be run, and somebody who can jump into the middle of an
//! instruction could run those ("JIT spraying", Blazakis 2010). So they can be hidden: each is loaded as its exclusive or with a
//! mask that the program does not know, and put right again in a register. Linux does so with `bpf_jit_harden`.
//!
//! Hidden is what is given in immediates: of arithmetic, comparisons, stores, moves and wide loads. Not hidden are
//! counts of shifts, the sixteen bits of an access's offset, and distances between instructions.

/// Masks from a seed: SplitMix64 (Steele, Lea, Flood, 2014). Not for keys: whoever can see the code knows the constants anyway.
#[derive(Clone, Debug)]
pub(crate) struct Masks(u64);

impl Masks {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next mask. None of its two halves is zero.
    pub(crate) fn next(&mut self) -> u64 {
        loop {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            let mask = mixed ^ mixed >> 31;
            if mask as u32 != 0 && mask >> 32 != 0 {
                return mask;
            }
        }
    }
}
