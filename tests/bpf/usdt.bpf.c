/* Programs on static probes of this test's own program. None is loaded unless asked for. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#define BPF_USDT_MAX_SPEC_CNT 4
#include <bpf/usdt.bpf.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 target_pid = 0;

__u64 hits = 0;
__s64 first = 0;
__s64 second = 0;
__s64 third = 0;
__s64 count = 0;
__s64 cookie = 0;
__s64 size = 0;

static bool is_target(void)
{
	return bpf_get_current_pid_tgid() >> 32 == target_pid;
}

SEC("?usdt")
int BPF_USDT(on_usdt, int a, long b, const char *c)
{
	if (!is_target())
		return 0;
	__sync_fetch_and_add(&hits, 1);
	first = a;
	second = b;
	third = (long)c;
	count = bpf_usdt_arg_cnt(ctx);
	cookie = bpf_usdt_cookie(ctx);
	size = bpf_usdt_arg_size(ctx, 0);
	return 0;
}

/* Reads memory that an argument points to, even where it must be paged in. */
SEC("?usdt.s")
int BPF_USDT(on_sleepable, int a, const __s64 *place)
{
	__s64 copy;

	if (!is_target() || bpf_copy_from_user(&copy, sizeof(copy), place))
		return 0;
	__sync_fetch_and_add(&hits, 1);
	second = copy;
	return 0;
}

SEC("?usdt//proc/self/exe:btf_tests:plain")
int BPF_USDT(on_plain)
{
	if (is_target())
		__sync_fetch_and_add(&hits, 1);
	return 0;
}
