/* A program for each hook of cgroups. What they do is seen by the process that they are done to. */
#include "hooks.h"

/* How often each program ran, by the order in which they stand here; then what sockops saw, by op. */
u64 runs[16];
u64 ops[16];
u64 bytes_in, bytes_out;

#define RAN(n) __sync_fetch_and_add(&runs[n], 1)
#define LOCALHOST IP4(127, 0, 0, 1)

/* What is sent to 192.0.2.1 goes to this machine instead; port 9 is refused. */
SEC("cgroup/connect4") int connect4(struct bpf_sock_addr *ctx)
{
	RAN(0);
	if (ctx->user_port == PORT(9))
		return 0;
	if (ctx->user_ip4 == IP4(192, 0, 2, 1))
		ctx->user_ip4 = LOCALHOST;
	return 1;
}

/* The peer is said to be where the program wanted to go. */
SEC("cgroup/getpeername4") int getpeername4(struct bpf_sock_addr *ctx)
{
	RAN(1);
	ctx->user_ip4 = IP4(192, 0, 2, 1);
	return 1;
}

SEC("cgroup/getsockname4") int getsockname4(struct bpf_sock_addr *ctx)
{
	RAN(2);
	ctx->user_ip4 = IP4(192, 0, 2, 2);
	return 1;
}

/* Whoever asks for port 7 gets any. */
SEC("cgroup/bind4") int bind4(struct bpf_sock_addr *ctx)
{
	RAN(3);
	if (ctx->user_port == PORT(7))
		ctx->user_port = 0;
	return 1;
}

/* Nobody binds to 127.0.0.9. */
SEC("cgroup/post_bind4") int post_bind4(struct bpf_sock *sk)
{
	RAN(4);
	return sk->src_ip4 != IP4(127, 0, 0, 9);
}

SEC("cgroup/sendmsg4") int sendmsg4(struct bpf_sock_addr *ctx)
{
	RAN(5);
	if (ctx->user_ip4 == IP4(192, 0, 2, 1))
		ctx->user_ip4 = LOCALHOST;
	return 1;
}

SEC("cgroup/recvmsg4") int recvmsg4(struct bpf_sock_addr *ctx)
{
	RAN(6);
	ctx->user_ip4 = IP4(192, 0, 2, 1);
	return 1;
}

/* No raw sockets. */
SEC("cgroup/sock_create") int sock_create(struct bpf_sock *sk)
{
	RAN(7);
	return sk->type != 3;
}

SEC("cgroup/sock_release") int sock_release(struct bpf_sock *sk)
{
	RAN(8);
	return 1;
}

/* Datagrams of 99 bytes of payload are not for us. */
SEC("cgroup_skb/ingress") int ingress(struct __sk_buff *skb)
{
	RAN(9);
	__sync_fetch_and_add(&bytes_in, skb->len);
	return skb->len != 28 + 99;
}

SEC("cgroup_skb/egress") int egress(struct __sk_buff *skb)
{
	RAN(10);
	__sync_fetch_and_add(&bytes_out, skb->len);
	return 1;
}

SEC("sockops") int on_tcp(struct bpf_sock_ops *ctx)
{
	RAN(11);
	u32 op = ctx->op;
	if (op < 16)
		__sync_fetch_and_add(&ops[op], 1);
	return 1;
}

/* The host's name is nobody's business. */
SEC("cgroup/sysctl") int sysctl(struct bpf_sysctl *ctx)
{
	char name[16] = {};
	RAN(12);
	bpf_sysctl_get_name(ctx, name, sizeof(name), 0);
	return !(*(u64 *)name == 0x682f6c656e72656bULL && *(u64 *)(name + 8) == 0x656d616e74736fULL);
}

/* No /dev/full. */
SEC("cgroup/dev") int dev(struct bpf_cgroup_dev_ctx *ctx)
{
	RAN(13);
	return !(ctx->major == 1 && ctx->minor == 7);
}

#define IP_TTL 2

/* A time to live of 77 becomes 78, one of 99 is refused. */
SEC("cgroup/setsockopt") int setsockopt(struct bpf_sockopt *ctx)
{
	s32 *value = ctx->optval;
	RAN(14);
	if (ctx->level != 0 || ctx->optname != IP_TTL || (void *)(value + 1) > ctx->optval_end) {
		ctx->optlen = 0;
		return 1;
	}
	if (*value == 77)
		*value = 78;
	return *value != 99;
}

/* One of 79 is shown as 5. */
SEC("cgroup/getsockopt") int getsockopt(struct bpf_sockopt *ctx)
{
	s32 *value = ctx->optval;
	RAN(15);
	if (ctx->level != 0 || ctx->optname != IP_TTL || (void *)(value + 1) > ctx->optval_end) {
		ctx->optlen = 0;
		return 1;
	}
	if (*value == 79)
		*value = 5;
	return 1;
}

char _license[] SEC("license") = "GPL";
