/* A program with a function that others stand in for, or watch; and those others. */
#include "bpf.h"

NOINLINE int decide(struct xdp_md *ctx)
{
	return ctx->data_end > ctx->data ? 2 : 1;
}

SEC("xdp") int base(struct xdp_md *ctx)
{
	return decide(ctx);
}

SEC("?freplace/decide") int stand_in(struct xdp_md *ctx)
{
	return 1;
}

u64 seen;

SEC("?fentry/decide") int before(u64 *ctx)
{
	__sync_fetch_and_add(&seen, 1);
	return 0;
}

SEC("?fexit/decide") int after(u64 *ctx)
{
	__sync_fetch_and_add(&seen, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
