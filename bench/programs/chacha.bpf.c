// verified: -DCOUNT=30
/* Encrypts blocks of 64 bytes with ChaCha20 (RFC 8439), in place. */
#include "bench.h"
#define ROTL(x, k) (((x) << (k)) | ((x) >> (32 - (k))))
#define QUARTER(a, b, c, d)                                                                        \
	do {                                                                                       \
		x[a] += x[b]; x[d] ^= x[a]; x[d] = ROTL(x[d], 16);                                 \
		x[c] += x[d]; x[b] ^= x[c]; x[b] = ROTL(x[b], 12);                                 \
		x[a] += x[b]; x[d] ^= x[a]; x[d] = ROTL(x[d], 8);                                  \
		x[c] += x[d]; x[b] ^= x[c]; x[b] = ROTL(x[b], 7);                                  \
	} while (0)
u64 run(struct input *in)
{
	u32 state[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, 0x03020100, 0x07060504,
			  0x0b0a0908, 0x0f0e0d0c, 0x13121110, 0x17161514, 0x1b1a1918, 0x1f1e1d1c,
			  1, 0x09000000, 0x4a000000, 0 };
	u64 sum = 0, n = count(in);
	keep_loop for (u64 i = 0; i < n; i++) {
		volatile u32 *block = (u32 *)(in->data + ((i * 64) & 16320));
		u32 x[16];
		__builtin_memcpy(x, state, sizeof(x));
		keep_loop for (int round = 0; round < 10; round++) {
			QUARTER(0, 4, 8, 12);
			QUARTER(1, 5, 9, 13);
			QUARTER(2, 6, 10, 14);
			QUARTER(3, 7, 11, 15);
			QUARTER(0, 5, 10, 15);
			QUARTER(1, 6, 11, 12);
			QUARTER(2, 7, 8, 13);
			QUARTER(3, 4, 9, 14);
		}
#pragma clang loop unroll(full)
		for (int j = 0; j < 16; j++)
			block[j] ^= x[j] + state[j];
		state[12] += 1;
		sum += block[0];
	}
	return sum;
}
