//! Programs that are the same and programs that are not, beyond what filters of the language show.

use skep_isa::classic::text::parse;

use super::*;
use crate::{Code, Database, Options, compile};

fn filter(text: &str, code: Code) -> Vec<Insn> {
    let options = Options { code, ..Options::default() };
    compile(text, &options, &Database::new()).unwrap_or_else(|e| panic!("`{text}`: {e}"))
}

fn source(text: &str) -> Vec<Insn> {
    parse(text).unwrap_or_else(|e| panic!("{text}: {e:?}"))
}

fn answer(first: &[Insn], second: &[Insn]) -> Answer {
    compare(first, second, 0).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn code_of_one_filter_is_the_same() {
    for text in [
        "tcp port 80 and host 10.0.0.1",
        "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
        "vlan 5 and ip6 and udp",
        "net 10.0.0.0/8 and not portrange 100-200",
        "ip[8] * 3 % 7 = 2 or ip[8] / 5 = 3",
    ] {
        let [plain, libpcap, best] = [Code::Plain, Code::Libpcap, Code::Best].map(|c| filter(text, c));
        assert_eq!(answer(&libpcap, &best), Answer::Same, "{text}");
        // The optimiser may drop loads, which matters only to packets that end before them.
        assert_eq!(compare(&plain, &best, 128), Ok(Answer::Same), "{text}");
    }
}

#[test]
fn arithmetic_and_lengths_are_followed() {
    // 4 * (low half) by hand, and the same in one instruction.
    let by_hand = source("ldb [14]\nand #15\nlsh #2\ntax\nldh [x+16]\njeq #80, y, n\ny: ret #1\nn: ret #0");
    let at_once = source("ldxb 4*([14]&0xf)\nldh [x+16]\njeq #80, y, n\ny: ret #2\nn: ret #0");
    assert_eq!(answer(&by_hand, &at_once), Answer::Same);
    let twice =
        source("ldb [14]\nand #15\nmul #4\ntax\nldh [x+16]\nsub #80\njeq #1, y, n\ny: ret #1\nn: ret #0");
    let Answer::Different(found) = answer(&by_hand, &twice) else { panic!("80 is not 81") };
    assert!(found.packet.bytes.len() >= 18 && found.packet.len as usize >= found.packet.bytes.len());
    // A packet is at least as long as what there is of it.
    let (there, long) =
        (source("ldb [9]\nret #1"), source("ldb [9]\nld #len\njge #10, y, n\ny: ret #1\nn: ret #0"));
    assert_eq!(answer(&there, &long), Answer::Same);
    let (longer, whole) = (source("ld #len\njge #10, y, n\ny: ret #1\nn: ret #0"), there);
    let Answer::Different(found) = answer(&longer, &whole) else { panic!("it may be cut") };
    assert!(found.packet.bytes.len() < 10 && found.packet.len >= 10);
}

#[test]
fn division_by_zero_ends() {
    let divides = source("ldb [0]\ntax\nld #7\ndiv x\njge #0, y, n\ny: ret #1\nn: ret #1");
    let asks = source("ldb [0]\njeq #0, n, y\ny: ret #1\nn: ret #0");
    assert_eq!(answer(&divides, &asks), Answer::Same);
}

#[test]
fn facts_are_free_but_for_what_they_are() {
    let tag = source("ld vlan_tci\njeq #0, n, p\np: ld vlan_avail\njeq #1, y, n\ny: ret #1\nn: ret #0");
    let alone = source("ld vlan_tci\njeq #0, n, y\ny: ret #1\nn: ret #0");
    assert_eq!(answer(&tag, &alone), Answer::Same);
    let mark = source("ld mark\njeq #5, y, n\ny: ret #1\nn: ret #0");
    let Answer::Different(found) = answer(&tag, &mark) else { panic!("they are not the same") };
    assert!(!found.packet.facts.is_empty());
    let random = source("ld rand\njeq #5, y, n\ny: ret #1\nn: ret #0");
    let Answer::Unknown(why) = answer(&mark, &random) else { panic!("chance is not followed") };
    assert_eq!(why.to_string(), "instruction 0 of the second: a load of random");
}

#[test]
fn what_is_too_much_is_tried() {
    // A product of two words: no diagram is small.
    let product =
        |k: u32| source(&format!("ld [0]\ntax\nld [4]\nmul x\njeq #{k}, y, n\ny: ret #1\nn: ret #0"));
    assert!(matches!(answer(&product(0xffff_fff1), &product(0xffff_ffef)), Answer::Unknown(_)));
    // Here one takes what the other takes, and packets of zeros.
    assert!(matches!(answer(&product(0xffff_fff1), &product(0)), Answer::Different(_)));
}

#[test]
fn hostile_programs_end() {
    // A doubles at each step: as an expression written out it would have 2^4000 parts.
    let mut insns = source("ldb [0]\ntax\nret a");
    let last = insns.pop();
    for _ in 0..2000 {
        insns.extend([Insn::stmt(0x0c, 0), Insn::stmt(0x07, 0)]);
    }
    insns.extend(last);
    let zero = source("ret #0");
    assert_eq!(answer(&insns, &zero), Answer::Same);
    // Every second instruction may go two ways, and each way leaves another state.
    let mut insns = Vec::new();
    for n in 0..1000 {
        insns.extend([
            Insn::stmt(0x30, n),
            Insn::jump(0x15, 1, 0, 1),
            Insn::stmt(0x2c, 0),
            Insn::stmt(0x07, 0),
        ]);
    }
    insns.push(Insn::stmt(0x16, 0));
    assert!(matches!(answer(&insns, &zero), Answer::Unknown(_) | Answer::Different(_)));
    assert!(compare(&[], &zero, 0).is_err());
}
