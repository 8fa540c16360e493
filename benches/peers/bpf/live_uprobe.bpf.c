/* One program for many uprobes. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("uprobe")
int on_call(struct pt_regs *ctx)
{
	return 0;
}
