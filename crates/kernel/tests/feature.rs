//! What the prober says, against what loading each thing really does; skipped, with the reason, where this process may not
//! use bpf(2).
#![cfg(all(target_os = "linux", not(skep_portable)))]

use std::collections::BTreeSet;

use skep_abi::{AttachType, HelperId, MapType, ProgType, helpers, map_types};
use skep_backend::{Backend, LoadOptions};
use skep_isa::Insn;
use skep_kernel::Kernel;
use skep_kernel::feature::{Prober, State};
use skep_object::{MapSpec, Program, Spec};
use skep_sys::prog::{LOG_BASIC, LoadAttr, load};
use skep_sys::{Cap, caps::Caps};

fn prober() -> Option<Prober> {
    let lacks = Caps::current().ok().and_then(|c| c.lacks(&[Cap::BPF, Cap::NET_ADMIN, Cap::PERFMON]));
    if let Some(cap) = lacks {
        println!("skipped: needs {cap}");
        return None;
    }
    Prober::new(&Kernel::new(), None).inspect_err(|why| println!("skipped: {why}")).ok()
}

const EXIT: Insn = Insn { opcode: 0x95, dst: 0, src: 0, off: 0, imm: 0 };

fn number(value: i32) -> Insn {
    Insn { opcode: 0xb7, imm: value, ..Insn::default() }
}

/// Types that are loaded without a target or flags of their own, as objects that a loader makes.
#[test]
fn program_types_that_are_there_can_be_loaded_as_objects() {
    let Some(prober) = prober() else { return };
    let plain = [
        ProgType::SOCKET_FILTER,
        ProgType::KPROBE,
        ProgType::SCHED_CLS,
        ProgType::SCHED_ACT,
        ProgType::TRACEPOINT,
        ProgType::XDP,
        ProgType::PERF_EVENT,
        ProgType::CGROUP_SKB,
        ProgType::LWT_XMIT,
        ProgType::SOCK_OPS,
        ProgType::SK_MSG,
        ProgType::RAW_TRACEPOINT,
        ProgType::LIRC_MODE2,
        ProgType::SK_LOOKUP,
        ProgType::NETFILTER,
    ];
    for prog_type in plain {
        let row = prog_type.row().expect("is known");
        let program = Program {
            name: "main".into(),
            prog_type: Some(prog_type),
            attach_type: row.attach_types.first().copied(),
            insns: vec![number(1), EXIT],
            ..Program::default()
        };
        let spec = Spec { license: "GPL".into(), programs: vec![program], ..Spec::default() };
        let loaded = Backend::load(&Kernel::new(), &spec, &LoadOptions::default()).map(drop);
        let said = prober.prog_type(prog_type);
        assert_eq!(said.is_available(), loaded.is_ok(), "{prog_type}: {said:?}, {loaded:?}");
    }
}

#[test]
fn map_types_that_are_there_can_be_made_as_objects() {
    let Some(prober) = prober() else { return };
    for (map_type, key_size, value_size, max_entries, flags) in [
        (MapType::HASH, 16, 24, 100, 0),
        (MapType::ARRAY, 4, 1, 1, 0),
        (MapType::PROG_ARRAY, 4, 4, 8, 0),
        (MapType::PERCPU_HASH, 8, 8, 10, 0),
        (MapType::STACK_TRACE, 4, 127 * 8, 10, 0),
        (MapType::LRU_HASH, 8, 8, 10, 0),
        (MapType::LPM_TRIE, 8, 8, 10, 1),
        (MapType::DEVMAP, 4, 8, 10, 0),
        (MapType::SOCKMAP, 4, 8, 10, 0),
        (MapType::CPUMAP, 4, 8, 1, 0),
        (MapType::XSKMAP, 4, 4, 10, 0),
        (MapType::QUEUE, 0, 8, 10, 0),
        (MapType::RINGBUF, 0, 0, 8192, 0),
        (MapType::BLOOM_FILTER, 0, 8, 10, 0),
        (MapType::ARENA, 0, 0, 2, 1 << 10),
    ] {
        let map = MapSpec {
            name: "m".into(),
            map_type,
            key_size,
            value_size,
            max_entries,
            flags,
            ..MapSpec::default()
        };
        let spec = Spec { license: "GPL".into(), maps: vec![map], ..Spec::default() };
        let made = Backend::load(&Kernel::new(), &spec, &LoadOptions::default()).map(drop);
        let said = prober.map_type(map_type);
        assert_eq!(said.is_available(), made.is_ok(), "{map_type}: {said:?}, {made:?}");
    }
    assert_eq!(prober.map_types().len(), map_types().len() - 1, "each type but the one that is none");
}

/// The rows of `skep_abi` say what Linux 6.18 allows with every option built in: nothing may be found beside them.
#[test]
fn no_helper_is_found_that_the_rows_forbid() {
    let Some(prober) = prober() else { return };
    if !std::fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|r| r.starts_with("6.18.")) {
        println!("skipped: the rows are those of Linux 6.18");
        return;
    }
    let mut compared = 0;
    for found in prober.helpers() {
        let Ok(allowed) = &found.helpers else { continue };
        let allowed: BTreeSet<u32> = allowed.iter().map(|h| h.0).collect();
        for attach in &found.attach_types {
            for row in helpers().iter().filter(|row| allowed.contains(&row.id.0)) {
                compared += 1;
                assert!(
                    row.id.allowed(found.prog_type, *attach),
                    "{} for {} {attach}",
                    row.name,
                    found.prog_type
                );
            }
        }
    }
    assert!(compared > 4000, "{compared}");
}

/// Loads by hand, with the arguments that the helper wants, which is not how the prober tries it.
#[test]
fn helpers_with_no_arguments_can_be_called_where_the_prober_says_so() {
    let Some(prober) = prober() else { return };
    let free = helpers().iter().filter(|row| row.args.is_empty() && row.id != HelperId(0));
    let types = [ProgType::SOCKET_FILTER, ProgType::XDP, ProgType::SCHED_CLS, ProgType::TRACEPOINT];
    for (row, prog_type) in free.flat_map(|row| types.map(|t| (row, t))) {
        let call = Insn { opcode: 0x85, imm: row.id.0 as i32, ..Insn::default() };
        let insns = [Insn { opcode: 0xbf, dst: 6, src: 1, ..Insn::default() }, call, number(1), EXIT];
        let attr = LoadAttr {
            prog_type,
            insns: &insns,
            license: "GPL",
            log_level: LOG_BASIC,
            ..LoadAttr::default()
        };
        let loaded = load(&attr);
        let said = prober.may_call(prog_type, AttachType(0), row.id).expect("can be tried");
        assert_eq!(said, loaded.is_ok(), "{} for {prog_type}: {:?}", row.name, loaded.err());
    }
}

#[test]
fn what_is_absent_comes_with_an_errno_and_a_reason() {
    let Some(prober) = prober() else { return };
    let all = prober.prog_types().into_iter().chain(prober.map_types()).chain(prober.misc());
    for feature in all {
        match feature.state {
            State::Available => {}
            State::Absent { errno, why } => assert!(errno.0 > 0 && !why.is_empty(), "{}", feature.name),
            State::Unknown(why) => assert!(!why.is_empty(), "{}", feature.name),
        }
    }
    assert!(prober.kfuncs().is_ok_and(|names| names.iter().any(|n| n == "bpf_dynptr_from_skb")));
}
