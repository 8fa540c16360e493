/* Counts packets of a socket: what a process may load that has a token. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 step = 1;
__u64 packets = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} lengths SEC(".maps");

SEC("socket")
int on_packet(struct __sk_buff *skb)
{
	__u32 len = skb->len;
	__u64 value = step;

	__sync_fetch_and_add(&packets, 1);
	bpf_map_update_elem(&lengths, &len, &value, BPF_ANY);
	return (int)len;
}
