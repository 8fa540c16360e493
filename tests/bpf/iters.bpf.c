/* Iterators over a part of what there is. Each writes a number for all it meets. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} sizes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} sockets SEC(".maps");

/* Not every kernel has cgroups to iterate over. */
struct bpf_iter__cgroup___here {
	struct bpf_iter_meta *meta;
	struct cgroup *cgroup;
};

static int put(struct bpf_iter_meta *meta, __u64 number)
{
	struct seq_file *seq = meta->seq;

	bpf_seq_write(seq, &number, sizeof(number));
	return 0;
}

SEC("iter/bpf_map_elem")
int on_element(struct bpf_iter__bpf_map_elem *ctx)
{
	__u32 *key = ctx->key;
	__u64 *value = ctx->value;

	if (!key || !value)
		return 0;
	return put(ctx->meta, *key + *value);
}

SEC("iter/bpf_map_elem")
int on_value(struct bpf_iter__bpf_map_elem *ctx)
{
	__u64 *value = ctx->value;

	if (!value)
		return 0;
	return put(ctx->meta, *value);
}

SEC("iter/bpf_sk_storage_map")
int on_socket(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	__u64 *value = ctx->value;

	if (!ctx->sk || !value)
		return 0;
	return put(ctx->meta, *value);
}

SEC("iter/task")
int on_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (!task)
		return 0;
	return put(ctx->meta, task->pid);
}

SEC("?iter/cgroup")
int on_cgroup(struct bpf_iter__cgroup___here *ctx)
{
	struct cgroup *cgroup = ctx->cgroup;

	if (!cgroup)
		return 0;
	return put(ctx->meta, cgroup->kn->id);
}
