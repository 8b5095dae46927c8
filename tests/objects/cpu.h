/* One program for every cpu version: 32-bit arithmetic, comparisons, byte order, signed extension where there is one. */
#include "bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} sums SEC(".maps");

SEC("xdp") int sum(struct xdp_md *ctx)
{
	const u8 *p = (void *)(u64)ctx->data, *end = (void *)(u64)ctx->data_end;
	u32 key = 0, a = 0;
	s32 s = 0;
	u64 *value;

	if (p + 14 > end)
		return 1;
	for (int i = 0; i < 14; i++) {
		a = a * 31 + p[i];
		s += (signed char)p[i];
	}
	a ^= __builtin_bswap16(*(u16 *)(p + 12));
	value = bpf_map_lookup_elem(&sums, &key);
	if (value)
		*value += a + (u64)(s64)s;
	return (s32)a < s ? 2 : 3;
}

char _license[] SEC("license") = "GPL";
