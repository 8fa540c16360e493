/* What kernels had to learn: globals, newer helpers, names and BTF. Loads where all of it is to be done without. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

extern int LINUX_HAS_BPF_COOKIE __kconfig;

const volatile __u32 step = 3;
__u64 total = 0;
__u32 tgid = 0;
__u32 has_cookie = 0;
char comm[16] = "";
__u32 target = 7;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, float);
} values SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} counter SEC(".maps");

/* A global function, which BTF has known since 5.6. */
__attribute__((noinline)) int add(int n)
{
	volatile int result = n + (int)step;

	return result;
}

SEC("raw_tp")
int with_globals(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	total += add((int)target);
	tgid = BPF_CORE_READ(task, tgid);
	BPF_CORE_READ_STR_INTO(&comm, task, comm);
	has_cookie = LINUX_HAS_BPF_COOKIE;
	return 0;
}

/* Without any variable. */
SEC("raw_tp")
int with_map(void *ctx)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&counter, &zero);

	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int on_getppid(void *ctx)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&counter, &zero);

	if (count)
		__sync_fetch_and_add(count, 100);
	return 0;
}
