// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0
/*
 * A layer 4 load balancer on XDP: packets to a virtual address go to one of its backends, out of
 * the interface that they came in by.
 *
 * A new flow picks its backend by highest random weight: each backend's number is hashed together
 * with the flow, and the highest wins, so a backend that leaves moves only its own flows. An LRU
 * map remembers the choice, so a backend that joins moves none. Address and MACs are rewritten,
 * checksums are corrected by difference (RFC 1624), never recomputed.
 *
 * As in the firewall, .rodata holds what the object ships with, copied into maps by the first packet.
 */
#include "packet.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define MAX_BACKENDS 8 /* of one virtual address */

struct vip {
	__be32 addr;
	__u16 port;
	__u8 ip_proto;
	__u8 pad;
};

struct service {
	__u32 first; /* backend */
	__u32 count;
};

struct backend {
	__be32 addr;
	__u8 mac[ETH_ALEN];
	__u16 up;
};

struct flow {
	__be32 source;
	__be32 destination;
	struct ports ports;
	__u32 ip_proto;
};

struct tally {
	__u64 packets;
	__u64 bytes;
	__u64 flows;
};

enum why_passed {
	PASS_NOT_IPV4,
	PASS_NOT_TCP_UDP,
	PASS_FRAGMENT,
	PASS_NO_SERVICE,
	PASS_NO_BACKEND,
	PASS_REASONS,
};

#define ADDRESS(a, b, c, d) bpf_htonl((__u32)(a) << 24 | (b) << 16 | (c) << 8 | (d))

/* Settings. */
const volatile __u32 hash_seed = 0x9e3779b9;
const volatile struct vip shipped_vip = { ADDRESS(10, 7, 0, 2), 8080, IPPROTO_TCP };
const volatile struct backend shipped_backends[] = {
	{ ADDRESS(10, 7, 1, 1), { 0x02, 0, 0, 0, 1, 1 }, 1 },
	{ ADDRESS(10, 7, 1, 2), { 0x02, 0, 0, 0, 1, 2 }, 1 },
	{ ADDRESS(10, 7, 1, 3), { 0x02, 0, 0, 0, 1, 3 }, 0 },
	{ ADDRESS(10, 7, 1, 4), { 0x02, 0, 0, 0, 1, 4 }, 1 },
};

#define SHIPPED_BACKENDS (sizeof(shipped_backends) / sizeof(shipped_backends[0]))

/* State. */
__u32 seeded;
__u64 passed[PASS_REASONS];

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct vip);
	__type(value, struct service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct backend);
} backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct flow);
	__type(value, __u32); /* backend */
} connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_BACKENDS);
	__type(key, __u32); /* backend */
	__type(value, struct tally);
} tallies SEC(".maps");

static __noinline int seed_services(void)
{
	struct vip vip = { shipped_vip.addr, shipped_vip.port, shipped_vip.ip_proto };
	struct service service = { 0, SHIPPED_BACKENDS };

	for (__u32 i = 0; i < SHIPPED_BACKENDS; i++) {
		__u32 number = i; /* a copy: what has its address taken has no known bounds */
		struct backend backend = { .addr = shipped_backends[i].addr, .up = shipped_backends[i].up };

		for (int b = 0; b < ETH_ALEN; b++)
			backend.mac[b] = shipped_backends[i].mac[b];
		bpf_map_update_elem(&backends, &number, &backend, BPF_ANY);
	}
	bpf_map_update_elem(&services, &vip, &service, BPF_ANY);
	return 0;
}

/* Mixes 32 bits (the finaliser of MurmurHash3, which is in the public domain). */
static __always_inline __u32 mix(__u32 h)
{
	h ^= h >> 16;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	return h ^ h >> 16;
}

static __always_inline __u32 hash_flow(const struct flow *flow)
{
	__u32 ports = (__u32)bpf_ntohs(flow->ports.source) << 16 | bpf_ntohs(flow->ports.dest);
	__u32 h = mix(hash_seed ^ bpf_ntohl(flow->source));

	h = mix(h ^ bpf_ntohl(flow->destination));
	return mix(h ^ ports ^ flow->ip_proto);
}

