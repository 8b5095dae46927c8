//! A packet as a line, in tcpdump's manner: Ethernet, ARP, IP and IPv6 with TCP, UDP, ICMP and DNS. Deeper dissection
//! is left to others.
//!
//! Whatever a packet holds, this writes one line: what is cut off or malformed ends it with `[|...]`, as in
//! tcpdump. Names are not looked up; times are those of the local zone.

mod clock;
mod dns;
mod icmp;
mod tcp;

use std::fmt::Write;
use std::net::IpAddr;

use etherparse::{
    ArpPacketSlice, EtherType, Icmpv4Slice, Icmpv6Slice, IpNumber, Ipv6ExtensionSlice, LaxNetSlice,
    LaxSlicedPacket, LinkSlice, TcpSlice, TransportSlice, UdpSlice,
};
use skep::capture::{LinkType, Packet};

/// Ports whose datagrams are printed as DNS, and the one among them of mDNS.
const DNS: [u16; 2] = [53, MDNS];
const MDNS: u16 = 5353;

/// Writes lines; it remembers connections, whose sequence numbers are told from their first.
#[derive(Default)]
pub(super) struct Lines {
    flows: tcp::Flows,
    clock: clock::Clock,
}

/// Both ends of a packet.
#[derive(Clone, Copy)]
struct Ends {
    source: IpAddr,
    destination: IpAddr,
}

impl Lines {
    /// The line of a packet, with its time.
    pub(super) fn line(&mut self, packet: &Packet<'_>) -> String {
        let mut out = String::with_capacity(120);
        if let Some(ns) = packet.timestamp_ns {
            let (s, us) = (ns / 1_000_000_000, ns % 1_000_000_000 / 1_000);
            let s = self.clock.second_of_day(s);
            let (h, m, s) = (s / 3600, s / 60 % 60, s % 60);
            let _ = write!(out, "{h:02}:{m:02}:{s:02}.{us:06} ");
        }
        self.packet(packet, &mut out);
        out
    }

    fn packet(&mut self, packet: &Packet<'_>, out: &mut String) {
        let data = packet.data;
        let sliced = match packet.link_type {
            LinkType::ETHERNET => LaxSlicedPacket::from_ethernet(data).ok(),
            LinkType::RAW => LaxSlicedPacket::from_ip(data).ok(),
            // The protocol stands at the end of the 16 bytes.
            LinkType::LINUX_SLL => data.split_at_checked(16).map(|(head, rest)| {
                let kind = EtherType(u16::from_be_bytes([head[14], head[15]]));
                LaxSlicedPacket::from_ether_type(kind, rest)
            }),
            other => {
                let _ = write!(out, "{other}, length {}", packet.orig_len);
                return;
            }
        };
        let Some(sliced) = sliced else {
            out.push_str("[|link]");
            return;
        };
        match sliced.net.clone() {
            Some(LaxNetSlice::Arp(arp)) => self::arp(&arp, packet, out),
            Some(LaxNetSlice::Ipv4(ip)) => {
                let header = ip.header();
                let ends = Ends {
                    source: header.source_addr().into(),
                    destination: header.destination_addr().into(),
                };
                out.push_str("IP ");
                let whole = usize::from(header.total_len()).saturating_sub(header.slice().len());
                if header.fragments_offset().value() > 0 {
                    let _ = write!(
                        out,
                        "{} > {}: ip-proto-{}",
                        ends.source,
                        ends.destination,
                        header.protocol().0
                    );
                    return;
                }
                self.transport(&sliced, &ends, (ip.payload().ip_number, ip.payload().payload), whole, out);
            }
            Some(LaxNetSlice::Ipv6(ip)) => {
                let header = ip.header();
                let ends = Ends {
                    source: header.source_addr().into(),
                    destination: header.destination_addr().into(),
                };
                out.push_str("IP6 ");
                let payload = ip.payload();
                let extensions = ip.extensions().slice().len();
                let whole = usize::from(header.payload_length()).saturating_sub(extensions);
                let (marks, later) = extension_marks(&ip, whole);
                if !marks.is_empty() {
                    let _ = write!(out, "{} > {}: {marks}", ends.source, ends.destination);
                    if later {
                        return;
                    }
                    let mut rest = String::new();
                    self.transport(&sliced, &ends, (payload.ip_number, payload.payload), whole, &mut rest);
                    // The addresses are there already: ports alone, or what follows them.
                    out.push(' ');
                    out.push_str(&without_addresses(&rest, &ends));
                    return;
                }
                self.transport(&sliced, &ends, (payload.ip_number, payload.payload), whole, out);
            }
            None => link_only(&sliced, packet, out),
        }
    }

