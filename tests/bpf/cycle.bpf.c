/* The least that has a map, a global and a program: what is loaded a thousand times. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
	__type(value, __u64);
} events SEC(".maps");

__u64 seq = 0;

SEC("raw_tp")
int on_any(void *ctx)
{
	__u64 n = ++seq;

	bpf_ringbuf_output(&events, &n, sizeof(n), 0);
	return 0;
}
