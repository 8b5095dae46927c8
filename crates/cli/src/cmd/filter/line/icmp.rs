//! ICMP messages (RFC 792, RFC 4443, RFC 4861, RFC 3810), the name and what it is about.

use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr};

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};

fn word(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]))
}

/// The packet that a message is about.
struct About {
    to: IpAddr,
    /// Its transport and port.
    port: Option<(&'static str, u16)>,
    protocol: u8,
}

fn about(bytes: &[u8]) -> Option<About> {
    let sliced = LaxSlicedPacket::from_ip(bytes).ok()?;
    let port = match &sliced.transport {
        Some(TransportSlice::Udp(udp)) => Some(("udp", udp.destination_port())),
        Some(TransportSlice::Tcp(tcp)) => Some(("tcp", tcp.destination_port())),
        _ => None,
    };
    let (to, protocol) = match sliced.net? {
        LaxNetSlice::Ipv4(ip) => (IpAddr::from(ip.header().destination_addr()), ip.header().protocol().0),
        LaxNetSlice::Ipv6(ip) => (IpAddr::from(ip.header().destination_addr()), ip.payload().ip_number.0),
        LaxNetSlice::Arp(_) => return None,
    };
    Some(About { to, port, protocol })
}

/// Behind `ICMP `.
pub(super) fn v4(bytes: &[u8], out: &mut String) {
    let (kind, code) = (bytes.first().copied().unwrap_or(0), bytes.get(1).copied().unwrap_or(0));
    let (id, seq) = (word(bytes, 4), word(bytes, 6));
    let inner = || about(bytes.get(8..)?);
    let to = || inner().map_or("?".to_owned(), |i| i.to.to_string());
    let _ = match (kind, code) {
        (0, _) => write!(out, "echo reply, id {id}, seq {seq}"),
        (8, _) => write!(out, "echo request, id {id}, seq {seq}"),
        (3, 0) => write!(out, "net {} unreachable", to()),
        (3, 1) => write!(out, "host {} unreachable", to()),
        (3, 2) => write!(out, "{} protocol {} unreachable", to(), inner().map_or(0, |i| i.protocol)),
        (3, 3) => match inner() {
            Some(About { to, port: Some((transport, port)), .. }) => {
                write!(out, "{to} {transport} port {port} unreachable")
            }
            _ => write!(out, "{} port unreachable", to()),
        },
        (3, 4) => write!(out, "{} unreachable - need to frag (mtu {seq})", to()),
        (3, 10) => write!(out, "host {} unreachable - admin prohibited", to()),
        (3, 13) => write!(out, "host {} unreachable - admin prohibited filter", to()),
        (3, code) => write!(out, "{} unreachable - #{code}", to()),
        (5, _) => {
            let gateway = bytes.get(4..8).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(IpAddr::from);
            let what = if code == 0 { "net" } else { "host" };
            write!(out, "redirect {} to {what} {}", to(), gateway.map_or("?".into(), |g| g.to_string()))
        }
        (11, 0) => write!(out, "time exceeded in-transit"),
        (11, _) => write!(out, "ip reassembly time exceeded"),
        (13, _) => write!(out, "time stamp query id {id} seq {seq}"),
        (14, _) => write!(out, "time stamp reply id {id} seq {seq}"),
        (kind, _) => write!(out, "type-#{kind}"),
    };
}

/// Behind `ICMP6, `.
pub(super) fn v6(bytes: &[u8], out: &mut String) {
    let (kind, code) = (bytes.first().copied().unwrap_or(0), bytes.get(1).copied().unwrap_or(0));
    let (id, seq) = (word(bytes, 4), word(bytes, 6));
    let address = |at: usize| {
        let found = bytes.get(at..at + 16).and_then(|b| <[u8; 16]>::try_from(b).ok());
        found.map_or("?".to_owned(), |b| Ipv6Addr::from(b).to_string())
    };
    let inner = || about(bytes.get(8..)?);
    let to = || inner().map_or("?".to_owned(), |i| i.to.to_string());
    let mtu = u32::from(id) << 16 | u32::from(seq);
    let _ = match (kind, code) {
        (1, 4) => match inner() {
            Some(About { to, port: Some((transport, port)), .. }) => {
                write!(out, "destination unreachable, unreachable port, {to} {transport} port {port}")
            }
            _ => write!(out, "destination unreachable, unreachable port, {}", to()),
        },
        (1, 0) => write!(out, "destination unreachable, unreachable route {}", to()),
        (1, 1) => write!(out, "destination unreachable, unreachable prohibited {}", to()),
        (1, 3) => write!(out, "destination unreachable, unreachable address {}", to()),
        (1, code) => write!(out, "destination unreachable, unknown code ({code})"),
        (2, _) => write!(out, "packet too big, mtu {mtu}"),
        (3, 0) => write!(out, "time exceeded in-transit for {}", to()),
        (3, _) => write!(out, "time exceeded in-reassembly for {}", to()),
        (128, _) => write!(out, "echo request, id {id}, seq {seq}"),
        (129, _) => write!(out, "echo reply, id {id}, seq {seq}"),
        (130, _) => write!(
            out,
            "multicast listener query v{} [gaddr {}]",
            if bytes.len() >= 28 { 2 } else { 1 },
            address(8)
        ),
        (131, _) => write!(out, "multicast listener report max resp delay: {id} addr: {}", address(8)),
        (132, _) => write!(out, "multicast listener done max resp delay: {id} addr: {}", address(8)),
        (133, _) => write!(out, "router solicitation"),
        (134, _) => write!(out, "router advertisement"),
        (135, _) => write!(out, "neighbor solicitation, who has {}", address(8)),
        (136, _) => write!(out, "neighbor advertisement, tgt is {}", address(8)),
        (137, _) => write!(out, "redirect, {} to {}", address(24), address(8)),
        (143, _) => write!(out, "multicast listener report v2, {seq} group record(s)"),
        (kind, _) => write!(out, "icmp6-type-{kind}"),
    };
}
