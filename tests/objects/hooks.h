/* Contexts and helpers of the hooks of sockets and cgroups, as far as the objects here use them. */
#ifndef SKEP_TEST_HOOKS_H
#define SKEP_TEST_HOOKS_H

#include "bpf.h"

enum {
	BPF_MAP_TYPE_SOCKMAP = 15,
	BPF_MAP_TYPE_REUSEPORT_SOCKARRAY = 20,
	SK_DROP = 0,
	SK_PASS = 1,
};

struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end, napi_id;
	u32 family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port, data_meta;
	struct bpf_flow_keys *flow_keys;
};

struct bpf_flow_keys {
	unsigned short nhoff, thoff, addr_proto;
	u8 is_frag, is_first_frag, is_encap, ip_proto;
	unsigned short n_proto, sport, dport;
	u32 ipv4_src, ipv4_dst, rest[6], flags, flow_label;
};

struct bpf_sock {
	u32 bound_dev_if, family, type, protocol, mark, priority, src_ip4, src_ip6[4], src_port;
};

struct bpf_sock_addr {
	u32 user_family, user_ip4, user_ip6[4], user_port, family, type, protocol, msg_src_ip4, msg_src_ip6[4];
	struct bpf_sock *sk;
};

struct bpf_sock_ops {
	u32 op, args[4], family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port;
};

struct bpf_sysctl {
	u32 write, file_pos;
};

struct bpf_cgroup_dev_ctx {
	u32 access_type, major, minor;
};

struct bpf_sockopt {
	struct bpf_sock *sk;
	void *optval, *optval_end;
	s32 level, optname, optlen, retval;
};

struct bpf_sk_lookup {
	u64 cookie_or_sk;
	u32 family, protocol, remote_ip4, remote_ip6[4], remote_port, local_ip4, local_ip6[4], local_port;
};

struct sk_reuseport_md {
	void *data, *data_end;
	u32 len, eth_protocol, ip_protocol, bind_inany, hash;
};

struct sk_msg_md {
	void *data, *data_end;
	u32 family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port, size;
};

/* Of an IPv4 address and a port as packets hold them. */
#define IP4(a, b, c, d) ((a) | (b) << 8 | (c) << 16 | (u32)(d) << 24)
#define PORT(p) (((p) & 0xff) << 8 | (p) >> 8)

static long (*const bpf_skb_load_bytes)(const void *skb, u32 offset, void *to, u32 len) = (void *)26;
static long (*const bpf_sk_redirect_map)(struct __sk_buff *skb, void *map, u32 key, u64 flags) = (void *)52;
static long (*const bpf_msg_redirect_map)(struct sk_msg_md *msg, void *map, u32 key, u64 flags) = (void *)60;
static long (*const bpf_sk_select_reuseport)(struct sk_reuseport_md *md, void *map, void *key, u64 flags) = (void *)82;
static long (*const bpf_sk_release)(void *sock) = (void *)86;
static long (*const bpf_sysctl_get_name)(struct bpf_sysctl *ctx, char *buf, u64 len, u64 flags) = (void *)101;
static long (*const bpf_sysctl_set_new_value)(struct bpf_sysctl *ctx, const char *buf, u64 len) = (void *)104;
static long (*const bpf_sk_assign)(void *ctx, void *sk, u64 flags) = (void *)124;

#endif
