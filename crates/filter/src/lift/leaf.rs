//! Primitives of the language, as far as lifting knows them: what each asks for, what it implies, how it is written.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Network protocols, as bits.
pub(super) const IP: u8 = 1;
pub(super) const ARP: u8 = 2;
pub(super) const RARP: u8 = 4;
pub(super) const IP6: u8 = 8;

/// The families of `host` without a protocol.
const HOST: u8 = IP | ARP | RARP;

static FAMILIES: &[(u8, &str)] = &[(IP, "ip"), (ARP, "arp"), (RARP, "rarp"), (IP6, "ip6")];

/// Protocols that have a keyword.
static KEYWORDS: &[(u32, &str)] = &[
    (6, "tcp"),
    (17, "udp"),
    (132, "sctp"),
    (2, "igmp"),
    (103, "pim"),
    (112, "vrrp"),
    (50, "esp"),
    (51, "ah"),
];

/// Protocols that have ports.
pub(super) const WITH_PORTS: [u32; 3] = [6, 17, 132];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dir {
    Src,
    Dst,
    Either,
}

impl Dir {
    fn text(self) -> &'static str {
        match self {
            Self::Src => "src ",
            Self::Dst => "dst ",
            Self::Either => "",
        }
    }
}

/// By what a text is joined on its highest level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    None,
    And,
    Or,
}

/// A part of a long address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) mac: bool,
    pub(super) dir: Dir,
    /// Where in the address, and how many bytes.
    pub(super) at: u32,
    pub(super) bytes: u32,
    pub(super) low: u32,
    pub(super) high: u32,
    /// As a test of bytes.
    pub(super) text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only the network protocol.
    Family,
    /// Only the protocol above it.
    Proto,
    /// IPv6's first next header, and no other.
    Next,
    /// No later fragment of IPv4.
    Whole,
    Ports(Dir, Vec<(u32, u32)>),
    /// Addresses and lengths of prefixes, of IPv4 in the low 32 bits.
    Nets(Dir, Vec<(u128, u32)>),
    Mac(Dir, u64),
    EtherType(u32),
    Word(Word),
    /// Other words of the language.
    Words(String),
    /// A test of bytes.
    Text(String),
}

/// A primitive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Only of these network protocols; 0 if it does not say.
    pub(super) families: u8,
    /// Only of these protocols above them; empty if it does not say.
    pub(super) protos: Vec<u32>,
    /// Only where it is no later fragment.
    pub(super) whole: bool,
    pub(super) kind: Kind,
}

impl Leaf {
    pub(super) fn new(families: u8, kind: Kind) -> Self {
        Self { families, protos: Vec::new(), whole: false, kind }
    }

    /// Whether what this takes, the other takes, too.
    pub(super) fn implies(&self, other: &Self) -> bool {
        let families = self.families != 0 && self.families & !other.families == 0;
        let protos = !self.protos.is_empty() && self.protos.iter().all(|p| other.protos.contains(p));
        match other.kind {
            Kind::Family => families,
            Kind::Proto => families && protos,
            Kind::Next => families && protos && matches!(self.kind, Kind::Ports(..)),
            Kind::Whole => self.whole && self.families == IP,
            _ => self == other,
        }
    }

    /// Both as one, where one of them holds; none if there is no such primitive.
    pub(super) fn either(&self, other: &Self) -> Option<Self> {
        if self == other {
            return Some(self.clone());
        }
        if self.protos == other.protos && self.kind == other.kind {
            let v6 = |leaf: &Self| leaf.families & IP6 != 0;
            let alike = match self.kind {
                Kind::Family => true,
                Kind::Proto | Kind::Ports(..) => self.families & other.families == 0,
                Kind::Nets(..) => !v6(self) && !v6(other),
                _ => false,
            };
            return alike.then(|| Self {
                families: self.families | other.families,
                whole: self.whole && other.whole,
                ..self.clone()
            });
        }
        if self.families != other.families {
            return None;
        }
        if self.kind == Kind::Proto && other.kind == Kind::Proto {
            let mut protos = self.protos.clone();
            protos.extend(&other.protos);
            protos.sort_unstable();
            protos.dedup();
            return Some(Self { protos, ..self.clone() });
        }
        if self.protos != other.protos {
            return None;
        }
        let kind = match (&self.kind, &other.kind) {
            (Kind::Ports(a, x), Kind::Ports(b, y)) => {
                let (dir, values) = joined((*a, x), (*b, y))?;
                Kind::Ports(dir, values)
            }
            (Kind::Nets(a, x), Kind::Nets(b, y)) => {
                let (dir, values) = joined((*a, x), (*b, y))?;
                Kind::Nets(dir, values)
            }
            (Kind::Mac(a, x), Kind::Mac(b, y)) if x == y && a != b => Kind::Mac(Dir::Either, *x),
            _ => return None,
        };
        Some(Self { kind, ..self.clone() })
    }

