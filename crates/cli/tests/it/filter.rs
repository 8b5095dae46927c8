//! `skep filter`: dump forms, captures, exit codes, JSON.

use crate::{root, skep};

#[test]
fn dumps_are_tcpdumps() {
    let listing = "(000) ldh      [12]\n(001) jeq      #0x800           jt 2\tjf 3\n(002) ret      #262144\n(003) ret      #0\n";
    assert_eq!(skep(&["filter", "ip", "-d"]).ok(), listing);
    assert_eq!(skep(&["filter", "ip"]).ok(), listing);
    assert_eq!(skep(&["filter", "ip", "-ddd"]).ok(), "4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n");
    assert_eq!(skep(&["filter", "ip", "--xt-bpf"]).ok(), "4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0\n");
    let raw = skep(&["filter", "ip", "-dd", "--dlt", "raw", "--snaplen", "96"]).ok();
    assert!(raw.contains("{ 0x6, 0, 0, 0x00000060 },"), "{raw}");
}

#[test]
fn refusals_show_the_place() {
    let refused = skep(&["filter", "tcp and port 70000"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("port number 70000 greater than maximum 65535"), "{}", refused.stderr);
    assert!(refused.stderr.contains("^^^^"), "{}", refused.stderr);
    skep(&["filter", "ip", "--dlt", "NOSUCH"]).fails(2);
}

#[test]
fn a_capture_is_filtered_printed_and_written() {
    let from = "examples/traffic.pcapng";
    let lines = skep(&["filter", "tcp", "-r", from]).ok();
    let matched = lines.lines().count();
    assert!(matched > 2, "{lines}");
    assert_eq!(skep(&["filter", "tcp", "-r", from, "-c", "2"]).ok().lines().count(), 2);
    skep(&["filter", "tcp and udp", "-O", "-r", from]).fails(1);
    let to = std::env::temp_dir().join(format!("skep-filter-{}.pcapng", std::process::id()));
    let to_text = to.to_str().expect("a UTF-8 path");
    skep(&["filter", "tcp", "-r", from, "-w", to_text]).ok();
    let again = skep(&["filter", "", "-r", to_text]).ok();
    std::fs::remove_file(&to).expect("it was written");
    assert_eq!(again.lines().count(), matched);
    assert!(root().join(from).exists());
}

#[test]
fn two_filters_are_the_same_or_a_packet_shows_that_they_are_not() {
    let same =
        skep(&["filter", "--diff", "host 10.0.0.1 and tcp port 80", "tcp port 80 and host 10.0.0.1"]).ok();
    assert_eq!(same, "same: they take the same packets\n");
    let folder = std::env::temp_dir();
    let file = |name: &str| {
        let path = folder.join(format!("skep-filter-{}-{name}", std::process::id()));
        path.to_str().expect("a UTF-8 path").to_owned()
    };
    let (program, packet) = (file("diff.bpf"), file("diff.pcap"));
    std::fs::write(&program, skep(&["filter", "tcp port 80", "-ddd"]).ok()).expect("a temporary file");
    let old = format!("@{program}");
    skep(&["filter", "--diff", "tcp port 80", &old]).ok();
    let differs = skep(&["filter", "--diff", "tcp port 80 or tcp port 81", &old, "-w", &packet]);
    assert_eq!(differs.code, 1, "{}", differs.stderr);
    assert!(differs.stdout.contains("the first filter takes it, the second does not"), "{}", differs.stdout);
    // The packet is one.
    skep(&["filter", "tcp port 81", "-r", &packet]).ok();
    skep(&["filter", "tcp port 80", "-r", &packet]).fails(1);
    let unknown = skep(&["filter", "--diff", "tcp", "ip[0:4] * ip[4:4] * ip[8:4] = 0x12345677"]);
    assert!(unknown.code > 0, "{}", unknown.stdout);
    skep(&["filter", "--diff", "tcp", "@/nosuch"]).fails(2);
    skep(&["filter", "--diff", "tcp"]).fails(2);
    skep(&["filter"]).fails(2);
    for path in [program, packet] {
        std::fs::remove_file(path).expect("it was written");
    }
}

#[test]
fn each_instruction_is_explained() {
    let text = skep(&["filter", "udp port 53 or arp", "--explain", "--compat", "libpcap"]).ok();
    let first = text.lines().next().expect("a line");
    assert!(
        first.starts_with("(000) ldh      [12]  ") && first.contains("  load the Ethernet type  "),
        "{first}"
    );
    assert!(first.ends_with("  udp port 53 | arp"), "{first}");
    assert!(text.lines().any(|l| l.contains("is it ARP?") && l.ends_with("  arp")), "{text}");
    assert!(text.contains("accept 262144 bytes\n") && text.contains("reject\n"), "{text}");
    let json = skep(&["filter", "udp port 53 or arp", "--explain", "--json", "-O"]).json();
    let insns = json["insns"].as_array().expect("instructions");
    assert_eq!(insns[0]["words"], "load the Ethernet type");
    assert_eq!(insns[0]["parts"][0]["text"], "udp port 53");
    skep(&["filter", "ip and", "--explain"]).fails(2);
    skep(&["filter", "ip", "--explain", "-dd"]).fails(2);
}

#[test]
fn the_graph_is_drawn() {
    let svg = skep(&["filter", "tcp[0] < 5 or arp", "--cfg", "-"]).ok();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    assert!(svg.contains("tcp[0] &lt; 5 | arp</text>") && svg.contains("load the Ethernet type"), "{svg}");
    let ends = ["class=\"block accept\"", "class=\"block reject\""].map(|class| svg.matches(class).count());
    assert_eq!(ends, [1, 1], "{svg}");
    assert!(svg.contains("class=\"taken\"") && svg.contains("class=\"falls\""));
    let to = std::env::temp_dir().join(format!("skep-filter-{}.dot", std::process::id()));
    assert_eq!(skep(&["filter", "ip", "--cfg", to.to_str().expect("a UTF-8 path")]).ok(), "");
    let dot = std::fs::read_to_string(&to).expect("it was written");
    std::fs::remove_file(&to).expect("it was written");
    assert!(dot.starts_with("digraph \"ip\"") && dot.contains("b0 -> b2"), "{dot}");
    skep(&["filter", "ip protochain 6", "--cfg", "-"]).ok();
    skep(&["filter", "ip", "--cfg", "/nosuch/place.svg"]).fails(2);
}

#[test]
fn times_are_local() {
    let line = |zone: &str| {
        let args = ["filter", "", "-r", "examples/traffic.pcapng", "-c", "1"];
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_skep"));
        let ran = command.args(args).current_dir(root()).env("TZ", zone).output().expect("skep runs");
        String::from_utf8(ran.stdout).expect("text")
    };
    let (utc, east) = (line("UTC"), line("EEE-5:30"));
    assert!(utc.starts_with("14:37:32.985607 "), "{utc}");
    assert_eq!(east, utc.replacen("14:37", "20:07", 1));
}

/// The number of the first packet of the examples that a filter takes, or does not take.
fn packet(expression: &str, takes: bool) -> String {
    let found = (1..60).map(|n: u32| n.to_string()).find(|n| {
        let traced = skep(&["filter", expression, "-r", "examples/traffic.pcapng", "--trace", n]);
        (traced.code == 0) == takes
    });
    found.expect("there is one among the first sixty")
}

#[test]
fn a_packet_is_traced() {
    let from = "examples/traffic.pcapng";
    let expression = "udp port 5353 or vlan";
    let number = packet("vlan and not udp", true);
    let text = skep(&["filter", expression, "-r", from, "--trace", &number]).ok();
    assert!(text.starts_with(&format!("packet {number}: ")), "{text}");
    assert!(text.contains("(000) ldh      [12]  ") && text.contains("A = 0x8100"), "{text}");
    assert!(text.ends_with("accepted, 262144 bytes: decided by `vlan`\n"), "{text}");
    let rejected = skep(&["filter", "len > 10 and ip6[6] = 3", "-r", from, "--trace", &number]);
    assert_eq!(rejected.code, 1);
    assert!(rejected.stdout.ends_with("rejected: decided by `ip6[6] = 3`\n"), "{}", rejected.stdout);
    let short = skep(&["filter", "ether[60000] = 1", "-r", from, "--trace", "1"]);
    assert!(short.stdout.contains("the packet ends before the bytes that it asks for"), "{}", short.stdout);
    let json = skep(&["filter", expression, "-r", from, "--trace", &number, "--json"]).json();
    let steps = json["steps"].as_array().expect("steps");
    assert_eq!((&steps[0]["read"]["offset"], &steps[0]["read"]["bytes"]), (&12.into(), &"8100".into()));
    assert_eq!(json["decided_by"]["text"], "vlan");
    let beyond = skep(&["filter", "ip", "-r", from, "--trace", "100000"]).fails(2);
    assert!(beyond.contains("no packet 100000"), "{beyond}");
    skep(&["filter", "ip", "--trace", "1"]).fails(2);
    skep(&["filter", "ip", "--trace", "0", "-r", from]).fails(2);
}

#[test]
fn a_trace_goes_forward_and_back_by_commands() {
    let number = packet("vlan", true);
    let args = ["filter", "ip or vlan", "-O", "-r", "examples/traffic.pcapng", "--trace", &number, "--step"];
    let commands = b"step\n\nback 2\nbreak 3\nrun\nregs\nlist\ndelete 3\npacket\nrun\nreverse\nbreak 99\nstep x\nnosuch\nquit\n";
    let text = crate::skep_with(&args, commands).ok();
    let steps: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("step ")?.split(':').next()).collect();
    // From the start: two forward, two back, to the breakpoint, its registers, to the end, to the start.
    assert_eq!(steps[..4], ["0", "1", "2", "0"], "{text}");
    assert_eq!((steps[4], steps[5], steps[7]), ("3", "3", "0"), "{text}");
    assert!(text.contains("breakpoint at (003) jeq") && text.contains("=>* (003) jeq"), "{text}");
    assert!(text.contains("[81 00]") && text.contains("there are "), "{text}");
    assert!(text.contains("a number is wanted: `step x`") && text.contains("no command `nosuch`"), "{text}");
    assert!(text.contains("accepted, 262144 bytes: decided by `vlan`\n"), "{text}");
    // The end of the input is the end.
    crate::skep_with(&args, b"").ok();
}

