// cflags: -O2 -target bpf -mcpu=v1
/* Maps from before BTF, as libbpf defined them: 20 bytes each. */
#include "bpf.h"

struct bpf_map_def {
	u32 type, key_size, value_size, max_entries, map_flags;
};

struct bpf_map_def SEC("maps") counts = {BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 64, 1};
struct bpf_map_def SEC("maps") flags = {BPF_MAP_TYPE_ARRAY, 4, 4, 2, 0};

SEC("xdp_count") int count(struct xdp_md *ctx)
{
	u32 key = ctx->ingress_ifindex;
	u64 *n = bpf_map_lookup_elem(&counts, &key);

	if (n)
		*n += 1;
	bpf_map_lookup_elem(&flags, &key);
	return 2;
}

char _license[] SEC("license") = "GPL";
u32 _version SEC("version") = 0x060c00;
