// cflags: -O2 -g -target bpfeb -mcpu=v3
/* Big-endian: data, a map of maps with contents, a configuration value, static subprograms. */
#include "bpf.h"

extern u32 CONFIG_HZ KCONFIG WEAK;

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u32);
};

static struct inner slot SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, u32);
	__array(values, struct inner);
} outer SEC(".maps") = {.values = {[2] = &slot}};

u32 written = 0x01020304;
static volatile const u16 half = 0x0506;

static NOINLINE int add(u32 n)
{
	return n + written + (u32)bpf_ktime_get_ns();
}

SEC("xdp") int use(struct xdp_md *ctx)
{
	u32 zero = 0;

	bpf_map_lookup_elem(&outer, &zero);
	bpf_map_lookup_elem(&slot, &zero);
	return add(half) + CONFIG_HZ;
}

char _license[] SEC("license") = "GPL";
