/* Programs that see packets; each counts datagrams to one port of the loopback device. None is loaded unless asked for. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define ETH_P_IP 0x0800

const volatile __u16 port = 0;
/* What the programs answer to packets that they count. */
const volatile __s32 answer = 0;

__u64 hits = 0;
__u64 second_hits = 0;

/* Whether there is a datagram to the port at `data`, after an Ethernet header. */
static __always_inline bool is_ours(void *data, void *end)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > end)
		return false;
	return eth->h_proto == bpf_htons(ETH_P_IP) && ip->protocol == IPPROTO_UDP && udp->dest == bpf_htons(port);
}

SEC("?xdp")
int on_xdp(struct xdp_md *ctx)
{
	if (!is_ours((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		return XDP_PASS;
	__sync_fetch_and_add(&hits, 1);
	return answer;
}

SEC("?xdp")
int second_xdp(struct xdp_md *ctx)
{
	if (is_ours((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		__sync_fetch_and_add(&second_hits, 1);
	return XDP_PASS;
}

SEC("?xdp.frags")
int on_xdp_frags(struct xdp_md *ctx)
{
	if (is_ours((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		__sync_fetch_and_add(&hits, 1);
	return XDP_PASS;
}
