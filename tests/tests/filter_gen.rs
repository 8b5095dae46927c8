//! `skep::filter::generate`: filters of names, endings and signatures take what a plain reference takes, in the machine and
//! in Linux, on packets that are made for them.

use skep::filter::generate::{Dns, Handshake, Start, malformed_dns, p0f, suffix};
use skep::filter::{Dlt, Walk};
use skep::isa::classic::Insn;
use skep::vm::classic::{Filter, Packet};
use skep_tests::filters::Random;

/// Runs a filter in every way there is; all have to say the same.
struct Engines {
    plain: Filter,
    compiled: Filter,
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    sockets: (std::os::unix::net::UnixDatagram, std::os::unix::net::UnixDatagram),
}

impl Engines {
    fn new(insns: &[Insn]) -> Self {
        let plain = Filter::new(insns).expect("Linux takes it");
        let compiled = Filter::compiled(insns).expect("Linux takes it");
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        let sockets = {
            use std::os::fd::AsFd;
            let (out, back) = std::os::unix::net::UnixDatagram::pair().expect("a pair of sockets");
            skep::sys::socket::attach_filter(back.as_fd(), insns).expect("Linux takes it");
            back.set_nonblocking(true).expect("a socket");
            (out, back)
        };
        Self {
            plain,
            compiled,
            #[cfg(all(target_os = "linux", not(skep_portable)))]
            sockets,
        }
    }

    fn takes(&self, bytes: &[u8]) -> bool {
        let packet = Packet::new(bytes);
        let taken = self.plain.run(&packet) != 0;
        assert_eq!(self.compiled.run(&packet) != 0, taken, "compiled, on {bytes:02x?}");
        #[cfg(all(target_os = "linux", not(skep_portable)))]
        {
            let (out, back) = &self.sockets;
            // What is filtered out is not there for the sender either.
            let _ = out.send(bytes);
            let came = back.recv(&mut [0; 2048]).is_ok();
            assert_eq!(came, taken, "Linux, on {bytes:02x?}");
        }
        taken
    }
}

/// A UDP datagram with a message of DNS, in IPv4 or IPv6, in Ethernet.
fn frame(v6: bool, ports: [u16; 2], message: &[u8]) -> Vec<u8> {
    let mut b = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    let len = (message.len() + 8) as u16;
    if v6 {
        b.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        b.extend(len.to_be_bytes());
        b.extend([17, 64]);
        b.extend([1; 32]);
    } else {
        b.extend([8, 0, 0x46, 0]);
        b.extend((len + 24).to_be_bytes());
        b.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 1, 1, 1]);
    }
    b.extend(ports[0].to_be_bytes());
    b.extend(ports[1].to_be_bytes());
    b.extend(len.to_be_bytes());
    b.extend([0, 0]);
    b.extend(message);
    b
}

fn question(name: &[Vec<u8>], flags: u16, qtype: u16) -> Vec<u8> {
    let mut b = vec![0x12, 0x34];
    b.extend(flags.to_be_bytes());
    b.extend([0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name {
        b.push(label.len() as u8);
        b.extend(label);
    }
    b.push(0);
    b.extend(qtype.to_be_bytes());
    b.extend([0, 1]);
    b
}

/// Whether a pattern takes a name, said as plainly as it can be.
fn matches(pattern: &[&str], name: &[Vec<u8>], fold: bool) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return name.is_empty() };
    let Some((label, below)) = name.split_first() else { return false };
    let same = |a: u8, b: u8| a == b'?' || a == b || fold && a.eq_ignore_ascii_case(&b);
    match *first {
        "**" => matches(rest, below, fold) || matches(pattern, below, fold),
        "*" => matches(rest, below, fold),
        "*{2-3}" => (2..=3).contains(&label.len()) && matches(rest, below, fold),
        first => {
            first.len() == label.len()
                && first.bytes().zip(label).all(|(a, b)| same(a, *b))
                && matches(rest, below, fold)
        }
    }
}

const LABELS: [&str; 14] = [
    "a", "b", "www", "wxw", "example", "EXAMPLE", "exampl3", "a-b", "a\rb", "com", "org", "x1y2z", "X1Y2Z",
    "_tcp",
];

fn label(r: &mut Random) -> Vec<u8> {
    let mut label = LABELS[r.below(LABELS.len())].as_bytes().to_vec();
    if r.below(8) == 0 {
        // One bit of one byte, the case's most often.
        let at = r.below(label.len());
        label[at] ^= [0x20, 0x20, 0x10, 0x01][r.below(4)];
    }
    label
}

