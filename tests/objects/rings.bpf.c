/* Records to and from userspace, as many as the context asks for: run through BPF_PROG_TEST_RUN, from several CPUs at
 * once. */
#include "tracing.h"

struct record {
	u32 cpu;
	u32 producer;
	u64 number;
};

/* Only says what the records are. */
const struct record *unused_record;

/* The context of the producers: each numbers its records from 0 on, those that found no room not counted. */
struct job {
	u32 producer;
	u32 records;
	u64 sent;
	u64 refused;
	u64 discarded;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 12);
} small SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 25);
} large SEC(".maps");

struct {
	__uint(type, TRACING_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} samples SEC(".maps");

struct {
	__uint(type, TRACING_USER_RINGBUF);
	__uint(max_entries, 1 << 12);
} commands SEC(".maps");

/* Not a loop of the program's own: that would have the verifier walk all of it. */
struct work {
	struct job *job;
	u64 sent;
	u64 refused;
	u64 discarded;
	u32 producer;
	u32 cpu;
};

static __attribute__((always_inline)) long reserve(u32 n, struct work *w, void *ring)
{
	struct record *r = bpf_ringbuf_reserve(ring, sizeof(*r), 0);

	if (!r) {
		w->refused++;
		return 0;
	}
	r->cpu = w->cpu;
	r->producer = w->producer;
	r->number = w->sent;
	if (n % 16 == 15) {
		bpf_ringbuf_discard(r, 0);
		w->discarded++;
		return 0;
	}
	w->sent++;
	bpf_ringbuf_submit(r, 0);
	return 0;
}

static long into_small(u32 n, struct work *w)
{
	return reserve(n, w, &small);
}

static long into_large(u32 n, struct work *w)
{
	return reserve(n, w, &large);
}

static __attribute__((always_inline)) int produce(struct job *job, void *step)
{
	struct work w = {.producer = job->producer, .cpu = bpf_get_smp_processor_id()};

	w.sent = job->sent;
	w.refused = job->refused;
	w.discarded = job->discarded;
	bpf_loop(job->records, step, &w, 0);
	job->sent = w.sent;
	job->refused = w.refused;
	job->discarded = w.discarded;
	return 0;
}

SEC("syscall") int fill_small(struct job *job)
{
	return produce(job, into_small);
}

SEC("syscall") int fill_large(struct job *job)
{
	return produce(job, into_large);
}

/* Samples of a perf buffer: this program has a context that takes them. */
SEC("raw_tp") int fill_samples(u64 *ctx)
{
	struct record r = {.producer = ctx[0], .number = ctx[1]};

	r.cpu = bpf_get_smp_processor_id();
	/* BPF_F_CURRENT_CPU */
	return bpf_perf_event_output(ctx, &samples, 0xffffffff, &r, sizeof(r)) ? 1 : 0;
}

struct sums {
	u64 records;
	u64 sum;
};

static long take(void *record, struct sums *sums)
{
	u64 value = 0;

	bpf_dynptr_read(&value, sizeof(value), record, 0, 0);
	sums->records++;
	sums->sum += value;
	return 0;
}

/* The context gets how many commands there were, and their sum. */
SEC("syscall") int obey(struct sums *ctx)
{
	struct sums s = {};
	long done = bpf_user_ringbuf_drain(&commands, take, &s, 0);

	ctx->records += s.records;
	ctx->sum += s.sum;
	return done < 0 ? (int)done : 0;
}

char _license[] SEC("license") = "GPL";
