/* Data sections: the usual ones, ones with a name of their own, static variables, merged strings, a huge .bss. */
#include "bpf.h"

u64 written = 0x1122334455667788;
const volatile u32 constant = 42;
u64 zeroed;
static volatile u32 hidden = 7;
u32 custom SEC(".data.custom") = 99;
const u32 table[4] SEC(".rodata.table") = {1, 2, 3, 4};
u8 huge[0xc0000000] SEC(".bss.huge");
u32 tuning SEC("knobs") = 5;

SEC("xdp") int use(struct xdp_md *ctx)
{
	u32 i = ctx->rx_queue_index & 3;

	bpf_trace_printk("seen %d\n", 9, i);
	hidden += 1;
	written += constant + hidden;
	zeroed += table[i];
	custom += tuning;
	huge[0x80000000u + i] = 1;
	return 2;
}

char _license[] SEC("license") = "Dual MIT/GPL";
