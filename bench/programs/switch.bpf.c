// verified: -DCOUNT=300
/* A little byte-code machine: a switch with many cases in a loop. */
#include "bench.h"
u64 run(struct input *in)
{
	u64 acc = 1, other = 7;
	keep_loop for (u64 i = 0; i < count(in); i++) {
		switch (in->data[i & 16383] & 15) {
		case 0: acc += 3; break;
		case 1: acc ^= other; break;
		case 2: other += acc; break;
		case 3: acc <<= 1; break;
		case 4: acc -= i; break;
		case 5: other ^= 0x55; break;
		case 6: acc |= 1; break;
		case 7: other >>= 1; break;
		case 8: acc *= 5; break;
		case 9: other -= acc; break;
		case 10: acc = ~acc; break;
		case 11: other += 11; break;
		default: acc += other; break;
		}
	}
	return acc ^ other;
}
