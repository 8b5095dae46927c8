//! `BPF_MAP_TYPE_LPM_TRIE`: longest-prefix match over keys of a prefix length and up to 256 bytes.
//!
//! A path-compressed binary trie, as the kernel's: a node is a prefix; it either holds a value or joins two
//! longer prefixes. Walking goes depth first, left to right, a node after its children, so that longer
//! prefixes come before those that contain them.

use super::{EXIST, MapOps, NOEXIST, Shape, Side, round8};
use crate::errno::Errno;

const NONE: u32 = u32::MAX;

/// A trie. Node `n` keeps its key and value in slot `n` of the slab.
pub(super) struct LpmTrie {
    shape: Shape,
    /// Bytes of a key after its prefix length.
    data_size: usize,
    slot_size: usize,
    nodes: Vec<Node>,
    free: Vec<u32>,
    root: u32,
    len: u32,
}

#[derive(Clone, Copy)]
struct Node {
    /// The first eight bytes of its data, big-endian, so that short keys are compared without the slab.
    head: u64,
    prefix: u32,
    child: [u32; 2],
    holds_value: bool,
}

/// The place of a link: the root, or a child of a node.
#[derive(Clone, Copy)]
enum Link {
    Root,
    Child(u32, usize),
}

impl LpmTrie {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            data_size: shape.key_size.saturating_sub(4),
            slot_size: round8(shape.key_size) + shape.stride(),
            nodes: Vec::new(),
            free: Vec::new(),
            root: NONE,
            len: 0,
        }
    }

    /// Nodes that can exist: a joint for every value but one, and one spare for replacing.
    fn capacity(&self) -> usize {
        (self.shape.max_entries as usize).saturating_mul(2).saturating_add(1)
    }

    fn max_prefix(&self) -> u32 {
        self.data_size as u32 * 8
    }

    /// Splits a key into prefix length and data.
    fn parse<'k>(&self, key: &'k [u8]) -> Result<(u32, &'k [u8]), Errno> {
        let (len, data) = key.split_at_checked(4).ok_or(Errno::EINVAL)?;
        let prefix = self.shape.index(len)?;
        if prefix > self.max_prefix() { Err(Errno::EINVAL) } else { Ok((prefix, data)) }
    }

    fn key_offset(&self, node: u32) -> usize {
        node as usize * self.slot_size
    }

    fn value_offset(&self, node: u32) -> usize {
        self.key_offset(node) + round8(self.shape.key_size)
    }

    fn data<'s>(&self, slab: &'s [u8], node: u32) -> &'s [u8] {
        let at = self.key_offset(node) + 4;
        &slab[at..at + self.data_size]
    }

    fn get(&self, link: Link) -> u32 {
        match link {
            Link::Root => self.root,
            Link::Child(node, side) => self.nodes[node as usize].child[side],
        }
    }

    fn set(&mut self, link: Link, to: u32) {
        match link {
            Link::Root => self.root = to,
            Link::Child(node, side) => self.nodes[node as usize].child[side] = to,
        }
    }

    fn take(&mut self) -> Result<u32, Errno> {
        if let Some(node) = self.free.pop() {
            return Ok(node);
        }
        if self.nodes.len() >= self.capacity() {
            return Err(Errno::ENOSPC);
        }
        self.nodes.push(Node { head: 0, prefix: 0, child: [NONE; 2], holds_value: false });
        Ok(self.nodes.len() as u32 - 1)
    }

    fn fill(&mut self, slab: &mut [u8], node: u32, prefix: u32, data: &[u8]) {
        let at = self.key_offset(node);
        slab[at..at + 4].copy_from_slice(&self.shape.bytes_of(prefix));
        slab[at + 4..at + 4 + data.len()].copy_from_slice(data);
        self.nodes[node as usize] = Node { head: head(data), prefix, child: [NONE; 2], holds_value: false };
    }

    /// How many leading bits a node and a key's data share, `limit` at most.
    #[inline]
    fn shared(&self, slab: &[u8], node: u32, data: &[u8], limit: u32) -> u32 {
        let same = (self.nodes[node as usize].head ^ head(data)).leading_zeros();
        if limit <= 64 || same < 64 {
            return same.min(limit);
        }
        common_prefix(data, self.data(slab, node), limit)
    }

    /// Where a prefix is or would hang: the link, the node there, and how many leading bits they share.
    fn descend(&self, slab: &[u8], prefix: u32, data: &[u8]) -> (Link, u32, u32) {
        let mut link = Link::Root;
        loop {
            let at = self.get(link);
            if at == NONE {
                return (link, NONE, 0);
            }
            let node = &self.nodes[at as usize];
            let shared = self.shared(slab, at, data, prefix.min(node.prefix));
            if shared != node.prefix || node.prefix == prefix {
                return (link, at, shared);
            }
            link = Link::Child(at, bit(data, node.prefix));
        }
    }

    /// The node that holds exactly this prefix.
    fn exact(&self, slab: &[u8], prefix: u32, data: &[u8]) -> Option<(Link, u32)> {
        let (link, at, shared) = self.descend(slab, prefix, data);
        let node = self.nodes.get(at as usize)?;
        (node.holds_value && node.prefix == prefix && shared == prefix).then_some((link, at))
    }

    /// The node of the longest prefix that contains the key.
    fn longest(&self, slab: &[u8], prefix: u32, data: &[u8]) -> Option<u32> {
        let (mut at, mut best) = (self.root, None);
        while at != NONE {
            let node = &self.nodes[at as usize];
            if self.shared(slab, at, data, prefix.min(node.prefix)) < node.prefix {
                break;
            }
            if node.holds_value {
                best = Some(at);
            }
            if node.prefix >= prefix {
                break;
            }
            at = node.child[bit(data, node.prefix)];
        }
        best
    }

    /// Hangs a filled node that holds a value where [`Self::descend`] said; makes a joint where paths part.
    fn insert(
        &mut self,
        slab: &mut [u8],
        new: u32,
        data: &[u8],
        (link, at, shared): (Link, u32, u32),
    ) -> Result<(), Errno> {
        let prefix = self.nodes[new as usize].prefix;
        if at == NONE {
            self.set(link, new);
            return Ok(());
        }
        let there = self.nodes[at as usize];
        if there.prefix == prefix && shared == prefix {
            self.nodes[new as usize].child = there.child;
            self.set(link, new);
            self.free.push(at);
        } else if shared == prefix {
            let side = bit(self.data(slab, at), prefix);
            self.nodes[new as usize].child[side] = at;
            self.set(link, new);
        } else {
            let joint = self.take()?;
            self.fill(slab, joint, shared, data);
            let side = bit(data, shared);
            self.nodes[joint as usize].child[side] = new;
            self.nodes[joint as usize].child[1 - side] = at;
            self.set(link, joint);
        }
        Ok(())
    }

    /// The first node in walking order below (and including) `at`, with the way to it.
    fn leftmost(&self, mut at: u32, way: &mut Vec<u32>) {
        while at != NONE {
            way.push(at);
            let [left, right] = self.nodes[at as usize].child;
            at = if left != NONE { left } else { right };
        }
    }

    /// The node after `key` in walking order.
    fn next(&self, slab: &[u8], key: Option<&[u8]>) -> Option<u32> {
        let mut way = Vec::new();
        let found =
            key.and_then(|k| self.parse(k).ok()).and_then(|(p, d)| Some((self.exact(slab, p, d)?.1, d)));
        match found {
            None => self.leftmost(self.root, &mut way),
            Some((node, data)) => {
                let mut at = self.root;
                while at != node {
                    way.push(at);
                    at = self.nodes[at as usize].child[bit(data, self.nodes[at as usize].prefix)];
                }
                self.step(&mut way, node);
            }
        }
        while let Some(&at) = way.last() {
            if self.nodes[at as usize].holds_value {
                return Some(at);
            }
            way.pop();
            self.step(&mut way, at);
        }
        None
    }

    /// Moves `way` from below, where `done` was its next node, to the node that follows.
    fn step(&self, way: &mut Vec<u32>, done: u32) {
        if let Some(&parent) = way.last() {
            let [left, right] = self.nodes[parent as usize].child;
            if left == done && right != NONE {
                self.leftmost(right, way);
            }
        }
    }
}

