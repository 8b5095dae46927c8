//! `skep::filter::equivalence`: pairs of filters that say the same in other words are proved to be the same; of pairs with
//! a small difference a packet is found, and the machine itself says what each filter makes of it.

use skep::filter::equivalence::{Answer, compare};
use skep::filter::{Code, Database, Options, compile};
use skep::isa::classic::Insn;
use skep::vm::classic::{Facts, Filter, Packet};

fn program(text: &str, code: Code) -> Vec<Insn> {
    match compile(text, &Options { code, ..Options::default() }, &Database::new()) {
        // Only some code is known to take nothing.
        Err(e) if e.message() == "expression rejects all packets" => vec![Insn::stmt(0x06, 0)],
        made => made.unwrap_or_else(|e| panic!("`{text}`: {e}")),
    }
}

const EQUAL: [(&str, &str); 50] = [
    ("tcp or udp", "udp or tcp"),
    ("tcp port 80 or tcp port 443", "tcp and (port 443 or port 80)"),
    ("port 53", "src port 53 or dst port 53"),
    ("host 10.0.0.1", "src host 10.0.0.1 or dst host 10.0.0.1"),
    ("not (tcp or udp)", "not tcp and not udp"),
    ("not (tcp and port 80)", "not tcp port 80"),
    ("net 10.0.0.0/8", "src net 10.0.0.0/8 or dst net 10.0.0.0/8"),
    ("ip src host 10.1.2.3", "ip[12:4] = 0x0a010203"),
    ("ip proto 6", "ip[9] = 6"),
    ("icmp", "ip[9] = 1"),
    ("ip", "ether[12:2] = 0x800"),
    ("ip6", "ether[12:2] = 0x86dd"),
    ("arp", "ether proto 0x806"),
    ("ether host 02:00:00:00:00:01", "ether src 02:00:00:00:00:01 or ether dst 02:00:00:00:00:01"),
    ("ether broadcast", "ether dst ff:ff:ff:ff:ff:ff"),
    ("ether multicast", "ether[0] & 1 != 0"),
    ("ip multicast", "ip[16] >= 224 and ip[16] < 240"),
    ("src portrange 1000-1002", "src port 1002 or src port 1000 or src port 1001"),
    ("tcp portrange 0-65535", "tcp src portrange 0-32767 or tcp src portrange 32768-65535"),
    ("tcp[tcpflags] & tcp-syn != 0", "tcp[13] & 2 = 2"),
    ("tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "tcp[13] & 3 > 0"),
    ("tcp[tcpflags] = tcp-syn", "tcp[13] = 2"),
    ("greater 100", "len >= 100"),
    ("less 100", "not len > 100"),
    ("len > 60 and len < 1000", "not (len <= 60 or len >= 1000)"),
    ("src net 192.168.0.0/16", "src net 192.168.0.0/17 or src net 192.168.128.0/17"),
    ("ip dst net 10.0.0.0/31", "ip dst host 10.0.0.0 or ip dst host 10.0.0.1"),
    ("ip[8] < 5", "not ip[8] >= 5 and ip"),
    ("ip[6:2] & 0x1fff = 0", "ip[6] & 0x1f = 0 and ip[7] = 0"),
    ("ip[0] & 0xf = 5", "(ip[0] & 0xf) * 4 = 20"),
    ("ip[0] & 0xf > 5", "ip[0] & 0xf != 5 and ip[0] & 0xf > 4"),
    ("ip[2:2] > 576", "ip[2:2] - 577 < 65000 and ip"),
    ("udp[4:2] = 8", "udp[4] = 0 and udp[5] = 8"),
    ("udp[4:2] / 256 = 3", "udp[4:2] >= 768 and udp[4:2] < 1024"),
    ("udp[4:2] % 256 = 3", "udp[5] = 3"),
    ("(ip[1] & 0xfc) >> 2 = 46", "ip[1] & 0xfc = 184"),
    ("ip[1] >> 2 = 46", "ip[1] & 0xfc = 0xb8"),
    ("ip[8] ^ 64 = 0", "ip[8] = 64"),
    ("vlan 5", "vlan and ether[14:2] & 0xfff = 5"),
    (
        "vlan and ip",
        "(ether[12:2] = 0x8100 or ether[12:2] = 0x88a8 or ether[12:2] = 0x9100) and ether[16:2] = 0x800",
    ),
    ("ip6 host fe80::1", "ip6 src host fe80::1 or ip6 dst host fe80::1"),
    ("not (ip6 and tcp)", "not ip6 or not tcp"),
    ("tcp and not tcp", "udp and not udp"),
    ("ip or not ip", "greater 0"),
    ("host 10.0.0.1 and not host 10.0.0.1", "len < 0"),
    ("ip and (tcp or udp) and host 10.0.0.1", "ip and host 10.0.0.1 and (udp or tcp)"),
    ("host 10.0.0.1 or host 10.0.0.2 or host 10.0.0.3", "host 10.0.0.3 or (host 10.0.0.1 or host 10.0.0.2)"),
    ("tcp src port 80 and dst net 10.0.0.0/8", "dst net 10.0.0.0/8 and tcp src port 80"),
    ("icmp[icmptype] = icmp-echo", "icmp[0] = 8"),
    ("ip[0] & 0xf0 = 0x40 and ip[9] = 17", "ip[9] = 17 and ip[0] >> 4 = 4"),
];

const DIFFERENT: [(&str, &str); 50] = [
    ("tcp port 80", "tcp port 81"),
    ("tcp port 80", "tcp src port 80"),
    ("tcp port 80", "port 80"),
    ("host 10.0.0.1", "host 10.0.0.2"),
    ("host 10.0.0.1", "ip host 10.0.0.1"),
    ("src host 10.0.0.1", "dst host 10.0.0.1"),
    ("net 10.0.0.0/8", "net 10.0.0.0/9"),
    ("net 10.0.0.0/24", "net 10.0.0.0/25 or net 10.0.0.128/26"),
    ("portrange 1000-2000", "portrange 1000-1999"),
    ("portrange 1000-2000", "portrange 1001-2000"),
    ("tcp or udp", "tcp or udp or icmp"),
    ("tcp or udp", "tcp or udp or sctp"),
    ("not tcp", "ip and not tcp"),
    ("ip proto 6", "ip proto 6 and ip[6:2] & 0x1fff = 0"),
    ("tcp", "ip proto 6"),
    ("udp", "ip[9] = 17 or ip6[6] = 17"),
    ("greater 100", "greater 101"),
    ("less 100", "len < 100"),
    ("tcp[tcpflags] & tcp-syn != 0", "tcp[tcpflags] = tcp-syn"),
    ("tcp[tcpflags] & (tcp-syn|tcp-ack) != 0", "tcp[tcpflags] & (tcp-syn|tcp-ack) = (tcp-syn|tcp-ack)"),
    ("tcp[13] & 2 != 0", "tcp[12] & 2 != 0"),
    ("ip[8] > 5", "ip[8] >= 5"),
    ("ip[8] = 255", "ip[8] > 253"),
    ("ip[2:2] > 576", "ip[2:2] > 577"),
    ("ip[6:2] & 0x1fff = 0", "ip[6:2] & 0x3fff = 0"),
    ("ip[0] & 0xf > 5", "ip[0] & 0xf >= 5"),
    ("ip[0] & 0xf > 5", "ip[0] > 0x45"),
    ("udp[4:2] = 8", "udp[4:2] = 9"),
    ("udp[4:2] % 255 = 3", "udp[4:2] % 256 = 3"),
    ("udp[4:2] / 255 = 3", "udp[4:2] / 256 = 3"),
    ("ip[4:2] * 3 = 300", "ip[4:2] = 101"),
    ("ip[1] >> 2 = 46", "ip[1] = 184"),
    ("vlan 5", "vlan 6"),
    ("vlan", "vlan and vlan"),
    ("vlan 5 and ip", "ip and vlan 5"),
    ("ip6", "ip6 or ip"),
    ("ip6 host fe80::1", "ip6 host fe80::2"),
    ("ip6 host fe80::1", "ip6 src host fe80::1"),
    ("ip6 net fe80::/10", "ip6 net fe80::/11"),
    ("ether host 02:00:00:00:00:01", "ether host 02:00:00:00:00:02"),
    ("ether src 02:00:00:00:00:01", "ether dst 02:00:00:00:00:01"),
    ("ether multicast", "ether broadcast"),
    ("ip multicast", "ip[16] > 224"),
    ("arp", "arp or rarp"),
    ("icmp[icmptype] = icmp-echo", "icmp[icmptype] = icmp-echoreply"),
    ("tcp port 80 and host 10.0.0.1 or udp", "tcp port 80 and (host 10.0.0.1 or udp)"),
    ("tcp and not port 22", "tcp and not src port 22"),
    ("tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)", "tcp port 80"),
    (
        "tcp port 80 and tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
        "tcp port 80 and tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455421",
    ),
    ("host 10.0.0.1 or host 10.0.0.2 or host 10.0.0.3", "host 10.0.0.1 or host 10.0.0.2 or host 10.0.0.4"),
];

#[test]
fn filters_that_are_the_same_are_proved_to_be() {
    let mut failed = Vec::new();
    for (a, b) in EQUAL {
        let answer = compare(&program(a, Code::Libpcap), &program(b, Code::Best), 0);
        if answer != Ok(Answer::Same) {
            failed.push(format!("`{a}` and `{b}`: {answer:?}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_packet_shows_each_difference() {
    for (a, b) in DIFFERENT {
        let programs = [program(a, Code::Best), program(b, Code::Libpcap)];
        let answer = compare(&programs[0], &programs[1], 0);
        let Ok(Answer::Different(found)) = answer else { panic!("`{a}` and `{b}`: {answer:?}") };
        let packet = Packet { bytes: &found.packet.bytes, len: found.packet.len, facts: &Facts::NONE };
        let run = |insns: &[Insn]| Filter::new(insns).expect("it runs").run(&packet);
        let verdicts = [run(&programs[0]), run(&programs[1])];
        assert_eq!(verdicts, [found.first, found.second], "`{a}` and `{b}`");
        assert_ne!(verdicts[0] == 0, verdicts[1] == 0, "`{a}` and `{b}`");
    }
}
