/* Twelve mistakes that people make, a program each, and each refused: `skep verify` says why, and mends those that it can. */
#include "bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define XDP_DROP 1
#define XDP_PASS 2
#define SLOTS 16

static long (*const bpf_xdp_adjust_head)(struct xdp_md *ctx, int delta) = (void *)44;
static u32 (*const bpf_get_prandom_u32)(void) = (void *)7;
static long (*const bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static void *(*const bpf_ringbuf_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *record, u64 flags) = (void *)132;
static u64 (*const bpf_get_current_task)(void) = (void *)35;

struct ethhdr {
	u8 dest[6], source[6];
	u16 proto;
} __attribute__((packed));

struct iphdr {
	u8 ihl : 4, version : 4;
	u8 tos;
	u16 total, id, fragment;
	u8 ttl, protocol;
	u16 check;
	u32 source, dest;
};

struct udphdr {
	u16 source, dest, length, check;
};

struct stats {
	u64 packets, bytes;
	u32 by_slot[SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, struct stats);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("xdp")
int null_unchecked(struct xdp_md *ctx)
{
	u32 key = ctx->rx_queue_index;
	struct stats *s = bpf_map_lookup_elem(&stats, &key);

	s->packets++;
	return XDP_PASS;
}

SEC("xdp")
int packet_unchecked(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	struct ethhdr *eth = data;

	if (eth->proto == 0x0008)
		return XDP_DROP;
	return XDP_PASS;
}

SEC("xdp")
int packet_too_short(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + sizeof(*eth);

	if (data + sizeof(*eth) > data_end)
		return XDP_PASS;
	if (eth->proto != 0x0008)
		return XDP_PASS;
	if (ip->protocol == 17)
		return XDP_DROP;
	return XDP_PASS;
}

SEC("xdp")
int packet_variable(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	void *data = (void *)(long)ctx->data;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct udphdr *udp;

	if ((void *)(ip + 1) > data_end)
		return XDP_PASS;
	udp = (void *)ip + ip->ihl * 4;
	if (udp->dest == 0x3500)
		return XDP_DROP;
	return XDP_PASS;
}

SEC("xdp")
int index_unbounded(struct xdp_md *ctx)
{
	u32 key = 0, slot = ctx->rx_queue_index;
	struct stats *s = bpf_map_lookup_elem(&stats, &key);

	if (!s)
		return XDP_PASS;
	s->by_slot[slot]++;
	return XDP_PASS;
}

SEC("xdp")
int index_off_by_one(struct xdp_md *ctx)
{
	u32 key = 0, slot = ctx->rx_queue_index;
	struct stats *s = bpf_map_lookup_elem(&stats, &key);

	if (!s || slot > SLOTS)
		return XDP_PASS;
	s->by_slot[slot]++;
	return XDP_PASS;
}

SEC("kprobe/do_unlinkat")
int size_signed(void *ctx)
{
	char name[64];
	int key = 0;
	int *size = bpf_map_lookup_elem(&stats, &key);
	int n;

	if (!size)
		return 0;
	n = *size;
	if (n > (int)sizeof(name))
		return 0;
	bpf_probe_read_kernel(name, n, ctx);
	return name[0] == '/';
}

SEC("xdp")
int record_kept(struct xdp_md *ctx)
{
	u32 *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);

	if (!record)
		return XDP_PASS;
	*record = ctx->ingress_ifindex;
	if (ctx->rx_queue_index == 7)
		return XDP_DROP;
	bpf_ringbuf_submit(record, 0);
	return XDP_PASS;
}

SEC("xdp")
int packet_moved(struct xdp_md *ctx)
{
	void *data_end = (void *)(long)ctx->data_end;
	u8 *data = (void *)(long)ctx->data;

	if (data + 34 > (u8 *)data_end)
		return XDP_PASS;
	if (bpf_xdp_adjust_head(ctx, -14))
		return XDP_DROP;
	data[0] = 2;
	return XDP_PASS;
}

struct task {
	u64 flags;
	u32 pid;
};

SEC("kprobe/do_unlinkat")
int kernel_memory(void *ctx)
{
	struct task *task = (void *)bpf_get_current_task();

	return task->pid == 1;
}

SEC("xdp")
int stack_index(struct xdp_md *ctx)
{
	volatile u8 seen[8] = {};
	u32 at = bpf_get_prandom_u32();

	if (at > 8)
		return XDP_PASS;
	seen[at] = 1;
	return seen[0] ? XDP_DROP : XDP_PASS;
}

SEC("cgroup_skb/egress")
int result_range(void *skb)
{
	u32 key = 1;
	struct stats *s = bpf_map_lookup_elem(&stats, &key);

	return s ? s->packets : 1;
}
