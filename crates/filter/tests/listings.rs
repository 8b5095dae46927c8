//! Expressions compiled to the very instructions that an installed tcpdump printed for them.

use skep_filter::{Code, Database, Dlt, Options, compile, compile_within};
use skep_isa::classic::text::{Form, print};

/// Head lines and listings of `listings.txt`.
fn listings() -> Vec<(String, String)> {
    let text = include_str!("listings.txt");
    text.split("\n# ")
        .skip(1)
        .map(|part| {
            let (head, listing) = part.split_once('\n').expect("a head line, then the listing");
            (head.to_string(), listing.trim_end_matches('\n').to_string() + "\n")
        })
        .collect()
}

#[test]
fn listings_are_tcpdumps() {
    let listings = listings();
    assert!(listings.len() > 100, "only {} listings", listings.len());
    for (head, listing) in listings {
        let (mode, expression) = head.split_once(": ").expect("a colon behind the mode");
        let (dlt, mode) = mode.split_once(' ').expect("link type and mode");
        let options = Options {
            dlt: Dlt::by_name(dlt).expect("a link type"),
            code: if mode == "optimised" { Code::Libpcap } else { Code::Plain },
            ..Options::default()
        };
        let insns = compile(expression, &options, &Database::new());
        let insns = insns.unwrap_or_else(|e| panic!("{head}: {e}"));
        assert_eq!(print(&insns, Form::Listing), listing, "{head}");
    }
}

#[test]
fn an_empty_expression_takes_everything() {
    let insns = compile(" ", &Options::default(), &Database::new()).expect("compiles");
    assert_eq!(print(&insns, Form::Listing), "(000) ret      #262144\n");
}

#[test]
fn refusals_name_what_is_wrong_and_where() {
    let rows: &[(&str, &str, &str)] = &[
        ("tcp port 70000", "port number 70000 greater than maximum 65535", "tcp port 70000"),
        ("ip and tcp )", "can't parse filter expression: syntax error", ")"),
        ("ip and ether host 1.2.3.4", "illegal link-layer address '1.2.3.4'", "ether host 1.2.3.4"),
        ("net 1.2.3.4/8", "non-network bits set in \"1.2.3.4/8\"", "net 1.2.3.4/8"),
        ("ip[0:3] = 1", "data size must be 1, 2, or 4", "ip[0:3]"),
        ("len / 0 = 1", "division by zero", "len / 0"),
        ("tcp and 99999999999 = len", "decimal number 99999999999 overflows 32 bits", "99999999999"),
        ("host 1::2:", "invalid Ethernet address 1::2:", "1::2:"),
    ];
    for &(expression, message, place) in rows {
        let error = compile(expression, &Options::default(), &Database::new()).expect_err(expression);
        assert_eq!(error.message(), message, "{expression}");
        assert!(expression[error.span()].contains(place), "{expression}: {:?}", &expression[error.span()]);
    }
}

#[test]
fn deep_and_long_expressions_end() {
    let deep = "(".repeat(100_000) + "ip";
    assert!(compile(&deep, &Options::default(), &Database::new()).is_err());
    let negated = "not ".repeat(100_000) + "ip";
    assert!(compile(&negated, &Options::default(), &Database::new()).is_err());
    let long = vec!["ip"; 2_000].join(" or ");
    let options = Options { code: Code::Plain, ..Options::default() };
    assert_eq!(compile(&long, &options, &Database::new()).map(|i| i.len() > 4_000), Ok(true));
}

/// Whatever the bytes, there is an answer.
#[test]
fn damaged_expressions_are_refused_or_compiled() {
    let words = [
        "ip", "(", ")", "not", "and", "1.2.3.4", "[", "]", ":", "port", "80", "vlan", "::1", "%", "é", "\\",
        "$1", "-",
    ];
    let mut state = 1u32;
    for _ in 0..5_000 {
        let mut text = String::new();
        for _ in 0..8 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text += words[(state >> 16) as usize % words.len()];
            if state & 0x400 != 0 {
                text.push(' ');
            }
        }
        if let Err(e) = compile(&text, &Options::default(), &Database::new()) {
            assert!(text.get(e.span()).is_some(), "{text:?}: {:?}", e.span());
        }
    }
}

/// A thousand hosts fit a program, since IP and ARP share the searches.
#[test]
fn long_lists_fit() {
    let host = |n: u32| format!("host {}", std::net::Ipv4Addr::from(0x0a00_0000 + n * 7919 % 0x00ff_ffff));
    let list = (0..1000).map(host).collect::<Vec<_>>().join(" or ");
    let options = Options { code: Code::Best, ..Options::default() };
    let insns = compile(&list, &options, &Database::new()).expect("it compiles");
    assert!(insns.len() < 3100, "{}", insns.len());
}

/// Ten thousand fit no program of the classic machine, but an extended one.
#[test]
fn longer_lists_are_compiled_for_who_has_room() {
    let host = |n: u32| format!("host {}", std::net::Ipv4Addr::from(0x0a00_0000 + n * 7919 % 0x00ff_ffff));
    let list = (0..10_000).map(host).collect::<Vec<_>>().join(" or ");
    let options = Options { code: Code::Best, ..Options::default() };
    let insns = compile_within(&list, &options, &Database::new(), 1 << 16).expect("it compiles");
    assert!(insns.len() > 20_000 && insns.len() < 32_000, "{}", insns.len());
    assert!(compile_within(&list, &options, &Database::new(), 4096).is_err());
}
