/* Programs on places of programs and libraries of user space. None is loaded unless asked for. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 target_pid = 0;
/* Of a number of the process. */
const volatile __u64 address = 0;

__u64 hits = 0;
__u64 cookies = 0;
__u64 value = 0;

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
	if (is_target())
		__sync_fetch_and_add(&cookies, bpf_get_attach_cookie(ctx));
	return hit();
}

SEC("?uprobe")
int on_uprobe(struct pt_regs *ctx)
{
	return hit();
}

SEC("?uprobe//proc/self/exe:btf_uprobe_target")
int on_uprobe_cookie(struct pt_regs *ctx)
{
	return cookie(ctx);
}

SEC("?uprobe/libc.so.6:getppid")
int on_libc(struct pt_regs *ctx)
{
	return hit();
}

SEC("?uretprobe//proc/self/exe:btf_uprobe_target")
int BPF_KRETPROBE(on_uretprobe, __u64 returned)
{
	if (is_target())
		value = returned;
	return hit();
}

/* Reads the caller's memory even where it must be paged in. */
SEC("?uprobe.s//proc/self/exe:btf_uprobe_target")
int BPF_KPROBE(on_sleepable, const __u64 *number)
{
	__u64 copy;

	if (is_target() && !bpf_copy_from_user(&copy, sizeof(copy), number))
		value = copy;
	return hit();
}

SEC("?uprobe.multi//proc/self/exe:btf_uprobe_*")
int on_multi(struct pt_regs *ctx)
{
	return hit();
}

SEC("?uprobe.multi")
int on_multi_cookie(struct pt_regs *ctx)
{
	return cookie(ctx);
}

SEC("?uprobe.multi.s//proc/self/exe:btf_uprobe_target")
int BPF_KPROBE(on_multi_sleepable, const __u64 *number)
{
	__u64 copy;

	if (is_target() && !bpf_copy_from_user(&copy, sizeof(copy), number))
		value = copy;
	return hit();
}

SEC("?uretprobe.multi//proc/self/exe:btf_uprobe_target")
int BPF_KRETPROBE(on_multi_return, __u64 returned)
{
	if (is_target())
		value = returned;
	return hit();
}

/* Runs on entry and, because it returns 0 then, on return. */
SEC("?uprobe.session//proc/self/exe:btf_uprobe_target")
int on_session(struct pt_regs *ctx)
{
	return hit();
}

/* Reads what the process has at an address of its own, for which it may have to wait. */
SEC("?uretprobe.s//proc/self/exe:btf_uprobe_target")
int BPF_KRETPROBE(on_sleepable_return, __u64 returned)
{
	__u64 copy;

	if (is_target() && !bpf_copy_from_user(&copy, sizeof(copy), (void *)address))
		value = returned + copy;
	return hit();
}

SEC("?uretprobe.multi.s//proc/self/exe:btf_uprobe_target")
int BPF_KRETPROBE(on_multi_sleepable_return, __u64 returned)
{
	__u64 copy;

	if (is_target() && !bpf_copy_from_user(&copy, sizeof(copy), (void *)address))
		value = returned + copy;
	return hit();
}

SEC("?uprobe.session.s//proc/self/exe:btf_uprobe_target")
int on_sleepable_session(struct pt_regs *ctx)
{
	__u64 copy;

	if (is_target() && !bpf_copy_from_user(&copy, sizeof(copy), (void *)address))
		__sync_fetch_and_add(&value, copy);
	return hit();
}
