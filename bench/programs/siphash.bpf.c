// verified: -DCOUNT=300
/* SipHash-2-4 of messages of 64 bytes (Aumasson and Bernstein, 2012). */
#include "bench.h"
#define ROTL(x, k) (((x) << (k)) | ((x) >> (64 - (k))))
#define ROUND                                                                                      \
	do {                                                                                       \
		v0 += v1; v1 = ROTL(v1, 13); v1 ^= v0; v0 = ROTL(v0, 32);                          \
		v2 += v3; v3 = ROTL(v3, 16); v3 ^= v2;                                             \
		v0 += v3; v3 = ROTL(v3, 21); v3 ^= v0;                                             \
		v2 += v1; v1 = ROTL(v1, 17); v1 ^= v2; v2 = ROTL(v2, 32);                          \
	} while (0)
u64 run(struct input *in)
{
	u64 sum = 0, k0 = 0x0706050403020100ULL, k1 = 0x0f0e0d0c0b0a0908ULL, n = count(in);
	keep_loop for (u64 i = 0; i < n; i++) {
		volatile u64 *m = (u64 *)(in->data + ((i * 64) & 16320));
		u64 v0 = k0 ^ 0x736f6d6570736575ULL, v1 = k1 ^ 0x646f72616e646f6dULL;
		u64 v2 = k0 ^ 0x6c7967656e657261ULL, v3 = k1 ^ 0x7465646279746573ULL;
		keep_loop for (u64 j = 0; j < 8; j++) {
			u64 word = m[j];
			v3 ^= word;
			ROUND;
			ROUND;
			v0 ^= word;
		}
		v3 ^= 64ULL << 56;
		ROUND;
		ROUND;
		v0 ^= 64ULL << 56;
		v2 ^= 0xff;
		ROUND;
		ROUND;
		ROUND;
		ROUND;
		sum += v0 ^ v1 ^ v2 ^ v3;
		k0 += 1;
	}
	return sum;
}
