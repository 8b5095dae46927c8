// verified: -DCOUNT=2
/* Insertion sort of 64 numbers, again and again. */
#include "bench.h"
u64 run(struct input *in)
{
	volatile u64 *from = (u64 *)in->data, *a = (u64 *)(in->data + 32768);
	u64 n = count(in), sum = 0;
	keep_loop for (u64 k = 0; k < n; k++) {
		keep_loop for (u64 i = 0; i < 64; i++) {
			u64 v = from[(i + k) & 127];
			u64 j = i;
			keep_loop for (; j > 0 && a[(j - 1) & 63] > v; j--)
				a[j & 63] = a[(j - 1) & 63];
			a[j & 63] = v;
		}
		sum += a[32];
	}
	return sum;
}
