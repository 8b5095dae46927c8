/* Type relocations: ids here and there, existence, size, and whether all members match. */
#include "core_kernel.h"

struct list_head {
	struct list_head *next, *prev;
};

struct task_struct {
	int pid;
	char comm[16];
	struct task_struct *real_parent;
	struct list_head tasks;
};

/* As the kernel's but for one member that it has not. */
struct list_head___wrong {
	struct list_head *next, *prev, *sideways;
};

/* As the kernel's but for the sign of a member. */
struct task_struct___unsigned {
	unsigned int pid;
};

struct task_struct___array {
	char comm[17];
};

union sigval {
	int sival_int;
	void *sival_ptr;
};

struct no_such_struct {
	int field;
};

/* A struct in the kernel. */
union path {
	void *mnt;
};

enum hrtimer_restart {
	HRTIMER_NORESTART,
	HRTIMER_RESTART,
};

enum hrtimer_restart___wrong {
	HRTIMER_MAYBE,
};

struct hrtimer;

struct timerqueue_node;

struct hrtimer___fn {
	unsigned char is_soft;
};

typedef struct {
	int counter;
} atomic_t;

typedef unsigned int gfp_t;
typedef long long loff_t;
typedef struct task_struct *no_such_typedef;
typedef int (*initcall_t)(void);
typedef void (*smp_call_func_t)(void *info);
typedef int (*smp_call_func_t___wrong)(void *info, int more);

SEC("raw_tp/ids")
u64 ids(u64 *ctx)
{
	ctx[0] = TYPE_ID(LOCAL, struct task_struct);
	ctx[1] = TYPE_ID(TARGET, struct task_struct);
	ctx[2] = TYPE_ID(LOCAL, struct list_head);
	ctx[3] = TYPE_ID(TARGET, struct list_head);
	ctx[4] = TYPE_ID(TARGET, atomic_t);
	ctx[5] = TYPE_ID(TARGET, union sigval);
	ctx[6] = TYPE_ID(TARGET, enum hrtimer_restart);
	ctx[7] = TYPE_ID(LOCAL, struct no_such_struct);
	return TYPE_ID(TARGET, struct no_such_struct);
}

SEC("raw_tp/existence")
u64 existence(u64 *ctx)
{
	u64 bits = 0;

	bits |= TYPE(TYPE_EXISTS, struct task_struct) ? 1 : 0;
	bits |= TYPE(TYPE_EXISTS, struct no_such_struct) ? 2 : 0;
	bits |= TYPE(TYPE_EXISTS, union path) ? 4 : 0;
	bits |= TYPE(TYPE_EXISTS, gfp_t) ? 8 : 0;
	bits |= TYPE(TYPE_EXISTS, no_such_typedef) ? 16 : 0;
	bits |= TYPE(TYPE_EXISTS, enum hrtimer_restart) ? 32 : 0;
	bits |= TYPE(TYPE_EXISTS, smp_call_func_t) ? 64 : 0;
	bits |= TYPE(TYPE_EXISTS, smp_call_func_t___wrong) ? 128 : 0;
	bits |= TYPE(TYPE_EXISTS, struct task_struct___unsigned) ? 256 : 0;
	return bits;
}

SEC("raw_tp/sizes")
u64 sizes(u64 *ctx)
{
	return TYPE(TYPE_SIZE, struct task_struct) + TYPE(TYPE_SIZE, struct list_head) + TYPE(TYPE_SIZE, atomic_t) +
	       TYPE(TYPE_SIZE, enum hrtimer_restart) + TYPE(TYPE_SIZE, union sigval) + TYPE(TYPE_SIZE, loff_t) +
	       TYPE(TYPE_SIZE, struct no_such_struct) + TYPE(TYPE_SIZE, smp_call_func_t);
}

SEC("raw_tp/matching")
u64 matching(u64 *ctx)
{
	u64 bits = 0;

	bits |= TYPE(TYPE_MATCHES, struct list_head) ? 1 : 0;
	bits |= TYPE(TYPE_MATCHES, struct list_head___wrong) ? 2 : 0;
	bits |= TYPE(TYPE_MATCHES, struct task_struct) ? 4 : 0;
	bits |= TYPE(TYPE_MATCHES, struct task_struct___unsigned) ? 8 : 0;
	bits |= TYPE(TYPE_MATCHES, struct task_struct___array) ? 16 : 0;
	bits |= TYPE(TYPE_MATCHES, union sigval) ? 32 : 0;
	bits |= TYPE(TYPE_MATCHES, union path) ? 64 : 0;
	bits |= TYPE(TYPE_MATCHES, enum hrtimer_restart) ? 128 : 0;
	bits |= TYPE(TYPE_MATCHES, enum hrtimer_restart___wrong) ? 256 : 0;
	bits |= TYPE(TYPE_MATCHES, atomic_t) ? 512 : 0;
	bits |= TYPE(TYPE_MATCHES, gfp_t) ? 1024 : 0;
	bits |= TYPE(TYPE_MATCHES, initcall_t) ? 2048 : 0;
	bits |= TYPE(TYPE_MATCHES, smp_call_func_t) ? 4096 : 0;
	bits |= TYPE(TYPE_MATCHES, smp_call_func_t___wrong) ? 8192 : 0;
	bits |= TYPE(TYPE_MATCHES, struct hrtimer___fn) ? 16384 : 0;
	bits |= TYPE(TYPE_MATCHES, struct no_such_struct) ? 32768 : 0;
	return bits;
}
