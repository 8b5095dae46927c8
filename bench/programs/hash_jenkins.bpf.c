/* Jenkins' one-at-a-time mixing on 32-bit words, three lanes. */
#include "bench.h"
#define ROL(x, k) (((x) << (k)) | ((x) >> (32 - (k))))
u64 run(struct input *in)
{
	u32 a = 0xdeadbeef, b = 0xdeadbef0, c = 0xdeadbef1;
	volatile u32 *p = (u32 *)in->data;
	u64 n = count(in);
	keep_loop for (u64 i = 0; i < n; i++) {
		a += p[i & 8191];
		a -= c; a ^= ROL(c, 4); c += b;
		b -= a; b ^= ROL(a, 6); a += c;
		c -= b; c ^= ROL(b, 8); b += a;
	}
	return a ^ b ^ c;
}