/* The number of the backend that a new flow goes to, or a negative one. */
static __noinline int pick_backend(__u32 hash, __u32 first, __u32 count)
{
	__u32 best_score = 0;
	int best = -1;

	for (__u32 i = 0; i < MAX_BACKENDS; i++) {
		__u32 number = first + i;
		__u32 score = mix(hash + number);
		struct backend *backend;

		if (i >= count)
			break;
		backend = bpf_map_lookup_elem(&backends, &number);
		if (!backend || !backend->up)
			continue;
		if (best < 0 || score > best_score) {
			best = number;
			best_score = score;
		}
	}
	return best;
}

static __always_inline __sum16 fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* A checksum after a word that it covers has changed. */
static __always_inline __sum16 adjust(__sum16 sum, __be32 before, __be32 after)
{
	return fold(bpf_csum_diff(&before, sizeof(before), &after, sizeof(after), (__u16)~sum));
}

static __always_inline int pass(enum why_passed why)
{
	__sync_fetch_and_add(&passed[why], 1);
	return XDP_PASS;
}

/* The checksum field of TCP or UDP, or null where it is cut off. */
static __always_inline __sum16 *checksum_of(struct iphdr *ip, void *end)
{
	if (ip->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = (void *)(ip + 1);

		return (void *)(tcp + 1) > end ? NULL : &tcp->check;
	} else {
		struct udphdr *udp = (void *)(ip + 1);

		return (void *)(udp + 1) > end ? NULL : &udp->check;
	}
}

SEC("xdp")
int l4_lb(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct service *service;
	struct backend *backend;
	struct flow flow = {};
	struct vip vip = {};
	struct tally *tally;
	__sum16 *check;
	__u32 number, *known;
	__be32 before;

	if (!seeded && !__sync_val_compare_and_swap(&seeded, 0, 1))
		seed_services();

	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5)
		return pass(PASS_NOT_IPV4);
	if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
		return pass(PASS_NOT_TCP_UDP);
	if (ip->frag_off & bpf_htons(IP_FRAGMENT_OFFSET | IP_MORE_FRAGMENTS))
		return pass(PASS_FRAGMENT);
	check = checksum_of(ip, end);
	if (!check)
		return pass(PASS_NOT_TCP_UDP);

	flow.source = ip->saddr;
	flow.destination = ip->daddr;
	flow.ports = *(struct ports *)(ip + 1);
	flow.ip_proto = ip->protocol;
	vip.addr = ip->daddr;
	vip.port = bpf_ntohs(flow.ports.dest);
	vip.ip_proto = ip->protocol;
	service = bpf_map_lookup_elem(&services, &vip);
	if (!service)
		return pass(PASS_NO_SERVICE);

	known = bpf_map_lookup_elem(&connections, &flow);
	if (known) {
		number = *known;
	} else {
		int picked = pick_backend(hash_flow(&flow), service->first, service->count);

		if (picked < 0)
			return pass(PASS_NO_BACKEND);
		number = picked;
		bpf_map_update_elem(&connections, &flow, &number, BPF_ANY);
	}
	backend = bpf_map_lookup_elem(&backends, &number);
	if (!backend)
		return pass(PASS_NO_BACKEND);
	tally = bpf_map_lookup_elem(&tallies, &number);
	if (tally) {
		tally->packets++;
		tally->bytes += end - data;
		tally->flows += !known;
	}

	before = ip->daddr;
	ip->daddr = backend->addr;
	ip->check = adjust(ip->check, before, ip->daddr);
	if (ip->protocol == IPPROTO_TCP || *check) /* a UDP checksum of zero says that there is none */
		*check = adjust(*check, before, ip->daddr);
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, backend->mac, ETH_ALEN);
	return XDP_TX;
}
