/* Congestion controls for TCP, which the kernel calls through a struct of operations. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

__u64 inits = 0;
__u64 second_inits = 0;
__u64 acks = 0;

SEC("struct_ops/init")
void BPF_PROG(cc_init, struct sock *sk)
{
	__sync_fetch_and_add(&inits, 1);
}

SEC("struct_ops")
void BPF_PROG(cc_second_init, struct sock *sk)
{
	__sync_fetch_and_add(&second_inits, 1);
}

SEC("struct_ops/ssthresh")
__u32 BPF_PROG(cc_ssthresh, struct sock *sk)
{
	return 10;
}

SEC("struct_ops/cong_avoid")
void BPF_PROG(cc_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
	__sync_fetch_and_add(&acks, 1);
}

SEC("struct_ops/undo_cwnd")
__u32 BPF_PROG(cc_undo_cwnd, struct sock *sk)
{
	return 10;
}

/* In no struct: it is not loaded. */
SEC("struct_ops/in_no_struct")
void BPF_PROG(cc_idle, struct sock *sk)
{
}

SEC(".struct_ops.link")
struct tcp_congestion_ops cc_by_link = {
	.init = (void *)cc_init,
	.ssthresh = (void *)cc_ssthresh,
	.cong_avoid = (void *)cc_cong_avoid,
	.undo_cwnd = (void *)cc_undo_cwnd,
	.name = "btf_by_link",
};

SEC("?.struct_ops")
struct tcp_congestion_ops cc_by_value = {
	.init = (void *)cc_init,
	.ssthresh = (void *)cc_ssthresh,
	.cong_avoid = (void *)cc_cong_avoid,
	.undo_cwnd = (void *)cc_undo_cwnd,
	.name = "btf_by_value",
};
