//! Bytes at a place that X knows, compared by words: a search tree over many strings of one length.

use skep_isa::classic::{AluOp, Cond, Op, Size, Source};

use crate::dag::{Dag, Id, Node};

/// A string to be found, and where that leads.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'b> {
    /// None is any byte.
    pub(super) bytes: &'b [Option<u8>],
    pub(super) then: Id,
    /// Words in which other strings look the same, by offset and size: they are looked at once more.
    again: Vec<(usize, usize)>,
}

impl<'b> Candidate<'b> {
    pub(super) fn new(bytes: &'b [Option<u8>], then: Id) -> Self {
        Self { bytes, then, again: Vec::new() }
    }
}

/// Where strings are: `at` bytes behind X; whether letters match in either case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) at: u32,
    pub(super) fold: bool,
}

/// The bits that a byte's case may change.
const CASE: u8 = 0x20;

/// Words of a string of so many bytes: offset and size.
fn word(from: usize, len: usize) -> Option<(usize, usize)> {
    match len - from {
        0 => None,
        1 => Some((from, 1)),
        2 | 3 => Some((from, 2)),
        _ => Some((from, 4)),
    }
}

fn number(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0, |n, b| n << 8 | u32::from(b))
}

impl Place {
    /// Bits that are set before a word is compared: all of a byte that may be any, a letter's case.
    fn mask(self, bytes: &[Option<u8>], (from, size): (usize, usize)) -> u32 {
        number(bytes[from..from + size].iter().map(|b| match b {
            None => 0xff,
            Some(b) if self.fold && b.is_ascii_alphabetic() => CASE,
            Some(_) => 0,
        }))
    }

    fn value(self, bytes: &[Option<u8>], (from, size): (usize, usize)) -> u32 {
        number(bytes[from..from + size].iter().map(|b| b.unwrap_or(0xff)))
    }

    fn load(self, (from, size): (usize, usize), mask: u32) -> Vec<Op> {
        let size = match size {
            1 => Size::B,
            2 => Size::H,
            _ => Size::W,
        };
        let mut ops = vec![Op::LoadInd { size, k: self.at.wrapping_add(from as u32) }];
        if mask != 0 {
            ops.push(Op::Alu { op: AluOp::Or, src: Source::K(mask) });
        }
        ops
    }

    /// One string: where it leads, or else.
    pub(super) fn one(self, dag: &mut Dag, bytes: &[Option<u8>], then: Id, otherwise: Id) -> Id {
        let words: Vec<_> =
            std::iter::successors(word(0, bytes.len()), |w| word(w.0 + w.1, bytes.len())).collect();
        words.into_iter().rev().fold(then, |then, w| self.is(dag, bytes, w, then, otherwise))
    }

    fn is(self, dag: &mut Dag, bytes: &[Option<u8>], w: (usize, usize), then: Id, otherwise: Id) -> Id {
        let mask = self.mask(bytes, w);
        if mask == number(std::iter::repeat_n(0xff, w.1)) {
            return then;
        }
        let test = dag.node(Node::Branch(Cond::Eq, self.value(bytes, w) | mask, then, otherwise));
        dag.stmts(&self.load(w, mask), test)
    }

    /// Many strings of one length, all different and without bytes that may be any: where each leads, or else.
    pub(super) fn among(
        self,
        dag: &mut Dag,
        candidates: Vec<Candidate<'_>>,
        from: usize,
        otherwise: Id,
    ) -> Id {
        let len = candidates[0].bytes.len();
        let Some(w) = word(from, len) else {
            // Most often one; strings may look the same where all bytes are folded.
            return candidates.iter().rev().fold(otherwise, |other, c| {
                c.again.iter().fold(c.then, |then, &w| self.is(dag, c.bytes, w, then, other))
            });
        };
        let masks: Vec<u32> = candidates.iter().map(|c| self.mask(c.bytes, w)).collect();
        let alike = masks.iter().all(|m| *m == masks[0]);
        // Where letters stand in different places, all bytes are folded; what is no letter is looked at once more.
        let fold = if alike { masks[0] } else { number(std::iter::repeat_n(CASE, w.1)) };
        let mut groups: std::collections::BTreeMap<u32, Vec<Candidate<'_>>> =
            std::collections::BTreeMap::new();
        for (mut candidate, mask) in candidates.into_iter().zip(masks) {
            if mask != fold {
                candidate.again.push(w);
            }
            groups.entry(self.value(candidate.bytes, w) | fold).or_default().push(candidate);
        }
        let mut ranges = Vec::with_capacity(groups.len() * 2 + 1);
        let mut open = 0;
        for (value, group) in groups {
            if value > open {
                ranges.push((open, otherwise));
            }
            ranges.push((value, self.among(dag, group, w.0 + w.1, otherwise)));
            open = value.wrapping_add(1);
        }
        let top = number(std::iter::repeat_n(0xff, w.1));
        if open != 0 && open <= top {
            ranges.push((open, otherwise));
        }
        let search = dag.search(&ranges);
        dag.stmts(&self.load(w, fold), search)
    }
}
