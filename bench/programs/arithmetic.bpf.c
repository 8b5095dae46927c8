/* Mixed 64-bit arithmetic on four values. */
#include "bench.h"
u64 run(struct input *in)
{
	u64 a = 1, b = 2, c = 3, d = 4;
	keep_loop for (u64 i = 0; i < count(in); i++) {
		a = a * 6364136223846793005ULL + i;
		b ^= a >> 29;
		c += b << 3;
		d = (d | 5) - (c & a);
	}
	return a ^ b ^ c ^ d;
}