#[test]
fn programs_of_every_form_become_expressions() {
    let lift = |program: &str| crate::skep_with(&["filter", "--lift", "-"], program.as_bytes());
    for form in ["-d", "-dd", "-ddd", "--xt-bpf", "--asm"] {
        let program = skep(&["filter", "net 10.0.0.0/8 and not port 22", form, "--compat", "libpcap"]).ok();
        let lifted = lift(&program);
        assert!(lifted.stderr.contains("proved: it takes the same packets"), "{form}: {}", lifted.stderr);
        let expression = lifted.ok();
        assert!(expression.contains("ip net 10.0.0.0/8") && expression.contains("port 22"), "{expression}");
        // It is the same for --diff, too.
        let file = std::env::temp_dir().join(format!("skep-filter-{}-lift", std::process::id()));
        std::fs::write(&file, &program).expect("a temporary file");
        skep(&["filter", "--diff", &format!("@{}", file.display()), expression.trim(), "-O"]).ok();
        std::fs::remove_file(&file).expect("it was written");
    }
    let raw = skep(&["filter", "ip", "--dlt", "RAW", "-ddd", "--snaplen", "96"]).ok();
    let lifted = crate::skep_with(&["filter", "--lift", "-", "--dlt", "RAW"], raw.as_bytes());
    assert!(lifted.stderr.contains("--snaplen 96"), "{}", lifted.stderr);
    assert_eq!(lifted.ok(), "ip\n");
    let refused = lift("ld #mark\nret a\n").fails(2);
    assert!(refused.contains("it asks for the mark"), "{refused}");
    assert!(lift("3,1 2").fails(1).contains("error"));
    skep(&["filter", "ip", "--lift", "-"]).fails(2);
}

