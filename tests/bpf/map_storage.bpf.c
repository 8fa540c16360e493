/* Values that belong to tasks, sockets, inodes and cgroups. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 target_pid = 0;
const volatile __s64 target_nr = -1;

struct visits {
	__u64 count;
	__u64 step;
};

#define STORAGE(name, map_type)                     \
	struct {                                    \
		__uint(type, map_type);             \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__type(key, int);                   \
		__type(value, struct visits);       \
	} name SEC(".maps")

STORAGE(of_tasks, BPF_MAP_TYPE_TASK_STORAGE);
STORAGE(of_sockets, BPF_MAP_TYPE_SK_STORAGE);
STORAGE(of_inodes, BPF_MAP_TYPE_INODE_STORAGE);
STORAGE(of_cgroups, BPF_MAP_TYPE_CGRP_STORAGE);

static __always_inline void count(struct visits *visits)
{
	if (visits)
		visits->count += visits->step + 1;
}

SEC("?raw_tp")
int on_task(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	/* What a pidfd is of. */
	count(bpf_task_storage_get(&of_tasks, task->group_leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE));
	return 0;
}

SEC("?fentry/inet_csk_listen_start")
int BPF_PROG(on_listen, struct sock *sk)
{
	if (bpf_get_current_pid_tgid() >> 32 == target_pid)
		count(bpf_sk_storage_get(&of_sockets, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE));
	return 0;
}

SEC("?lsm/file_open")
int BPF_PROG(on_file_open, struct file *file)
{
	if (bpf_get_current_pid_tgid() >> 32 == target_pid)
		count(bpf_inode_storage_get(&of_inodes, file->f_inode, 0, 0));
	return 0;
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(on_enter, struct pt_regs *regs, long id)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (task->tgid == target_pid && id == target_nr)
		count(bpf_cgrp_storage_get(&of_cgroups, task->cgroups->dfl_cgrp, 0,
					   BPF_LOCAL_STORAGE_GET_F_CREATE));
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 100);
	__uint(map_extra, 3);
	__type(value, __u64);
} seen SEC(".maps");

__u64 added = 0;
__u64 asked = 0;

SEC("?raw_tp")
int ask_filter(void *ctx)
{
	/* Not by way of the stack: Linux 7.3 takes what a peek points to for written only, and drops the store before it. */
	bpf_map_push_elem(&seen, &added, BPF_ANY);
	return bpf_map_peek_elem(&seen, &asked) == 0;
}
