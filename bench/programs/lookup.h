/* The one helper that every engine has: entry of an array of 256 numbers. Verified, it is a lookup in an array map. */
#if defined(VERIFIED)
struct {
	int (*type)[2]; /* array */
	int (*max_entries)[256];
	u32 *key;
	u64 *value;
} table SEC(".maps");
static inline __attribute__((always_inline)) u64 lookup(u64 key)
{
	u32 k = key;
	u64 *value = map_lookup(&table, &k);
	return value ? *value : 0;
}
#elif defined(__bpf__)
static u64 (*const lookup)(u64 key) = (void *)1;
#else
static __attribute__((noinline)) u64 lookup(u64 key)
{
	static u64 table[256];
	if (!table[1])
		for (u64 i = 0; i < 256; i++)
			table[i] = i * 0x9e3779b97f4a7c15ULL;
	return table[key & 255];
}
#endif
