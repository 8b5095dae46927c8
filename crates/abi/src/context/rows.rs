//! The rows of the contexts. A row reads: name, offset, size, then who may load or store pieces of which sizes.

use super::{Access, Context, Field, FieldKind};
use crate::attach::AttachType;
use crate::helper::Progs;
use crate::prog::ProgType;

const fn bit(prog: ProgType) -> u64 {
    1 << prog.0
}

const ANY: u64 = u64::MAX;
const TC: u64 = bit(ProgType::SCHED_CLS) | bit(ProgType::SCHED_ACT);
const CGROUP_SKB: u64 = bit(ProgType::CGROUP_SKB);
const SK_SKB: u64 = bit(ProgType::SK_SKB);
const DISSECTOR: u64 = bit(ProgType::FLOW_DISSECTOR);
const SOCKET: u64 = bit(ProgType::SOCKET_FILTER);
const LWT: u64 =
    bit(ProgType::LWT_IN) | bit(ProgType::LWT_OUT) | bit(ProgType::LWT_XMIT) | bit(ProgType::LWT_SEG6LOCAL);
/// All that see packets as `__sk_buff`, but for the flow dissector, which sees next to nothing of it.
const SKB: u64 = !DISSECTOR;

/// A field that nobody may touch, until the methods say otherwise.
const fn f(name: &'static str, offset: u32, size: u32) -> Field {
    Field { name, offset, size, element: size, kind: FieldKind::Scalar, read: None, write: None }
}

impl Field {
    /// An array of elements of this size.
    const fn of(mut self, element: u32) -> Field {
        self.element = element;
        self
    }

    const fn gives(mut self, kind: FieldKind) -> Field {
        self.kind = kind;
        self
    }

    /// May be loaded in pieces of `min` to `max` bytes.
    const fn r(mut self, progs: u64, min: u32, max: u32) -> Field {
        self.read = Some(Access { progs: Progs(progs), attach: &[], min, max, at_start: false });
        self
    }

    /// May be loaded when the program is loaded for one of these attach types.
    const fn r_for(mut self, attach: &'static [AttachType], min: u32, max: u32) -> Field {
        self.read = Some(Access { progs: Progs(ANY), attach, min, max, at_start: false });
        self
    }

    /// Pieces that are loaded must begin where the field begins.
    const fn at_start(mut self) -> Field {
        if let Some(access) = &mut self.read {
            access.at_start = true;
        }
        self
    }

    /// May be stored in pieces of `min` to `max` bytes.
    const fn w(mut self, progs: u64, min: u32, max: u32) -> Field {
        self.write = Some(Access { progs: Progs(progs), attach: &[], min, max, at_start: false });
        self
    }

    /// May be stored when the program is loaded for one of these attach types.
    const fn w_for(mut self, attach: &'static [AttachType], min: u32, max: u32) -> Field {
        self.write = Some(Access { progs: Progs(ANY), attach, min, max, at_start: false });
        self
    }
}

/// A pointer to the packet in 4 bytes (`xdp_md`, `__sk_buff`) or 8.
const fn packet(name: &'static str, offset: u32, size: u32, kind: FieldKind, progs: u64) -> Field {
    f(name, offset, size).gives(kind).r(progs, size, size)
}

static XDP_MD: &[Field] = &[
    packet("data", 0, 4, FieldKind::Packet, ANY),
    packet("data_end", 4, 4, FieldKind::PacketEnd, ANY),
    packet("data_meta", 8, 4, FieldKind::PacketMeta, ANY),
    f("ingress_ifindex", 12, 4).r(ANY, 4, 4),
    f("rx_queue_index", 16, 4).r(ANY, 4, 4),
    f("egress_ifindex", 20, 4).r_for(&[AttachType::XDP_DEVMAP], 4, 4),
];

