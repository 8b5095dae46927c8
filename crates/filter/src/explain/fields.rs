//! Names of what a filter loads: header fields, by where they are and by what is known of the packet there.

use std::net::Ipv4Addr;

use skep_isa::classic::{AluOp, Ancillary, Size};

use super::flow::Facts;
use crate::Dlt;
use crate::decide::expr::{Expr, ExprId, Exprs};

/// What the numbers of a field stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    EtherType,
    Protocol,
    Ipv4,
    /// The first bits of an IPv4 address.
    Net(u32),
    Port,
    Fragment,
    TcpFlags,
    Mac,
    Hex,
}

/// A field: its name with the article that it takes, and what its numbers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// A row of a header: offset, bytes, name, numbers.
type Row = (u32, u32, &'static str, Kind);

static IPV4: &[Row] = &[
    (0, 1, "the IPv4 version and header length", Kind::Hex),
    (1, 1, "the IPv4 type of service", Kind::Hex),
    (2, 2, "the IPv4 length", Kind::Number),
    (4, 2, "the IPv4 identification", Kind::Number),
    (6, 2, "the IPv4 flags and fragment offset", Kind::Fragment),
    (8, 1, "the IPv4 time to live", Kind::Number),
    (9, 1, "the IPv4 protocol", Kind::Protocol),
    (10, 2, "the IPv4 checksum", Kind::Hex),
    (12, 4, "the IPv4 source address", Kind::Ipv4),
    (16, 4, "the IPv4 destination address", Kind::Ipv4),
];
static IPV6: &[Row] = &[
    (0, 4, "the IPv6 version, class and flow label", Kind::Hex),
    (4, 2, "the IPv6 payload length", Kind::Number),
    (6, 1, "the IPv6 next header", Kind::Protocol),
    (7, 1, "the IPv6 hop limit", Kind::Number),
    (8, 16, "the IPv6 source address", Kind::Hex),
    (24, 16, "the IPv6 destination address", Kind::Hex),
];
static ARP: &[Row] = &[
    (0, 2, "the ARP hardware type", Kind::Number),
    (2, 2, "the ARP protocol type", Kind::EtherType),
    (6, 2, "the ARP operation", Kind::Number),
    (8, 6, "the ARP sender's hardware address", Kind::Mac),
    (14, 4, "the ARP sender's IPv4 address", Kind::Ipv4),
    (18, 6, "the ARP target's hardware address", Kind::Mac),
    (24, 4, "the ARP target's IPv4 address", Kind::Ipv4),
];
static ETHERNET: &[Row] =
    &[(0, 6, "the destination MAC address", Kind::Mac), (6, 6, "the source MAC address", Kind::Mac)];
/// What begins alike whatever the transport is.
static PORTS: &[Row] = &[(0, 2, "the source port", Kind::Port), (2, 2, "the destination port", Kind::Port)];
static TCP: &[Row] = &[
    (0, 2, "the TCP source port", Kind::Port),
    (2, 2, "the TCP destination port", Kind::Port),
    (4, 4, "the TCP sequence number", Kind::Number),
    (8, 4, "the TCP acknowledgement number", Kind::Number),
    (12, 1, "the TCP data offset", Kind::Hex),
    (13, 1, "the TCP flags", Kind::TcpFlags),
    (14, 2, "the TCP window", Kind::Number),
    (16, 2, "the TCP checksum", Kind::Hex),
    (18, 2, "the TCP urgent pointer", Kind::Number),
];
static UDP: &[Row] = &[
    (0, 2, "the UDP source port", Kind::Port),
    (2, 2, "the UDP destination port", Kind::Port),
    (4, 2, "the UDP length", Kind::Number),
    (6, 2, "the UDP checksum", Kind::Hex),
];
static ICMP: &[Row] = &[(0, 1, "the ICMP type", Kind::Number), (1, 1, "the ICMP code", Kind::Number)];
static FRAGMENT: &[Row] = &[
    (0, 1, "the next header behind the IPv6 fragment header", Kind::Protocol),
    (2, 2, "the IPv6 fragment offset and flag", Kind::Hex),
    (4, 4, "the IPv6 fragment identification", Kind::Number),
];
static ICMP6: &[Row] = &[(0, 1, "the ICMPv6 type", Kind::Number), (1, 1, "the ICMPv6 code", Kind::Number)];

/// EtherTypes by name; those of VLAN tags are a tag's.
pub(super) static ETHERTYPES: &[(u32, &str)] = &[
    (0x0800, "IPv4"),
    (0x0806, "ARP"),
    (0x86dd, "IPv6"),
    (0x8035, "RARP"),
    (0x8100, "a VLAN tag (802.1Q)"),
    (0x88a8, "a VLAN tag (802.1ad)"),
    (0x9100, "a VLAN tag (QinQ)"),
    (0x8847, "MPLS"),
    (0x8848, "MPLS multicast"),
    (0x8863, "PPPoE discovery"),
    (0x8864, "PPPoE session"),
    (0x88cc, "LLDP"),
    (0x6003, "DECnet"),
    (0x809b, "AppleTalk"),
    (0x80f3, "AppleTalk ARP"),
    (0x8137, "IPX"),
];

/// IP protocols by name.
pub(super) static PROTOCOLS: &[(u32, &str)] = &[
    (1, "ICMP"),
    (2, "IGMP"),
    (4, "IPv4 in IP"),
    (6, "TCP"),
    (9, "IGRP"),
    (17, "UDP"),
    (41, "IPv6 in IP"),
    (44, "an IPv6 fragment header"),
    (47, "GRE"),
    (50, "ESP"),
    (51, "AH"),
    (58, "ICMPv6"),
    (103, "PIM"),
    (112, "VRRP"),
    (132, "SCTP"),
];

/// The type of a VLAN tag, any.
const VLAN: u32 = 0x8100;

pub(crate) fn is_tag(ethertype: u32) -> bool {
    matches!(ethertype, VLAN | 0x88a8 | 0x9100)
}

/// The headers of a packet, as far as is known where an instruction stands.
#[derive(Debug)]
pub(crate) struct Layers {
    ethernet: bool,
    /// Where the type of what is carried stands, and its length.
    pub(crate) link_type: Option<(u32, Size)>,
    /// Bytes of VLAN tags that have been passed.
    pub(crate) tags: u32,
    /// Where the network header begins.
    pub(crate) network: u32,
    /// The EtherType of what is carried; RARP is ARP here.
    pub(crate) carried: Option<u32>,
    transport: Option<u32>,
}

impl Layers {
    pub(crate) fn new(exprs: &mut Exprs, facts: &Facts, dlt: Dlt) -> Self {
        let mut known = |expr: Expr| {
            let id = exprs.make(expr);
            facts.get(&id).map(|set| &**set).unwrap_or_default()
        };
        // The one value of all of a kind that are known, such as the types of VLAN tags.
        let value = |set: &[(u32, u32)]| match set {
            [] => None,
            _ if set.iter().all(|r| r.0 == r.1 && is_tag(r.0)) => Some(VLAN),
            _ if set.iter().all(|r| r.0 == r.1 && matches!(r.0, 0x0806 | 0x8035)) => Some(0x0806),
            &[(from, to)] if from == to => Some(from),
            _ => None,
        };
        let (mut link_type, mut network) = match dlt {
            Dlt::EN10MB => (Some((12, Size::H)), 14),
            Dlt::LINUX_SLL => (Some((14, Size::H)), 16),
            Dlt::LINUX_SLL2 => (Some((0, Size::H)), 20),
            Dlt::PPP => (Some((2, Size::H)), 4),
            _ => (None, 0),
        };
        let first = network;
        let mut carried = link_type.and_then(|(at, size)| value(known(Expr::Load(size, at))));
        if dlt == Dlt::EN10MB {
            while let (Some((at, size)), Some(VLAN)) = (link_type, carried) {
                (link_type, network) = (Some((at + 4, size)), network + 4);
                carried = value(known(Expr::Load(size, at + 4)));
            }
        }
        if dlt == Dlt::RAW || dlt == Dlt::IPV4 || dlt == Dlt::IPV6 {
            carried = match known(Expr::Load(Size::B, 0)) {
                [(0x40, 0x4f)] => Some(0x800),
                [(0x60, 0x6f)] => Some(0x86dd),
                _ if dlt == Dlt::IPV4 => Some(0x800),
                _ if dlt == Dlt::IPV6 => Some(0x86dd),
                _ => None,
            };
        }
        if dlt == Dlt::PPP {
            carried = match carried {
                Some(0x21) => Some(0x800),
                Some(0x57) => Some(0x86dd),
                _ => None,
            };
        }
        let transport = match carried {
            Some(0x800) => value(known(Expr::Load(Size::B, network + 9))),
            Some(0x86dd) => value(known(Expr::Load(Size::B, network + 6))),
            _ => None,
        };
        Self { ethernet: dlt == Dlt::EN10MB, link_type, tags: network - first, network, carried, transport }
    }

    /// What a value is.
    pub(super) fn field(&self, exprs: &Exprs, id: ExprId) -> Field {
        let number = |name: String| Field { name, kind: Kind::Number };
        match exprs.get(id) {
            Expr::Const(k) => number(k.to_string()),
            Expr::Word(k) => number(format!("memory word {k}")),
            Expr::Len => number("the length of the packet".into()),
            Expr::Load(size, k) => self.load(size, k),
            Expr::Ind(size, k, base) => self.behind(exprs, size, k, base),
            Expr::Msh(k) if self.carried == Some(0x800) && k == self.network => {
                number("the length of the IPv4 header".into())
            }
            Expr::Msh(k) => number(format!("4 times the low half of byte {k}")),
            Expr::Neg(a) => number(format!("minus {}", self.field(exprs, a).name)),
            Expr::Alu(op, a, b) => {
                let (left, right) = (self.field(exprs, a), self.field(exprs, b));
                if op == AluOp::And {
                    if let (Kind::Ipv4, Expr::Const(mask)) = (left.kind, exprs.get(b))
                        && mask.leading_ones() + mask.trailing_zeros() == 32
                    {
                        return Field { kind: Kind::Net(mask.leading_ones()), ..left };
                    }
                    let mask = match exprs.get(b) {
                        Expr::Const(k) => format!("{k:#x}"),
                        _ => right.name,
                    };
                    return Field { name: format!("{} & {mask}", left.name), kind: left.kind };
                }
                let kind = if left.kind == Kind::Ipv4 { Kind::Hex } else { Kind::Number };
                Field { name: format!("{} {} {}", left.name, sign(op), right.name), kind }
            }
        }
    }

    fn load(&self, size: Size, k: u32) -> Field {
        let bytes = size.bytes() as u32;
        if let Some(fact) = Ancillary::from_offset(k) {
            let kind = match fact {
                Ancillary::Protocol | Ancillary::VlanTpid => Kind::EtherType,
                _ => Kind::Number,
            };
            return Field { name: fact.meaning().split(':').next().unwrap_or_default().into(), kind };
        }
        if let Some((at, type_size)) = self.link_type {
            if (at, type_size) == (k, size) {
                let name = match (self.ethernet, self.tags) {
                    (true, 0) => "the Ethernet type",
                    (true, _) => "the Ethernet type behind the VLAN tag",
                    _ => "the protocol type",
                };
                return Field { name: name.into(), kind: Kind::EtherType };
            }
            if self.ethernet && self.tags > 0 && (12..at).contains(&k) {
                let (tag, inner) = ((k - 12) / 4 + 1, (k - 12) % 4);
                if (inner, bytes) == (0, 2) {
                    return Field { name: format!("the type of VLAN tag {tag}"), kind: Kind::EtherType };
                }
                if (inner, bytes) == (2, 2) {
                    return Field { name: format!("VLAN tag {tag}"), kind: Kind::Number };
                }
            }
        }
        if self.ethernet && k < 12 {
            return row(ETHERNET, k, bytes).unwrap_or_else(|| raw(bytes, k, ""));
        }
        let Some(inside) = k.checked_sub(self.network) else { return raw(bytes, k, "") };
        let found = match self.carried {
            Some(0x800) => row(IPV4, inside, bytes),
            Some(0x0806) => row(ARP, inside, bytes),
            Some(0x86dd) if inside < 40 => row(IPV6, inside, bytes),
            Some(0x86dd) => self.transport_row(inside - 40, bytes),
            _ => None,
        };
        found.unwrap_or_else(|| raw(bytes, k, ""))
    }

    /// Bytes at an offset that a header's length moves.
    fn behind(&self, exprs: &Exprs, size: Size, k: u32, base: ExprId) -> Field {
        let bytes = size.bytes() as u32;
        let inside = k.wrapping_sub(self.network);
        if self.carried == Some(0x800) && exprs.get(base) == Expr::Msh(self.network) {
            let found = self.transport_row(inside, bytes);
            return found.unwrap_or_else(|| raw(bytes, inside, " behind the IPv4 header"));
        }
        raw(bytes, k, &format!(" + {}", self.field(exprs, base).name))
    }

    fn transport_row(&self, inside: u32, bytes: u32) -> Option<Field> {
        let rows = match self.transport {
            Some(6) => TCP,
            Some(17) => UDP,
            Some(1) => ICMP,
            Some(44) => FRAGMENT,
            Some(58) => ICMP6,
            _ => PORTS,
        };
        row(rows, inside, bytes)
    }
}

/// The field of a header that bytes are, or are part of.
fn row(rows: &[Row], at: u32, bytes: u32) -> Option<Field> {
    let &(start, length, name, kind) = rows.iter().find(|r| (r.0..r.0 + r.1).contains(&at))?;
    if (start, length) == (at, bytes) {
        return Some(Field { name: name.into(), kind });
    }
    if at + bytes > start + length {
        return None;
    }
    let from = at - start;
    let part = match bytes {
        1 => format!("byte {from}"),
        _ => format!("bytes {from} to {}", from + bytes - 1),
    };
    Some(Field { name: format!("{part} of {name}"), kind: Kind::Hex })
}

fn raw(bytes: u32, at: u32, behind: &str) -> Field {
    let name = match bytes {
        1 => format!("the byte at {at}{behind}"),
        n => format!("{n} bytes at {at}{behind}"),
    };
    Field { name, kind: Kind::Hex }
}

pub(crate) fn sign(op: AluOp) -> &'static str {
    match op {
        AluOp::Add => "+",
        AluOp::Sub => "-",
        AluOp::Mul => "*",
        AluOp::Div => "/",
        AluOp::Or => "|",
        AluOp::And => "&",
        AluOp::Lsh => "<<",
        AluOp::Rsh => ">>",
        AluOp::Mod => "%",
        AluOp::Xor => "^",
    }
}

impl Kind {
    /// A number, as people write it.
    pub(super) fn text(self, value: u32) -> String {
        let named = |rows: &[(u32, &str)]| rows.iter().find(|r| r.0 == value).map(|r| r.1.to_string());
        match self {
            Self::EtherType => named(ETHERTYPES).unwrap_or_else(|| format!("{value:#06x}")),
            Self::Protocol => named(PROTOCOLS).unwrap_or_else(|| format!("protocol {value}")),
            Self::Net(bits) => format!("{}/{bits}", Ipv4Addr::from(value)),
            Self::Ipv4 => Ipv4Addr::from(value).to_string(),
            Self::Port | Self::Number => value.to_string(),
            Self::Hex | Self::Mac | Self::Fragment | Self::TcpFlags => format!("{value:#x}"),
        }
    }
}
