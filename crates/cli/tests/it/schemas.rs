//! Every command's JSON, against the schema that is committed for it.

use serde_json::Value;

use crate::schema::violations;
use crate::{root, skep, skep_with};

fn schema(command: &str) -> Value {
    let path = root().join(format!("docs/schema/skep.{command}-1.schema.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("the schema is JSON")
}

#[track_caller]
pub(crate) fn keeps(command: &str, json: &Value) {
    let found = violations(&schema(command), json);
    assert!(found.is_empty(), "{command}: {found:#?}");
}

#[test]
fn info_of_every_example() {
    for object in ["xdp_firewall", "l4_lb", "tc_marker", "socket_filter"] {
        keeps("info", &skep(&["info", "--json", &format!("examples/{object}.o")]).json());
    }
    keeps("info", &skep(&["--json", "examples/l4_lb.o"]).json());
}

#[test]
fn run_of_every_example() {
    for object in ["xdp_firewall", "l4_lb", "tc_marker", "socket_filter"] {
        let file = format!("examples/{object}.o");
        keeps("run", &skep(&["run", "--json", &file, "--pcap", "examples/traffic.pcapng"]).json());
    }
    let text = b"r0 = *(u8 *)(r1 + 0)\nexit\n";
    keeps("run", &skep_with(&["run", "-", "--json", "--mem", "hex:07"], text).json());
    let trap = skep_with(&["run", "-", "--json", "--mem", "hex:"], text);
    assert_eq!(trap.code, 1);
    keeps("run", &serde_json::from_str(&trap.stdout).expect("JSON also where it trapped"));
}

#[test]
fn the_other_commands() {
    keeps("asm", &skep_with(&["asm", "-", "--json"], b"here:\nr1 = map[m]\ngoto here\nexit\n").json());
    if cfg!(all(any(target_arch = "x86_64", target_arch = "aarch64"), unix)) {
        keeps("jit", &skep(&["jit", "--json", "examples/tc_marker.o"]).json());
    } else {
        println!("skipped: jit --json: there is no compiler for this machine");
    }
    keeps("jit", &skep(&["jit", "--arch", "aarch64", "--json", "examples/tc_marker.o"]).json());
    keeps("bench", &skep(&["bench", "--json", "--rounds", "1", "examples/tc_marker.o"]).json());
    keeps("disasm", &skep(&["disasm", "--json", "examples/tc_marker.o"]).json());
    keeps("btf", &skep(&["btf", "dump", "--json", "examples/tc_marker.o"]).json());
    keeps("btf", &skep(&["btf", "dump", "--json", "--c", "examples/tc_marker.o"]).json());
    for kind in ["helper", "map-type", "prog-type", "attach-type", "link-type", "insn", "code"] {
        keeps("explain", &skep(&["explain", "--json", kind]).json());
    }
    let zero = b"b7 00 00 00 00 00 00 00 95 00 00 00 00 00 00 00";
    keeps("conformance", &skep_with(&["conformance", "--json"], zero).json());
    keeps("filter", &skep(&["filter", "--json", "ip"]).json());
    keeps("filter", &skep(&["filter", "--json", "tcp", "-r", "examples/traffic.pcapng"]).json());
    keeps("filter-diff", &skep(&["filter", "--json", "--diff", "tcp or udp", "udp or tcp"]).json());
    let differs = skep(&["filter", "--json", "--diff", "tcp", "udp"]);
    assert_eq!(differs.code, 1);
    keeps("filter-diff", &serde_json::from_str(&differs.stdout).expect("JSON also where they differ"));
    keeps("filter-explain", &skep(&["filter", "--json", "--explain", "tcp port 80 or arp"]).json());
    let trace = ["filter", "--json", "tcp or icmp6", "-r", "examples/traffic.pcapng", "--trace", "1"];
    let traced = skep(&trace);
    keeps("filter-trace", &serde_json::from_str(&traced.stdout).expect("JSON also where it is rejected"));
    let listing = skep(&["filter", "udp port 53", "-ddd"]).ok();
    keeps("filter-lift", &skep_with(&["filter", "--json", "--lift", "-"], listing.as_bytes()).json());
    keeps("completions", &skep(&["completions", "--json", "bash"]).json());
    keeps("man", &skep(&["man", "--json"]).json());
}

#[test]
fn verdicts_of_objects_and_texts() {
    for object in ["xdp_firewall", "l4_lb", "tc_marker", "socket_filter"] {
        let json = skep(&["verify", "--json", &format!("examples/{object}.o")]).json();
        assert_eq!(json["programs"][0]["verdict"], "accept");
        keeps("verify", &json);
    }
    let text = b"#! prog = xdp\nr2 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r2 + 0)\nexit\n";
    let refused = skep_with(&["verify", "--json", "-"], text);
    assert_eq!(refused.code, 1);
    let json: Value = serde_json::from_str(&refused.stdout).expect("JSON also where it is refused");
    keeps("verify", &json);
    let refusal = &json["programs"][0]["refusals"][0];
    assert_eq!(refusal["code"], "V0405");
    assert_eq!(refusal["spans"][0]["line"], 3);
    assert!(refusal["fix"]["replacement"].as_str().is_some_and(|r| r.contains("exit")));
}

#[test]
fn answers_of_a_batch() {
    let lines = b"{\"name\": \"a\", \"prog_type\": \"xdp\", \"insns\": \"9500000000000000\"}\n{\n";
    let text = skep_with(&["verify", "--batch"], lines).ok();
    assert_eq!(text.lines().count(), 2);
    for line in text.lines() {
        keeps("verify-batch", &serde_json::from_str(line).expect("a line of JSON"));
    }
}

#[test]
fn drawings_of_every_example() {
    for object in ["xdp_firewall", "l4_lb", "tc_marker", "socket_filter"] {
        let file = format!("examples/{object}.o");
        let json = skep(&["cfg", "--json", &file]).json();
        keeps("cfg", &json);
        assert_eq!(json["verified"], true);
        let svg = skep(&["cfg", &file, "--svg", "-"]).ok();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("<title>") && svg.matches("<g class").count() > 3);
        assert!(skep(&["cfg", &file, "--dot", "-"]).ok().contains(" -> "));
    }
    let refused = skep_with(&["cfg", "--json", "-"], b"#! prog = xdp\nr0 = r3\nexit\n");
    assert!(refused.stderr.contains("the verifier refuses it"), "{}", refused.stderr);
    let json = refused.json();
    keeps("cfg", &json);
    assert_eq!(json["verified"], false);
}