    /// From the addresses on. `whole` is the length of the payload, cut off or not.
    fn transport(
        &mut self,
        sliced: &LaxSlicedPacket<'_>,
        ends: &Ends,
        (number, bytes): (IpNumber, &[u8]),
        whole: usize,
        out: &mut String,
    ) {
        let Ends { source, destination } = ends;
        // The first of several fragments is not looked into by the library.
        let transport = sliced.transport.clone().or_else(|| fragment(number, bytes));
        match &transport {
            Some(TransportSlice::Tcp(tcp)) => {
                let (from, to) = (tcp.source_port(), tcp.destination_port());
                let _ = write!(out, "{source}.{from} > {destination}.{to}: ");
                let len = whole.saturating_sub(tcp.header_slice().len());
                self.flows.line(tcp, ends, len, out);
            }
            Some(TransportSlice::Udp(udp)) => datagram(udp, ends, out),
            Some(TransportSlice::Icmpv4(icmp)) => {
                let _ = write!(out, "{source} > {destination}: ICMP ");
                icmp::v4(icmp.slice(), out);
                let _ = write!(out, ", length {whole}");
            }
            Some(TransportSlice::Icmpv6(icmp)) => {
                let _ = write!(out, "{source} > {destination}: ICMP6, ");
                icmp::v6(icmp.slice(), out);
                let _ = write!(out, ", length {whole}");
            }
            Some(TransportSlice::Igmp(_)) => {
                let _ = write!(out, "{source} > {destination}: igmp, length {whole}");
            }
            None => cut(number, bytes, ends, whole, out),
        }
    }
}

/// The transport header at the beginning of a first fragment.
fn fragment(number: IpNumber, bytes: &[u8]) -> Option<TransportSlice<'_>> {
    match number {
        IpNumber::TCP => TcpSlice::from_slice(bytes).ok().map(TransportSlice::Tcp),
        IpNumber::UDP => UdpSlice::from_slice_lax(bytes).ok().map(TransportSlice::Udp),
        IpNumber::ICMP => Icmpv4Slice::from_slice(bytes).ok().map(TransportSlice::Icmpv4),
        IpNumber::IPV6_ICMP => Icmpv6Slice::from_slice(bytes).ok().map(TransportSlice::Icmpv6),
        _ => None,
    }
}

/// A transport header that is not whole, or none that is known.
fn cut(number: IpNumber, bytes: &[u8], ends: &Ends, whole: usize, out: &mut String) {
    let Ends { source, destination } = ends;
    let ports = || {
        Some((
            u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]),
            u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]),
        ))
    };
    let name = match number {
        IpNumber::TCP => "tcp",
        IpNumber::UDP => "udp",
        IpNumber::ICMP => "icmp",
        IpNumber::IPV6_ICMP => "icmp6",
        _ => {
            let _ = write!(out, "{source} > {destination}: ip-proto-{} {whole}", number.0);
            return;
        }
    };
    let _ = match ports().filter(|_| name == "tcp" || name == "udp") {
        Some((from, to)) => write!(out, "{source}.{from} > {destination}.{to}: [|{name}]"),
        None => write!(out, "{source} > {destination}:  [|{name}]"),
    };
}

fn datagram(udp: &UdpSlice<'_>, ends: &Ends, out: &mut String) {
    let (from, to) = (udp.source_port(), udp.destination_port());
    let _ = write!(out, "{}.{from} > {}.{to}: ", ends.source, ends.destination);
    let len = usize::from(udp.length()).saturating_sub(8);
    if DNS.contains(&from) || DNS.contains(&to) {
        let start = out.len();
        if dns::message(udp.payload(), from == MDNS || to == MDNS, out).is_some() {
            let _ = write!(out, " ({len})");
            return;
        }
        out.truncate(start);
    }
    let _ = write!(out, "UDP, length {len}");
}

/// Names of extension headers, and whether this is a later fragment, in which nothing else can be read.
fn extension_marks(ip: &etherparse::LaxIpv6Slice<'_>, whole: usize) -> (String, bool) {
    let (mut marks, mut later) = (String::new(), false);
    for extension in ip.extensions().clone() {
        let mark = match extension {
            Ipv6ExtensionSlice::HopByHop(_) => "HBH".to_owned(),
            Ipv6ExtensionSlice::Routing(_) => "srcrt".to_owned(),
            Ipv6ExtensionSlice::DestinationOptions(_) => "DSTOPT".to_owned(),
            Ipv6ExtensionSlice::Fragment(f) => {
                let offset = usize::from(f.fragment_offset().value()) * 8;
                later = offset > 0;
                format!("frag ({offset}|{whole})")
            }
            Ipv6ExtensionSlice::Authentication(_) => "AH".to_owned(),
        };
        if !marks.is_empty() {
            marks.push(' ');
        }
        marks += &mark;
    }
    (marks, later)
}

