/* Relocations of enumeration values: existence and value, in 32 and 64 bits, of either sign. */
#include "core_kernel.h"

/* Values are wrong here on purpose. */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 77,
	BPF_MAP_TYPE_ARRAY,
	BPF_MAP_TYPE_NO_SUCH,
	BPF_MAP_TYPE_RINGBUF___flavour,
};

enum hrtimer_mode {
	HRTIMER_MODE_REL,
	HRTIMER_MODE_ABS_PINNED_HARD,
};

/* Signed in the kernel. */
enum kobject_action {
	KOBJ_REMOVE = 5,
};

enum migrate_vma_direction {
	MIGRATE_VMA_SELECT_SYSTEM = 1,
};

enum no_such_enum {
	NO_SUCH_VALUE = 3,
};

enum perf_callchain_context {
	PERF_CONTEXT_HV = -32ll,
	PERF_CONTEXT_KERNEL = -128ll,
	PERF_CONTEXT_USER = -512ll,
	PERF_CONTEXT_MAX = 0x7fffffffffff,
};

enum perf_event_state {
	PERF_EVENT_STATE_DEAD = -7,
	PERF_EVENT_STATE_ACTIVE = 9,
};

SEC("raw_tp/existence")
u64 existence(u64 *ctx)
{
	u64 bits = 0;

	bits |= ENUMVAL(ENUMVAL_EXISTS, enum bpf_map_type, BPF_MAP_TYPE_ARRAY) ? 1 : 0;
	bits |= ENUMVAL(ENUMVAL_EXISTS, enum bpf_map_type, BPF_MAP_TYPE_NO_SUCH) ? 2 : 0;
	bits |= ENUMVAL(ENUMVAL_EXISTS, enum no_such_enum, NO_SUCH_VALUE) ? 4 : 0;
	bits |= ENUMVAL(ENUMVAL_EXISTS, enum perf_callchain_context, PERF_CONTEXT_USER) ? 8 : 0;
	bits |= ENUMVAL(ENUMVAL_EXISTS, enum bpf_map_type, BPF_MAP_TYPE_RINGBUF___flavour) ? 16 : 0;
	return bits;
}

SEC("raw_tp/values")
u64 values(u64 *ctx)
{
	ctx[0] = ENUMVAL(ENUMVAL_VALUE, enum bpf_map_type, BPF_MAP_TYPE_HASH);
	ctx[1] = ENUMVAL(ENUMVAL_VALUE, enum bpf_map_type, BPF_MAP_TYPE_RINGBUF___flavour);
	ctx[2] = ENUMVAL(ENUMVAL_VALUE, enum hrtimer_mode, HRTIMER_MODE_ABS_PINNED_HARD);
	ctx[3] = ENUMVAL(ENUMVAL_VALUE, enum perf_event_state, PERF_EVENT_STATE_DEAD);
	ctx[4] = ENUMVAL(ENUMVAL_VALUE, enum perf_event_state, PERF_EVENT_STATE_ACTIVE);
	ctx[5] = ENUMVAL(ENUMVAL_VALUE, enum kobject_action, KOBJ_REMOVE);
	ctx[6] = ENUMVAL(ENUMVAL_VALUE, enum perf_callchain_context, PERF_CONTEXT_KERNEL);
	ctx[7] = ENUMVAL(ENUMVAL_VALUE, enum perf_callchain_context, PERF_CONTEXT_MAX);
	ctx[8] = ENUMVAL(ENUMVAL_VALUE, enum bpf_map_type, BPF_MAP_TYPE_NO_SUCH);
	return ENUMVAL(ENUMVAL_VALUE, enum no_such_enum, NO_SUCH_VALUE);
}
