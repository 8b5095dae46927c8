// verified: -DCOUNT=3
/* Product of two 16 by 16 matrices of 32-bit numbers. */
#include "bench.h"
u64 run(struct input *in)
{
	volatile u32 *a = (u32 *)in->data, *b = a + 256, *c = a + 512;
	u64 n = count(in);
	keep_loop for (u64 k = 0; k < n; k++)
		keep_loop for (u64 i = 0; i < 16; i++)
			keep_loop for (u64 j = 0; j < 16; j++) {
				u64 sum = 0;
				keep_loop for (u64 l = 0; l < 16; l++)
					sum += (u64)a[(i * 16 + l) & 255] * b[(l * 16 + j) & 255];
				c[(i * 16 + j) & 255] = sum;
			}
	return c[17];
}
