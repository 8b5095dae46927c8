//! Filters compiled as libpcap compiles them, beside the code that skep makes of them: they have to take the same
//! packets, truncated and damaged ones included. libpcap's plain code and its optimised one differ on packets that end
//! before a load which the optimiser found useless (`icmp6 or ip6`, cut behind the EtherType); there, either is right.
//!
//! Random expressions, and packets made for them: bytes that a filter compares with something are set to that, or to its
//! neighbours, so that both ways of a comparison are taken.

use std::path::{Path, PathBuf};
use std::process::Command;

use skep::filter::{Code, Database, Dlt, Options, compile};
use skep::isa::classic::text::parse;
use skep::isa::classic::{Insn, Op, Size, Source};
use skep::vm::classic::{Filter, Packet};

/// A small generator (xorshift*), so that a seed names a case for ever.
pub struct Random(u64);

impl Random {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 11) % n.max(1) as u64) as usize
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// Where libpcap's code comes from.
#[derive(Debug)]
pub enum Library {
    /// Made here, the same instructions.
    Ours,
    /// Printed by this tcpdump.
    Tcpdump(PathBuf),
}

impl Library {
    /// The code of an expression; None if it is refused.
    fn code(&self, expression: &str, options: &Options, names: &Database, code: Code) -> Option<Vec<Insn>> {
        match self {
            Self::Ours => compile(expression, &Options { code, ..options.clone() }, names).ok(),
            Self::Tcpdump(path) => tcpdump(path, expression, options, code),
        }
    }
}

fn tcpdump(path: &Path, expression: &str, options: &Options, code: Code) -> Option<Vec<Insn>> {
    let mut command = Command::new(path);
    command.args(["-ddd", "-y", options.dlt.name()?, "-s", &options.snaplen.to_string()]);
    command.args((code == Code::Plain).then_some("-O"));
    let done = command.arg("--").arg(expression).output().ok().filter(|o| o.status.success())?;
    parse(std::str::from_utf8(&done.stdout).ok()?).ok()
}

/// How two codes of one filter differ.
#[derive(Debug)]
pub struct Difference {
    /// The filter.
    pub expression: String,
    /// The packet.
    pub packet: Vec<u8>,
    /// What libpcap's plain code returns.
    pub plain: u32,
    /// What its optimised code returns.
    pub libpcap: u32,
    /// What skep's returns.
    pub best: u32,
    /// Whether the code of libpcap's HEAD, which skep can make, returns what skep's own does.
    pub as_head: bool,
}

/// What came of a filter.
#[derive(Debug)]
pub enum Outcome {
    /// So many packets were the same, and so many of them were taken.
    Same(u64, u64),
    /// Neither code is made; or the filter takes nothing, which only the better code may know.
    Refused,
    /// They differ.
    Differs(Box<Difference>),
}

/// Compares skep's own code of an expression with the library's on so many packets.
pub fn compare(
    expression: &str,
    options: &Options,
    library: &Library,
    packets: u64,
    random: &mut Random,
) -> Outcome {
    let names = Database::new();
    let Some(plain) = library.code(expression, options, &names, Code::Plain) else { return Outcome::Refused };
    let Ok(reference) = Filter::new(&plain) else { return Outcome::Refused };
    let ready = |insns: Vec<Insn>| Filter::new(&insns).unwrap_or_else(|e| panic!("`{expression}`: {e}"));
    // Where it is refused although its plain code is made, it takes nothing.
    let libpcap = library.code(expression, options, &names, Code::Libpcap).map(ready);
    let best = match compile(expression, &Options { code: Code::Best, ..options.clone() }, &names) {
        Ok(insns) => Some(ready(insns)),
        Err(e) if e.message() == "expression rejects all packets" => None,
        Err(_) => return Outcome::Refused,
    };
    let hints = hints(&plain);
    let mut taken = 0;
    for _ in 0..packets {
        let bytes = packet(&hints, random);
        let packet = Packet::new(&bytes);
        let run = |f: &Option<Filter>| f.as_ref().map_or(0, |f| f.run(&packet));
        let (plain, libpcap, best) = (reference.run(&packet), run(&libpcap), run(&best));
        if best != plain && best != libpcap {
            let heads = [Code::Plain, Code::Libpcap]
                .map(|code| Library::Ours.code(expression, options, &names, code));
            let as_head = heads.into_iter().any(|insns| run(&insns.map(ready)) == best);
            let (expression, packet) = (expression.to_owned(), bytes);
            return Outcome::Differs(Box::new(Difference {
                expression,
                packet,
                plain,
                libpcap,
                best,
                as_head,
            }));
        }
        taken += u64::from(best != 0);
    }
    Outcome::Same(packets, taken)
}

/// A place that a filter looks at, and what it compares it with.
struct Hint {
    size: Size,
    at: u32,
    relative: bool,
    value: u32,
}

fn hints(insns: &[Insn]) -> Vec<Hint> {
    let mut hints = Vec::new();
    let mut last = None;
    for op in insns.iter().filter_map(|&i| Op::decode(i)) {
        match op {
            Op::LoadAbs { size, k } => last = Some((size, k, false)),
            Op::LoadInd { size, k } => last = Some((size, k, true)),
            Op::LoadxMsh { k } => hints.push(Hint { size: Size::B, at: k, relative: false, value: 0x45 }),
            Op::Branch { src: Source::K(value), .. } => {
                if let Some((size, at, relative)) = last {
                    hints.push(Hint { size, at, relative, value });
                }
            }
            _ => {}
        }
    }
    hints
}

