/* Sections that nobody knows, which are kept; an undefined function, which someone may provide. */
#include "bpf.h"

extern int provided(u32 n);

SEC("my_hook/alpha") int alpha(void *ctx)
{
	return 1;
}

SEC("!#$%") int strange(void *ctx)
{
	return provided(3);
}

SEC("?xdp") int on_demand(struct xdp_md *ctx)
{
	return 2;
}
