//! The questions of two programs as functions of a packet's bits, and a packet where the functions differ.
//!
//! Variables, in their order: the bits of the packet's bytes, from the first byte on, the highest bit of each first;
//! Linux's facts; then, bit by bit in turn, how many bytes there are and how long the packet was. A byte that is not there
//! is a variable all the same: programs ask whether it is there before they use it, so their functions don't depend on it.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap as HashMap;
use skep_isa::classic::{Ancillary, Cond, LL_OFF, Size};

use super::bdd::{Bdd, FALSE, Ref, TRUE, TooLarge};
use super::walk::{ACCEPT, Node, NodeId, Questions};
use super::word::Word;
use super::{MOST_BYTES, Packet, Unknown};
use crate::decide::expr::{Expr, ExprId};

/// Values that an offset may have.
const MOST_OFFSETS: usize = 1024;
/// Where the facts begin among the variables: each has 32, the highest bit first.
const FACTS: u32 = 1 << 24;
/// Where the two lengths begin, in turn.
const LENGTHS: u32 = 1 << 26;
/// Bits of [`MOST_BYTES`].
const COUNT_BITS: u32 = u32::BITS - MOST_BYTES.leading_zeros();

/// How many bits a fact has; none for those whose value is not free, or not the same whenever it is asked for.
pub(super) fn fact_bits(fact: Ancillary) -> Option<u32> {
    Some(match fact {
        Ancillary::Protocol | Ancillary::Queue | Ancillary::VlanTag | Ancillary::VlanTpid => 16,
        Ancillary::PktType => 3,
        Ancillary::VlanTagPresent => 1,
        Ancillary::Mark | Ancillary::RxHash | Ancillary::Cpu => 32,
        _ => return None,
    })
}

/// Why there is no function, or no solution.
enum Stop {
    TooLarge,
    /// An offset that may be almost anything.
    Offset,
    Negative,
}

impl From<TooLarge> for Stop {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// A packet that one of two takes and the other does not; none where there is none.
pub(super) fn differ(
    all: &Questions,
    (first, second): (NodeId, NodeId),
    shortest: u32,
) -> Result<Option<Packet>, Unknown> {
    let mut solver = Solver { all, bdd: Bdd::new(), words: HashMap::default(), cases: HashMap::default() };
    solver.differ(first, second, shortest).map_err(|stop| {
        Unknown::new(
            match stop {
                Stop::TooLarge => "what they compute of a packet is too much to follow",
                Stop::Offset => "a load whose offset may be almost anything",
                Stop::Negative => "a load whose offset may be negative",
            }
            .into(),
        )
    })
}

struct Solver<'q> {
    all: &'q Questions,
    bdd: Bdd,
    words: HashMap<ExprId, Word>,
    /// The values of offsets.
    cases: HashMap<ExprId, Vec<(u32, Ref)>>,
}