static SK_BUFF: &[Field] = &[
    f("len", 0, 4).r(SKB, 1, 4),
    f("pkt_type", 4, 4).r(SKB, 1, 4),
    f("mark", 8, 4).r(SKB & !SK_SKB, 1, 4).w(TC | CGROUP_SKB | LWT, 4, 4),
    f("queue_mapping", 12, 4).r(SKB, 1, 4).w(TC, 4, 4),
    f("protocol", 16, 4).r(SKB, 1, 4),
    f("vlan_present", 20, 4).r(SKB, 1, 4),
    f("vlan_tci", 24, 4).r(SKB, 1, 4),
    f("vlan_proto", 28, 4).r(SKB, 1, 4),
    f("priority", 32, 4).r(SKB, 1, 4).w(TC | CGROUP_SKB | LWT | SK_SKB, 4, 4),
    f("ingress_ifindex", 36, 4).r(SKB, 1, 4),
    f("ifindex", 40, 4).r(SKB, 1, 4),
    f("tc_index", 44, 4).r(SKB, 1, 4).w(TC | SK_SKB, 4, 4),
    f("cb", 48, 20).of(4).r(SKB, 1, 8).w(TC | CGROUP_SKB | LWT | SOCKET, 1, 8),
    f("hash", 68, 4).r(SKB, 1, 4),
    f("tc_classid", 72, 4).r(TC, 1, 4).w(TC, 4, 4),
    packet("data", 76, 4, FieldKind::Packet, !SOCKET),
    packet("data_end", 80, 4, FieldKind::PacketEnd, !SOCKET),
    f("napi_id", 84, 4).r(SKB, 1, 4),
    f("family", 88, 4).r(CGROUP_SKB | SK_SKB, 1, 4),
    f("remote_ip4", 92, 4).r(CGROUP_SKB | SK_SKB, 4, 4),
    f("local_ip4", 96, 4).r(CGROUP_SKB | SK_SKB, 4, 4),
    f("remote_ip6", 100, 16).of(4).r(CGROUP_SKB | SK_SKB, 4, 4),
    f("local_ip6", 116, 16).of(4).r(CGROUP_SKB | SK_SKB, 4, 4),
    f("remote_port", 132, 4).r(CGROUP_SKB | SK_SKB, 1, 4),
    f("local_port", 136, 4).r(CGROUP_SKB | SK_SKB, 1, 4),
    packet("data_meta", 140, 4, FieldKind::PacketMeta, TC),
    f("flow_keys", 144, 8).gives(FieldKind::FlowKeys).r(DISSECTOR, 8, 8),
    f("tstamp", 152, 8).r(TC | CGROUP_SKB, 8, 8).w(TC | CGROUP_SKB, 8, 8),
    f("wire_len", 160, 4).r(TC, 1, 4),
    f("gso_segs", 164, 4).r(SKB, 1, 4),
    f("sk", 168, 8).gives(FieldKind::SockCommonOrNull).r(SKB, 8, 8),
    f("gso_size", 176, 4).r(SKB, 1, 4),
    f("tstamp_type", 180, 1).r(TC, 1, 1),
    f("hwtstamp", 184, 8).r(TC | CGROUP_SKB, 8, 8),
];

const SOCK_LIFE: &[AttachType] = &[AttachType::CGROUP_INET_SOCK_CREATE, AttachType::CGROUP_INET_SOCK_RELEASE];
const POST_BIND4: &[AttachType] = &[AttachType::CGROUP_INET4_POST_BIND];
const POST_BIND6: &[AttachType] = &[AttachType::CGROUP_INET6_POST_BIND];
const POST_BIND: &[AttachType] = &[AttachType::CGROUP_INET4_POST_BIND, AttachType::CGROUP_INET6_POST_BIND];

