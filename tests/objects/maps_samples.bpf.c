// cflags: -O2 -target bpf -mcpu=v2
/* Maps as the kernel's samples had them: 28 bytes, the inner map by its number, the NUMA node. */
#include "bpf.h"

struct bpf_map_def {
	u32 type, key_size, value_size, max_entries, map_flags, inner_map_idx, numa_node;
};

struct bpf_map_def SEC("maps") inner = {BPF_MAP_TYPE_HASH, 4, 4, 16};
struct bpf_map_def SEC("maps") outer = {BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, 8};
struct bpf_map_def SEC("maps") node = {BPF_MAP_TYPE_ARRAY, 4, 8, 1, 4, 0, 3};

SEC("socket1") int look(void *ctx)
{
	u32 zero = 0;

	bpf_map_lookup_elem(&inner, &zero);
	bpf_map_lookup_elem(&node, &zero);
	return !bpf_map_lookup_elem(&outer, &zero);
}

char _license[] SEC("license") = "GPL";
