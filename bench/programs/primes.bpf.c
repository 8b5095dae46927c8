// verified: -DCOUNT=600
/* Counts primes by trial division. */
#include "bench.h"
u64 run(struct input *in)
{
	u64 count = 0, n = count(in);
	keep_loop for (u64 i = 2; i < n; i++) {
		u64 prime = 1;
		keep_loop for (u64 j = 2; j * j <= i; j++)
			if (i % j == 0) {
				prime = 0;
				break;
			}
		count += prime;
	}
	return count;
}
