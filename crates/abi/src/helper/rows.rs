//! The rows of the helpers, in the order of their numbers: prototype, arguments, result and callers of each.

use super::Arg::*;
use super::{HelperRow, Progs, Ret};
use crate::prog::ProgType;
use crate::table::{numbers, v};

/// The bit of a program type.
const fn bit(prog: ProgType) -> u64 {
    1 << prog.0
}

const NONE: u64 = 0;
const ALL: u64 = (1 << 33) - 2;
const SOCKET: u64 = bit(ProgType::SOCKET_FILTER);
const KPROBE: u64 = bit(ProgType::KPROBE);
const XDP: u64 = bit(ProgType::XDP);
const PERF_EVENT: u64 = bit(ProgType::PERF_EVENT);
const CGROUP_SKB: u64 = bit(ProgType::CGROUP_SKB);
const CGROUP_SOCK: u64 = bit(ProgType::CGROUP_SOCK);
const LWT_IN: u64 = bit(ProgType::LWT_IN);
const LWT_XMIT: u64 = bit(ProgType::LWT_XMIT);
const SOCK_OPS: u64 = bit(ProgType::SOCK_OPS);
const SK_SKB: u64 = bit(ProgType::SK_SKB);
const SK_MSG: u64 = bit(ProgType::SK_MSG);
const SOCK_ADDR: u64 = bit(ProgType::CGROUP_SOCK_ADDR);
const LWT_SEG6: u64 = bit(ProgType::LWT_SEG6LOCAL);
const LIRC: u64 = bit(ProgType::LIRC_MODE2);
const REUSEPORT: u64 = bit(ProgType::SK_REUSEPORT);
const DISSECTOR: u64 = bit(ProgType::FLOW_DISSECTOR);
const SYSCTL: u64 = bit(ProgType::CGROUP_SYSCTL);
const SOCKOPT: u64 = bit(ProgType::CGROUP_SOCKOPT);
const DEVICE: u64 = bit(ProgType::CGROUP_DEVICE);
const TRACING: u64 = bit(ProgType::TRACING);
const STRUCT_OPS: u64 = bit(ProgType::STRUCT_OPS);
const LSM: u64 = bit(ProgType::LSM);
const SK_LOOKUP: u64 = bit(ProgType::SK_LOOKUP);
const SYSCALL: u64 = bit(ProgType::SYSCALL);
const NETFILTER: u64 = bit(ProgType::NETFILTER);
const TC: u64 = bit(ProgType::SCHED_CLS) | bit(ProgType::SCHED_ACT);
const LWT: u64 = LWT_IN | bit(ProgType::LWT_OUT) | LWT_XMIT | LWT_SEG6;
const CGROUP: u64 = CGROUP_SOCK | SOCK_ADDR | SYSCTL | SOCKOPT | DEVICE;
const TYPED: u64 = TRACING | LSM;
const PROBES: u64 = KPROBE
    | PERF_EVENT
    | bit(ProgType::TRACEPOINT)
    | bit(ProgType::RAW_TRACEPOINT)
    | bit(ProgType::RAW_TRACEPOINT_WRITABLE);

