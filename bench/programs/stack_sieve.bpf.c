// verified: -DCOUNT=1
/* A sieve of 64 numbers on the stack. */
#include "bench.h"
u64 run(struct input *in)
{
	volatile u8 sieve[64];
	u64 n = count(in), count = 0;
	keep_loop for (u64 k = 0; k < n; k++) {
		keep_loop for (u64 i = 0; i < 64; i++)
			sieve[i & 63] = 1;
		keep_loop for (u64 i = 2; i < 8; i++)
			if (sieve[i & 63])
				keep_loop for (u64 j = i * i; j < 64; j += i)
					sieve[j & 63] = 0;
		keep_loop for (u64 i = 2; i < 64; i++)
			count += sieve[i & 63];
	}
	return count;
}