fn pattern(r: &mut Random) -> Vec<&'static str> {
    let count = 1 + r.below(4);
    let part = |r: &mut Random| match r.below(9) {
        0 => "*",
        1 => "**",
        2 => "*{2-3}",
        3 => ["w?w", "?", "exampl?", "x?y2?"][r.below(4)],
        _ => loop {
            // What is no text of a name can be no pattern.
            let label = LABELS[r.below(LABELS.len())];
            if !label.contains('\r') {
                break label;
            }
        },
    };
    (0..count).map(|_| part(r)).collect()
}

#[test]
fn names_are_found() {
    let (mut pairs, mut taken) = (0, 0);
    for seed in 0..300 {
        let mut r = Random::new(seed);
        let patterns: Vec<Vec<&str>> = (0..1 + r.below(5)).map(|_| pattern(&mut r)).collect();
        let texts: Vec<String> = patterns.iter().map(|p| p.join(".")).collect();
        let mut dns = Dns::new(&texts).expect("patterns");
        dns.ignore_case = r.below(2) == 0;
        dns.qtype = [None, Some(28)][r.below(2)];
        dns.responses = r.below(4) == 0;
        let insns = dns.compile(Start::Link(Dlt::EN10MB, Walk::default()));
        let engines = Engines::new(&insns.unwrap_or_else(|e| panic!("{texts:?}: {e}")));
        for _ in 0..60 {
            let mut name: Vec<Vec<u8>> = (0..1 + r.below(4)).map(|_| label(&mut r)).collect();
            if r.below(2) == 0 {
                // One that a pattern was made for, if no chance comes in between.
                let like = &patterns[r.below(patterns.len())];
                name = like
                    .iter()
                    .flat_map(|part| match *part {
                        "**" => (0..1 + r.below(3)).map(|_| label(&mut r)).collect(),
                        "*" | "*{2-3}" => vec![label(&mut r)],
                        part => vec![part.replace('?', "w").into_bytes()],
                    })
                    .collect();
            }
            let (answer, qtype) = (r.below(4) == 0, [1, 28][r.below(2)]);
            let port = [53, 53, 53, 5353][r.below(4)];
            let ports = if r.below(4) == 0 { [port, 1024] } else { [1024, port] };
            let side = usize::from(!dns.responses);
            let bytes =
                frame(r.below(2) == 0, ports, &question(&name, if answer { 0x8180 } else { 0x100 }, qtype));
            let theirs = patterns.iter().any(|p| matches(p, &name, dns.ignore_case))
                && answer == dns.responses
                && ports[side] == 53
                && dns.qtype.is_none_or(|t| t == qtype);
            assert_eq!(
                engines.takes(&bytes),
                theirs,
                "seed {seed}, {texts:?} {dns:?}, {name:?} in {bytes:02x?}"
            );
            pairs += 1;
            taken += u32::from(theirs);
            // Cut within the name it is not taken.
            let cut = bytes.len() - 5 - r.below(3);
            assert!(!engines.takes(&bytes[..cut]) || texts.iter().any(|t| t.ends_with("**")));
        }
    }
    assert!(taken * 12 > pairs && taken * 2 < pairs, "{taken} of {pairs} taken");
}

#[test]
fn sockets_of_udp_see_its_header_first() {
    let mut dns = Dns::new(&["*.example.com"]).expect("a pattern");
    dns.ignore_case = true;
    let engines = Engines::new(&dns.compile(Start::Udp).expect("a filter"));
    let name = |labels: &[&str]| labels.iter().map(|l| l.as_bytes().to_vec()).collect::<Vec<_>>();
    for (labels, takes) in
        [(&["www", "Example", "COM"][..], true), (&["example", "com"], false), (&["a", "b"], false)]
    {
        let bytes = frame(false, [9, 53], &question(&name(labels), 0x100, 1));
        assert_eq!(engines.takes(&bytes[14 + 24..]), takes, "{labels:?}");
    }
}