/// A line of a transport, `a.1 > b.2: X`, as it stands behind `a > b: MARKS`: `1 > 2: X`, or just `X`.
fn without_addresses(line: &str, ends: &Ends) -> String {
    let (source, destination) = (ends.source.to_string(), ends.destination.to_string());
    let Some(rest) = line.strip_prefix(&source) else { return line.to_owned() };
    let Some((from, rest)) = rest.split_once(" > ") else { return line.to_owned() };
    let Some(rest) = rest.strip_prefix(&destination) else { return line.to_owned() };
    match (from.strip_prefix('.'), rest.strip_prefix('.')) {
        (Some(from), Some(rest)) => format!("{from} > {rest}"),
        _ => rest.strip_prefix(": ").unwrap_or(rest).to_owned(),
    }
}

fn mac(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
}

fn arp(arp: &ArpPacketSlice<'_>, packet: &Packet<'_>, out: &mut String) {
    // The frame's padding counts.
    let len = arp.slice().len() + trailing(packet, arp);
    let address = |bytes: &[u8]| match <[u8; 4]>::try_from(bytes) {
        Ok(four) => IpAddr::from(four).to_string(),
        Err(_) => mac(bytes),
    };
    let (sender, target) = (address(arp.sender_protocol_addr()), address(arp.target_protocol_addr()));
    let _ = match arp.operation().0 {
        1 if arp.target_hw_addr().iter().all(|b| *b == 0) => {
            write!(out, "ARP, Request who-has {target} tell {sender}, length {len}")
        }
        1 => {
            let known = mac(arp.target_hw_addr());
            write!(out, "ARP, Request who-has {target} ({known}) tell {sender}, length {len}")
        }
        2 => write!(out, "ARP, Reply {sender} is-at {}, length {len}", mac(arp.sender_hw_addr())),
        other => write!(out, "ARP, operation {other}, length {len}"),
    };
}

/// Bytes of the frame behind an ARP packet.
fn trailing(packet: &Packet<'_>, arp: &ArpPacketSlice<'_>) -> usize {
    let end = arp.slice().as_ptr_range().end as usize;
    let frame = packet.data.as_ptr_range().end as usize;
    frame.saturating_sub(end)
}

/// Neither IP nor ARP.
fn link_only(sliced: &LaxSlicedPacket<'_>, packet: &Packet<'_>, out: &mut String) {
    let ethertype = sliced.ether_payload().map(|p| p.ether_type);
    match (&sliced.link, ethertype) {
        (_, Some(EtherType::IPV4)) => out.push_str("IP  [|ip]"),
        (_, Some(EtherType::IPV6)) => out.push_str("IP6  [|ip6]"),
        (_, Some(EtherType::ARP)) => out.push_str("[|ARP]"),
        (Some(LinkSlice::Ethernet2(eth)), Some(other)) => {
            let (from, to) = (mac(&eth.source()), mac(&eth.destination()));
            let _ = match other.0 {
                // Of 802.3: not a type but a length.
                len @ 0..=1500 => write!(out, "{from} > {to}, 802.3, length {len}"),
                kind => {
                    write!(out, "{from} > {to}, ethertype Unknown (0x{kind:04x}), length {}", packet.orig_len)
                }
            };
        }
        _ => {
            let _ = write!(out, "length {}", packet.orig_len);
        }
    }
}

#[cfg(test)]
mod tests {
    use skep::capture::{Packet, Reader};

    use super::Lines;

    /// Whatever the bytes are, a line comes of them.
    #[test]
    fn cut_and_damaged_packets_are_lines_too() {
        let file = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/traffic.pcapng"));
        let mut reader = Reader::new(file.expect("is there")).expect("a capture");
        let (mut lines, mut random, mut count) = (Lines::default(), 1_u64, 0);
        while let Some(packet) = reader.next_packet().expect("a packet") {
            let mut bytes = packet.data.to_vec();
            for len in (0..bytes.len().min(120)).step_by(1 + count % 3) {
                let cut = Packet { data: &bytes[..len], ..packet };
                assert!(!lines.line(&cut).contains('\n'));
            }
            for _ in 0..20 {
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                let at = (random >> 33) as usize % bytes.len().min(100);
                bytes[at] = (random >> 20) as u8;
                assert!(!lines.line(&Packet { data: &bytes, ..packet }).contains('\n'));
            }
            count += 1;
        }
        assert_eq!(count, 870);
    }
}
