//! What is told of accepted programs.

use std::sync::Arc;

use skep_abi::{AttachType, HelperId, MapType, ProgType};
use skep_isa::asm::{Assembler, Dialect};
use skep_isa::{Insn, Names};
use skep_verifier::facts::{MapRef, Name, Region, Span, Target};
use skep_verifier::{MapShape, Privilege, Task, Verdict, Verified};

struct Helpers;

impl Names for Helpers {
    fn helper_id(&self, name: &str) -> Option<i32> {
        name.parse::<HelperId>().ok().map(|h| h.0 as i32)
    }
}

fn shape(map_type: MapType) -> MapShape {
    MapShape {
        name: "m".into(),
        map_type,
        key_size: 4,
        value_size: 16,
        max_entries: 8,
        flags: 0,
        fields: Vec::new(),
        inner: None,
        frozen: None,
    }
}

fn task(text: &str, map_type: MapType) -> Task {
    let assembly = Assembler::new(Dialect::Kernel).names(&Helpers).assemble(text).unwrap();
    let mut insns = assembly.insns;
    for r in &assembly.references {
        insns[r.slot].imm = 7;
    }
    Task {
        name: "test".into(),
        prog_type: ProgType::XDP,
        attach_type: AttachType(0),
        flags: 0,
        gpl: true,
        insns,
        maps: vec![(7, Arc::new(shape(map_type)))],
        btf: None,
        func_info: Vec::new(),
        vmlinux: None,
        attach_func: None,
        privilege: Privilege::Root,
        cpus: 2,
        kfuncs: Vec::new(),
    }
}

fn verified(text: &str, map_type: MapType) -> Verified {
    Verified::new(task(text, map_type)).unwrap()
}

const LOOKUP: &str = "*(u32 *)(r10 - 8) = KEY
r2 = r10
r2 += -8
r1 = map[m]
call bpf_map_lookup_elem
if r0 == 0 goto out
r1 = *(u64 *)(r0 + 8)
out: r0 = 2
exit";

#[test]
fn accesses_have_a_region() {
    let v = verified(&LOOKUP.replace("KEY", "9"), MapType::HASH);
    let f = v.facts();
    assert_eq!(f.at(0).access(), Some(Region::Stack { up: 0, offset: Span::at(-8) }));
    let call = f.at(5).call().unwrap();
    assert_eq!((call.map, call.finds), (Some(MapRef(0)), false));
    assert_eq!(f.declared(MapRef(0)), Some(0));
    let key = call.args[1].unwrap();
    assert_eq!((key.region, key.size), (Region::Stack { up: 0, offset: Span::at(-8) }, 4));
    assert_eq!(f.at(7).access(), Some(Region::MapValue { map: MapRef(0), offset: Span::at(8) }));
    assert_eq!(f.functions()[0].stack, 8);
    assert_eq!(f.at(6).branch().unwrap().only(), None);
}

#[test]
fn a_constant_key_in_an_array_is_found() {
    let v = verified(&LOOKUP.replace("KEY", "3"), MapType::ARRAY);
    let call = v.facts().at(5).call().unwrap();
    assert_eq!((call.key, call.finds), (Some(3), true));
    assert_eq!(v.facts().at(6).branch().unwrap().only(), Some(false));
    let v = verified(&LOOKUP.replace("KEY", "8"), MapType::ARRAY);
    assert!(!v.facts().at(5).call().unwrap().finds);
}

#[test]
fn what_differs_between_paths_is_joined() {
    let v = verified(
        "r2 = *(u32 *)(r1 + 0)
r3 = *(u32 *)(r1 + 4)
r5 = *(u32 *)(r1 + 12)
r5 &= 7
r4 = r2
r4 += r5
r2 = r4
r4 += 2
r0 = 0
if r4 > r3 goto stack
r4 = r2
goto load
stack: r4 = r10
r4 += -8
*(u64 *)(r10 - 8) = 0
load: r0 = *(u16 *)(r4 + 0)
r2 = *(u8 *)(r4 + 0)
exit",
        MapType::HASH,
    );
    assert_eq!(v.facts().at(15).access(), Some(Region::Mixed));
    let v = verified(
        "r2 = *(u32 *)(r1 + 0)
r3 = *(u32 *)(r1 + 4)
r5 = *(u32 *)(r1 + 12)
r5 &= 7
r2 += r5
r4 = r2
r4 += 2
r0 = 0
if r4 > r3 goto out
r0 = *(u16 *)(r2 + 0)
out: exit",
        MapType::HASH,
    );
    assert_eq!(v.facts().at(9).access(), Some(Region::Packet { offset: Span { min: 0, max: 7 } }));
}

#[test]
fn dead_code_is_told() {
    let v = verified("r0 = 0\nif r0 != 0 goto dead\nexit\ndead: r0 = 1\nexit", MapType::HASH);
    let f = v.facts();
    assert!(f.at(2).reached() && !f.at(3).reached() && !f.at(99).reached());
    assert_eq!(f.at(1).branch().unwrap().only(), Some(false));
}

#[test]
fn a_refused_program_is_not_verified() {
    let refused = Verified::new(task("exit", MapType::HASH)).unwrap_err();
    assert!(matches!(refused.verdict, Verdict::Reject(_)));
}

