/* Iterators: what they write is numbers, as they lie in memory. */
#include "tracing.h"

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id;
	u64 seq_num;
} READS_KERNEL;

struct task_struct {
	int pid;
	int tgid;
} READS_KERNEL;

struct bpf_map {
	u32 id;
} READS_KERNEL;

struct kernfs_node {
	u64 id;
} READS_KERNEL;

struct cgroup {
	struct kernfs_node *kn;
} READS_KERNEL;

struct bpf_iter__cgroup {
	struct bpf_iter_meta *meta;
	struct cgroup *cgroup;
} READS_KERNEL;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} READS_KERNEL;

struct bpf_iter__bpf_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
} READS_KERNEL;

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
} READS_KERNEL;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1000);
	__type(key, u32);
	__type(value, u64);
} squares SEC(".maps");

SEC("iter/task") int threads(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	int ids[2];

	if (!task)
		return 0;
	ids[0] = task->tgid;
	ids[1] = task->pid;
	bpf_seq_write(ctx->meta->seq, ids, sizeof(ids));
	return 0;
}

SEC("iter/bpf_map") int maps(struct bpf_iter__bpf_map *ctx)
{
	struct bpf_map *map = ctx->map;
	u32 id;

	if (!map)
		return 0;
	id = map->id;
	bpf_seq_write(ctx->meta->seq, &id, sizeof(id));
	return 0;
}

SEC("iter/bpf_map_elem") int entries(struct bpf_iter__bpf_map_elem *ctx)
{
	u32 *key = ctx->key;
	u64 *value = ctx->value, both[2];

	if (!key || !value)
		return 0;
	both[0] = *key;
	both[1] = *value;
	bpf_seq_write(ctx->meta->seq, both, sizeof(both));
	return 0;
}

SEC("iter/cgroup") int cgroups(struct bpf_iter__cgroup *ctx)
{
	struct cgroup *cgroup = ctx->cgroup;
	u64 id;

	if (!cgroup)
		return 0;
	id = cgroup->kn->id;
	bpf_seq_write(ctx->meta->seq, &id, sizeof(id));
	return 0;
}

char _license[] SEC("license") = "GPL";
