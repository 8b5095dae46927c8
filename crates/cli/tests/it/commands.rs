//! What single commands say.

use serde_json::json;

use crate::{scratch, skep, skep_with};

const ANSWER: &str = "b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00";

#[test]
fn info_says_what_an_object_holds() {
    let text = skep(&["info", "examples/xdp_firewall.o"]).ok();
    for part in [
        "little-endian, Dual MIT/GPL, BTF of",
        "needs Linux 5.",
        "program xdp_firewall: xdp, attach xdp, section xdp",
        "subprograms seed_rules",
        "helpers     bpf_map_lookup_elem",
        "blocked4",
        "lpm_trie",
        "struct prefix4 (8 B) -> struct rule (16 B), 1024 entries at most, BPF_F_NO_PREALLOC",
        "65536 bytes",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let bare = skep(&["examples/xdp_firewall.o"]);
    let bare = bare.ok();
    assert!(bare.starts_with(&text) && bare.contains("xdp_firewall (xdp): accepted;"), "{bare}");
}

#[test]
fn asm_disasm_and_back() {
    let source = "    r0 = 0\n    if r1 == 0x0 goto L3\n    r0 += 7\nL3:\n    exit\n";
    let hex = skep_with(&["asm", "-", "--emit", "hex"], source.as_bytes()).ok();
    assert_eq!(hex.lines().next(), Some("b7 00 00 00 00 00 00 00"));
    let text = skep_with(&["disasm", "-", "--hex"], hex.as_bytes()).ok();
    assert!(text.contains("     1: if r1 == 0x0 goto L3"), "{text}");
    assert_eq!(skep_with(&["asm", "-", "--emit", "hex"], text.as_bytes()).ok(), hex);

    let mnemonic = skep_with(&["disasm", "-", "--hex", "--style", "mnemonic"], hex.as_bytes()).ok();
    let again = skep_with(&["asm", "-", "--emit", "hex", "--dialect", "mnemonic"], mnemonic.as_bytes());
    assert_eq!(again.ok(), hex);
}

#[test]
fn asm_writes_bytes_and_c() {
    let path = scratch("answer.bin");
    let file = path.to_str().expect("a path of text");
    skep_with(&["asm", "-", "-o", file], b"r0 = 42\nexit\n").ok();
    let bytes = std::fs::read(&path).expect("it was written");
    assert_eq!(bytes, [0xb7, 0, 0, 0, 42, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);
    let c = skep_with(&["asm", "-", "--emit", "c"], b"r0 = 42\nexit\n").ok();
    assert!(c.contains("{ .code = 0xb7, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 42 },"), "{c}");
}

#[test]
fn asm_shows_all_errors_with_their_places() {
    let stderr = skep_with(&["asm", "-"], b"r0 = 1\nr1 = r11\ngoto nowhere\nexit\n").fails(1);
    for part in ["<stdin>:2:6", "no register `r11`", "<stdin>:3:6", "`nowhere`", "^^^"] {
        assert!(stderr.contains(part), "{part:?} is not in\n{stderr}");
    }
}

#[test]
fn disasm_shows_source_lines_maps_and_helpers() {
    let text = skep(&["disasm", "examples/xdp_firewall.o", "-S"]).ok();
    for part in
        ["; xdp_firewall.bpf.c:", "map[counters]", "call bpf_map_lookup_elem", "seed_rules:", "goto L"]
    {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let stderr = skep_with(&["disasm", "-"], ANSWER.as_bytes()).fails(2);
    assert!(stderr.contains("hint: for hex digits, give --hex"), "{stderr}");
}

#[test]
fn btf_dumps_types_raw_and_as_c() {
    let raw = skep(&["btf", "dump", "examples/xdp_firewall.o"]).ok();
    assert!(raw.contains("] STRUCT 'counter' size=24 vlen=3\n\t'packets' type_id="), "{raw}");
    let c = skep(&["btf", "dump", "examples/xdp_firewall.o", "--c"]).ok();
    assert!(c.contains("struct counter {\n\t__u64 packets;"), "{c}");
}

#[test]
fn explain_finds_names_aliases_numbers_and_opcodes() {
    let by_name = skep(&["explain", "helper", "map_lookup_elem"]).ok();
    assert!(by_name.contains("helper bpf_map_lookup_elem (1)"), "{by_name}");
    assert!(by_name.contains("void *bpf_map_lookup_elem(struct bpf_map *map, const void *key)"), "{by_name}");
    assert_eq!(skep(&["explain", "helper", "1"]).ok(), by_name);
    assert_eq!(skep(&["explain", "bpf_map_lookup_elem"]).ok(), by_name);
    let tc = skep(&["explain", "prog-type", "tc"]).ok();
    assert!(tc.contains("program type sched_cls (3)") && tc.contains("TC_ACT_SHOT = 2"), "{tc}");
    let insn = skep(&["explain", "insn", "0xdb"]).ok();
    assert!(insn.contains("atomic"), "{insn}");
    let all = skep(&["explain", "map-type"]).ok();
    assert!(all.lines().count() > 30, "{all}");
}

#[test]
fn conformance_speaks_the_plugin_protocol() {
    assert_eq!(skep_with(&["conformance"], format!("{ANSWER}\n").as_bytes()).ok(), "2a\n");
    assert_eq!(skep(&["conformance", "--program", ANSWER]).ok(), "2a\n");
    // r0 = *(u8 *)(r1 + 1); r0 += r2; exit
    let load = "71 10 01 00 00 00 00 00 0f 20 00 00 00 00 00 00 95 00 00 00 00 00 00 00";
    assert_eq!(skep_with(&["conformance", "01 20 03"], load.as_bytes()).ok(), "23\n");
    assert_eq!(skep_with(&["conformance", "01 20 03", "--debug"], load.as_bytes()).ok(), "23\n");
    // A reserved field is not zero.
    skep_with(&["conformance"], b"95 01 00 00 00 00 00 00").fails(1);
    // r0 |= r10, and nothing has set r0.
    let unset = skep_with(&["conformance"], b"4f a0 00 00 00 00 00 00 95 00 00 00 00 00 00 00");
    assert_eq!(unset.code, 1);
    assert!(unset.stderr.contains("r0 is read before anything is in it"), "{}", unset.stderr);
    // call 5 with r1 = -1, by number and by register
    let call =
        "b7 01 00 00 ff ff ff ff 85 00 00 00 05 00 00 00 b7 00 00 00 02 00 00 00 95 00 00 00 00 00 00 00";
    assert_eq!(skep_with(&["conformance"], call.as_bytes()).ok(), "2\n");
}

#[test]
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix, not(skep_portable)))]
fn conformance_runs_native_code() {
    assert_eq!(skep_with(&["conformance", "--jit"], format!("{ANSWER}\n").as_bytes()).ok(), "2a\n");
}

