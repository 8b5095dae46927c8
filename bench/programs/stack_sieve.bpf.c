/* A sieve of 256 numbers on the stack. */
#include "bench.h"
u64 run(struct input *in)
{
	volatile u8 sieve[256];
	u64 n = in->n, count = 0;
	keep_loop for (u64 k = 0; k < n; k++) {
		keep_loop for (u64 i = 0; i < 256; i++)
			sieve[i] = 1;
		keep_loop for (u64 i = 2; i < 16; i++)
			if (sieve[i])
				keep_loop for (u64 j = i * i; j < 256; j += i)
					sieve[j] = 0;
		keep_loop for (u64 i = 2; i < 256; i++)
			count += sieve[i];
	}
	return count;
}
