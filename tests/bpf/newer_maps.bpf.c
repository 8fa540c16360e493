/* Kinds of maps that few kernels have yet: by their numbers, because the header may be of one that does not. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define MAP_TYPE_RHASH 35

struct tally {
	__u64 calls;
	__u64 last;
};

struct {
	__uint(type, MAP_TYPE_RHASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct tally);
} growing SEC(".maps");

__u32 key = 0;

/* Answers how often it was called with the key. */
SEC("raw_tp")
int count(void *ctx)
{
	__u32 wanted = key;
	struct tally first = {}, *tally;

	bpf_map_update_elem(&growing, &wanted, &first, BPF_NOEXIST);
	tally = bpf_map_lookup_elem(&growing, &wanted);
	if (!tally)
		return -1;
	tally->last = wanted;
	return __sync_fetch_and_add(&tally->calls, 1) + 1;
}
