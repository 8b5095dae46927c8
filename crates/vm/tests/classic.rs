//! Classic filters: what Linux gave for fixed programs, and what the conversions make.

use skep_isa::classic::text::parse;
use skep_vm::classic::{Device, Facts, Filter, Form, Packet, Verdict, VlanTag, to_ebpf};

fn run(text: &str, bytes: &[u8], facts: &Facts) -> u32 {
    let filter = Filter::new(&parse(text).unwrap()).unwrap();
    filter.run(&Packet { bytes, len: bytes.len() as u32, facts })
}

#[test]
fn ends_that_give_0() {
    let packet = [0x45, 1, 2, 3];
    for text in [
        "ld [1]\nret #9",
        "ldx #-2\nldb [x + 1]\nret #9",
        "ld #7\ndiv x\nret #9",
        "ld #7\nmod x\nret #9",
        "ldxb 4*([4]&0xf)\nret #9",
        "ld [-3145728]\nret #9",
        "ldb [-2097152]\nret #9",
    ] {
        assert_eq!(run(text, &packet, &Facts::NONE), 0, "{text}");
    }
    assert_eq!(run("ldx #-1\nldb [x + 2]\nret a", &packet, &Facts::NONE), 1, "offsets wrap around");
    assert_eq!(run("ldxb 4*([0]&0xf)\ntxa\nret a", &packet, &Facts::NONE), 20);
    assert_eq!(run("ld #1\nldx #33\nlsh x\nret a", &packet, &Facts::NONE), 2, "distances are masked");
}

#[test]
fn facts_are_what_the_embedder_says() {
    let facts = Facts {
        protocol: 0x86dd,
        device: Some(Device { index: 3, hatype: 772 }),
        vlan: Some(VlanTag { tci: 5, tpid: 0x8100 }),
        network: 2,
        link: Some(0),
        ..Facts::NONE
    };
    let packet = [9, 8, 7, 6];
    let all = [
        ("proto", 0x86dd),
        ("ifidx", 3),
        ("hatype", 772),
        ("vlan_tci", 5),
        ("vlan_avail", 1),
        ("vlan_tpid", 0x8100),
        ("[-2097152]", 0x0908_0706),
    ];
    for (load, value) in all {
        assert_eq!(run(&format!("ld {load}\nret a"), &packet, &facts), value, "{load}");
    }
    assert_eq!(run("ldb [-1048576]\nret a", &packet, &facts), 7, "from the network header");
    assert_eq!(run("ld #42\nld ifidx\nret #1", &packet, &Facts::NONE), 42, "no device: A is the result");
}

#[test]
fn netlink_attributes_are_found() {
    // Type 1, length 8 with a nested type 5; then type 2.
    let mut packet = Vec::new();
    for half in [12u16, 1, 8, 5, 0, 0, 4, 2] {
        packet.extend(half.to_ne_bytes());
    }
    let find = |start: u32, kind: u32, load: &str| {
        run(&format!("ldx #{kind}\nld #{start}\nld {load}\nret a"), &packet, &Facts::NONE)
    };
    assert_eq!(find(0, 2, "nla"), 12);
    assert_eq!(find(0, 3, "nla"), 0);
    assert_eq!(find(0, 5, "nlan"), 4);
    assert_eq!(find(13, 2, "nla"), 0, "no header fits from there");
}

#[test]
fn guards_are_made_once() {
    let filter = parse("ldh [12]\njeq #0x800, l, out\nl: ldb [9]\nldb [23]\nret a\nout: ret #0").unwrap();
    let text = |form| {
        let insns = to_ebpf(&filter, form, Verdict::Action { matched: 2, missed: 1 }).unwrap();
        skep_isa::disasm::disassemble(&insns, skep_isa::disasm::Style::Kernel)
    };
    let xdp = text(Form::Xdp);
    // [9] lies below [12], which has been compared; [23] does not.
    assert_eq!(xdp.matches("> r9").count(), 2, "{xdp}");
    assert!(to_ebpf(&filter, Form::Legacy, Verdict::Action { matched: 2, missed: 1 }).is_err());
    let poff = parse("ld poff\nret a").unwrap();
    let error = to_ebpf(&poff, Form::Xdp, Verdict::Length).unwrap_err();
    assert_eq!(error.to_string(), "instruction 0: xdp programs can't ask for poff");
}
