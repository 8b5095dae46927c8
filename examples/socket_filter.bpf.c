// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0
/*
 * A socket filter: counts by protocol and by size, and says how much of each packet a capture
 * needs: headers of bulk transfers, the whole of name lookups, nothing of what is not IP.
 *
 * Offsets are taken from the network header, so that it serves sockets of AF_PACKET with a
 * link-layer header (SOCK_RAW), without (SOCK_DGRAM), and sockets of IP alike.
 */
#include "packet.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define SNAP_ALL 0xffff
#define SIZE_CLASSES 12 /* powers of two */

/* Settings. */
const volatile __u32 header_bytes = 96;
const volatile __u16 whole_port = 5353;

struct tally {
	__u64 packets;
	__u64 bytes;
};

/* What is counted: the EtherType, and above IP the protocol. */
struct protocol {
	__u16 ether_type;
	__u8 ip_proto;
	__u8 fragment;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct protocol);
	__type(value, struct tally);
} protocols SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SIZE_CLASSES);
	__type(key, __u32); /* log2 of the length */
	__type(value, __u64);
} sizes SEC(".maps");

__u64 captured_bytes;

static __always_inline void count(struct __sk_buff *skb, const struct protocol *protocol)
{
	struct tally first = { 1, skb->len }, *tally = bpf_map_lookup_elem(&protocols, protocol);

	if (tally) {
		__sync_fetch_and_add(&tally->packets, 1);
		__sync_fetch_and_add(&tally->bytes, skb->len);
	} else {
		bpf_map_update_elem(&protocols, protocol, &first, BPF_NOEXIST);
	}
}

static __always_inline void count_size(__u32 length)
{
	__u32 class = 0;
	__u64 *packets;

	for (__u32 rest = length; rest > 1 && class < SIZE_CLASSES - 1; rest >>= 1)
		class++;
	packets = bpf_map_lookup_elem(&sizes, &class);
	if (packets)
		__sync_fetch_and_add(packets, 1);
}

static __always_inline int snap(struct __sk_buff *skb, __u32 want)
{
	__u32 length = want < skb->len ? want : skb->len;

	__sync_fetch_and_add(&captured_bytes, length);
	return length;
}

SEC("socket")
int socket_filter(struct __sk_buff *skb)
{
	struct protocol protocol = { .ether_type = bpf_ntohs(skb->protocol) };
	struct ports ports = {};
	struct ipv6hdr ip6;
	struct iphdr ip4;
	__u32 transport;

	count_size(skb->len);
	if (protocol.ether_type == ETH_P_IP) {
		if (bpf_skb_load_bytes_relative(skb, 0, &ip4, sizeof(ip4), BPF_HDR_START_NET))
			return 0;
		protocol.ip_proto = ip4.protocol;
		protocol.fragment = !!(ip4.frag_off & bpf_htons(IP_FRAGMENT_OFFSET | IP_MORE_FRAGMENTS));
		transport = ip4.ihl * 4;
	} else if (protocol.ether_type == ETH_P_IPV6) {
		if (bpf_skb_load_bytes_relative(skb, 0, &ip6, sizeof(ip6), BPF_HDR_START_NET))
			return 0;
		protocol.ip_proto = ip6.nexthdr;
		transport = sizeof(ip6);
	} else {
		count(skb, &protocol);
		return 0;
	}
	count(skb, &protocol);
	if (protocol.fragment)
		return snap(skb, header_bytes);
	if (protocol.ip_proto == IPPROTO_UDP) {
		bpf_skb_load_bytes_relative(skb, transport, &ports, sizeof(ports), BPF_HDR_START_NET);
		if (ports.dest == bpf_htons(whole_port) || ports.source == bpf_htons(whole_port))
			return snap(skb, SNAP_ALL);
	}
	return snap(skb, header_bytes);
}