numbers! {
    /// A helper (`enum bpf_func_id`); unknown numbers are kept.
    HelperId, HelperRow, HELPERS, helpers, "helper", "bpf_func_", &[];

    UNSPEC = 0 "bpf_unspec" v(3, 18), "No helper: the zero of the numbering.",
        c: "void bpf_unspec(void)",
        args: &[], ret: Ret::Void, gpl: false, progs: Progs(NONE);
    MAP_LOOKUP_ELEM = 1 "bpf_map_lookup_elem" v(3, 19), "Finds the value of a key in a map.",
        c: "void *bpf_map_lookup_elem(struct bpf_map *map, const void *key)",
        args: &[Map, Key], ret: Ret::ValueOrNull, gpl: false, progs: Progs(ALL);
    MAP_UPDATE_ELEM = 2 "bpf_map_update_elem" v(3, 19), "Writes the value of a key, adding the key where the flags let it.",
        c: "long bpf_map_update_elem(struct bpf_map *map, const void *key, const void *value, u64 flags)",
        args: &[Map, Key, Value, Num], ret: Ret::Num, gpl: false, progs: Progs(ALL);
    MAP_DELETE_ELEM = 3 "bpf_map_delete_elem" v(3, 19), "Removes a key from a map.",
        c: "long bpf_map_delete_elem(struct bpf_map *map, const void *key)",
        args: &[Map, Key], ret: Ret::Num, gpl: false, progs: Progs(ALL);
    PROBE_READ = 4 "bpf_probe_read" v(4, 1), "Copies memory from an address that may be bad, kernel's or user's; superseded by the two that say which.",
        c: "long bpf_probe_read(void *dst, u32 size, const void *unsafe_ptr)",
        args: &[MemOut, SizeOrZero, Num], ret: Ret::Num, gpl: true, progs: Progs(PROBES | TYPED | SYSCALL);
    KTIME_GET_NS = 5 "bpf_ktime_get_ns" v(4, 1), "Gives the nanoseconds since boot, without time spent suspended.",
        c: "u64 bpf_ktime_get_ns(void)",
        args: &[], ret: Ret::Num, gpl: false, progs: Progs(ALL);
    TRACE_PRINTK = 6 "bpf_trace_printk" v(4, 1), "Prints up to three numbers by a format to the trace pipe.",
        c: "long bpf_trace_printk(const char *fmt, u32 fmt_size, ...)",
        args: &[Mem, Size], ret: Ret::Num, gpl: true, progs: Progs(ALL);
    GET_PRANDOM_U32 = 7 "bpf_get_prandom_u32" v(4, 1), "Gives a pseudo-random 32-bit number.",
        c: "u32 bpf_get_prandom_u32(void)",
        args: &[], ret: Ret::Num, gpl: false, progs: Progs(ALL);
    GET_SMP_PROCESSOR_ID = 8 "bpf_get_smp_processor_id" v(4, 1), "Gives the number of the CPU that the program runs on.",
        c: "u32 bpf_get_smp_processor_id(void)",
        args: &[], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    SKB_STORE_BYTES = 9 "bpf_skb_store_bytes" v(4, 1), "Writes bytes into a packet and mends the checksum where the flags ask for it.",
        c: "long bpf_skb_store_bytes(struct __sk_buff *skb, u32 offset, const void *from, u32 len, u64 flags)",
        args: &[Ctx, Num, Mem, Size, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | LWT_XMIT | SK_SKB);
    L3_CSUM_REPLACE = 10 "bpf_l3_csum_replace" v(4, 1), "Mends the IP checksum of a packet for a field that changed.",
        c: "long bpf_l3_csum_replace(struct __sk_buff *skb, u32 offset, u64 from, u64 to, u64 size)",
        args: &[Ctx, Num, Num, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | LWT_XMIT);
    L4_CSUM_REPLACE = 11 "bpf_l4_csum_replace" v(4, 1), "Mends the TCP, UDP or ICMP checksum of a packet for a field that changed.",
        c: "long bpf_l4_csum_replace(struct __sk_buff *skb, u32 offset, u64 from, u64 to, u64 flags)",
        args: &[Ctx, Num, Num, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | LWT_XMIT);
    TAIL_CALL = 12 "bpf_tail_call" v(4, 2), "Goes on in another program of a prog_array and does not come back, unless the slot is empty.",
        c: "long bpf_tail_call(void *ctx, struct bpf_map *prog_array_map, u32 index)",
        args: &[Ctx, Map, Num], ret: Ret::Void, gpl: false, progs: Progs(ALL);
    CLONE_REDIRECT = 13 "bpf_clone_redirect" v(4, 2), "Sends a copy of the packet to another device.",
        c: "long bpf_clone_redirect(struct __sk_buff *skb, u32 ifindex, u64 flags)",
        args: &[Ctx, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | LWT_XMIT);
    GET_CURRENT_PID_TGID = 14 "bpf_get_current_pid_tgid" v(4, 2), "Gives the thread group id in the upper and the thread id in the lower half.",
        c: "u64 bpf_get_current_pid_tgid(void)",
        args: &[], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    GET_CURRENT_UID_GID = 15 "bpf_get_current_uid_gid" v(4, 2), "Gives the group id in the upper and the user id in the lower half.",
        c: "u64 bpf_get_current_uid_gid(void)",
        args: &[], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    GET_CURRENT_COMM = 16 "bpf_get_current_comm" v(4, 2), "Copies the command name of the current task.",
        c: "long bpf_get_current_comm(void *buf, u32 size_of_buf)",
        args: &[MemOut, Size], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    GET_CGROUP_CLASSID = 17 "bpf_get_cgroup_classid" v(4, 3), "Gives the net_cls class of the current task.",
        c: "u32 bpf_get_cgroup_classid(struct __sk_buff *skb)",
        args: &[Ctx], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    SKB_VLAN_PUSH = 18 "bpf_skb_vlan_push" v(4, 3), "Adds a VLAN tag to a packet.",
        c: "long bpf_skb_vlan_push(struct __sk_buff *skb, be16 vlan_proto, u16 vlan_tci)",
        args: &[Ctx, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(TC);
    SKB_VLAN_POP = 19 "bpf_skb_vlan_pop" v(4, 3), "Takes the outer VLAN tag off a packet.",
        c: "long bpf_skb_vlan_pop(struct __sk_buff *skb)",
        args: &[Ctx], ret: Ret::Num, gpl: false, progs: Progs(TC);
    SKB_GET_TUNNEL_KEY = 20 "bpf_skb_get_tunnel_key" v(4, 3), "Reads the tunnel metadata of a packet.",
        c: "long bpf_skb_get_tunnel_key(struct __sk_buff *skb, struct bpf_tunnel_key *key, u32 size, u64 flags)",
        args: &[Ctx, MemOut, Size, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | LWT_XMIT);
    SKB_SET_TUNNEL_KEY = 21 "bpf_skb_set_tunnel_key" v(4, 3), "Writes the tunnel metadata of a packet.",
        c: "long bpf_skb_set_tunnel_key(struct __sk_buff *skb, struct bpf_tunnel_key *key, u32 size, u64 flags)",
        args: &[Ctx, Mem, Size, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | LWT_XMIT);
    PERF_EVENT_READ = 22 "bpf_perf_event_read" v(4, 3), "Reads a perf counter; its errors can't be told from counts.",
        c: "u64 bpf_perf_event_read(struct bpf_map *map, u64 flags)",
        args: &[Map, Num], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    REDIRECT = 23 "bpf_redirect" v(4, 4), "Sends the packet to another device, if its result is returned.",
        c: "long bpf_redirect(u32 ifindex, u64 flags)",
        args: &[Num, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | XDP | LWT_XMIT);
    GET_ROUTE_REALM = 24 "bpf_get_route_realm" v(4, 4), "Gives the routing realm of the packet's destination.",
        c: "u32 bpf_get_route_realm(struct __sk_buff *skb)",
        args: &[Ctx], ret: Ret::Num, gpl: false, progs: Progs(LWT | TC);
    PERF_EVENT_OUTPUT = 25 "bpf_perf_event_output" v(4, 4), "Sends a record to a perf ring of a perf_event_array, with packet bytes behind it if the flags say so.",
        c: "long bpf_perf_event_output(void *ctx, struct bpf_map *map, u64 flags, void *data, u64 size)",
        args: &[Ctx, Map, Num, Mem, SizeOrZero], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC & !REUSEPORT & !DISSECTOR & !NETFILTER);
    SKB_LOAD_BYTES = 26 "bpf_skb_load_bytes" v(4, 5), "Copies bytes out of a packet, wherever they lie.",
        c: "long bpf_skb_load_bytes(const void *skb, u32 offset, void *to, u32 len)",
        args: &[Ctx, Num, MemOut, Size], ret: Ret::Num, gpl: false, progs: Progs(LWT | TC | SOCKET | CGROUP_SKB | SK_SKB | REUSEPORT | DISSECTOR);
    GET_STACKID = 27 "bpf_get_stackid" v(4, 6), "Walks the stack and gives the id under which a stack_trace map holds it.",
        c: "long bpf_get_stackid(void *ctx, struct bpf_map *map, u64 flags)",
        args: &[Ctx, Map, Num], ret: Ret::Num, gpl: true, progs: Progs(PROBES | TYPED | SYSCALL);
    CSUM_DIFF = 28 "bpf_csum_diff" v(4, 6), "Computes the difference that a change of bytes makes to a checksum.",
        c: "s64 bpf_csum_diff(be32 *from, u32 from_size, be32 *to, u32 to_size, __wsum seed)",
        args: &[MemOrNull, SizeOrZero, MemOrNull, SizeOrZero, Num], ret: Ret::Num, gpl: false, progs: Progs(LWT | TC | XDP);
    SKB_GET_TUNNEL_OPT = 29 "bpf_skb_get_tunnel_opt" v(4, 6), "Reads the tunnel options of a packet.",
        c: "long bpf_skb_get_tunnel_opt(struct __sk_buff *skb, void *opt, u32 size)",
        args: &[Ctx, MemOut, Size], ret: Ret::Num, gpl: false, progs: Progs(TC | LWT_XMIT);
    SKB_SET_TUNNEL_OPT = 30 "bpf_skb_set_tunnel_opt" v(4, 6), "Writes the tunnel options of a packet.",
        c: "long bpf_skb_set_tunnel_opt(struct __sk_buff *skb, void *opt, u32 size)",
        args: &[Ctx, Mem, Size], ret: Ret::Num, gpl: false, progs: Progs(TC | LWT_XMIT);
    SKB_CHANGE_PROTO = 31 "bpf_skb_change_proto" v(4, 8), "Turns an IPv4 packet into an IPv6 packet or back, as far as its metadata goes.",
        c: "long bpf_skb_change_proto(struct __sk_buff *skb, be16 proto, u64 flags)",
        args: &[Ctx, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(TC);
    SKB_CHANGE_TYPE = 32 "bpf_skb_change_type" v(4, 8), "Changes whether a packet counts as for this host, broadcast, multicast or another host's.",
        c: "long bpf_skb_change_type(struct __sk_buff *skb, u32 type)",
        args: &[Ctx, Num], ret: Ret::Num, gpl: false, progs: Progs(TC);
    SKB_UNDER_CGROUP = 33 "bpf_skb_under_cgroup" v(4, 8), "Says whether the packet's socket is under a cgroup of a cgroup_array.",
        c: "long bpf_skb_under_cgroup(struct __sk_buff *skb, struct bpf_map *map, u32 index)",
        args: &[Ctx, Map, Num], ret: Ret::Num, gpl: false, progs: Progs(LWT | TC);
    GET_HASH_RECALC = 34 "bpf_get_hash_recalc" v(4, 8), "Gives the packet's flow hash, computing it where it is missing.",
        c: "u32 bpf_get_hash_recalc(struct __sk_buff *skb)",
        args: &[Ctx], ret: Ret::Num, gpl: false, progs: Progs(LWT | TC);
    GET_CURRENT_TASK = 35 "bpf_get_current_task" v(4, 8), "Gives the address of the current task as a number.",
        c: "u64 bpf_get_current_task(void)",
        args: &[], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    PROBE_WRITE_USER = 36 "bpf_probe_write_user" v(4, 8), "Writes into the memory of the current task, for experiments.",
        c: "long bpf_probe_write_user(void *dst, const void *src, u32 len)",
        args: &[Num, Mem, Size], ret: Ret::Num, gpl: true, progs: Progs(PROBES | TYPED | SYSCALL);
    CURRENT_TASK_UNDER_CGROUP = 37 "bpf_current_task_under_cgroup" v(4, 9), "Says whether the current task is under a cgroup of a cgroup_array.",
        c: "long bpf_current_task_under_cgroup(struct bpf_map *map, u32 index)",
        args: &[Map, Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    SKB_CHANGE_TAIL = 38 "bpf_skb_change_tail" v(4, 9), "Sets the length of a packet, at its end.",
        c: "long bpf_skb_change_tail(struct __sk_buff *skb, u32 len, u64 flags)",
        args: &[Ctx, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | LWT_XMIT | SK_SKB);
    SKB_PULL_DATA = 39 "bpf_skb_pull_data" v(4, 9), "Makes bytes of a packet linear, so that data and data_end reach them.",
        c: "long bpf_skb_pull_data(struct __sk_buff *skb, u32 len)",
        args: &[Ctx, Num], ret: Ret::Num, gpl: false, progs: Progs(LWT | TC | SK_SKB);
    CSUM_UPDATE = 40 "bpf_csum_update" v(4, 9), "Adds to the checksum of a packet that the device computed.",
        c: "s64 bpf_csum_update(struct __sk_buff *skb, __wsum csum)",
        args: &[Ctx, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | LWT_XMIT);
    SET_HASH_INVALID = 41 "bpf_set_hash_invalid" v(4, 9), "Marks the flow hash of a packet as stale.",
        c: "void bpf_set_hash_invalid(struct __sk_buff *skb)",
        args: &[Ctx], ret: Ret::Void, gpl: false, progs: Progs(TC | LWT_XMIT);
    GET_NUMA_NODE_ID = 42 "bpf_get_numa_node_id" v(4, 10), "Gives the number of the NUMA node that the program runs on.",
        c: "long bpf_get_numa_node_id(void)",
        args: &[], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    SKB_CHANGE_HEAD = 43 "bpf_skb_change_head" v(4, 10), "Adds room at the front of a packet, for a link-layer header.",
        c: "long bpf_skb_change_head(struct __sk_buff *skb, u32 len, u64 flags)",
        args: &[Ctx, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | LWT_XMIT | SK_SKB);
    XDP_ADJUST_HEAD = 44 "bpf_xdp_adjust_head" v(4, 10), "Moves the start of the packet.",
        c: "long bpf_xdp_adjust_head(struct xdp_md *xdp_md, int delta)",
        args: &[Ctx, Num], ret: Ret::Num, gpl: false, progs: Progs(XDP);
    PROBE_READ_STR = 45 "bpf_probe_read_str" v(4, 11), "Copies a string from an address that may be bad, kernel's or user's; superseded by the two that say which.",
        c: "long bpf_probe_read_str(void *dst, u32 size, const void *unsafe_ptr)",
        args: &[MemOut, SizeOrZero, Num], ret: Ret::Num, gpl: true, progs: Progs(PROBES | TYPED | SYSCALL);
    GET_SOCKET_COOKIE = 46 "bpf_get_socket_cookie" v(4, 12), "Gives a number that is unique to the socket.",
        c: "u64 bpf_get_socket_cookie(void *ctx)",
        args: &[Ctx], ret: Ret::Num, gpl: false, progs: Progs(TYPED | TC | SOCKET | CGROUP_SKB | CGROUP_SOCK | SOCK_OPS | SK_SKB | SOCK_ADDR | REUSEPORT | SYSCALL);
    GET_SOCKET_UID = 47 "bpf_get_socket_uid" v(4, 12), "Gives the user id that owns the packet's socket.",
        c: "u32 bpf_get_socket_uid(struct __sk_buff *skb)",
        args: &[Ctx], ret: Ret::Num, gpl: false, progs: Progs(TC | SOCKET | CGROUP_SKB | SK_SKB);
    SET_HASH = 48 "bpf_set_hash" v(4, 13), "Sets the flow hash of a packet.",
        c: "long bpf_set_hash(struct __sk_buff *skb, u32 hash)",
        args: &[Ctx, Num], ret: Ret::Num, gpl: false, progs: Progs(TC);
    SETSOCKOPT = 49 "bpf_setsockopt" v(4, 13), "Sets an option of the socket.",
        c: "long bpf_setsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
        args: &[Ctx, Num, Num, Mem, Size], ret: Ret::Num, gpl: false, progs: Progs(SOCK_OPS | SOCK_ADDR | SOCKOPT | STRUCT_OPS | LSM);
    SKB_ADJUST_ROOM = 50 "bpf_skb_adjust_room" v(4, 13), "Grows or shrinks a packet after its link or network header, for tunnels.",
        c: "long bpf_skb_adjust_room(struct __sk_buff *skb, s32 len_diff, u32 mode, u64 flags)",
        args: &[Ctx, Num, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | SK_SKB);
    REDIRECT_MAP = 51 "bpf_redirect_map" v(4, 14), "Sends the packet to the device, CPU or AF_XDP socket that a map holds, if its result is returned.",
        c: "long bpf_redirect_map(struct bpf_map *map, u64 key, u64 flags)",
        args: &[Map, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(XDP);
    SK_REDIRECT_MAP = 52 "bpf_sk_redirect_map" v(4, 14), "Sends the packet to a socket of a sockmap, if its result is returned.",
        c: "long bpf_sk_redirect_map(struct __sk_buff *skb, struct bpf_map *map, u32 key, u64 flags)",
        args: &[Ctx, Map, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(SK_SKB);
    SOCK_MAP_UPDATE = 53 "bpf_sock_map_update" v(4, 14), "Puts the connection's socket into a sockmap.",
        c: "long bpf_sock_map_update(struct bpf_sock_ops *skops, struct bpf_map *map, void *key, u64 flags)",
        args: &[Ctx, Map, Key, Num], ret: Ret::Num, gpl: false, progs: Progs(SOCK_OPS);
    XDP_ADJUST_META = 54 "bpf_xdp_adjust_meta" v(4, 15), "Moves the start of the metadata in front of the packet.",
        c: "long bpf_xdp_adjust_meta(struct xdp_md *xdp_md, int delta)",
        args: &[Ctx, Num], ret: Ret::Num, gpl: false, progs: Progs(XDP);
    PERF_EVENT_READ_VALUE = 55 "bpf_perf_event_read_value" v(4, 15), "Reads a perf counter with the times it was enabled and running.",
        c: "long bpf_perf_event_read_value(struct bpf_map *map, u64 flags, struct bpf_perf_event_value *buf, u32 buf_size)",
        args: &[Map, Num, MemOut, Size], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    PERF_PROG_READ_VALUE = 56 "bpf_perf_prog_read_value" v(4, 15), "Reads the counter of the perf event that the program is attached to.",
        c: "long bpf_perf_prog_read_value(struct bpf_perf_event_data *ctx, struct bpf_perf_event_value *buf, u32 buf_size)",
        args: &[Ctx, MemOut, Size], ret: Ret::Num, gpl: true, progs: Progs(PERF_EVENT);
    GETSOCKOPT = 57 "bpf_getsockopt" v(4, 15), "Reads an option of the socket.",
        c: "long bpf_getsockopt(void *bpf_socket, int level, int optname, void *optval, int optlen)",
        args: &[Ctx, Num, Num, MemOut, Size], ret: Ret::Num, gpl: false, progs: Progs(SOCK_OPS | SOCK_ADDR | SOCKOPT | STRUCT_OPS | LSM);
    OVERRIDE_RETURN = 58 "bpf_override_return" v(4, 16), "Makes the probed function return at once with a value, for error injection.",
        c: "long bpf_override_return(struct pt_regs *regs, u64 rc)",
        args: &[Ctx, Num], ret: Ret::Num, gpl: true, progs: Progs(KPROBE);
    SOCK_OPS_CB_FLAGS_SET = 59 "bpf_sock_ops_cb_flags_set" v(4, 16), "Chooses the events for which the connection calls the program.",
        c: "long bpf_sock_ops_cb_flags_set(struct bpf_sock_ops *bpf_sock, int argval)",
        args: &[Ctx, Num], ret: Ret::Num, gpl: false, progs: Progs(SOCK_OPS);
    MSG_REDIRECT_MAP = 60 "bpf_msg_redirect_map" v(4, 17), "Sends the message to a socket of a sockmap, if its result is returned.",
        c: "long bpf_msg_redirect_map(struct sk_msg_md *msg, struct bpf_map *map, u32 key, u64 flags)",
        args: &[Ctx, Map, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(SK_MSG);
    MSG_APPLY_BYTES = 61 "bpf_msg_apply_bytes" v(4, 17), "Applies the verdict to the next so many bytes.",
        c: "long bpf_msg_apply_bytes(struct sk_msg_md *msg, u32 bytes)",
        args: &[Ctx, Num], ret: Ret::Num, gpl: false, progs: Progs(SK_MSG);
    MSG_CORK_BYTES = 62 "bpf_msg_cork_bytes" v(4, 17), "Holds the verdict back until so many bytes have come.",
        c: "long bpf_msg_cork_bytes(struct sk_msg_md *msg, u32 bytes)",
        args: &[Ctx, Num], ret: Ret::Num, gpl: false, progs: Progs(SK_MSG);
    MSG_PULL_DATA = 63 "bpf_msg_pull_data" v(4, 17), "Makes bytes of a message linear, so that data and data_end reach them.",
        c: "long bpf_msg_pull_data(struct sk_msg_md *msg, u32 start, u32 end, u64 flags)",
        args: &[Ctx, Num, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(SK_MSG);
    BIND = 64 "bpf_bind" v(4, 17), "Binds the socket to a local address before it connects.",
        c: "long bpf_bind(struct bpf_sock_addr *ctx, struct sockaddr *addr, int addr_len)",
        args: &[Ctx, Mem, Size], ret: Ret::Num, gpl: false, progs: Progs(SOCK_ADDR);
    XDP_ADJUST_TAIL = 65 "bpf_xdp_adjust_tail" v(4, 18), "Moves the end of the packet.",
        c: "long bpf_xdp_adjust_tail(struct xdp_md *xdp_md, int delta)",
        args: &[Ctx, Num], ret: Ret::Num, gpl: false, progs: Progs(XDP);
    SKB_GET_XFRM_STATE = 66 "bpf_skb_get_xfrm_state" v(4, 18), "Reads an IPsec state of the packet.",
        c: "long bpf_skb_get_xfrm_state(struct __sk_buff *skb, u32 index, struct bpf_xfrm_state *xfrm_state, u32 size, u64 flags)",
        args: &[Ctx, Num, MemOut, Size, Num], ret: Ret::Num, gpl: false, progs: Progs(TC);
    GET_STACK = 67 "bpf_get_stack" v(4, 18), "Copies the user or kernel stack trace into memory.",
        c: "long bpf_get_stack(void *ctx, void *buf, u32 size, u64 flags)",
        args: &[Ctx, MemOut, SizeOrZero, Num], ret: Ret::Num, gpl: true, progs: Progs(PROBES | TYPED | SYSCALL);
    SKB_LOAD_BYTES_RELATIVE = 68 "bpf_skb_load_bytes_relative" v(4, 18), "Copies bytes out of a packet, counted from its link or network header.",
        c: "long bpf_skb_load_bytes_relative(const void *skb, u32 offset, void *to, u32 len, u32 start_header)",
        args: &[Ctx, Num, MemOut, Size, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | SOCKET | CGROUP_SKB | REUSEPORT);
    FIB_LOOKUP = 69 "bpf_fib_lookup" v(4, 18), "Asks the routing table, and the neighbour table, where a packet would go.",
        c: "long bpf_fib_lookup(void *ctx, struct bpf_fib_lookup *params, int plen, u32 flags)",
        args: &[Ctx, Mem, Size, Num], ret: Ret::Num, gpl: true, progs: Progs(TC | XDP);
    SOCK_HASH_UPDATE = 70 "bpf_sock_hash_update" v(4, 18), "Puts the connection's socket into a sockhash.",
        c: "long bpf_sock_hash_update(struct bpf_sock_ops *skops, struct bpf_map *map, void *key, u64 flags)",
        args: &[Ctx, Map, Key, Num], ret: Ret::Num, gpl: false, progs: Progs(SOCK_OPS);
    MSG_REDIRECT_HASH = 71 "bpf_msg_redirect_hash" v(4, 18), "Sends the message to a socket of a sockhash, if its result is returned.",
        c: "long bpf_msg_redirect_hash(struct sk_msg_md *msg, struct bpf_map *map, void *key, u64 flags)",
        args: &[Ctx, Map, Key, Num], ret: Ret::Num, gpl: false, progs: Progs(SK_MSG);
    SK_REDIRECT_HASH = 72 "bpf_sk_redirect_hash" v(4, 18), "Sends the packet to a socket of a sockhash, if its result is returned.",
        c: "long bpf_sk_redirect_hash(struct __sk_buff *skb, struct bpf_map *map, void *key, u64 flags)",
        args: &[Ctx, Map, Key, Num], ret: Ret::Num, gpl: false, progs: Progs(SK_SKB);
    LWT_PUSH_ENCAP = 73 "bpf_lwt_push_encap" v(4, 18), "Puts an outer header in front of the packet.",
        c: "long bpf_lwt_push_encap(struct __sk_buff *skb, u32 type, void *hdr, u32 len)",
        args: &[Ctx, Num, Mem, Size], ret: Ret::Num, gpl: false, progs: Progs(LWT_IN | LWT_XMIT);
    LWT_SEG6_STORE_BYTES = 74 "bpf_lwt_seg6_store_bytes" v(4, 18), "Writes into the parts of a segment routing header that may change.",
        c: "long bpf_lwt_seg6_store_bytes(struct __sk_buff *skb, u32 offset, const void *from, u32 len)",
        args: &[Ctx, Num, Mem, Size], ret: Ret::Num, gpl: false, progs: Progs(LWT_SEG6);
    LWT_SEG6_ADJUST_SRH = 75 "bpf_lwt_seg6_adjust_srh" v(4, 18), "Grows or shrinks the TLVs of a segment routing header.",
        c: "long bpf_lwt_seg6_adjust_srh(struct __sk_buff *skb, u32 offset, s32 delta)",
        args: &[Ctx, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(LWT_SEG6);
    LWT_SEG6_ACTION = 76 "bpf_lwt_seg6_action" v(4, 18), "Applies a segment routing action to the packet.",
        c: "long bpf_lwt_seg6_action(struct __sk_buff *skb, u32 action, void *param, u32 param_len)",
        args: &[Ctx, Num, Mem, Size], ret: Ret::Num, gpl: false, progs: Progs(LWT_SEG6);
    RC_REPEAT = 77 "bpf_rc_repeat" v(4, 18), "Reports that the remote control's last key repeats.",
        c: "long bpf_rc_repeat(void *ctx)",
        args: &[Ctx], ret: Ret::Num, gpl: true, progs: Progs(LIRC);
    RC_KEYDOWN = 78 "bpf_rc_keydown" v(4, 18), "Reports a key of a remote control.",
        c: "long bpf_rc_keydown(void *ctx, u32 protocol, u64 scancode, u32 toggle)",
        args: &[Ctx, Num, Num, Num], ret: Ret::Num, gpl: true, progs: Progs(LIRC);
    SKB_CGROUP_ID = 79 "bpf_skb_cgroup_id" v(4, 18), "Gives the id of the cgroup of the packet's socket.",
        c: "u64 bpf_skb_cgroup_id(struct __sk_buff *skb)",
        args: &[Ctx], ret: Ret::Num, gpl: false, progs: Progs(TC | CGROUP_SKB);
    GET_CURRENT_CGROUP_ID = 80 "bpf_get_current_cgroup_id" v(4, 18), "Gives the id of the current task's cgroup.",
        c: "u64 bpf_get_current_cgroup_id(void)",
        args: &[], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    GET_LOCAL_STORAGE = 81 "bpf_get_local_storage" v(4, 19), "Gives the memory that a cgroup_storage map holds for this attachment.",
        c: "void *bpf_get_local_storage(struct bpf_map *map, u64 flags)",
        args: &[Map, Num], ret: Ret::Value, gpl: false, progs: Progs(CGROUP | CGROUP_SKB | SOCK_OPS | LSM);
    SK_SELECT_REUSEPORT = 82 "bpf_sk_select_reuseport" v(4, 19), "Chooses a socket of a reuseport_sockarray, sockmap or sockhash.",
        c: "long bpf_sk_select_reuseport(struct sk_reuseport_md *reuse, struct bpf_map *map, void *key, u64 flags)",
        args: &[Ctx, Map, Key, Num], ret: Ret::Num, gpl: false, progs: Progs(REUSEPORT);
    SKB_ANCESTOR_CGROUP_ID = 83 "bpf_skb_ancestor_cgroup_id" v(4, 19), "Gives the id of an ancestor of the cgroup of the packet's socket.",
        c: "u64 bpf_skb_ancestor_cgroup_id(struct __sk_buff *skb, int ancestor_level)",
        args: &[Ctx, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | CGROUP_SKB);
    SK_LOOKUP_TCP = 84 "bpf_sk_lookup_tcp" v(4, 20), "Finds a TCP socket by addresses and ports; it must be released.",
        c: "struct bpf_sock *bpf_sk_lookup_tcp(void *ctx, struct bpf_sock_tuple *tuple, u32 tuple_size, u64 netns, u64 flags)",
        args: &[Ctx, Mem, SizeOrZero, Num, Num], ret: Ret::SockOrNull, gpl: false, progs: Progs(TC | XDP | CGROUP_SKB | SK_SKB | SOCK_ADDR);
    SK_LOOKUP_UDP = 85 "bpf_sk_lookup_udp" v(4, 20), "Finds a UDP socket by addresses and ports; it must be released.",
        c: "struct bpf_sock *bpf_sk_lookup_udp(void *ctx, struct bpf_sock_tuple *tuple, u32 tuple_size, u64 netns, u64 flags)",
        args: &[Ctx, Mem, SizeOrZero, Num, Num], ret: Ret::SockOrNull, gpl: false, progs: Progs(TC | XDP | CGROUP_SKB | SK_SKB | SOCK_ADDR);
    SK_RELEASE = 86 "bpf_sk_release" v(4, 20), "Releases a socket that a lookup gave.",
        c: "long bpf_sk_release(void *sock)",
        args: &[SockCommon], ret: Ret::Num, gpl: false, progs: Progs(TC | XDP | CGROUP_SKB | SK_SKB | SOCK_ADDR | SK_LOOKUP);
    MAP_PUSH_ELEM = 87 "bpf_map_push_elem" v(4, 20), "Adds a value to a queue, stack or bloom filter.",
        c: "long bpf_map_push_elem(struct bpf_map *map, const void *value, u64 flags)",
        args: &[Map, Value, Num], ret: Ret::Num, gpl: false, progs: Progs(ALL);
    MAP_POP_ELEM = 88 "bpf_map_pop_elem" v(4, 20), "Takes a value off a queue or stack.",
        c: "long bpf_map_pop_elem(struct bpf_map *map, void *value)",
        args: &[Map, ValueOut], ret: Ret::Num, gpl: false, progs: Progs(ALL);
    MAP_PEEK_ELEM = 89 "bpf_map_peek_elem" v(4, 20), "Reads the next value of a queue or stack; asks a bloom filter for a value.",
        c: "long bpf_map_peek_elem(struct bpf_map *map, void *value)",
        args: &[Map, ValueOut], ret: Ret::Num, gpl: false, progs: Progs(ALL);
    MSG_PUSH_DATA = 90 "bpf_msg_push_data" v(4, 20), "Makes room in a message.",
        c: "long bpf_msg_push_data(struct sk_msg_md *msg, u32 start, u32 len, u64 flags)",
        args: &[Ctx, Num, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(SK_MSG);
    MSG_POP_DATA = 91 "bpf_msg_pop_data" v(5, 0), "Cuts bytes out of a message.",
        c: "long bpf_msg_pop_data(struct sk_msg_md *msg, u32 start, u32 len, u64 flags)",
        args: &[Ctx, Num, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(SK_MSG);
    RC_POINTER_REL = 92 "bpf_rc_pointer_rel" v(5, 0), "Reports a movement of a pointing remote control.",
        c: "long bpf_rc_pointer_rel(void *ctx, s32 rel_x, s32 rel_y)",
        args: &[Ctx, Num, Num], ret: Ret::Num, gpl: true, progs: Progs(LIRC);
    SPIN_LOCK = 93 "bpf_spin_lock" v(5, 1), "Takes the lock in a map value.",
        c: "long bpf_spin_lock(struct bpf_spin_lock *lock)",
        args: &[SpinLock], ret: Ret::Void, gpl: false, progs: Progs(ALL & !LIRC);
    SPIN_UNLOCK = 94 "bpf_spin_unlock" v(5, 1), "Gives back the lock in a map value.",
        c: "long bpf_spin_unlock(struct bpf_spin_lock *lock)",
        args: &[SpinLock], ret: Ret::Void, gpl: false, progs: Progs(ALL & !LIRC);
    SK_FULLSOCK = 95 "bpf_sk_fullsock" v(5, 1), "Gives the full socket of a socket, if it has one.",
        c: "struct bpf_sock *bpf_sk_fullsock(struct bpf_sock *sk)",
        args: &[SockCommon], ret: Ret::SockOrNull, gpl: false, progs: Progs(TC | CGROUP_SKB);
    TCP_SOCK = 96 "bpf_tcp_sock" v(5, 1), "Gives the TCP view of a socket, if it is one.",
        c: "struct bpf_tcp_sock *bpf_tcp_sock(struct bpf_sock *sk)",
        args: &[SockCommon], ret: Ret::TcpSockOrNull, gpl: false, progs: Progs(TC | CGROUP_SKB | SOCK_OPS | SOCKOPT);
    SKB_ECN_SET_CE = 97 "bpf_skb_ecn_set_ce" v(5, 1), "Marks the packet as having met congestion, if it is ECN-capable.",
        c: "long bpf_skb_ecn_set_ce(struct __sk_buff *skb)",
        args: &[Ctx], ret: Ret::Num, gpl: false, progs: Progs(TC | CGROUP_SKB);
    GET_LISTENER_SOCK = 98 "bpf_get_listener_sock" v(5, 1), "Gives the listening socket that a socket came from, if there is one.",
        c: "struct bpf_sock *bpf_get_listener_sock(struct bpf_sock *sk)",
        args: &[SockCommon], ret: Ret::SockOrNull, gpl: false, progs: Progs(TC | CGROUP_SKB);
    SKC_LOOKUP_TCP = 99 "bpf_skc_lookup_tcp" v(5, 2), "Finds a TCP socket of any state by addresses and ports; it must be released.",
        c: "struct bpf_sock *bpf_skc_lookup_tcp(void *ctx, struct bpf_sock_tuple *tuple, u32 tuple_size, u64 netns, u64 flags)",
        args: &[Ctx, Mem, SizeOrZero, Num, Num], ret: Ret::SockCommonOrNull, gpl: false, progs: Progs(TC | XDP | CGROUP_SKB | SK_SKB | SOCK_ADDR);
    TCP_CHECK_SYNCOOKIE = 100 "bpf_tcp_check_syncookie" v(5, 2), "Says whether a packet carries a valid SYN cookie for a listening socket.",
        c: "long bpf_tcp_check_syncookie(void *sk, void *iph, u32 iph_len, struct tcphdr *th, u32 th_len)",
        args: &[SockCommon, Mem, Size, Mem, Size], ret: Ret::Num, gpl: true, progs: Progs(TC | XDP);
    SYSCTL_GET_NAME = 101 "bpf_sysctl_get_name" v(5, 2), "Copies the name of the sysctl.",
        c: "long bpf_sysctl_get_name(struct bpf_sysctl *ctx, char *buf, unsigned long buf_len, u64 flags)",
        args: &[Ctx, MemOut, Size, Num], ret: Ret::Num, gpl: false, progs: Progs(SYSCTL);
    SYSCTL_GET_CURRENT_VALUE = 102 "bpf_sysctl_get_current_value" v(5, 2), "Copies the value that the sysctl has.",
        c: "long bpf_sysctl_get_current_value(struct bpf_sysctl *ctx, char *buf, unsigned long buf_len)",
        args: &[Ctx, MemOut, Size], ret: Ret::Num, gpl: false, progs: Progs(SYSCTL);
    SYSCTL_GET_NEW_VALUE = 103 "bpf_sysctl_get_new_value" v(5, 2), "Copies the value that is being written to the sysctl.",
        c: "long bpf_sysctl_get_new_value(struct bpf_sysctl *ctx, char *buf, unsigned long buf_len)",
        args: &[Ctx, MemOut, Size], ret: Ret::Num, gpl: false, progs: Progs(SYSCTL);
    SYSCTL_SET_NEW_VALUE = 104 "bpf_sysctl_set_new_value" v(5, 2), "Replaces the value that is being written to the sysctl.",
        c: "long bpf_sysctl_set_new_value(struct bpf_sysctl *ctx, const char *buf, unsigned long buf_len)",
        args: &[Ctx, Mem, Size], ret: Ret::Num, gpl: false, progs: Progs(SYSCTL);
    STRTOL = 105 "bpf_strtol" v(5, 2), "Reads a signed number from text.",
        c: "long bpf_strtol(const char *buf, unsigned long buf_len, u64 flags, long *res)",
        args: &[Mem, Size, Num, FixedOut(8)], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    STRTOUL = 106 "bpf_strtoul" v(5, 2), "Reads an unsigned number from text.",
        c: "long bpf_strtoul(const char *buf, unsigned long buf_len, u64 flags, unsigned long *res)",
        args: &[Mem, Size, Num, FixedOut(8)], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    SK_STORAGE_GET = 107 "bpf_sk_storage_get" v(5, 2), "Gives the memory that a map holds for a socket, making it where the flags say so.",
        c: "void *bpf_sk_storage_get(struct bpf_map *map, void *sk, void *value, u64 flags)",
        args: &[Map, SockCommon, ValueOrNull, Num], ret: Ret::ValueOrNull, gpl: false, progs: Progs(TYPED | TC | CGROUP_SKB | CGROUP_SOCK | SOCK_OPS | SK_MSG | SOCK_ADDR | SOCKOPT | STRUCT_OPS | SYSCALL);
    SK_STORAGE_DELETE = 108 "bpf_sk_storage_delete" v(5, 2), "Removes the memory that a map holds for a socket.",
        c: "long bpf_sk_storage_delete(struct bpf_map *map, void *sk)",
        args: &[Map, SockCommon], ret: Ret::Num, gpl: false, progs: Progs(TYPED | TC | CGROUP_SKB | SOCK_OPS | SK_MSG | SOCK_ADDR | SOCKOPT | STRUCT_OPS | SYSCALL);
    SEND_SIGNAL = 109 "bpf_send_signal" v(5, 3), "Sends a signal to the current process.",
        c: "long bpf_send_signal(u32 sig)",
        args: &[Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    TCP_GEN_SYNCOOKIE = 110 "bpf_tcp_gen_syncookie" v(5, 3), "Makes a SYN cookie for a packet and a listening socket.",
        c: "s64 bpf_tcp_gen_syncookie(void *sk, void *iph, u32 iph_len, struct tcphdr *th, u32 th_len)",
        args: &[SockCommon, Mem, Size, Mem, Size], ret: Ret::Num, gpl: true, progs: Progs(TC | XDP);
    SKB_OUTPUT = 111 "bpf_skb_output" v(5, 5), "Sends a record to a perf ring, with bytes of a kernel packet behind it.",
        c: "long bpf_skb_output(void *ctx, struct bpf_map *map, u64 flags, void *data, u64 size)",
        args: &[Btf("sk_buff"), Map, Num, Mem, SizeOrZero], ret: Ret::Num, gpl: true, progs: Progs(TYPED | SYSCALL);
    PROBE_READ_USER = 112 "bpf_probe_read_user" v(5, 5), "Copies from a user address that may be bad.",
        c: "long bpf_probe_read_user(void *dst, u32 size, const void *unsafe_ptr)",
        args: &[MemOut, SizeOrZero, Num], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    PROBE_READ_KERNEL = 113 "bpf_probe_read_kernel" v(5, 5), "Copies from a kernel address that may be bad.",
        c: "long bpf_probe_read_kernel(void *dst, u32 size, const void *unsafe_ptr)",
        args: &[MemOut, SizeOrZero, Num], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    PROBE_READ_USER_STR = 114 "bpf_probe_read_user_str" v(5, 5), "Copies a string from a user address that may be bad.",
        c: "long bpf_probe_read_user_str(void *dst, u32 size, const void *unsafe_ptr)",
        args: &[MemOut, SizeOrZero, Num], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    PROBE_READ_KERNEL_STR = 115 "bpf_probe_read_kernel_str" v(5, 5), "Copies a string from a kernel address that may be bad.",
        c: "long bpf_probe_read_kernel_str(void *dst, u32 size, const void *unsafe_ptr)",
        args: &[MemOut, SizeOrZero, Num], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    TCP_SEND_ACK = 116 "bpf_tcp_send_ack" v(5, 5), "Sends a TCP acknowledgement.",
        c: "long bpf_tcp_send_ack(void *tp, u32 rcv_nxt)",
        args: &[Btf("tcp_sock"), Num], ret: Ret::Num, gpl: false, progs: Progs(STRUCT_OPS);
    SEND_SIGNAL_THREAD = 117 "bpf_send_signal_thread" v(5, 5), "Sends a signal to the current thread.",
        c: "long bpf_send_signal_thread(u32 sig)",
        args: &[Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    JIFFIES64 = 118 "bpf_jiffies64" v(5, 5), "Gives the 64-bit count of jiffies.",
        c: "u64 bpf_jiffies64(void)",
        args: &[], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    READ_BRANCH_RECORDS = 119 "bpf_read_branch_records" v(5, 6), "Copies the branch records of a perf sample.",
        c: "long bpf_read_branch_records(struct bpf_perf_event_data *ctx, void *buf, u32 size, u64 flags)",
        args: &[Ctx, MemOutOrNull, SizeOrZero, Num], ret: Ret::Num, gpl: true, progs: Progs(PERF_EVENT);
    GET_NS_CURRENT_PID_TGID = 120 "bpf_get_ns_current_pid_tgid" v(5, 7), "Gives the thread group id and thread id as a PID namespace numbers them.",
        c: "long bpf_get_ns_current_pid_tgid(u64 dev, u64 ino, struct bpf_pidns_info *nsdata, u32 size)",
        args: &[Num, Num, MemOut, Size], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    XDP_OUTPUT = 121 "bpf_xdp_output" v(5, 6), "Sends a record to a perf ring, with bytes of a kernel XDP packet behind it.",
        c: "long bpf_xdp_output(void *ctx, struct bpf_map *map, u64 flags, void *data, u64 size)",
        args: &[Btf("xdp_buff"), Map, Num, Mem, SizeOrZero], ret: Ret::Num, gpl: true, progs: Progs(TYPED | SYSCALL);
    GET_NETNS_COOKIE = 122 "bpf_get_netns_cookie" v(5, 7), "Gives a number that is unique to the network namespace.",
        c: "u64 bpf_get_netns_cookie(void *ctx)",
        args: &[CtxOrNull], ret: Ret::Num, gpl: false, progs: Progs(TC | SOCKET | CGROUP_SKB | CGROUP_SOCK | SOCK_OPS | SK_MSG | SOCK_ADDR | SOCKOPT | LSM);
    GET_CURRENT_ANCESTOR_CGROUP_ID = 123 "bpf_get_current_ancestor_cgroup_id" v(5, 6), "Gives the id of an ancestor of the current task's cgroup.",
        c: "u64 bpf_get_current_ancestor_cgroup_id(int ancestor_level)",
        args: &[Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    SK_ASSIGN = 124 "bpf_sk_assign" v(5, 6), "Hands the packet to a socket.",
        c: "long bpf_sk_assign(void *ctx, void *sk, u64 flags)",
        args: &[Ctx, SockCommonOrNull, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | SK_LOOKUP);
    KTIME_GET_BOOT_NS = 125 "bpf_ktime_get_boot_ns" v(5, 8), "Gives the nanoseconds since boot, time spent suspended included.",
        c: "u64 bpf_ktime_get_boot_ns(void)",
        args: &[], ret: Ret::Num, gpl: false, progs: Progs(ALL);
    SEQ_PRINTF = 126 "bpf_seq_printf" v(5, 7), "Prints by a format into the file of an iterator.",
        c: "long bpf_seq_printf(struct seq_file *m, const char *fmt, u32 fmt_size, const void *data, u32 data_len)",
        args: &[Btf("seq_file"), Mem, Size, MemOrNull, SizeOrZero], ret: Ret::Num, gpl: true, progs: Progs(TRACING);
    SEQ_WRITE = 127 "bpf_seq_write" v(5, 7), "Writes bytes into the file of an iterator.",
        c: "long bpf_seq_write(struct seq_file *m, const void *data, u32 len)",
        args: &[Btf("seq_file"), Mem, SizeOrZero], ret: Ret::Num, gpl: true, progs: Progs(TRACING);
    SK_CGROUP_ID = 128 "bpf_sk_cgroup_id" v(5, 7), "Gives the id of a socket's cgroup.",
        c: "u64 bpf_sk_cgroup_id(void *sk)",
        args: &[SockCommon], ret: Ret::Num, gpl: false, progs: Progs(CGROUP_SKB);
    SK_ANCESTOR_CGROUP_ID = 129 "bpf_sk_ancestor_cgroup_id" v(5, 7), "Gives the id of an ancestor of a socket's cgroup.",
        c: "u64 bpf_sk_ancestor_cgroup_id(void *sk, int ancestor_level)",
        args: &[SockCommon, Num], ret: Ret::Num, gpl: false, progs: Progs(CGROUP_SKB);
    RINGBUF_OUTPUT = 130 "bpf_ringbuf_output" v(5, 8), "Copies a record into a ring buffer.",
        c: "long bpf_ringbuf_output(struct bpf_map *ringbuf, void *data, u64 size, u64 flags)",
        args: &[Map, Mem, SizeOrZero, Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    RINGBUF_RESERVE = 131 "bpf_ringbuf_reserve" v(5, 8), "Reserves a record in a ring buffer; it must be submitted or discarded.",
        c: "void *bpf_ringbuf_reserve(struct bpf_map *ringbuf, u64 size, u64 flags)",
        args: &[Map, ReturnedSize, Num], ret: Ret::RecordOrNull, gpl: false, progs: Progs(ALL & !LIRC);
    RINGBUF_SUBMIT = 132 "bpf_ringbuf_submit" v(5, 8), "Hands a reserved record to the reader.",
        c: "void bpf_ringbuf_submit(void *data, u64 flags)",
        args: &[Record, Num], ret: Ret::Void, gpl: false, progs: Progs(ALL & !LIRC);
    RINGBUF_DISCARD = 133 "bpf_ringbuf_discard" v(5, 8), "Throws a reserved record away.",
        c: "void bpf_ringbuf_discard(void *data, u64 flags)",
        args: &[Record, Num], ret: Ret::Void, gpl: false, progs: Progs(ALL & !LIRC);
    RINGBUF_QUERY = 134 "bpf_ringbuf_query" v(5, 8), "Tells how full a ring buffer is, its size or its positions.",
        c: "u64 bpf_ringbuf_query(struct bpf_map *ringbuf, u64 flags)",
        args: &[Map, Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    CSUM_LEVEL = 135 "bpf_csum_level" v(5, 7), "Reads or changes how many checksums of a packet the device has checked.",
        c: "long bpf_csum_level(struct __sk_buff *skb, u64 level)",
        args: &[Ctx, Num], ret: Ret::Num, gpl: false, progs: Progs(TC | LWT_XMIT);
    SKC_TO_TCP6_SOCK = 136 "bpf_skc_to_tcp6_sock" v(5, 9), "Gives a socket as a tcp6_sock, if it is one.",
        c: "struct tcp6_sock *bpf_skc_to_tcp6_sock(void *sk)",
        args: &[SockCommon], ret: Ret::BtfOrNull("tcp6_sock"), gpl: false, progs: Progs(LWT | TYPED | TC | SOCKET | XDP | CGROUP_SKB | SOCK_OPS | SK_SKB | SK_MSG | SOCK_ADDR | DISSECTOR | SK_LOOKUP | SYSCALL);
    SKC_TO_TCP_SOCK = 137 "bpf_skc_to_tcp_sock" v(5, 9), "Gives a socket as a tcp_sock, if it is one.",
        c: "struct tcp_sock *bpf_skc_to_tcp_sock(void *sk)",
        args: &[SockCommon], ret: Ret::BtfOrNull("tcp_sock"), gpl: false, progs: Progs(LWT | TYPED | TC | SOCKET | XDP | CGROUP_SKB | SOCK_OPS | SK_SKB | SK_MSG | SOCK_ADDR | DISSECTOR | SK_LOOKUP | SYSCALL);
    SKC_TO_TCP_TIMEWAIT_SOCK = 138 "bpf_skc_to_tcp_timewait_sock" v(5, 9), "Gives a socket as a tcp_timewait_sock, if it is one.",
        c: "struct tcp_timewait_sock *bpf_skc_to_tcp_timewait_sock(void *sk)",
        args: &[SockCommon], ret: Ret::BtfOrNull("tcp_timewait_sock"), gpl: false, progs: Progs(LWT | TYPED | TC | SOCKET | XDP | CGROUP_SKB | SOCK_OPS | SK_SKB | SK_MSG | SOCK_ADDR | DISSECTOR | SK_LOOKUP | SYSCALL);
    SKC_TO_TCP_REQUEST_SOCK = 139 "bpf_skc_to_tcp_request_sock" v(5, 9), "Gives a socket as a tcp_request_sock, if it is one.",
        c: "struct tcp_request_sock *bpf_skc_to_tcp_request_sock(void *sk)",
        args: &[SockCommon], ret: Ret::BtfOrNull("tcp_request_sock"), gpl: false, progs: Progs(LWT | TYPED | TC | SOCKET | XDP | CGROUP_SKB | SOCK_OPS | SK_SKB | SK_MSG | SOCK_ADDR | DISSECTOR | SK_LOOKUP | SYSCALL);
    SKC_TO_UDP6_SOCK = 140 "bpf_skc_to_udp6_sock" v(5, 9), "Gives a socket as a udp6_sock, if it is one.",
        c: "struct udp6_sock *bpf_skc_to_udp6_sock(void *sk)",
        args: &[SockCommon], ret: Ret::BtfOrNull("udp6_sock"), gpl: false, progs: Progs(LWT | TYPED | TC | SOCKET | XDP | CGROUP_SKB | SOCK_OPS | SK_SKB | SK_MSG | SOCK_ADDR | DISSECTOR | SK_LOOKUP | SYSCALL);
    GET_TASK_STACK = 141 "bpf_get_task_stack" v(5, 9), "Copies the user or kernel stack trace of a task into memory.",
        c: "long bpf_get_task_stack(struct task_struct *task, void *buf, u32 size, u64 flags)",
        args: &[Btf("task_struct"), MemOut, SizeOrZero, Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    LOAD_HDR_OPT = 142 "bpf_load_hdr_opt" v(5, 10), "Reads a TCP header option of the packet.",
        c: "long bpf_load_hdr_opt(struct bpf_sock_ops *skops, void *searchby_res, u32 len, u64 flags)",
        args: &[Ctx, Mem, Size, Num], ret: Ret::Num, gpl: false, progs: Progs(SOCK_OPS);
    STORE_HDR_OPT = 143 "bpf_store_hdr_opt" v(5, 10), "Writes a TCP header option into the room reserved.",
        c: "long bpf_store_hdr_opt(struct bpf_sock_ops *skops, const void *from, u32 len, u64 flags)",
        args: &[Ctx, Mem, Size, Num], ret: Ret::Num, gpl: false, progs: Progs(SOCK_OPS);
    RESERVE_HDR_OPT = 144 "bpf_reserve_hdr_opt" v(5, 10), "Reserves room for TCP header options.",
        c: "long bpf_reserve_hdr_opt(struct bpf_sock_ops *skops, u32 len, u64 flags)",
        args: &[Ctx, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(SOCK_OPS);
    INODE_STORAGE_GET = 145 "bpf_inode_storage_get" v(5, 10), "Gives the memory that a map holds for an inode, making it where the flags say so.",
        c: "void *bpf_inode_storage_get(struct bpf_map *map, void *inode, void *value, u64 flags)",
        args: &[Map, BtfOrNull("inode"), ValueOrNull, Num], ret: Ret::ValueOrNull, gpl: false, progs: Progs(LSM);
    INODE_STORAGE_DELETE = 146 "bpf_inode_storage_delete" v(5, 10), "Removes the memory that a map holds for an inode.",
        c: "int bpf_inode_storage_delete(struct bpf_map *map, void *inode)",
        args: &[Map, BtfOrNull("inode")], ret: Ret::Num, gpl: false, progs: Progs(LSM);
    D_PATH = 147 "bpf_d_path" v(5, 10), "Writes the full path of a kernel path object.",
        c: "long bpf_d_path(const struct path *path, char *buf, u32 sz)",
        args: &[Btf("path"), MemOut, SizeOrZero], ret: Ret::Num, gpl: false, progs: Progs(TYPED | SYSCALL);
    COPY_FROM_USER = 148 "bpf_copy_from_user" v(5, 10), "Copies from the current task's memory, and may sleep for it.",
        c: "long bpf_copy_from_user(void *dst, u32 size, const void *user_ptr)",
        args: &[MemOut, SizeOrZero, Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    SNPRINTF_BTF = 149 "bpf_snprintf_btf" v(5, 10), "Prints a kernel object through its BTF type into memory.",
        c: "long bpf_snprintf_btf(char *str, u32 str_size, struct btf_ptr *ptr, u32 btf_ptr_size, u64 flags)",
        args: &[MemOut, Size, Mem, Size, Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    SEQ_PRINTF_BTF = 150 "bpf_seq_printf_btf" v(5, 10), "Prints a kernel object through its BTF type into the file of an iterator.",
        c: "long bpf_seq_printf_btf(struct seq_file *m, struct btf_ptr *ptr, u32 ptr_size, u64 flags)",
        args: &[Btf("seq_file"), Mem, SizeOrZero, Num], ret: Ret::Num, gpl: true, progs: Progs(TRACING);
    SKB_CGROUP_CLASSID = 151 "bpf_skb_cgroup_classid" v(5, 10), "Gives the net_cls class of the packet's socket.",
        c: "u64 bpf_skb_cgroup_classid(struct __sk_buff *skb)",
        args: &[Ctx], ret: Ret::Num, gpl: false, progs: Progs(TC);
    REDIRECT_NEIGH = 152 "bpf_redirect_neigh" v(5, 10), "Sends the packet to another device with the neighbour's link-layer address, if its result is returned.",
        c: "long bpf_redirect_neigh(u32 ifindex, struct bpf_redir_neigh *params, int plen, u64 flags)",
        args: &[Num, MemOrNull, SizeOrZero, Num], ret: Ret::Num, gpl: false, progs: Progs(TC);
    PER_CPU_PTR = 153 "bpf_per_cpu_ptr" v(5, 10), "Gives a kernel variable of a CPU.",
        c: "void *bpf_per_cpu_ptr(const void *percpu_ptr, u32 cpu)",
        args: &[PerCpu, Num], ret: Ret::BtfMemOrNull, gpl: false, progs: Progs(ALL & !LIRC);
    THIS_CPU_PTR = 154 "bpf_this_cpu_ptr" v(5, 10), "Gives a kernel variable of this CPU.",
        c: "void *bpf_this_cpu_ptr(const void *percpu_ptr)",
        args: &[PerCpu], ret: Ret::BtfMem, gpl: false, progs: Progs(ALL & !LIRC);
    REDIRECT_PEER = 155 "bpf_redirect_peer" v(5, 10), "Sends the packet to the peer of a device in another namespace at once, if its result is returned.",
        c: "long bpf_redirect_peer(u32 ifindex, u64 flags)",
        args: &[Num, Num], ret: Ret::Num, gpl: false, progs: Progs(TC);
    TASK_STORAGE_GET = 156 "bpf_task_storage_get" v(5, 11), "Gives the memory that a map holds for a task, making it where the flags say so.",
        c: "void *bpf_task_storage_get(struct bpf_map *map, struct task_struct *task, void *value, u64 flags)",
        args: &[Map, BtfOrNull("task_struct"), ValueOrNull, Num], ret: Ret::ValueOrNull, gpl: false, progs: Progs(ALL & !LIRC);
    TASK_STORAGE_DELETE = 157 "bpf_task_storage_delete" v(5, 11), "Removes the memory that a map holds for a task.",
        c: "long bpf_task_storage_delete(struct bpf_map *map, struct task_struct *task)",
        args: &[Map, BtfOrNull("task_struct")], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    GET_CURRENT_TASK_BTF = 158 "bpf_get_current_task_btf" v(5, 11), "Gives the current task as a typed pointer.",
        c: "struct task_struct *bpf_get_current_task_btf(void)",
        args: &[], ret: Ret::Btf("task_struct"), gpl: true, progs: Progs(ALL & !LIRC);
    BPRM_OPTS_SET = 159 "bpf_bprm_opts_set" v(5, 11), "Sets options of an execve(2) in progress.",
        c: "long bpf_bprm_opts_set(struct linux_binprm *bprm, u64 flags)",
        args: &[Btf("linux_binprm"), Num], ret: Ret::Num, gpl: false, progs: Progs(LSM);
    KTIME_GET_COARSE_NS = 160 "bpf_ktime_get_coarse_ns" v(5, 11), "Gives the nanoseconds since boot as of the last tick.",
        c: "u64 bpf_ktime_get_coarse_ns(void)",
        args: &[], ret: Ret::Num, gpl: false, progs: Progs(LWT | TC | SOCKET | XDP | CGROUP_SKB | CGROUP_SOCK | SOCK_OPS | SK_SKB | SK_MSG | SOCK_ADDR | REUSEPORT | DISSECTOR | SYSCTL | STRUCT_OPS | SK_LOOKUP);
    IMA_INODE_HASH = 161 "bpf_ima_inode_hash" v(5, 11), "Gives the integrity hash that is stored for an inode.",
        c: "long bpf_ima_inode_hash(struct inode *inode, void *dst, u32 size)",
        args: &[Btf("inode"), MemOut, Size], ret: Ret::Num, gpl: false, progs: Progs(LSM);
    SOCK_FROM_FILE = 162 "bpf_sock_from_file" v(5, 11), "Gives the socket of an open file, if it is one.",
        c: "struct socket *bpf_sock_from_file(struct file *file)",
        args: &[Btf("file")], ret: Ret::BtfOrNull("socket"), gpl: false, progs: Progs(TYPED | SYSCALL);
    CHECK_MTU = 163 "bpf_check_mtu" v(5, 12), "Says whether a packet, grown by so much, fits the MTU.",
        c: "long bpf_check_mtu(void *ctx, u32 ifindex, u32 *mtu_len, s32 len_diff, u64 flags)",
        args: &[Ctx, Num, FixedInOut(4), Num, Num], ret: Ret::Num, gpl: true, progs: Progs(TC | XDP);
    FOR_EACH_MAP_ELEM = 164 "bpf_for_each_map_elem" v(5, 13), "Calls a function for each element of a map.",
        c: "long bpf_for_each_map_elem(struct bpf_map *map, void *callback_fn, void *callback_ctx, u64 flags)",
        args: &[Map, Callback, StackOrNull, Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    SNPRINTF = 165 "bpf_snprintf" v(5, 13), "Prints by a format into memory.",
        c: "long bpf_snprintf(char *str, u32 str_size, const char *fmt, u64 *data, u32 data_len)",
        args: &[MemOutOrNull, SizeOrZero, Str, MemOrNull, SizeOrZero], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    SYS_BPF = 166 "bpf_sys_bpf" v(5, 14), "Calls bpf(2).",
        c: "long bpf_sys_bpf(u32 cmd, void *attr, u32 attr_size)",
        args: &[Num, MemInOut, Size], ret: Ret::Num, gpl: false, progs: Progs(SYSCALL);
    BTF_FIND_BY_NAME_KIND = 167 "bpf_btf_find_by_name_kind" v(5, 14), "Finds a BTF type by name and kind in the kernel and its modules.",
        c: "long bpf_btf_find_by_name_kind(char *name, int name_sz, u32 kind, int flags)",
        args: &[Mem, Size, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(SYSCALL);
    SYS_CLOSE = 168 "bpf_sys_close" v(5, 14), "Closes a file descriptor.",
        c: "long bpf_sys_close(u32 fd)",
        args: &[Num], ret: Ret::Num, gpl: false, progs: Progs(SYSCALL);
    TIMER_INIT = 169 "bpf_timer_init" v(5, 15), "Makes the timer in a map value ready.",
        c: "long bpf_timer_init(struct bpf_timer *timer, struct bpf_map *map, u64 flags)",
        args: &[Timer, Map, Num], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    TIMER_SET_CALLBACK = 170 "bpf_timer_set_callback" v(5, 15), "Sets the function that a timer calls.",
        c: "long bpf_timer_set_callback(struct bpf_timer *timer, void *callback_fn)",
        args: &[Timer, Callback], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    TIMER_START = 171 "bpf_timer_start" v(5, 15), "Starts a timer.",
        c: "long bpf_timer_start(struct bpf_timer *timer, u64 nsecs, u64 flags)",
        args: &[Timer, Num, Num], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    TIMER_CANCEL = 172 "bpf_timer_cancel" v(5, 15), "Stops a timer and waits for its function to end.",
        c: "long bpf_timer_cancel(struct bpf_timer *timer)",
        args: &[Timer], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    GET_FUNC_IP = 173 "bpf_get_func_ip" v(5, 15), "Gives the address of the probed function.",
        c: "u64 bpf_get_func_ip(void *ctx)",
        args: &[Ctx], ret: Ret::Num, gpl: true, progs: Progs(PROBES | TYPED | SYSCALL);
    GET_ATTACH_COOKIE = 174 "bpf_get_attach_cookie" v(5, 15), "Gives the number that userspace set when it attached the program.",
        c: "u64 bpf_get_attach_cookie(void *ctx)",
        args: &[Ctx], ret: Ret::Num, gpl: false, progs: Progs(PROBES | TYPED);
    TASK_PT_REGS = 175 "bpf_task_pt_regs" v(5, 15), "Gives the user registers of a task.",
        c: "long bpf_task_pt_regs(struct task_struct *task)",
        args: &[Btf("task_struct")], ret: Ret::Btf("pt_regs"), gpl: true, progs: Progs(ALL & !LIRC);
    GET_BRANCH_SNAPSHOT = 176 "bpf_get_branch_snapshot" v(5, 16), "Copies the CPU's last branch records.",
        c: "long bpf_get_branch_snapshot(void *entries, u32 size, u64 flags)",
        args: &[MemOut, SizeOrZero, Num], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    TRACE_VPRINTK = 177 "bpf_trace_vprintk" v(5, 16), "Prints any count of numbers by a format to the trace pipe.",
        c: "long bpf_trace_vprintk(const char *fmt, u32 fmt_size, const void *data, u32 data_len)",
        args: &[Mem, Size, MemOrNull, SizeOrZero], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    SKC_TO_UNIX_SOCK = 178 "bpf_skc_to_unix_sock" v(5, 16), "Gives a socket as a unix_sock, if it is one.",
        c: "struct unix_sock *bpf_skc_to_unix_sock(void *sk)",
        args: &[SockCommon], ret: Ret::BtfOrNull("unix_sock"), gpl: false, progs: Progs(LWT | TYPED | TC | SOCKET | XDP | CGROUP_SKB | SOCK_OPS | SK_SKB | SK_MSG | SOCK_ADDR | DISSECTOR | SK_LOOKUP | SYSCALL);
    KALLSYMS_LOOKUP_NAME = 179 "bpf_kallsyms_lookup_name" v(5, 16), "Finds the address of a kernel symbol.",
        c: "long bpf_kallsyms_lookup_name(const char *name, int name_sz, int flags, u64 *res)",
        args: &[Mem, SizeOrZero, Num, FixedOut(8)], ret: Ret::Num, gpl: false, progs: Progs(SYSCALL);
    FIND_VMA = 180 "bpf_find_vma" v(5, 17), "Calls a function with the memory area of a task that holds an address.",
        c: "long bpf_find_vma(struct task_struct *task, u64 addr, void *callback_fn, void *callback_ctx, u64 flags)",
        args: &[Btf("task_struct"), Num, Callback, StackOrNull, Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    LOOP = 181 "bpf_loop" v(5, 17), "Calls a function so many times, or until it returns 1.",
        c: "long bpf_loop(u32 nr_loops, void *callback_fn, void *callback_ctx, u64 flags)",
        args: &[Num, Callback, StackOrNull, Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    STRNCMP = 182 "bpf_strncmp" v(5, 17), "Compares a string with a constant one.",
        c: "long bpf_strncmp(const char *s1, u32 s1_sz, const char *s2)",
        args: &[Mem, Size, Str], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    GET_FUNC_ARG = 183 "bpf_get_func_arg" v(5, 17), "Gives an argument of the traced function.",
        c: "long bpf_get_func_arg(void *ctx, u32 n, u64 *value)",
        args: &[Ctx, Num, FixedOut(8)], ret: Ret::Num, gpl: false, progs: Progs(TYPED);
    GET_FUNC_RET = 184 "bpf_get_func_ret" v(5, 17), "Gives the return value of the traced function.",
        c: "long bpf_get_func_ret(void *ctx, u64 *value)",
        args: &[Ctx, FixedOut(8)], ret: Ret::Num, gpl: false, progs: Progs(TYPED);
    GET_FUNC_ARG_CNT = 185 "bpf_get_func_arg_cnt" v(5, 17), "Gives the number of arguments of the traced function.",
        c: "long bpf_get_func_arg_cnt(void *ctx)",
        args: &[Ctx], ret: Ret::Num, gpl: false, progs: Progs(TYPED);
    GET_RETVAL = 186 "bpf_get_retval" v(5, 18), "Gives the error that the system call will return so far.",
        c: "int bpf_get_retval(void)",
        args: &[], ret: Ret::Num, gpl: false, progs: Progs(CGROUP | LSM);
    SET_RETVAL = 187 "bpf_set_retval" v(5, 18), "Sets the error that the system call will return.",
        c: "int bpf_set_retval(int retval)",
        args: &[Num], ret: Ret::Num, gpl: false, progs: Progs(CGROUP | LSM);
    XDP_GET_BUFF_LEN = 188 "bpf_xdp_get_buff_len" v(5, 18), "Gives the length of the packet with all its fragments.",
        c: "u64 bpf_xdp_get_buff_len(struct xdp_md *xdp_md)",
        args: &[Ctx], ret: Ret::Num, gpl: false, progs: Progs(TYPED | XDP | SYSCALL);
    XDP_LOAD_BYTES = 189 "bpf_xdp_load_bytes" v(5, 18), "Copies bytes out of a packet, fragments included.",
        c: "long bpf_xdp_load_bytes(struct xdp_md *xdp_md, u32 offset, void *buf, u32 len)",
        args: &[Ctx, Num, MemOut, Size], ret: Ret::Num, gpl: false, progs: Progs(XDP);
    XDP_STORE_BYTES = 190 "bpf_xdp_store_bytes" v(5, 18), "Writes bytes into a packet, fragments included.",
        c: "long bpf_xdp_store_bytes(struct xdp_md *xdp_md, u32 offset, void *buf, u32 len)",
        args: &[Ctx, Num, Mem, Size], ret: Ret::Num, gpl: false, progs: Progs(XDP);
    COPY_FROM_USER_TASK = 191 "bpf_copy_from_user_task" v(5, 18), "Copies from a task's memory, and may sleep for it.",
        c: "long bpf_copy_from_user_task(void *dst, u32 size, const void *user_ptr, struct task_struct *tsk, u64 flags)",
        args: &[MemOut, SizeOrZero, Num, Btf("task_struct"), Num], ret: Ret::Num, gpl: true, progs: Progs(ALL & !LIRC);
    SKB_SET_TSTAMP = 192 "bpf_skb_set_tstamp" v(5, 18), "Sets the packet's time stamp and its kind.",
        c: "long bpf_skb_set_tstamp(struct __sk_buff *skb, u64 tstamp, u32 tstamp_type)",
        args: &[Ctx, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(TC);
    IMA_FILE_HASH = 193 "bpf_ima_file_hash" v(5, 18), "Computes the integrity hash of a file.",
        c: "long bpf_ima_file_hash(struct file *file, void *dst, u32 size)",
        args: &[Btf("file"), MemOut, Size], ret: Ret::Num, gpl: false, progs: Progs(LSM);
    KPTR_XCHG = 194 "bpf_kptr_xchg" v(5, 19), "Swaps the kernel pointer in a map value for another and gives the old one.",
        c: "void *bpf_kptr_xchg(void *dst, void *ptr)",
        args: &[KptrField, KptrOrNull], ret: Ret::KptrOrNull, gpl: false, progs: Progs(ALL & !LIRC);
    MAP_LOOKUP_PERCPU_ELEM = 195 "bpf_map_lookup_percpu_elem" v(5, 19), "Finds the value of a key for a given CPU.",
        c: "void *bpf_map_lookup_percpu_elem(struct bpf_map *map, const void *key, u32 cpu)",
        args: &[Map, Key, Num], ret: Ret::ValueOrNull, gpl: false, progs: Progs(ALL & !LIRC);
    SKC_TO_MPTCP_SOCK = 196 "bpf_skc_to_mptcp_sock" v(5, 19), "Gives a socket as an mptcp_sock, if it is one.",
        c: "struct mptcp_sock *bpf_skc_to_mptcp_sock(void *sk)",
        args: &[SockCommon], ret: Ret::BtfOrNull("mptcp_sock"), gpl: false, progs: Progs(LWT | TYPED | TC | SOCKET | XDP | CGROUP_SKB | SOCK_OPS | SK_SKB | SK_MSG | SOCK_ADDR | DISSECTOR | SK_LOOKUP | SYSCALL);
    DYNPTR_FROM_MEM = 197 "bpf_dynptr_from_mem" v(5, 19), "Makes a dynptr over a map value.",
        c: "long bpf_dynptr_from_mem(void *data, u64 size, u64 flags, struct bpf_dynptr *ptr)",
        args: &[MemInOut, SizeOrZero, Num, DynptrOut], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    RINGBUF_RESERVE_DYNPTR = 198 "bpf_ringbuf_reserve_dynptr" v(5, 19), "Reserves a record of any size in a ring buffer, as a dynptr; it must be submitted or discarded.",
        c: "long bpf_ringbuf_reserve_dynptr(struct bpf_map *ringbuf, u32 size, u64 flags, struct bpf_dynptr *ptr)",
        args: &[Map, Num, Num, DynptrOut], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    RINGBUF_SUBMIT_DYNPTR = 199 "bpf_ringbuf_submit_dynptr" v(5, 19), "Hands the record of a dynptr to the reader.",
        c: "void bpf_ringbuf_submit_dynptr(struct bpf_dynptr *ptr, u64 flags)",
        args: &[Dynptr, Num], ret: Ret::Void, gpl: false, progs: Progs(ALL & !LIRC);
    RINGBUF_DISCARD_DYNPTR = 200 "bpf_ringbuf_discard_dynptr" v(5, 19), "Throws the record of a dynptr away.",
        c: "void bpf_ringbuf_discard_dynptr(struct bpf_dynptr *ptr, u64 flags)",
        args: &[Dynptr, Num], ret: Ret::Void, gpl: false, progs: Progs(ALL & !LIRC);
    DYNPTR_READ = 201 "bpf_dynptr_read" v(5, 19), "Copies bytes out of a dynptr.",
        c: "long bpf_dynptr_read(void *dst, u64 len, const struct bpf_dynptr *src, u64 offset, u64 flags)",
        args: &[MemOut, SizeOrZero, Dynptr, Num, Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    DYNPTR_WRITE = 202 "bpf_dynptr_write" v(5, 19), "Copies bytes into a dynptr.",
        c: "long bpf_dynptr_write(const struct bpf_dynptr *dst, u64 offset, void *src, u64 len, u64 flags)",
        args: &[Dynptr, Num, Mem, SizeOrZero, Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    DYNPTR_DATA = 203 "bpf_dynptr_data" v(5, 19), "Gives a slice of a dynptr's memory.",
        c: "void *bpf_dynptr_data(const struct bpf_dynptr *ptr, u64 offset, u64 len)",
        args: &[Dynptr, Num, ReturnedSize], ret: Ret::DynptrMemOrNull, gpl: false, progs: Progs(ALL & !LIRC);
    TCP_RAW_GEN_SYNCOOKIE_IPV4 = 204 "bpf_tcp_raw_gen_syncookie_ipv4" v(6, 0), "Makes a SYN cookie from IPv4 and TCP headers, without a socket.",
        c: "s64 bpf_tcp_raw_gen_syncookie_ipv4(struct iphdr *iph, struct tcphdr *th, u32 th_len)",
        args: &[Fixed(20), Mem, SizeOrZero], ret: Ret::Num, gpl: true, progs: Progs(TC | XDP);
    TCP_RAW_GEN_SYNCOOKIE_IPV6 = 205 "bpf_tcp_raw_gen_syncookie_ipv6" v(6, 0), "Makes a SYN cookie from IPv6 and TCP headers, without a socket.",
        c: "s64 bpf_tcp_raw_gen_syncookie_ipv6(struct ipv6hdr *iph, struct tcphdr *th, u32 th_len)",
        args: &[Fixed(40), Mem, SizeOrZero], ret: Ret::Num, gpl: true, progs: Progs(TC | XDP);
    TCP_RAW_CHECK_SYNCOOKIE_IPV4 = 206 "bpf_tcp_raw_check_syncookie_ipv4" v(6, 0), "Checks a SYN cookie in IPv4 and TCP headers, without a socket.",
        c: "long bpf_tcp_raw_check_syncookie_ipv4(struct iphdr *iph, struct tcphdr *th)",
        args: &[Fixed(20), Fixed(20)], ret: Ret::Num, gpl: true, progs: Progs(TC | XDP);
    TCP_RAW_CHECK_SYNCOOKIE_IPV6 = 207 "bpf_tcp_raw_check_syncookie_ipv6" v(6, 0), "Checks a SYN cookie in IPv6 and TCP headers, without a socket.",
        c: "long bpf_tcp_raw_check_syncookie_ipv6(struct ipv6hdr *iph, struct tcphdr *th)",
        args: &[Fixed(40), Fixed(20)], ret: Ret::Num, gpl: true, progs: Progs(TC | XDP);
    KTIME_GET_TAI_NS = 208 "bpf_ktime_get_tai_ns" v(6, 1), "Gives the nanoseconds of international atomic time.",
        c: "u64 bpf_ktime_get_tai_ns(void)",
        args: &[], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    USER_RINGBUF_DRAIN = 209 "bpf_user_ringbuf_drain" v(6, 1), "Calls a function for each record that userspace wrote into a ring buffer.",
        c: "long bpf_user_ringbuf_drain(struct bpf_map *map, void *callback_fn, void *ctx, u64 flags)",
        args: &[Map, Callback, StackOrNull, Num], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
    CGRP_STORAGE_GET = 210 "bpf_cgrp_storage_get" v(6, 2), "Gives the memory that a map holds for a cgroup, making it where the flags say so.",
        c: "void *bpf_cgrp_storage_get(struct bpf_map *map, struct cgroup *cgroup, void *value, u64 flags)",
        args: &[Map, BtfOrNull("cgroup"), ValueOrNull, Num], ret: Ret::ValueOrNull, gpl: false, progs: Progs(ALL & !LIRC);
    CGRP_STORAGE_DELETE = 211 "bpf_cgrp_storage_delete" v(6, 2), "Removes the memory that a map holds for a cgroup.",
        c: "long bpf_cgrp_storage_delete(struct bpf_map *map, struct cgroup *cgroup)",
        args: &[Map, BtfOrNull("cgroup")], ret: Ret::Num, gpl: false, progs: Progs(ALL & !LIRC);
}
