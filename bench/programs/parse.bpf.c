// verified: -DCOUNT=300
/* Takes packets apart as a classifier does: tag, network and transport header, a verdict by port and flags. */
#include "bench.h"
#include "flow.h"
u64 run(struct input *in)
{
	u64 web = 0, dns = 0, syns = 0, other = 0, n = count(in);
	keep_loop for (u64 i = 0; i < n; i++) {
		volatile u8 *p = frame(in, i);
		u64 at = 12;
		u16 type = be16(p + 12);
		if (type == 0x8100) {
			type = be16(p + 16);
			at = 16;
		}
		u8 proto;
		if (type == 0x0800) {
			if (p[at + 2] != 0x45) {
				other++;
				continue;
			}
			proto = p[at + 11];
			at += 22;
		} else if (type == 0x86dd) {
			proto = p[at + 8];
			at += 42;
		} else {
			other++;
			continue;
		}
		u16 to = be16(p + at + 2);
		if (proto == 6) {
			if (to == 443 || to == 80)
				web++;
			if (at < 50 && (p[at + 13] & 0x12) == 2)
				syns++;
		} else if (proto == 17 && to == 53) {
			dns++;
		} else {
			other++;
		}
	}
	return web | dns << 16 | syns << 32 | other << 48;
}
