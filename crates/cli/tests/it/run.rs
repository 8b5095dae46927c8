//! `skep run`: verdicts, maps, captures in and out, traps with their lines.

use serde_json::{Value, json};
use skep::capture::{LinkType, Packet, Reader, Writer};

use crate::{root, scratch, skep, skep_with};

const TRAFFIC: &str = "examples/traffic.pcapng";

fn sum(verdicts: &Value) -> u64 {
    verdicts.as_object().expect("an object").values().filter_map(Value::as_u64).sum()
}

/// Packets of a capture at a path.
fn packets(path: &std::path::Path) -> Vec<Vec<u8>> {
    let mut r = Reader::new(std::fs::File::open(path).expect("it was written")).expect("a capture");
    let mut all = Vec::new();
    while let Some(p) = r.next_packet().expect("whole packets") {
        all.push(p.data.to_vec());
    }
    all
}

#[test]
fn a_firewall_over_real_traffic() {
    let text = skep(&["run", "examples/xdp_firewall.o", "--pcap", TRAFFIC]).ok();
    for part in ["xdp_firewall (xdp): ", " packets, ", "XDP_PASS", "XDP_DROP", "counters", ".packets = "] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let json = skep(&["run", "examples/xdp_firewall.o", "--pcap", TRAFFIC, "--json"]).json();
    let all = packets(&root().join(TRAFFIC)).len() as u64;
    assert_eq!(json["packets"], json!(all));
    assert_eq!(sum(&json["verdicts"]), all);
    assert_eq!(json["errors"], json!({}));
    // What the program counted is what came in.
    let counters = json["maps"]["counters"].as_array().expect("a list");
    let counted: u64 = counters.iter().filter_map(|e| e["value"][0]["packets"].as_u64()).sum();
    assert_eq!(counted, all);
    let dropped: u64 = counters.iter().filter_map(|e| e["value"][0]["dropped"].as_u64()).sum();
    assert_eq!(json["verdicts"]["XDP_DROP"].as_u64(), Some(dropped));
}

#[test]
fn the_same_run_gives_the_same_answer() {
    let once = || {
        let mut json = skep(&["run", "examples/l4_lb.o", "--pcap", TRAFFIC, "--json"]).json();
        json["ns_per_packet"] = Value::Null;
        json
    };
    assert_eq!(once(), once());
}

#[test]
fn out_writes_what_goes_on() {
    for (name, ng) in [("passed.pcapng", true), ("passed.pcap", false)] {
        let path = scratch(name);
        let out = path.to_str().expect("a path of text");
        let args = ["run", "examples/xdp_firewall.o", "--pcap", TRAFFIC, "--out", out, "--json"];
        let json = skep(&args).json();
        let written = packets(&path);
        assert_eq!(json["written"], json!(written.len()));
        assert_eq!(json["verdicts"]["XDP_PASS"], json!(written.len()));
        let head = std::fs::read(&path).expect("it was written");
        assert_eq!(head.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]), ng);
    }
    let stderr = skep(&["run", "examples/xdp_firewall.o", "--pcap", TRAFFIC, "--out", TRAFFIC]).fails(2);
    assert!(stderr.contains("is the capture that is read"), "{stderr}");
    let stderr = skep(&["run", "examples/xdp_firewall.o", "--pcap", TRAFFIC, "--out", "x.pcap.gz"]).fails(2);
    assert!(stderr.contains("no compressed captures"), "{stderr}");
}

#[test]
fn captures_come_from_stdin_and_packed() {
    let traffic = std::fs::read(root().join(TRAFFIC)).expect("the example is there");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, &traffic).expect("writes to memory");
    let gz = gz.finish().expect("writes to memory");
    let from = |bytes: &[u8]| {
        skep_with(&["run", "examples/tc_marker.o", "--pcap", "-", "--json"], bytes).json()["verdicts"].clone()
    };
    assert_eq!(from(&traffic), from(&gz));

    let cut = skep_with(&["run", "examples/tc_marker.o", "--pcap", "-"], &traffic[..traffic.len() - 7]);
    assert!(cut.stderr.contains("ends in the middle of a block"), "{}", cut.stderr);
    cut.ok();
    let stderr = skep_with(&["run", "examples/tc_marker.o", "--pcap", "-"], b"not a capture").fails(2);
    assert!(stderr.contains("<stdin>: not a capture") && stderr.contains("hint: "), "{stderr}");
}

