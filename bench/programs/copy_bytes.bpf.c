/* Copies a byte at a time. */
#include "bench.h"
u64 run(struct input *in)
{
	volatile u8 *from = in->data, *to = in->data + 32768;
	u64 n = in->n;
	keep_loop for (u64 i = 0; i < n; i++)
		*to++ = *from++;
	return in->data[32768 + 7];
}