impl Solver<'_> {
    fn differ(&mut self, first: NodeId, second: NodeId, shortest: u32) -> Result<Option<Packet>, Stop> {
        self.words()?;
        let mut made = vec![FALSE; self.all.nodes.len()];
        made[ACCEPT as usize] = TRUE;
        for (id, node) in self.all.nodes.iter().enumerate() {
            made[id] = match *node {
                Node::End => continue,
                Node::There(load, next) => {
                    let there = self.there(load)?;
                    self.bdd.and(there, made[next as usize])?
                }
                Node::Test(cond, a, b, yes, no) => {
                    let (a, b) = (self.words[&a], self.words[&b]);
                    let holds = self.bdd.compare(cond, &a, &b)?;
                    self.bdd.choose(holds, made[yes as usize], made[no as usize])?
                }
            };
        }
        let differ = self.bdd.xor(made[first as usize], made[second as usize])?;
        if differ == FALSE {
            return Ok(None);
        }
        let real = self.real(shortest)?;
        let differ = self.bdd.and(differ, real)?;
        Ok(self.bdd.solution(differ).map(|bits| packet(&bits)))
    }

    /// The values of all expressions that are asked for; those that an expression is made of come before it.
    fn words(&mut self) -> Result<(), Stop> {
        let mut wanted = vec![false; self.all.exprs.len()];
        for node in &self.all.nodes {
            match *node {
                Node::End => {}
                Node::There(load, _) => wanted[load as usize] = true,
                Node::Test(_, a, b, ..) => {
                    wanted[a as usize] = true;
                    wanted[b as usize] = true;
                }
            }
        }
        for id in (0..wanted.len()).rev().filter(|&id| wanted[id]).collect::<Vec<_>>() {
            mark(self.all, id, &mut wanted);
        }
        for id in (0..wanted.len()).filter(|&id| wanted[id]) {
            let word = self.word(id as ExprId)?;
            self.words.insert(id as ExprId, word);
        }
        Ok(())
    }

    fn word(&mut self, id: ExprId) -> Result<Word, Stop> {
        Ok(match self.all.exprs.get(id) {
            Expr::Const(k) => Word::constant(k),
            // Nothing is before a whole program.
            Expr::Word(_) => Word::constant(0),
            Expr::Len => {
                let mut word = Word::constant(0);
                for bit in 0..32 {
                    word.0[bit as usize] = self.bdd.variable(length_level(bit))?;
                }
                word
            }
            Expr::Load(_, k) if let Some(fact) = Ancillary::from_offset(k) => self.fact(fact)?,
            Expr::Load(size, k) => self.bytes(size, k)?,
            Expr::Msh(k) => {
                let mut low = self.bytes(Size::B, k)?;
                low.0[4..].fill(FALSE);
                low.up(2)
            }
            Expr::Neg(a) => {
                let a = self.words[&a];
                self.bdd.alu(skep_isa::classic::AluOp::Sub, &Word::constant(0), &a)?
            }
            Expr::Alu(op, a, b) => {
                let (a, b) = (self.words[&a], self.words[&b]);
                self.bdd.alu(op, &a, &b)?
            }
            Expr::Ind(size, k, base) => {
                let mut word = Word::constant(0);
                for (offset, when) in self.offsets(base)? {
                    let bytes = self.bytes(size, offset.wrapping_add(k))?;
                    word = self.bdd.choose_word(when, &bytes, &word)?;
                }
                word
            }
        })
    }

    /// The values that an offset may have, each with when.
    fn offsets(&mut self, base: ExprId) -> Result<Vec<(u32, Ref)>, Stop> {
        if let Some(there) = self.cases.get(&base) {
            return Ok(there.clone());
        }
        let word = self.words[&base];
        let cases = self.bdd.cases(&word, MOST_OFFSETS)?.ok_or(Stop::Offset)?;
        self.cases.insert(base, cases.clone());
        Ok(cases)
    }

    /// Bytes at an offset, zeros where no packet has any.
    fn bytes(&mut self, size: Size, k: u32) -> Result<Word, Stop> {
        let mut word = Word::constant(0);
        if k >= MOST_BYTES {
            return Ok(word);
        }
        let count = size.bytes() as u32;
        for bit in 0..8 * count {
            let byte = k + count - 1 - bit / 8;
            word.0[bit as usize] = self.bdd.variable(8 * byte + 7 - bit % 8)?;
        }
        Ok(word)
    }

    fn fact(&mut self, fact: Ancillary) -> Result<Word, Stop> {
        let mut word = Word::constant(0);
        for bit in 0..fact_bits(fact).unwrap_or(0) {
            word.0[bit as usize] = self.bdd.variable(fact_level(fact, bit))?;
        }
        Ok(word)
    }

    /// When the bytes of a load are there.
    fn there(&mut self, load: ExprId) -> Result<Ref, Stop> {
        match self.all.exprs.get(load) {
            Expr::Load(size, k) => self.reaches(u64::from(k) + size.bytes() as u64),
            Expr::Msh(k) => self.reaches(u64::from(k) + 1),
            Expr::Ind(size, k, base) => {
                let mut out = FALSE;
                for (offset, when) in self.offsets(base)? {
                    let offset = offset.wrapping_add(k);
                    let there = match offset {
                        LL_OFF.. => return Err(Stop::Negative),
                        _ => self.reaches(u64::from(offset) + size.bytes() as u64)?,
                    };
                    out = self.bdd.choose(when, there, out)?;
                }
                Ok(out)
            }
            _ => Ok(TRUE),
        }
    }

    /// When there are at least so many bytes.
    fn reaches(&mut self, bytes: u64) -> Result<Ref, Stop> {
        if bytes > MOST_BYTES.into() {
            return Ok(FALSE);
        }
        let count = self.count()?;
        Ok(self.bdd.compare(Cond::Ge, &count, &Word::constant(bytes as u32))?)
    }

    /// How many bytes there are.
    fn count(&mut self) -> Result<Word, Stop> {
        let mut word = Word::constant(0);
        for bit in 0..COUNT_BITS {
            word.0[bit as usize] = self.bdd.variable(count_level(bit))?;
        }
        Ok(word)
    }

    /// What holds for every packet: no more bytes than it was long, no more than captures keep, no tag that is not there.
    fn real(&mut self, shortest: u32) -> Result<Ref, Stop> {
        let count = self.count()?;
        let mut length = Word::constant(0);
        for bit in 0..32 {
            length.0[bit as usize] = self.bdd.variable(length_level(bit))?;
        }
        let longest = self.bdd.compare(Cond::Ge, &Word::constant(MOST_BYTES), &count)?;
        let shortest = self.bdd.compare(Cond::Ge, &count, &Word::constant(shortest))?;
        let whole = self.bdd.compare(Cond::Ge, &length, &count)?;
        let mut out = self.bdd.and(longest, whole)?;
        out = self.bdd.and(out, shortest)?;
        let present = self.fact(Ancillary::VlanTagPresent)?.0[0];
        for fact in [Ancillary::VlanTag, Ancillary::VlanTpid] {
            let word = self.fact(fact)?;
            let none = self.bdd.compare(Cond::Eq, &word, &Word::constant(0))?;
            let held = self.bdd.or(present, none)?;
            out = self.bdd.and(out, held)?;
        }
        Ok(out)
    }
}

