//! The hash table under every map that is found by key: chained buckets over numbered slots.
//!
//! A slot is a key and its value, side by side in the map's slab, so that a hit touches one place; links and
//! hashes lie in an array of their own. Slots never move. A freed slot keeps its bytes until it is taken
//! again, last freed first. Buckets are walked in order, newest first within one, as the kernel walks its.
//!
//! The hash folds 64-by-64-bit products, after wyhash (Wang Yi, public domain).

use super::{Shape, round8};
use crate::errno::Errno;

/// Where a chain goes on: the hash of the next key in the high half, its slot plus one in the low half. With
/// the hash in the link, a key that is not there is mostly passed by without a look at its slot.
type Link = u64;

/// Ends a chain.
const NONE: Link = 0;

const fn link_to(slot: u32, hash: u32) -> Link {
    (hash as u64) << 32 | (slot as u64 + 1)
}

/// The slot that a link leads to, if it is not [`NONE`].
const fn slot_of(link: Link) -> u32 {
    (link as u32).wrapping_sub(1)
}

#[derive(Clone, Copy, Default)]
struct Node {
    next: Link,
    hash: u32,
}

/// Keys to slots.
pub(super) struct Table {
    key_size: usize,
    /// Offset of the value in a slot.
    value_at: usize,
    slot_size: usize,
    /// Slots that exist, spares included.
    slots: u32,
    heads: Vec<Link>,
    /// One for each slot that was ever used.
    nodes: Vec<Node>,
    free: Vec<u32>,
    len: u32,
    seed: u64,
}

impl Table {
    /// A table for `shape` whose slots hold `values` bytes of values, with `spare` slots beyond max_entries.
    pub(super) fn new(shape: &Shape, values: usize, spare: u32) -> Self {
        let value_at = round8(shape.key_size);
        let slots = shape.max_entries.saturating_add(spare);
        let buckets = (shape.max_entries as usize).next_power_of_two();
        Self {
            key_size: shape.key_size,
            value_at,
            slot_size: value_at + round8(values),
            slots,
            heads: vec![NONE; buckets],
            nodes: Vec::new(),
            free: Vec::new(),
            len: 0,
            seed: shape.seed,
        }
    }

    /// Bytes of slab for all slots.
    pub(super) fn slab_len(&self) -> usize {
        self.slot_size.saturating_mul(self.slots as usize)
    }

    /// Keys in the table.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Slots that were ever used; numbers below this are valid to ask about.
    pub(super) fn used_slots(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// Offset of a slot's key in the slab.
    pub(super) fn key_offset(&self, slot: u32) -> usize {
        slot as usize * self.slot_size
    }

    /// Offset of a slot's value in the slab.
    pub(super) fn value_offset(&self, slot: u32) -> usize {
        slot as usize * self.slot_size + self.value_at
    }

    /// The key in a slot.
    pub(super) fn key<'s>(&self, slab: &'s [u8], slot: u32) -> &'s [u8] {
        let at = self.key_offset(slot);
        &slab[at..at + self.key_size]
    }

    fn bucket(&self, hash: u32) -> usize {
        hash as usize & (self.heads.len() - 1)
    }

    /// The slot of a key.
    #[inline]
    pub(super) fn find(&self, slab: &[u8], key: &[u8]) -> Option<u32> {
        let hash = hash(self.seed, key);
        let mut link = self.heads[self.bucket(hash)];
        while link != NONE {
            let slot = slot_of(link);
            if (link >> 32) as u32 == hash && same(self.key(slab, slot), key) {
                return Some(slot);
            }
            link = self.nodes[slot as usize].next;
        }
        None
    }

    /// A slot that no key has, if one is left.
    pub(super) fn take(&mut self) -> Option<u32> {
        self.free.pop().or_else(|| {
            let fresh = self.nodes.len() as u32;
            (fresh < self.slots).then(|| {
                self.nodes.push(Node::default());
                fresh
            })
        })
    }

    /// Gives a slot back whose key is not (or no more) in the table.
    pub(super) fn give(&mut self, slot: u32) {
        self.free.push(slot);
    }

    /// Puts `key`, which the table does not have, into a taken slot.
    pub(super) fn link(&mut self, slab: &mut [u8], slot: u32, key: &[u8]) {
        let at = self.key_offset(slot);
        slab[at..at + self.key_size].copy_from_slice(key);
        let hash = hash(self.seed, key);
        let bucket = self.bucket(hash);
        self.nodes[slot as usize] = Node { hash, next: self.heads[bucket] };
        self.heads[bucket] = link_to(slot, hash);
        self.len += 1;
    }

    /// Takes a linked slot out of its bucket; its bytes stay.
    pub(super) fn unlink(&mut self, slot: u32) {
        let Node { hash, next } = self.nodes[slot as usize];
        let bucket = self.bucket(hash);
        let gone = link_to(slot, hash);
        let mut link = self.heads[bucket];
        if link == gone {
            self.heads[bucket] = next;
        }
        while link != gone && link != NONE {
            let node = &mut self.nodes[slot_of(link) as usize];
            link = node.next;
            if link == gone {
                node.next = next;
            }
        }
        self.len -= 1;
    }

    /// The slot after that of `key` in walking order; the first if there is no key or it is gone.
    fn next(&self, slab: &[u8], key: Option<&[u8]>) -> Option<u32> {
        match key.and_then(|k| self.find(slab, k)) {
            Some(slot) => self.after(slot),
            None => self.first(),
        }
    }

    /// Puts the key after `key` in walking order into `out` (bpf(2)'s `get_next_key`).
    pub(super) fn next_key(&self, slab: &[u8], key: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Errno> {
        let slot = self.next(slab, key).ok_or(Errno::ENOENT)?;
        out.clear();
        out.extend_from_slice(self.key(slab, slot));
        Ok(())
    }

    /// The first slot in walking order.
    pub(super) fn first(&self) -> Option<u32> {
        self.first_from(0)
    }

    /// The slot after a linked one.
    pub(super) fn after(&self, slot: u32) -> Option<u32> {
        let node = self.nodes[slot as usize];
        match node.next {
            NONE => self.first_from(self.bucket(node.hash) + 1),
            link => Some(slot_of(link)),
        }
    }

    fn first_from(&self, bucket: usize) -> Option<u32> {
        self.heads[bucket..].iter().find(|&&link| link != NONE).map(|&link| slot_of(link))
    }
}

/// Whether two keys of one map are equal; the common sizes without a call.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if let (Ok(a), Ok(b)) = (<[u8; 4]>::try_from(a), <[u8; 4]>::try_from(b)) {
        return a == b;
    }
    if let (Ok(a), Ok(b)) = (<[u8; 8]>::try_from(a), <[u8; 8]>::try_from(b)) {
        return a == b;
    }
    a == b
}

/// Hash of a key.
#[inline]
pub(super) fn hash(seed: u64, key: &[u8]) -> u32 {
    const A: u64 = 0xa076_1d64_78bd_642f;
    const B: u64 = 0xe703_7ed1_a0b4_28db;
    let mut state = seed ^ A;
    let mut chunks = key.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        state = fold(state ^ u64::from_le_bytes(word), B);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        state = fold(state ^ u64::from_le_bytes(word), B);
    }
    let last = fold(state ^ key.len() as u64, A);
    (last ^ last >> 32) as u32
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}