/// One Ethernet frame a packet, all of one length.
fn capture(count: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut w = Writer::pcap(&mut file, LinkType::ETHERNET).expect("writes to memory");
    for n in 0..count {
        w.write(&Packet::new(&[n as u8; 64]).at(n as u64)).expect("writes to memory");
    }
    w.finish().expect("writes to memory");
    file
}

#[test]
fn traps_name_the_instruction_and_exit_with_1() {
    let path = scratch("trap.bpf");
    let text = "#! prog = xdp\nr1 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r1 + 64)\nexit\n";
    std::fs::write(&path, text).expect("writes");
    let file = path.to_str().expect("a path of text");
    let refused = skep_with(&["run", file, "--pcap", "-", "--json"], &capture(3)).fails(1);
    assert!(refused.contains("error[V0405]") && refused.contains("--unverified"), "{refused}");
    let ran = skep_with(&["run", file, "--pcap", "-", "--json", "--unverified"], &capture(3));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let json: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(json["errors_total"], json!(3));
    assert_eq!(json["errors"].as_object().map(|o| o.len()), Some(3));
    let message = json["errors"]["1"].as_str().expect("a message");
    assert!(message.contains("read of 1 byte") && message.contains("instruction 1"), "{message}");
    let text = skep_with(&["run", file, "--pcap", "-", "--unverified"], &capture(3)).stdout;
    assert!(text.contains("errors") && text.contains("first on packet 1"), "{text}");
}

#[test]
fn text_runs_on_memory_with_maps_and_entries() {
    let program = b"
        #! prog = socket_filter
        r0 = *(u32 *)(r1 + 0)
        *(u8 *)(r1 + 3) = 9
        exit
    ";
    let json = skep_with(&["run", "-", "--mem", "hex:01000000", "--json"], program).json();
    assert_eq!((&json["retval"], &json["mem"]), (&json!(1), &json!("01000009")));

    let program = "#! prog = xdp\n#! map = m array 4 8 2\n#! entry = m 01000000 2a00000000000000\n\
        #! packet = 000102030405060708090a0b0c0d\n\
        r2 = r10\nr2 += -4\n*(u32 *)(r10 - 4) = 1\nr1 = map[m]\ncall map_lookup_elem\n\
        if r0 == 0 goto out\nr0 = *(u64 *)(r0 + 0)\nout:\nexit\n";
    let json = skep_with(&["run", "-", "--json"], program.as_bytes()).json();
    assert_eq!(json["retval"], json!(42));
    assert_eq!(json["maps"]["m"][1], json!({"key": 1, "value": "2a00000000000000"}));
}

#[test]
fn bare_instructions_need_no_input() {
    assert_eq!(skep_with(&["run", "-", "--json"], b"r0 = 7\nexit\n").json()["retval"], json!(7));
    let text = skep_with(&["run", "-"], b"r0 = 7\nexit\n").ok();
    assert!(text.starts_with("main (unspec): r0 = 0x7 (7)"), "{text}");
}

#[test]
fn text_has_maps_of_maps_and_either_byte_order() {
    let program = "#! prog = xdp\n#! map = inner array 4 8 1\n#! map = outer hash_of_maps 4 4 2\n\
        #! inner = outer inner\n#! entry = outer 07000000 map:inner\n#! entry = inner 00000000 2a00000000000000\n\
        r2 = r10\nr2 += -4\n*(u32 *)(r10 - 4) = 7\nr1 = map[outer]\ncall map_lookup_elem\n\
        if r0 == 0 goto out\nr1 = r0\nr2 = r10\nr2 += -4\n*(u32 *)(r10 - 4) = 0\ncall map_lookup_elem\n\
        if r0 == 0 goto out\nr0 = *(u64 *)(r0 + 0)\nout:\nexit\n";
    assert_eq!(skep_with(&["run", "-", "--json"], program.as_bytes()).json()["retval"], json!(42));

    let program = b"r0 = *(u16 *)(r1 + 0)\nexit\n";
    let of = |more: &[&str]| {
        let args = [&["run", "-", "--mem", "hex:0102", "--json"], more].concat();
        skep_with(&args, program).json()["retval"].clone()
    };
    assert_eq!((of(&[]), of(&["--big-endian"])), (json!(0x0201), json!(0x0102)));
}

