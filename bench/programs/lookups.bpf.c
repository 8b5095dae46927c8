/* Calls of one helper that every engine has: entry of an array of 256 numbers. */
#include "bench.h"
#include "lookup.h"
u64 run(struct input *in)
{
	u64 sum = 0, n = count(in);
	keep_loop for (u64 i = 0; i < n; i++)
		sum += lookup(i & 255) ^ i;
	return sum;
}
