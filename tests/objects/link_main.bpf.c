/* The half of a linked pair that has the program: it uses a map, a variable and a function of the other half. */
#include "bpf.h"

struct counts {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, u64);
};

extern struct counts counts __attribute__((section(".maps")));
extern u64 limit __attribute__((section(".data")));
extern int account(u32 n);
u64 own = 11;

static NOINLINE u32 twist(u32 n)
{
	return n * 5 + (u32)bpf_ktime_get_ns();
}

SEC("xdp") int linked(struct xdp_md *ctx)
{
	u32 key = twist(ctx->ingress_ifindex) & 3;
	u64 *n = bpf_map_lookup_elem(&counts, &key);

	own += 1;
	if (n && *n > limit)
		return 1;
	return account(key);
}

char _license[] SEC("license") = "GPL";
