/* A ring buffer that a program fills, global variables, and a hash map. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct record {
	__u64 words[8];
};

struct record *unused;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__type(key, __u32);
	__type(value, __u64);
} table SEC(".maps");

/* In this order in the section: the peers see it as a struct. */
__u64 count = 7;
struct record wide = { .words = { 1, 2, 3, 4, 5, 6, 7, 8 } };

/* Runs without an attachment, by BPF_PROG_TEST_RUN. */
SEC("raw_tp/sys_enter")
int fill(void *ctx)
{
	for (int n = 0; n < 4096; n++) {
		struct record *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

		if (!record)
			return 1;
		for (int i = 0; i < 8; i++)
			record->words[i] = n + i;
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	}
	return 0;
}
