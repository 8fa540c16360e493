/* Variables that the object keeps to itself: in hidden sections, which the kernel would map for nobody. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define private(name) SEC(".data." #name) __hidden __attribute__((aligned(8)))

char LICENSE[] SEC("license") = "GPL";

private(LOCK) struct bpf_spin_lock lock;
private(LOCK) __u64 guarded;

/* Hidden beside one that is not. */
__u64 concealed __hidden = 40;
__u64 seen = 0;

SEC("tc")
int locked(struct __sk_buff *skb)
{
	bpf_spin_lock(&lock);
	guarded++;
	seen = guarded + concealed++;
	bpf_spin_unlock(&lock);
	return 0;
}
