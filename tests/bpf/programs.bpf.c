/* Programs on other programs, on perf events, and on targets with several names. None is loaded unless asked for. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 target_pid = 0;

__u64 hits = 0;
__u64 replaced = 0;
__u64 traced = 0;
__u64 cookies = 0;

static bool is_target(void)
{
	return bpf_get_current_pid_tgid() >> 32 == target_pid;
}

/* What is replaced: a function of its own in the loaded program. */
__attribute__((noinline)) int replaceable(int n)
{
	volatile int result = n;

	return result;
}

SEC("?kprobe/vfs_unlink")
int on_kprobe(struct pt_regs *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&hits, replaceable(1));
	return 0;
}

/* Another with the same function, to which the replacement goes later. */
SEC("?kprobe/vfs_unlink")
int on_other(struct pt_regs *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&hits, replaceable(1));
	return 0;
}

SEC("?freplace")
int replacement(int n)
{
	__sync_fetch_and_add(&replaced, 1);
	return 100;
}

SEC("?fentry")
int on_program(__u64 *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&traced, 1);
	return 0;
}

SEC("?perf_event")
int on_perf_event(struct bpf_perf_event_data *ctx)
{
	__sync_fetch_and_add(&hits, 1);
	return 0;
}

SEC("?perf_event")
int on_perf_event_cookie(struct bpf_perf_event_data *ctx)
{
	__sync_fetch_and_add(&hits, 1);
	__sync_fetch_and_add(&cookies, bpf_get_attach_cookie(ctx));
	return 0;
}

SEC("?fentry")
int on_any(__u64 *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

SEC("?kprobe")
int on_any_kprobe(struct pt_regs *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

/* Runs on entry and return. */
SEC("?fsession/vfs_unlink")
int on_fsession(__u64 *ctx)
{
	if (is_target())
		__sync_fetch_and_add(&hits, 1);
	return 0;
}
