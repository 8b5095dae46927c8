//! Ports and port ranges, over IPv4 and IPv6.

use super::{Compiler, ETHERTYPE_IP, ETHERTYPE_IPV6, Rel, Res, at_most, invalid_proto, invalid_qual};
use crate::addr::{NotANumber, number};
use crate::code::{B, H};
use crate::error::fail;
use crate::ir::BlockId;
use crate::names::Ports;
use crate::qual::{Dir, Proto};

pub(super) const TCP: u32 = 6;
pub(super) const UDP: u32 = 17;
pub(super) const SCTP: u32 = 132;

/// The protocol that a port's qualifier names, if it does.
pub(super) fn transport(proto: Proto, keyword: &str) -> Res<Option<u32>> {
    match proto {
        Proto::Udp => Ok(Some(UDP)),
        Proto::Tcp => Ok(Some(TCP)),
        Proto::Sctp => Ok(Some(SCTP)),
        Proto::Default => Ok(None),
        _ => invalid_proto(proto, keyword),
    }
}

/// What the qualifier asks, held against what the service is known under.
fn agree(asked: Option<u32>, known: Option<u32>, what: &str, name: &str) -> Res<Option<u32>> {
    let keyword = |proto| if proto == TCP { "tcp" } else { "udp" };
    match (asked, known) {
        (Some(asked), Some(known)) if asked != known => fail!("{what} '{name}' is {}", keyword(known)),
        (Some(asked), _) => Ok(Some(asked)),
        (None, known) => Ok(known),
    }
}

/// One port and its protocol, where there is but one.
fn service(ports: Ports) -> Option<(u32, Option<u32>)> {
    match (ports.tcp, ports.udp) {
        (Some(tcp), Some(udp)) if tcp == udp => Some((tcp.into(), None)),
        (Some(tcp), _) => Some((tcp.into(), Some(TCP))),
        (None, Some(udp)) => Some((udp.into(), Some(UDP))),
        (None, None) => None,
    }
}

impl Compiler<'_> {
    fn look_up_port(&self, name: &str) -> Option<(u32, Option<u32>)> {
        // getaddrinfo takes a number for a service, too.
        if let Ok(port) = name.parse::<u16>() {
            return Some((port.into(), None));
        }
        service(self.names.ports(name))
    }

    pub(super) fn port_by_name(&mut self, name: &str, proto: Proto, dir: Dir) -> Res<BlockId> {
        let asked = transport(proto, "port")?;
        let Some((port, known)) = self.look_up_port(name) else { fail!("unknown port '{name}'") };
        let proto = agree(asked, known, "port", name)?;
        self.port46(port, port, proto, dir, "port")
    }

    pub(super) fn port_range_by_name(&mut self, text: &str, proto: Proto, dir: Dir) -> Res<BlockId> {
        let asked = transport(proto, "portrange")?;
        let Some((first, second)) = text.split_once('-') else {
            fail!("port range '{text}' contains no hyphen")
        };
        if second.contains('-') {
            fail!("port range '{text}' contains more than one hyphen");
        }
        if first.is_empty() {
            fail!("port range '{text}' has no starting port");
        }
        let (low, known_low) = self.port_of_range(first)?;
        if second.is_empty() {
            fail!("port range '{text}' has no ending port");
        }
        let (high, known_high) = self.port_of_range(second)?;
        let known = if known_low == known_high { known_low } else { None };
        let proto = agree(asked, known, "port in range", text)?;
        at_most("port number", low, 0xffff)?;
        at_most("port number", high, 0xffff)?;
        self.port46(low, high, proto, dir, "portrange")
    }

    fn port_of_range(&self, text: &str) -> Res<(u32, Option<u32>)> {
        match number(text) {
            Ok(port) => Ok((port, None)),
            Err(NotANumber::Overflow(notation)) => fail!("{notation} number {text} overflows 32 bits"),
            Err(_) => match self.look_up_port(text) {
                Some(found) => Ok(found),
                None => fail!("'{text}' is not a valid port"),
            },
        }
    }

    /// Over IPv6 or IPv4; the code for IPv4 is made first, and tested last.
    pub(super) fn port46(
        &mut self,
        low: u32,
        high: u32,
        proto: Option<u32>,
        dir: Dir,
        keyword: &str,
    ) -> Res<BlockId> {
        if self.options.walk.ipv6_ext {
            return self.walked_ports(low, high, proto, dir, keyword);
        }
        let v4 = self.port4(low, high, proto, dir, keyword)?;
        let v6 = self.port6(low, high, proto, dir, keyword)?;
        Ok(self.or(v6, v4))
    }

    fn port_atom(&mut self, rel: Rel, offset: u32, low: u32, high: u32) -> Res<BlockId> {
        if low == high {
            return self.cmp(rel, offset, H, low);
        }
        let a = self.cmp_ge(rel, offset, H, low.min(high))?;
        let b = self.cmp_le(rel, offset, H, low.max(high))?;
        Ok(self.and(a, b))
    }

    pub(super) fn ports_of(
        &mut self,
        rel: Rel,
        low: u32,
        high: u32,
        dir: Dir,
        keyword: &str,
    ) -> Res<BlockId> {
        match dir {
            Dir::Src => self.port_atom(rel, 0, low, high),
            Dir::Dst => self.port_atom(rel, 2, low, high),
            Dir::And | Dir::Default | Dir::Or => {
                let a = self.port_atom(rel, 0, low, high)?;
                let b = self.port_atom(rel, 2, low, high)?;
                Ok(if dir == Dir::And { self.and(a, b) } else { self.or(a, b) })
            }
            _ => invalid_qual(dir.keyword(), keyword),
        }
    }

    /// The protocol number at `offset`, or any that has ports.
    fn has_ports(&mut self, offset: u32, proto: Option<u32>) -> Res<BlockId> {
        let pl = Rel::LinkPayload;
        if let Some(proto) = proto {
            return self.cmp(pl, offset, B, proto);
        }
        let any = self.cmp(pl, offset, B, SCTP)?;
        let udp = self.cmp(pl, offset, B, UDP)?;
        let any = self.or(udp, any);
        let tcp = self.cmp(pl, offset, B, TCP)?;
        Ok(self.or(tcp, any))
    }

    pub(super) fn port4(
        &mut self,
        low: u32,
        high: u32,
        proto: Option<u32>,
        dir: Dir,
        keyword: &str,
    ) -> Res<BlockId> {
        let ports = self.ports_of(Rel::TransportIpv4, low, high, dir, keyword)?;
        let proto = self.has_ports(9, proto)?;
        let first = self.first_fragment()?;
        let before = self.and(proto, first);
        let b = self.and(before, ports);
        let ip = self.linktype(ETHERTYPE_IP)?;
        Ok(self.and(ip, b))
    }

    pub(super) fn port6(
        &mut self,
        low: u32,
        high: u32,
        proto: Option<u32>,
        dir: Dir,
        keyword: &str,
    ) -> Res<BlockId> {
        let ports = self.ports_of(Rel::TransportIpv6, low, high, dir, keyword)?;
        let proto = self.has_ports(6, proto)?;
        let b = self.and(proto, ports);
        let ip = self.linktype(ETHERTYPE_IPV6)?;
        Ok(self.and(ip, b))
    }

    /// No fragment of IPv4 but a first one.
    pub(super) fn first_fragment(&mut self) -> Res<BlockId> {
        let s = self.load_a(Rel::LinkPayload, 6, H)?;
        Ok(self.unset(0x1fff, s))
    }
}