#[test]
fn a_proof_is_about_one_program_and_its_maps() {
    let v = verified(&LOOKUP.replace("KEY", "9"), MapType::HASH);
    let address = |name: Name| matches!(name, Name::Map(MapRef(0))).then_some(0x11_2222_3333);
    let mut loaded: Vec<Insn> = v.task().insns.clone();
    (loaded[3].src, loaded[3].imm, loaded[4].imm) = (0, 0x2222_3333, 0x11);
    v.binds(&loaded, &address).unwrap();
    loaded[4].imm = 0x12;
    assert_eq!(
        v.binds(&loaded, &address).unwrap_err().to_string(),
        "the program that was verified has another instruction 3"
    );
    loaded[4].imm = 0x11;
    loaded[7].off = 0;
    assert!(v.binds(&loaded, &address).is_err());
    let wide = MapShape { value_size: 8, ..shape(MapType::HASH) };
    v.binds_map(MapRef(0), &shape(MapType::HASH)).unwrap();
    assert_eq!(
        v.binds_map(MapRef(0), &wide).unwrap_err().to_string(),
        "map `m` was verified with another value size"
    );
}

/// The range of a register before an instruction.
fn range(v: &Verified, slot: usize, reg: usize) -> (u64, u64) {
    let n = v.values().at(slot).unwrap().regs[reg].number();
    (n.umin, n.umax)
}

#[test]
fn values_hold_for_every_round_of_a_loop() {
    // Exploration cuts rounds of the inner number, which decides nothing; the values must hold for all of them.
    let v = verified(
        "r6 = 0
r7 = 0
again: r7 += 3
r7 &= 0xff
r6 += 1
if r6 < 10 goto again
r0 = r7
r0 %= 5
exit",
        MapType::HASH,
    );
    assert_eq!(range(&v, 2, 6), (0, 9));
    assert_eq!(range(&v, 4, 7), (0, 255));
    assert_eq!(range(&v, 6, 6), (10, 10));
    assert_eq!(range(&v, 8, 0), (0, 4));
    assert_eq!(v.values().returned(0).unwrap().number().umax, 4);
    v.values().check().unwrap();
}

#[test]
fn what_pruning_cut_is_not_told_as_if_it_were_not_there() {
    // The second way to `join` is cut, for r7 decides nothing behind it.
    let v = verified(
        "r6 = *(u32 *)(r1 + 12)
r7 = 1
if r6 == 0 goto join
r7 = 100
join: r8 = r7
r0 = 0
exit",
        MapType::HASH,
    );
    assert_eq!(range(&v, 5, 8), (1, 100));
}

#[test]
fn a_check_is_one_of_every_copy() {
    let text = LOOKUP.replace("KEY", "9").replace("if r0", "r6 = r0\n*(u64 *)(r10 - 16) = r0\nif r0");
    let v = verified(&text, MapType::HASH);
    let before = v.values().at(8).unwrap();
    assert!(before.regs[6].as_pointer().unwrap().nullable);
    let after = v.values().at(9).unwrap();
    for value in [after.regs[0], after.regs[6], after.slot(-16)] {
        let p = *value.as_pointer().unwrap();
        assert_eq!((p.to, p.nullable), (Target::MapValue(MapRef(0)), false));
    }
    assert_eq!(v.values().at(10).unwrap().regs[0].as_pointer().unwrap().to, Target::MapValue(MapRef(0)));
}

#[test]
fn calls_join_what_comes_in_and_what_goes_out() {
    let text = "*(u64 *)(r10 - 8) = 5
*(u64 *)(r10 - 16) = 6
r1 = r10
r1 += -8
r2 = 3
call sub
r2 = 9
r1 = r10
r1 += -8
call sub
r3 = *(u64 *)(r10 - 16)
exit
sub:
*(u64 *)(r1 + 0) = r2
r0 = r2
r0 += 1
exit";
    let v = verified(text, MapType::HASH);
    assert_eq!(range(&v, 12, 2), (3, 9));
    let p = *v.values().at(12).unwrap().regs[1].as_pointer().unwrap();
    assert_eq!((p.to, p.offset.const_value(true)), (Target::Stack(1), Some(-8_i64 as u64)));
    assert_eq!(range(&v, 10, 0), (4, 10));
    // The callee writes to its caller's stack: what was there is not known any more.
    assert!(v.values().at(10).unwrap().slot(-8).is_unknown());
    assert_eq!(v.facts().at(12).access(), Some(Region::Stack { up: 1, offset: Span::at(-8) }));
}

/// Linux forgets that a number plus a record dies with the record, and accepts what reads it afterwards. Nothing is told of
/// such a program.
#[test]
fn nothing_is_told_of_a_record_that_outlives_its_release() {
    let text = "r6 = 8\nr1 = map[m]\nr2 = 16\nr3 = 0\ncall bpf_ringbuf_reserve\nif r0 == 0 goto out\nr6 += r0\nr1 = r0\nr2 = 0\ncall bpf_ringbuf_discard\nr0 = *(u8 *)(r6 + 0)\nout: r0 = 0\nexit";
    let shape = MapShape { key_size: 0, value_size: 0, max_entries: 4096, ..shape(MapType::RINGBUF) };
    let task = Task { maps: vec![(7, Arc::new(shape))], ..task(text, MapType::RINGBUF) };
    assert_eq!(skep_verifier::verify(&task).verdict, Verdict::Accept);
    assert!(matches!(Verified::new(task).unwrap_err().verdict, Verdict::Reject(_)));
}
