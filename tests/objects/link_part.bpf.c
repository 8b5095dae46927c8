/* The half of a linked pair that provides: a map, a variable, a function, and a static function of the same name. */
#include "bpf.h"

struct counts {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, u64);
};

struct counts counts SEC(".maps");
u64 limit = 1000;
u64 calls;

static NOINLINE u32 twist(u32 n)
{
	return n * 7 + (u32)bpf_ktime_get_ns();
}

NOINLINE int account(u32 n)
{
	u64 *count = bpf_map_lookup_elem(&counts, &n);

	calls += 1;
	if (count)
		*count += twist(n) & 1;
	return 2;
}

char _license[] SEC("license") = "GPL";
