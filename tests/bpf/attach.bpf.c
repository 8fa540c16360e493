/* One program for each way to attach; each counts how often it runs for one process. None is loaded unless asked for. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 target_pid = 0;
const volatile __s64 target_nr = -1;

__u64 fentry_hits = 0;
__u64 fexit_hits = 0;
__s64 fexit_result = 0;
__u64 fmod_ret_hits = 0;
__u64 kprobe_hits = 0;
__u64 kretprobe_hits = 0;
__s64 kretprobe_result = 0;
__u64 tracepoint_hits = 0;
__u64 tp_btf_hits = 0;
__u64 raw_tp_hits = 0;
__u64 lsm_hits = 0;
__u64 iter_hits = 0;

static bool is_target(void)
{
	return bpf_get_current_pid_tgid() >> 32 == target_pid;
}

SEC("?fentry/do_sys_openat2")
int BPF_PROG(on_fentry)
{
	if (is_target())
		__sync_fetch_and_add(&fentry_hits, 1);
	return 0;
}

/* The result is a long in older kernels and an int in 7.3: as an int it reads well from both. */
SEC("?fexit/do_sys_openat2")
int BPF_PROG(on_fexit, int dfd, const char *filename, void *how, int result)
{
	if (is_target()) {
		__sync_fetch_and_add(&fexit_hits, 1);
		fexit_result = result;
	}
	return 0;
}

SEC("?fmod_ret/security_file_open")
int BPF_PROG(on_fmod_ret)
{
	if (is_target())
		__sync_fetch_and_add(&fmod_ret_hits, 1);
	return 0;
}

SEC("?kprobe/vfs_unlink")
int on_kprobe(struct pt_regs *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&kprobe_hits, 1);
	return 0;
}

SEC("?kretprobe/vfs_unlink")
int BPF_KRETPROBE(on_kretprobe, int result)
{
	if (is_target()) {
		__sync_fetch_and_add(&kretprobe_hits, 1);
		kretprobe_result = result;
	}
	return 0;
}

SEC("?tp/raw_syscalls/sys_enter")
int on_tracepoint(__s64 *ctx)
{
	/* After the common fields, which take eight bytes, comes the number of the call. */
	if (is_target() && ctx[1] == target_nr)
		__sync_fetch_and_add(&tracepoint_hits, 1);
	return 0;
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(on_tp_btf, struct pt_regs *regs, long nr)
{
	if (is_target() && nr == target_nr)
		__sync_fetch_and_add(&tp_btf_hits, 1);
	return 0;
}

SEC("?raw_tp/sys_enter")
int BPF_PROG(on_raw_tp, struct pt_regs *regs, long nr)
{
	if (is_target() && nr == target_nr)
		__sync_fetch_and_add(&raw_tp_hits, 1);
	return 0;
}

SEC("?lsm/file_open")
int BPF_PROG(on_lsm, struct file *file, int ret)
{
	if (!ret && is_target())
		__sync_fetch_and_add(&lsm_hits, 1);
	return ret;
}

/* Writes the number of the process that reads. */
SEC("?iter/task")
int on_iter(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	__u32 pid;

	if (!task || task->pid != (int)target_pid)
		return 0;
	__sync_fetch_and_add(&iter_hits, 1);
	pid = task->pid;
	bpf_seq_write(ctx->meta->seq, &pid, sizeof(pid));
	return 0;
}
