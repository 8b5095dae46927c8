//! What every compiler of machine code reads and gives, whatever the machine.

use skep_isa::Op;

use super::blind::Masks;
use crate::build::Plan;
use crate::host::Imports;
use crate::image::Options;
use crate::proof::Binding;

/// What compilation reads.
pub(crate) struct Source<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) ops: &'a [(usize, Op)],
    pub(crate) imports: &'a dyn Imports,
    /// What the verifier has proved.
    pub(crate) binding: Option<&'a Binding<'a>>,
    /// How it is to be made.
    pub(crate) options: &'a Options,
}

impl Source<'_> {
    /// Which of r6 to r9 the program writes.
    pub(crate) fn writes(&self) -> [bool; 4] {
        std::array::from_fn(|i| self.plan.written >> (6 + i) & 1 == 1)
    }

    /// Whether jumps backward pay from the budget. Not where a proof says how long a run can be: the verifier has walked
    /// every round of every loop, and its own limit is the bound.
    pub(crate) fn counts(&self) -> bool {
        self.plan.repeats || !self.binding.is_some_and(Binding::ends)
    }

    /// What hides the program's constants, if that is wanted.
    pub(crate) fn masks(&self) -> Option<Masks> {
        self.options.blind.map(Masks::new)
    }

    /// Whether the program has a `may_goto`.
    pub(crate) fn uses_may_goto(&self) -> bool {
        self.plan.may_goto
    }
}

/// A call of a subprogram.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    /// Offset of the code that it returns to.
    pub(crate) back: u32,
    /// Its cell.
    pub(crate) cell: u32,
    /// The cell that it calls.
    pub(crate) target: u32,
}

/// What a call of a subprogram leaves on the host's stack, in words from the one that holds where it returns to.
#[derive(Clone, Copy, Default)]
pub(crate) struct FrameShape {
    /// How many words up to the next such frame.
    pub(crate) words: u8,
    /// Where r6 to r9 are, those that the program writes.
    pub(crate) saved: [Option<u8>; 4],
    /// Where the count of `may_goto` is, if the program has one.
    pub(crate) may_goto: Option<u8>,
}

/// Where everything is in machine code.
pub(crate) struct Shape {
    /// Offset of the code of each cell; [`NOWHERE`] for cells at which no instruction begins.
    pub(crate) entries: Box<[u32]>,
    /// Calls of subprograms, by the offset that they return to.
    pub(crate) sites: Box<[Site]>,
    pub(crate) frame: FrameShape,
    /// Bytes of [`Output::front`], with what fills them up to a whole line: offsets count from behind them.
    pub(crate) front: usize,
    /// Offset of the way in.
    pub(crate) enter: usize,
    /// Offset of the way in with many packets.
    pub(crate) batch: usize,
}

/// Bytes of a [`Stub`].
pub(crate) const STUB: usize = 24;

/// Code for what is rare, of one length.
pub(crate) type Stub = [u64; STUB / 8];

/// Machine code, and where everything is in it.
pub(crate) struct Output {
    pub(crate) code: Vec<u8>,
    /// What stands before the code, the last one first: so its place is known as soon as it is made.
    pub(crate) front: Vec<Stub>,
    pub(crate) shape: Shape,
}

/// No code begins here.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// Where a missed access was, as compiled code passes it.
#[derive(Clone, Copy)]
pub(crate) struct Word {
    pub(crate) cell: u32,
    pub(crate) base: usize,
    pub(crate) off: i16,
    pub(crate) log2: u32,
    pub(crate) write: bool,
}

impl Word {
    #[inline]
    pub(crate) fn bits(self) -> u64 {
        u64::from(self.cell)
            | (self.off as u16 as u64) << 32
            | (self.base as u64) << 48
            | u64::from(self.log2) << 56
            | u64::from(self.write) << 63
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self {
            cell: bits as u32,
            off: (bits >> 32) as i16,
            base: (bits >> 48) as usize & 15,
            log2: (bits >> 56) as u32 & 3,
            write: bits >> 63 == 1,
        }
    }
}
