/* Calls of a small function that is not inlined. */
#include "bench.h"
static __attribute__((noinline)) u64 mix(u64 a, u64 b);
u64 run(struct input *in)
{
	u64 a = 1, n = count(in);
	keep_loop for (u64 i = 0; i < n; i++)
		a = mix(a, i) + i;
	return a;
}
static __attribute__((noinline)) u64 mix(u64 a, u64 b)
{
	a ^= b << 13;
	a += b >> 7;
	return a * 31;
}
