/* A program for one network device, which calls a function of the device's driver. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *ctx, __u32 *hash, enum xdp_rss_hash_type *rss_type) __ksym __weak;

__u64 hits = 0;

SEC("xdp")
int on_xdp(struct xdp_md *ctx)
{
	enum xdp_rss_hash_type rss_type = 0;
	__u32 hash = 0;

	if (bpf_xdp_metadata_rx_hash)
		bpf_xdp_metadata_rx_hash(ctx, &hash, &rss_type);
	__sync_fetch_and_add(&hits, 1);
	return XDP_PASS;
}
