//! `skep filter gen`: forms, limits, refusals.

use crate::skep;

#[test]
fn every_form_is_printed() {
    let dns = |more: &[&str]| skep(&[&["filter", "gen", "dns", "*.example.com", "-i"], more].concat()).ok();
    let listing = dns(&["-d"]);
    assert!(listing.starts_with("(000) ld "), "{listing}");
    let lines = listing.lines().count();
    assert_eq!(dns(&["-ddd"]).lines().next(), Some(lines.to_string().as_str()));
    assert!(dns(&["-dd"]).starts_with("{ 0x"));
    assert!(dns(&["--asm"]).contains("jeq #0x35, "));
    let line = dns(&["--xt-bpf"]);
    assert!(line.lines().count() == 1 && line.contains(",21 "), "{line}");
    // The packet begins with the header of IP there.
    assert_eq!(dns(&["--dlt", "RAW", "-ddd"]).split_whitespace().next(), line.split(',').next());
    assert!(dns(&["--ebpf", "xdp", "--drop"]).starts_with("#! prog = xdp\n"));
    let json = skep(&["filter", "gen", "suffix", "0102", "--json"]).json();
    assert_eq!(json["schema"], "skep.filter/1");
    assert!(json["insns"].as_array().is_some_and(|i| i.len() > 4), "{json}");
}

#[test]
fn names_come_from_a_file_with_all_below() {
    let path = std::env::temp_dir().join(format!("skep-names-{}.txt", std::process::id()));
    std::fs::write(&path, "# a list\nexample.com\n\nexample.org\n").expect("a temporary file");
    let names = path.to_str().expect("a UTF-8 path");
    let from_file = skep(&["filter", "gen", "dns", "--names", names, "-s", "-ddd"]).ok();
    std::fs::remove_file(&path).expect("it was written");
    let given =
        ["filter", "gen", "dns", "example.com", "example.org", "**.example.com", "**.example.org", "-ddd"];
    assert_eq!(from_file, skep(&given).ok());
}

#[test]
fn what_does_not_fit_is_refused() {
    let signature = "4:64:0:*:mss*20,10:mss,sok,ts,nop,ws:df,id+:0";
    let long = skep(&["filter", "gen", "p0f", signature, "--xt-bpf"]).fails(2);
    assert!(long.contains("xt_bpf takes 64"), "{long}");
    skep(&["filter", "gen", "p0f", signature]).ok();
    skep(&["filter", "gen", "p0f", "4:64"]).fails(2);
    skep(&["filter", "gen", "suffix", "1"]).fails(2);
    skep(&["filter", "gen", "dns", "a..b"]).fails(2);
    skep(&["filter", "gen", "dns"]).fails(2);
    skep(&["filter", "gen", "dns", "a", "--dlt", "PFLOG"]).fails(2);
}
