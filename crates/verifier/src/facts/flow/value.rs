//! What a register or a stack slot holds, as the pass over the program sees it.

use super::super::access::MapRef;
use super::widen::Steps;
use crate::state::{Flags, Kind, Reg};
use crate::value::Scalar;

/// What is known of the 64 bits of a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    /// A number in these ranges. Unbounded, it says nothing at all: the register may hold an address, or
    /// whatever was there before the program.
    Number(Scalar),
    /// An address.
    Pointer(Pointer),
}

/// An address: of something, and how far from its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pointer {
    /// Of what.
    pub to: Target,
    /// It may be null instead.
    pub nullable: bool,
    /// Bytes from the start of what it points to; from r10 for a stack, from `data` for a packet.
    pub offset: Scalar,
    /// Equal ids came from the same call; a check of one is a check of all. 0 is none.
    pub(super) id: u32,
}

/// What an address is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Target {
    /// The program's context.
    Ctx,
    /// The stack of the frame so many calls up; 0 is the frame's own.
    Stack(u32),
    /// The packet.
    Packet,
    /// Metadata before the packet.
    PacketMeta,
    /// The first byte after the packet.
    PacketEnd,
    /// A value of a map.
    MapValue(MapRef),
    /// A map itself: a handle that only helpers understand.
    Map(MapRef),
    /// Memory that a helper gave.
    Mem,
    /// A structure of the kernel's: a socket, flow keys.
    Object,
    /// The function whose first slot this is.
    Function(u32),
}

impl Value {
    /// Nothing known.
    pub const UNKNOWN: Self = Self::Number(Scalar::UNKNOWN);

    pub(super) const fn constant(v: u64) -> Self {
        Self::Number(Scalar::constant(v))
    }

    pub(super) const fn pointer(to: Target, offset: i64) -> Self {
        Self::Pointer(Pointer { to, nullable: false, offset: Scalar::constant(offset as u64), id: 0 })
    }

    /// Any number of so many low bytes, the rest zeros or, if `signed`, copies of the sign.
    pub(super) fn of_size(size: usize, signed: bool) -> Self {
        let mut v = Scalar::UNKNOWN;
        if signed {
            v.sign_extend(size);
        } else {
            v.truncate(size);
        }
        Self::Number(v)
    }

    /// The number, if it is one; otherwise one of which nothing is known.
    pub fn number(&self) -> Scalar {
        match self {
            Self::Number(v) => *v,
            Self::Pointer(_) => Scalar::UNKNOWN,
        }
    }

    /// The address, if it is one.
    pub fn as_pointer(&self) -> Option<&Pointer> {
        match self {
            Self::Pointer(p) => Some(p),
            Self::Number(_) => None,
        }
    }

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::UNKNOWN
    }

    /// What a call left in r0, as exploration saw it; `handle` is the shape of what a map of maps holds.
    pub(crate) fn of_result(
        r: &Reg,
        handle: impl Fn(u32) -> Option<u32>,
        object: impl Fn(u32) -> bool,
    ) -> Self {
        let to = match r.kind {
            Kind::Scalar => return Self::Number(r.val),
            Kind::MapValue => match handle(r.aux) {
                Some(inner) => Target::Map(MapRef(inner)),
                None if object(r.aux) => Target::Object,
                None => Target::MapValue(MapRef(r.aux)),
            },
            Kind::Mem => Target::Mem,
            Kind::Socket | Kind::SockCommon | Kind::TcpSock | Kind::XdpSock => Target::Object,
            _ => return Self::UNKNOWN,
        };
        let nullable = r.flags.has(Flags::NULL);
        Self::Pointer(Pointer { to, nullable, offset: Scalar::constant(0), id: 0 })
    }

    /// What holds both.
    #[must_use]
    pub(crate) fn join(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Self::Number(a.union(b)),
            (Self::Pointer(a), Self::Pointer(b)) if a.to == b.to => Self::Pointer(Pointer {
                to: a.to,
                nullable: a.nullable || b.nullable,
                offset: a.offset.union(&b.offset),
                id: if a.id == b.id { a.id } else { 0 },
            }),
            (Self::Pointer(p), Self::Number(n)) | (Self::Number(n), Self::Pointer(p))
                if n.const_value(true) == Some(0) =>
            {
                Self::Pointer(Pointer { nullable: true, id: 0, ..*p })
            }
            _ => Self::UNKNOWN,
        }
    }

    /// As [`Value::join`], with every bound that moves going at least to the next of `steps`.
    #[must_use]
    pub(super) fn widen(&self, other: &Self, steps: &Steps) -> Self {
        match (self, self.join(other)) {
            (Self::Number(old), Self::Number(new)) => Self::Number(steps.widen(old, &new)),
            (Self::Pointer(old), Self::Pointer(new)) => {
                Self::Pointer(Pointer { offset: steps.widen(&old.offset, &new.offset), ..new })
            }
            (_, joined) => joined,
        }
    }
}
