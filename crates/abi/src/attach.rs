//! Attach types: where a program may be hooked in.

use crate::table::{KernelVersion, numbers, v};

/// What is known of one attach type.
#[derive(Debug)]
pub struct AttachTypeRow {
    /// The number.
    pub id: AttachType,
    /// The kernel's name in lower case, without `BPF_`.
    pub name: &'static str,
    /// The release it arrived in.
    pub since: KernelVersion,
    /// What it is, in one sentence.
    pub about: &'static str,
}

numbers! {
    /// An attach type (`enum bpf_attach_type`); unknown numbers are kept.
    AttachType, AttachTypeRow, ATTACH_TYPES, attach_types, "attach type", "bpf_", &[];

    CGROUP_INET_INGRESS = 0 "cgroup_inet_ingress" v(4, 10), "Packets that arrive for sockets of a cgroup.";
    CGROUP_INET_EGRESS = 1 "cgroup_inet_egress" v(4, 10), "Packets that sockets of a cgroup send.";
    CGROUP_INET_SOCK_CREATE = 2 "cgroup_inet_sock_create" v(4, 10), "Creation of an internet socket in a cgroup.";
    CGROUP_SOCK_OPS = 3 "cgroup_sock_ops" v(4, 13), "Events of TCP connections in a cgroup.";
    SK_SKB_STREAM_PARSER = 4 "sk_skb_stream_parser" v(4, 14), "Framing of a sockmap socket's stream.";
    SK_SKB_STREAM_VERDICT = 5 "sk_skb_stream_verdict" v(4, 14), "Verdict on a framed message of a sockmap socket.";
    CGROUP_DEVICE = 6 "cgroup_device" v(4, 15), "Use of a device node in a cgroup.";
    SK_MSG_VERDICT = 7 "sk_msg_verdict" v(4, 17), "Verdict on what is sent on a sockmap socket.";
    CGROUP_INET4_BIND = 8 "cgroup_inet4_bind" v(4, 17), "The bind(2) of an IPv4 socket.";
    CGROUP_INET6_BIND = 9 "cgroup_inet6_bind" v(4, 17), "The bind(2) of an IPv6 socket.";
    CGROUP_INET4_CONNECT = 10 "cgroup_inet4_connect" v(4, 17), "The connect(2) of an IPv4 socket.";
    CGROUP_INET6_CONNECT = 11 "cgroup_inet6_connect" v(4, 17), "The connect(2) of an IPv6 socket.";
    CGROUP_INET4_POST_BIND = 12 "cgroup_inet4_post_bind" v(4, 17), "An IPv4 socket after its bind(2).";
    CGROUP_INET6_POST_BIND = 13 "cgroup_inet6_post_bind" v(4, 17), "An IPv6 socket after its bind(2).";
    CGROUP_UDP4_SENDMSG = 14 "cgroup_udp4_sendmsg" v(4, 18), "The sendmsg(2) of an unconnected IPv4 UDP socket.";
    CGROUP_UDP6_SENDMSG = 15 "cgroup_udp6_sendmsg" v(4, 18), "The sendmsg(2) of an unconnected IPv6 UDP socket.";
    LIRC_MODE2 = 16 "lirc_mode2" v(4, 18), "Pulses and spaces of an infrared receiver.";
    FLOW_DISSECTOR = 17 "flow_dissector" v(4, 20), "Flow dissection in a network namespace.";
    CGROUP_SYSCTL = 18 "cgroup_sysctl" v(5, 2), "Reads and writes of sysctls in a cgroup.";
    CGROUP_UDP4_RECVMSG = 19 "cgroup_udp4_recvmsg" v(5, 2), "The recvmsg(2) of an IPv4 UDP socket.";
    CGROUP_UDP6_RECVMSG = 20 "cgroup_udp6_recvmsg" v(5, 2), "The recvmsg(2) of an IPv6 UDP socket.";
    CGROUP_GETSOCKOPT = 21 "cgroup_getsockopt" v(5, 3), "The getsockopt(2) of a socket.";
    CGROUP_SETSOCKOPT = 22 "cgroup_setsockopt" v(5, 3), "The setsockopt(2) of a socket.";
    TRACE_RAW_TP = 23 "trace_raw_tp" v(5, 5), "A tracepoint whose arguments are typed by BTF.";
    TRACE_FENTRY = 24 "trace_fentry" v(5, 5), "Entry of a kernel function or of a program.";
    TRACE_FEXIT = 25 "trace_fexit" v(5, 5), "Exit of a kernel function or of a program.";
    MODIFY_RETURN = 26 "modify_return" v(5, 7), "Entry of a kernel function whose return value may be replaced.";
    LSM_MAC = 27 "lsm_mac" v(5, 7), "A hook of the Linux security modules.";
    TRACE_ITER = 28 "trace_iter" v(5, 8), "One object of an iterator.";
    CGROUP_INET4_GETPEERNAME = 29 "cgroup_inet4_getpeername" v(5, 8), "The getpeername(2) of an IPv4 socket.";
    CGROUP_INET6_GETPEERNAME = 30 "cgroup_inet6_getpeername" v(5, 8), "The getpeername(2) of an IPv6 socket.";
    CGROUP_INET4_GETSOCKNAME = 31 "cgroup_inet4_getsockname" v(5, 8), "The getsockname(2) of an IPv4 socket.";
    CGROUP_INET6_GETSOCKNAME = 32 "cgroup_inet6_getsockname" v(5, 8), "The getsockname(2) of an IPv6 socket.";
    XDP_DEVMAP = 33 "xdp_devmap" v(5, 8), "A packet that a devmap entry is about to send.";
    CGROUP_INET_SOCK_RELEASE = 34 "cgroup_inet_sock_release" v(5, 9), "Release of an internet socket in a cgroup.";
    XDP_CPUMAP = 35 "xdp_cpumap" v(5, 9), "A packet that a cpumap entry has received on its CPU.";
    SK_LOOKUP = 36 "sk_lookup" v(5, 9), "Lookup of a listening socket in a network namespace.";
    XDP = 37 "xdp" v(5, 9), "A packet in the driver of a network device.";
    SK_SKB_VERDICT = 38 "sk_skb_verdict" v(5, 13), "Verdict on what a sockmap socket receives, without framing.";
    SK_REUSEPORT_SELECT = 39 "sk_reuseport_select" v(5, 14), "Choice of a socket of a reuseport group.";
    SK_REUSEPORT_SELECT_OR_MIGRATE = 40 "sk_reuseport_select_or_migrate" v(5, 14), "Choice of a socket of a reuseport group, also when a connection must move.";
    PERF_EVENT = 41 "perf_event" v(5, 15), "A perf event, attached through a link.";
    TRACE_KPROBE_MULTI = 42 "trace_kprobe_multi" v(5, 18), "Many kernel functions at once.";
    LSM_CGROUP = 43 "lsm_cgroup" v(6, 0), "A hook of the Linux security modules, for one cgroup.";
    STRUCT_OPS = 44 "struct_ops" v(6, 4), "A table of functions, attached through a link.";
    NETFILTER = 45 "netfilter" v(6, 4), "A netfilter hook.";
    TCX_INGRESS = 46 "tcx_ingress" v(6, 6), "Packets that arrive on a device, before the stack.";
    TCX_EGRESS = 47 "tcx_egress" v(6, 6), "Packets that a device is about to send.";
    TRACE_UPROBE_MULTI = 48 "trace_uprobe_multi" v(6, 6), "Many places of a user program at once.";
    CGROUP_UNIX_CONNECT = 49 "cgroup_unix_connect" v(6, 7), "The connect(2) of a Unix socket.";
    CGROUP_UNIX_SENDMSG = 50 "cgroup_unix_sendmsg" v(6, 7), "The sendmsg(2) of a Unix datagram socket.";
    CGROUP_UNIX_RECVMSG = 51 "cgroup_unix_recvmsg" v(6, 7), "The recvmsg(2) of a Unix datagram socket.";
    CGROUP_UNIX_GETPEERNAME = 52 "cgroup_unix_getpeername" v(6, 7), "The getpeername(2) of a Unix socket.";
    CGROUP_UNIX_GETSOCKNAME = 53 "cgroup_unix_getsockname" v(6, 7), "The getsockname(2) of a Unix socket.";
    NETKIT_PRIMARY = 54 "netkit_primary" v(6, 7), "Packets that leave the primary end of a netkit pair.";
    NETKIT_PEER = 55 "netkit_peer" v(6, 7), "Packets that leave the peer end of a netkit pair.";
    TRACE_KPROBE_SESSION = 56 "trace_kprobe_session" v(6, 10), "Entry and exit of many kernel functions, as one session a call.";
    TRACE_UPROBE_SESSION = 57 "trace_uprobe_session" v(6, 13), "Entry and exit of many user functions, as one session a call.";
}
