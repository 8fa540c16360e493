/* A trie of prefixes that is read and written from here. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct prefix {
	__u32 bits;
	__u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, __u64);
} routes SEC(".maps");

/* Set outside: what is looked up, and what is written if it has a value. */
struct prefix wanted = {};
struct prefix written = {};
__u64 written_value = 0;

__u64 found = 0;
__s64 answer = 0;

SEC("raw_tp/sys_enter")
int look_up(void *ctx)
{
	struct prefix key = wanted, new_key = written;
	__u64 value = written_value, *there;

	there = bpf_map_lookup_elem(&routes, &key);
	found = there ? *there : 0;
	if (value)
		answer = bpf_map_update_elem(&routes, &new_key, &value, BPF_ANY);
	return 0;
}
