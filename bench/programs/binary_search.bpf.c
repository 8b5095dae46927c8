// verified: -DCOUNT=1
/* Searches a sorted array of 4096 numbers. */
#include "bench.h"
u64 run(struct input *in)
{
	volatile u32 *table = (u32 *)in->data;
	u64 found = 0, key = 12345, n = count(in);
	keep_loop for (u64 i = 0; i < n; i++) {
		u64 lo = 0, hi = 4096;
		key = (key * 1103515245 + 12345) & 0x7fff;
		keep_loop while (lo < hi) {
			u64 mid = (lo + hi) >> 1;
			if (table[mid & 4095] < key)
				lo = mid + 1;
			else
				hi = mid;
		}
		found += lo;
	}
	return found;
}