/// Objects are those programs: accepted, run, and where the kernel may be used, loaded there.
#[test]
fn filters_become_objects() {
    let from = "examples/traffic.pcapng";
    let path = crate::scratch(&format!("filter-{}.o", std::process::id()));
    let object = path.to_str().expect("a UTF-8 path");
    for (place, dlt, expression, prog_type) in [
        ("xdp", "EN10MB", "udp port 5353 or icmp or vlan", "xdp"),
        ("tc", "EN10MB", "udp port 5353 or icmp or vlan", "sched_cls"),
        // What runs outside of a packet socket begins at the network header.
        ("socket", "RAW", "udp port 5353 or icmp", "socket_filter"),
    ] {
        let made = skep(&["filter", expression, "--dlt", dlt, "--ebpf", place, "-o", object]);
        assert_eq!(made.ok(), "");
        let verified = skep(&["verify", object, "--json"]).json();
        assert_eq!(verified["programs"][0]["type"], prog_type, "{verified}");
        let ran = skep(&["run", object, "--pcap", from, "--json"]).json();
        let dropped = ["XDP_DROP", "TC_ACT_SHOT", "0"].iter().find_map(|v| ran["verdicts"][v].as_u64());
        let taken = 870 - dropped.expect("some are not taken");
        let expression = if dlt == "RAW" { "(udp port 5353 or icmp) and not vlan" } else { expression };
        let filtered = skep(&["filter", expression, "-r", from, "--json"]).json();
        assert_eq!(Some(taken), filtered["capture"]["matched"].as_u64(), "{place}");
        if skep::kernel::Kernel::new().refusal().is_none() {
            let same = skep(&["compare", object, "--pcap", from, "--json"]).json();
            assert_eq!(same["agree"], true, "{place}");
        } else {
            println!("skipped: bpf(2) may not be used");
        }
    }
    std::fs::remove_file(&path).expect("it was written");
    skep(&["filter", "ip", "-o", object]).fails(2);
}

