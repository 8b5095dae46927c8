// cflags: -O2 -target bpf -mcpu=v1
/* Maps as iproute2 defines them: 36 bytes, ids, pinning, tail calls by section name. */
#include "bpf.h"

struct bpf_elf_map {
	u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};

struct bpf_elf_map SEC("maps") jumps = {BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 8, 0, 1, 0, 0, -1};
struct bpf_elf_map SEC("maps") shared = {BPF_MAP_TYPE_HASH, 4, 8, 32, 0, 0, 2, 0, 0};
struct bpf_elf_map SEC("maps") inner = {BPF_MAP_TYPE_ARRAY, 4, 4, 4, 0, 2, 0, 0, 3};
struct bpf_elf_map SEC("maps") outer = {BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, 6, 0, 3, 0, 2, 0};

SEC("1/0") int first(void *skb)
{
	return 1;
}

SEC("1/5") int last(void *skb)
{
	return 2;
}

SEC("classifier") int entry(void *skb)
{
	u32 zero = 0;

	bpf_map_lookup_elem(&shared, &zero);
	bpf_map_lookup_elem(&outer, &zero);
	bpf_tail_call(skb, &jumps, 5);
	return -1;
}

char _license[] SEC("license") = "GPL";
