//! Classic BPF: its text forms there and back, and the verdicts of Linux on fixed programs.

use proptest::prelude::*;
use skep_isa::Endian;
use skep_isa::classic::text::{Form, detect, parse, print, read};
use skep_isa::classic::{
    Ancillary, Insn, Op, ROWS, bytes_from_insns, check_seccomp, check_socket, insns_from_bytes,
};

const FORMS: [Form; 5] = [Form::Listing, Form::C, Form::Decimal, Form::Bytecode, Form::Source];

const IP_TCP: &str = "\
    ; IPv4 and TCP
    ldh [12]
    jneq #0x800, drop       /* not
                               IPv4 */
    ldb [23]
    jeq #6, keep, drop
keep: ret #-1
drop: ret #0
";

fn errors(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn source_assembles_and_prints_in_every_form() {
    let insns = parse(IP_TCP).unwrap();
    let listing = "\
(000) ldh      [12]
(001) jeq      #0x800           jt 2\tjf 5
(002) ldb      [23]
(003) jeq      #0x6             jt 4\tjf 5
(004) ret      #-1
(005) ret      #0
";
    assert_eq!(print(&insns, Form::Listing), listing);
    assert!(print(&insns, Form::C).starts_with("{ 0x28, 0, 0, 0x0000000c },\n{ 0x15, 0, 3, 0x00000800 },\n"));
    assert!(print(&insns, Form::Decimal).starts_with("6\n40 0 0 12\n21 0 3 2048\n"));
    let line = "6,40 0 0 12,21 0 3 2048,48 0 0 23,21 0 1 6,6 0 0 4294967295,6 0 0 0\n";
    assert_eq!(print(&insns, Form::Bytecode), line);
    for form in FORMS {
        let text = print(&insns, form);
        assert_eq!(detect(&text), form, "{text}");
        assert_eq!(parse(&text).unwrap(), insns, "{text}");
    }
}

#[test]
fn spellings_of_other_tools_are_read() {
    let one = |text: &str| parse(text).unwrap()[0];
    for (text, code, k) in [
        ("ld proto", 0x20, Ancillary::Protocol.offset()),
        ("ld #rand", 0x20, Ancillary::Random.offset()),
        ("ldh vlan_tci", 0x28, Ancillary::VlanTag.offset()),
        ("ldb [vlanp]", 0x30, Ancillary::VlanTagPresent.offset()),
        ("ld len", 0x80, 0),
        ("ldx #pktlen", 0x81, 0),
        ("ldi 0x10", 0, 16),
        ("ldxi #010", 1, 8),
        ("ldx 4 * ([ 14 ] & 0xf)", 0xb1, 14),
        ("ldb [%x + 3]", 0x50, 3),
        ("ldh [x+-2]", 0x48, 0xffff_fffe),
        ("ret %a", 0x16, 0),
        ("add %x", 0x0c, 0),
    ] {
        assert_eq!(one(text), Insn::stmt(code, k), "{text}");
    }
    let jumps = parse("jle x, out\nneg\nout: ret a").unwrap();
    assert_eq!(jumps[0], Insn::jump(0x2d, 0, 0, 1), "jle is jgt with its targets swapped");
}

/// netsniff-ng's bpfc has names and comments of its own, and like bpf_asm takes letters of either case.
#[test]
fn source_of_bpfc_is_read() {
    let text = "\
# a comment, as of a preprocessor
#include <nothing>
LD #pto
JEQ #0x800, keep, more
more: ld #vlant
    ldh ifx
    ldb #que
    ld Q
    ld #hat
    ld #rxh
    ld vlana
    ld #vlan_acc
    ldx #pktlen
    LDXB 4*([14]&0xF)
    ld M[3]
    st m[017]
    jneq %X, more2
more2: LDI 0b101
    ld [%x + 4]
    ret %A
keep: RET #-1
";
    let insns = parse(text).expect("it is bpfc's");
    let facts = [
        (0, Ancillary::Protocol),
        (2, Ancillary::VlanTag),
        (3, Ancillary::IfIndex),
        (4, Ancillary::Queue),
        (5, Ancillary::Queue),
        (6, Ancillary::Hatype),
        (7, Ancillary::RxHash),
        (8, Ancillary::VlanTagPresent),
        (9, Ancillary::VlanTagPresent),
    ];
    for (at, fact) in facts {
        assert_eq!(insns[at].k, fact.offset(), "{at}");
    }
    assert_eq!((insns[1].jt, insns[1].jf), (16, 0));
    assert_eq!((insns[13].k, insns[15].k, insns.len()), (15, 5, 19));
    // A `#` inside of a line is a constant's, and labels keep their letters.
    assert_eq!(parse("ret #7\n").unwrap(), [Insn::stmt(6, 7)]);
    assert!(errors("jeq #1, Here\nhere: ret #0\n").contains("no label `Here`"));
}

#[test]
fn loops_of_libpcap_are_read_and_refused_by_linux() {
    let listing = "(000) ld       #0x1\n(001) ja       0\n(002) ret      #0\n";
    let insns = parse(listing).unwrap();
    assert_eq!(insns[1], Insn::stmt(5, u32::MAX - 1));
    for form in FORMS {
        assert_eq!(parse(&print(&insns, form)).unwrap(), insns);
    }
    assert!(check_socket(&insns).unwrap_err().to_string().contains("jumps past the end"));
}

#[test]
fn errors_point_at_the_word_and_help() {
    assert_eq!(errors("ldw [12]\n"), "1:1: unknown instruction `ldw` (hint: did you mean `ld`)");
    assert_eq!(errors("jeq #1, out\nret #0\nuot: ret a"), "1:9: no label `out` (hint: did you mean `uot`)");
    assert_eq!(errors("a: neg\n  jeq x, a"), "2:10: `a` lies behind (hint: branches only go forward)");
    assert!(errors("ret #0 1").starts_with("1:8: expected the end of the line, found `1`"));
    assert!(errors("st [3]").contains("`st` does not take this operand (hint: write `st M[k]`)"));
    assert_eq!(errors("2,6 0 0 0"), "1:1: says 2 instructions, 1 follow");
    assert_eq!(errors("{ 6, 0, 0 },"), "1:3: expected four numbers: code, jt, jf, k");
    assert_eq!(errors("(001) ret #0"), "1:1: instruction 1 where 0 is expected");
    assert_eq!(errors(""), "1:1: no instructions");
    let far = format!("jeq x, out\n{}out: ret a", "neg\n".repeat(300));
    assert!(errors(&far).contains("a branch reaches 255 (hint: go there with `ja`)"));
}

/// What Linux 6.18 said of each.
#[test]
fn verdicts_are_those_of_linux() {
    for (text, socket, seccomp) in [
        ("ret #0", None, None),
        ("ld [60]\nret a", None, None),
        ("ld [61]\nret a", None, Some("no aligned word")),
        ("ld [64]\nret a", None, Some("no aligned word")),
        ("ldh [0]\nret a", None, Some("seccomp has no `ldh_abs`")),
        ("ld #len\nmod #3\nret a", None, Some("seccomp has no `mod_k`")),
        ("ld proto\nret a", None, Some("no aligned word")),
        ("ld [-4092]\nret a", None, Some("no aligned word")),
        ("ld [-4091]\nret a", Some("Linux keeps nothing at offset -4091"), Some("keeps nothing")),
        ("ld [-4097]\nret a", None, Some("no aligned word")),
        ("neg", Some("the last instruction is no return"), Some("no return")),
        ("div #0\nret a", Some("divides by the constant 0"), Some("divides")),
        ("rsh #32\nret a", Some("shifts by 32"), Some("shifts")),
        ("st M[16]\nret a", Some("memory word 16"), Some("memory word 16")),
        ("ld M[0]\nret a", Some("not written on every path"), Some("not written")),
        ("jeq #1, l\nst M[0]\nl: ld M[0]\nret a", Some("instruction 2: memory word 0 is read"), Some("read")),
        ("st M[0]\njeq #1, l\nneg\nl: ld M[0]\nret a", None, None),
        ("2,5 0 0 1,6 0 0 0", Some("jumps past the end"), Some("past")),
        ("2,14 0 0 1,6 0 0 0", Some("unknown code 0x000e"), Some("unknown")),
    ] {
        let insns = parse(text).unwrap();
        for (verdict, wanted) in [(check_socket(&insns), socket), (check_seccomp(&insns), seccomp)] {
            match (verdict, wanted) {
                (Ok(()), None) => {}
                (Err(e), Some(part)) => assert!(e.to_string().contains(part), "{text}: {e}"),
                (verdict, wanted) => panic!("{text}: {verdict:?}, expected {wanted:?}"),
            }
        }
    }
}

#[test]
fn programs_that_grow_too_long_for_their_jumps_are_refused() {
    let program = |loads: usize| {
        let mut insns = vec![Insn::stmt(5, loads as u32)];
        insns.resize(loads + 1, Insn::stmt(0x40, 1));
        insns.extend([Insn::stmt(6, 0); 2]);
        insns
    };
    // Nine extended instructions a load: 3640 of them are 32760.
    assert_eq!(check_socket(&program(3640)), Ok(()));
    assert!(check_socket(&program(3641)).unwrap_err().to_string().contains("jumps too far"));
    assert!(check_socket(&program(4094)).unwrap_err().to_string().contains("4097 instructions"));
}

fn insn() -> impl Strategy<Value = Insn> {
    (0..ROWS.len(), any::<u32>(), any::<[u8; 2]>()).prop_map(|(row, k, [jt, jf])| {
        let k = if k % 3 == 0 { Ancillary::ALL[k as usize / 3 % 16].offset() } else { k };
        let raw = Insn { code: ROWS[row].code, jt: jt % 40, jf: jf % 40, k };
        // Targets of `ja` have a label, so they lie inside.
        let op = Op::decode(raw).unwrap();
        Insn::from(if let Op::Jump { k } = op { Op::Jump { k: k % 40 } } else { op })
    })
}

proptest! {
    #[test]
    fn every_form_is_read_back(mut insns in prop::collection::vec(insn(), 1..60)) {
        insns.resize(insns.len() + 41, Insn::stmt(6, 0));
        for form in FORMS {
            let text = print(&insns, form);
            prop_assert_eq!(&read(&text, form).map_err(|e| TestCaseError::fail(e.to_string()))?, &insns, "{}", text);
        }
        for endian in [Endian::Little, Endian::Big] {
            prop_assert_eq!(&insns_from_bytes(&bytes_from_insns(&insns, endian), endian).unwrap(), &insns);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,80}", form in 0..5usize) {
        let _ = read(&text, FORMS[form]);
        if let Err(e) = parse(&text) {
            for finding in e.findings() {
                prop_assert!(text.get(finding.span().clone()).is_some(), "{}", finding);
            }
        }
    }

    #[test]
    fn any_instructions_are_checked(raw in prop::collection::vec(any::<[u8; 8]>(), 0..50)) {
        let insns: Vec<Insn> = raw.iter().map(|&b| Insn::from_bytes(b, Endian::Little)).collect();
        let _ = (check_socket(&insns), check_seccomp(&insns), print(&insns, Form::Listing), print(&insns, Form::Source));
    }
}
