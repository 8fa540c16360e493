/* Fifty small programs on ten tracepoints, each with CO-RE relocations of its own. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline int count(__u32 which)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 key = BPF_CORE_READ(task, real_parent, tgid) ^ which;
	__u64 *count, one = BPF_CORE_READ(task, mm, total_vm) > 0;

	count = bpf_map_lookup_elem(&counts, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&counts, &key, &one, BPF_ANY);
	return 0;
}

#define PROGRAM(tracepoint, letter, which)                                                         \
	SEC("tp_btf/" #tracepoint)                                                                 \
	int letter##_##tracepoint(__u64 *ctx)                                                      \
	{                                                                                          \
		return count(which);                                                               \
	}

#define FIVE(tracepoint)                                                                           \
	PROGRAM(tracepoint, a, 1)                                                                  \
	PROGRAM(tracepoint, b, 2)                                                                  \
	PROGRAM(tracepoint, c, 3)                                                                  \
	PROGRAM(tracepoint, d, 4)                                                                  \
	PROGRAM(tracepoint, e, 5)

FIVE(sched_process_exec)
FIVE(sched_process_fork)
FIVE(sched_process_exit)
FIVE(sched_process_free)
FIVE(sched_process_wait)
FIVE(sched_wakeup_new)
FIVE(signal_deliver)
FIVE(signal_generate)
FIVE(task_newtask)
FIVE(task_rename)
