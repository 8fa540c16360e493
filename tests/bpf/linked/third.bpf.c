/* The third of three sources of one object: a program of its own, and what needs no section. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "linked.h"

char LICENSE[] SEC("license") = "GPL";

static volatile int own = 10000;

extern struct counts counts SEC(".maps");
extern int shared;
extern int LINUX_KERNEL_VERSION __kconfig;

int third_result = 0;
int parent = 0;

int count(__u32 key, int value)
{
	struct pair pair = { .first = value, .second = own };

	return bpf_map_update_elem(&counts, &key, &pair, BPF_ANY);
}

SEC("?raw_tp/sys_enter")
int third(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	parent = BPF_CORE_READ(task, real_parent, tgid);
	third_result = shared + (LINUX_KERNEL_VERSION > 0);
	return 0;
}
