/*
 * One program of substance for every cpu version and both byte orders: hashes, a checksum, sorting, signed
 * division, bit-fields, packed structures, a state machine, strings, atomics, subprograms, five kinds of map.
 *
 * All that it computes is the same whatever the version and the byte order: numbers in `results` and in the maps,
 * and the bytes of the packets that it rewrites. What the target lacks is spelled out in plain C.
 */
#include "bpf.h"

enum {
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LPM_TRIE = 11,
};

struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end;
};

static long (*const bpf_skb_store_bytes)(void *skb, u32 at, const void *from, u32 len, u64 flags) = (void *)9;
static long (*const bpf_l3_csum_replace)(void *skb, u32 at, u64 from, u64 to, u64 size) = (void *)10;
static long (*const bpf_skb_load_bytes)(const void *skb, u32 at, void *to, u32 len) = (void *)26;
static s64 (*const bpf_csum_diff)(void *from, u32 from_len, void *to, u32 to_len, u32 seed) = (void *)28;
static long (*const bpf_ringbuf_output)(void *map, void *data, u64 size, u64 flags) = (void *)130;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define net16(x) ((u16)__builtin_bswap16(x))
#define net32(x) __builtin_bswap32(x)
#else
#define net16(x) ((u16)(x))
#define net32(x) ((u32)(x))
#endif

struct ether {
	u8 to[6], from[6];
	u16 type;
};

/* Without bit-fields, whose order differs. */
struct ipv4 {
	u8 version, tos;
	u16 length, id, fragment;
	u8 ttl, protocol;
	u16 check;
	u32 from, to;
};

struct flow {
	u32 from, to;
	u16 ports[2];
	u8 protocol, pad[3];
};

struct tally {
	u64 packets;
	u32 bytes;
	u16 last;
	u8 ttl;
	signed char sign;
};

struct prefix {
	u32 bits;
	u8 addr[4];
};

struct event {
	u64 hash;
	s32 sum;
	u16 length;
	u8 text[6];
};

struct __attribute__((packed)) crooked {
	u8 first;
	u32 second;
	u64 third;
	u16 fourth;
};

struct fields {
	u32 low : 3, middle : 11, high : 18;
	s32 narrow : 5, wide : 27;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, struct flow);
	__type(value, struct tally);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, u32);
	__type(value, u64);
} states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, struct tally);
} kinds SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16);
	__uint(map_flags, 1);
	__type(key, struct prefix);
	__type(value, u32);
} networks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} events SEC(".maps");

struct results {
	u64 fnv;
	u32 crc;
	s32 quotients;
	s64 remainders;
	s64 signed_sum;
	u32 sorted[8];
	u64 crooked;
	u32 fields;
	u16 odd_words;
	u8 popcount;
	signed char lowest;
	u64 fetched;
	u32 compared;
	u32 network;
	u32 context;
	u32 skb;
	u64 sum_of_skb;
	_Bool seeded;
} results;

const volatile u32 polynomial = 0xedb88320;
const volatile char words[4][8] = { "GET ", "HTTP", "host", "example" };
u32 steps[4] = { 3, 5, 7, 11 };