/// Starts of real packets: IPv4 and IPv6 with TCP, ARP, a VLAN tag, something else.
const STARTS: [&[u8]; 5] = [
    &[
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 60, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10,
        0, 0, 2,
    ],
    &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64],
    &[255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
    &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 5, 8, 0, 0x45, 0],
    &[],
];

fn packet(hints: &[Hint], random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0; 40 + random.below(90)];
    if random.below(4) == 0 {
        bytes.iter_mut().for_each(|b| *b = random.next() as u8);
    }
    let start = STARTS[random.below(STARTS.len())];
    let len = start.len().min(bytes.len());
    bytes[..len].copy_from_slice(&start[..len]);
    for _ in 0..random.below(8).min(hints.len() * 2) {
        let hint = &hints[random.below(hints.len())];
        let value = match random.below(6) {
            0 => hint.value.wrapping_add(1),
            1 => hint.value.wrapping_sub(1),
            _ => hint.value,
        };
        let at = hint.at as usize + if hint.relative { [0, 20, 24][random.below(3)] } else { 0 };
        let value = value.to_be_bytes();
        let value = &value[4 - hint.size.bytes()..];
        if let Some(place) = bytes.get_mut(at..).and_then(|b| b.get_mut(..value.len())) {
            place.copy_from_slice(value);
        }
    }
    if random.below(3) == 0 {
        bytes.truncate(random.below(bytes.len() + 1));
    }
    bytes
}

/// A random expression.
pub fn expression(random: &mut Random) -> String {
    let mut text = String::new();
    terms(random, 0, &mut text);
    text
}

fn terms(random: &mut Random, depth: usize, out: &mut String) {
    let count = 1 + random.below(if depth == 0 { 6 } else { 3 });
    // Now and then a list, as people write them.
    if depth == 0 && random.below(4) == 0 {
        let kind = random.of(&["host", "src host", "net", "port", "tcp port", "ether host"]);
        let join = random.of(&[" or ", " or ", " and not "]);
        let list: Vec<String> =
            (0..2 + random.below(12)).map(|_| format!("{kind} {}", operand(kind, random))).collect();
        out.push_str(&list.join(join));
        return;
    }
    for n in 0..count {
        if n > 0 {
            out.push_str(random.of(&[" and ", " or "]));
        }
        if random.below(5) == 0 {
            out.push_str("not ");
        }
        if depth < 3 && random.below(4) == 0 {
            out.push('(');
            terms(random, depth + 1, out);
            out.push(')');
        } else {
            out.push_str(&primitive(random));
        }
    }
}

fn operand(kind: &str, random: &mut Random) -> String {
    let few = random.below(2) == 0;
    match kind {
        "net" => {
            let len = [8, 16, 24, 20, 31][random.below(5)];
            let mask = u32::MAX << (32 - len);
            let addr = (random.next() as u32 & 0x0f_0f_0f_0f | 0x0a00_0000) & mask;
            format!("{}/{len}", std::net::Ipv4Addr::from(addr))
        }
        "ether host" => format!("02:00:00:00:00:{:02x}", random.below(if few { 4 } else { 256 })),
        kind if kind.ends_with("port") => (random.below(if few { 8 } else { 65536 })).to_string(),
        _ => {
            let spread = if few { 8 } else { 1 << 24 };
            std::net::Ipv4Addr::from(0x0a00_0000 + random.below(spread) as u32).to_string()
        }
    }
}

fn primitive(random: &mut Random) -> String {
    let dir = random.of(&["", "src ", "dst "]);
    match random.below(14) {
        0 | 1 => format!("{dir}host {}", operand("host", random)),
        2 => format!("{dir}net {}", operand("net", random)),
        3 => format!("{}{dir}port {}", random.of(&["", "tcp ", "udp ", "sctp "]), operand("port", random)),
        4 => format!("{dir}portrange {}-{}", random.below(30), 30 + random.below(50)),
        5 => random
            .of(&[
                "tcp",
                "udp",
                "icmp",
                "ip",
                "ip6",
                "arp",
                "rarp",
                "icmp6",
                "igmp",
                "ip multicast",
                "ether broadcast",
                "llc",
            ])
            .into(),
        6 => format!("ip proto {}", random.below(20)),
        7 => format!("ip6 {dir}host fe80::{:x}", random.below(5)),
        8 => format!("vlan {}", random.below(8)),
        9 => format!("{} {}", random.of(&["less", "greater"]), 20 + random.below(100)),
        10 => format!("tcp[tcpflags] & {} != 0", random.of(&["tcp-syn", "(tcp-syn|tcp-ack)", "tcp-rst"])),
        11 => format!(
            "{}[{}:{}] {} {}",
            random.of(&["ip", "ether", "tcp", "udp", "ip6"]),
            random.below(24),
            random.of(&["1", "2", "4"]),
            random.of(&["=", ">", "<", ">=", "!="]),
            random.below(80)
        ),
        12 => format!("ip[{}] & 0x{:x} = 0x{:x}", random.below(16), 1 + random.below(255), random.below(16)),
        _ => format!("ether {dir}host 02:00:00:00:00:{:02x}", random.below(4)),
    }
}

/// Ethernet, unless now and then something else.
pub fn options(random: &mut Random) -> Options {
    let dlt = match random.below(8) {
        0 => Dlt::by_name("RAW"),
        1 => Dlt::by_name("LINUX_SLL"),
        _ => None,
    };
    Options { dlt: dlt.unwrap_or(Dlt::EN10MB), ..Options::default() }
}
