/* The hooks of cgroups for addresses of IPv6 and of Unix sockets. */
#include "hooks.h"

/* How often each program ran, by the order in which they stand here. */
u64 runs[12];

#define RAN(n) __sync_fetch_and_add(&runs[n], 1)

/* 2001:db8::1, which is for examples. */
#define EXAMPLE IP4(0x20, 0x01, 0x0d, 0xb8)
#define ONE IP4(0, 0, 0, 1)

static __attribute__((always_inline)) void set(struct bpf_sock_addr *ctx, u32 first)
{
	ctx->user_ip6[0] = first;
	ctx->user_ip6[1] = 0;
	ctx->user_ip6[2] = 0;
	ctx->user_ip6[3] = ONE;
}

/* What is sent to the example goes to ::1. */
SEC("cgroup/connect6") int connect6(struct bpf_sock_addr *ctx)
{
	RAN(0);
	if (ctx->user_ip6[0] == EXAMPLE)
		set(ctx, 0);
	return 1;
}

SEC("cgroup/sendmsg6") int sendmsg6(struct bpf_sock_addr *ctx)
{
	RAN(1);
	if (ctx->user_ip6[0] == EXAMPLE)
		set(ctx, 0);
	return 1;
}

/* And whatever comes, comes from there. */
SEC("cgroup/recvmsg6") int recvmsg6(struct bpf_sock_addr *ctx)
{
	RAN(2);
	set(ctx, EXAMPLE);
	return 1;
}

SEC("cgroup/getpeername6") int getpeername6(struct bpf_sock_addr *ctx)
{
	RAN(3);
	set(ctx, EXAMPLE);
	return 1;
}

SEC("cgroup/getsockname6") int getsockname6(struct bpf_sock_addr *ctx)
{
	RAN(4);
	set(ctx, EXAMPLE);
	return 1;
}

/* Whoever asks for port 7 gets any. */
SEC("cgroup/bind6") int bind6(struct bpf_sock_addr *ctx)
{
	RAN(5);
	if (ctx->user_port == PORT(7))
		ctx->user_port = 0;
	return 1;
}

/* Nobody binds to all addresses. */
SEC("cgroup/post_bind6") int post_bind6(struct bpf_sock *sk)
{
	RAN(6);
	return sk->src_ip6[3] != 0;
}

/* No datagrams between Unix sockets with names. */
SEC("cgroup/connect_unix") int connect_unix(struct bpf_sock_addr *ctx)
{
	RAN(7);
	return ctx->type != 2;
}

SEC("cgroup/sendmsg_unix") int sendmsg_unix(struct bpf_sock_addr *ctx)
{
	RAN(8);
	return 0;
}

SEC("cgroup/recvmsg_unix") int recvmsg_unix(struct bpf_sock_addr *ctx)
{
	RAN(9);
	return 1;
}

SEC("cgroup/getsockname_unix") int getsockname_unix(struct bpf_sock_addr *ctx)
{
	RAN(10);
	return 1;
}

SEC("cgroup/getpeername_unix") int getpeername_unix(struct bpf_sock_addr *ctx)
{
	RAN(11);
	return 1;
}

char _license[] SEC("license") = "GPL";
