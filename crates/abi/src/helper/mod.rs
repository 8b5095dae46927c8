//! Helpers: functions of the kernel that programs call by number. A helper's contract is a row: what it takes and
//! gives, as far as a program that calls it is concerned, who may call it, and since when.
//!
//! Sources: bpf-helpers(7) for prototypes; the running kernel's answers, helper by helper and program type by program
//! type, for who may call what. The rows say what Linux 6.18 allows with every option built in and all rights; a given
//! kernel may allow less (`bpf_override_return` is a build option, for instance). Prior art: prevail's
//! `function_prototypes`, which first wrote these contracts as data.

mod rows;

pub use rows::{HelperId, helpers};

use crate::attach::AttachType;
use crate::prog::ProgType;
use crate::table::KernelVersion;

/// What is known of one helper.
#[derive(Debug)]
pub struct HelperRow {
    /// The number, as it stands in the immediate of a call.
    pub id: HelperId,
    /// The name with its prefix, as C programs spell it: `bpf_map_lookup_elem`.
    pub name: &'static str,
    /// The release it arrived in.
    pub since: KernelVersion,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// The prototype in C.
    pub c: &'static str,
    /// What r1 to r5 must hold.
    pub args: &'static [Arg],
    /// What r0 holds afterwards.
    pub ret: Ret,
    /// Only programs under a licence that is compatible with the GPL may call it.
    pub gpl: bool,
    /// The program types that may call it; see [`HelperId::allowed`] for the finer rule.
    pub progs: Progs,
}