    /// As it is written, and by what that is joined.
    pub(super) fn text(&self) -> (String, Join) {
        let any = |all: Vec<String>| {
            let join = if all.len() > 1 { Join::Or } else { Join::None };
            (all.join(" or "), join)
        };
        let bytes = |text: &str| {
            let join = match (text.contains(" and "), text.contains(" or ")) {
                (false, false) => Join::None,
                (true, false) => Join::And,
                _ => Join::Or,
            };
            (text.to_owned(), join)
        };
        match &self.kind {
            Kind::Family => any(families(self.families).map(str::to_owned).collect()),
            Kind::Proto => any(self.protos.iter().flat_map(|&p| protocol(self.families, p)).collect()),
            Kind::Next => any(self.protos.iter().map(|p| format!("ip6[6] = {p}")).collect()),
            Kind::Whole => ("ip[6:2] & 0x1fff = 0".into(), Join::None),
            Kind::Ports(dir, ranges) => self.ports(*dir, ranges),
            Kind::Nets(dir, nets) => self.nets(*dir, nets),
            Kind::Mac(dir, mac) => (format!("ether {}host {}", dir.text(), colons(*mac)), Join::None),
            Kind::EtherType(kind) => (format!("ether proto {kind:#06x}"), Join::None),
            Kind::Word(word) => bytes(&word.text),
            Kind::Words(text) => (text.clone(), Join::None),
            Kind::Text(text) => bytes(text),
        }
    }

    /// Whether it says something in the words of the language, rather than by the bytes.
    pub(super) fn is_said(&self) -> bool {
        !matches!(self.kind, Kind::Next | Kind::Whole | Kind::Word(_) | Kind::Text(_))
    }

    fn ports(&self, dir: Dir, ranges: &[(u32, u32)]) -> (String, Join) {
        let single: Vec<String> = ranges.iter().filter(|r| r.0 == r.1).map(|r| r.0.to_string()).collect();
        let wide: Vec<String> =
            ranges.iter().filter(|r| r.0 != r.1).map(|r| format!("{}-{}", r.0, r.1)).collect();
        let names: Vec<&str> = match self.protos[..] == WITH_PORTS {
            true => vec![""],
            false => self.protos.iter().map(|&p| keyword(p).unwrap_or_default()).collect(),
        };
        let mut all = Vec::new();
        for name in names {
            let space = if name.is_empty() { "" } else { " " };
            for (word, values) in [("port", &single), ("portrange", &wide)] {
                if !values.is_empty() {
                    all.push(format!("{name}{space}{}{word} {}", dir.text(), list(values)));
                }
            }
        }
        let (text, many) = (all.join(" or "), all.len() > 1);
        let within = match self.families {
            IP => "ip and ",
            IP6 => "ip6 and ",
            _ => return (text, if many { Join::Or } else { Join::None }),
        };
        (if many { format!("{within}({text})") } else { format!("{within}{text}") }, Join::And)
    }

    fn nets(&self, dir: Dir, nets: &[(u128, u32)]) -> (String, Join) {
        let v6 = self.families == IP6;
        let whole = if v6 { 128 } else { 32 };
        let address = |value: u128| match v6 {
            true => Ipv6Addr::from(value).to_string(),
            false => Ipv4Addr::from(value as u32).to_string(),
        };
        let hosts: Vec<String> = nets.iter().filter(|n| n.1 == whole).map(|n| address(n.0)).collect();
        let wide: Vec<String> =
            nets.iter().filter(|n| n.1 != whole).map(|n| format!("{}/{}", address(n.0), n.1)).collect();
        let names: Vec<&str> =
            if self.families == HOST || v6 { vec![""] } else { families(self.families).collect() };
        let mut all = Vec::new();
        for name in names {
            let space = if name.is_empty() { "" } else { " " };
            for (word, values) in [("host", &hosts), ("net", &wide)] {
                if !values.is_empty() {
                    all.push(format!("{name}{space}{}{word} {}", dir.text(), list(values)));
                }
            }
        }
        (all.join(" or "), if all.len() > 1 { Join::Or } else { Join::None })
    }
}

/// Values of two directions as those of one: more of the same, or the same of both.
fn joined<T: Clone + Ord>(a: (Dir, &Vec<T>), b: (Dir, &Vec<T>)) -> Option<(Dir, Vec<T>)> {
    if a.0 == b.0 {
        let mut all = a.1.clone();
        all.extend_from_slice(b.1);
        all.sort_unstable();
        all.dedup();
        return Some((a.0, all));
    }
    let directed = a.0 != Dir::Either && b.0 != Dir::Either;
    (directed && a.1 == b.1).then(|| (Dir::Either, a.1.clone()))
}

fn list(values: &[String]) -> String {
    match values {
        [one] => one.clone(),
        all => format!("({})", all.join(" or ")),
    }
}

fn families(bits: u8) -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().filter(move |f| bits & f.0 != 0).map(|f| f.1)
}

/// The keyword of a protocol, where it has one.
pub(super) fn keyword(proto: u32) -> Option<&'static str> {
    KEYWORDS.iter().find(|k| k.0 == proto).map(|k| k.1)
}

fn protocol(bits: u8, proto: u32) -> Vec<String> {
    match (bits, proto) {
        (IP, 1) => return vec!["icmp".into()],
        (IP6, 58) => return vec!["icmp6".into()],
        (b, 2) if b == IP => return vec!["igmp".into()],
        _ => {}
    }
    if bits == IP | IP6 {
        return vec![match proto {
            6 | 17 | 132 | 103 | 50 | 51 => keyword(proto).unwrap_or_default().to_owned(),
            _ => format!("proto {proto}"),
        }];
    }
    families(bits).map(|family| format!("{family} proto {proto}")).collect()
}

fn colons(mac: u64) -> String {
    let bytes = mac.to_be_bytes();
    bytes[2..].iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
}
