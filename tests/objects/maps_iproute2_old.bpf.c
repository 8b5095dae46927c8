// cflags: -O2 -target bpf -mcpu=v1
/* Maps as iproute2 defined them before there were maps of maps: 28 bytes. */
#include "bpf.h"

struct bpf_elf_map {
	u32 type, size_key, size_value, max_elem, flags, id, pinning;
};

struct bpf_elf_map SEC("maps") jumps = {BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 8, 0, 2, 0};
struct bpf_elf_map SEC("maps") shared = {BPF_MAP_TYPE_HASH, 4, 8, 32, 0, 0, 2};

SEC("2/7") int next(void *skb)
{
	u32 zero = 0;

	bpf_map_lookup_elem(&shared, &zero);
	return 1;
}

SEC("from-netdev") int entry(void *skb)
{
	bpf_tail_call(skb, &jumps, 7);
	return -1;
}

char _license[] SEC("license") = "GPL";
