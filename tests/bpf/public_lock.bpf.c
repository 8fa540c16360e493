/* A lock where applications would see it, which the kernel refuses. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct bpf_spin_lock lock SEC(".data.lock");
__u64 guarded SEC(".data.lock");

SEC("tc")
int locked(struct __sk_buff *skb)
{
	bpf_spin_lock(&lock);
	guarded++;
	bpf_spin_unlock(&lock);
	return 0;
}
