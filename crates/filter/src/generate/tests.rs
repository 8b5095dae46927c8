//! What is refused, and how long filters come out; what they take is tested beside a reference, in `tests`.

use super::{Dns, Handshake, Start, p0f, suffix};
use crate::{Dlt, Walk};

fn dns(patterns: &[&str], start: Start) -> usize {
    let made = Dns::new(patterns).and_then(|mut dns| {
        dns.ignore_case = true;
        dns.compile(start)
    });
    made.unwrap_or_else(|e| panic!("{patterns:?}: {e}")).len()
}

#[test]
fn short_filters_fit_xt_bpf() {
    let raw = Start::Link(Dlt::RAW, Walk::default());
    assert!(dns(&["*.example.com"], raw) <= 64);
    assert!(dns(&["example.com", "example.org"], Start::Udp) <= 64);
}

#[test]
fn long_lists_fit_the_kernel() {
    let names: Vec<String> = (0..400).map(|n| format!("host{n}.example.com")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let ethernet = Start::Link(Dlt::EN10MB, Walk::default());
    let len = dns(&names, ethernet);
    assert!(len < 4096, "{len}");
    let lens = Dns::new(&names).and_then(|d| d.compile(ethernet)).map(|i| i.len());
    assert!(lens.is_ok_and(|n| n <= len));
}

#[test]
fn what_can_not_be_is_refused() {
    for name in ["", ".", "a..b", &"x".repeat(64), "*{5-2}.com", "*{a-b}.com", &"a.".repeat(130)] {
        assert!(Dns::new(&[name]).is_err(), "{name}");
    }
    assert!(Dns::new::<&str>(&[]).is_err());
    let dns = Dns::new(&["a"]).unwrap();
    assert!(dns.compile(Start::Link(Dlt::IEEE802_11, Walk::default())).is_err());
    assert!(suffix(&[], Dlt::RAW, 1).is_err() && suffix(&[vec![]], Dlt::RAW, 1).is_err());
    for signature in [
        "4:64:0:*:*,*:mss::",
        "5:64:0:*:*,*:mss::0",
        "4:64:0:*:*,*:mss::0:",
        "4:300:0:*:*,*:mss::0",
        "4:64:3:*:*,*:mss::0",
        "4:64:0:*:mss*4,*:sok::0",
        "4:64:0:*:%0,*:sok::0",
        "4:64:0:1460:*,*:sok::0",
        "4:64:0:*:*,7:sok::0",
        "4:64:0:*:*,*:sack::0",
        "4:64:0:*:*,*:mss:bad:0",
        "4:64:0:*:*,*:mss:odd:0",
        "4:64:0:*:*,*:mss:ts1-:0",
        "4:64:0:*:*,*:ts,ts,ts,ts,ts::0",
    ] {
        assert!(p0f(&[signature], Handshake::Request, Dlt::RAW, Walk::default(), 1).is_err(), "{signature}");
    }
}