impl MapOps for LpmTrie {
    fn slab_len(&self) -> usize {
        self.slot_size.saturating_mul(self.capacity())
    }

    fn lookup(&mut self, slab: &[u8], key: &[u8], _: u32) -> Result<usize, Errno> {
        let (prefix, data) = self.parse(key)?;
        self.longest(slab, prefix, data).map(|n| self.value_offset(n)).ok_or(Errno::ENOENT)
    }

    fn update(
        &mut self,
        slab: &mut [u8],
        key: &[u8],
        value: &[u8],
        flags: u64,
        _: Side,
    ) -> Result<(), Errno> {
        let flags = self.shape.check_flags(flags)?;
        let (prefix, data) = self.parse(key)?;
        let place = self.descend(slab, prefix, data);
        let exists = self.exact(slab, prefix, data).is_some();
        match exists {
            true if flags == NOEXIST => return Err(Errno::EEXIST),
            false if flags == EXIST => return Err(Errno::ENOENT),
            false if self.len >= self.shape.max_entries => return Err(Errno::ENOSPC),
            _ => {}
        }
        let new = self.take()?;
        self.fill(slab, new, prefix, data);
        self.nodes[new as usize].holds_value = true;
        let at = self.value_offset(new);
        slab[at..at + value.len()].copy_from_slice(value);
        self.insert(slab, new, data, place)?;
        self.len += u32::from(!exists);
        Ok(())
    }

