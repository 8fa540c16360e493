/* Operations of the struct that the kernel has for tests: it calls them when a run of them is asked for, and never else. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* What the second operation was given. */
__u64 seen[4] = {};

/* Exports the type. */
struct bpf_dummy_ops_state *unused = NULL;

SEC("struct_ops/test_1")
int BPF_PROG(test_1, struct bpf_dummy_ops_state *state)
{
	if (!state)
		return -2;
	return state->val++;
}

SEC("struct_ops/test_2")
int BPF_PROG(test_2, struct bpf_dummy_ops_state *state, int a1, unsigned short a2, char a3, unsigned long a4)
{
	seen[0] = (__u32)a1;
	seen[1] = a2;
	seen[2] = (__u8)a3;
	seen[3] = a4;
	return state->val;
}

SEC("struct_ops.s/test_sleepable")
int BPF_PROG(test_sleepable, struct bpf_dummy_ops_state *state)
{
	state->val *= 2;
	return 1;
}

SEC(".struct_ops")
struct bpf_dummy_ops dummy = {
	.test_1 = (void *)test_1,
	.test_2 = (void *)test_2,
};

SEC("?.struct_ops")
struct bpf_dummy_ops sleepable = {
	.test_sleepable = (void *)test_sleepable,
};
