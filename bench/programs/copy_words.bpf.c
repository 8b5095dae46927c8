/* Copies 8 bytes at a time. */
#include "bench.h"
u64 run(struct input *in)
{
	volatile u64 *from = (u64 *)in->data, *to = (u64 *)(in->data + 32768);
	keep_loop for (u64 i = 0; i < count(in); i++)
		to[i & 2047] = from[i & 2047];
	return to[7];
}
