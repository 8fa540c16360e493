/* A map and a program of kinds that nobody knows: skeletons have them without types. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, 9999);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} unheard_of SEC(".maps");

SEC("no_such_section/x")
int unknown(void *ctx)
{
	return 0;
}
