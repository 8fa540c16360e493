/* Names of sections that mean what others mean, and programs that sleep. Each counts how often it runs for one process. None is
 * loaded unless asked for. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 target_pid = 0;
const volatile __s64 target_nr = -1;
/* Where the process has WORD. */
const volatile __u64 address = 0;

#define WORD 4711

__u64 hits = 0;

static bool is_target(void)
{
	return bpf_get_current_pid_tgid() >> 32 == target_pid;
}

static int hit_by(__s64 nr)
{
	if (is_target() && nr == target_nr)
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

SEC("?tracepoint/raw_syscalls/sys_enter")
int on_tracepoint(__s64 *ctx)
{
	/* After the common fields, which take eight bytes, comes the number of the call. */
	return hit_by(ctx[1]);
}

SEC("?raw_tracepoint/sys_enter")
int on_raw_tracepoint(struct bpf_raw_tracepoint_args *ctx)
{
	return hit_by(ctx->args[1]);
}

/* Counts if the process's memory can be read, for which a program may have to wait. */
static int hit_and_sleep(void)
{
	__u64 copy = 0;

	if (is_target() && !bpf_copy_from_user(&copy, sizeof(copy), (void *)address) && copy == WORD)
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

/* The function is there for tests, and set off by a test run, which asks for it with 1. */
SEC("?fentry/bpf_fentry_test1")
int BPF_PROG(on_test_run, int number)
{
	if (is_target() && number == 1)
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

SEC("?fentry.s/bpf_fentry_test1")
int on_fentry(__u64 *ctx)
{
	return hit_and_sleep();
}

SEC("?fexit.s/bpf_fentry_test1")
int on_fexit(__u64 *ctx)
{
	return hit_and_sleep();
}

SEC("?fmod_ret.s/bpf_fentry_test1")
int on_fmod_ret(__u64 *ctx)
{
	return hit_and_sleep();
}

/* Runs on entry and return. */
SEC("?fsession.s/bpf_fentry_test1")
int on_fsession(__u64 *ctx)
{
	return hit_and_sleep();
}

/* Counts children of the process that run a program by its whole path, which lies on the stack that the program will have. Older
 * kernels let programs sleep on this hook and no other. */
SEC("?lsm.s/bprm_committed_creds")
int BPF_PROG(on_lsm, struct linux_binprm *bprm)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	char first = 0;

	if (BPF_CORE_READ(task, real_parent, tgid) == (int)target_pid &&
	    !bpf_copy_from_user(&first, sizeof(first), (void *)bprm->p) && first == '/')
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

SEC("?iter.s/task")
int on_iter(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (task && task->pid == (int)target_pid)
		hit_and_sleep();
	return 0;
}
