//! Section names: how an ELF section says which program type its programs have, where they attach, and to what.
//!
//! The rows are those that libbpf 1.x knows, so that one object means the same to both. A row that takes a remainder
//! matches its own name and its name followed by `/` and the remainder; one that takes none matches its own name only.
//! Objects from before libbpf 1.0 add to a name as they please (`xdp_prog`, `classifier/ingress`, `socket1`): they are
//! matched second, and [`SectionMatch::legacy`] says so.

use crate::attach::AttachType;
use crate::prog::ProgType;

/// How what follows the name is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing follows.
    Nothing,
    /// A kernel function, with `+offset` where it is a kprobe.
    Function,
    /// A pattern of kernel functions, with `*` and `?`.
    Pattern,
    /// The name of a system call.
    Syscall,
    /// A user function: `path:function`, with `+offset` where there is one function.
    User,
    /// A user marker: `path:provider:name`.
    Usdt,
    /// A tracepoint: `category/name`.
    Tracepoint,
    /// The name of a tracepoint, without a category.
    RawTracepoint,
    /// The name of an LSM hook, without `bpf_lsm_`.
    LsmHook,
    /// The kind of an iterator: `task`, `bpf_map_elem`.
    Iterator,
    /// The member of a table of functions; only a remark, the map says it.
    Member,
    /// A function of the program that is replaced.
    Program,
}

/// What one section name means.
#[derive(Clone, Copy, Debug)]
pub struct SectionRow {
    /// The name, or what comes before the `/`.
    pub name: &'static str,
    /// The program type.
    pub prog: ProgType,
    /// The attach type; 0 where the kernel asks for none.
    pub attach: AttachType,
    /// An old kernel that refuses the attach type may be given 0 instead.
    pub attach_optional: bool,
    /// The program may sleep (`BPF_F_SLEEPABLE`).
    pub sleepable: bool,
    /// The program understands packets in fragments (`BPF_F_XDP_HAS_FRAGS`).
    pub frags: bool,
    /// How what follows the name is read.
    pub rest: Rest,
}

/// A section name that was understood.
#[derive(Clone, Copy, Debug)]
pub struct SectionMatch<'a> {
    /// What it means.
    pub row: &'static SectionRow,
    /// What follows the name and the `/`; `None` where nothing does.
    pub rest: Option<&'a str>,
    /// A leading `?` says that the program is not loaded unless it is asked for.
    pub autoload: bool,
    /// libbpf 1.x would not take the name.
    pub legacy: bool,
}

const fn s(name: &'static str, prog: ProgType, attach: AttachType, rest: Rest) -> SectionRow {
    SectionRow { name, prog, attach, attach_optional: false, sleepable: false, frags: false, rest }
}

impl SectionRow {
    const fn sleepable(mut self) -> SectionRow {
        self.sleepable = true;
        self
    }

    const fn frags(mut self) -> SectionRow {
        self.frags = true;
        self
    }

    const fn optional(mut self) -> SectionRow {
        self.attach_optional = true;
        self
    }
}

