//! Program types: what each is for, the context its programs get, the verdicts they may return, and the attach types
//! they may be loaded for.

use crate::attach::AttachType;
use crate::table::{KernelVersion, numbers, v};
use crate::verdict::{self, Verdict};

/// What is known of one program type.
#[derive(Debug)]
pub struct ProgTypeRow {
    /// The number.
    pub id: ProgType,
    /// The kernel's name in lower case, without `BPF_PROG_TYPE_`.
    pub name: &'static str,
    /// The release it arrived in.
    pub since: KernelVersion,
    /// What it is for, in one sentence.
    pub about: &'static str,
    /// The C type that r1 points to at entry; `u64[]` where it is an array of raw
    /// arguments, empty where there is none of its own.
    pub context: &'static str,
    /// Return values that have a name, by number.
    pub verdicts: &'static [Verdict],
    /// The expected attach types that it may be loaded with; empty where the kernel does not ask for one. The first
    /// is what a loader takes when nobody says otherwise.
    pub attach_types: &'static [AttachType],
}

impl ProgType {
    /// The name of return value `value` for programs of this type: `XDP_PASS`, `TC_ACT_OK`.
    pub fn verdict_name(self, value: i64) -> Option<&'static str> {
        self.row()?.verdicts.iter().find(|v| i64::from(v.value) == value).map(|v| v.name)
    }
}

/// Other names that people use, taken on input and never printed.
const ALIASES: &[(&str, u32)] = &[
    ("tc", 3),
    ("cls", 3),
    ("classifier", 3),
    ("tcx", 3),
    ("act", 4),
    ("action", 4),
    ("socket", 1),
    ("tp", 5),
    ("kretprobe", 2),
    ("uprobe", 2),
    ("uretprobe", 2),
    ("raw_tp", 17),
    ("raw_tp_writable", 24),
    ("sockops", 13),
    ("fentry", 26),
    ("fexit", 26),
    ("freplace", 28),
];

