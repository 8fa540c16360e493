/* The older storages of cgroups, of which a program finds its own without a key. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct visits {
	__u64 count;
	__u64 step;
};

/* For each cgroup and way to attach. */
struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, struct visits);
} by_attach_type SEC(".maps");

/* For each cgroup alone. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE);
	__type(key, __u64);
	__type(value, struct visits);
} by_cgroup SEC(".maps");

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	struct visits *visits = bpf_get_local_storage(&by_attach_type, 0);

	__sync_fetch_and_add(&visits->count, visits->step + 1);
	visits = bpf_get_local_storage(&by_cgroup, 0);
	visits->count += visits->step + 1;
	return 1;
}