static SECTIONS: &[SectionRow] = &[
    s("socket", ProgType::SOCKET_FILTER, AttachType(0), Rest::Nothing),
    s(
        "sk_reuseport/migrate",
        ProgType::SK_REUSEPORT,
        AttachType::SK_REUSEPORT_SELECT_OR_MIGRATE,
        Rest::Nothing,
    ),
    s("sk_reuseport", ProgType::SK_REUSEPORT, AttachType::SK_REUSEPORT_SELECT, Rest::Nothing),
    s("kprobe", ProgType::KPROBE, AttachType(0), Rest::Function),
    s("uprobe", ProgType::KPROBE, AttachType(0), Rest::User),
    s("uprobe.s", ProgType::KPROBE, AttachType(0), Rest::User).sleepable(),
    s("kretprobe", ProgType::KPROBE, AttachType(0), Rest::Function),
    s("uretprobe", ProgType::KPROBE, AttachType(0), Rest::User),
    s("uretprobe.s", ProgType::KPROBE, AttachType(0), Rest::User).sleepable(),
    s("kprobe.multi", ProgType::KPROBE, AttachType::TRACE_KPROBE_MULTI, Rest::Pattern),
    s("kretprobe.multi", ProgType::KPROBE, AttachType::TRACE_KPROBE_MULTI, Rest::Pattern),
    s("kprobe.session", ProgType::KPROBE, AttachType::TRACE_KPROBE_SESSION, Rest::Pattern),
    s("uprobe.multi", ProgType::KPROBE, AttachType::TRACE_UPROBE_MULTI, Rest::User),
    s("uretprobe.multi", ProgType::KPROBE, AttachType::TRACE_UPROBE_MULTI, Rest::User),
    s("uprobe.session", ProgType::KPROBE, AttachType::TRACE_UPROBE_SESSION, Rest::User),
    s("uprobe.multi.s", ProgType::KPROBE, AttachType::TRACE_UPROBE_MULTI, Rest::User).sleepable(),
    s("uretprobe.multi.s", ProgType::KPROBE, AttachType::TRACE_UPROBE_MULTI, Rest::User).sleepable(),
    s("uprobe.session.s", ProgType::KPROBE, AttachType::TRACE_UPROBE_SESSION, Rest::User).sleepable(),
    s("ksyscall", ProgType::KPROBE, AttachType(0), Rest::Syscall),
    s("kretsyscall", ProgType::KPROBE, AttachType(0), Rest::Syscall),
    s("usdt", ProgType::KPROBE, AttachType(0), Rest::Usdt),
    s("usdt.s", ProgType::KPROBE, AttachType(0), Rest::Usdt).sleepable(),
    s("tc/ingress", ProgType::SCHED_CLS, AttachType::TCX_INGRESS, Rest::Nothing),
    s("tc/egress", ProgType::SCHED_CLS, AttachType::TCX_EGRESS, Rest::Nothing),
    s("tcx/ingress", ProgType::SCHED_CLS, AttachType::TCX_INGRESS, Rest::Nothing),
    s("tcx/egress", ProgType::SCHED_CLS, AttachType::TCX_EGRESS, Rest::Nothing),
    s("tc", ProgType::SCHED_CLS, AttachType(0), Rest::Nothing),
    s("classifier", ProgType::SCHED_CLS, AttachType(0), Rest::Nothing),
    s("action", ProgType::SCHED_ACT, AttachType(0), Rest::Nothing),
    s("netkit/primary", ProgType::SCHED_CLS, AttachType::NETKIT_PRIMARY, Rest::Nothing),
    s("netkit/peer", ProgType::SCHED_CLS, AttachType::NETKIT_PEER, Rest::Nothing),
    s("tracepoint", ProgType::TRACEPOINT, AttachType(0), Rest::Tracepoint),
    s("tp", ProgType::TRACEPOINT, AttachType(0), Rest::Tracepoint),
    s("tracepoint.s", ProgType::TRACEPOINT, AttachType(0), Rest::Tracepoint).sleepable(),
    s("tp.s", ProgType::TRACEPOINT, AttachType(0), Rest::Tracepoint).sleepable(),
    s("raw_tracepoint", ProgType::RAW_TRACEPOINT, AttachType(0), Rest::RawTracepoint),
    s("raw_tp", ProgType::RAW_TRACEPOINT, AttachType(0), Rest::RawTracepoint),
    s("raw_tracepoint.s", ProgType::RAW_TRACEPOINT, AttachType(0), Rest::RawTracepoint).sleepable(),
    s("raw_tp.s", ProgType::RAW_TRACEPOINT, AttachType(0), Rest::RawTracepoint).sleepable(),
    s("raw_tracepoint.w", ProgType::RAW_TRACEPOINT_WRITABLE, AttachType(0), Rest::RawTracepoint),
    s("raw_tp.w", ProgType::RAW_TRACEPOINT_WRITABLE, AttachType(0), Rest::RawTracepoint),
    s("tp_btf", ProgType::TRACING, AttachType::TRACE_RAW_TP, Rest::RawTracepoint),
    s("tp_btf.s", ProgType::TRACING, AttachType::TRACE_RAW_TP, Rest::RawTracepoint).sleepable(),
    s("fentry", ProgType::TRACING, AttachType::TRACE_FENTRY, Rest::Function),
    s("fmod_ret", ProgType::TRACING, AttachType::MODIFY_RETURN, Rest::Function),
    s("fexit", ProgType::TRACING, AttachType::TRACE_FEXIT, Rest::Function),
    s("fentry.s", ProgType::TRACING, AttachType::TRACE_FENTRY, Rest::Function).sleepable(),
    s("fmod_ret.s", ProgType::TRACING, AttachType::MODIFY_RETURN, Rest::Function).sleepable(),
    s("fexit.s", ProgType::TRACING, AttachType::TRACE_FEXIT, Rest::Function).sleepable(),
    s("freplace", ProgType::EXT, AttachType(0), Rest::Program),
    s("lsm", ProgType::LSM, AttachType::LSM_MAC, Rest::LsmHook),
    s("lsm.s", ProgType::LSM, AttachType::LSM_MAC, Rest::LsmHook).sleepable(),
    s("lsm_cgroup", ProgType::LSM, AttachType::LSM_CGROUP, Rest::LsmHook),
    s("iter", ProgType::TRACING, AttachType::TRACE_ITER, Rest::Iterator),
    s("iter.s", ProgType::TRACING, AttachType::TRACE_ITER, Rest::Iterator).sleepable(),
    s("syscall", ProgType::SYSCALL, AttachType(0), Rest::Nothing).sleepable(),
    s("xdp.frags/devmap", ProgType::XDP, AttachType::XDP_DEVMAP, Rest::Nothing).frags(),
    s("xdp/devmap", ProgType::XDP, AttachType::XDP_DEVMAP, Rest::Nothing),
    s("xdp.frags/cpumap", ProgType::XDP, AttachType::XDP_CPUMAP, Rest::Nothing).frags(),
    s("xdp/cpumap", ProgType::XDP, AttachType::XDP_CPUMAP, Rest::Nothing),
    s("xdp.frags", ProgType::XDP, AttachType::XDP, Rest::Nothing).frags(),
    s("xdp", ProgType::XDP, AttachType::XDP, Rest::Nothing).optional(),
    s("perf_event", ProgType::PERF_EVENT, AttachType(0), Rest::Nothing),
    s("lwt_in", ProgType::LWT_IN, AttachType(0), Rest::Nothing),
    s("lwt_out", ProgType::LWT_OUT, AttachType(0), Rest::Nothing),
    s("lwt_xmit", ProgType::LWT_XMIT, AttachType(0), Rest::Nothing),
    s("lwt_seg6local", ProgType::LWT_SEG6LOCAL, AttachType(0), Rest::Nothing),
    s("sockops", ProgType::SOCK_OPS, AttachType::CGROUP_SOCK_OPS, Rest::Nothing).optional(),
    s("sk_skb/stream_parser", ProgType::SK_SKB, AttachType::SK_SKB_STREAM_PARSER, Rest::Nothing).optional(),
    s("sk_skb/stream_verdict", ProgType::SK_SKB, AttachType::SK_SKB_STREAM_VERDICT, Rest::Nothing).optional(),
    s("sk_skb/verdict", ProgType::SK_SKB, AttachType::SK_SKB_VERDICT, Rest::Nothing).optional(),
    s("sk_skb", ProgType::SK_SKB, AttachType(0), Rest::Nothing),
    s("sk_msg", ProgType::SK_MSG, AttachType::SK_MSG_VERDICT, Rest::Nothing).optional(),
    s("lirc_mode2", ProgType::LIRC_MODE2, AttachType::LIRC_MODE2, Rest::Nothing).optional(),
    s("flow_dissector", ProgType::FLOW_DISSECTOR, AttachType::FLOW_DISSECTOR, Rest::Nothing).optional(),
    s("cgroup_skb/ingress", ProgType::CGROUP_SKB, AttachType::CGROUP_INET_INGRESS, Rest::Nothing).optional(),
    s("cgroup_skb/egress", ProgType::CGROUP_SKB, AttachType::CGROUP_INET_EGRESS, Rest::Nothing).optional(),
    s("cgroup/skb", ProgType::CGROUP_SKB, AttachType(0), Rest::Nothing),
    s("cgroup/sock_create", ProgType::CGROUP_SOCK, AttachType::CGROUP_INET_SOCK_CREATE, Rest::Nothing),
    s("cgroup/sock_release", ProgType::CGROUP_SOCK, AttachType::CGROUP_INET_SOCK_RELEASE, Rest::Nothing),
    s("cgroup/sock", ProgType::CGROUP_SOCK, AttachType::CGROUP_INET_SOCK_CREATE, Rest::Nothing).optional(),
    s("cgroup/post_bind4", ProgType::CGROUP_SOCK, AttachType::CGROUP_INET4_POST_BIND, Rest::Nothing),
    s("cgroup/post_bind6", ProgType::CGROUP_SOCK, AttachType::CGROUP_INET6_POST_BIND, Rest::Nothing),
    s("cgroup/bind4", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_INET4_BIND, Rest::Nothing),
    s("cgroup/bind6", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_INET6_BIND, Rest::Nothing),
    s("cgroup/connect4", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_INET4_CONNECT, Rest::Nothing),
    s("cgroup/connect6", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_INET6_CONNECT, Rest::Nothing),
    s("cgroup/connect_unix", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_UNIX_CONNECT, Rest::Nothing),
    s("cgroup/sendmsg4", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_UDP4_SENDMSG, Rest::Nothing),
    s("cgroup/sendmsg6", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_UDP6_SENDMSG, Rest::Nothing),
    s("cgroup/sendmsg_unix", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_UNIX_SENDMSG, Rest::Nothing),
    s("cgroup/recvmsg4", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_UDP4_RECVMSG, Rest::Nothing),
    s("cgroup/recvmsg6", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_UDP6_RECVMSG, Rest::Nothing),
    s("cgroup/recvmsg_unix", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_UNIX_RECVMSG, Rest::Nothing),
    s("cgroup/getpeername4", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_INET4_GETPEERNAME, Rest::Nothing),
    s("cgroup/getpeername6", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_INET6_GETPEERNAME, Rest::Nothing),
    s(
        "cgroup/getpeername_unix",
        ProgType::CGROUP_SOCK_ADDR,
        AttachType::CGROUP_UNIX_GETPEERNAME,
        Rest::Nothing,
    ),
    s("cgroup/getsockname4", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_INET4_GETSOCKNAME, Rest::Nothing),
    s("cgroup/getsockname6", ProgType::CGROUP_SOCK_ADDR, AttachType::CGROUP_INET6_GETSOCKNAME, Rest::Nothing),
    s(
        "cgroup/getsockname_unix",
        ProgType::CGROUP_SOCK_ADDR,
        AttachType::CGROUP_UNIX_GETSOCKNAME,
        Rest::Nothing,
    ),
    s("cgroup/sysctl", ProgType::CGROUP_SYSCTL, AttachType::CGROUP_SYSCTL, Rest::Nothing),
    s("cgroup/getsockopt", ProgType::CGROUP_SOCKOPT, AttachType::CGROUP_GETSOCKOPT, Rest::Nothing),
    s("cgroup/setsockopt", ProgType::CGROUP_SOCKOPT, AttachType::CGROUP_SETSOCKOPT, Rest::Nothing),
    s("cgroup/dev", ProgType::CGROUP_DEVICE, AttachType::CGROUP_DEVICE, Rest::Nothing).optional(),
    s("struct_ops", ProgType::STRUCT_OPS, AttachType(0), Rest::Member),
    s("struct_ops.s", ProgType::STRUCT_OPS, AttachType(0), Rest::Member).sleepable(),
    s("sk_lookup", ProgType::SK_LOOKUP, AttachType::SK_LOOKUP, Rest::Nothing),
    s("netfilter", ProgType::NETFILTER, AttachType::NETFILTER, Rest::Nothing),
];

