//! Filters that walk past headers, beside a reference: random packets of tags, extension headers and tunnels, which are
//! taken apart here in the plainest way, and random expressions, evaluated on what that found.

use skep::filter::Walk;

use crate::filters::Random;

/// What was found in a packet, or in the one inside of it.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Destination and source, if there is an Ethernet header.
    ether: Option<([u8; 6], [u8; 6])>,
    tags: Vec<u16>,
    ethertype: u16,
    ip: Option<Ip>,
}

/// The network layer, and what is behind it.
#[derive(Clone, Debug)]
struct Ip {
    v6: bool,
    addrs: [Vec<u8>; 2],
    /// Every header's number on the way, the last one's included.
    chain: Vec<u8>,
    /// The last is in a fragment that is not the first.
    later: bool,
    /// What IPv6's own header and a fragment header right behind it say.
    first_two: Vec<u8>,
    /// Where the last begins, and the packet's end.
    rest: Vec<u8>,
}

impl Ip {
    fn protocol(&self) -> u8 {
        *self.chain.last().unwrap_or(&0)
    }
}

fn u16_at(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*b.get(at..)?.first_chunk()?))
}

/// How packets begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Ethernet.
    Ethernet,
    /// `LINKTYPE_LINUX_SLL`: 16 bytes, the last two an EtherType.
    Cooked,
    /// IP at once.
    Raw,
}

/// Takes a packet apart; None where a walk would leave it.
pub fn outer(b: &[u8], link: Link, walk: Walk) -> Option<Layers> {
    let (ethertype, payload) = match link {
        Link::Ethernet => return frame(b, walk.any_vlan || walk.inner, walk.ipv6_ext),
        Link::Cooked => (u16_at(b, 14)?, b.get(16..)?),
        Link::Raw => (version(b)?, b),
    };
    Some(Layers { ethertype, ip: network(payload, ethertype, walk.ipv6_ext)?, ..Layers::default() })
}

/// The EtherType of IP, by its version; 0 of what is none.
fn version(b: &[u8]) -> Option<u16> {
    Some(match *b.first()? >> 4 {
        4 => 0x0800,
        6 => 0x86dd,
        _ => 0,
    })
}

fn frame(b: &[u8], past_tags: bool, ext: bool) -> Option<Layers> {
    let mut layers =
        Layers { ether: Some((*b.first_chunk()?, *b.get(6..)?.first_chunk()?)), ..Layers::default() };
    let mut at = 12;
    while past_tags && layers.tags.len() < 2 && matches!(u16_at(b, at)?, 0x8100 | 0x88a8 | 0x9100) {
        layers.tags.push(u16_at(b, at + 2)? & 0xfff);
        at += 4;
    }
    layers.ethertype = u16_at(b, at)?;
    layers.ip = network(&b[at + 2..], layers.ethertype, ext)?;
    Some(layers)
}

fn network(b: &[u8], ethertype: u16, ext: bool) -> Option<Option<Ip>> {
    match ethertype {
        0x0800 => {
            let at = usize::from(b.first()? & 15) * 4;
            let addrs = [b.get(12..16)?.to_vec(), b.get(16..20)?.to_vec()];
            let later = u16_at(b, 6)? & 0x1fff != 0;
            let chain = vec![*b.get(9)?];
            let first_two = chain.clone();
            Some(Some(Ip { v6: false, addrs, chain, later, first_two, rest: b.get(at..)?.to_vec() }))
        }
        0x86dd => ipv6(b, ext).map(Some),
        _ => Some(None),
    }
}

fn ipv6(b: &[u8], ext: bool) -> Option<Ip> {
    let (mut next, mut at, mut later) = (*b.get(6)?, 40, false);
    let mut first_two = vec![next];
    if next == 44 {
        first_two.push(*b.get(40)?);
    }
    let mut chain = vec![next];
    for _ in 0..if ext { 8 } else { 0 } {
        let len = match next {
            0 | 43 | 60 => (usize::from(*b.get(at + 1)?) + 1) * 8,
            51 => (usize::from(*b.get(at + 1)?) + 2) * 4,
            44 => {
                later = u16_at(b, at + 2)? & 0xfff8 != 0;
                8
            }
            _ => break,
        };
        next = *b.get(at)?;
        chain.push(next);
        if later {
            break;
        }
        at += len;
    }
    let addrs = [b.get(8..24)?.to_vec(), b.get(24..40)?.to_vec()];
    Some(Ip { v6: true, addrs, chain, later, first_two, rest: b.get(at..)?.to_vec() })
}

