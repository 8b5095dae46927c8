/* A kernel to relocate against, small and made up: the types that core_*.bpf.c ask for, laid out unlike
 * theirs and unlike any real kernel's. Only its BTF counts. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct list_head {
	u64 pad;
	struct list_head *next, *prev;
};

struct task_struct {
	long __state;
	unsigned int flags;
	struct {
		union {
			struct {
				int pid;
				int tgid;
			};
			u64 both;
		};
	};
	const volatile u64 start_time;
	struct task_struct *const real_parent;
	struct task_struct *group_leader;
	unsigned int unused : 3;
	unsigned int sched_migrated : 1;
	unsigned int : 0;
	unsigned int in_execve : 1;
	unsigned int init_private_fork_class : 4;
	struct list_head tasks;
	char comm[32];
};

struct net_device {
	u64 mtu;
	int ifindex;
	char name[16];
};

struct sk_buff {
	u64 fclone : 2, cloned : 1, nohdr : 1, wide : 33, pkt_type : 3;
	char cb[64];
	u32 hash;
	u8 protocol;
	struct net_device *dev;
	unsigned char *data;
	u32 len;
};

struct iphdr {
	u8 ihl : 4, version : 4;
	u8 tos, ttl;
	u32 saddr;
};

struct in6_addr {
	union {
		u8 u6_addr8[16];
		u32 u6_addr32[4];
	} in6_u;
};

struct ipv6hdr {
	u64 pad;
	struct in6_addr saddr, daddr;
};

struct sock_common {
	u64 skc_num;
	u16 skc_family;
	u8 skc_hash;
	int skc_bound_dev_if;
};

struct sock {
	int sk_rcvbuf;
	struct sock_common __sk_common;
};

union sigval {
	int sival_int;
	void *sival_ptr;
	u64 more[2];
};

struct path {
	void *mnt;
};

enum hrtimer_restart { HRTIMER_RESTART = 10, HRTIMER_NORESTART = 20 };

struct hrtimer {
	u8 is_soft;
};

typedef struct {
	int counter;
} atomic_t;

typedef unsigned int gfp_t;
typedef long long loff_t;
typedef int (*initcall_t)(void);
typedef void (*smp_call_func_t)(void *info);

enum bpf_map_type { BPF_MAP_TYPE_ARRAY = 4, BPF_MAP_TYPE_HASH = 3000000000u, BPF_MAP_TYPE_RINGBUF = 9 };
enum hrtimer_mode { HRTIMER_MODE_ABS_PINNED_HARD = 0x12345678 };
enum kobject_action { KOBJ_REMOVE = -2 };
enum perf_event_state { PERF_EVENT_STATE_DEAD = -70, PERF_EVENT_STATE_ACTIVE = 0x7fffffff };
enum perf_callchain_context {
	PERF_CONTEXT_KERNEL = 0x123456789abcdef0ll,
	PERF_CONTEXT_USER = -1ll,
	PERF_CONTEXT_MAX = -4096ll,
};

struct {
	struct task_struct task;
	struct sk_buff skb;
	struct net_device dev;
	struct iphdr ip;
	struct ipv6hdr ip6;
	struct sock sk;
	union sigval sigval;
	struct path path;
	struct hrtimer hrtimer;
	enum hrtimer_restart restart;
	atomic_t atomic;
	gfp_t gfp;
	loff_t off;
	initcall_t initcall;
	smp_call_func_t call;
	enum bpf_map_type map_type;
	enum hrtimer_mode mode;
	enum kobject_action action;
	enum perf_event_state state;
	enum perf_callchain_context context;
} everything;
