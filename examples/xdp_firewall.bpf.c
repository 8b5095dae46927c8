// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0
/*
 * An XDP firewall: drops what comes from blocked prefixes or goes to blocked ports, counts by
 * protocol, and tells of drops in a ring buffer.
 *
 * The rules that decide live in maps, which an operator fills while the program runs. The rules in
 * .rodata are what the object ships with: the first packet copies them into the maps, so that the
 * object does something by itself. A loader changes them before loading, as it does any constant.
 */
#include "packet.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define MAX_SHIPPED 4
#define MAX_TAGS 2
#define MAX_EXTENSIONS 4

/* Prefixes are looked up by these: the length in bits, then the address, high bits first. */
struct prefix4 {
	__u32 bits;
	__u8 addr[4];
};

struct prefix6 {
	__u32 bits;
	__u8 addr[16];
};

enum protocol {
	PROTO_OTHER,
	PROTO_ARP,
	PROTO_ICMP,
	PROTO_ICMPV6,
	PROTO_TCP,
	PROTO_UDP,
	PROTO_MALFORMED,
	PROTO_COUNT,
};

enum drop_reason {
	DROP_NONE,
	DROP_SOURCE,
	DROP_DESTINATION,
	DROP_PORT,
	DROP_MALFORMED,
};

struct rule {
	__u64 hits;
	__u32 tag;
};

struct port_key {
	__u16 port;
	__u8 ip_proto;
	__u8 pad;
};

struct counter {
	__u64 packets;
	__u64 bytes;
	__u64 dropped;
};

struct drop_event {
	__u64 time_ns;
	enum drop_reason reason;
	enum protocol protocol;
	union address source;
	union address destination;
	__u16 source_port;
	__u16 destination_port;
	__u16 vlan;
	__u16 length;
};

struct packet {
	union address source;
	union address destination;
	struct ports ports;
	enum protocol protocol;
	__u16 vlan;
	__u8 ip_proto;
	__u8 is_v6;
};

/* Settings. */
const volatile _Bool log_drops = 1;
const volatile _Bool drop_malformed = 1;
const volatile struct prefix4 shipped4[MAX_SHIPPED] = {
	{ 32, { 10, 7, 0, 66 } },
	{ 24, { 192, 0, 2, 0 } },
};
const volatile struct prefix6 shipped6[MAX_SHIPPED] = {
	{ 64, { 0xfd, 0x07, 0, 0, 0, 0, 0, 0x66 } },
	{ 32, { 0x20, 0x01, 0x0d, 0xb8 } },
};
const volatile struct port_key shipped_ports[MAX_SHIPPED] = {
	{ .port = 23, .ip_proto = IPPROTO_TCP },
	{ .port = 9999, .ip_proto = IPPROTO_UDP },
};

/* State. */
__u32 seeded;
__u64 log_lost;

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix4);
	__type(value, struct rule);
} blocked4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix6);
	__type(value, struct rule);
} blocked6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct port_key);
	__type(value, struct rule);
} blocked_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROTO_COUNT);
	__type(key, __u32); /* enum protocol */
	__type(value, struct counter);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} drop_log SEC(".maps");

/* Nothing reads it: it puts the type of what is in drop_log into the object's BTF. */
const struct drop_event *unused __attribute__((unused));

/* Puts the shipped rules into the maps; whoever comes first does it. */
static __noinline int seed_rules(void)
{
	struct rule rule = { .tag = 1 };

	for (int i = 0; i < MAX_SHIPPED; i++) {
		struct prefix4 p4 = { .bits = shipped4[i].bits };
		struct prefix6 p6 = { .bits = shipped6[i].bits };
		struct port_key port = { .port = shipped_ports[i].port, .ip_proto = shipped_ports[i].ip_proto };

		for (int b = 0; b < 4; b++)
			p4.addr[b] = shipped4[i].addr[b];
		for (int b = 0; b < 16; b++)
			p6.addr[b] = shipped6[i].addr[b];
		if (p4.bits)
			bpf_map_update_elem(&blocked4, &p4, &rule, BPF_ANY);
		if (p6.bits)
			bpf_map_update_elem(&blocked6, &p6, &rule, BPF_ANY);
		if (port.port)
			bpf_map_update_elem(&blocked_ports, &port, &rule, BPF_ANY);
		rule.tag++;
	}
	return 0;
}

/* Ports of TCP and UDP, behind the network header. Returns non-zero if they are cut off. */
static __always_inline int parse_transport(void *at, void *end, struct packet *pkt)
{
	struct ports *ports = at;

	switch (pkt->ip_proto) {
	case IPPROTO_ICMP:
		pkt->protocol = PROTO_ICMP;
		return 0;
	case IPPROTO_ICMPV6:
		pkt->protocol = PROTO_ICMPV6;
		return 0;
	case IPPROTO_TCP:
		pkt->protocol = PROTO_TCP;
		break;
	case IPPROTO_UDP:
		pkt->protocol = PROTO_UDP;
		break;
	default:
		return 0;
	}
	if ((void *)(ports + 1) > end)
		return -1;
	pkt->ports = *ports;
	return 0;
}

