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