/// The extended program is accepted, and does to packets what the filter does.
#[test]
fn filters_become_extended_programs() {
    let from = "examples/traffic.pcapng";
    let expression = "udp port 5353 or icmp or vlan";
    let matched = skep(&["filter", expression, "-r", from]).ok().lines().count() as u64;
    for (place, pass) in [("xdp", "XDP_PASS"), ("tc", "TC_ACT_OK")] {
        let text = skep(&["filter", expression, "--ebpf", place]).ok();
        let ran = crate::skep_with(&["run", "-", "--pcap", from, "--json"], text.as_bytes());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let json: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(json["verdicts"][pass].as_u64(), Some(matched), "{place}: {}", json["verdicts"]);
    }
    let socket = skep(&["filter", expression, "--ebpf", "socket"]).ok();
    assert_eq!(crate::skep_with(&["verify", "-"], socket.as_bytes()).code, 0);
    let asm = skep(&["filter", "udp port 53", "--asm"]).ok();
    assert!(asm.starts_with("    ldh [12]\n"), "{asm}");
}

/// Lines are those of an installed tcpdump, but for what it says of HTTP. Its lines change from version to version.
#[test]
fn lines_are_tcpdumps() {
    let from = "examples/traffic.pcapng";
    let version = std::process::Command::new("tcpdump").arg("--version").output();
    let version = version.map(|o| String::from_utf8_lossy(&[o.stdout, o.stderr].concat()).into_owned());
    if !version.as_ref().is_ok_and(|v| v.contains("tcpdump version 4.99")) {
        println!("skipped: no tcpdump 4.99: {version:?}");
        return;
    }
    let done = std::process::Command::new("tcpdump")
        .args(["-n", "-r", from])
        .env("TZ", "UTC")
        .current_dir(root())
        .output();
    let theirs = match done {
        Ok(done) if done.status.success() => String::from_utf8(done.stdout).expect("text"),
        why => {
            println!("skipped: no tcpdump: {why:?}");
            return;
        }
    };
    let ours = skep(&["filter", "", "-r", from]).ok();
    assert_eq!(theirs.lines().count(), ours.lines().count());
    for (theirs, ours) in theirs.lines().zip(ours.lines()) {
        assert_eq!(theirs.split(": HTTP").next(), Some(ours));
    }
}

#[test]
fn captures_come_one_after_the_other() {
    let from = "examples/traffic.pcapng";
    let one = skep(&["filter", "arp", "-r", from]).ok();
    let two = skep(&["filter", "arp", "-r", from, "-r", from]).ok();
    assert_eq!(two, format!("{one}{one}"));
    skep(&["filter", "arp", "-w", "/tmp/skep-nothing"]).fails(2);
}

