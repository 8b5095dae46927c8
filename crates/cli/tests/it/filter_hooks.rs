//! What `skep filter` prints for others: rules of iptables with `-m bpf`, and objects for iproute2, in a namespace of the
//! test's own, count what `skep filter -r` counts on the same packets. Skipped, with the reason, without the rights or the
//! tools.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use skep::capture::{LinkType, Packet, Writer};
use skep_sys::packet::{Level, PacketSocket};

use crate::attach::in_netns;
use crate::{scratch, skep};

const EXPRESSIONS: [&str; 5] = [
    "udp dst port 53",
    "tcp[tcpflags] & tcp-syn != 0 and dst net 10.9.0.0/28",
    "icmp or (tcp and portrange 80-443)",
    "not udp",
    "ip[2:2] > 100 and host (10.9.0.1 or 10.9.0.7 or 10.9.1.9)",
];

/// A frame to everybody with an IPv4 packet, whole and with a right checksum: nothing else comes to the hooks of IP.
fn frame(n: u32) -> Vec<u8> {
    let protocol = [6, 17, 1][n as usize % 3];
    let payload = 20 + (n as usize * 7) % 200;
    let mut ip = vec![0x45, 0];
    ip.extend((20 + payload as u16).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    ip.extend([10, 9, 0, (n % 13) as u8, 10, 9, (n % 2) as u8, (n % 11) as u8]);
    let sum: u32 = ip.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1])).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let port: u16 = [53, 80, 443, 8080][n as usize % 4];
    ip.extend((1024 + n as u16).to_be_bytes());
    ip.extend(port.to_be_bytes());
    ip.resize(20 + payload, 0);
    if protocol == 6 {
        ip[32..34].copy_from_slice(&[0x50, (n % 32) as u8]);
    }
    let mut frame = vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend(ip);
    frame
}

const FRAMES: u32 = 600;

/// How many of the frames `skep filter -r` takes.
fn taken(expression: &str) -> u64 {
    let path = scratch(&format!("hooks-{}.pcap", std::process::id()));
    let file = std::fs::File::create(&path).expect("a file of the test's");
    let mut writer = Writer::pcap(file, LinkType::ETHERNET).expect("it is written");
    for n in 0..FRAMES {
        let data = frame(n);
        let packet = Packet {
            data: &data,
            orig_len: data.len() as u32,
            timestamp_ns: None,
            interface: 0,
            link_type: LinkType::ETHERNET,
        };
        writer.write(&packet).expect("it is written");
    }
    writer.finish().expect("it is written");
    let json = skep(&["filter", expression, "-r", path.to_str().expect("a UTF-8 path"), "--json"]).json();
    std::fs::remove_file(&path).expect("it was written");
    json["capture"]["matched"].as_u64().expect("a count")
}

fn tool(program: &str, args: &[&str]) -> Option<Output> {
    Command::new(program).args(args).output().ok().filter(|done| done.status.success())
}

/// Both ends up, without the machine's own packets.
fn up() {
    for iface in ["v0", "v1"] {
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{iface}/disable_ipv6"), "1");
        tool("ip", &["link", "set", iface, "up"]).expect("the interface comes up");
    }
}

fn send_all() {
    let socket = PacketSocket::open(Level::Link).expect("a socket");
    let link = skep_sys::netlink::Socket::open().expect("netlink").link("v0").expect("v0");
    socket.bind(link.index, 0).expect("bound");
    let began = Instant::now();
    for n in 0..FRAMES {
        while socket.send(&frame(n)).is_err() && began.elapsed() < Duration::from_secs(5) {}
    }
}

/// The counters of the rules of raw's PREROUTING, in their order.
fn counters(iptables: &str) -> Vec<u64> {
    let listed = tool(iptables, &["-t", "raw", "-L", "PREROUTING", "-v", "-x", "-n"]).expect("it lists");
    let text = String::from_utf8(listed.stdout).expect("text");
    text.lines().skip(2).filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}

#[test]
fn rules_of_iptables_count_what_the_filter_takes() {
    let expected: Vec<u64> = EXPRESSIONS.iter().map(|e| taken(e)).collect();
    assert!(expected.iter().all(|&n| n > 0 && n < FRAMES.into()), "{expected:?}");
    for iptables in ["iptables-legacy", "iptables-nft"] {
        in_netns(|| {
            up();
            for expression in EXPRESSIONS {
                let line = skep(&["filter", expression, "--dlt", "RAW", "--xt-bpf"]).ok();
                let rule =
                    ["-t", "raw", "-A", "PREROUTING", "-i", "v1", "-m", "bpf", "--bytecode", line.trim()];
                if tool(iptables, &rule).is_none() {
                    println!("skipped: no {iptables} with -m bpf");
                    return;
                }
            }
            send_all();
            let began = Instant::now();
            while counters(iptables) != expected && began.elapsed() < Duration::from_secs(3) {
                std::thread::sleep(Duration::from_millis(50));
            }
            assert_eq!(counters(iptables), expected, "{iptables}");
        });
    }
}

/// iproute2 loads the object, and the packets that it drops are those that the filter does not take.
#[test]
fn objects_are_loaded_by_iproute2() {
    let expression = EXPRESSIONS[2];
    let expected = u64::from(FRAMES) - taken(expression);
    let object = |place: &str| {
        let path = scratch(&format!("hooks-{}-{place}.o", std::process::id()));
        let text = path.to_str().expect("a UTF-8 path").to_owned();
        assert_eq!(skep(&["filter", expression, "--ebpf", place, "-o", &text]).ok(), "");
        text
    };
    let (tc, xdp) = (object("tc"), object("xdp"));
    in_netns(|| {
        up();
        let added = tool("tc", &["qdisc", "add", "dev", "v1", "clsact"]).is_some()
            && tool("tc", &["filter", "add", "dev", "v1", "ingress", "bpf", "da", "obj", &tc, "sec", "tc"])
                .is_some();
        if !added {
            println!("skipped: no iproute2 that loads objects");
            return;
        }
        send_all();
        let dropped = || {
            let shown = tool("tc", &["-s", "qdisc", "show", "dev", "v1", "clsact"]).expect("it shows");
            let text = String::from_utf8(shown.stdout).expect("text");
            let (_, rest) = text.split_once("(dropped ").expect("a count");
            rest.split_once(',').expect("a count").0.parse::<u64>().expect("a number")
        };
        let began = Instant::now();
        while dropped() != expected && began.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(dropped(), expected);
        tool("ip", &["link", "set", "dev", "v1", "xdpgeneric", "obj", &xdp, "sec", "xdp"])
            .expect("it is loaded");
        let shown = tool("ip", &["link", "show", "dev", "v1"]).expect("it shows");
        assert!(String::from_utf8_lossy(&shown.stdout).contains("prog/xdp"), "{shown:?}");
    });
    for path in [tc, xdp] {
        std::fs::remove_file(path).expect("it was written");
    }
}
