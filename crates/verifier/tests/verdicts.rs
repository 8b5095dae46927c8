//! Small programs and what is decided of them: one of each property, with the kernel's words.

use skep_abi::{AttachType, HelperId, MapType, ProgType};
use skep_btf::{Builder, Endian, FuncLinkage, IntEncoding};
use skep_isa::Names;
use skep_isa::asm::{Assembler, Dialect};
use skep_verifier::{
    LogLevel, MapShape, Privilege, SourceLines, SpecialField, Task, Verdict, verify, verify_logged,
};
use std::sync::Arc;

struct Helpers;

impl Names for Helpers {
    fn helper_id(&self, name: &str) -> Option<i32> {
        name.parse::<HelperId>().ok().map(|h| h.0 as i32)
    }
}

fn task(prog_type: ProgType, text: &str) -> Task {
    let assembly = Assembler::new(Dialect::Kernel).names(&Helpers).assemble(text).unwrap();
    let mut insns = assembly.insns;
    for r in &assembly.references {
        insns[r.slot].imm = 1;
    }
    let map = MapShape {
        name: "m".into(),
        map_type: MapType::HASH,
        key_size: 4,
        value_size: 16,
        max_entries: 8,
        flags: 0,
        fields: Vec::new(),
        inner: None,
        frozen: None,
    };
    Task {
        name: "test".into(),
        prog_type,
        attach_type: AttachType(0),
        flags: 0,
        gpl: true,
        insns,
        maps: vec![(1, Arc::new(map))],
        btf: None,
        func_info: Vec::new(),
        vmlinux: None,
        attach_func: None,
        privilege: Privilege::Root,
        cpus: 2,
        kfuncs: Vec::new(),
    }
}

fn accepted(text: &str, insns: u32) {
    let o = verify(&task(ProgType::XDP, text));
    assert_eq!(o.verdict, Verdict::Accept, "{text}");
    assert_eq!(o.counts.insns, insns, "{text}");
}

fn refused(text: &str, insn: usize, message: &str) {
    match verify(&task(ProgType::XDP, text)).verdict {
        Verdict::Reject(r) => {
            assert!(r.message.contains(message), "{text}\n{}", r.message);
            assert_eq!(r.insn, insn, "{text}\n{}", r.message);
        }
        other => panic!("{text}\n{other:?}"),
    }
}

#[test]
fn structure() {
    refused("r0 = 0\ngoto out\nr1 = 1\nout: exit", 2, "unreachable insn 2");
    refused("r0 = 0\nr0 += 1", 1, "last insn is not an exit or jmp");
    refused("r0 = 0\nagain: goto again", 1, "infinite loop detected at insn 1");
    refused("exit", 0, "R0 !read_ok");
    refused("r10 = 1\nexit", 0, "frame pointer is read only");
    refused("r0 = 1\nr0 /= 0\nexit", 1, "div by zero");
}

/// A jump with what must be zero in it is refused only where a path gets to it, but control flow sees where it goes.
#[test]
fn malformed_jumps_go_somewhere_all_the_same() {
    let may_goto = |off| skep_isa::Insn { opcode: 0xe5, dst: 0, src: 0, off, imm: 1 };
    for (off, refused) in [(0, None), (5, Some("jump out of range from insn 2 to 8"))] {
        let mut task = task(ProgType::XDP, "r0 = 0\nif r0 == 0 goto out\nout: exit");
        task.insns[1].off = 1;
        task.insns.insert(2, may_goto(off));
        match (verify(&task).verdict, refused) {
            (Verdict::Accept, None) => {}
            (Verdict::Reject(r), Some(message)) => assert_eq!(r.message, message),
            (other, _) => panic!("{off}: {other:?}"),
        }
    }
}