static u64 fnv1a(const u8 *p, u32 n)
{
	u64 h = 0xcbf29ce484222325ull;

	for (u32 i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

static NOINLINE u32 crc32(u32 word, u32 crc)
{
	for (int i = 0; i < 32; i++) {
		u32 bit = (crc ^ word >> i) & 1;

		crc = crc >> 1 ^ (bit ? polynomial : 0);
	}
	return crc;
}

/* Signed division: an instruction from v4 on. */
static NOINLINE s64 divide(s64 a, s64 b, s64 *rest)
{
#if __BPF_CPU_VERSION__ >= 4
	if (!b)
		return 0;
	*rest = a % b;
	return a / b;
#else
	u64 x = a < 0 ? -(u64)a : a, y = b < 0 ? -(u64)b : b;
	s64 q;

	if (!b)
		return 0;
	*rest = a < 0 ? -(s64)(x % y) : (s64)(x % y);
	q = x / y;
	return (a < 0) != (b < 0) ? -q : q;
#endif
}

static NOINLINE u32 popcount(u64 x)
{
	u32 n = 0;

	for (int i = 0; i < 64; i++)
		n += x >> i & 1;
	return n;
}

/* A state machine over letters, as a compiler makes of a switch. */
static u32 step(u32 state, u8 c)
{
	switch (state & 15) {
	case 0: return c == 'H' ? 1 : c == 'G' ? 5 : 0;
	case 1: return c == 'T' ? 2 : 0;
	case 2: return c == 'T' ? 3 : 0;
	case 3: return c == 'P' ? 9 : 0;
	case 5: return c == 'E' ? 6 : 0;
	case 6: return c == 'T' ? 10 : 0;
	case 9: return c == '/' ? 11 : 9;
	case 10: return c == ' ' ? 12 : 0;
	default: return c < 0x20 ? 0 : state;
	}
}

static void sort(u32 *v)
{
	for (int i = 0; i < 7; i++)
		for (int j = 0; j < 7 - i; j++)
			if (v[j] > v[j + 1]) {
				u32 t = v[j];

				v[j] = v[j + 1];
				v[j + 1] = t;
			}
}

static void numbers(const u8 *p)
{
	const u16 *half = (const void *)p;
	const u32 *word = (const void *)p;
	struct crooked crooked = {};
	struct fields fields = {};
	s64 rest = 0;
	u32 v[8];

	results.fnv = (results.fnv << 1) ^ fnv1a(p, 32);
	for (int i = 0; i < 8; i++) {
		v[i] = net32(word[i]);
		results.crc = crc32(v[i], ~results.crc);
	}
	sort(v);
	for (int i = 0; i < 8; i++)
		results.sorted[i] ^= v[i] + steps[i & 3];
	for (int i = 0; i < 16; i++) {
		s64 n = (short)net16(half[i]);

		results.signed_sum += n;
		results.quotients += divide(n * 1000003, (signed char)p[i] * 17, &rest);
		results.remainders += rest;
		if ((signed char)p[i] < results.lowest)
			results.lowest = p[i];
	}
	results.popcount += popcount(results.fnv);
	results.odd_words ^= p[1] << 8 | p[2];

	crooked.first = p[0];
	crooked.second = v[1];
	crooked.third = (u64)v[2] << 32 | v[3];
	crooked.fourth = v[4] >> 16;
	results.crooked += crooked.third * crooked.second + crooked.fourth - crooked.first;

	fields.low = v[0];
	fields.middle = v[1] >> 3;
	fields.high = v[2] >> 5;
	fields.narrow = v[3];
	fields.wide = (s32)v[4] >> 2;
	results.fields += fields.low + fields.middle * 3 + fields.high * 5 + fields.narrow * 7 + fields.wide;
}

static void letters(const u8 *p)
{
	u32 state = 0;
	u64 *value;

	for (int i = 0; i < 32; i++)
		state = step(state, p[i]);
	for (int w = 0; w < 4; w++) {
		u32 same = 0;

		for (int i = 0; i < 4; i++)
			same += words[w][i] == p[i];
		results.compared += same << w;
	}
	value = bpf_map_lookup_elem(&states, &state);
	if (value) {
#if __BPF_CPU_VERSION__ >= 3
		results.fetched += __sync_fetch_and_add(value, state + 1);
#else
		results.fetched += *value;
		__sync_fetch_and_add(value, state + 1);
#endif
	}
}

static void seed(void)
{
	struct prefix p = { 8, { 10, 0, 0, 0 } };
	u32 v = 8;

	results.seeded = 1;
	bpf_map_update_elem(&networks, &p, &v, 0);
	p.bits = v = 24;
	p.addr[1] = 7;
	bpf_map_update_elem(&networks, &p, &v, 0);
	p.bits = v = 32;
	p.addr[3] = 2;
	bpf_map_update_elem(&networks, &p, &v, 0);
}

static void remember(struct flow *flow, struct ipv4 *ip, u32 length)
{
	struct tally first = { 1, length, length, ip->ttl, -1 }, *tally = bpf_map_lookup_elem(&flows, flow);
	struct prefix at = { .bits = 32 };
	u32 *network;

	if (tally) {
		tally->packets++;
		tally->bytes += length;
		tally->last = length;
		tally->sign = -tally->sign;
	} else {
		bpf_map_update_elem(&flows, flow, &first, 1);
	}
	__builtin_memcpy(at.addr, &ip->to, 4);
	network = bpf_map_lookup_elem(&networks, &at);
	results.network += network ? *network : 1;
}

/* One less to live, and a checksum that follows. */
static void age(struct ipv4 *ip)
{
	u32 *word = (void *)&ip->ttl, before = *word;
	u64 sum;

	ip->ttl--;
	sum = bpf_csum_diff(&before, 4, word, 4, (u16)~ip->check);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~((sum & 0xffff) + (sum >> 16));
}

SEC("xdp") int workout(struct xdp_md *ctx)
{
	u8 *p = (void *)(u64)ctx->data, *end = (void *)(u64)ctx->data_end;
	u32 length = end - p, kind = 0;
	struct ether *ether = (void *)p;
	struct flow flow = {};
	struct tally *tally;

	if (!results.seeded)
		seed();
	results.context = results.context * 31 + length + (ctx->ingress_ifindex << 8) + ctx->rx_queue_index;
	if (p + 14 + 20 + 32 <= end) {
		struct ipv4 *ip = (void *)(p + 14);

		numbers(p + 14);
		if (p + 66 + 32 <= end)
			letters(p + 66);
		kind = 1;
		if (ether->type == net16(0x0800) && ip->version == 0x45) {
			flow.from = net32(ip->from);
			flow.to = net32(ip->to);
			flow.protocol = ip->protocol;
			flow.ports[0] = net16(*(u16 *)(p + 34));
			flow.ports[1] = net16(*(u16 *)(p + 36));
			remember(&flow, ip, length);
			age(ip);
			kind = 2;
		}
	}
	tally = bpf_map_lookup_elem(&kinds, &kind);
	if (tally) {
		tally->packets++;
		tally->bytes += length;
		tally->sign -= 1;
	}
	if ((results.crc & 7) == 0) {
		struct event event = { results.fnv, (s32)results.signed_sum, length, "event" };

		bpf_ringbuf_output(&events, &event, sizeof(event), 0);
	}
	return kind + 1;
}

SEC("tc") int workout_tc(struct __sk_buff *skb)
{
	u8 ip[20];
	u16 from, to;

	results.skb = results.skb * 31 + skb->len + net16(skb->protocol) + skb->vlan_tci;
	skb->mark = results.skb;
	skb->priority = 7;
	skb->cb[1] = skb->mark ^ skb->priority;
	results.sum_of_skb += skb->cb[1];
	if (bpf_skb_load_bytes(skb, 14, ip, sizeof(ip)) || ip[0] != 0x45)
		return 3;
	from = ip[8] << 8 | ip[9];
	to = from - 0x100;
	ip[8]--;
	if (bpf_l3_csum_replace(skb, 14 + 10, net16(from), net16(to), 2))
		return 2;
	return bpf_skb_store_bytes(skb, 14 + 8, &ip[8], 1, 0) ? 2 : 0;
}

char _license[] SEC("license") = "GPL";
