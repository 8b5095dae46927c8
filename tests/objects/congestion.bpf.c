/* TCP congestion control that does as Reno does, and counts. */
#include "bpf.h"

#define PRESERVE __attribute__((preserve_access_index))

struct sock;

struct tcp_congestion_ops {
	/* This one no kernel has; it stays zero, so it does not matter. */
	u32 (*not_in_any_kernel)(struct sock *sk);
	u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, u32 ack, u32 acked);
	u32 (*undo_cwnd)(struct sock *sk);
	void (*init)(struct sock *sk);
	void (*release)(struct sock *sk);
	char name[16];
};

extern u32 tcp_reno_ssthresh(struct sock *sk) KSYM;
extern void tcp_reno_cong_avoid(struct sock *sk, u32 ack, u32 acked) KSYM;
extern u32 tcp_reno_undo_cwnd(struct sock *sk) KSYM;

u64 sockets, acknowledged, released;

SEC("struct_ops") void begin(u64 *ctx)
{
	__sync_fetch_and_add(&sockets, 1);
}

SEC("struct_ops") void end(u64 *ctx)
{
	__sync_fetch_and_add(&released, 1);
}

SEC("struct_ops") u32 threshold(u64 *ctx)
{
	return tcp_reno_ssthresh((struct sock *)ctx[0]);
}

SEC("struct_ops") void avoid(u64 *ctx)
{
	__sync_fetch_and_add(&acknowledged, ctx[2]);
	tcp_reno_cong_avoid((struct sock *)ctx[0], ctx[1], ctx[2]);
}

SEC("struct_ops") u32 undo(u64 *ctx)
{
	return tcp_reno_undo_cwnd((struct sock *)ctx[0]);
}

SEC(".struct_ops.link")
struct tcp_congestion_ops linked = {
	.init = (void *)begin,
	.release = (void *)end,
	.ssthresh = (void *)threshold,
	.cong_avoid = (void *)avoid,
	.undo_cwnd = (void *)undo,
	.name = "skep_linked",
};

SEC(".struct_ops")
struct tcp_congestion_ops plain = {
	.init = (void *)begin,
	.ssthresh = (void *)threshold,
	.cong_avoid = (void *)avoid,
	.undo_cwnd = (void *)undo,
	.name = "skep_plain",
};

char _license[] SEC("license") = "GPL";
