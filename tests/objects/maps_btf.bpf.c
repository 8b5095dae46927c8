/* Every way to write a BTF-defined map. */
#include "bpf.h"

struct key {
	u32 a;
	u16 b;
	u16 c;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 100);
	__type(key, struct key);
	__type(value, u64);
	__uint(map_flags, 1);
} typed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, sizeof(u32));
	__uint(value_size, 48);
	__uint(max_entries, 3);
	__uint(pinning, 1);
} sized SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, 4);
	__uint(numa_node, 1);
	__uint(max_entries, 8);
	__type(key, u32);
	__uint(key_size, 4);
	__type(value, u32);
} on_node SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 1000);
	__type(value, u64);
	__ulong(map_extra, 7);
} bloom SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u32);
};

struct inner first SEC(".maps"), second SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, u32);
	__array(values, struct inner);
} outer SEC(".maps") = {.values = {[1] = &first, [3] = &second}};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_LRU_HASH);
			__uint(max_entries, 16);
			__type(key, u64);
			__type(value, u8);
		});
} anonymous SEC(".maps");

int target_a(struct xdp_md *ctx);
int target_b(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 5);
	__uint(key_size, sizeof(u32));
	__array(values, int(struct xdp_md *));
} jumps SEC(".maps") = {.values = {[0] = &target_b, [4] = &target_a}};

SEC("xdp") int target_a(struct xdp_md *ctx)
{
	return 1;
}

SEC("xdp") int target_b(struct xdp_md *ctx)
{
	return 2;
}

SEC("xdp") int entry(struct xdp_md *ctx)
{
	struct key key = {1, 2, 3};
	u32 zero = 0, *value;
	u64 *seen = bpf_map_lookup_elem(&typed, &key);
	void *map = bpf_map_lookup_elem(&outer, &zero);

	if (seen)
		*seen += 1;
	if (map) {
		value = bpf_map_lookup_elem(map, &zero);
		if (value)
			*value += 1;
	}
	bpf_map_lookup_elem(&sized, &zero);
	bpf_tail_call(ctx, &jumps, 4);
	return 0;
}

char _license[] SEC("license") = "GPL";
