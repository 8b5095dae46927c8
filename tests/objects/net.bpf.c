/* A program for each hook of interfaces, routes and netfilter. They look at frames of one Ethertype, or at one UDP port,
 * and let everything else pass, so that what the machine itself sends does not count. */
#include "hooks.h"

enum {
	BPF_MAP_TYPE_DEVMAP = 14,
	XDP_DROP = 1,
	XDP_PASS = 2,
	XDP_TX = 3,
	TC_ACT_UNSPEC = -1,
	TC_ACT_OK = 0,
	TC_ACT_SHOT = 2,
	NF_DROP = 0,
	NF_ACCEPT = 1,
	BPF_OK = 0,
};

struct bpf_nf_ctx {
	const void *state;
	void *skb;
};

/* How often each program saw what it looks for, by the order in which they stand here. */
u64 seen[16];

#define SAW(n) __sync_fetch_and_add(&seen[n], 1)

static long (*const bpf_redirect_map)(void *map, u64 key, u64 flags) = (void *)51;

/* Ethertype 0x88b5 is for experiments. */
static inline int mine(struct xdp_md *ctx)
{
	u8 *data = (u8 *)(long)ctx->data;

	return data + 14 <= (u8 *)(long)ctx->data_end && data[12] == 0x88 && data[13] == 0xb5;
}

static inline int mine_skb(struct __sk_buff *skb)
{
	return skb->protocol == PORT(0x88b5);
}

SEC("xdp") int drop(struct xdp_md *ctx)
{
	if (!mine(ctx))
		return XDP_PASS;
	SAW(0);
	return XDP_DROP;
}

SEC("xdp") int drop_too(struct xdp_md *ctx)
{
	if (!mine(ctx))
		return XDP_PASS;
	SAW(1);
	return XDP_DROP;
}

SEC("xdp") int pass(struct xdp_md *ctx)
{
	if (mine(ctx))
		SAW(2);
	return XDP_PASS;
}

SEC("xdp") int send_back(struct xdp_md *ctx)
{
	if (!mine(ctx))
		return XDP_PASS;
	SAW(3);
	return XDP_TX;
}

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, 4);
} ports SEC(".maps");

SEC("xdp") int redirect(struct xdp_md *ctx)
{
	if (!mine(ctx))
		return XDP_PASS;
	SAW(4);
	return bpf_redirect_map(&ports, 0, XDP_DROP);
}

/* Where a frame comes out. */
SEC("xdp") int arrived(struct xdp_md *ctx)
{
	if (!mine(ctx))
		return XDP_PASS;
	SAW(5);
	return XDP_DROP;
}

/* Belongs to an entry of the devmap. */
SEC("xdp/devmap") int onward(struct xdp_md *ctx)
{
	SAW(6);
	return XDP_PASS;
}

SEC("tc/ingress") int come(struct __sk_buff *skb)
{
	if (mine_skb(skb))
		SAW(7);
	/* Whoever comes next decides. */
	return TC_ACT_UNSPEC;
}

SEC("tc/ingress") int come_not(struct __sk_buff *skb)
{
	if (!mine_skb(skb))
		return TC_ACT_OK;
	SAW(8);
	return TC_ACT_SHOT;
}

SEC("tc/egress") int go(struct __sk_buff *skb)
{
	if (mine_skb(skb))
		SAW(9);
	return TC_ACT_UNSPEC;
}

SEC("netfilter") int nf_drop(struct bpf_nf_ctx *ctx)
{
	SAW(10);
	return NF_DROP;
}

SEC("netfilter") int nf_accept(struct bpf_nf_ctx *ctx)
{
	SAW(11);
	return NF_ACCEPT;
}

SEC("lwt_out") int route_out(struct __sk_buff *skb)
{
	SAW(12);
	return BPF_OK;
}

SEC("lwt_xmit") int route_xmit(struct __sk_buff *skb)
{
	SAW(13);
	return BPF_OK;
}

SEC("lwt_in") int route_in(struct __sk_buff *skb)
{
	SAW(14);
	return BPF_OK;
}

/* For xt_bpf: datagrams to port 7007. The packet begins at its IP header. */
SEC("socket") int match(struct __sk_buff *skb)
{
	u8 ip[1], port[2];
	u32 at;

	if (bpf_skb_load_bytes(skb, 0, ip, 1))
		return 0;
	at = (ip[0] & 15) * 4 + 2;
	if (bpf_skb_load_bytes(skb, at, port, 2))
		return 0;
	if (port[0] != 7007 >> 8 || port[1] != (7007 & 0xff))
		return 0;
	SAW(15);
	return 1;
}

char _license[] SEC("license") = "GPL";