static SOCK: &[Field] = &[
    f("bound_dev_if", 0, 4).r_for(SOCK_LIFE, 4, 4).w_for(SOCK_LIFE, 4, 4),
    f("family", 4, 4).r(ANY, 1, 4).at_start(),
    f("type", 8, 4).r(ANY, 1, 4).at_start(),
    f("protocol", 12, 4).r(ANY, 1, 4).at_start(),
    f("mark", 16, 4).r_for(SOCK_LIFE, 4, 4).w_for(SOCK_LIFE, 4, 4),
    f("priority", 20, 4).r_for(SOCK_LIFE, 4, 4).w_for(SOCK_LIFE, 4, 4),
    f("src_ip4", 24, 4).r_for(POST_BIND4, 1, 4),
    f("src_ip6", 28, 16).of(4).r_for(POST_BIND6, 1, 4),
    f("src_port", 44, 4).r_for(POST_BIND, 1, 4).at_start(),
    f("dst_port", 48, 2).r(ANY, 1, 2),
    // Before 5.18 dst_port was 4 bytes, and programs built then still load.
    f("dst_port", 48, 4).r(ANY, 4, 4),
    f("dst_ip4", 52, 4).r(ANY, 1, 4),
    f("dst_ip6", 56, 16).of(4).r(ANY, 1, 4),
    f("state", 72, 4).r(ANY, 1, 4).at_start(),
    f("rx_queue_mapping", 76, 4).r(ANY, 1, 4).at_start(),
];

const ADDR4: &[AttachType] = &[
    AttachType::CGROUP_INET4_BIND,
    AttachType::CGROUP_INET4_CONNECT,
    AttachType::CGROUP_INET4_GETPEERNAME,
    AttachType::CGROUP_INET4_GETSOCKNAME,
    AttachType::CGROUP_UDP4_SENDMSG,
    AttachType::CGROUP_UDP4_RECVMSG,
];
const ADDR6: &[AttachType] = &[
    AttachType::CGROUP_INET6_BIND,
    AttachType::CGROUP_INET6_CONNECT,
    AttachType::CGROUP_INET6_GETPEERNAME,
    AttachType::CGROUP_INET6_GETSOCKNAME,
    AttachType::CGROUP_UDP6_SENDMSG,
    AttachType::CGROUP_UDP6_RECVMSG,
];
const SENDMSG4: &[AttachType] = &[AttachType::CGROUP_UDP4_SENDMSG];
const SENDMSG6: &[AttachType] = &[AttachType::CGROUP_UDP6_SENDMSG];

static SOCK_ADDR: &[Field] = &[
    f("user_family", 0, 4).r(ANY, 4, 4),
    f("user_ip4", 4, 4).r_for(ADDR4, 1, 4).w_for(ADDR4, 4, 4),
    f("user_ip6", 8, 16).of(4).r_for(ADDR6, 1, 8).w_for(ADDR6, 4, 8),
    f("user_port", 24, 4).r(ANY, 1, 4).w(ANY, 4, 4),
    f("family", 28, 4).r(ANY, 4, 4),
    f("type", 32, 4).r(ANY, 4, 4),
    f("protocol", 36, 4).r(ANY, 4, 4),
    f("msg_src_ip4", 40, 4).r_for(SENDMSG4, 1, 4).w_for(SENDMSG4, 4, 4),
    f("msg_src_ip6", 44, 16).of(4).r_for(SENDMSG6, 1, 8).w_for(SENDMSG6, 4, 8),
    f("sk", 64, 8).gives(FieldKind::Sock).r(ANY, 8, 8),
];

/// A number of `bpf_sock_ops` that can only be loaded whole.
const fn whole(name: &'static str, offset: u32, size: u32) -> Field {
    f(name, offset, size).r(ANY, size, size)
}

