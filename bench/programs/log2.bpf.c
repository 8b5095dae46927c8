/* Integer logarithm by shifting, of many numbers. */
#include "bench.h"
u64 run(struct input *in)
{
	u64 sum = 0, x = 0x9e3779b97f4a7c15ULL, n = count(in);
	keep_loop for (u64 i = 0; i < n; i++) {
		u64 v = x >> (i & 31), r = 0;
		keep_loop while (v >>= 1)
			r++;
		sum += r;
		x += 0x2545f4914f6cdd1dULL;
	}
	return sum;
}
