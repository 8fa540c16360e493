/* A map that not every kernel has, which is used if a constant says so. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

const volatile _Bool has_filter = 1;
__u64 seen = 0, passed = 0;
/* Not on the stack: 7.3 takes a slot for dead that nothing but a peek reads. */
__u32 last = 0;

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 64);
	__type(value, __u32);
} filter SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("socket")
int guarded(struct __sk_buff *skb)
{
	__u32 len = skb->len;
	__u64 one = 1, *count;

	__sync_fetch_and_add(&seen, 1);
	if (has_filter) {
		last = len;
		if (!bpf_map_peek_elem(&filter, &last))
			return 0;
		__sync_fetch_and_add(&passed, 1);
	}
	count = bpf_map_lookup_elem(&counts, &len);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&counts, &len, &one, BPF_ANY);
	return 1;
}
