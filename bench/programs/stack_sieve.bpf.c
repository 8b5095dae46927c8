// verified: -DCOUNT=1
/* A sieve of 256 numbers on the stack. */
#include "bench.h"
u64 run(struct input *in)
{
	volatile u8 sieve[256];
	u64 n = count(in), count = 0;
	keep_loop for (u64 k = 0; k < n; k++) {
		keep_loop for (u64 i = 0; i < 256; i++)
			sieve[i & 255] = 1;
		keep_loop for (u64 i = 2; i < 16; i++)
			if (sieve[i & 255])
				keep_loop for (u64 j = i * i; j < 256; j += i)
					sieve[j & 255] = 0;
		keep_loop for (u64 i = 2; i < 256; i++)
			count += sieve[i & 255];
	}
	return count;
}
