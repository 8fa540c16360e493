/* For kernels without BTF: the types that it is relocated against are carried along. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 target_pid = 0;
__u32 parent = 0;
__u64 calls = 0;

SEC("raw_tp/sys_enter")
int on_enter(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	if (bpf_get_current_pid_tgid() >> 32 != target_pid)
		return 0;
	parent = BPF_CORE_READ(task, real_parent, tgid);
	__sync_fetch_and_add(&calls, 1);
	return 0;
}