static SOCK_OPS: &[Field] = &[
    whole("op", 0, 4),
    f("reply", 4, 4).r(ANY, 4, 4).w(ANY, 4, 4),
    f("args", 4, 16).of(4).r(ANY, 4, 4),
    whole("family", 20, 4),
    whole("remote_ip4", 24, 4),
    whole("local_ip4", 28, 4),
    f("remote_ip6", 32, 16).of(4).r(ANY, 4, 4),
    f("local_ip6", 48, 16).of(4).r(ANY, 4, 4),
    whole("remote_port", 64, 4),
    whole("local_port", 68, 4),
    whole("is_fullsock", 72, 4),
    whole("snd_cwnd", 76, 4),
    whole("srtt_us", 80, 4),
    whole("bpf_sock_ops_cb_flags", 84, 4),
    whole("state", 88, 4),
    whole("rtt_min", 92, 4),
    whole("snd_ssthresh", 96, 4),
    whole("rcv_nxt", 100, 4),
    whole("snd_nxt", 104, 4),
    whole("snd_una", 108, 4),
    whole("mss_cache", 112, 4),
    whole("ecn_flags", 116, 4),
    whole("rate_delivered", 120, 4),
    whole("rate_interval_us", 124, 4),
    whole("packets_out", 128, 4),
    whole("retrans_out", 132, 4),
    whole("total_retrans", 136, 4),
    whole("segs_in", 140, 4),
    whole("data_segs_in", 144, 4),
    whole("segs_out", 148, 4),
    whole("data_segs_out", 152, 4),
    whole("lost_out", 156, 4),
    whole("sacked_out", 160, 4),
    f("sk_txhash", 164, 4).r(ANY, 4, 4).w(ANY, 4, 4),
    whole("bytes_received", 168, 8),
    whole("bytes_acked", 176, 8),
    f("sk", 184, 8).gives(FieldKind::SockOrNull).r(ANY, 8, 8),
    packet("skb_data", 192, 8, FieldKind::Packet, ANY),
    packet("skb_data_end", 200, 8, FieldKind::PacketEnd, ANY),
    whole("skb_len", 208, 4),
    f("skb_tcp_flags", 212, 4).r(ANY, 1, 4).at_start(),
    whole("skb_hwtstamp", 216, 8),
];

static SK_MSG_MD: &[Field] = &[
    packet("data", 0, 8, FieldKind::Packet, ANY),
    packet("data_end", 8, 8, FieldKind::PacketEnd, ANY),
    whole("family", 16, 4),
    whole("remote_ip4", 20, 4),
    whole("local_ip4", 24, 4),
    f("remote_ip6", 28, 16).of(4).r(ANY, 4, 4),
    f("local_ip6", 44, 16).of(4).r(ANY, 4, 4),
    whole("remote_port", 60, 4),
    whole("local_port", 64, 4),
    whole("size", 68, 4),
    f("sk", 72, 8).gives(FieldKind::Sock).r(ANY, 8, 8),
];

static SK_REUSEPORT_MD: &[Field] = &[
    packet("data", 0, 8, FieldKind::Packet, ANY),
    packet("data_end", 8, 8, FieldKind::PacketEnd, ANY),
    f("len", 16, 4).r(ANY, 1, 4),
    f("eth_protocol", 20, 4).r(ANY, 2, 4),
    f("ip_protocol", 24, 4).r(ANY, 1, 4),
    f("bind_inany", 28, 4).r(ANY, 1, 4),
    whole("hash", 32, 4),
    f("sk", 40, 8).gives(FieldKind::Sock).r(ANY, 8, 8),
    f("migrating_sk", 48, 8).gives(FieldKind::SockCommonOrNull).r(ANY, 8, 8),
];

static SK_LOOKUP: &[Field] = &[
    f("sk", 0, 8).gives(FieldKind::SockOrNull).r(ANY, 8, 8),
    f("family", 8, 4).r(ANY, 1, 4),
    f("protocol", 12, 4).r(ANY, 1, 4),
    f("remote_ip4", 16, 4).r(ANY, 1, 4),
    f("remote_ip6", 20, 16).of(4).r(ANY, 1, 4),
    f("remote_port", 36, 2).r(ANY, 1, 2),
    // Before 5.18 remote_port was 4 bytes, and programs built then still load.
    f("remote_port", 36, 4).r(ANY, 1, 4),
    f("local_ip4", 40, 4).r(ANY, 1, 4),
    f("local_ip6", 44, 16).of(4).r(ANY, 1, 4),
    f("local_port", 60, 4).r(ANY, 1, 4),
    f("ingress_ifindex", 64, 4).r(ANY, 1, 4),
];

static SYSCTL: &[Field] = &[f("write", 0, 4).r(ANY, 1, 4), f("file_pos", 4, 4).r(ANY, 1, 4).w(ANY, 4, 4)];

