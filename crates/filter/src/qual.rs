//! Qualifiers: what a primitive says before its value (`src host`, `tcp port`), as rows.

/// The protocol qualifier, and what else stands where one can: the name of a protocol alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proto {
    Default,
    Link,
    Ip,
    Arp,
    Rarp,
    Sctp,
    Tcp,
    Udp,
    Icmp,
    Igmp,
    Igrp,
    Atalk,
    Decnet,
    Lat,
    Sca,
    Moprc,
    Mopdl,
    Ipv6,
    Icmpv6,
    Ah,
    Esp,
    Pim,
    Vrrp,
    Aarp,
    Iso,
    Esis,
    Isis,
    Clnp,
    Stp,
    Ipx,
    Netbeui,
    IsisL1,
    IsisL2,
    IsisIih,
    IsisSnp,
    IsisCsnp,
    IsisPsnp,
    IsisLsp,
    Radio,
    Carp,
    /// There is no qualifier to carry over.
    Undef,
}

/// What identifies a protocol, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// An IP protocol number, over IPv4 and IPv6.
    Ip(u8),
    /// An IP protocol number, over IPv4 alone.
    Ipv4(u8),
    /// An IP protocol number, over IPv6 alone.
    Ipv6(u8),
    EtherType(u16),
    /// The service access point of IEEE 802.2.
    Sap(u8),
    /// The network layer protocol identifier of ISO 9577.
    Nlpid(u8),
    /// PDU types of IS-IS, in the order in which they are tested.
    Pdu(&'static [u8]),
    None,
}

/// In the order of [`Proto`].
static PROTOS: &[(&str, Layer)] = &[
    ("<invalid proto 0>", Layer::None),
    ("link", Layer::None),
    ("ip", Layer::EtherType(0x0800)),
    ("arp", Layer::EtherType(0x0806)),
    ("rarp", Layer::EtherType(0x8035)),
    ("sctp", Layer::Ip(132)),
    ("tcp", Layer::Ip(6)),
    ("udp", Layer::Ip(17)),
    ("icmp", Layer::Ipv4(1)),
    ("igmp", Layer::Ipv4(2)),
    ("igrp", Layer::Ipv4(9)),
    ("atalk", Layer::EtherType(0x809b)),
    ("decnet", Layer::EtherType(0x6003)),
    ("lat", Layer::EtherType(0x6004)),
    ("sca", Layer::EtherType(0x6007)),
    ("moprc", Layer::EtherType(0x6002)),
    ("mopdl", Layer::EtherType(0x6001)),
    ("ip6", Layer::EtherType(0x86dd)),
    ("icmp6", Layer::Ipv6(58)),
    ("ah", Layer::Ip(51)),
    ("esp", Layer::Ip(50)),
    ("pim", Layer::Ip(103)),
    ("vrrp", Layer::Ipv4(112)),
    ("aarp", Layer::EtherType(0x80f3)),
    ("iso", Layer::Sap(0xfe)),
    ("esis", Layer::Nlpid(0x82)),
    ("isis", Layer::Nlpid(0x83)),
    ("clnp", Layer::Nlpid(0x81)),
    ("stp", Layer::Sap(0x42)),
    ("ipx", Layer::Sap(0xe0)),
    ("netbeui", Layer::Sap(0xf0)),
    ("l1", Layer::Pdu(&[15, 17, 18, 24, 26])),
    ("l2", Layer::Pdu(&[16, 17, 20, 25, 27])),
    ("iih", Layer::Pdu(&[15, 16, 17])),
    ("snp", Layer::Pdu(&[24, 25, 26, 27])),
    ("csnp", Layer::Pdu(&[24, 25])),
    ("psnp", Layer::Pdu(&[26, 27])),
    ("lsp", Layer::Pdu(&[18, 20])),
    ("radio", Layer::None),
    ("carp", Layer::Ipv4(112)),
    ("<invalid proto 255>", Layer::None),
];

impl Proto {
    pub(crate) fn keyword(self) -> &'static str {
        PROTOS[self as usize].0
    }

    pub(crate) fn layer(self) -> Layer {
        PROTOS[self as usize].1
    }
}

/// The direction qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dir {
    Default,
    Src,
    Dst,
    Or,
    And,
    Addr1,
    Addr2,
    Addr3,
    Addr4,
    Ra,
    Ta,
    Undef,
}

static DIRS: &[&str] = &[
    "<invalid dir 0>",
    "src",
    "dst",
    "src or dst",
    "src and dst",
    "addr1",
    "addr2",
    "addr3",
    "addr4",
    "ra",
    "ta",
    "<invalid dir 255>",
];

impl Dir {
    pub(crate) fn keyword(self) -> &'static str {
        DIRS[self as usize]
    }
}

/// The type qualifier: what the value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Default,
    Host,
    Net,
    Port,
    Gateway,
    Proto,
    Protochain,
    Portrange,
    Undef,
}

static KINDS: &[&str] = &[
    "<invalid type 0>",
    "host",
    "net",
    "port",
    "gateway",
    "proto",
    "protochain",
    "portrange",
    "<invalid type 255>",
];

impl Kind {
    pub(crate) fn keyword(self) -> &'static str {
        KINDS[self as usize]
    }
}

/// The qualifiers of a primitive; the next bare value inherits them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Qual {
    pub(crate) proto: Proto,
    pub(crate) dir: Dir,
    pub(crate) kind: Kind,
}

impl Qual {
    pub(crate) const UNDEF: Qual = Qual { proto: Proto::Undef, dir: Dir::Undef, kind: Kind::Undef };
}