#[test]
fn malformed_questions_are_found() {
    let good = question(&[b"a".to_vec(), b"example".to_vec()], 0x0110, 1);
    for v6 in [false, true] {
        let filter = |strict| {
            let insns = malformed_dns(53, strict, Dlt::EN10MB, Walk::default(), 1);
            Engines::new(&insns.expect("a filter"))
        };
        let (lax, strict) = (filter(false), filter(true));
        assert!(!lax.takes(&frame(v6, [9, 53], &good)) && strict.takes(&frame(v6, [9, 53], &good)));
        // A byte of the message, another value for it, and whether that is malformed.
        for (at, value, bad) in [
            (2, 0x80, true),
            (3, 0x10, false),
            (3, 0x01, true),
            (5, 2, true),
            (7, 1, true),
            (11, 1, false),
            (11, 2, true),
        ] {
            let mut message = good.clone();
            message[at] = value;
            assert_eq!(lax.takes(&frame(v6, [9, 53], &message)), bad, "byte {at} {value}");
            assert!(!lax.takes(&frame(v6, [9, 54], &message)));
        }
        assert!(lax.takes(&frame(v6, [9, 53], &good[..18])), "too short");
    }
}

#[test]
fn endings_are_found() {
    let endings: Vec<Vec<u8>> = (1..10).map(|n| (0..n).map(|b| 0x90 + n * 3 + b).collect()).collect();
    let engines = Engines::new(&suffix(&endings, Dlt::EN10MB, 9).expect("a filter"));
    let mut r = Random::new(1);
    for n in 0..2000 {
        let ending = &endings[r.below(endings.len())];
        let mut bytes: Vec<u8> = (0..r.below(30)).map(|_| r.below(256) as u8).collect();
        bytes.extend(&ending[r.below(2)..]);
        if n % 3 == 0 {
            bytes.push(r.below(256) as u8);
        }
        let theirs = endings.iter().any(|e| bytes.ends_with(e));
        if !bytes.is_empty() {
            assert_eq!(engines.takes(&bytes), theirs, "{bytes:02x?}");
        }
    }
}

/// A SYN as Linux sends it: DF, an ID, MSS 1460, window 20 times that, options in its order.
fn syn(v6: bool) -> Vec<u8> {
    let mut b = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    if v6 {
        b.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 40, 6, 60]);
        b.extend([1; 32]);
    } else {
        b.extend([8, 0, 0x45, 0, 0, 60, 0x12, 0x34, 0x40, 0, 60, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    }
    b.extend([4, 0, 0, 80, 1, 2, 3, 4, 0, 0, 0, 0, 0xa0, 2, 0x72, 0x10, 0, 0, 0, 0]);
    b.extend([2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7]);
    b
}

#[test]
fn handshakes_are_told_apart() {
    const LINUX: &str = ":64:0:*:mss*20,7:mss,sok,ts,nop,ws:";
    for v6 in [false, true] {
        let make = |signature: &str| {
            let insns = p0f(&[signature], Handshake::Request, Dlt::EN10MB, Walk::default(), 1);
            Engines::new(&insns.unwrap_or_else(|e| panic!("{signature}: {e}")))
        };
        let (version, quirks) = if v6 { ("6", "") } else { ("4", "df,id+") };
        let signature = format!("{version}{LINUX}{quirks}:0");
        let (one, either) = (make(&signature), make(&format!("*{LINUX}df,id+:0")));
        let good = syn(v6);
        assert!(one.takes(&good) && either.takes(&good), "{signature}");
        let tcp = if v6 { 54 } else { 34 };
        // What each change of a byte breaks: the TTL from both sides, flags, window, layout, scale, quirks.
        let ttl = if v6 { 21 } else { 22 };
        let changes = [
            (ttl, 65),
            (ttl, 28),
            (tcp + 13, 0x12),
            (tcp + 13, 0x0a),
            (tcp + 13, 0x42),
            (tcp + 15, 0x11),
            (tcp + 11, 1),
            (tcp + 19, 1),
            (tcp + 20, 1),
            (tcp + 36, 0),
            (tcp + 39, 8),
            (tcp + 12, 0xb0),
            (tcp + 29, 0),
            (tcp + 35, 1),
        ];
        for (at, value) in changes {
            let mut bytes = good.clone();
            bytes[at] = value;
            if at == tcp + 29 {
                // The time stamp, zero.
                bytes[tcp + 28..tcp + 32].fill(0);
            }
            bytes.resize(bytes.len() + 8, 0);
            assert!(!one.takes(&bytes) && !either.takes(&bytes), "v6 {v6}, byte {at} as {value}");
        }
        let mut near = good.clone();
        near[ttl] = 29;
        assert!(one.takes(&near), "35 hops");
        // With a payload it is another class.
        let mut longer = good.clone();
        longer[if v6 { 19 } else { 17 }] += 4;
        longer.extend([0; 4]);
        assert!(!one.takes(&longer));
        assert!(make(&format!("{version}{LINUX}{quirks}:*")).takes(&longer), "any class");
        assert!(!make(&format!("{version}{LINUX}{quirks}:+")).takes(&good));
    }
}
