//! Explanations of the listings' expressions, in all three kinds of code.

use super::*;
use crate::{Database, Dlt};

/// Link type and expression of each listing.
fn expressions() -> Vec<(Dlt, &'static str)> {
    let heads = include_str!("../../tests/listings.txt").lines().filter_map(|l| l.strip_prefix("# "));
    let split = |head: &'static str| {
        let (mode, expression) = head.split_once(": ")?;
        Some((Dlt::by_name(mode.split(' ').next()?)?, expression))
    };
    let mut all: Vec<_> = heads.filter_map(split).collect();
    all.dedup();
    all
}

fn texts<'e>(expression: &'e str, line: &Line) -> Vec<&'e str> {
    line.parts.iter().map(|p| &expression[p.clone()]).collect()
}

#[test]
fn every_listing_is_explained() {
    for (dlt, expression) in expressions() {
        for code in [Code::Plain, Code::Libpcap, Code::Best] {
            let options = Options { dlt, code, ..Options::default() };
            let explained = explain(expression, &options, &Database::new()).expect("it compiles");
            let compiled = crate::compile(expression, &options, &Database::new()).expect("it compiles");
            assert_eq!(explained.insns, compiled, "{expression}");
            assert_eq!(explained.lines.len(), compiled.len());
            for (pc, (line, insn)) in explained.lines.iter().zip(&compiled).enumerate() {
                assert!(!line.words.is_empty(), "{dlt:?} {expression}: {pc}");
                let op = Op::decode(*insn).expect("an instruction");
                if matches!(op, Op::Branch { .. } | Op::LoadAbs { .. } | Op::LoadInd { .. }) {
                    assert!(!line.parts.is_empty(), "{dlt:?} {code:?} {expression}: {pc} {}", line.words);
                }
            }
        }
    }
}

/// Where it is known what a branch was made for, the questions that it has in common with others tell it, too.
#[test]
fn questions_tell_what_the_compiler_noted() {
    let mut branches = 0;
    for (dlt, expression) in expressions() {
        let options = Options { dlt, code: Code::Plain, ..Options::default() };
        let built = built(expression, &options, &Database::new()).expect("it compiles").expect("not empty");
        let (insns, made_for) = origin::plain(&mut built.graph.clone(), &built.marks).expect("it is short");
        let mut exprs = Exprs::default();
        let at = flow::follow(&mut exprs, &insns);
        let mut source = origin::Source::new(&insns, &at, &made_for);
        let served = origin::served(&exprs, &insns, &at, &mut source);
        for (pc, &insn) in insns.iter().enumerate() {
            if let (Some(Op::Branch { .. }), Some(part), true) =
                (Op::decode(insn), made_for[pc], at[pc].reached)
            {
                branches += 1;
                assert!(served[pc].contains(&part), "{dlt:?} {expression}: {pc}");
            }
        }
    }
    assert!(branches > 300, "only {branches}");
}

#[test]
fn parts_are_the_innermost() {
    let rows = [
        ("tcp port 80 or arp", "is it ARP?", vec!["arp"]),
        ("tcp dst port (80 or 443)", "is it 443?", vec!["443"]),
        ("not (udp and src net 10.0.0.0/8)", "is it in 10.0.0.0/8?", vec!["src net 10.0.0.0/8"]),
        ("ip[8] < 5 and icmp", "is it ICMP?", vec!["icmp"]),
        ("tcp[tcpflags] & tcp-syn != 0", "is any of syn set?", vec!["tcp[tcpflags] & tcp-syn != 0"]),
    ];
    for (expression, words, parts) in rows {
        for code in [Code::Libpcap, Code::Best] {
            let options = Options { code, ..Options::default() };
            let explained = explain(expression, &options, &Database::new()).expect("it compiles");
            let line = explained.lines.iter().find(|l| l.words == words);
            let line = line.unwrap_or_else(|| panic!("{expression}: {:#?}", explained.lines));
            assert_eq!(texts(expression, line), parts, "{expression}");
        }
    }
}

#[test]
fn what_two_parts_share_serves_both() {
    let expression = "tcp or udp port 53";
    let explained = explain(expression, &Options::default(), &Database::new()).expect("it compiles");
    assert_eq!(explained.lines[0].words, "load the Ethernet type");
    assert_eq!(texts(expression, &explained.lines[0]), ["tcp", "udp port 53"]);
    let tcp = explained.lines.iter().find(|l| l.words == "is it TCP?").expect("it is asked");
    assert_eq!(texts(expression, tcp), ["tcp"]);
}

#[test]
fn loops_and_long_lists_are_explained() {
    let options = Options { code: Code::Best, ..Options::default() };
    let looped = explain("ip protochain 6", &options, &Database::new()).expect("it compiles");
    assert!(looped.lines.iter().all(|l| l.parts.len() <= 1));
    assert!(looped.lines.iter().any(|l| l.parts.contains(&(0..15))));
    let hosts: Vec<String> = (0..1000).map(|n| format!("10.{}.{}.1", n / 250, n % 250)).collect();
    let expression = format!("host {}", hosts.join(" or "));
    let explained = explain(&expression, &options, &Database::new()).expect("it compiles");
    assert_eq!(explained.lines.len(), explained.insns.len());
    assert_eq!(explained.lines[0].parts.len(), 1000);
}
