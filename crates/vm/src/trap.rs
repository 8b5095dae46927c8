//! Why a run stopped before its program's exit: what was done, where, and what was there.

use std::sync::Arc;

use crate::host::Stop;
use crate::memory::RegionId;

/// What is wrong with an access.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FaultKind {
    /// No region there.
    Unmapped,
    /// Outside the visible bytes of the region.
    OutOfBounds,
    /// A write to a read-only region.
    ReadOnly,
    /// The address of a map, which is a name and not memory.
    MapHandle,
    /// An atomic operation on an address that is not a multiple of its size.
    Misaligned,
}

/// The region that an access was close to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Near {
    /// Which.
    pub region: RegionId,
    /// Address of its first visible byte.
    pub start: u64,
    /// How many bytes are visible.
    pub len: usize,
}

/// An access that memory does not allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Address.
    pub addr: u64,
    /// Bytes.
    pub len: usize,
    /// Whether it was a write.
    pub write: bool,
    /// What is wrong with it.
    pub kind: FaultKind,
    /// The region that the address names, if there is one.
    pub near: Option<Near>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.write { "write" } else { "read" };
        write!(f, "{what} of {} bytes at {:#x}", self.len, self.addr)?;
        match self.kind {
            FaultKind::Unmapped if self.addr < 0x1_0000 => f.write_str(": null pointer or a small number"),
            FaultKind::Unmapped => f.write_str(": nothing is mapped there"),
            FaultKind::OutOfBounds => f.write_str(": out of bounds"),
            FaultKind::ReadOnly => f.write_str(": read-only"),
            FaultKind::MapHandle => f.write_str(": a map is not memory, its values are"),
            FaultKind::Misaligned => f.write_str(": an atomic must be aligned to its size"),
        }?;
        match self.near {
            Some(n) => {
                let end = n.start + n.len as u64;
                write!(f, " ({} is {:#x}..{end:#x}, {} bytes)", RegionName(n.region), n.start, n.len)
            }
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

struct RegionName(RegionId);

impl std::fmt::Display for RegionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.base() >> 32 {
            0 => f.write_str("the packet"),
            n @ 1..=8 => write!(f, "the stack of frame {}", n - 1),
            n => write!(f, "region {n}"),
        }
    }
}

/// What sort of trap it is.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TrapKind {
    /// A memory access, the program's or a helper's on its behalf.
    Access(Fault),
    /// The instruction budget is spent.
    Budget,
    /// A ninth frame.
    CallDepth,
    /// More tail calls than [`Frame::MAX_TAIL_CALLS`](crate::Frame::MAX_TAIL_CALLS).
    TailCalls,
    /// A helper that the embedder does not have.
    UnknownHelper(i64),
    /// A kfunc that the embedder does not have.
    UnknownKfunc(i32),
    /// `callx` or a callback through a value that is no function's address.
    NotAFunction(u64),
    /// Execution ran past the last instruction.
    FellOff,
    /// The program is for the other byte order than the memory.
    ByteOrder,
    /// What a helper said: lower case, no full stop.
    Host(String),
}

/// A run that went wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trap(Box<Inner>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Inner {
    kind: TrapKind,
    place: Option<Place>,
}

/// Where a trap happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Name of the image, which after a tail call is not the one that the run began with.
    pub image: Arc<str>,
    /// Slot of the instruction.
    pub slot: usize,
    /// How many frames were below: 0 in the program's main function.
    pub depth: usize,
}

impl Trap {
    /// A trap of this kind. The machine adds the place.
    pub fn new(kind: TrapKind) -> Self {
        Self(Box::new(Inner { kind, place: None }))
    }

    /// A trap in a helper's own words: lower case, no full stop.
    pub fn host(message: impl Into<String>) -> Self {
        Self::new(TrapKind::Host(message.into()))
    }

    /// What happened.
    pub fn kind(&self) -> &TrapKind {
        &self.0.kind
    }

    /// The access, if it is one.
    pub fn fault(&self) -> Option<&Fault> {
        match &self.0.kind {
            TrapKind::Access(fault) => Some(fault),
            _ => None,
        }
    }

    /// Where; `None` only before the machine has seen it.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// Slot of the instruction.
    pub fn slot(&self) -> Option<usize> {
        self.0.place.as_ref().map(|p| p.slot)
    }

    /// Sets the place, unless a nested run has set it already.
    pub(crate) fn at(mut self, place: impl FnOnce() -> Place) -> Self {
        self.0.place.get_or_insert_with(place);
        self
    }
}

impl std::fmt::Display for TrapKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Access(fault) => fault.fmt(f),
            Self::Budget => f.write_str("the instruction budget is spent"),
            Self::CallDepth => write!(f, "calls nest deeper than {} frames", crate::memory::MAX_FRAMES),
            Self::TailCalls => f.write_str("too many tail calls"),
            Self::UnknownHelper(id) => write!(f, "helper {id} is not available"),
            Self::UnknownKfunc(id) => write!(f, "kfunc with btf id {id} is not available"),
            Self::NotAFunction(addr) => write!(f, "call of {addr:#x}, which is no function"),
            Self::FellOff => f.write_str("execution ran past the last instruction"),
            Self::ByteOrder => f.write_str("the program and the memory differ in byte order"),
            Self::Host(message) => f.write_str(message),
        }
    }
}

impl std::fmt::Display for Trap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.kind.fmt(f)?;
        match &self.0.place {
            Some(p) if p.depth > 0 => write!(f, " at instruction {}, {} calls deep", p.slot, p.depth),
            Some(p) => write!(f, " at instruction {}", p.slot),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Trap {}

impl From<Fault> for Trap {
    fn from(fault: Fault) -> Self {
        Self::new(TrapKind::Access(fault))
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Trap(fault.into())
    }
}

impl From<Trap> for Stop {
    fn from(trap: Trap) -> Self {
        Self::Trap(trap)
    }
}
