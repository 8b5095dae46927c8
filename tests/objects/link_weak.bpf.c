/* A weak function, which stands unless another object has a strong one. */
#include "bpf.h"

WEAK NOINLINE int account(u32 n)
{
	return n + 900;
}

SEC("xdp") int weakly(struct xdp_md *ctx)
{
	return account(ctx->ingress_ifindex);
}

char _license[] SEC("license") = "GPL";
