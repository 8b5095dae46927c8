//! What an expression may ask the machine: addresses of hosts, networks, ports and protocols by name.
//!
//! The compiler opens no file and asks no server; it asks a [`Names`]. [`Database`] is one that reads the texts of
//! hosts(5), networks(5), ethers(5), services(5) and protocols(5).

use std::net::IpAddr;

/// The ports of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Over TCP.
    pub tcp: Option<u16>,
    /// Over UDP.
    pub udp: Option<u16>,
}

/// Answers of the machine, or of whoever stands in for it.
pub trait Names {
    /// All addresses of a host; none if it is not known.
    fn host(&self, name: &str) -> Vec<IpAddr>;
    /// A network's number in host order: of the parts that are written, as getnetbyname has it (10.1 is 0xa01).
    fn network(&self, name: &str) -> Option<u32>;
    /// A host's Ethernet address.
    fn ether(&self, name: &str) -> Option<[u8; 6]>;
    /// A service's ports.
    fn ports(&self, name: &str) -> Ports;
    /// An IP protocol's number.
    fn protocol(&self, name: &str) -> Option<u8>;
}

/// Names from the texts of a machine's configuration files; of protocols and services, a few are known without.
#[derive(Clone, Debug, Default)]
pub struct Database {
    hosts: Vec<(String, IpAddr)>,
    networks: Vec<(String, u32)>,
    ethers: Vec<(String, [u8; 6])>,
    services: Vec<(String, u16, bool)>,
    protocols: Vec<(String, u8)>,
}

/// Known without a file: IANA's numbers of the protocols that filters name most.
static PROTOCOLS: &[(&str, u8)] = &[
    ("ip", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("eigrp", 88),
    ("ospf", 89),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("isis", 124),
    ("sctp", 132),
    ("udplite", 136),
];

/// Known without a file: port, over TCP, over UDP.
static SERVICES: &[(&str, u16, bool, bool)] = &[
    ("ftp-data", 20, true, false),
    ("ftp", 21, true, false),
    ("ssh", 22, true, false),
    ("telnet", 23, true, false),
    ("smtp", 25, true, false),
    ("domain", 53, true, true),
    ("bootps", 67, false, true),
    ("bootpc", 68, false, true),
    ("tftp", 69, false, true),
    ("http", 80, true, false),
    ("www", 80, true, false),
    ("pop3", 110, true, false),
    ("sunrpc", 111, true, true),
    ("ntp", 123, false, true),
    ("imap2", 143, true, false),
    ("snmp", 161, true, true),
    ("bgp", 179, true, false),
    ("ldap", 389, true, true),
    ("https", 443, true, true),
    ("syslog", 514, false, true),
    ("imaps", 993, true, false),
    ("nfs", 2049, true, true),
    ("mysql", 3306, true, false),
    ("postgresql", 5432, true, false),
    ("sip", 5060, true, true),
];

/// Lines without comments, as fields.
fn fields(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .map(|l| l.split('#').next().unwrap_or("").split_whitespace().collect())
        .filter(|f: &Vec<_>| f.len() > 1)
}

impl Database {
    /// Knows the built-in protocols and services alone.
    pub fn new() -> Database {
        Database::default()
    }

    /// Adds the text of hosts(5).
    pub fn hosts(mut self, text: &str) -> Database {
        for line in fields(text) {
            let Ok(addr) = line[0].parse() else { continue };
            self.hosts.extend(line[1..].iter().map(|name| (name.to_string(), addr)));
        }
        self
    }

    /// Adds the text of networks(5).
    pub fn networks(mut self, text: &str) -> Database {
        for line in fields(text) {
            let Some((number, _)) = crate::addr::ipv4_prefix(line[1]) else { continue };
            let names =
                line.iter().enumerate().filter(|&(i, _)| i != 1).map(|(_, name)| (name.to_string(), number));
            self.networks.extend(names);
        }
        self
    }

    /// Adds the text of ethers(5).
    pub fn ethers(mut self, text: &str) -> Database {
        for line in fields(text) {
            if let Some(addr) = crate::addr::mac48(line[0]) {
                self.ethers.push((line[1].to_string(), addr));
            }
        }
        self
    }

    /// Adds the text of services(5).
    pub fn services(mut self, text: &str) -> Database {
        for line in fields(text) {
            let Some((port, proto)) = line[1].split_once('/') else { continue };
            let Ok(port) = port.parse() else { continue };
            if proto != "tcp" && proto != "udp" {
                continue;
            }
            let names = line.iter().enumerate().filter(|&(i, _)| i != 1);
            self.services.extend(names.map(|(_, name)| (name.to_string(), port, proto == "tcp")));
        }
        self
    }

    /// Adds the text of protocols(5).
    pub fn protocols(mut self, text: &str) -> Database {
        for line in fields(text) {
            let Ok(number) = line[1].parse() else { continue };
            let names = line.iter().enumerate().filter(|&(i, _)| i != 1);
            self.protocols.extend(names.map(|(_, name)| (name.to_string(), number)));
        }
        self
    }
}

impl Names for Database {
    fn host(&self, name: &str) -> Vec<IpAddr> {
        self.hosts.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|&(_, addr)| addr).collect()
    }

    fn network(&self, name: &str) -> Option<u32> {
        self.networks.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|&(_, number)| number)
    }

    fn ether(&self, name: &str) -> Option<[u8; 6]> {
        self.ethers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|&(_, addr)| addr)
    }

    fn ports(&self, name: &str) -> Ports {
        let find = |tcp: bool| {
            self.services.iter().find(|(n, _, t)| n == name && *t == tcp).map(|&(_, port, _)| port)
        };
        let known = Ports { tcp: find(true), udp: find(false) };
        if known != Ports::default() {
            return known;
        }
        let row = SERVICES.iter().find(|row| row.0 == name);
        row.map_or(known, |r| Ports { tcp: r.2.then_some(r.1), udp: r.3.then_some(r.1) })
    }

    fn protocol(&self, name: &str) -> Option<u8> {
        let own = self.protocols.iter().find(|(n, _)| n == name).map(|&(_, number)| number);
        own.or_else(|| PROTOCOLS.iter().find(|row| row.0 == name).map(|row| row.1))
    }
}

