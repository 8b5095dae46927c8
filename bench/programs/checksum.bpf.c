/* The Internet checksum, 16 bits at a time. */
#include "bench.h"
u64 run(struct input *in)
{
	volatile u16 *p = (u16 *)in->data;
	u64 sum = 0, n = count(in);
	keep_loop for (u64 i = 0; i < n; i++)
		sum += p[i & 16383];
	keep_loop while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum ^ 0xffff;
}
