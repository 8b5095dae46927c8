/* SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0 */
/*
 * What the examples share: wire formats that the UAPI headers lack, and a bounds check.
 */
#ifndef EXAMPLES_PACKET_H
#define EXAMPLES_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* A tag, as it stands behind the two MAC addresses and the 802.1Q or 802.1ad type. */
struct vlan_tag {
	__be16 tci;
	__be16 proto;
};

/* The first four bytes of TCP and UDP alike. */
struct ports {
	__be16 source;
	__be16 dest;
};

#define VLAN_ID(tci) (bpf_ntohs(tci) & 0x0fff)
#define IP_FRAGMENT_OFFSET 0x1fff
#define IP_MORE_FRAGMENTS 0x2000

/* An address of either family: IPv4 takes the first word, the rest is zero. */
union address {
	__be32 v4;
	__be32 v6[4];
};

static __always_inline int is_vlan(__be16 proto)
{
	return proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD);
}

#endif