#[test]
fn conformance_has_the_helpers_of_the_suite() {
    let of = |text: &str, memory: &str| {
        let hex = skep_with(&["asm", "-", "--emit", "hex", "--dialect", "mnemonic"], text.as_bytes()).ok();
        skep_with(&["conformance", memory], hex.as_bytes()).ok()
    };
    let bytes = "mov %r1, 1\nmov %r2, 2\nmov %r3, 3\nmov %r4, 4\nmov %r5, 5\ncall 0\nexit\n";
    assert_eq!(of(bytes, ""), "102030405\n");
    assert_eq!(of("mov %r6, %r1\nmov %r2, 2\ncall 1\nldxh %r0, [%r6]\nexit\n", "01 02"), "282b\n");
    assert_eq!(of("mov %r1, 99\ncall 3\nexit\n", ""), "9\n");
    assert_eq!(of("mov %r2, %r1\nadd %r2, 2\ncall 4\nexit\n", "61 00 61 00"), "0\n");
    assert_eq!(of("mov %r1, 0\ncall 5\nmov %r0, 2\nexit\n", ""), "0\n");
}

#[test]
fn completions_and_man_pages_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = skep(&["completions", shell]).ok();
        assert!(script.contains("conformance") && script.contains("pcap"), "{shell}");
    }
    assert!(skep(&["man"]).ok().starts_with(".ie"));
    assert!(skep(&["man", "run"]).ok().contains("pcap"));
    let dir = scratch("man");
    skep(&["man", "--all", "-o", dir.to_str().expect("a path of text")]).ok();
    assert!(dir.join("skep-btf-dump.1").exists());
    let pages = skep(&["man", "btf-dump", "--json"]).json();
    assert_eq!(pages["pages"][0]["name"], json!("skep-btf-dump"));
}

#[test]
fn classic_programs_are_assembled_and_listed() {
    let source = b"ldh [12]\njeq #0x800, keep, drop\nkeep: ret #-1\ndrop: ret #0\n";
    let line = "4,40 0 0 12,21 0 1 2048,6 0 0 4294967295,6 0 0 0\n";
    assert_eq!(skep_with(&["asm", "-", "--emit", "bytecode"], source).ok(), line);
    let listing = skep_with(&["disasm", "-"], line.as_bytes()).ok();
    assert!(
        listing.starts_with("(000) ldh      [12]\n(001) jeq      #0x800           jt 2\tjf 3\n"),
        "{listing}"
    );
    let hex = skep_with(&["asm", "-", "--classic", "--emit", "hex"], listing.as_bytes()).ok();
    assert_eq!(skep_with(&["disasm", "-", "--classic", "--hex"], hex.as_bytes()).ok(), listing);
    skep_with(&["asm", "-", "--classic"], b"ldw [12]\n").fails(1);
}
