//! `Vm` as embedders use it: helpers of every shape, memory, errors that answer questions.

use std::cell::RefCell;
use std::rc::Rc;

use skep::Vm;
use skep::isa::Endian;
use skep::vm::{Fault, Memory, Stop, TrapKind};

fn run(vm: Vm) -> u64 {
    let mut vm = vm;
    vm.run([1, 2, 3, 4, 5]).expect("it runs")
}

fn calls(id: u32) -> Vm {
    Vm::from_asm(&format!("call {id}\nexit")).expect("it assembles")
}

#[test]
fn helpers_take_up_to_five_arguments() {
    assert_eq!(run(calls(1).helper(1, || 7u64)), 7);
    assert_eq!(run(calls(1).helper(1, |a: u64| a * 10)), 10);
    assert_eq!(run(calls(1).helper(1, |a: u64, b: u64| a * 10 + b)), 12);
    assert_eq!(run(calls(1).helper(1, |a: u64, b: u64, c: u64| (a * 10 + b) * 10 + c)), 123);
    assert_eq!(run(calls(1).helper(1, |_: u8, _: u8, _: u8, d: u64| d)), 4);
    assert_eq!(run(calls(1).helper(1, |_: u8, _: u8, _: u8, _: u8, e: u64| e)), 5);
}

#[test]
fn registers_become_arguments_by_their_types_and_results_are_extended_by_theirs() {
    let arg = |r1: u64| move |vm: Vm| { vm }.run([r1, 0, 0, 0, 0]).expect("it runs");
    assert_eq!(arg(0x1_0000_0002)(calls(1).helper(1, |a: u32| u64::from(a))), 2);
    assert_eq!(arg(0xff)(calls(1).helper(1, |a: i8| i64::from(a))), u64::MAX);
    assert_eq!(arg(0x1ff)(calls(1).helper(1, |a: u8| a)), 0xff);
    assert_eq!(arg(2)(calls(1).helper(1, |a: bool| a)), 1);
    assert_eq!(arg(0)(calls(1).helper(1, |_: u64| -1i32)), u64::MAX);
    assert_eq!(arg(0)(calls(1).helper(1, |_: u64| {})), 0);
}

#[test]
fn helpers_keep_state_and_the_last_of_a_number_counts() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&seen);
    let mut vm = calls(1).helper(1, |_: u64| 0u64).helper(1, move |a: u64| log.borrow_mut().push(a));
    vm.run([3, 0, 0, 0, 0]).expect("it runs");
    vm.run([4, 0, 0, 0, 0]).expect("it runs");
    assert_eq!(*seen.borrow(), [3, 4]);
}

#[test]
fn helpers_reach_the_memory_of_the_program() {
    let text = "r2 = 3\ncall 1\nexit";
    let sum = |m: &mut Memory, at: u64, len: u64| -> Result<u64, Fault> {
        Ok(m.read(at, len as usize)?.iter().map(|b| u64::from(*b)).sum())
    };
    let mut vm = Vm::from_asm(text).expect("it assembles").helper(1, sum);
    assert_eq!(vm.run_mem(&mut [1, 2, 3]).expect("it runs"), 6);
    let e = vm.run_mem(&mut [1, 2]).expect_err("two bytes are too few");
    assert_eq!(e.slot(), Some(1));
    assert!(matches!(e.trap().map(|t| t.kind()), Some(TrapKind::Access(f)) if f.len == 3 && !f.write));
}

#[test]
fn helpers_can_fail_and_can_end_the_run() {
    let e = calls(1).helper(1, || Err::<u64, String>("no more tea".into())).run([0; 5]).unwrap_err();
    assert!(e.to_string().contains("no more tea"), "{e}");
    let text = "call 1\nr0 = 9\nexit";
    let mut vm = Vm::from_asm(text).expect("it assembles").helper(1, || Err::<u64, Stop>(Stop::Exit(5)));
    assert_eq!(vm.run([0; 5]).expect("it ends"), 5);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let e = calls(77).run([0; 5]).unwrap_err();
    assert_eq!((e.to_string().as_str(), e.slot()), ("slot 0: helper 77 is not available", Some(0)));
    assert!(e.hint().is_some_and(|h| h.contains("vm.helper(77")), "{:?}", e.hint());

    let e = Vm::from_asm("r0 = 1\nr99 = 2\nexit").unwrap_err();
    assert_eq!(e.diagnostic().and_then(|d| d.place()).map(|(_, line, column)| (line, column)), Some((2, 1)));

    assert!(Vm::from_bytes(&[0; 7]).is_err());
    let e = Vm::from_bytes(&[0xff; 8]).expect("eight bytes").check().unwrap_err();
    assert_eq!(e.slot(), Some(0));

    let e = Vm::from_asm("l:\ngoto l").expect("it assembles").budget(1000).run([0; 5]).unwrap_err();
    assert_eq!(e.trap().map(|t| t.kind().clone()), Some(TrapKind::Budget));
}

#[test]
fn memory_may_change_size_between_runs_and_is_copied_back_from_traps() {
    let text = "*(u8 *)(r1 + 0) = 9\nr0 = r2\nr3 = *(u8 *)(r1 + 3)\nexit";
    let mut vm = Vm::from_asm(text).expect("it assembles");
    for len in [4, 100, 4, 7] {
        assert_eq!(vm.run_mem(&mut vec![0; len]).expect("it runs"), len as u64);
    }
    let mut short = [0; 2];
    assert!(vm.run_mem(&mut short).is_err());
    assert_eq!(short, [9, 0]);
}

#[test]
fn big_endian_programs_see_big_endian_memory() {
    let insns = skep::asm::assemble_any("r0 = *(u16 *)(r1 + 0)\nexit", "t").expect("it assembles").insns;
    let mut little = Vm::from_insns(insns.clone(), Endian::Little);
    let mut big = Vm::from_insns(insns, Endian::Big);
    assert_eq!(little.run_mem(&mut [1, 2]).expect("it runs"), 0x0201);
    assert_eq!(big.run_mem(&mut [1, 2]).expect("it runs"), 0x0102);
}

fn object(name: &str) -> Vec<u8> {
    let path = format!("{}/../../{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn objects_name_their_programs_and_what_they_need() {
    let firewall = object("examples/xdp_firewall.o");
    let e = Vm::from_elf(&firewall, "xdp_firewal").unwrap_err();
    assert_eq!(e.hint(), Some("did you mean `xdp_firewall`?"));
    let e = Vm::from_elf(&firewall, "xdp_firewall").unwrap_err();
    assert!(e.to_string().contains("uses the map"), "{e}");
    assert!(e.hint().is_some_and(|h| h.contains("skep::Xdp")));
    assert!(Vm::from_elf(b"not ELF", "x").is_err());
}

#[test]
fn programs_of_objects_run_with_their_subprograms_and_global_variables() {
    // bpf_ktime_get_ns is helper 5; the leaf function mixes it in.
    let time = 0x1234;
    let mut vm = Vm::from_elf(&object("tests/objects/subprogs.o"), "one")
        .expect("the object has it")
        .helper(5, move || time);
    // `ingress_ifindex` is the fourth word of the context.
    let mut ctx = [0u8; 24];
    let mut of = |ifindex: u32| {
        ctx[12..16].copy_from_slice(&ifindex.to_le_bytes());
        vm.run_mem(&mut ctx).expect("it runs")
    };
    let leaf = |n: u64| n ^ time;
    assert_eq!(of(2), ((leaf(2) + 1) * leaf(3)) & 0xffff_ffff);
    assert_eq!(of(5), ((leaf(5) + 1) * leaf(6)) & 0xffff_ffff);
}
