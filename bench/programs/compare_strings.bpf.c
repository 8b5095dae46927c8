/* strcmp of two long equal strings. */
#include "bench.h"
u64 run(struct input *in)
{
	volatile u8 *a = in->data, *b = in->data + 32768;
	u64 i = 0, n = count(in);
	keep_loop for (; i < n; i++) {
		u8 x = a[i & 16383], y = b[i & 16383];
		if (x != y)
			return x < y ? -1 : 1;
		if (!x)
			break;
	}
	return i;
}
