//! Traits of helpers that matter before any path is explored.

use std::collections::HashSet;

use skep_abi::{Arg, HelperId as H, HelperRow, ProgType as P, Ret};
use skep_btf::Kind as BtfKind;
use skep_isa::CallTarget;

use crate::task::Task;

/// How a helper calls a function of the program back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CallbackKind {
    /// Before it returns, any number of times.
    Sync,
    /// Later.
    Async,
}

/// Helpers after which pointers into the packet are stale; a tail call may end in any of them.
const CHANGE_PACKET: [H; 23] = [
    H::CLONE_REDIRECT,
    H::L3_CSUM_REPLACE,
    H::L4_CSUM_REPLACE,
    H::LWT_PUSH_ENCAP,
    H::LWT_SEG6_ACTION,
    H::LWT_SEG6_ADJUST_SRH,
    H::LWT_SEG6_STORE_BYTES,
    H::MSG_POP_DATA,
    H::MSG_PULL_DATA,
    H::MSG_PUSH_DATA,
    H::SKB_ADJUST_ROOM,
    H::SKB_CHANGE_HEAD,
    H::SKB_CHANGE_PROTO,
    H::SKB_CHANGE_TAIL,
    H::SKB_PULL_DATA,
    H::SKB_STORE_BYTES,
    H::SKB_VLAN_POP,
    H::SKB_VLAN_PUSH,
    H::STORE_HDR_OPT,
    H::XDP_ADJUST_HEAD,
    H::XDP_ADJUST_META,
    H::XDP_ADJUST_TAIL,
    H::TAIL_CALL,
];

const MIGHT_SLEEP: [H; 4] = [H::COPY_FROM_USER, H::COPY_FROM_USER_TASK, H::IMA_INODE_HASH, H::IMA_FILE_HASH];

const SYNC: [H; 4] = [H::FOR_EACH_MAP_ELEM, H::FIND_VMA, H::LOOP, H::USER_RINGBUF_DRAIN];

/// A kernel function that opens or closes a section; the others are not modelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kfunc {
    RcuLock,
    RcuUnlock,
    PreemptDisable,
    PreemptEnable,
    /// Takes the address of eight bytes of stack, where the flags of the processor are kept.
    IrqSave,
    /// Takes the same address.
    IrqRestore,
}

static KFUNCS: [(&str, Kfunc); 6] = [
    ("bpf_rcu_read_lock", Kfunc::RcuLock),
    ("bpf_rcu_read_unlock", Kfunc::RcuUnlock),
    ("bpf_preempt_disable", Kfunc::PreemptDisable),
    ("bpf_preempt_enable", Kfunc::PreemptEnable),
    ("bpf_local_irq_save", Kfunc::IrqSave),
    ("bpf_local_irq_restore", Kfunc::IrqRestore),
];

/// The name of the kernel function that a call names by number.
pub(crate) fn kfunc_name(task: &Task, number: i32) -> Option<&str> {
    task.kfuncs.iter().find(|(n, _)| *n == number).map(|(_, name)| name.as_str())
}

/// The kernel function with this name, if it is modelled.
pub(crate) fn kfunc(name: &str) -> Option<Kfunc> {
    KFUNCS.iter().find(|(n, _)| *n == name).map(|(_, kfunc)| *kfunc)
}

/// The kernel's functions that it offers to programs: those with the tag that it puts on them. Nothing where the kernel's
/// types are not known, or have no such tags.
pub(crate) fn offered(task: &Task) -> Option<HashSet<&str>> {
    let btf = task.vmlinux.as_deref()?;
    let tags = btf.types().filter(|t| t.kind() == BtfKind::DeclTag && t.name() == "bpf_kfunc");
    let names: HashSet<&str> = tags.filter_map(|t| Some(btf.ty(t.target()?)?.name())).collect();
    (!names.is_empty()).then_some(names)
}

/// The number of a call's immediate as a helper's.
pub(crate) fn helper(imm: i32) -> H {
    H(imm as u32)
}

/// Whether pointers into the packet are stale after it.
pub(crate) fn changes_packet(id: i32) -> bool {
    CHANGE_PACKET.contains(&helper(id))
}

/// Whether it may sleep.
pub(crate) fn might_sleep(id: i32) -> bool {
    MIGHT_SLEEP.contains(&helper(id))
}

/// Whether and how it calls back.
pub(crate) fn callback_kind(id: i32) -> Option<CallbackKind> {
    let id = helper(id);
    if SYNC.contains(&id) {
        Some(CallbackKind::Sync)
    } else if id == H::TIMER_SET_CALLBACK {
        Some(CallbackKind::Async)
    } else {
        None
    }
}

const SOCKET_OPTION_SET: &[Arg] = &[Arg::SockCommon, Arg::Num, Arg::Num, Arg::Mem, Arg::Size];
const SOCKET_OPTION_GET: &[Arg] = &[Arg::SockCommon, Arg::Num, Arg::Num, Arg::MemOut, Arg::Size];

/// What a helper takes in programs of this type: some have two prototypes under one number.
pub(crate) fn args(row: &'static HelperRow, prog: P) -> &'static [Arg] {
    let by_skb =
        matches!(prog, P::SCHED_CLS | P::SCHED_ACT | P::LWT_IN | P::LWT_OUT | P::LWT_XMIT | P::LWT_SEG6LOCAL);
    match row.id {
        // Elsewhere it is the class of the task that runs, not of a packet's socket.
        H::GET_CGROUP_CLASSID if !by_skb => &[],
        // These are about a socket that is named, where the context is none.
        H::GET_SOCKET_COOKIE if matches!(prog, P::SYSCALL | P::SK_REUSEPORT) => &[Arg::SockCommonOrNull],
        H::SETSOCKOPT if prog == P::CGROUP_SOCKOPT => SOCKET_OPTION_SET,
        H::GETSOCKOPT if prog == P::CGROUP_SOCKOPT => SOCKET_OPTION_GET,
        H::SK_ASSIGN if prog != P::SK_LOOKUP => &[Arg::Ctx, Arg::SockCommon, Arg::Num],
        // The flags stand in its documentation only.
        H::GET_BRANCH_SNAPSHOT => &[Arg::MemOut, Arg::SizeOrZero],
        H::XDP_GET_BUFF_LEN if prog == P::SYSCALL => &[Arg::Btf("xdp_buff")],
        _ => row.args,
    }
}

/// Whether a helper is for programs under the GPL only: one of the two prototypes of a number may be.
pub(crate) fn gpl_only(row: &HelperRow, prog: P) -> bool {
    row.gpl && (row.id, prog) != (H::GET_STACKID, P::PERF_EVENT)
}

/// What a helper leaves in r0: one that is void in C gives a number all the same.
pub(crate) fn result(row: &HelperRow) -> Ret {
    if row.id == H::SET_HASH_INVALID { Ret::Num } else { row.ret }
}

/// Registers r1 to r5 that a call takes, as bits; all of them if that is not known.
pub(crate) fn takes(task: &Task, callee: CallTarget) -> u16 {
    let taken = match callee {
        CallTarget::Helper(id) => helper(id).row().map_or(5, |row| args(row, task.prog_type).len()),
        CallTarget::Kfunc { btf_id, .. } => match kfunc_name(task, btf_id).and_then(kfunc) {
            Some(Kfunc::IrqSave | Kfunc::IrqRestore) => 1,
            _ => 0,
        },
        _ => 5,
    };
    ((1 << taken) - 1) << 1
}
