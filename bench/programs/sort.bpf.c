// verified: -DCOUNT=2
/* Bubble sort of 64 numbers, again and again: its branches say nothing that a verifier would have to remember. */
#include "bench.h"
u64 run(struct input *in)
{
	volatile u64 *from = (u64 *)in->data, *a = (u64 *)(in->data + 32768);
	u64 n = count(in), sum = 0;
	keep_loop for (u64 k = 0; k < n; k++) {
		keep_loop for (u64 i = 0; i < 64; i++)
			a[i & 63] = from[(i + k) & 127];
		keep_loop for (u64 end = 63; end > 0; end--) {
			keep_loop for (u64 i = 0; i < end; i++) {
				u64 x = a[i & 63], y = a[(i + 1) & 63];
				if (x > y) {
					a[i & 63] = y;
					a[(i + 1) & 63] = x;
				}
			}
		}
		sum += a[32];
	}
	return sum;
}