/// A function that no path enters calls itself, with something in a field that must be zero: its frames count all the same.
#[test]
fn malformed_calls_need_stack_all_the_same() {
    let text = "r7 = 11\nr0 = 0\nif w7 != 13 goto out\ncall down\nout: exit\ndown: call down\nexit";
    let mut task = task(ProgType::XDP, text);
    task.insns[5].off = 25075;
    match verify(&task).verdict {
        Verdict::Reject(r) => assert_eq!(r.message, "the call stack of 8 frames is too deep !"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bounded_loops_are_explored_and_endless_ones_found() {
    accepted("r0 = 0\nagain: r0 += 1\nif r0 < 10 goto again\nexit", 22);
    refused("r0 = *(u32 *)(r1 + 16)\nagain: r0 s>>= 1\nif r0 != 5 goto again\nexit", 1, "infinite loop");
}

#[test]
fn the_packet_is_there_only_where_it_was_proven() {
    let load = "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 14\n";
    accepted(&format!("{load}r0 = 0\nif r4 > r3 goto out\nr0 = *(u8 *)(r2 + 13)\nout: exit"), 9);
    refused(
        &format!("{load}r0 = 0\nif r4 > r3 goto out\nr0 = *(u8 *)(r2 + 14)\nout: exit"),
        6,
        "invalid access to packet, off=14 size=1, R2(id=0,off=14,r=14)",
    );
}

const LOOKUP: &str = "*(u32 *)(r10 - 4) = 0\nr2 = r10\nr2 += -4\nr1 = map[m]\ncall bpf_map_lookup_elem\n";

#[test]
fn map_values_are_checked_for_null_and_for_their_size() {
    accepted(&format!("{LOOKUP}if r0 == 0 goto out\nr0 = *(u64 *)(r0 + 8)\nout: exit"), 9);
    refused(&format!("{LOOKUP}r0 = *(u64 *)(r0 + 8)\nexit"), 6, "R0 invalid mem access 'map_value_or_null'");
    refused(
        &format!("{LOOKUP}if r0 == 0 goto out\nr0 = *(u64 *)(r0 + 9)\nout: exit"),
        7,
        "invalid access to map value, value_size=16 off=9 size=8",
    );
}

#[test]
fn an_index_has_to_be_bounded() {
    let index = "r6 = *(u32 *)(r1 + 16)\n";
    refused(
        &format!("{index}{LOOKUP}if r0 == 0 goto out\nr0 += r6\nr0 = *(u8 *)(r0 + 0)\nout: exit"),
        9,
        "R0 unbounded memory access",
    );
    accepted(
        &format!("{index}{LOOKUP}if r0 == 0 goto out\nr6 &= 15\nr0 += r6\nr0 = *(u8 *)(r0 + 0)\nout: exit"),
        12,
    );
}

#[test]
fn references_are_given_back_on_every_path() {
    let reserve = "r1 = map[m]\nr2 = 8\nr3 = 0\ncall bpf_ringbuf_reserve\nif r0 == 0 goto out\n";
    let ring = |text: &str| {
        let mut t = task(ProgType::XDP, text);
        let shape = MapShape { map_type: MapType::RINGBUF, ..(*t.maps[0].1).clone() };
        t.maps = vec![(1, Arc::new(shape))];
        verify(&t).verdict
    };
    let good = format!("{reserve}r1 = r0\nr2 = 0\ncall bpf_ringbuf_submit\nout: r0 = 0\nexit");
    assert_eq!(ring(&good), Verdict::Accept);
    let Verdict::Reject(r) = ring(&format!("{reserve}out: r0 = 0\nexit")) else { panic!("accepted a leak") };
    assert!(r.message.starts_with("Unreleased reference id=2 alloc_insn=4"), "{}", r.message);
}

#[test]
fn what_is_not_modelled_is_neither_accepted_nor_refused() {
    let o = verify(&task(ProgType::XDP, "call bpf_get_current_task_btf\nexit"));
    assert!(matches!(o.verdict, Verdict::NotModelled(_)), "{:?}", o.verdict);
}

#[test]
fn the_log_writes_states_as_the_kernel_does() {
    let t = task(ProgType::XDP, "r0 = *(u32 *)(r1 + 16)\nr0 &= 7\n*(u64 *)(r10 - 8) = r0\nexit");
    let (_, log) = verify_logged(&t, LogLevel::Full, SourceLines::new());
    let number = "scalar(id=1,smin=smin32=0,smax=umax=smax32=umax32=7,var_off=(0x0; 0x7))";
    let store = log.lines().find(|l| l.starts_with("2: ")).unwrap();
    assert_eq!(store, format!("2: (7b) *(u64 *)(r10 -8) = r0         ; R0={number} R10=fp0 fp-8={number}"));
    assert!(log.contains("\n0: R1=ctx() R10=fp0\n0: (61) r0 = *(u32 *)(r1 +16)         ; R0="), "{log}");
    assert!(log.lines().last().unwrap().starts_with("processed 4 insns"), "{log}");
}

/// The verdict on a program of another type, with its map of another type.
fn verdict_of(prog_type: ProgType, map_type: MapType, text: &str) -> Verdict {
    let mut t = task(prog_type, text);
    let shape = MapShape { map_type, value_size: 4, ..(*t.maps[0].1).clone() };
    t.maps = vec![(1, Arc::new(shape))];
    verify(&t).verdict
}

#[track_caller]
fn refused_with(verdict: Verdict, message: &str) {
    let Verdict::Reject(r) = verdict else { panic!("{verdict:?}") };
    assert!(r.message.contains(message), "{}", r.message);
}

#[test]
fn low_halves_meet_where_the_signed_range_crosses_zero() {
    let text = |last: &str| {
        format!(
            "call bpf_get_prandom_u32\nif w0 < 7 goto out\nif w0 s> 5 goto out\n{last}\n\
             r0 = *(u64 *)(r9 + 0)\nout: r0 = 0\nexit"
        )
    };
    // At least 7 unsigned and at most 5 signed: it is negative.
    assert_eq!(verify(&task(ProgType::XDP, &text("if w0 s< 0 goto out"))).verdict, Verdict::Accept);
    refused(&text("if w0 s< -9 goto out"), 4, "R9 !read_ok");
}

#[test]
fn sockets_have_the_fields_of_their_kind() {
    let tcp = |load: &str| {
        let text = format!(
            "r1 = *(u64 *)(r1 + 168)\nif r1 == 0 goto out\ncall bpf_tcp_sock\nif r0 == 0 goto out\n\
             {load}\nout: r0 = 0\nexit"
        );
        verdict_of(ProgType::SCHED_CLS, MapType::HASH, &text)
    };
    for good in ["r1 = *(u32 *)(r0 + 0)", "r1 = *(u64 *)(r0 + 88)", "r1 = *(u32 *)(r0 + 108)"] {
        assert_eq!(tcp(good), Verdict::Accept, "{good}");
    }
    for bad in ["r1 = *(u16 *)(r0 + 0)", "r1 = *(u32 *)(r0 + 88)", "r1 = *(u32 *)(r0 + 112)"] {
        refused_with(tcp(bad), "invalid tcp_sock access");
    }
    // A port, which the context itself shows only after the bind.
    let sock = |off: i32| {
        let text = format!(
            "r1 = *(u64 *)(r1 + 168)\nif r1 == 0 goto out\ncall bpf_sk_fullsock\nif r0 == 0 goto out\n\
             r1 = *(u32 *)(r0 + {off})\nout: r0 = 0\nexit"
        );
        verdict_of(ProgType::SCHED_CLS, MapType::HASH, &text)
    };
    assert_eq!(sock(44), Verdict::Accept);
    refused_with(sock(80), "invalid sock access");
}

#[test]
fn socket_maps_change_where_the_socket_is_locked() {
    let text =
        "*(u32 *)(r10 - 4) = 0\nr2 = r10\nr2 += -4\nr1 = map[m]\ncall bpf_map_delete_elem\nr0 = 0\nexit";
    for good in [ProgType::SOCKET_FILTER, ProgType::SCHED_CLS, ProgType::SOCK_OPS] {
        assert_eq!(verdict_of(good, MapType::SOCKMAP, text), Verdict::Accept, "{good}");
    }
    refused_with(
        verdict_of(ProgType::RAW_TRACEPOINT, MapType::SOCKMAP, text),
        "cannot pass map_type 15 into func bpf_map_delete_elem",
    );
}

#[test]
fn a_missing_attach_type_is_the_first_that_there_was() {
    let text = "r0 = *(u32 *)(r1 + 0)\nr0 &= 1\nexit";
    assert_eq!(verdict_of(ProgType::CGROUP_SOCK, MapType::HASH, text), Verdict::Accept);
}

#[test]
fn metadata_ends_where_the_packet_begins_also_once_that_was_measured() {
    let text = "r2 = *(u32 *)(r1 + 8)\nr3 = *(u32 *)(r1 + 0)\nr4 = *(u32 *)(r1 + 4)\nr5 = r3\nr5 += 4\n\
                if r5 > r4 goto out\nr5 = r2\nr5 += 4\nif r5 > r3 goto out\nr0 = *(u32 *)(r2 + 0)\n\
                out: r0 = 1\nexit";
    assert_eq!(verdict_of(ProgType::XDP, MapType::HASH, text), Verdict::Accept);
}

#[test]
fn what_only_some_kernels_are_built_with_is_refused() {
    let text = "r2 = 0\ncall bpf_override_return\nr0 = 0\nexit";
    refused_with(verdict_of(ProgType::KPROBE, MapType::HASH, text), "cannot use helper");
}

#[test]
fn numbers_at_a_constant_distance_learn_from_each_other() {
    let program = |step: &str| {
        format!(
            "r6 = *(u32 *)(r1 + 16)\n{LOOKUP}if r0 == 0 goto out\nr2 = r6\n{step}\nif r6 > 9 goto out\nr0 += r2\n\
             r0 = *(u8 *)(r0 + 0)\nout: r0 = 0\nexit"
        )
    };
    accepted(&program("r2 += 6"), 18);
    accepted(&program("w2 += 6"), 18);
    refused(&program("r2 += 7"), 12, "invalid access to map value, value_size=16 off=16 size=1");
    refused(&program("r2 -= 1"), 12, "R0 min value is negative");
}

#[test]
fn a_mask_made_of_a_sign_is_followed_apart() {
    // 0 or -1, then 0 or 8: never a value between, which a known bit alone would allow.
    accepted(
        "r2 = *(u64 *)(r10 - 8)\nr2 s>>= 63\nr2 &= 9\nr0 = 0\nif r2 == 1 goto dead\nexit\ndead: r0 = r3\nexit",
        10,
    );
}

#[test]
fn the_packet_is_passed_only_to_helpers_that_take_it() {
    let load = "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 8\nr0 = 0\nif r4 > r3 goto out\nr1 = r2\nr2 = 8\nr3 = 0\n";
    accepted(&format!("{load}r4 = 0\nr5 = 0\ncall bpf_csum_diff\nout: r0 = 0\nexit"), 15);
    for helper in ["bpf_strtol", "bpf_strtoul"] {
        let text = format!("{load}r4 = r10\nr4 += -8\ncall {helper}\nout: r0 = 0\nexit");
        refused(&text, 11, "helper access to the packet is not allowed");
    }
}

fn with_rights(privilege: Privilege, prog_type: ProgType, text: &str) -> Verdict {
    verify(&Task { privilege, ..task(prog_type, text) }).verdict
}

#[track_caller]
fn refused_to(privilege: Privilege, prog_type: ProgType, text: &str, errno: i32, message: &str) {
    assert_eq!(verify(&task(prog_type, text)).verdict, Verdict::Accept, "root: {text}");
    match with_rights(privilege, prog_type, text) {
        Verdict::Reject(r) => {
            assert_eq!(r.errno, errno, "{text}");
            assert!(r.message.contains(message), "{text}: {}", r.message);
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn without_perfmon_no_address_is_told() {
    let refused = |text, message| refused_to(Privilege::BpfNet, ProgType::SCHED_CLS, text, 13, message);
    refused("r0 = r10\nexit", "R0 leaks addr as return value");
    refused(
        "*(u32 *)(r1 + 48) = 0\nr0 = *(u64 *)(r10 - 8)\nexit",
        "invalid read from stack R10 off=-8 size=8",
    );
    let helper = "r1 = r10\nr1 += -8\n*(u64 *)(r10 - 8) = 0\nr2 = 8\ncall trace_printk\nr0 = 0\nexit";
    refused_to(Privilege::BpfNet, ProgType::SCHED_CLS, helper, 22, "cannot use helper bpf_trace_printk#6");
    refused_to(Privilege::BpfNet, ProgType::KPROBE, "r0 = 0\nexit", 1, "CAP_PERFMON");
}

/// What is added to pointers is masked against guesses, which only works for the stack and values of maps.
#[test]
fn without_perfmon_arithmetic_has_to_be_maskable() {
    let refused = |text, message| refused_to(Privilege::BpfNet, ProgType::SCHED_CLS, text, 13, message);
    refused(
        "r2 = *(u32 *)(r1 + 76)\nr3 = *(u32 *)(r1 + 0)\nr3 &= 7\nr2 += r3\nr0 = 0\nexit",
        "R2 has pointer with unsupported alu operation",
    );
    refused("r2 = r10\nr2 += 8\nr0 = 0\nexit", "R2 stack pointer arithmetic goes out of range");
    let value = "*(u32 *)(r10 - 4) = 0\nr2 = r10\nr2 += -4\nr1 = map[m]\ncall map_lookup_elem\nif r0 == 0 goto out\n\
        r1 = *(u8 *)(r0 + 0)\nBODY\nr0 += r1\nr0 = *(u8 *)(r0 + 0)\nr0 = 0\nout:\nr0 = 0\nexit";
    let masked = value.replace("BODY", "r1 &= 7");
    assert_eq!(with_rights(Privilege::BpfNet, ProgType::SCHED_CLS, &masked), Verdict::Accept);
    let paths =
        value.replace("BODY", "if r1 == 9 goto other\nr1 &= 7\ngoto add\nother:\nr1 &= 3\nr0 += 4\nadd:");
    refused(&paths, "R0 tried to add from different maps, paths or scalars");
}

/// The arm that can't be taken is followed as a guess; what would be refused there ends at a barrier.
#[test]
fn a_guess_is_followed_and_refuses_nothing() {
    let text = "r0 = 1\nr1 = 0\nif r0 == 1 goto out\nr0 = *(u64 *)(r1 + 0)\nout:\nr0 = 0\nexit";
    let of = |privilege| verify(&Task { privilege, ..task(ProgType::SCHED_CLS, text) });
    let (root, net) = (of(Privilege::Root), of(Privilege::BpfNet));
    assert_eq!((&root.verdict, &net.verdict), (&Verdict::Accept, &Verdict::Accept));
    assert!(net.counts.insns > root.counts.insns, "{:?} {:?}", net.counts, root.counts);
}

#[test]
fn without_rights_little_is_loaded() {
    let none = Privilege::Unprivileged;
    refused_to(none, ProgType::XDP, "r0 = 2\nexit", 1, "CAP_BPF");
    let call = "call f\nr0 = 0\nexit\nf:\nr0 = 1\nexit";
    refused_to(none, ProgType::SOCKET_FILTER, call, 1, "allowed for CAP_BPF");
    let field = "r0 = *(u32 *)(r1 + 76)\nr0 = 0\nexit";
    refused_to(none, ProgType::CGROUP_SKB, field, 13, "invalid bpf_context access off=76 size=4");
    let back = "r0 = 0\nagain:\nr0 += 1\nif r0 < 9 goto again\nexit";
    refused_to(none, ProgType::SOCKET_FILTER, back, 22, "back-edge");
    assert_eq!(with_rights(none, ProgType::SOCKET_FILTER, "r0 = 0\nexit"), Verdict::Accept);
    let long = "r0 = 0\n".repeat(4096) + "exit";
    refused_to(none, ProgType::SOCKET_FILTER, &long, 7, "4097");
}

/// A loop that remembers a state of all the stack at each instruction: what does not change is kept once.
#[test]
fn states_of_a_full_stack_are_remembered() {
    let fill: String = (1..=64).map(|i| format!("*(u64 *)(r10 - {}) = r0\n", 8 * i)).collect();
    let read: String = (1..=64).map(|i| format!("r1 = *(u64 *)(r10 - {})\n", 8 * i)).collect();
    let text = format!(
        "call get_prandom_u32\n{fill}r6 = 0\nagain:\nr6 += 1\n*(u64 *)(r10 - 8) = r6\nif r6 < 2000 goto again\n{read}r0 = 2\nexit"
    );
    let o = verify(&Task { flags: 8, ..task(ProgType::XDP, &text) });
    assert_eq!(o.verdict, Verdict::Accept);
    assert_eq!((o.counts.insns, o.counts.total_states), (6132, 4001));
}

/// Each function that a timer is to run is a path that waits: there is room for 8,192.
#[test]
fn too_many_timers_are_refused() {
    let text = "r6 = 0\nagain: r1 = map[m][0]+0\nr2 = subprog[run]\ncall bpf_timer_set_callback\nr6 += 1\n\
                if r6 < 9000 goto again\nr0 = 0\nexit\nrun: r0 = 0\nexit";
    let mut t = task(ProgType::SCHED_CLS, text);
    let fields = vec![(0, SpecialField::Timer)];
    let shape = MapShape { map_type: MapType::ARRAY, max_entries: 1, fields, ..(*t.maps[0].1).clone() };
    t.maps = vec![(1, Arc::new(shape))];
    let mut types = Builder::new(Endian::Little);
    let int = types.int("int", 4, IntEncoding { signed: true, ..IntEncoding::default() });
    let proto = types.func_proto(int, &[("ctx", int)]);
    let main = types.func("main", proto, FuncLinkage::Global);
    let run = types.func("run", proto, FuncLinkage::Static);
    t.func_info = vec![(0, main), (10, run)];
    t.btf = Some(Arc::new(types.finish().unwrap()));
    let Verdict::Reject(r) = verify(&t).verdict else { panic!("accepted without end") };
    assert_eq!(r.message, "The sequence of 8193 jumps is too complex for async cb.");
}