/// The packet inside; the outer None where a walk would leave it.
pub fn inner(outer: &Layers, ext: bool) -> Option<Option<Layers>> {
    let Some(ip) = outer.ip.as_ref().filter(|ip| !ip.later) else { return Some(None) };
    let b = &ip.rest[..];
    let bare = |ethertype: u16, b: &[u8]| {
        let ip = network(b, ethertype, ext)?;
        Some((ethertype != 0).then(|| Layers { ethertype, ip, ..Layers::default() }))
    };
    let carried = |ethertype: u16, b: &[u8]| match ethertype {
        0x6558 => frame(b, true, ext).map(|l| (l.ethertype != 0).then_some(l)),
        _ => bare(ethertype, b),
    };
    match ip.protocol() {
        4 => bare(0x0800, b),
        41 => bare(0x86dd, b),
        47 => {
            let flags = u16_at(b, 0)?;
            let fields = [0x8000, 0x2000, 0x1000].iter().filter(|&&f| flags & f != 0).count();
            if flags & 0x4007 != 0 {
                return Some(None);
            }
            carried(u16_at(b, 2)?, b.get(4 + 4 * fields..)?)
        }
        17 => {
            let payload = b.get(8..)?;
            match u16_at(b, 2)? {
                4789 if payload.first()? & 8 != 0 => carried(0x6558, payload.get(8..)?),
                6081 if payload.first()? & 0xc0 == 0 => {
                    carried(u16_at(payload, 2)?, payload.get(8 + usize::from(payload[0] & 0x3f) * 4..)?)
                }
                2152 => gtp(payload, ext),
                _ => Some(None),
            }
        }
        _ => Some(None),
    }
}

fn gtp(b: &[u8], ext: bool) -> Option<Option<Layers>> {
    let flags = *b.first()?;
    if flags & 0xf0 != 0x30 || *b.get(1)? != 255 {
        return Some(None);
    }
    let mut at = if flags & 7 == 0 { 8 } else { 12 };
    if flags & 4 != 0 {
        let mut left = 4;
        while *b.get(at - 1)? != 0 {
            if left == 0 {
                return Some(None);
            }
            left -= 1;
            at += usize::from(*b.get(at)?) * 4;
        }
    }
    let ethertype = version(b.get(at..)?)?;
    if ethertype == 0 {
        return Some(None);
    }
    Some(Some(Layers { ethertype, ip: network(b.get(at..)?, ethertype, ext)?, ..Layers::default() }))
}

/// An expression.
#[derive(Clone, Debug)]
pub enum Expr {
    /// A protocol's name, its number, and the version of IP that it is bound to.
    Named(&'static str, u8, Option<bool>),
    /// `proto N`, `ip6 proto N`
    Proto(Option<bool>, u8),
    /// `ip`, `ip6`
    Version(bool),
    /// Protocol, direction (0 source, 1 destination), number.
    Port(Option<u8>, Option<usize>, u16),
    /// `tcp[13] & 2 != 0` and the like: name, number, byte, mask; and the version of IP that it is bound to.
    Byte(&'static str, u8, usize, u8, Option<bool>),
    /// `vlan`, `vlan N`
    Vlan(Option<u16>),
    /// `ether src`
    EtherSrc(u8),
    /// `src host` of IPv4, by its last byte.
    Host(u8),
    /// `ip6 protochain N`
    Chain(u8),
    /// `not`
    Not(Box<Expr>),
    /// `and`, `or`
    Join(bool, Box<Expr>, Box<Expr>),
}

impl std::fmt::Display for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name, ..) => f.write_str(name),
            Self::Proto(v6, n) => {
                write!(f, "{}proto {n}", v6.map_or("", |v6| if v6 { "ip6 " } else { "ip " }))
            }
            Self::Version(v6) => f.write_str(if *v6 { "ip6" } else { "ip" }),
            Self::Port(proto, dir, n) => {
                let proto = proto.map_or("", |p| if p == 6 { "tcp " } else { "udp " });
                let dir = dir.map_or("", |d| ["src ", "dst "][d]);
                write!(f, "{proto}{dir}port {n}")
            }
            Self::Byte(name, _, at, mask, _) => write!(f, "{name}[{at}] & {mask} != 0"),
            Self::Vlan(None) => f.write_str("vlan"),
            Self::Vlan(Some(n)) => write!(f, "vlan {n}"),
            Self::EtherSrc(n) => write!(f, "ether src 02:00:00:00:00:{n:02x}"),
            Self::Host(n) => write!(f, "ip src host 10.0.0.{n}"),
            Self::Chain(n) => write!(f, "ip6 protochain {n}"),
            Self::Not(e) => write!(f, "not ({e})"),
            Self::Join(and, a, b) => write!(f, "({a}) {} ({b})", if *and { "and" } else { "or" }),
        }
    }
}

