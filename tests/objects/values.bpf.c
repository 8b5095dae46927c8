/* Maps of every sort of value, for those who print them; and a program that speaks up. */
#include "bpf.h"

enum colour { RED = -1, GREEN = 1, BLUE = 7 };
enum big { HUGE = 0x123456789abcdefULL };

struct inner {
	u8 bytes[3];
	s32 n;
};

struct everything {
	u8 u8;
	signed char s8;
	u16 u16;
	short s16;
	u32 u32;
	s32 s32;
	u64 u64;
	s64 s64;
	_Bool yes;
	char letter;
	char name[8];
	char mac[6];
	enum colour colour;
	enum big big;
	void *pointer;
	u32 low : 3, high : 9;
	s32 minus : 5;
	u64 wide : 40;
	struct inner inner, list[2];
	union {
		u32 word;
		u8 octets[4];
	};
	__int128 longest;
	u32 table[2][3];
};

struct flow {
	u32 from, to;
	u16 port;
	u16 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32);
	__type(key, struct flow);
	__type(value, struct everything);
} by_flow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, u32);
	__type(value, struct everything);
} in_row SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16);
	__type(key, enum colour);
	__type(value, struct inner);
} each SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, u64);
	__type(value, s64);
} recent SEC(".maps");

struct {
	__uint(type, 4); /* perf event array */
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

u64 counter = 5;
char greeting[16] = "good day";
const volatile struct everything constant = {.u8 = 8, .s32 = -32, .name = "const", .colour = BLUE};

static long (*const bpf_perf_event_output)(void *ctx, void *map, u64 flags, void *data, u64 size) = (void *)25;

SEC("xdp") int speak(struct xdp_md *ctx)
{
	static const char text[] = "skep says %d";
	struct inner said = {.bytes = {1, 2, 3}, .n = -4};
	u64 key = 1;

	counter += constant.u8;
	bpf_map_lookup_elem(&recent, &key);
	bpf_perf_event_output(ctx, &events, 0xffffffff, &said, sizeof(said));
	bpf_trace_printk(text, sizeof(text), 42);
	return 2;
}

char _license[] SEC("license") = "GPL";
