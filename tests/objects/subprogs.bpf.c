/* Several programs in a section; static and global subprograms, one of them shared; callbacks. */
#include "bpf.h"

u64 total;

static NOINLINE int leaf(u32 n)
{
	return n ^ (u32)bpf_ktime_get_ns();
}

NOINLINE int shared(u32 n)
{
	total += n;
	return leaf(n) + 1;
}

static NOINLINE int middle(u32 n)
{
	return shared(n) * leaf(n + 1);
}

static int each(u32 i, u64 *sum)
{
	*sum += shared(i);
	return 0;
}

NOINLINE int unused(u32 n)
{
	return leaf(n) + 100;
}

SEC("xdp") int one(struct xdp_md *ctx)
{
	return middle(ctx->ingress_ifindex);
}

SEC("xdp") int two(struct xdp_md *ctx)
{
	u64 sum = 0;

	bpf_loop(10, each, &sum, 0);
	return sum + leaf(3);
}

/* A static function that lives beside the programs. */
static NOINLINE SEC("xdp") int beside(u32 n)
{
	return n * 3 + (u32)bpf_ktime_get_ns();
}

SEC("xdp") int three(struct xdp_md *ctx)
{
	return beside(ctx->ingress_ifindex) + shared(1);
}

SEC("tc") int four(void *skb)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