/// Every corpus file that a packet program can be run from gives the answer that it says, or its trap.
#[test]
fn corpus_files_run_as_they_are() {
    let mut ran = 0;
    for dir in ["alu", "jmp", "call", "atomic"] {
        let dir = root().join("tests/corpus").join(dir);
        for entry in std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path = entry.expect("an entry").path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let of = |key: &str| text.lines().find_map(|l| l.strip_prefix(&format!("#! {key} = ")));
            if of("engines").is_some() {
                continue;
            }
            let Some(want) = of("run").filter(|w| w.chars().all(|c| c.is_ascii_hexdigit() || c == 'x'))
            else {
                continue;
            };
            let want = match want.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16),
                None => want.parse(),
            };
            // What Linux refuses runs only where nobody asks the verifier.
            let refused = of("verify").is_some_and(|v| v != "accept")
                // A text has no type information, which the address of a function wants.
                || text.contains("subprog[");
            let more: &[&str] = if refused { &["--unverified"] } else { &[] };
            let file = path.to_str().expect("a path of text");
            let done = skep(&[&["run", file, "--json"], more].concat());
            let modelled = !done.stderr.contains("is not modelled");
            let json = done.json();
            assert_eq!(json["verified"].as_bool(), Some(!refused && modelled), "{}", path.display());
            assert_eq!(json["retval"].as_u64(), want.ok(), "{}", path.display());
            ran += 1;
        }
    }
    assert!(ran > 100, "only {ran} files ran");
}

#[test]
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable)))]
fn native_code_says_what_the_interpreter_says() {
    let run =
        |engine| skep(&["run", "examples/l4_lb.o", "--pcap", TRAFFIC, "--engine", engine, "--json"]).json();
    let (mut jit, mut interp) = (run("jit"), run("interp"));
    assert_eq!((&jit["engine"], &interp["engine"]), (&json!("jit"), &json!("interp")));
    for json in [&mut jit, &mut interp] {
        let fields = json.as_object_mut().expect("an object");
        fields.remove("engine");
        fields.remove("ns_per_packet");
    }
    assert_eq!(jit, interp);
}

#[test]
fn what_can_not_be_is_said() {
    let stderr =
        skep(&["run", "examples/l4_lb.o", "--pcap", TRAFFIC, "--engine", "jit", "--backend", "kernel"])
            .fails(2);
    assert!(stderr.contains("its own jit") && stderr.contains("hint: "), "{stderr}");
    let stderr = skep(&["run", "examples/l4_lb.o"]).fails(2);
    assert!(stderr.contains("nothing to run it on") && stderr.contains("--pcap"), "{stderr}");
    let stderr = skep(&["run", "examples/l4_lb.o", "--type", "kprobe", "--pcap", TRAFFIC]).fails(2);
    assert!(stderr.contains("kprobe programs take no packets"), "{stderr}");
}

/// The packet that a record is told with is the one that emitted it.
#[test]
fn records_are_told_with_their_packet() {
    let json =
        skep(&["run", "examples/xdp_firewall.o", "--pcap", "examples/traffic.pcapng", "--json"]).json();
    let numbers: Vec<_> =
        json["events"].as_array().expect("a list").iter().filter_map(|e| e["packet"].as_u64()).collect();
    assert!(numbers.len() > 5 && numbers.is_sorted(), "{numbers:?}");
    let mut distinct = numbers.clone();
    distinct.dedup();
    assert!(distinct.len() > 5, "{numbers:?}");
}
