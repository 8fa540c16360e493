/* Programs that do not load, each for a reason of its own. None is loaded unless asked for. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

__u64 sink = 0;

/* No kernel has this field. */
struct task_struct___gone {
	int no_such_field;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} slots SEC(".maps");

extern const int no_such_symbol __ksym;

SEC("?raw_tp/sys_enter")
int unchecked(void *ctx)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&slots, &zero);

	/* The verifier wants to see a check for NULL. */
	sink = *value;
	return 0;
}

/* As above, after so many instructions that the log does not fit the first buffer. */
SEC("?raw_tp/sys_enter")
int unchecked_late(void *ctx)
{
	__u32 zero = 0;
	__u64 *value;

#pragma clang loop unroll(full)
	for (int i = 0; i < 1500; i++)
		__sync_fetch_and_add(&sink, bpf_ktime_get_ns());
	value = bpf_map_lookup_elem(&slots, &zero);
	sink = *value;
	return 0;
}

SEC("?raw_tp/sys_enter")
int missing_field(void *ctx)
{
	struct task_struct___gone *task = (void *)bpf_get_current_task();

	sink = BPF_CORE_READ(task, no_such_field);
	return 0;
}

SEC("?raw_tp/sys_enter")
int missing_symbol(void *ctx)
{
	sink = (__u64)&no_such_symbol;
	return 0;
}

SEC("?fentry/vfs_unlnik")
int BPF_PROG(missing_function)
{
	return 0;
}

SEC("?tp_btf/sys_entr")
int BPF_PROG(missing_tp_btf)
{
	return 0;
}

SEC("?kprobe/vfs_unlnik")
int missing_kprobe(struct pt_regs *ctx)
{
	return 0;
}

SEC("?tp/raw_syscalls/sys_entr")
int missing_tracepoint(void *ctx)
{
	return 0;
}

SEC("?raw_tp/sys_entr")
int missing_raw_tp(void *ctx)
{
	return 0;
}