const GETSOCKOPT: &[AttachType] = &[AttachType::CGROUP_GETSOCKOPT];
const SETSOCKOPT: &[AttachType] = &[AttachType::CGROUP_SETSOCKOPT];

static SOCKOPT: &[Field] = &[
    f("sk", 0, 8).gives(FieldKind::Sock).r(ANY, 8, 8),
    packet("optval", 8, 8, FieldKind::Packet, ANY),
    packet("optval_end", 16, 8, FieldKind::PacketEnd, ANY),
    f("level", 24, 4).r(ANY, 4, 4).w_for(SETSOCKOPT, 4, 4),
    f("optname", 28, 4).r(ANY, 4, 4).w_for(SETSOCKOPT, 4, 4),
    f("optlen", 32, 4).r(ANY, 4, 4).w(ANY, 4, 4),
    f("retval", 36, 4).r_for(GETSOCKOPT, 4, 4).w_for(GETSOCKOPT, 4, 4),
];

static CGROUP_DEV_CTX: &[Field] =
    &[f("access_type", 0, 4).r(ANY, 1, 4), whole("major", 4, 4), whole("minor", 8, 4)];

static PERF_EVENT_DATA: &[Field] = &[
    f("regs", 0, 168).of(8).r(ANY, 8, 8),
    f("sample_period", 168, 8).r(ANY, 1, 8),
    f("addr", 176, 8).r(ANY, 1, 8),
];

const RAW_TP_W: u64 = bit(ProgType::RAW_TRACEPOINT_WRITABLE);

static RAW_TRACEPOINT_ARGS: &[Field] = &[
    f("args", 0, 96).of(8).r(!RAW_TP_W, 1, 8),
    f("buffer", 0, 8).gives(FieldKind::TracepointBuffer).r(RAW_TP_W, 8, 8),
    // Offset 0 is the buffer's alone; the kernel looks at no more than the offset.
    f("args", 1, 95).of(1).r(RAW_TP_W, 1, 8),
];

static NF_CTX: &[Field] = &[
    f("state", 0, 8).gives(FieldKind::Btf("nf_hook_state")).r(ANY, 8, 8),
    f("skb", 8, 8).gives(FieldKind::Btf("sk_buff")).r(ANY, 8, 8),
];

/// The x86-64 order of `struct pt_regs`.
static PT_REGS: &[Field] = &[
    f("r15", 0, 8).r(ANY, 1, 8),
    f("r14", 8, 8).r(ANY, 1, 8),
    f("r13", 16, 8).r(ANY, 1, 8),
    f("r12", 24, 8).r(ANY, 1, 8),
    f("bp", 32, 8).r(ANY, 1, 8),
    f("bx", 40, 8).r(ANY, 1, 8),
    f("r11", 48, 8).r(ANY, 1, 8),
    f("r10", 56, 8).r(ANY, 1, 8),
    f("r9", 64, 8).r(ANY, 1, 8),
    f("r8", 72, 8).r(ANY, 1, 8),
    f("ax", 80, 8).r(ANY, 1, 8),
    f("cx", 88, 8).r(ANY, 1, 8),
    f("dx", 96, 8).r(ANY, 1, 8),
    f("si", 104, 8).r(ANY, 1, 8),
    f("di", 112, 8).r(ANY, 1, 8),
    f("orig_ax", 120, 8).r(ANY, 1, 8),
    f("ip", 128, 8).r(ANY, 1, 8),
    f("cs", 136, 8).r(ANY, 1, 8),
    f("flags", 144, 8).r(ANY, 1, 8),
    f("sp", 152, 8).r(ANY, 1, 8),
    f("ss", 160, 8).r(ANY, 1, 8),
];

const TRACEPOINT: u64 = bit(ProgType::TRACEPOINT);
const SYSCALL: u64 = bit(ProgType::SYSCALL);

/// Bytes of a tracepoint's record (`PERF_MAX_TRACE_SIZE`).
const RECORD: u32 = 8192;
/// Bytes of a syscall program's argument (`U16_MAX`).
const ARGUMENT: u32 = 65535;

