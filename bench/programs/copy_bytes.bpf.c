/* Copies a byte at a time. */
#include "bench.h"
u64 run(struct input *in)
{
	volatile u8 *from = in->data, *to = in->data + 32768;
	u64 n = count(in);
	keep_loop for (u64 i = 0; i < n; i++)
		to[i & 16383] = from[i & 16383];
	return in->data[32768 + 7];
}