impl Expr {
    /// A random one for these options.
    pub fn random(r: &mut Random, link: Link, walk: Walk, depth: usize) -> Self {
        if depth > 0 && r.below(2) == 0 {
            let (a, b) = (Self::random(r, link, walk, depth - 1), Self::random(r, link, walk, depth - 1));
            return match r.below(5) {
                0 => Self::Not(Box::new(a)),
                n => Self::Join(n < 3, Box::new(a), Box::new(b)),
            };
        }
        let version = [None, Some(true), Some(false)][r.below(3)];
        match r.below(12) {
            0 | 1 => {
                let names = [
                    ("tcp", 6, None),
                    ("udp", 17, None),
                    ("icmp", 1, Some(false)),
                    ("icmp6", 58, Some(true)),
                    ("sctp", 132, None),
                    ("ah", 51, None),
                ];
                let (name, number, version) = names[r.below(names.len())];
                Self::Named(name, number, version)
            }
            2 => Self::Proto(version, [0, 6, 17, 43, 44, 51, 59, 60, 4, 47][r.below(10)]),
            3 => Self::Version(r.below(2) == 0),
            4 | 5 => Self::Port(
                [None, Some(6), Some(17)][r.below(3)],
                [None, Some(0), Some(1)][r.below(3)],
                [1, 2, 3, 53, 4789, 6081][r.below(6)],
            ),
            6 if walk.ipv6_ext || walk.transport6 => {
                let (name, number, version) =
                    [("tcp", 6, None), ("udp", 17, None), ("icmp6", 58, Some(true))][r.below(3)];
                Self::Byte(name, number, r.below(8), 1 << r.below(8), version)
            }
            7 if link == Link::Ethernet && (walk.any_vlan || walk.inner) => {
                Self::Vlan([None, Some(r.below(4) as u16)][r.below(2)])
            }
            8 if link == Link::Ethernet => Self::EtherSrc(r.below(3) as u8),
            9 => Self::Chain([0, 6, 17, 43, 44, 51, 60, 58][r.below(8)]),
            _ => Self::Host(r.below(3) as u8),
        }
    }

