/* What programs that trace need beyond bpf.h. */
#ifndef SKEP_TEST_TRACING_H
#define SKEP_TEST_TRACING_H

#include "bpf.h"

#define READS_KERNEL __attribute__((preserve_access_index))

enum {
	TRACING_PERF_EVENT_ARRAY = 4,
	TRACING_USER_RINGBUF = 31,
};

static long (*const bpf_get_smp_processor_id)(void) = (void *)8;
static u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static long (*const bpf_perf_event_output)(void *ctx, void *map, u64 flags, const void *data, u64 size) = (void *)25;
static long (*const bpf_probe_read_user)(void *to, u32 size, const void *from) = (void *)112;
static long (*const bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*const bpf_seq_write)(void *seq, const void *data, u32 len) = (void *)127;
static void *(*const bpf_ringbuf_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *record, u64 flags) = (void *)132;
static void (*const bpf_ringbuf_discard)(void *record, u64 flags) = (void *)133;
static u64 (*const bpf_get_attach_cookie)(void *ctx) = (void *)174;
static long (*const bpf_dynptr_read)(void *to, u32 len, const void *from, u32 offset, u64 flags) = (void *)201;
static long (*const bpf_user_ringbuf_drain)(void *ring, void *callback, void *ctx, u64 flags) = (void *)209;

#endif
