// verified: -DCOUNT=300
/* A load balancer: hashes a packet's addresses and ports, looks its server up in a table, rewrites address and checksum. */
#include "bench.h"
#include "flow.h"
#include "lookup.h"
u64 run(struct input *in)
{
	u64 sum = 0, n = count(in);
	keep_loop for (u64 i = 0; i < n; i++) {
		volatile u8 *p = frame(in, i);
		if (be16(p + 12) != 0x0800 || p[14] != 0x45)
			continue;
		u32 from = word(p + 26), to = word(p + 30), ports = word(p + 34);
		u32 hash = (from ^ 0x9e3779b9) * 0x85ebca6b;
		hash = (hash ^ hash >> 13 ^ ports) * 0xc2b2ae35;
		hash ^= hash >> 16;
		u32 server = (u32)lookup(hash & 255) | 1;
		/* RFC 1624: the checksum of the header without the old address, with the new one. */
		u32 check = (u16)~(*(volatile u16 *)(p + 24));
		check += (u16)~to;
		check += (u16)~(to >> 16);
		check += (u16)server;
		check += server >> 16;
		check = (check & 0xffff) + (check >> 16);
		check = (check & 0xffff) + (check >> 16);
		*(volatile u16 *)(p + 24) = (u16)~check;
		*(volatile u16 *)(p + 30) = (u16)server;
		*(volatile u16 *)(p + 32) = (u16)(server >> 16);
		sum += hash ^ server;
	}
	return sum;
}
