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

/* What kernels have renamed: each has one of the two, and the other one's name is near. */
struct task_struct___state {
	long state;
	unsigned int __state;
} __attribute__((preserve_access_index));

struct kernfs_node___parent {
	void *parent;
	void *__parent;
} __attribute__((preserve_access_index));

struct dentry___name {
	unsigned char d_iname[32];
	union {
		unsigned char string[40];
	} d_shortname;
} __attribute__((preserve_access_index));

struct task_strukt {
	int pid;
} __attribute__((preserve_access_index));

enum pid_type___more {
	PIDTYPE_TGIDS___more = 1,
};

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

/* Kernels before 5.12 add, and do not say what was there. */
SEC("?raw_tp/sys_enter")
int fetches(void *ctx)
{
	return __sync_fetch_and_add(&sink, 1) & 1;
}

SEC("?raw_tp/sys_enter")
int missing_field(void *ctx)
{
	struct task_struct___gone *task = (void *)bpf_get_current_task();

	sink = BPF_CORE_READ(task, no_such_field);
	return 0;
}

SEC("?raw_tp/sys_enter")
int old_state(void *ctx)
{
	struct task_struct___state *task = (void *)bpf_get_current_task();

	sink = BPF_CORE_READ(task, state);
	return 0;
}

SEC("?raw_tp/sys_enter")
int new_state(void *ctx)
{
	struct task_struct___state *task = (void *)bpf_get_current_task();

	sink = BPF_CORE_READ(task, __state);
	return 0;
}

SEC("?raw_tp/sys_enter")
int old_parent(void *ctx)
{
	struct kernfs_node___parent *node = (void *)bpf_get_current_task();

	sink = (__u64)BPF_CORE_READ(node, parent);
	return 0;
}

SEC("?raw_tp/sys_enter")
int new_parent(void *ctx)
{
	struct kernfs_node___parent *node = (void *)bpf_get_current_task();

	sink = (__u64)BPF_CORE_READ(node, __parent);
	return 0;
}

SEC("?raw_tp/sys_enter")
int old_name(void *ctx)
{
	struct dentry___name *dentry = (void *)bpf_get_current_task();

	sink = BPF_CORE_READ(dentry, d_iname[1]);
	return 0;
}

SEC("?raw_tp/sys_enter")
int new_name(void *ctx)
{
	struct dentry___name *dentry = (void *)bpf_get_current_task();

	sink = BPF_CORE_READ(dentry, d_shortname.string[1]);
	return 0;
}

/* The instruction that must not be reached is not the program's own. */
static __attribute__((noinline)) int pid_of(struct task_strukt *task)
{
	return BPF_CORE_READ(task, pid);
}

SEC("?raw_tp/sys_enter")
int missing_type(void *ctx)
{
	sink = pid_of((void *)bpf_get_current_task());
	return 0;
}

SEC("?raw_tp/sys_enter")
int missing_enumerator(void *ctx)
{
	sink = bpf_core_enum_value(enum pid_type___more, PIDTYPE_TGIDS___more);
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

/* Loads, but where the kernel is locked down. */
SEC("?raw_tp/sys_enter")
int looks(void *ctx)
{
	bpf_probe_read_kernel(&sink, sizeof(sink), (void *)bpf_get_current_task());
	return 0;
}
