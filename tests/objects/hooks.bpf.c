/* One program a tracing hook. Each counts how often it runs in the process that `who` names, under its own number. */
#include "tracing.h"

struct who {
	u32 pid;
	/* Of getppid, whose number is the machine's. */
	u32 syscall;
};

enum {
	TRACEPOINT,
	RAW,
	TYPED,
	ENTRY,
	RETURN,
	MULTI,
	MULTI_RETURN,
	SESSION_ENTRY,
	SESSION_RETURN,
	MARKER,
	SAMPLE,
	COUNTERS,
};

struct count {
	u64 runs;
	/* Cookies, or first arguments, added up. */
	u64 sum;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct who);
} who SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, u32);
	__type(value, struct count);
} counts SEC(".maps");

static __attribute__((always_inline)) struct who *here(void)
{
	u32 zero = 0;
	struct who *w = bpf_map_lookup_elem(&who, &zero);

	return w && w->pid == bpf_get_current_pid_tgid() >> 32 ? w : 0;
}

static __attribute__((always_inline)) int seen(u32 number, u64 value)
{
	struct count *c;

	if (!here())
		return 0;
	c = bpf_map_lookup_elem(&counts, &number);
	if (c) {
		__sync_fetch_and_add(&c->runs, 1);
		__sync_fetch_and_add(&c->sum, value);
	}
	return 0;
}

SEC("tp/syscalls/sys_enter_getppid") int on_tracepoint(void *ctx)
{
	return seen(TRACEPOINT, bpf_get_attach_cookie(ctx));
}

SEC("raw_tp/sys_enter") int on_raw(u64 *ctx)
{
	struct who *w = here();

	return w && ctx[1] == w->syscall ? seen(RAW, 0) : 0;
}

SEC("tp_btf/sys_enter") int on_typed(u64 *ctx)
{
	struct who *w = here();

	return w && ctx[1] == w->syscall ? seen(TYPED, 0) : 0;
}

SEC("uprobe") int on_entry(void *ctx)
{
	return seen(ENTRY, bpf_get_attach_cookie(ctx));
}

SEC("uretprobe") int on_return(void *ctx)
{
	return seen(RETURN, 0);
}

SEC("uprobe.multi") int on_multi(void *ctx)
{
	return seen(MULTI, bpf_get_attach_cookie(ctx));
}

SEC("uretprobe.multi") int on_multi_return(void *ctx)
{
	return seen(MULTI_RETURN, 0);
}

extern _Bool bpf_session_is_return(void) KSYM;

SEC("uprobe.session") int on_session(void *ctx)
{
	return seen(bpf_session_is_return() ? SESSION_RETURN : SESSION_ENTRY, 0);
}

SEC("perf_event") int on_sample(void *ctx)
{
	return seen(SAMPLE, 0);
}

/* The convention of libbpf's usdt.bpf.h: records of where a marker's arguments are, by the probe's cookie. */
struct __bpf_usdt_arg_spec {
	u64 val_off;
	u32 arg_type : 8;
	u16 idx_reg_off : 12;
	u16 scale_bitshift : 4;
	u8 reserved : 8;
	short reg_off;
	_Bool arg_signed;
	char arg_bitshift;
};

struct __bpf_usdt_spec {
	struct __bpf_usdt_arg_spec args[12];
	u64 usdt_cookie;
	short arg_cnt;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, int);
	__type(value, struct __bpf_usdt_spec);
} __bpf_usdt_specs SEC(".maps");

struct argument {
	u64 sum;
	u64 last;
};

/* Of arguments 0 to 3, and of the cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 5);
	__type(key, u32);
	__type(value, struct argument);
} arguments SEC(".maps");

static __attribute__((always_inline)) int keep(u32 number, u64 value)
{
	struct argument *a = bpf_map_lookup_elem(&arguments, &number);

	if (a) {
		__sync_fetch_and_add(&a->sum, value);
		a->last = value;
	}
	return 0;
}

static __attribute__((always_inline)) int argument(void *ctx, struct __bpf_usdt_spec *spec, u32 number)
{
	struct __bpf_usdt_arg_spec *arg = &spec->args[number];
	u64 value = arg->val_off, index = 0;
	short reg = arg->reg_off;

	if (spec->arg_cnt <= (short)number)
		return 0;
	if (arg->arg_type >= 1)
		bpf_probe_read_kernel(&value, sizeof(value), ctx + reg);
	if (arg->arg_type == 3)
		bpf_probe_read_kernel(&index, sizeof(index), ctx + arg->idx_reg_off);
	if (arg->arg_type >= 2) {
		value += arg->val_off + (index << arg->scale_bitshift);
		bpf_probe_read_user(&value, sizeof(value), (void *)value);
	}
	value <<= arg->arg_bitshift & 63;
	value = arg->arg_signed ? (u64)((s64)value >> (arg->arg_bitshift & 63)) : value >> (arg->arg_bitshift & 63);
	return keep(number, value);
}

SEC("usdt") int on_marker(void *ctx)
{
	int id = (int)bpf_get_attach_cookie(ctx);
	struct __bpf_usdt_spec *spec = bpf_map_lookup_elem(&__bpf_usdt_specs, &id);

	if (!spec || !here())
		return 0;
	argument(ctx, spec, 0);
	argument(ctx, spec, 1);
	argument(ctx, spec, 2);
	argument(ctx, spec, 3);
	keep(4, spec->usdt_cookie);
	return seen(MARKER, 0);
}

/* What this machine's kernels may not have: only asked for by name. */
SEC("?kprobe/do_sys_openat2") int on_kprobe(void *ctx)
{
	return 0;
}

SEC("?kprobe.multi/vfs_rea*") int on_kprobe_multi(void *ctx)
{
	return 0;
}

SEC("?ksyscall/getppid") int on_syscall(void *ctx)
{
	return 0;
}

SEC("?fentry/vfs_read") int on_function(u64 *ctx)
{
	return 0;
}

SEC("?fmod_ret/bpf_modify_return_test") int on_result(u64 *ctx)
{
	return 0;
}

SEC("?fexit/vfs_read") int on_exit(u64 *ctx)
{
	return 0;
}

SEC("?kprobe.session/vfs_rea*") int on_kprobe_session(void *ctx)
{
	return 0;
}

SEC("?lsm/file_open") int on_lsm(u64 *ctx)
{
	return 0;
}

SEC("?lsm_cgroup/socket_bind") int on_lsm_cgroup(u64 *ctx)
{
	return 1;
}

char _license[] SEC("license") = "GPL";
