/* Three things that are done to packets: dropped, counted and dropped, rewritten and sent back. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
static void *(*const map_lookup)(void *map, const void *key) = (void *)1;

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

struct eth {
	u8 dst[6], src[6];
	u16 proto;
};

struct ipv4 {
	u8 version_ihl, tos;
	u16 len, id, frag;
	u8 ttl, proto;
	u16 sum;
	u32 src, dst;
};

struct udp {
	u16 src, dst, len, sum;
};

struct {
	int (*type)[6]; /* percpu_array */
	int (*max_entries)[256];
	u32 *key;
	u64 *value;
} counts SEC(".maps");

SEC("xdp") int empty(struct xdp_md *ctx)
{
	return 2;
}

SEC("xdp") int drop(struct xdp_md *ctx)
{
	return 1;
}

SEC("xdp") int count(struct xdp_md *ctx)
{
	void *data = (void *)(u64)ctx->data, *end = (void *)(u64)ctx->data_end;
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end || eth->proto != 8)
		return 2;
	u32 key = ip->proto;
	u64 *n = map_lookup(&counts, &key);
	if (n)
		*n += 1;
	return 1;
}

SEC("xdp") int forward(struct xdp_md *ctx)
{
	void *data = (void *)(u64)ctx->data, *end = (void *)(u64)ctx->data_end;
	struct eth *eth = data;
	struct ipv4 *ip = (void *)(eth + 1);
	struct udp *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > end || eth->proto != 8 || ip->version_ihl != 0x45 || ip->proto != 17)
		return 2;
	u16 *d = (u16 *)eth->dst, *s = (u16 *)eth->src, port = udp->src;
	u32 addr = ip->src;
	for (int i = 0; i < 3; i++) {
		u16 t = d[i];
		d[i] = s[i];
		s[i] = t;
	}
	ip->src = ip->dst;
	ip->dst = addr;
	udp->src = udp->dst;
	udp->dst = port;
	udp->sum = 0;
	return 3;
}
