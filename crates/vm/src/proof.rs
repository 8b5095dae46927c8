//! What the verifier has proved of a program, bound to the memory that it is to run in: what compiled code may leave
//! unchecked.
//!
//! A fact says which memory an access touches and that it is inside. It rests on what the verifier was told of helpers,
//! maps and contexts; that these are so at run time is the embedder's promise (see [`Image::verified`](crate::Image::verified)).
//! Left unchecked are accesses to the stack, the packet, maps' values and keys, memory of known size, and the
//! context as far as its length was promised. Everything else is checked as ever: accesses that are not the same
//! on every path, the kernel's own structures, buffers whose size is another's to check.

use skep_isa::{Endian, Insn};
use skep_verifier::Verified;
use skep_verifier::facts::{BindError, Name, Region};

use crate::memory::RegionId;

/// A map of the program, in the order of the task that was verified.
#[derive(Clone, Copy, Debug)]
pub struct BoundMap {
    /// What stands for it in the program: the address of [`map_handle`](crate::map_handle).
    pub handle: u64,
    /// Its values.
    pub region: RegionId,
    /// Where its elements are, if the key is their number: lookups are then made on the spot.
    pub elements: Option<Elements>,
}

/// Elements in a row.
#[derive(Clone, Copy, Debug)]
pub struct Elements {
    /// Offset in the region of the first value that this machine's programs see.
    pub first: u32,
    /// Bytes from one to the next.
    pub room: u32,
    /// How many there are.
    pub count: u32,
}

impl Elements {
    fn first_in(&self, region: RegionId) -> u64 {
        region.base() + u64::from(self.first)
    }

    /// A lookup by a key that is not known.
    pub(crate) fn lookup(&self, region: RegionId) -> Option<Lookup> {
        let (count, room) = (i32::try_from(self.count).ok()?, i32::try_from(self.room).ok()?);
        Some(Lookup::At { first: self.first_in(region), count, room })
    }
}

/// A proof, and what takes the places of what it names.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// The proof.
    pub verified: &'a Verified,
    /// The maps.
    pub maps: &'a [BoundMap],
    /// The context's region and length. Without, accesses to it stay checked.
    pub context: Option<(RegionId, u32)>,
    /// Number of `bpf_map_lookup_elem`, if it does here what it does in Linux.
    pub lookup: Option<i32>,
}

impl Binding<'_> {
    /// Whether the proof is about these instructions.
    pub(crate) fn check(&self, insns: &[Insn], endian: Endian) -> Result<(), Unbound> {
        if endian == Endian::Big {
            return Err(Unbound::ByteOrder);
        }
        let place = |map: skep_verifier::facts::MapRef| {
            let index = self.verified.facts().declared(map)?;
            self.maps.get(index)
        };
        let address = |name: Name| match name {
            Name::Map(map) => Some(place(map)?.handle),
            Name::Value(map, offset) => Some(place(map)?.region.base() + u64::from(offset)),
            Name::Symbol(_) => Some(0),
            // The loader numbers the object's externs from 0, the task from 1.
            Name::Kfunc(n) => u64::try_from(n - 1).ok(),
        };
        self.verified.binds(insns, &address).map_err(Unbound::Other)
    }

    /// Whether the access at a slot was proved to be inside of what is there.
    pub(crate) fn allows(&self, slot: usize, size: usize) -> bool {
        match self.verified.facts().at(slot).access() {
            Some(
                Region::Stack { .. }
                | Region::Packet { .. }
                | Region::PacketMeta { .. }
                | Region::MapValue { .. }
                | Region::MapKey { .. }
                | Region::Mem { .. },
            ) => true,
            Some(Region::Ctx { offset }) => self.context.is_some_and(|(_, len)| {
                offset.min >= 0 && offset.max.saturating_add(size as i64) <= i64::from(len)
            }),
            _ => false,
        }
    }

    /// Whether a run is no longer than what was walked, if it has no way to go round unseen: what can come again was walked
    /// again, but for global functions, which are walked once for all their calls.
    pub(crate) fn ends(&self) -> bool {
        self.verified.facts().functions().iter().skip(1).all(|function| !function.global)
    }

    /// Bytes of the program's frame, if it is one function on a context of known place.
    pub(crate) fn batch(&self) -> Option<u32> {
        self.context?;
        match self.verified.facts().functions() {
            [main] => Some(main.stack),
            _ => None,
        }
    }

    /// A lookup in an array.
    pub(crate) fn lookup(&self, slot: usize, id: i32) -> Option<Lookup> {
        if self.lookup != Some(id) {
            return None;
        }
        let facts = self.verified.facts();
        let call = facts.at(slot).call()?;
        let place = self.maps.get(facts.declared(call.map?)?)?;
        let elements = place.elements?;
        let first = elements.first_in(place.region);
        if let Some(key) = call.key.filter(|key| call.finds && *key < u64::from(elements.count)) {
            return Some(Lookup::Known(first + key * u64::from(elements.room)));
        }
        // The key, in memory that a fact speaks of.
        match call.args[1]?.region {
            Region::Stack { .. } | Region::MapValue { .. } | Region::Packet { .. } | Region::Mem { .. } => {
                elements.lookup(place.region)
            }
            _ => None,
        }
    }
}

/// A lookup in an array, made on the spot.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lookup {
    /// Always this address.
    Known(u64),
    /// By the key that r2 points to.
    At { first: u64, count: i32, room: i32 },
}

/// Why a proof does not serve.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Unbound {
    /// Proofs are of little-endian programs.
    ByteOrder,
    Other(BindError),
}

impl std::fmt::Display for Unbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ByteOrder => f.write_str("proofs are of little-endian programs"),
            Self::Other(e) => e.fmt(f),
        }
    }
}