/// Every section name that is understood, without the liberties of old objects.
pub fn sections() -> &'static [SectionRow] {
    SECTIONS
}

impl ProgType {
    /// The section names that give a program this type. The plainest comes first as a rule; `ext` and others that
    /// attach by BTF need a remainder.
    pub fn sections(self) -> impl Iterator<Item = &'static SectionRow> {
        SECTIONS.iter().filter(move |row| row.prog == self)
    }
}

/// What a section name means, or `None` where nobody knows: such a program needs its type from somewhere else.
pub fn section(name: &str) -> Option<SectionMatch<'_>> {
    let (autoload, name) = match name.strip_prefix('?') {
        Some(name) => (false, name),
        None => (true, name),
    };
    let exact = SECTIONS.iter().find_map(|row| {
        let rest = match name.strip_prefix(row.name)? {
            "" => None,
            rest if row.rest != Rest::Nothing => Some(rest.strip_prefix('/')?),
            _ => return None,
        };
        Some(SectionMatch { row, rest, autoload, legacy: false })
    });
    exact.or_else(|| legacy(name).map(|(row, rest)| SectionMatch { row, rest, autoload, legacy: true }))
}

/// The longest row whose name `name` begins with, as libbpf matched before 1.0.
fn legacy(name: &str) -> Option<(&'static SectionRow, Option<&str>)> {
    let takes_more =
        |row: &&SectionRow| name.starts_with(row.name) && row.name.len() > 2 || tc_more(row.name, name);
    let row = SECTIONS.iter().filter(takes_more).max_by_key(|row| row.name.len())?;
    let rest = name[row.name.len()..].trim_start_matches(['/', '_', '-', '.']);
    Some((row, (!rest.is_empty()).then_some(rest)))
}