/// The EtherTypes that `link proto` knows by name.
static ETHERTYPES: &[(&str, u16)] = &[
    ("aarp", 0x80f3),
    ("arp", 0x0806),
    ("atalk", 0x809b),
    ("decnet", 0x6003),
    ("ip", 0x0800),
    ("ip6", 0x86dd),
    ("lat", 0x6004),
    ("lldp", 0x88cc),
    ("loopback", 0x9000),
    ("mopdl", 0x6001),
    ("moprc", 0x6002),
    ("rarp", 0x8035),
    ("sca", 0x6007),
    ("slow", 0x8809),
];

/// The service access points that `link proto` knows by name.
static SAPS: &[(&str, u16)] = &[("iso", 0xfe), ("stp", 0x42), ("ipx", 0xe0), ("netbeui", 0xf0)];

/// The OSI protocols that `iso proto` knows by name.
static NLPIDS: &[(&str, u16)] = &[("esis", 0x82), ("isis", 0x83), ("clnp", 0x81)];

fn row(rows: &[(&str, u16)], name: &str) -> Option<u32> {
    rows.iter().find(|row| row.0 == name).map(|row| row.1.into())
}

/// The EtherType of a name (pcap_nametoeproto).
pub fn ethertype(name: &str) -> Option<u32> {
    row(ETHERTYPES, name)
}

/// The 802.2 service access point of a name (pcap_nametollc).
pub fn llc_sap(name: &str) -> Option<u32> {
    row(SAPS, name)
}

pub(crate) fn nlpid(name: &str) -> Option<u32> {
    row(NLPIDS, name)
}
