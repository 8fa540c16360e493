/* A ring buffer that user space writes. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct event {
	__u64 seq;
	__u64 square;
};

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
	__type(value, struct event);
} orders SEC(".maps");

__u64 drained = 0;
__u64 wrong = 0;

static long take_order(struct bpf_dynptr *dynptr, void *ctx)
{
	struct event order;

	if (bpf_dynptr_read(&order, sizeof(order), dynptr, 0, 0))
		return 1;
	drained++;
	if (order.seq != drained || order.square != drained * drained)
		wrong++;
	return 0;
}

SEC("raw_tp")
int take_orders(void *ctx)
{
	return bpf_user_ringbuf_drain(&orders, take_order, NULL, 0);
}