    /// Whether it holds. None: a load beyond the packet ends it.
    pub fn holds(&self, l: &Layers, walk: Walk) -> Option<bool> {
        let ip = l.ip.as_ref();
        let bound = |v6: Option<bool>| ip.filter(|ip| v6.is_none_or(|v6| v6 == ip.v6));
        Some(match self {
            Self::Named(_, n, v6) | Self::Proto(v6, n) => bound(*v6).is_some_and(|ip| match walk.ipv6_ext {
                true if matches!(n, 0 | 43 | 44 | 51 | 60) => ip.chain.contains(n),
                true => ip.protocol() == *n,
                false => ip.first_two.contains(n),
            }),
            Self::Version(v6) => ip.is_some_and(|ip| ip.v6 == *v6),
            Self::Port(proto, dir, n) => {
                let has = |ip: &&Ip| match proto {
                    Some(proto) => ip.protocol() == *proto,
                    None => matches!(ip.protocol(), 6 | 17 | 132),
                };
                match ip.filter(|ip| !ip.later).filter(has) {
                    None => false,
                    Some(ip) => {
                        let ports = [u16_at(&ip.rest, 0)?, u16_at(&ip.rest, 2)?];
                        dir.map_or(ports.contains(n), |d| ports[d] == *n)
                    }
                }
            }
            Self::Byte(_, n, at, mask, v6) => {
                match bound(*v6).filter(|ip| !ip.later && ip.protocol() == *n) {
                    Some(ip) => ip.rest.get(*at)? & mask != 0,
                    None => false,
                }
            }
            Self::Vlan(None) => !l.tags.is_empty(),
            Self::Vlan(Some(n)) => l.tags.contains(n),
            Self::EtherSrc(n) => l.ether.is_some_and(|(_, src)| src == [2, 0, 0, 0, 0, *n]),
            Self::Host(n) => ip.is_some_and(|ip| !ip.v6 && ip.addrs[0] == [10, 0, 0, *n]),
            Self::Chain(n) => {
                // It walks whatever else is asked for.
                let whole = ip.filter(|ip| ip.v6).map(|ip| ip.whole_chain());
                match whole {
                    None => false,
                    Some(chain) => chain?.contains(n),
                }
            }
            Self::Not(e) => !e.holds(l, walk)?,
            Self::Join(true, a, b) => a.holds(l, walk)? && b.holds(l, walk)?,
            Self::Join(false, a, b) => a.holds(l, walk)? || b.holds(l, walk)?,
        })
    }
}

impl Ip {
    /// All headers of IPv6, where only the first was looked at.
    fn whole_chain(&self) -> Option<Vec<u8>> {
        if self.chain.len() > 1 {
            return Some(self.chain.clone());
        }
        let mut b = vec![0; 40];
        b[6] = self.chain[0];
        b.extend(&self.rest);
        ipv6(&b, true).map(|ip| ip.chain)
    }
}

/// A random packet, with room behind it.
pub fn packet(r: &mut Random, link: Link) -> Vec<u8> {
    let mut b = Vec::new();
    match link {
        Link::Ethernet => ethernet(r, 0, &mut b),
        Link::Cooked => {
            let kind = r.below(10);
            b.resize(14, 0);
            b.extend(ethertype(kind).to_be_bytes());
            ip(r, kind, 0, &mut b);
        }
        Link::Raw => {
            let kind = r.below(9);
            ip(r, kind, 0, &mut b);
        }
    }
    let room = b.len() + 700;
    b.resize_with(room, || r.below(256) as u8);
    if r.below(4) == 0 {
        for _ in 0..1 + r.below(3) {
            let at = r.below(b.len() - 690);
            b[at] = r.below(256) as u8;
        }
    }
    b
}

fn ethernet(r: &mut Random, depth: usize, b: &mut Vec<u8>) {
    b.extend([2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, r.below(3) as u8]);
    for _ in 0..[0, 0, 1, 2, 2, 3][r.below(6)] {
        b.extend([0x8100_u16, 0x88a8, 0x9100][r.below(3)].to_be_bytes());
        b.extend([0, r.below(4) as u8]);
    }
    let kind = r.below(10);
    b.extend(ethertype(kind).to_be_bytes());
    ip(r, kind, depth, b);
}

fn ethertype(kind: usize) -> u16 {
    match kind {
        0..4 => 0x0800,
        4..9 => 0x86dd,
        _ => 0x0806,
    }
}

fn ip(r: &mut Random, kind: usize, depth: usize, b: &mut Vec<u8>) {
    let (number, mut rest) = transport(r, depth);
    match ethertype(kind) {
        0x0800 => {
            let words = 5 + r.below(3);
            let fragment = [0_u16, 0, 0, 0x2000, 0x2001, 0x0007, 0x4000][r.below(7)].to_be_bytes();
            b.extend([0x40 | words as u8, 0, 0, 0, 0, 0, fragment[0], fragment[1], 64, number, 0, 0]);
            b.extend([10, 0, 0, r.below(3) as u8, 10, 0, 0, r.below(3) as u8]);
            b.resize(b.len() + words * 4 - 20, 1);
        }
        0x86dd => {
            // From the last to the first.
            let mut next = number;
            for _ in 0..[0, 0, 0, 1, 1, 2, 3, 8, 9][r.below(9)] {
                let kind = [0, 43, 60, 44, 51][r.below(5)];
                let mut header = extension(r, kind, next);
                header.append(&mut rest);
                (rest, next) = (header, kind);
            }
            b.extend([0x60, 0, 0, 0, 0, 0, next, 64]);
            b.resize(b.len() + 32, 3);
        }
        _ => {}
    }
    b.append(&mut rest);
}

