/* Operations of which the source says what they are for. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* As some kernel might have it. */
struct meter_ops {
	/* Called with each packet's length. */
	int (*count)(__u32 len);
	void (*reset)(void);
	__u32 limit; /* What is more is not counted. */
	/* Found by it. */
	char name[16];
};

SEC("struct_ops/count")
int on_packet(__u64 *ctx)
{
	return 0;
}

/*
 * Counts what comes in.
 */
SEC(".struct_ops.link")
struct meter_ops incoming = {
	.count = (void *)on_packet,
	.limit = 1500,
	.name = "incoming",
};

SEC(".struct_ops")
struct meter_ops outgoing = {
	.name = "outgoing",
};
