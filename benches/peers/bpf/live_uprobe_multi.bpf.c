/* One program for many functions by one link. In an object of its own: aya refuses the section. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("uprobe.multi")
int on_call(struct pt_regs *ctx)
{
	return 0;
}
