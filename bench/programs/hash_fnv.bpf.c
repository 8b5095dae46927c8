/* FNV-1a, a byte at a time. */
#include "bench.h"
u64 run(struct input *in)
{
	u64 h = 14695981039346656037ULL, n = count(in);
	keep_loop for (u64 i = 0; i < n; i++) {
		h ^= in->data[i & 16383];
		h *= 1099511628211ULL;
	}
	return h;
}
