//! Any bytes as a classic program and a packet, any text as source: the checks, the interpreter and the conversions
//! take them or refuse them, and what is printed is read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_isa::Endian;
use skep_isa::classic::text::{Form, parse, print, read};
use skep_isa::classic::{check_seccomp, insns_from_bytes};
use skep_vm::classic::{Filter, Form as Access, Packet, Verdict, to_ebpf};

fuzz_target!(|input: (&str, &[u8], &[u8])| {
    let (text, program, packet) = input;
    if let Ok(insns) = parse(text) {
        assert_eq!(read(&print(&insns, Form::Decimal), Form::Decimal).as_ref(), Ok(&insns));
    }
    let whole = &program[..program.len() / 8 * 8];
    let Ok(insns) = insns_from_bytes(whole, Endian::Little) else { return };
    let _ = check_seccomp(&insns);
    let _ = print(&insns, Form::Source);
    if let Ok(filter) = Filter::new(&insns) {
        filter.run(&Packet::new(packet));
        for access in [Access::Legacy, Access::Skb, Access::Xdp] {
            if let Ok(insns) = to_ebpf(&insns, access, Verdict::Length) {
                skep_isa::decode_all(&insns).expect("what is made decodes");
            }
        }
    }
});
