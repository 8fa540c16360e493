/* Programs on kernel functions by name, one or many. None is loaded unless asked for. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 target_pid = 0;

__u64 hits = 0;
__u64 cookies = 0;
__s64 result = 0;

static bool is_target(void)
{
	return bpf_get_current_pid_tgid() >> 32 == target_pid;
}

static int hit(void)
{
	if (is_target())
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

static int cookie(void *ctx)
{
	if (is_target()) {
		__sync_fetch_and_add(&hits, 1);
		__sync_fetch_and_add(&cookies, bpf_get_attach_cookie(ctx));
	}
	return 0;
}

SEC("?kprobe")
int on_kprobe(struct pt_regs *ctx)
{
	return hit();
}

SEC("?kprobe/vfs_unlink")
int on_kprobe_cookie(struct pt_regs *ctx)
{
	return cookie(ctx);
}

SEC("?ksyscall/getppid")
int on_ksyscall(struct pt_regs *ctx)
{
	return hit();
}

SEC("?kretsyscall/getppid")
int BPF_KRETPROBE(on_kretsyscall, int pid)
{
	if (is_target())
		result = pid;
	return hit();
}

SEC("?kprobe.multi/vfs_un*nk")
int on_multi(struct pt_regs *ctx)
{
	return hit();
}

SEC("?kprobe.multi/vfs_unlink")
int on_multi_cookie(struct pt_regs *ctx)
{
	return cookie(ctx);
}

SEC("?kretprobe.multi/vfs_unlink")
int BPF_KRETPROBE(on_multi_return, int error)
{
	if (is_target())
		result = error;
	return hit();
}

/* Runs on entry and, because it returns 0 then, on return. */
SEC("?kprobe.session/vfs_unlink")
int on_session(struct pt_regs *ctx)
{
	return hit();
}

SEC("?tp/raw_syscalls/sys_enter")
int on_tracepoint(__s64 *ctx)
{
	return cookie(ctx);
}

SEC("?fentry/vfs_unlink")
int BPF_PROG(on_fentry)
{
	return cookie(ctx);
}

SEC("?raw_tp/sys_enter")
int on_raw_tp(struct bpf_raw_tracepoint_args *ctx)
{
	return cookie(ctx);
}

SEC("?tp_btf/sys_enter")
int on_tp_btf(__u64 *ctx)
{
	return cookie(ctx);
}
