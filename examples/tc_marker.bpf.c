// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0
/*
 * A tc classifier that marks: rules by DSCP and by destination port give a packet its mark, its
 * priority, a new DSCP and, where a rule says so, an 802.1Q tag.
 *
 * The rules stand in .data, so that they can be changed while the program runs; the first that
 * matches wins. One port is also redirected, to show a rewrite below a checksum.
 */
#include "packet.h"
#include <linux/pkt_cls.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define MAX_RULES 8
#define ANY 0xff

#define OFFSET_TOS (ETH_HLEN + 1)
#define OFFSET_IP_CHECK (ETH_HLEN + 10)
#define OFFSET_UDP_DEST (ETH_HLEN + 20 + 2)
#define OFFSET_UDP_CHECK (ETH_HLEN + 20 + 6)

enum class {
	CLASS_BEST_EFFORT,
	CLASS_BULK,
	CLASS_INTERACTIVE,
	CLASS_VOICE,
	CLASS_DROP,
	CLASS_COUNT,
};

struct rule {
	__u16 port;     /* destination, 0 for any */
	__u8 ip_proto;  /* ANY for any */
	__u8 dscp;      /* ANY for any */
	__u8 new_dscp;  /* ANY to keep it */
	__u8 class;     /* enum class */
	__u16 vlan;     /* 0 for none */
};

/* Rules, in order. One without a class ends the list. */
struct rule rules[MAX_RULES] = {
	{ .port = 9, .ip_proto = ANY, .dscp = ANY, .new_dscp = ANY, .class = CLASS_DROP },
	{ .port = 0, .ip_proto = ANY, .dscp = 46, .new_dscp = ANY, .class = CLASS_VOICE, .vlan = 46 },
	{ .port = 5353, .ip_proto = IPPROTO_UDP, .dscp = ANY, .new_dscp = 18, .class = CLASS_INTERACTIVE },
	{ .port = 8080, .ip_proto = IPPROTO_TCP, .dscp = ANY, .new_dscp = 8, .class = CLASS_BULK },
	{ .port = 0, .ip_proto = IPPROTO_ICMP, .dscp = ANY, .new_dscp = 16, .class = CLASS_INTERACTIVE },
};

/* UDP to the first port goes to the second instead. */
const volatile __u16 redirect_from = 5300;
const volatile __u16 redirect_to = 53;

struct tally {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CLASS_COUNT);
	__type(key, __u32); /* enum class */
	__type(value, struct tally);
} classes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 128);
	__type(key, __u16); /* VLAN */
	__type(value, struct tally);
} vlans SEC(".maps");

/* What the last marked packet was given. */
struct {
	__u32 mark;
	__u32 priority;
	__u64 errors;
} last;

static __always_inline const struct rule *find_rule(__u8 dscp, __u8 ip_proto, __u16 port)
{
	for (int i = 0; i < MAX_RULES; i++) {
		const struct rule *rule = &rules[i];

		if (!rule->class)
			break;
		if (rule->port && rule->port != port)
			continue;
		if (rule->ip_proto != ANY && rule->ip_proto != ip_proto)
			continue;
		if (rule->dscp != ANY && rule->dscp != dscp)
			continue;
		return rule;
	}
	return NULL;
}

/* Writes the DSCP, keeping the two bits of ECN. */
static __always_inline long set_dscp(struct __sk_buff *skb, __u8 old_tos, __u8 dscp)
{
	__u8 tos = dscp << 2 | (old_tos & 3);
	long err;

	err = bpf_l3_csum_replace(skb, OFFSET_IP_CHECK, bpf_htons(old_tos), bpf_htons(tos), 2);
	return err ?: bpf_skb_store_bytes(skb, OFFSET_TOS, &tos, sizeof(tos), 0);
}

static __always_inline long redirect_port(struct __sk_buff *skb)
{
	__be16 from = bpf_htons(redirect_from), to = bpf_htons(redirect_to);
	long err;

	err = bpf_l4_csum_replace(skb, OFFSET_UDP_CHECK, from, to, BPF_F_MARK_MANGLED_0 | 2);
	return err ?: bpf_skb_store_bytes(skb, OFFSET_UDP_DEST, &to, sizeof(to), 0);
}

static __always_inline void count_vlan(struct __sk_buff *skb)
{
	__u16 vlan = skb->vlan_tci & 0x0fff;
	struct tally first = { 1, skb->len }, *tally = bpf_map_lookup_elem(&vlans, &vlan);

	if (tally) {
		__sync_fetch_and_add(&tally->packets, 1);
		__sync_fetch_and_add(&tally->bytes, skb->len);
	} else {
		bpf_map_update_elem(&vlans, &vlan, &first, BPF_NOEXIST);
	}
}

static __always_inline void count_class(struct __sk_buff *skb, __u32 class)
{
	struct tally *tally = bpf_map_lookup_elem(&classes, &class);

	if (tally) {
		tally->packets++;
		tally->bytes += skb->len;
	}
}

SEC("tc")
int tc_marker(struct __sk_buff *skb)
{
	const struct rule *rule;
	struct ports ports = {};
	void *data, *end;
	struct iphdr *ip;
	__u32 class;
	__u16 port;
	__u8 tos, ip_proto, fragment;
	long err = 0;

	if (skb->vlan_present)
		count_vlan(skb);
	/* Headers may lie outside the linear part: pull them in, then look. */
	bpf_skb_pull_data(skb, ETH_HLEN + sizeof(*ip));
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	ip = data + ETH_HLEN;
	if ((void *)(ip + 1) > end || skb->protocol != bpf_htons(ETH_P_IP) || ip->ihl != 5) {
		count_class(skb, CLASS_BEST_EFFORT);
		return TC_ACT_OK;
	}
	tos = ip->tos;
	ip_proto = ip->protocol;
	fragment = !!(ip->frag_off & bpf_htons(IP_FRAGMENT_OFFSET));
	if (!fragment && (ip_proto == IPPROTO_TCP || ip_proto == IPPROTO_UDP))
		bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(*ip), &ports, sizeof(ports));
	port = bpf_ntohs(ports.dest);

	rule = find_rule(tos >> 2, ip_proto, port);
	class = rule ? rule->class : CLASS_BEST_EFFORT;
	count_class(skb, class);
	if (class == CLASS_DROP)
		return TC_ACT_SHOT;
	if (ip_proto == IPPROTO_UDP && port == redirect_from)
		err = redirect_port(skb);
	if (rule) {
		__u16 vlan = rule->vlan;

		skb->mark = 0x100 | class;
		skb->priority = class;
		last.mark = skb->mark;
		last.priority = skb->priority;
		if (rule->new_dscp != ANY && !err)
			err = set_dscp(skb, tos, rule->new_dscp);
		if (vlan && !skb->vlan_present && !err)
			err = bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), vlan);
	}
	if (err)
		__sync_fetch_and_add(&last.errors, 1);
	return TC_ACT_OK;
}