/// What an argument of a helper must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// Any number: flags, lengths, addresses that are probed.
    Num,
    /// The program's context. Tracing, LSM and struct_ops programs pass a socket where the helper is about one.
    Ctx,
    /// The context or zero.
    CtxOrNull,
    /// A map.
    Map,
    /// Memory that holds a key of the map before it.
    Key,
    /// Memory that holds a value of the map before it.
    Value,
    /// Memory that holds a value of the map before it, or zero.
    ValueOrNull,
    /// Memory that receives a value of the map before it.
    ValueOut,
    /// Memory that is read; the next argument is its size.
    Mem,
    /// Memory that is read, or zero; the next argument is its size.
    MemOrNull,
    /// Memory that is written and need not be initialised; the next argument is its size.
    MemOut,
    /// Memory that is written and need not be initialised, or zero; the next argument is its size.
    MemOutOrNull,
    /// Memory that is read and written; the next argument is its size.
    MemInOut,
    /// Memory of this many bytes that is read.
    Fixed(u32),
    /// Memory of this many bytes that is written and need not be initialised.
    FixedOut(u32),
    /// Memory of this many bytes that is read and written.
    FixedInOut(u32),
    /// The size of the memory before it, in bytes, not 0.
    Size,
    /// The size of the memory before it, in bytes.
    SizeOrZero,
    /// The size of the memory that is returned: a constant.
    ReturnedSize,
    /// A constant string in a frozen, read-only map.
    Str,
    /// Any kind of socket.
    SockCommon,
    /// Any kind of socket, or zero.
    SockCommonOrNull,
    /// A kernel object of this BTF type.
    Btf(&'static str),
    /// A kernel object of this BTF type, or zero.
    BtfOrNull(&'static str),
    /// A `bpf_spin_lock` in a map value.
    SpinLock,
    /// A `bpf_timer` in a map value.
    Timer,
    /// A ring buffer record that was reserved.
    Record,
    /// A function of the program.
    Callback,
    /// What is passed on to the callback: stack memory or zero.
    StackOrNull,
    /// A dynptr.
    Dynptr,
    /// Stack memory that becomes a dynptr.
    DynptrOut,
    /// A kernel pointer field in a map value.
    KptrField,
    /// A reference of a kernel pointer field's type, or zero.
    KptrOrNull,
    /// A per-CPU variable of the kernel.
    PerCpu,
}

/// What r0 holds after a helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    /// Nothing that may be read.
    Void,
    /// A number; a negative errno where the helper can fail.
    Num,
    /// A value of the map.
    Value,
    /// A value of the map, or zero.
    ValueOrNull,
    /// A `bpf_sock`, or zero.
    SockOrNull,
    /// A socket of any state, or zero.
    SockCommonOrNull,
    /// A `bpf_tcp_sock`, or zero.
    TcpSockOrNull,
    /// A ring buffer record of the size asked for, or zero.
    RecordOrNull,
    /// A slice of a dynptr's memory of the size asked for, or zero.
    DynptrMemOrNull,
    /// A kernel object of this BTF type.
    Btf(&'static str),
    /// A kernel object of this BTF type, or zero.
    BtfOrNull(&'static str),
    /// The variable that the per-CPU argument names.
    BtfMem,
    /// The variable that the per-CPU argument names, or zero.
    BtfMemOrNull,
    /// A reference of the kernel pointer field's type, or zero.
    KptrOrNull,
}

/// A set of program types.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Progs(pub(crate) u64);

impl Progs {
    /// Is `prog` in the set?
    pub fn contains(self, prog: ProgType) -> bool {
        prog.0 < 64 && self.0 >> prog.0 & 1 == 1
    }

    /// The members, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = ProgType> {
        (0..64).map(ProgType).filter(move |prog| self.contains(*prog))
    }
}

impl core::fmt::Debug for Progs {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Helpers that a program type may call only when it is loaded for one of some attach types.
static ONLY_FOR: &[(ProgType, &[HelperId], &[AttachType])] = &[
    (
        ProgType::CGROUP_SOCKOPT,
        &[HelperId::SETSOCKOPT, HelperId::GETSOCKOPT],
        &[AttachType::CGROUP_SETSOCKOPT],
    ),
    (
        ProgType::CGROUP_SOCK_ADDR,
        &[HelperId::BIND],
        &[AttachType::CGROUP_INET4_CONNECT, AttachType::CGROUP_INET6_CONNECT],
    ),
    (
        ProgType::CGROUP_SOCK_ADDR,
        &[HelperId::GET_RETVAL, HelperId::SET_RETVAL],
        &[
            AttachType::CGROUP_INET4_BIND,
            AttachType::CGROUP_INET6_BIND,
            AttachType::CGROUP_INET4_CONNECT,
            AttachType::CGROUP_INET6_CONNECT,
            AttachType::CGROUP_UNIX_CONNECT,
            AttachType::CGROUP_UDP4_SENDMSG,
            AttachType::CGROUP_UDP6_SENDMSG,
            AttachType::CGROUP_UNIX_SENDMSG,
        ],
    ),
    (
        ProgType::TRACING,
        &[HelperId::SEQ_PRINTF, HelperId::SEQ_WRITE, HelperId::SEQ_PRINTF_BTF],
        &[AttachType::TRACE_ITER],
    ),
    (
        ProgType::TRACING,
        &[HelperId::GET_FUNC_ARG, HelperId::GET_FUNC_ARG_CNT],
        &[AttachType::TRACE_FENTRY, AttachType::TRACE_FEXIT, AttachType::MODIFY_RETURN],
    ),
    (ProgType::TRACING, &[HelperId::GET_FUNC_RET], &[AttachType::TRACE_FEXIT, AttachType::MODIFY_RETURN]),
    (
        ProgType::LSM,
        &[
            HelperId::GET_LOCAL_STORAGE,
            HelperId::GET_RETVAL,
            HelperId::SET_RETVAL,
            HelperId::SETSOCKOPT,
            HelperId::GETSOCKOPT,
        ],
        &[AttachType::LSM_CGROUP],
    ),
];

/// Helpers after which no pointer into the packet holds any more.
static CHANGE_PACKET: &[HelperId] = &[
    HelperId::SKB_STORE_BYTES,
    HelperId::L3_CSUM_REPLACE,
    HelperId::L4_CSUM_REPLACE,
    HelperId::CLONE_REDIRECT,
    HelperId::SKB_VLAN_PUSH,
    HelperId::SKB_VLAN_POP,
    HelperId::SKB_CHANGE_PROTO,
    HelperId::SKB_CHANGE_TAIL,
    HelperId::SKB_PULL_DATA,
    HelperId::SKB_CHANGE_HEAD,
    HelperId::XDP_ADJUST_HEAD,
    HelperId::SKB_ADJUST_ROOM,
    HelperId::XDP_ADJUST_META,
    HelperId::MSG_PULL_DATA,
    HelperId::XDP_ADJUST_TAIL,
    HelperId::LWT_PUSH_ENCAP,
    HelperId::LWT_SEG6_STORE_BYTES,
    HelperId::LWT_SEG6_ADJUST_SRH,
    HelperId::LWT_SEG6_ACTION,
    HelperId::MSG_PUSH_DATA,
    HelperId::MSG_POP_DATA,
    HelperId::STORE_HDR_OPT,
];

/// Helpers that only programs which may sleep can call.
static MAY_SLEEP: &[HelperId] = &[
    HelperId::COPY_FROM_USER,
    HelperId::IMA_INODE_HASH,
    HelperId::COPY_FROM_USER_TASK,
    HelperId::IMA_FILE_HASH,
];

impl HelperId {
    /// May it move or change the packet, so that pointers into it that were made before no longer hold?
    pub fn changes_packet(self) -> bool {
        CHANGE_PACKET.contains(&self)
    }

    /// May it sleep, so that only a sleepable program can call it?
    pub fn may_sleep(self) -> bool {
        MAY_SLEEP.contains(&self)
    }

    /// May a program of this type, loaded for this attach type, call the helper? A replacing program (`ext`) may call
    /// what the program that it replaces a function of may call: ask with that program's type.
    pub fn allowed(self, prog: ProgType, attach: AttachType) -> bool {
        let Some(row) = self.row() else { return false };
        row.progs.contains(prog)
            && ONLY_FOR
                .iter()
                .filter(|(only, ids, _)| *only == prog && ids.contains(&self))
                .all(|(_, _, attaches)| attaches.contains(&attach))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prototypes_agree_with_the_rows() {
        for row in helpers() {
            assert!(row.c.contains(&format!("{}(", row.name)), "{}", row.c);
            let count = if row.c.ends_with("(void)") { 0 } else { row.c.matches(',').count() + 1 };
            // The kernel lets programs pass up to three numbers after the format: not part of the contract.
            if row.id != HelperId::TRACE_PRINTK {
                assert_eq!(row.args.len(), count, "{}", row.c);
            }
            assert!(!row.c.starts_with("void bpf_") || row.ret == Ret::Void, "{}", row.c);
        }
    }

    #[test]
    fn every_memory_argument_is_followed_by_its_size() {
        for row in helpers() {
            for pair in row.args.windows(2) {
                let memory = matches!(
                    pair[0],
                    Arg::Mem | Arg::MemOrNull | Arg::MemOut | Arg::MemOutOrNull | Arg::MemInOut
                );
                let size = matches!(pair[1], Arg::Size | Arg::SizeOrZero);
                assert_eq!(memory, size, "{}", row.name);
            }
        }
    }

    #[test]
    fn attach_types_narrow_what_a_type_may_call() {
        let allowed = |attach| HelperId::BIND.allowed(ProgType::CGROUP_SOCK_ADDR, attach);
        assert!(allowed(AttachType::CGROUP_INET4_CONNECT));
        assert!(!allowed(AttachType::CGROUP_INET4_BIND));
        assert!(HelperId::XDP_ADJUST_HEAD.allowed(ProgType::XDP, AttachType::XDP));
        assert!(!HelperId::XDP_ADJUST_HEAD.allowed(ProgType::SCHED_CLS, AttachType(0)));
        assert!(!HelperId(9999).allowed(ProgType::XDP, AttachType::XDP));
    }

    #[test]
    fn only_helpers_that_are_given_a_packet_change_it() {
        for id in CHANGE_PACKET {
            assert_eq!(id.row().unwrap().args[0], Arg::Ctx, "{id}");
        }
        assert!(!HelperId::SKB_LOAD_BYTES.changes_packet() && !HelperId(9999).changes_packet());
        assert!(HelperId::COPY_FROM_USER.may_sleep() && !HelperId::MAP_LOOKUP_ELEM.may_sleep());
    }

    #[test]
    fn helpers_are_found_with_and_without_their_prefix() {
        for text in ["bpf_map_lookup_elem", "map_lookup_elem", "BPF_FUNC_map_lookup_elem", "1", "0x1"] {
            assert_eq!(text.parse(), Ok(HelperId::MAP_LOOKUP_ELEM));
        }
        let error = "map_lokup_elem".parse::<HelperId>().unwrap_err();
        assert_eq!(error.to_string(), "unknown helper `map_lokup_elem`");
        assert_eq!(error.hint().unwrap(), "did you mean `bpf_map_lookup_elem`?");
    }
}