numbers! {
    /// A program type (`enum bpf_prog_type`); unknown numbers are kept.
    ProgType, ProgTypeRow, PROG_TYPES, prog_types, "program type", "bpf_prog_type_", ALIASES;

    UNSPEC = 0 "unspec" v(3, 18), "No type: the zero of the numbering, refused by the kernel.",
        context: "", verdicts: &[], attach_types: &[];
    SOCKET_FILTER = 1 "socket_filter" v(3, 19), "Decides how many bytes of a packet a socket receives.",
        context: "__sk_buff", verdicts: &[], attach_types: &[];
    KPROBE = 2 "kprobe" v(4, 1), "Runs at a kprobe, kretprobe, uprobe or uretprobe, and sees the registers.",
        context: "pt_regs", verdicts: &[],
        attach_types: &[AttachType(0), AttachType::TRACE_KPROBE_MULTI, AttachType::TRACE_KPROBE_SESSION,
            AttachType::TRACE_UPROBE_MULTI, AttachType::TRACE_UPROBE_SESSION];
    SCHED_CLS = 3 "sched_cls" v(4, 1), "Classifies, edits, drops or redirects packets at a tc, tcx or netkit hook.",
        context: "__sk_buff", verdicts: verdict::TC,
        attach_types: &[AttachType(0), AttachType::TCX_INGRESS, AttachType::TCX_EGRESS,
            AttachType::NETKIT_PRIMARY, AttachType::NETKIT_PEER];
    SCHED_ACT = 4 "sched_act" v(4, 1), "Acts on packets that a tc classifier picked.",
        context: "__sk_buff", verdicts: verdict::TC, attach_types: &[];
    TRACEPOINT = 5 "tracepoint" v(4, 7), "Runs at a static tracepoint, and sees its record as tracefs lays it out.",
        context: "void", verdicts: &[], attach_types: &[];
    XDP = 6 "xdp" v(4, 8), "Decides on packets in the driver, before the kernel allocates anything for them.",
        context: "xdp_md", verdicts: verdict::XDP,
        attach_types: &[AttachType::XDP, AttachType::XDP_DEVMAP, AttachType::XDP_CPUMAP, AttachType(0)];
    PERF_EVENT = 7 "perf_event" v(4, 9), "Runs on samples of a perf event.",
        context: "bpf_perf_event_data", verdicts: &[], attach_types: &[];
    CGROUP_SKB = 8 "cgroup_skb" v(4, 10), "Lets through or drops packets of a cgroup's sockets.",
        context: "__sk_buff", verdicts: verdict::CGROUP_SKB,
        attach_types: &[AttachType::CGROUP_INET_INGRESS, AttachType::CGROUP_INET_EGRESS];
    CGROUP_SOCK = 9 "cgroup_sock" v(4, 10), "Allows or denies sockets of a cgroup at creation, after bind and at release.",
        context: "bpf_sock", verdicts: verdict::ALLOW,
        attach_types: &[AttachType::CGROUP_INET_SOCK_CREATE, AttachType::CGROUP_INET_SOCK_RELEASE,
            AttachType::CGROUP_INET4_POST_BIND, AttachType::CGROUP_INET6_POST_BIND];
    LWT_IN = 10 "lwt_in" v(4, 10), "Runs on packets that arrive over a lightweight tunnel route.",
        context: "__sk_buff", verdicts: verdict::LWT, attach_types: &[];
    LWT_OUT = 11 "lwt_out" v(4, 10), "Runs on local packets that leave over a lightweight tunnel route.",
        context: "__sk_buff", verdicts: verdict::LWT, attach_types: &[];
    LWT_XMIT = 12 "lwt_xmit" v(4, 10), "Runs just before transmission over a lightweight tunnel route, and may edit the packet.",
        context: "__sk_buff", verdicts: verdict::LWT, attach_types: &[];
    SOCK_OPS = 13 "sock_ops" v(4, 13), "Is called on events of a TCP connection and tunes it.",
        context: "bpf_sock_ops", verdicts: &[], attach_types: &[AttachType::CGROUP_SOCK_OPS];
    SK_SKB = 14 "sk_skb" v(4, 14), "Frames a stream into messages and redirects them among the sockets of a sockmap.",
        context: "__sk_buff", verdicts: verdict::SK,
        attach_types: &[AttachType::SK_SKB_VERDICT, AttachType::SK_SKB_STREAM_VERDICT,
            AttachType::SK_SKB_STREAM_PARSER];
    CGROUP_DEVICE = 15 "cgroup_device" v(4, 15), "Allows or denies a cgroup's use of device nodes.",
        context: "bpf_cgroup_dev_ctx", verdicts: verdict::ALLOW, attach_types: &[AttachType::CGROUP_DEVICE];
    SK_MSG = 16 "sk_msg" v(4, 17), "Passes, drops or redirects what is sent on sockets of a sockmap.",
        context: "sk_msg_md", verdicts: verdict::SK, attach_types: &[AttachType::SK_MSG_VERDICT];
    RAW_TRACEPOINT = 17 "raw_tracepoint" v(4, 17), "Runs at a tracepoint and sees its arguments as they are.",
        context: "bpf_raw_tracepoint_args", verdicts: &[], attach_types: &[];
    CGROUP_SOCK_ADDR = 18 "cgroup_sock_addr" v(4, 17), "Allows, denies or rewrites the addresses of socket calls in a cgroup.",
        context: "bpf_sock_addr", verdicts: verdict::ALLOW,
        attach_types: &[AttachType::CGROUP_INET4_BIND, AttachType::CGROUP_INET6_BIND,
            AttachType::CGROUP_INET4_CONNECT, AttachType::CGROUP_INET6_CONNECT, AttachType::CGROUP_UNIX_CONNECT,
            AttachType::CGROUP_UDP4_SENDMSG, AttachType::CGROUP_UDP6_SENDMSG, AttachType::CGROUP_UNIX_SENDMSG,
            AttachType::CGROUP_UDP4_RECVMSG, AttachType::CGROUP_UDP6_RECVMSG, AttachType::CGROUP_UNIX_RECVMSG,
            AttachType::CGROUP_INET4_GETPEERNAME, AttachType::CGROUP_INET6_GETPEERNAME,
            AttachType::CGROUP_UNIX_GETPEERNAME, AttachType::CGROUP_INET4_GETSOCKNAME,
            AttachType::CGROUP_INET6_GETSOCKNAME, AttachType::CGROUP_UNIX_GETSOCKNAME];
    LWT_SEG6LOCAL = 19 "lwt_seg6local" v(4, 18), "Processes an IPv6 segment routing header at an End.BPF endpoint.",
        context: "__sk_buff", verdicts: verdict::LWT, attach_types: &[];
    LIRC_MODE2 = 20 "lirc_mode2" v(4, 18), "Decodes infrared signals into scan codes.",
        context: "u32", verdicts: &[], attach_types: &[AttachType::LIRC_MODE2];
    SK_REUSEPORT = 21 "sk_reuseport" v(4, 19), "Chooses the socket of a reuseport group that gets a packet or a connection.",
        context: "sk_reuseport_md", verdicts: verdict::SK,
        attach_types: &[AttachType::SK_REUSEPORT_SELECT, AttachType::SK_REUSEPORT_SELECT_OR_MIGRATE, AttachType(0)];
    FLOW_DISSECTOR = 22 "flow_dissector" v(4, 20), "Replaces the kernel's flow dissector: finds headers and flow keys in packets.",
        context: "__sk_buff", verdicts: verdict::FLOW_DISSECTOR, attach_types: &[AttachType::FLOW_DISSECTOR];
    CGROUP_SYSCTL = 23 "cgroup_sysctl" v(5, 2), "Allows, denies or rewrites a cgroup's reads and writes of sysctls.",
        context: "bpf_sysctl", verdicts: verdict::ALLOW, attach_types: &[AttachType::CGROUP_SYSCTL];
    RAW_TRACEPOINT_WRITABLE = 24 "raw_tracepoint_writable" v(5, 2), "Runs at a tracepoint that lets programs write into its first argument.",
        context: "bpf_raw_tracepoint_args", verdicts: &[], attach_types: &[];
    CGROUP_SOCKOPT = 25 "cgroup_sockopt" v(5, 3), "Allows, denies or rewrites getsockopt and setsockopt in a cgroup.",
        context: "bpf_sockopt", verdicts: verdict::ALLOW,
        attach_types: &[AttachType::CGROUP_GETSOCKOPT, AttachType::CGROUP_SETSOCKOPT];
    TRACING = 26 "tracing" v(5, 5), "Runs at entry or exit of a kernel function, at a typed tracepoint or as an iterator.",
        context: "u64[]", verdicts: &[],
        attach_types: &[AttachType::TRACE_FENTRY, AttachType::TRACE_FEXIT, AttachType::MODIFY_RETURN,
            AttachType::TRACE_RAW_TP, AttachType::TRACE_ITER];
    STRUCT_OPS = 27 "struct_ops" v(5, 6), "Implements one function of a kernel table of functions, such as a TCP congestion control.",
        context: "u64[]", verdicts: &[], attach_types: &[];
    EXT = 28 "ext" v(5, 6), "Replaces a global function of a program that is loaded.",
        context: "", verdicts: &[], attach_types: &[];
    LSM = 29 "lsm" v(5, 7), "Decides at a hook of the Linux security modules.",
        context: "u64[]", verdicts: &[], attach_types: &[AttachType::LSM_MAC, AttachType::LSM_CGROUP];
    SK_LOOKUP = 30 "sk_lookup" v(5, 9), "Chooses the listening socket for a packet that arrives.",
        context: "bpf_sk_lookup", verdicts: verdict::SK, attach_types: &[AttachType::SK_LOOKUP];
    SYSCALL = 31 "syscall" v(5, 14), "Runs when userspace asks for it and may itself call bpf(2).",
        context: "void", verdicts: &[], attach_types: &[];
    NETFILTER = 32 "netfilter" v(6, 4), "Accepts or drops packets at a netfilter hook.",
        context: "bpf_nf_ctx", verdicts: verdict::NETFILTER, attach_types: &[AttachType::NETFILTER];
}
