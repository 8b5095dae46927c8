/* What every loop program shares. Its memory begins with a count; the data follow. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

struct input {
	u64 n;
	u64 pad;
	u8 data[65536 - 16];
};

#define keep_loop _Pragma("clang loop unroll(disable) vectorize(disable)")

#ifdef VERIFIED
/* A verifier walks every round: few enough, and known to it. */
#ifndef COUNT
#define COUNT 1000
#endif
#define count(in) COUNT
#define SEC(name) __attribute__((section(name), used))
static void *(*const map_lookup)(void *map, const void *key) = (void *)1;

/* The same input in a map, and the result in the second word of it. */
struct {
	int (*type)[2]; /* array */
	int (*max_entries)[1];
	u32 *key;
	struct input *value;
} input SEC(".maps");

static inline __attribute__((always_inline)) u64 run(struct input *in);

SEC("xdp") int measured(void *ctx)
{
	u32 zero = 0;
	struct input *in = map_lookup(&input, &zero);
	if (!in)
		return 0;
	in->pad = run(in);
	return 2;
}
#else
#define count(in) ((in)->n)
#endif
