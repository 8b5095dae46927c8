//! Expressions compiled, and lifted back.

use skep_isa::classic::text::{Form, parse, read};

use super::*;

fn lifted(expression: &str, code: Code) -> Lifted {
    let options = Options { code, ..Options::default() };
    let insns = compile(expression, &options, &Database::new()).expect("it compiles");
    lift(&insns, Dlt::EN10MB).unwrap_or_else(|e| panic!("{expression}: {e}"))
}

#[test]
fn expressions_come_back_in_words() {
    let rows = [
        ("ip", "ip"),
        ("tcp port 80 or arp", "tcp port 80 or arp"),
        ("port 53", "port 53"),
        ("udp dst portrange 1000-2000", "udp dst portrange 1000-2000"),
        ("host 10.0.0.1 or 10.0.0.2", "host (10.0.0.1 or 10.0.0.2)"),
        ("net 10.0.0.0/8", "net 10.0.0.0/8"),
        ("not (ip proto 17 and src net 10.0.0.0/8)", "not (ip proto 17 and ip src net 10.0.0.0/8)"),
        ("src host 2001:db8::1", "src host 2001:db8::1"),
        ("net 2001:db8::/32", "net 2001:db8::/32"),
        ("ether src 2:0:0:0:0:1", "ether src host 02:00:00:00:00:01"),
        ("ether proto 0x88cc", "ether proto 0x88cc"),
        ("ether multicast", "ether multicast"),
        ("proto 50", "esp"),
        ("icmp6", "icmp6"),
        ("vlan 5 and udp port 53", "vlan 5 and udp port 53"),
        ("less 50", "less 50"),
        ("tcp[13] & 2 != 0", "tcp[13] & 0x2 != 0"),
        ("ip[2:2] > ip[0] + 5", "ip[2:2] > (ip[0] + 5)"),
    ];
    for (expression, expected) in rows {
        for code in [Code::Plain, Code::Libpcap, Code::Best] {
            let lifted = lifted(expression, code);
            assert_eq!(lifted.expression, expected, "{expression} {code:?}");
            assert_eq!(lifted.answer, Answer::Same, "{expression}");
            assert_eq!(lifted.in_words, !expected.contains('['), "{expression}");
        }
    }
}

#[test]
fn listings_are_lifted_to_what_is_the_same() {
    let (mut all, mut proved) = (0, 0);
    for part in include_str!("../../tests/listings.txt").split("\n# ").skip(1) {
        let (head, listing) = part.split_once('\n').expect("a head line, then the listing");
        let dlt = Dlt::by_name(head.split(' ').next().expect("a link type")).expect("a link type");
        let insns = read(listing, Form::Listing).expect("a listing");
        all += 1;
        if let Ok(lifted) = lift(&insns, dlt) {
            assert!(!matches!(lifted.answer, Answer::Different(_)), "{head}");
            proved += u32::from(lifted.answer == Answer::Same);
        }
    }
    assert!(proved * 100 >= all * 90, "{proved} of {all}");
}

#[test]
fn what_is_no_idiom_is_said_by_bytes() {
    let text =
        "ldh [12]; jeq #0x1234, yes, no; yes: ldb [30]; and #7; jgt #3, no, good; good: ret #96; no: ret #0";
    let insns = parse(&text.replace("; ", "\n")).expect("it assembles");
    let lifted = lift(&insns, Dlt::EN10MB).expect("it is lifted");
    assert_eq!(lifted.expression, "ether proto 0x1234 and ether[30] & 0x7 <= 3");
    assert_eq!((lifted.answer, lifted.in_words, lifted.lengths), (Answer::Same, false, vec![96]));
}

/// A load whose value nobody looks at still ends the filter where it finds nothing.
#[test]
fn bytes_that_have_to_be_there_are_asked_for() {
    let insns = parse("ldb [99]\nldb [0]\njeq #1, yes, no\nyes: ret #1\nno: ret #0\n").expect("it assembles");
    let lifted = lift(&insns, Dlt::EN10MB).expect("it is lifted");
    assert_eq!(
        (lifted.expression.as_str(), lifted.answer),
        ("ether[99] >= 0 and ether[0] = 1", Answer::Same)
    );
}

#[test]
fn what_takes_all_or_nothing_is_said() {
    for (text, expected) in [("ret #5\n", "greater 0"), ("ret #0\n", "not greater 0")] {
        let lifted = lift(&parse(text).expect("it assembles"), Dlt::EN10MB).expect("it is lifted");
        assert_eq!((lifted.expression.as_str(), lifted.answer), (expected, Answer::Same));
    }
}

#[test]
fn what_no_expression_asks_for_is_refused_by_name() {
    let refused = |text: &str| {
        let error = lift(&parse(text).expect("it assembles"), Dlt::EN10MB).expect_err("nothing says it");
        error.to_string()
    };
    assert_eq!(refused("ld #mark\njeq #1, l2, l3\nl2: ret #1\nl3: ret #0\n"), "it asks for the mark");
    assert!(refused("ld #rand\nret a\n").contains("instruction 0"));
    assert!(refused("ld M[3]\nret a\n").contains("memory word 3"));
}

#[test]
fn long_lists_are_lifted() {
    let hosts: Vec<String> = (0..300).map(|n| format!("10.{}.{}.1", n / 250, n % 250)).collect();
    let expression = format!("dst host ({})", hosts.join(" or "));
    let lifted = lifted(&expression, Code::Best);
    assert_eq!((lifted.expression, lifted.answer), (expression, Answer::Same));
}
