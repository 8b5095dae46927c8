//! `skep doctor` on a machine, an object, and traps that are laid for it in network namespaces of its own; the last is
//! skipped, with the reason, where rights or iproute2 are missing.

use std::process::Command;

use serde_json::{Value, json};

use crate::schema::violations;
use crate::{root, skep, skep_with};

fn findings(json: &Value) -> Vec<Value> {
    let path = root().join("docs/schema/skep.doctor-1.schema.json");
    let schema = serde_json::from_str(&std::fs::read_to_string(path).expect("is there")).expect("JSON");
    assert_eq!(violations(&schema, json), Vec::<String>::new());
    json["findings"].as_array().cloned().unwrap_or_default()
}

/// Its JSON, whatever it found.
fn doctor(args: &[&str], stdin: &[u8]) -> Vec<Value> {
    let args: Vec<&str> = ["doctor", "--json"].iter().chain(args).copied().collect();
    let done = skep_with(&args, stdin);
    let json: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let found = findings(&json);
    let bad = found.iter().any(|f| f["severity"] == "error");
    assert_eq!(done.code, i32::from(bad), "{found:#?}");
    found
}

#[test]
fn a_machine_and_objects_are_looked_at() {
    doctor(&[], b"");
    doctor(&["examples/tc_marker.o"], b"");
    assert!(skep(&["doctor", "no/such.o"]).fails(2).contains("no such file"));
}

#[test]
fn a_classifier_where_an_action_is_meant_is_told() {
    let found = doctor(&["-"], b"#! prog = sched_cls\nr0 = 65535\nexit\n");
    let told = found.iter().find(|f| f["code"] == "D30").expect("is told");
    assert!(told["evidence"].as_str().is_some_and(|e| e.contains("65535")), "{told}");
    let found = doctor(&["-"], b"#! prog = sched_cls\nr0 = 2\nexit\n");
    assert!(found.iter().all(|f| f["code"] != "D30"), "{found:#?}");
}

/// Two namespaces with a veth between them, gone when it is dropped.
struct Pair(String);

impl Pair {
    fn new() -> Option<Self> {
        let pair = Self(format!("skepd{}", std::process::id()));
        let n = &pair.0;
        let commands = [
            format!("netns add {n}"),
            format!("netns add {n}b"),
            format!("-n {n} link add v0 type veth peer name v1"),
            format!("-n {n} link set v1 netns {n}b"),
            format!("-n {n} link set v0 up"),
            format!("-n {n}b link set v1 up"),
        ];
        commands.iter().all(|c| run("ip", c)).then_some(pair)
    }

    fn inside(&self, command: &str) -> bool {
        run("nsenter", &format!("--net=/run/netns/{} {command}", self.0))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        run("ip", &format!("netns del {}", self.0));
        run("ip", &format!("netns del {}b", self.0));
    }
}

fn run(program: &str, args: &str) -> bool {
    let done = Command::new(program).args(args.split_whitespace()).current_dir(root()).output();
    done.is_ok_and(|done| done.status.success())
}

#[test]
fn traps_in_a_network_are_told() {
    let Some(pair) = Pair::new() else {
        println!("skipped: no network namespaces can be made here");
        return;
    };
    let laid = pair.inside("tc qdisc add dev v0 clsact")
        && pair.inside("tc filter add dev v0 ingress bpf object-file examples/tc_marker.o section tc")
        && pair.inside("ip link set v0 xdpdrv obj examples/l4_lb.o sec xdp");
    if !laid {
        println!("skipped: iproute2 does not attach here");
        return;
    }
    let at = format!("--net=/run/netns/{}", pair.0);
    let skep = env!("CARGO_BIN_EXE_skep");
    let done = Command::new("nsenter").args([&at, skep, "doctor", "--json"]).output().expect("runs");
    let found = findings(&serde_json::from_slice(&done.stdout).expect("JSON"));
    let told = |code: &str, severity: &str, word: &str| {
        found.iter().any(|f| {
            f["code"] == code
                && f["severity"] == severity
                && f["title"].as_str().is_some_and(|t| t.contains(word))
        })
    };
    assert!(told("D31", "note", "without direct action"), "{found:#?}");
    assert!(told("D33", "error", "the peer of v0"), "{found:#?}");
    assert_eq!(done.status.code(), Some(1));
    // With a program on the peer nothing is dropped.
    let other = Pair(format!("{}b", pair.0));
    assert!(other.inside("ip link set v1 xdpdrv obj examples/xdp_firewall.o sec xdp"));
    let done = Command::new("nsenter").args([&at, skep, "doctor", "--json"]).output().expect("runs");
    let found = findings(&serde_json::from_slice(&done.stdout).expect("JSON"));
    assert!(found.iter().all(|f| f["code"] != json!("D33")), "{found:#?}");
}