    fn delete(&mut self, slab: &mut [u8], key: &[u8]) -> Result<(), Errno> {
        let (prefix, data) = self.parse(key)?;
        let (link, at) = self.exact(slab, prefix, data).ok_or(Errno::ENOENT)?;
        self.len -= 1;
        let Node { child: [left, right], .. } = self.nodes[at as usize];
        if left != NONE && right != NONE {
            self.nodes[at as usize].holds_value = false;
            return Ok(());
        }
        self.free.push(at);
        let heir = if left != NONE { left } else { right };
        self.set(link, heir);
        // A joint that is left with one child has no reason to be: its other child takes its place.
        if let (NONE, Link::Child(parent, side)) = (heir, link)
            && !self.nodes[parent as usize].holds_value
        {
            let sibling = self.nodes[parent as usize].child[1 - side];
            let mut up = Link::Root;
            while self.get(up) != parent {
                let above = self.get(up);
                up = Link::Child(above, bit(data, self.nodes[above as usize].prefix));
            }
            self.set(up, sibling);
            self.free.push(parent);
        }
        Ok(())
    }

    fn next_key(&self, slab: &[u8], key: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Errno> {
        let node = self.next(slab, key).ok_or(Errno::ENOENT)?;
        let at = self.key_offset(node);
        out.clear();
        out.extend_from_slice(&slab[at..at + self.shape.key_size]);
        Ok(())
    }

    /// bpf(2) looks up as programs do: the longest prefix.
    fn read(&self, slab: &[u8], key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        let (prefix, data) = self.parse(key)?;
        let at = self.longest(slab, prefix, data).map(|n| self.value_offset(n)).ok_or(Errno::ENOENT)?;
        out.clear();
        out.extend_from_slice(&slab[at..at + self.shape.value_size]);
        Ok(())
    }
}

/// Bit `n` of the data, from the most significant of the first byte; 0 past its end.
fn bit(data: &[u8], n: u32) -> usize {
    let byte = data.get(n as usize / 8).copied().unwrap_or(0);
    usize::from(byte >> (7 - n % 8) & 1)
}

/// How many leading bits two data share, `limit` at most.
fn common_prefix(a: &[u8], b: &[u8], limit: u32) -> u32 {
    let mut bits = 0;
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        let differ = (word(a) ^ word(b)).leading_zeros();
        bits += differ.min(a.len() as u32 * 8);
        if differ < a.len() as u32 * 8 || bits >= limit {
            break;
        }
    }
    bits.min(limit)
}

/// The first eight bytes of a key's data.
#[inline]
fn head(data: &[u8]) -> u64 {
    match data {
        [a, b, c, d] => u64::from(u32::from_be_bytes([*a, *b, *c, *d])) << 32,
        [a, b, c, d, e, f, g, h, ..] => u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
        _ => word(data),
    }
}

fn word(bytes: &[u8]) -> u64 {
    let mut w = [0; 8];
    w[..bytes.len()].copy_from_slice(bytes);
    u64::from_be_bytes(w)
}
