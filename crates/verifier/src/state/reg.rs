//! One register (or spilled slot): what it is, and what is known of its value.

use crate::value::Scalar;

/// What a register holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) enum Kind {
    /// Nothing that may be read.
    #[default]
    NotInit,
    /// A number.
    Scalar,
    /// The program's context.
    Ctx,
    /// A map itself.
    MapPtr,
    /// A value of a map.
    MapValue,
    /// A key of a map, as callbacks get it.
    MapKey,
    /// The stack of a frame.
    Stack,
    /// Metadata before the packet.
    PacketMeta,
    /// The packet.
    Packet,
    /// The first byte after the packet.
    PacketEnd,
    /// `struct bpf_flow_keys`.
    FlowKeys,
    /// `struct bpf_sock`, full.
    Socket,
    /// `struct bpf_sock`, the common part.
    SockCommon,
    /// `struct bpf_tcp_sock`.
    TcpSock,
    /// The buffer of a raw tracepoint that may be written.
    TpBuffer,
    /// `struct bpf_xdp_sock`.
    XdpSock,
    /// A kernel object, typed by BTF.
    Btf,
    /// Memory of a known size.
    Mem,
    /// Memory whose size is found by its uses.
    Buf,
    /// A subprogram.
    Func,
}

impl Kind {
    /// The kernel log's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::NotInit => "?",
            Self::Scalar => "scalar",
            Self::Ctx => "ctx",
            Self::MapPtr => "map_ptr",
            Self::MapValue => "map_value",
            Self::MapKey => "map_key",
            Self::Stack => "fp",
            Self::PacketMeta => "pkt_meta",
            Self::Packet => "pkt",
            Self::PacketEnd => "pkt_end",
            Self::FlowKeys => "flow_keys",
            Self::Socket => "sock",
            Self::SockCommon => "sock_common",
            Self::TcpSock => "tcp_sock",
            Self::TpBuffer => "tp_buffer",
            Self::XdpSock => "xdp_sock",
            Self::Btf => "ptr_",
            Self::Mem => "mem",
            Self::Buf => "buf",
            Self::Func => "func",
        }
    }

    /// Packet or its metadata.
    pub(crate) fn is_packet(self) -> bool {
        matches!(self, Self::Packet | Self::PacketMeta)
    }

    /// Any view of a socket.
    pub(crate) fn is_socket(self) -> bool {
        matches!(self, Self::Socket | Self::SockCommon | Self::TcpSock | Self::XdpSock)
    }
}

/// Qualities that come on top of a [`Kind`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Flags(u16);

impl Flags {
    /// None.
    pub(crate) const NONE: Self = Self(0);
    /// The null form: not to be dereferenced before a check.
    pub(crate) const NULL: Self = Self(1);
    /// Not to be written through.
    pub(crate) const RDONLY: Self = Self(2);
    /// A ring buffer record.
    pub(crate) const RINGBUF: Self = Self(4);
    /// A pointer that the kernel itself does not trust.
    pub(crate) const UNTRUSTED: Self = Self(8);
    /// A pointer that is valid as long as the program runs.
    pub(crate) const TRUSTED: Self = Self(16);
    /// Valid inside an RCU section.
    pub(crate) const RCU: Self = Self(32);
    /// Per-CPU data.
    pub(crate) const PERCPU: Self = Self(64);
    /// User memory.
    pub(crate) const USER: Self = Self(128);

    /// Whether all of `other` are set.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With `other` set.
    #[must_use]
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// With `other` cleared.
    #[must_use]
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// Marks the id of a scalar that differs from its linked ones by a constant that was added in 64 bits.
pub(crate) const ADD_CONST64: u32 = 1 << 31;
/// As [`ADD_CONST64`], added in 32 bits: the high half is zero.
pub(crate) const ADD_CONST32: u32 = 1 << 30;
/// Either mark.
pub(crate) const ADD_CONST: u32 = ADD_CONST64 | ADD_CONST32;

/// How far behind the end of a packet a comparison reached: not a size, but a relation.
pub(crate) const BEYOND_PKT_END: i32 = -1;
/// As [`BEYOND_PKT_END`], for the byte at the end.
pub(crate) const AT_PKT_END: i32 = -2;

/// A register's abstract value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reg {
    /// What it is.
    pub kind: Kind,
    /// Qualities.
    pub flags: Flags,
    /// Its exact value mattered for safety: pruning has to compare ranges.
    pub precise: bool,
    /// Fixed part of a pointer's offset; for a scalar linked with [`ADD_CONST`], its distance.
    pub off: i32,
    /// Bytes after a packet pointer that were proven to be in the packet.
    pub range: i32,
    /// What belongs to the kind: a map's index, a frame, a memory size, a subprogram.
    pub aux: u32,
    /// Equal ids share what is learned of one of them; 0 is none.
    pub id: u32,
    /// Reference that has to be released; 0 is none.
    pub ref_id: u32,
    /// Tells lookups of inner maps apart.
    pub map_uid: u32,
    /// The number, or the variable part of the offset.
    pub val: Scalar,
}

impl Default for Reg {
    fn default() -> Self {
        Self::NOT_INIT
    }
}

impl Reg {
    /// Nothing that may be read.
    pub(crate) const NOT_INIT: Self = Self {
        kind: Kind::NotInit,
        flags: Flags::NONE,
        precise: false,
        off: 0,
        range: 0,
        aux: 0,
        id: 0,
        ref_id: 0,
        map_uid: 0,
        val: Scalar::UNKNOWN,
    };

    /// A number of which nothing is known.
    pub(crate) const UNKNOWN: Self = Self { kind: Kind::Scalar, ..Self::NOT_INIT };

    /// A known number.
    pub(crate) const fn constant(v: u64) -> Self {
        Self { val: Scalar::constant(v), ..Self::UNKNOWN }
    }

    /// A pointer with no offset.
    pub(crate) const fn pointer(kind: Kind, flags: Flags) -> Self {
        Self { kind, flags, val: Scalar::constant(0), ..Self::NOT_INIT }
    }

    /// Whether it is a number.
    pub(crate) fn is_scalar(&self) -> bool {
        self.kind == Kind::Scalar
    }

    /// Whether it may be null.
    pub(crate) fn maybe_null(&self) -> bool {
        self.flags.has(Flags::NULL)
    }

    /// Whether it is a number known to be zero.
    pub(crate) fn is_null(&self) -> bool {
        self.is_scalar() && self.val.var.equals(0)
    }

    /// Whether it is an address of the kernel.
    pub(crate) fn is_pointer(&self) -> bool {
        !matches!(self.kind, Kind::NotInit | Kind::Scalar)
    }

    /// A known offset from the pointer's base.
    pub(crate) fn const_offset(&self) -> Option<i64> {
        self.val.is_const().then(|| i64::from(self.off).wrapping_add(self.val.var.value as i64))
    }

    /// A number that shares nothing any more.
    pub(crate) fn unlink(&mut self) {
        self.id = 0;
        self.off = 0;
    }

    /// The link's id without the distance mark.
    pub(crate) fn link(&self) -> u32 {
        self.id & !ADD_CONST
    }

    /// As two registers' states are compared: all but what pruning treats apart.
    pub(crate) fn same_but_ids(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.flags == other.flags
            && self.off == other.off
            && self.range == other.range
            && self.aux == other.aux
            && self.map_uid == other.map_uid
            && self.val == other.val
    }
}