fn mark(all: &Questions, id: usize, wanted: &mut [bool]) {
    // Parts have smaller numbers than what is made of them.
    let mut stack = vec![id as ExprId];
    while let Some(id) = stack.pop() {
        let mut want = |part: ExprId| {
            if !std::mem::replace(&mut wanted[part as usize], true) {
                stack.push(part);
            }
        };
        match all.exprs.get(id) {
            Expr::Ind(_, _, base) => want(base),
            Expr::Neg(a) => want(a),
            Expr::Alu(_, a, b) => {
                want(a);
                want(b);
            }
            Expr::Const(_) | Expr::Word(_) | Expr::Len | Expr::Load(..) | Expr::Msh(_) => {}
        }
    }
}

fn fact_level(fact: Ancillary, bit: u32) -> u32 {
    FACTS + 8 * fact as u32 + 31 - bit
}

fn count_level(bit: u32) -> u32 {
    LENGTHS + 2 * (31 - bit)
}

fn length_level(bit: u32) -> u32 {
    LENGTHS + 2 * (31 - bit) + 1
}

/// The packet of a solution; whatever is free is 0.
fn packet(bits: &[(u32, bool)]) -> Packet {
    let mut packet = Packet { bytes: Vec::new(), len: 0, facts: BTreeMap::new() };
    let set = || bits.iter().filter(|b| b.1).map(|b| b.0);
    let mut count = 0usize;
    for level in set().filter(|&level| level >= LENGTHS) {
        let bit = 31 - (level - LENGTHS) / 2;
        match (level - LENGTHS) % 2 {
            0 => count |= 1 << bit,
            _ => packet.len |= 1 << bit,
        }
    }
    packet.bytes = vec![0; count];
    for level in set().filter(|&level| level < FACTS) {
        // Bytes that are not there are not asked for on a way that differs.
        if let Some(byte) = packet.bytes.get_mut(level as usize / 8) {
            *byte |= 0x80 >> (level % 8);
        }
    }
    for fact in Ancillary::ALL.iter().copied().filter(|&f| fact_bits(f).is_some()) {
        let known = |n: &u32| set().any(|level| level == fact_level(fact, *n));
        let value = (0..fact_bits(fact).unwrap_or(0)).filter(known).fold(0, |value, n| value | 1 << n);
        if value != 0 {
            packet.facts.insert(fact.offset(), value);
        }
    }
    packet
}
