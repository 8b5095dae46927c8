/* Maps that want to be found by name. */
#include "bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, 4);
	__uint(pinning, 1);
} skep_shared SEC(".maps");

SEC("xdp") int count(struct xdp_md *ctx)
{
	u32 key = 0;
	u64 *n = bpf_map_lookup_elem(&skep_shared, &key);

	if (n)
		__sync_fetch_and_add(n, 1);
	return 2;
}

char _license[] SEC("license") = "GPL";
