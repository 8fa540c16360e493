/* One program for many USDT probes, which reads an argument. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/usdt.bpf.h>

char LICENSE[] SEC("license") = "GPL";

__u64 sum = 0;

SEC("usdt")
int on_probe(struct pt_regs *ctx)
{
	long value;

	if (!bpf_usdt_arg(ctx, 0, &value))
		__sync_fetch_and_add(&sum, value);
	return 0;
}
