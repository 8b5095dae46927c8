/* A program for each hook of sockets, their groups, their maps and their namespaces. */
#include "hooks.h"

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, 4);
} group SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, 4);
} peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, 4);
} listeners SEC(".maps");

u64 dissected;

/* Keeps packets that begin with 'y', of which it keeps all. */
SEC("socket") int keep(struct __sk_buff *skb)
{
	u8 first = 0;

	bpf_skb_load_bytes(skb, 0, &first, 1);
	return first == 'y' ? -1 : 0;
}

/* The same of datagrams, whose UDP header is before them. */
SEC("socket") int keep_udp(struct __sk_buff *skb)
{
	u8 first = 0;

	bpf_skb_load_bytes(skb, 8, &first, 1);
	return first == 'y' ? -1 : 0;
}

/* The first byte says which socket of the group; there is none behind the third. */
SEC("sk_reuseport") int choose(struct sk_reuseport_md *md)
{
	u8 *data = md->data;
	u32 key;

	/* The UDP header is before the payload. */
	if (data + 9 > (u8 *)md->data_end)
		return SK_DROP;
	key = data[8] - '0';
	return bpf_sk_select_reuseport(md, &group, &key, 0) ? SK_DROP : SK_PASS;
}

/* Ports 7000 to 7009 go to the socket in `listeners`. */
SEC("sk_lookup") int lookup(struct bpf_sk_lookup *ctx)
{
	u32 zero = 0;
	void *sk;
	long err;

	if (ctx->local_port < 7000 || ctx->local_port > 7009)
		return SK_PASS;
	sk = bpf_map_lookup_elem(&listeners, &zero);
	if (!sk)
		return SK_DROP;
	err = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	return err ? SK_DROP : SK_PASS;
}

/* Everything is UDP from port 1 to port 2. */
SEC("flow_dissector") int dissect(struct __sk_buff *skb)
{
	struct bpf_flow_keys *keys = skb->flow_keys;

	__sync_fetch_and_add(&dissected, 1);
	keys->addr_proto = 0x0800;
	keys->ip_proto = 17;
	keys->sport = PORT(1);
	keys->dport = PORT(2);
	return 0;
}

/* Messages of four bytes. */
SEC("sk_skb/stream_parser") int parse(struct __sk_buff *skb)
{
	return 4;
}

/* Each is sent back on the socket that it came from. */
SEC("sk_skb/stream_verdict") int echo(struct __sk_buff *skb)
{
	return bpf_sk_redirect_map(skb, &peers, 0, 0);
}

/* What the first sends goes to where the second receives, without a network between. */
SEC("sk_msg") int across(struct sk_msg_md *msg)
{
	return bpf_msg_redirect_map(msg, &peers, 1, 1 /* BPF_F_INGRESS */);
}

char _license[] SEC("license") = "GPL";