#[test]
fn threads_change_nothing() {
    let place = |name: &str| std::env::temp_dir().join(format!("skep-threads-{}-{name}", std::process::id()));
    let paths = ["in.pcap", "one.pcap", "many.pcap", "ng"].map(place);
    let [from, one, many, ng] = paths.each_ref().map(|path| path.to_str().expect("a UTF-8 path"));
    // Packets whose bytes look like records, so that guesses where records begin go wrong.
    let mut decoy = vec![0; 14];
    while decoy.len() < 60_000 {
        decoy.extend([1_700_000_000u32, 5, 24, 24].map(u32::to_le_bytes).as_flattened());
        decoy.extend([7; 24]);
    }
    let mut file: Vec<u8> =
        [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 1].map(u32::to_le_bytes).as_flattened().to_vec();
    let mut put = |n: u32, data: &[u8]| {
        file.extend(
            [1_700_000_000 + n, n % 1_000_000, data.len() as u32, 70_000]
                .map(u32::to_le_bytes)
                .as_flattened(),
        );
        file.extend(data);
    };
    for n in 0..20_000u32 {
        decoy[12..14].copy_from_slice(&if n % 3 == 0 { [8, 6] } else { [8, 0] });
        let len = if n % 64 == 0 { decoy.len() } else { 100 + (n * 97 % 1400) as usize };
        put(n, &decoy[..len]);
    }
    // The last is cut.
    file.truncate(file.len() - 50);
    std::fs::write(from, &file).expect("room");
    let run = |threads: &str, to: &str| {
        let ran = skep(&["filter", "arp", "-r", from, "-w", to, "--threads", threads, "--json"]);
        (ran.json()["capture"].clone(), std::fs::read(to).expect("it was written"))
    };
    let alone = run("1", one);
    assert_eq!(alone.0["matched"], 6667);
    assert!(alone == run("2", many), "two threads");
    assert!(alone == run("5", many), "five threads");
    run("3", ng);
    let again = skep(&["filter", "", "-r", ng, "-w", many, "--json"]).json();
    assert_eq!(again["capture"]["matched"], 6667);
    paths.iter().for_each(|path| std::fs::remove_file(path).expect("it is there"));
}

/// An Ethernet frame as a capture in a temporary file, for one filter after the other: whether each takes it.
fn takes(name: &str, frame: &[u8], filters: &[(&[&str], bool)]) {
    let path = std::env::temp_dir().join(format!("skep-filter-{}-{name}.pcap", std::process::id()));
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1, 0, 0, frame.len() as u32, frame.len() as u32] {
        file.extend(word.to_le_bytes());
    }
    file.extend(frame);
    std::fs::write(&path, file).expect("a temporary file");
    let at = path.to_str().expect("a UTF-8 path");
    let codes: Vec<i32> =
        filters.iter().map(|(args, _)| skep(&[&["filter", "-r", at], *args].concat()).code).collect();
    std::fs::remove_file(&path).expect("it was written");
    let expected: Vec<i32> = filters.iter().map(|(_, takes)| i32::from(!takes)).collect();
    assert_eq!(codes, expected, "{filters:?}");
}

#[test]
fn filters_walk_past_headers() {
    // Two tags, IPv6, hop-by-hop options, a routing header, TCP with SYN from port 5 to port 80.
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xa8, 0, 7, 0x81, 0, 0, 5, 0x86, 0xdd];
    frame.extend([0x60, 0, 0, 0, 0, 36, 0, 64]);
    frame.extend([0xfe; 32]);
    frame.extend([43, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
    frame.extend([0, 5, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0]);
    takes(
        "walk",
        &frame,
        &[
            (&["tcp"], false),
            (&["tcp", "--any-vlan"], false),
            (&["tcp", "--ipv6-ext"], false),
            (&["tcp dst port 80", "--ipv6-ext", "--any-vlan"], true),
            (&["tcp dst port 81", "--ipv6-ext", "--any-vlan"], false),
            (&["tcp[tcpflags] & tcp-syn != 0 and vlan 5 and vlan 7", "--ipv6-ext", "--any-vlan"], true),
            (&["ip6 proto 43 and not ip6 proto 44", "--ipv6-ext", "--any-vlan"], true),
            (&["vlan 7 and vlan 5 and tcp port 80", "--ipv6-ext"], true),
            (&["vlan and vlan and ip6 protochain 43"], true),
            (&["vlan and vlan and ip6 protochain 6", "--compat", "libpcap"], true),
            (&["vlan and vlan and ip6 protochain 17", "--compat", "libpcap"], false),
        ],
    );
    // The same TCP in IPv4 in GRE with a key in IPv4.
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend([0x45, 0, 0, 68, 0, 0, 0, 0, 64, 47, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    frame.extend([0x20, 0, 8, 0, 0, 0, 0, 9]);
    frame.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend([0, 5, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0]);
    takes(
        "inner",
        &frame,
        &[
            (&["tcp port 80"], false),
            (&["tcp port 80 and src host 10.0.0.1", "--inner"], true),
            (&["tcp port 80 and src host 192.0.2.1", "--inner"], false),
            (&["src host 192.0.2.1", "--inner"], true),
            (&["not host 10.0.0.1 and not host 192.0.2.1", "--inner"], false),
        ],
    );
    let refused = skep(&["filter", "tcp", "--inner", "--compat", "libpcap"]).fails(2);
    assert!(refused.contains("--compat"), "{refused}");
}
