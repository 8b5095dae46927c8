//! A frame's stack, in slots of eight bytes.
//!
//! Bytes are numbered downwards from the frame pointer: byte `n` is at offset `-1 - n`, and lives in
//! slot `n / 8`.
//!
//! A state is copied at each branch and each time it is remembered, and little of its stack changes until the next copy:
//! slots lie in pieces that states share until one of them writes.

use std::ops::{Index, IndexMut};
use std::rc::Rc;

use super::reg::{Kind, Reg};

/// What a byte of the stack holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) enum Byte {
    /// Nothing was written.
    #[default]
    Invalid,
    /// Part of a spilled register.
    Spill,
    /// Some data.
    Misc,
    /// Zero.
    Zero,
    /// The processor's flags as they were before interrupts were switched off; the slot's `ref_id` says by which call.
    IrqFlag,
}

/// Slots of a piece: what one write copies at most.
const PIECE: usize = 4;
/// Pieces of the 512 bytes that a frame may have.
const PIECES: usize = 64 / PIECE;

type Piece = [Slot; PIECE];

/// The slots of a frame; those that nothing was written to take no room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stack {
    pieces: [Option<Rc<Piece>>; PIECES],
    len: u8,
}

impl Stack {
    /// Slots that there are.
    pub(crate) fn len(&self) -> usize {
        self.len.into()
    }

    /// Makes it so many slots deep, if it is not yet; there are never more than 64.
    pub(crate) fn grow(&mut self, slots: usize) {
        self.len = self.len.max(slots.min(PIECE * PIECES) as u8);
    }

    /// A slot, if the stack is that deep.
    pub(crate) fn get(&self, i: usize) -> Option<&Slot> {
        (i < self.len()).then(|| &self[i])
    }

    /// The slots, from the frame pointer down.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        (0..self.len()).map(|i| &self[i])
    }

    /// Slots that something was written to, with their numbers.
    pub(crate) fn written(&self) -> impl Iterator<Item = (usize, &Slot)> {
        let pieces = self.pieces.iter().enumerate().filter_map(|(n, p)| Some((n, p.as_deref()?)));
        pieces.flat_map(|(n, p)| p.iter().enumerate().map(move |(i, s)| (n * PIECE + i, s)))
    }

    /// Slots that hold a register, with their numbers.
    pub(crate) fn spilled(&self) -> impl Iterator<Item = (usize, &Slot)> {
        self.written().filter(|(_, s)| s.is_spilled())
    }

    /// Calls `f` on the spilled registers that `pick` picks; pieces without one stay shared.
    pub(crate) fn each_spilled(&mut self, pick: impl Fn(&Reg) -> bool, mut f: impl FnMut(usize, &mut Reg)) {
        let picked = |s: &Slot| s.is_spilled() && pick(&s.reg);
        for (n, piece) in self.pieces.iter_mut().enumerate() {
            let Some(piece) = piece.as_mut().filter(|p| p.iter().any(picked)) else { continue };
            let slots = Rc::make_mut(piece).iter_mut().enumerate();
            slots.filter(|(_, s)| picked(s)).for_each(|(i, s)| f(n * PIECE + i, &mut s.reg));
        }
    }

    /// Forgets slots whose bit is not set in `keep`.
    pub(crate) fn retain(&mut self, keep: u64) {
        for (n, place) in self.pieces.iter_mut().enumerate() {
            let Some(piece) = place else { continue };
            let kept = |i: usize| keep >> (n * PIECE + i) & 1 == 1;
            if piece.iter().enumerate().all(|(i, s)| kept(i) || *s == Slot::BLANK) {
                continue;
            }
            if !(0..PIECE).any(kept) {
                *place = None;
                continue;
            }
            let slots = Rc::make_mut(piece).iter_mut().enumerate();
            slots.filter(|(i, _)| !kept(*i)).for_each(|(_, s)| *s = Slot::BLANK);
        }
    }

    /// Whether a slot is in a piece that both stacks share, and holds nothing that is linked with anything: then it is the
    /// same in both, whatever the ids of the rest stand for.
    pub(crate) fn shares(&self, other: &Self, i: usize) -> bool {
        let (Some(a), Some(b)) = (&self.pieces[i / PIECE], &other.pieces[i / PIECE]) else { return false };
        let reg = &a[i % PIECE].reg;
        Rc::ptr_eq(a, b) && i < other.len() && reg.id == 0 && reg.ref_id == 0
    }
}

impl Index<usize> for Stack {
    type Output = Slot;

    fn index(&self, i: usize) -> &Slot {
        match &self.pieces[i / PIECE] {
            Some(piece) => &piece[i % PIECE],
            None => &Slot::BLANK,
        }
    }
}

impl IndexMut<usize> for Stack {
    fn index_mut(&mut self, i: usize) -> &mut Slot {
        let piece = self.pieces[i / PIECE].get_or_insert_with(|| Rc::new([Slot::BLANK; PIECE]));
        &mut Rc::make_mut(piece)[i % PIECE]
    }
}

/// Eight bytes of stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot {
    /// The register that was spilled, where [`Byte::Spill`] says so.
    pub reg: Reg,
    /// The bytes, from the highest address down.
    pub bytes: [Byte; 8],
}

impl Slot {
    /// Nothing was written.
    pub(crate) const BLANK: Self = Self { reg: Reg::NOT_INIT, bytes: [Byte::Invalid; 8] };

    /// Whether a register was spilled whole or in its low part: the slot's lowest byte says so.
    pub(crate) fn is_spilled(&self) -> bool {
        self.bytes[7] == Byte::Spill
    }

    /// Whether all eight bytes are one thing, which a store to any of them destroys.
    pub(crate) fn is_one_thing(&self) -> bool {
        matches!(self.bytes[7], Byte::Spill | Byte::IrqFlag)
    }

    /// Whether the flags of the processor are kept here.
    pub(crate) fn is_irq_flag(&self) -> bool {
        self.bytes == [Byte::IrqFlag; 8]
    }

    /// Whether a number was spilled.
    pub(crate) fn is_spilled_scalar(&self) -> bool {
        self.is_spilled() && self.reg.kind == Kind::Scalar
    }

    /// Whether all eight bytes are the spilled register.
    pub(crate) fn is_spilled_whole(&self) -> bool {
        self.bytes[0] == Byte::Spill
    }

    /// Whether a number was spilled over all eight bytes.
    pub(crate) fn is_whole_scalar(&self) -> bool {
        self.is_spilled_whole() && self.reg.kind == Kind::Scalar
    }

    /// Turns a byte that was written into plain data.
    pub(crate) fn scrub(byte: &mut Byte) {
        if *byte != Byte::Invalid {
            *byte = Byte::Misc;
        }
    }

    /// Whether all eight bytes are data or unwritten.
    pub(crate) fn is_all_misc(&self, allow_uninit: bool) -> bool {
        self.bytes.iter().all(|b| *b == Byte::Misc || allow_uninit && *b == Byte::Invalid)
    }
}