fn extension(r: &mut Random, kind: u8, next: u8) -> Vec<u8> {
    let more = r.below(3);
    let (second, len) = match kind {
        44 => (0, 8),
        51 => (1 + more, (1 + more + 2) * 4),
        _ => (more, (more + 1) * 8),
    };
    let mut header = vec![0; len];
    (header[0], header[1]) = (next, second as u8);
    if kind == 44 {
        header[2..4].copy_from_slice(&[0_u16, 1, 1, 8, 0x99][r.below(5)].to_be_bytes());
    }
    header
}

fn transport(r: &mut Random, depth: usize) -> (u8, Vec<u8>) {
    let mut b = Vec::new();
    let ports = [1_u16, 2, 3, 53];
    let port = |r: &mut Random| ports[r.below(4)].to_be_bytes();
    if depth > 1 || r.below(2) == 0 {
        let number = [6, 6, 17, 17, 132, 1, 58, 59, 50, 103][r.below(10)];
        b.extend(port(r));
        b.extend(port(r));
        b.resize_with(24, || r.below(256) as u8);
        return (number, b);
    }
    let number = match r.below(6) {
        0 => {
            ip(r, 0, depth + 1, &mut b);
            4
        }
        1 => {
            ip(r, 4, depth + 1, &mut b);
            41
        }
        2 => {
            let flags = [0_u16, 0x8000, 0x2000, 0x1000, 0xb000, 0x4000, 1][r.below(7)];
            b.extend(flags.to_be_bytes());
            let kind = r.below(13);
            b.extend(carried(kind).to_be_bytes());
            b.resize(b.len() + 4 * (flags & 0xb000).count_ones() as usize, 0xee);
            payload(r, kind, depth, &mut b);
            47
        }
        3 => {
            b.extend([0, 1, 0x12, 0xb5, 0, 0, 0, 0, [8, 8, 8, 0][r.below(4)], 0, 0, 0, 0, 0, 5, 0]);
            ethernet(r, depth + 1, &mut b);
            17
        }
        4 => {
            let words = r.below(4) as u8;
            let kind = r.below(13);
            b.extend([0, 1, 0x17, 0xc1, 0, 0, 0, 0, words | if r.below(8) == 0 { 0x40 } else { 0 }, 0]);
            b.extend(carried(kind).to_be_bytes());
            b.resize(b.len() + 4 + usize::from(words) * 4, 0xee);
            payload(r, kind, depth, &mut b);
            17
        }
        _ => {
            let flags = [0x30_u8, 0x30, 0x32, 0x34, 0x36, 0x50][r.below(6)];
            b.extend([0, 1, 0x08, 0x68, 0, 0, 0, 0, flags, [255, 255, 1][r.below(3)], 0, 0, 0, 0, 0, 9]);
            if flags & 7 != 0 {
                b.extend([0, 1, 0]);
                for _ in 0..if flags & 4 != 0 { r.below(6) } else { 0 } {
                    b.push(0x85);
                    let words = 1 + r.below(2);
                    b.push(words as u8);
                    b.resize(b.len() + words * 4 - 2, 0);
                }
                b.push(0);
            }
            let kind = r.below(9);
            ip(r, kind, depth + 1, &mut b);
            17
        }
    };
    (number, b)
}

/// What GRE and Geneve say that they carry.
fn carried(kind: usize) -> u16 {
    if kind < 10 { ethertype(kind) } else { 0x6558 }
}

fn payload(r: &mut Random, kind: usize, depth: usize, b: &mut Vec<u8>) {
    if kind < 10 {
        ip(r, kind, depth + 1, b);
    } else {
        ethernet(r, depth + 1, b);
    }
}
