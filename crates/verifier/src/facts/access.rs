//! Which memory an instruction touches, on every path that comes to it.

use super::flow::Value;

/// A map that the program names, or the shape of the maps that one of those holds: an index into
/// [`Facts::maps`](super::Facts::maps).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MapRef(pub u32);

/// Least and greatest byte offset, both included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Span {
    /// Least.
    pub min: i64,
    /// Greatest.
    pub max: i64,
}

impl Span {
    /// One offset.
    pub const fn at(offset: i64) -> Self {
        Self { min: offset, max: offset }
    }

    /// The offset, where there is only one.
    pub const fn only(self) -> Option<i64> {
        if self.min == self.max { Some(self.min) } else { None }
    }

    /// Whether it is one of them.
    pub const fn contains(self, offset: i64) -> bool {
        self.min <= offset && offset <= self.max
    }

    pub(crate) fn join(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

/// Where an access goes. All its bytes are inside what is named: that was proven, not only what kind it is.
///
/// Offsets are of the access's first byte. What the kind of pointer allows was checked too: nothing read-only is
/// written, no field is touched that the program's type may not touch, and no pointer is null.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Region {
    /// The stack of a frame: `up` calls above the one that runs, at an offset from that frame's r10.
    Stack {
        /// 0 for the frame that runs, 1 for its caller.
        up: u32,
        /// From -512 to -1.
        offset: Span,
    },
    /// The program's context.
    Ctx {
        /// From its start.
        offset: Span,
    },
    /// The packet, before `data_end`.
    Packet {
        /// From `data`.
        offset: Span,
    },
    /// Metadata before the packet.
    PacketMeta {
        /// From `data_meta`.
        offset: Span,
    },
    /// A map's value.
    MapValue {
        /// Which map.
        map: MapRef,
        /// From the value's start; less than the value's size.
        offset: Span,
    },
    /// A map's key, as a callback gets it.
    MapKey {
        /// Which map.
        map: MapRef,
        /// From the key's start.
        offset: Span,
    },
    /// Memory of a known size: a ring buffer's record, or what a global function was given, which may lie on a
    /// caller's stack, in a map's value, anywhere.
    Mem {
        /// Its size, where it is always the same.
        size: Option<u32>,
        /// From its start.
        offset: Span,
        /// It is a record that a helper reserved.
        record: bool,
    },
    /// A structure of the kernel's that is given field by field: flow keys, a socket in one of its views.
    Object {
        /// From its start.
        offset: Span,
    },
    /// A raw tracepoint's buffer: its size is checked when it is attached, not here.
    TracepointBuffer {
        /// From its start.
        offset: Span,
    },
    /// Not the same on every path. Each path's access is inside what that path's pointer points to.
    Mixed,
}

impl Region {
    pub(crate) fn join(self, other: Self) -> Self {
        use Region as R;
        match (self, other) {
            (R::Stack { up: a, offset: x }, R::Stack { up: b, offset: y }) if a == b => {
                R::Stack { up: a, offset: x.join(y) }
            }
            (R::Ctx { offset: x }, R::Ctx { offset: y }) => R::Ctx { offset: x.join(y) },
            (R::Packet { offset: x }, R::Packet { offset: y }) => R::Packet { offset: x.join(y) },
            (R::PacketMeta { offset: x }, R::PacketMeta { offset: y }) => R::PacketMeta { offset: x.join(y) },
            (R::MapValue { map: a, offset: x }, R::MapValue { map: b, offset: y }) if a == b => {
                R::MapValue { map: a, offset: x.join(y) }
            }
            (R::MapKey { map: a, offset: x }, R::MapKey { map: b, offset: y }) if a == b => {
                R::MapKey { map: a, offset: x.join(y) }
            }
            (R::Mem { size: a, offset: x, record: r }, R::Mem { size: b, offset: y, record: s }) => {
                R::Mem { size: a.filter(|_| a == b), offset: x.join(y), record: r && s }
            }
            (R::Object { offset: x }, R::Object { offset: y }) => R::Object { offset: x.join(y) },
            (R::TracepointBuffer { offset: x }, R::TracepointBuffer { offset: y }) => {
                R::TracepointBuffer { offset: x.join(y) }
            }
            _ => R::Mixed,
        }
    }

    /// The offsets of the access's first byte, where it is always in one kind of memory.
    pub const fn offset(&self) -> Option<Span> {
        match *self {
            Self::Stack { offset, .. }
            | Self::Ctx { offset }
            | Self::Packet { offset }
            | Self::PacketMeta { offset }
            | Self::MapValue { offset, .. }
            | Self::MapKey { offset, .. }
            | Self::Mem { offset, .. }
            | Self::Object { offset }
            | Self::TracepointBuffer { offset } => Some(offset),
            Self::Mixed => None,
        }
    }
}

/// Memory that is passed to a helper or to a global function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Passed {
    /// Where it is. Null, where the callee takes it, counts for nothing here.
    pub region: Region,
    /// Most bytes that the callee touches, all of them inside.
    pub size: u32,
}

/// What is known of a call of a helper.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Call {
    /// The map that it works on, if that is the same on every path.
    pub map: Option<MapRef>,
    /// The key, where a lookup in an array always has the same one.
    pub key: Option<u64>,
    /// A lookup that never gives null: the key is constant and inside the array.
    pub finds: bool,
    /// Memory arguments in r1 to r5.
    pub args: [Option<Passed>; 5],
    /// What it leaves in r0, where it is a helper.
    pub result: Option<Value>,
    /// Some path came here already: what joins later can only be less.
    pub(crate) seen: bool,
}

/// Which ways out of a conditional jump some path takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Arms {
    /// The jump is taken.
    pub taken: bool,
    /// It falls through.
    pub falls: bool,
}

impl Arms {
    /// The only way it goes, if there is one: true if the jump is always taken.
    pub const fn only(self) -> Option<bool> {
        match (self.taken, self.falls) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }
}