static NO_LAYOUT: &[Field] = &[
    f("argument", 0, ARGUMENT).of(1).r(SYSCALL, 1, 8).w(SYSCALL, 1, 8),
    // The first 8 bytes of a record are the kernel's own.
    f("record", 8, RECORD - 8).of(1).r(TRACEPOINT, 1, 8),
];

static ARGUMENTS: &[Field] = &[f("args", 0, 96).of(8).r(ANY, 8, 8)];

static SAMPLE: &[Field] = &[whole("sample", 0, 4)];

/// A member of `bpf_flow_keys`, all of which the flow dissector may load and store.
const fn key(name: &'static str, offset: u32, size: u32, element: u32) -> Field {
    f(name, offset, size).of(element).r(ANY, 1, 8).w(ANY, 1, 8)
}

static FLOW_KEYS: &[Field] = &[
    key("nhoff", 0, 2, 2),
    key("thoff", 2, 2, 2),
    key("addr_proto", 4, 2, 2),
    key("is_frag", 6, 1, 1),
    key("is_first_frag", 7, 1, 1),
    key("is_encap", 8, 1, 1),
    key("ip_proto", 9, 1, 1),
    key("n_proto", 10, 2, 2),
    key("sport", 12, 2, 2),
    key("dport", 14, 2, 2),
    key("ipv4_src", 16, 4, 4),
    key("ipv6_src", 16, 16, 4),
    key("ipv4_dst", 20, 4, 4),
    key("ipv6_dst", 32, 16, 4),
    key("flags", 48, 4, 4),
    key("flow_label", 52, 4, 4),
];

const fn context(name: &'static str, size: u32, about: &'static str, fields: &'static [Field]) -> Context {
    Context { name, size, about, fields }
}

static CONTEXTS: &[Context] = &[
    context("xdp_md", 24, "A packet in the driver.", XDP_MD),
    context("__sk_buff", 192, "A packet in the stack.", SK_BUFF),
    context("bpf_sock", 80, "A socket.", SOCK),
    context("bpf_sock_addr", 72, "A socket call with an address.", SOCK_ADDR),
    context("bpf_sock_ops", 224, "An event of a TCP connection.", SOCK_OPS),
    context("sk_msg_md", 80, "A message that is being sent.", SK_MSG_MD),
    context("sk_reuseport_md", 56, "A packet or a connection for a reuseport group.", SK_REUSEPORT_MD),
    context("bpf_sk_lookup", 72, "A lookup of a listening socket.", SK_LOOKUP),
    context("bpf_sysctl", 8, "A read or a write of a sysctl.", SYSCTL),
    context("bpf_sockopt", 40, "A getsockopt or setsockopt.", SOCKOPT),
    context("bpf_cgroup_dev_ctx", 12, "A use of a device node.", CGROUP_DEV_CTX),
    context(
        "bpf_perf_event_data",
        184,
        "A sample of a perf event, with registers as on x86-64.",
        PERF_EVENT_DATA,
    ),
    context(
        "bpf_raw_tracepoint_args",
        96,
        "The arguments of a tracepoint, 8 bytes each.",
        RAW_TRACEPOINT_ARGS,
    ),
    context("bpf_nf_ctx", 16, "A packet at a netfilter hook.", NF_CTX),
    context("pt_regs", 168, "The registers at a probe, as on x86-64.", PT_REGS),
    context("u64[]", 96, "The arguments of a function, 8 bytes each, typed by BTF.", ARGUMENTS),
    context("u32", 4, "A pulse or a space of an infrared signal.", SAMPLE),
    context("void", ARGUMENT, "Memory without a layout of its own.", NO_LAYOUT),
    context(
        "bpf_flow_keys",
        56,
        "What a flow dissector finds in a packet; reached through `flow_keys`.",
        FLOW_KEYS,
    ),
];

/// Every context whose layout is known, and `bpf_flow_keys`.
pub fn contexts() -> &'static [Context] {
    CONTEXTS
}
