//! `skep verify --batch`: a verdict a line.

use serde_json::{Value, json};

use crate::skep_with;

/// Answers to these lines.
fn batch(lines: &[String]) -> Vec<Value> {
    let text = skep_with(&["verify", "--batch"], lines.join("\n").as_bytes()).ok();
    text.lines().map(|l| serde_json::from_str(l).expect("a line of JSON")).collect()
}

fn one(line: Value) -> Value {
    let mut answers = batch(&[line.to_string()]);
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// r0 = 0; exit
const GOOD: &str = "b7000000000000009500000000000000";
/// exit, without an r0
const BAD: &str = "9500000000000000";

#[test]
fn a_line_a_verdict() {
    let good = one(json!({"name": "g", "prog_type": "xdp", "insns": GOOD}));
    assert_eq!(good["verdict"], "accept");
    assert_eq!((good["errno"].as_i64(), good["insns_processed"].as_i64()), (Some(0), Some(2)));
    assert!(good["message"].is_null());

    let bad = one(json!({"name": "b", "prog_type": 6, "insns": BAD}));
    assert_eq!(bad["verdict"], "reject");
    assert_eq!((bad["errno"].as_i64(), bad["insn"].as_i64()), (Some(13), Some(0)));
    assert_eq!(bad["message"], "R0 !read_ok");
    assert!(bad["code"].is_string());
}

#[test]
fn maps_and_constants_count() {
    // r1 = map 7; r2 = r10; r2 += -4; *(u32 *)(r10 -4) = 0; call map_lookup_elem; r0 = 0; exit
    let lookup = "1811000007000000 0000000000000000 bfa2000000000000 07020000fcffffff \
                  620afcff00000000 8500000001000000 b700000000000000 9500000000000000";
    let map = json!({"7": {"type": "array", "key_size": 4, "value_size": 8, "max_entries": 1}});
    let a = one(json!({"name": "m", "prog_type": "socket_filter", "insns": lookup, "maps": map}));
    assert_eq!(a["verdict"], "accept", "{a}");

    // r1 = value of map 3; r0 = *(u64 *)(r1 +0); if r0 == 5 goto +1; r0 = r10 (leaks nothing: dead); exit
    let frozen = "1821000003000000 0000000000000000 7910000000000000 1500010005000000 \
                  7900f8ff00000000 9500000000000000";
    let map = json!({"3": {"type": "array", "key_size": 4, "value_size": 8, "max_entries": 1,
                           "map_flags": 128, "rodata": "0500000000000000"}});
    let a = one(json!({"name": "r", "prog_type": "socket_filter", "insns": frozen, "maps": map}));
    assert_eq!(a["verdict"], "accept", "the load through a number is dead: {a}");
}

#[test]
fn what_cannot_be_read_stops_nothing() {
    let answers = batch(&[
        "{".into(),
        json!({"name": "t", "prog_type": "xpd", "insns": GOOD}).to_string(),
        json!({"name": "h", "prog_type": "xdp", "insns": "b7"}).to_string(),
        json!({"name": "k", "prog_type": "xdp", "insns": GOOD, "kernel": "5.4"}).to_string(),
        json!({"name": "ok", "prog_type": "xdp", "insns": GOOD}).to_string(),
    ]);
    assert_eq!(answers.len(), 5);
    let error = |n: usize| answers[n]["error"].as_str().unwrap_or_default();
    assert!(answers[0]["name"].is_null() && !error(0).is_empty());
    assert!(error(1).starts_with("prog_type: ") && error(1).contains("`xpd`"), "{}", error(1));
    assert!(error(2).starts_with("insns: "), "{}", error(2));
    assert!(error(3).contains("5.4"), "{}", error(3));
    assert_eq!(answers[4]["verdict"], "accept");
}
