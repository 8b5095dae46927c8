//! What is the same in all programs but for a few fields, written by the assembler once: the check of an access, and the
//! code for what is rare.
//!
//! A [`Stub`] stands before the program, so that its place is known when the jump to it is written. All of them go to the
//! shared code through the head ([`Out`]): a program does not speak of where it is.

use super::asm::Asm;
use super::encode::*;
use super::thunks::Out;
use crate::gate::WAYS;
use crate::jit::layout;
use crate::jit::shape::{STUB, Stub};

/// Check of an access, but for the jump at its end: `sub r10, start; cmp r10, limit`.
pub(crate) type Check = [u64; 2];

/// The templates.
pub(crate) struct Stubs {
    /// By base register, log2 of the size, and whether it writes.
    checks: [Check; WAYS * 8],
    again: [Stub; 3],
    bail: Stub,
    called: Stub,
}

/// What a stub that goes back to the program does in between.
#[derive(Clone, Copy)]
pub(crate) enum Again {
    /// Look the region up and try again.
    Miss,
    /// Open a frame for the first time and try again.
    Open,
    /// Call a helper.
    Helper,
}

impl Stubs {
    pub(crate) fn new() -> Self {
        let outs = [Out::Miss, Out::Open, Out::Helper];
        let check = |i: usize| check(i / 8 % HOSTED, i as u32 / 2 % 4, i % 2 == 1);
        Self {
            checks: std::array::from_fn(check),
            again: outs.map(again),
            bail: stub(14, |a| {
                a.constant(R10, 0);
                a.m(JMP_M, W::D, Out::Bail.place());
            }),
            called: stub(23, |a| {
                a.lea_rip(R11);
                a.push(R11);
                a.constant(R10, 0);
                a.m(JMP_M, W::D, Out::Bail.place());
            }),
        }
    }

    /// The check of an access through r`base`.
    #[inline(always)]
    pub(crate) fn check(&self, base: usize, log2: u32, write: bool) -> Check {
        self.checks[base % WAYS * 8 + log2 as usize % 4 * 2 + usize::from(write)]
    }

    /// Calls shared code with a word in r10, and goes back to `back`. The stub begins at `at`.
    #[inline(always)]
    pub(crate) fn again(&self, what: Again, word: u64, at: i64, back: usize) -> Stub {
        let [a, b, c] = self.again[what as usize];
        let distance = back as i64 - (at + 23);
        [a | word << 16, b | word >> 48, c | u64::from(distance as u32) << 24]
    }

    /// Leaves for the interpreter at a cell.
    #[inline(always)]
    pub(crate) fn bail(&self, cell: u32) -> Stub {
        let [a, b, c] = self.bail;
        [a | u64::from(cell) << 16, b, c]
    }

    /// The same inside of a call that is to return to `back`. The stub begins at `at`.
    pub(crate) fn called(&self, cell: u32, at: i64, back: usize) -> Stub {
        let [a, b, c] = self.called;
        let distance = back as i64 - (at + 7);
        [a | u64::from(distance as u32) << 24, b | u64::from(cell) << 24, c]
    }
}

/// Registers that accesses go through.
const HOSTED: usize = 11;

fn check(base: usize, log2: u32, write: bool) -> Check {
    let mut a = Asm::new(Vec::new());
    a.rm(SUB_RM, W::Q, R10, Rm::Mem(CAGE, layout::gate_start(base)));
    a.rm(CMP_RM, W::Q, R10, Rm::Mem(CAGE, layout::gate_limit(base, log2, write)));
    let (words, rest) = words::<2>(&a.finish());
    assert_eq!(rest, 0, "a check is two words");
    words
}

fn again(out: Out) -> Stub {
    stub(23, |a| {
        a.long_constant(R10, 0);
        a.m(CALL_M, W::D, out.place());
        a.jmp();
    })
}

/// What is written, `len` bytes, and traps behind it.
fn stub(len: usize, write: impl FnOnce(&mut Asm)) -> Stub {
    let mut a = Asm::new(Vec::new());
    write(&mut a);
    assert_eq!(a.here(), len, "the fields of a stub have their places");
    (len..STUB).for_each(|_| a.trap());
    words(&a.finish()).0
}

/// The first words of some bytes, and how many bytes are left.
fn words<const N: usize>(bytes: &[u8]) -> ([u64; N], usize) {
    let (words, rest) = bytes.as_chunks();
    assert!(words.len() >= N, "{} bytes", bytes.len());
    (std::array::from_fn(|i| u64::from_le_bytes(words[i])), (words.len() - N) * 8 + rest.len())
}
