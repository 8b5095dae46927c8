//! Packets made for two programs: where they are not followed to a proof, a packet that they differ on may still be found.
//!
//! Bytes that a program compares with something are set to that or to its neighbours, over packets that were made before,
//! so that deeper questions are reached too. The numbers are drawn from a fixed seed: the same programs, the same answer.

use std::collections::BTreeMap;

use skep_isa::classic::{Insn, Op, Size, Source};
use skep_vm::classic::Filter;

use super::{MOST_BYTES, Packet, Witness, witness};

/// Packets that are tried.
const TRIES: usize = 20_000;
/// Packets that others are made from.
const KEPT: usize = 16;
/// Packets that are tried begin with so many bytes at most.
const LONGEST: usize = 4096;

/// A place that a program looks at, and what it compares it with.
struct Hint {
    size: Size,
    at: u32,
    relative: bool,
    value: u32,
}

fn hints(insns: &[Insn], out: &mut Vec<Hint>) {
    let mut last = None;
    for op in insns.iter().filter_map(|&i| Op::decode(i)) {
        match op {
            Op::LoadAbs { size, k } => last = Some((size, k, false)),
            Op::LoadInd { size, k } => last = Some((size, k, true)),
            Op::LoadxMsh { k } => out.push(Hint { size: Size::B, at: k, relative: false, value: 0x45 }),
            Op::Branch { src, .. } => {
                let value = if let Source::K(value) = src { value } else { 0 };
                out.extend(last.map(|(size, at, relative)| Hint { size, at, relative, value }));
            }
            _ => {}
        }
    }
}

struct Random(u64);

impl Random {
    /// 48 bits (xorshift64*).
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

pub(super) fn search(programs: [&[Insn]; 2], filters: &[Filter; 2], shortest: u32) -> Option<Witness> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut places = Vec::new();
    programs.iter().for_each(|insns| hints(insns, &mut places));
    let reach = places.iter().map(|h| h.at as usize).filter(|&at| at < LONGEST).max().unwrap_or(0);
    let shortest = shortest.min(MOST_BYTES) as usize;
    let mut kept = vec![vec![0; (reach + 64).max(shortest)]];
    for n in 0..TRIES {
        let mut bytes = kept[random.below(kept.len())].clone();
        for _ in 0..=random.below(4) {
            change(&mut bytes, &places, &mut random);
        }
        let mut cut = bytes.clone();
        if random.below(4) == 0 {
            cut.truncate(shortest.max(random.below(cut.len() + 1)));
        }
        let len = cut.len() as u32 + if random.below(8) == 0 { random.below(2000) as u32 } else { 0 };
        let found = witness(Packet { bytes: cut, len, facts: BTreeMap::new() }, filters);
        if found.is_some() {
            return found;
        }
        match kept.len() {
            KEPT => kept[1 + n % (KEPT - 1)] = bytes,
            _ => kept.push(bytes),
        }
    }
    None
}

fn change(bytes: &mut [u8], places: &[Hint], random: &mut Random) {
    let at_random = random.below(bytes.len());
    let Some(hint) = places.get(random.below(places.len())).filter(|_| random.below(8) != 0) else {
        if let Some(byte) = bytes.get_mut(at_random) {
            *byte = random.below(256) as u8;
        }
        return;
    };
    let value = match random.below(8) {
        0 => hint.value.wrapping_add(1),
        1 => hint.value.wrapping_sub(1),
        2 => random.next() as u32,
        _ => hint.value,
    };
    let at = hint.at as usize + if hint.relative { [0, 20, 24][random.below(3)] } else { 0 };
    let value = &value.to_be_bytes()[4 - hint.size.bytes()..];
    if let Some(place) = bytes.get_mut(at..).and_then(|b| b.get_mut(..value.len())) {
        place.copy_from_slice(value);
    }
}