/// `tc` and `tp` are too short to be prefixes of anything: a separator must follow.
fn tc_more(short: &str, name: &str) -> bool {
    short.len() == 2 && name.strip_prefix(short).is_some_and(|rest| rest.starts_with(['/', '_', '-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_no_exact_name_is_shadowed() {
        for row in sections() {
            let found = section(row.name).unwrap();
            assert_eq!((found.row.name, found.legacy), (row.name, false));
            assert_eq!(sections().iter().filter(|other| other.name == row.name).count(), 1, "{}", row.name);
        }
    }

    #[test]
    fn every_program_type_has_a_section_name() {
        let without = |row: &&crate::ProgTypeRow| row.id.sections().next().is_none();
        let names: Vec<_> = crate::prog_types().iter().filter(without).map(|row| row.name).collect();
        assert_eq!(names, ["unspec"]);
    }

    #[test]
    fn remainders_are_cut_off() {
        let found = section("kprobe/do_sys_open").unwrap();
        assert_eq!((found.row.prog, found.rest), (ProgType::KPROBE, Some("do_sys_open")));
        let found = section("?tracepoint/sched/sched_switch").unwrap();
        assert_eq!((found.rest, found.autoload), (Some("sched/sched_switch"), false));
        let found = section("xdp.frags/devmap").unwrap();
        assert_eq!((found.row.attach, found.row.frags), (AttachType::XDP_DEVMAP, true));
        let found = section("lsm.s/file_open").unwrap();
        assert_eq!((found.row.sleepable, found.rest), (true, Some("file_open")));
    }

    #[test]
    fn old_liberties_are_taken_second() {
        for (name, prog, rest) in [
            ("xdp_prog", ProgType::XDP, "prog"),
            ("xdp/lb", ProgType::XDP, "lb"),
            ("classifier/ingress", ProgType::SCHED_CLS, "ingress"),
            ("tc_egress", ProgType::SCHED_CLS, "egress"),
            ("socket1", ProgType::SOCKET_FILTER, "1"),
        ] {
            let found = section(name).unwrap();
            assert_eq!((found.row.prog, found.rest, found.legacy), (prog, Some(rest), true), "{name}");
        }
    }

    #[test]
    fn other_names_mean_nothing() {
        for name in ["", "maps", ".text", "license", "tcp", "tpm", "2/1", "from-container"] {
            assert!(section(name).is_none(), "{name}");
        }
    }
}
