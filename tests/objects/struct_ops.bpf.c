/* A table of functions that a kernel subsystem calls. */
#include "bpf.h"

struct sock;

struct tcp_congestion_ops {
	u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, u32 ack, u32 acked);
	char name[16];
	u32 flags;
};

SEC("struct_ops") u32 my_ssthresh(u64 *ctx)
{
	return 2;
}

SEC("struct_ops") void my_cong_avoid(u64 *ctx)
{
}

SEC(".struct_ops.link")
struct tcp_congestion_ops mine = {
	.ssthresh = (void *)my_ssthresh,
	.cong_avoid = (void *)my_cong_avoid,
	.name = "skep_test",
	.flags = 3,
};

SEC(".struct_ops")
struct tcp_congestion_ops plain = {
	.cong_avoid = (void *)my_cong_avoid,
	.name = "skep_plain",
};

char _license[] SEC("license") = "GPL";