static __always_inline int parse_ipv4(void *at, void *end, struct packet *pkt)
{
	struct iphdr *ip = at;

	if ((void *)(ip + 1) > end || ip->ihl < 5)
		return -1;
	pkt->source.v4 = ip->saddr;
	pkt->destination.v4 = ip->daddr;
	pkt->ip_proto = ip->protocol;
	if (ip->frag_off & bpf_htons(IP_FRAGMENT_OFFSET)) /* only a first fragment has ports */
		return 0;
	return parse_transport(at + ip->ihl * 4, end, pkt);
}

static __always_inline int parse_ipv6(void *at, void *end, struct packet *pkt)
{
	struct ipv6hdr *ip = at;
	__u8 next;

	if ((void *)(ip + 1) > end)
		return -1;
	__builtin_memcpy(&pkt->source, &ip->saddr, sizeof(pkt->source));
	__builtin_memcpy(&pkt->destination, &ip->daddr, sizeof(pkt->destination));
	pkt->is_v6 = 1;
	next = ip->nexthdr;
	at = ip + 1;
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		__u8 *ext = at;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			break;
		if ((void *)(ext + 2) > end)
			return -1;
		next = ext[0];
		at += (ext[1] + 1) * 8;
	}
	pkt->ip_proto = next;
	return parse_transport(at, end, pkt);
}

static __always_inline int parse(void *data, void *end, struct packet *pkt)
{
	struct ethhdr *eth = data;
	void *at = eth + 1;
	__be16 proto;

	if (at > end)
		return -1;
	proto = eth->h_proto;
	for (int i = 0; i < MAX_TAGS && is_vlan(proto); i++) {
		struct vlan_tag *tag = at;

		if ((void *)(tag + 1) > end)
			return -1;
		pkt->vlan = VLAN_ID(tag->tci);
		proto = tag->proto;
		at = tag + 1;
	}
	if (proto == bpf_htons(ETH_P_IP))
		return parse_ipv4(at, end, pkt);
	if (proto == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(at, end, pkt);
	if (proto == bpf_htons(ETH_P_ARP))
		pkt->protocol = PROTO_ARP;
	return 0;
}

static __always_inline int hit(struct rule *rule)
{
	if (!rule)
		return 0;
	__sync_fetch_and_add(&rule->hits, 1);
	return 1;
}

static __always_inline int blocked(const union address *addr, int is_v6)
{
	if (is_v6) {
		struct prefix6 key = { .bits = 128 };

		__builtin_memcpy(key.addr, addr->v6, sizeof(key.addr));
		return hit(bpf_map_lookup_elem(&blocked6, &key));
	} else {
		struct prefix4 key = { .bits = 32 };

		__builtin_memcpy(key.addr, &addr->v4, sizeof(key.addr));
		return hit(bpf_map_lookup_elem(&blocked4, &key));
	}
}

static __always_inline enum drop_reason judge(const struct packet *pkt)
{
	struct port_key port = { .port = bpf_ntohs(pkt->ports.dest), .ip_proto = pkt->ip_proto };

	if (pkt->source.v4 == 0) /* not IP, or an address still to be had */
		return DROP_NONE;
	if (blocked(&pkt->source, pkt->is_v6))
		return DROP_SOURCE;
	if (blocked(&pkt->destination, pkt->is_v6))
		return DROP_DESTINATION;
	if (port.port && hit(bpf_map_lookup_elem(&blocked_ports, &port)))
		return DROP_PORT;
	return DROP_NONE;
}

static __always_inline void tell(const struct packet *pkt, enum drop_reason reason, __u64 length)
{
	struct drop_event *event = bpf_ringbuf_reserve(&drop_log, sizeof(*event), 0);

	if (!event) {
		__sync_fetch_and_add(&log_lost, 1);
		return;
	}
	event->time_ns = bpf_ktime_get_ns();
	event->reason = reason;
	event->protocol = pkt->protocol;
	event->source = pkt->source;
	event->destination = pkt->destination;
	event->source_port = bpf_ntohs(pkt->ports.source);
	event->destination_port = bpf_ntohs(pkt->ports.dest);
	event->vlan = pkt->vlan;
	event->length = length;
	bpf_ringbuf_submit(event, 0);
}

SEC("xdp")
int xdp_firewall(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	enum drop_reason reason = DROP_NONE;
	__u64 length = end - data;
	struct packet pkt = {};
	struct counter *counter;
	__u32 key;

	if (!seeded && !__sync_val_compare_and_swap(&seeded, 0, 1))
		seed_rules();

	if (parse(data, end, &pkt)) {
		pkt.protocol = PROTO_MALFORMED;
		if (drop_malformed)
			reason = DROP_MALFORMED;
	} else {
		reason = judge(&pkt);
	}

	key = pkt.protocol;
	counter = bpf_map_lookup_elem(&counters, &key);
	if (counter) {
		counter->packets++;
		counter->bytes += length;
		counter->dropped += reason != DROP_NONE;
	}
	if (reason == DROP_NONE)
		return XDP_PASS;
	if (log_drops)
		tell(&pkt, reason, length);
	return XDP_DROP;
}
