/* Section names that libbpf before 1.0 and cilium/ebpf know, and libbpf does not: the types are set before loading. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

__u64 hits = 0;

static __always_inline void count(void)
{
	__sync_fetch_and_add(&hits, 1);
}

SEC("classifier/ingress")
int on_ingress(struct __sk_buff *skb)
{
	count();
	return -1; /* TC_ACT_UNSPEC */
}

SEC("socket/filter")
int on_socket(struct __sk_buff *skb)
{
	count();
	return skb->len;
}

SEC("perf_event/profiler")
int on_tick(void *ctx)
{
	count();
	return 0;
}

/* Known, and given another attach type. */
SEC("?tc")
int on_tcx(struct __sk_buff *skb)
{
	count();
	return -1; /* TCX_NEXT */
}
