//! The examples, end to end: object and capture in; verdicts, bytes and maps out, as Linux gave them
//! (BPF_PROG_TEST_RUN of 6.18, in `tests/expected`).

use skep_backend::Event;
use skep_tests::corpus::difference;
use skep_tests::scenario::{Scenario, packets, root};

fn check(object: &str, progs: &[&str]) -> Scenario {
    let mut scenario = Scenario::load(&format!("examples/{object}.o")).unwrap();
    let packets = packets().unwrap();
    assert_eq!(packets.len(), 870);
    for prog in progs {
        scenario.run(prog, &packets).unwrap();
    }
    scenario
}

fn compare(name: &str, found: &str) {
    let expected = std::fs::read_to_string(root().join(format!("tests/expected/{name}.txt"))).unwrap();
    let difference = difference(&expected, found);
    assert!(difference.is_empty(), "{name}: Linux (-) and the userspace world (+) differ:\n{difference}");
}

#[test]
fn xdp_firewall() {
    let mut scenario = check("xdp_firewall", &["xdp_firewall"]);
    let events = scenario.events();
    let record =
        |e: &&Event| matches!(e, Event::Record { map, data, .. } if map == "drop_log" && data.len() == 56);
    assert_eq!(events.iter().filter(record).count(), 29, "one record a drop");
    compare("xdp_firewall", &scenario.finish().unwrap());
}

#[test]
fn l4_lb() {
    compare("l4_lb", &check("l4_lb", &["l4_lb"]).finish().unwrap());
}

#[test]
fn tc_marker() {
    compare("tc_marker", &check("tc_marker", &["tc_marker"]).finish().unwrap());
}

#[test]
fn socket_filter() {
    compare("socket_filter", &check("socket_filter", &["socket_filter"]).finish().unwrap());
}
