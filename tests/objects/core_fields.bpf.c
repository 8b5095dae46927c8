/* Field relocations: offsets in loads, stores and arithmetic; sizes, existence, sign, bitfield shifts. */
#include "core_kernel.h"

struct list_head {
	struct list_head *prev, *next;
} CORE;

struct task_struct {
	int tgid;
	int pid;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	char comm[16];
	unsigned int in_execve : 1;
	unsigned int sched_migrated : 1;
	unsigned int init_private_fork_class : 4;
	struct list_head tasks;
	u64 start_time;
	int no_such_field;
	unsigned int flags;
} CORE;

/* Another flavour: what an older kernel called it. */
struct task_struct___old {
	long state;
	long __state;
} CORE;

struct net_device {
	char name[16];
	int ifindex;
	unsigned int mtu;
} CORE;

struct sk_buff {
	/* The real one has these inside anonymous structs and unions. */
	struct net_device *dev;
	u32 hash;
	u16 protocol;
	u8 pkt_type : 3;
	u8 cloned : 1;
	u8 nohdr : 1;
	u8 fclone : 2;
	char cb[48];
	unsigned int len;
	unsigned char *data;
} CORE;

struct iphdr {
	u8 version : 4, ihl : 4;
	u8 ttl;
	u32 saddr;
} CORE;

/* Sizes that differ from the kernel's: unsigned ones may be read at their true size. */
struct sock_common {
	u32 skc_family;
	u64 skc_num;
	u8 skc_hash;
	u64 skc_bound_dev_if;
} CORE;

struct sock {
	struct sock_common __sk_common;
	long sk_rcvbuf;
} CORE;

struct in6_addr {
	union {
		u8 u6_addr8[16];
		u32 u6_addr32[4];
	} in6_u;
} CORE;

struct ipv6hdr {
	struct in6_addr daddr;
} CORE;

struct no_such_struct {
	int field;
} CORE;

SEC("raw_tp/offsets")
u64 offsets(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];

	return task->pid + task->tgid + task->start_time + task->flags + skb->len + skb->hash + skb->protocol +
	       (u64)task->group_leader->real_parent + (u64)skb->data + skb->dev->ifindex + skb->dev->mtu;
}

SEC("raw_tp/addresses")
u64 addresses(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];

	ctx[2] = (u64)&task->comm;
	ctx[3] = (u64)&task->comm[3];
	ctx[4] = (u64)&task->tasks.next;
	ctx[5] = (u64)&task[2].pid;
	ctx[6] = (u64)&skb->cb[8];
	return (u64)&((struct ipv6hdr *)ctx[7])->daddr.in6_u.u6_addr32[2];
}

SEC("raw_tp/stores")
u64 stores(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];
	struct ipv6hdr *ip6 = (void *)ctx[2];

	task->pid = ctx[3];
	task->start_time = ctx[4];
	skb->protocol = ctx[5];
	skb->dev->name[7] = ctx[6];
	ip6->daddr.in6_u.u6_addr8[5] = ctx[7];
	return 0;
}

SEC("raw_tp/sizes")
u64 sizes(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];

	return FIELD(BYTE_SIZE, task->comm) + FIELD(BYTE_SIZE, task->comm[1]) + FIELD(BYTE_SIZE, task->tasks) +
	       FIELD(BYTE_SIZE, skb->cb) + FIELD(BYTE_SIZE, skb->pkt_type) + FIELD(BYTE_SIZE, skb->data) +
	       FIELD(BYTE_SIZE, task->init_private_fork_class);
}

SEC("raw_tp/existence")
u64 existence(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct task_struct___old *old = (void *)ctx[0];
	struct no_such_struct *none = (void *)ctx[1];
	u64 bits = 0;

	bits |= FIELD(EXISTS, task->pid) ? 1 : 0;
	bits |= FIELD(EXISTS, task->no_such_field) ? 2 : 0;
	bits |= FIELD(EXISTS, old->state) ? 4 : 0;
	bits |= FIELD(EXISTS, old->__state) ? 8 : 0;
	bits |= FIELD(EXISTS, none->field) ? 16 : 0;
	bits |= FIELD(EXISTS, task->comm[15]) ? 32 : 0;
	bits |= FIELD(EXISTS, task->in_execve) ? 64 : 0;
	return bits;
}

SEC("raw_tp/signs")
u64 signs(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];

	return FIELD(SIGNED, task->pid) + 2 * FIELD(SIGNED, task->flags) + 4 * FIELD(SIGNED, skb->pkt_type) +
	       8 * FIELD(SIGNED, task->in_execve) + 16 * FIELD(SIGNED, skb->len);
}

SEC("raw_tp/shifts")
u64 shifts(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];
	struct iphdr *ip = (void *)ctx[2];

	ctx[3] = FIELD(LSHIFT_U64, task->init_private_fork_class);
	ctx[4] = FIELD(RSHIFT_U64, task->init_private_fork_class);
	ctx[5] = FIELD(LSHIFT_U64, skb->fclone);
	ctx[6] = FIELD(RSHIFT_U64, skb->fclone);
	ctx[7] = FIELD(LSHIFT_U64, ip->ihl);
	ctx[8] = FIELD(RSHIFT_U64, ip->ihl);
	ctx[9] = FIELD(LSHIFT_U64, ip->ttl);
	ctx[10] = FIELD(RSHIFT_U64, task->pid);
	return FIELD(LSHIFT_U64, task->start_time);
}

SEC("raw_tp/bitfields")
u64 bitfields(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];
	struct iphdr *ip = (void *)ctx[2];

	ctx[3] = FIELD(BYTE_OFFSET, task->init_private_fork_class);
	ctx[4] = FIELD(BYTE_OFFSET, task->sched_migrated);
	ctx[5] = FIELD(BYTE_OFFSET, skb->pkt_type);
	ctx[6] = FIELD(BYTE_SIZE, skb->fclone);
	return FIELD(BYTE_OFFSET, ip->version) + FIELD(BYTE_OFFSET, ip->saddr);
}

SEC("raw_tp/resized")
u64 resized(u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];

	sk->__sk_common.skc_num = ctx[1];
	return sk->__sk_common.skc_family + sk->__sk_common.skc_num + sk->__sk_common.skc_hash;
}

/* A signed field of another size can't be read in its place: poisoned. */
SEC("raw_tp/conflicts")
u64 conflicts(u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];

	return sk->sk_rcvbuf + sk->__sk_common.skc_bound_dev_if;
}

SEC("raw_tp/absent")
u64 absent(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct task_struct___old *old = (void *)ctx[1];
	struct no_such_struct *none = (void *)ctx[2];

	ctx[3] = FIELD(BYTE_OFFSET, none->field);
	ctx[4] = FIELD(BYTE_SIZE, none->field);
	ctx[5] = FIELD(SIGNED, task->no_such_field);
	return task->no_such_field + old->state + none->field;
}
