/* Programs that see packets; most count datagrams to one port of the loopback device. None is loaded unless asked for. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define ETH_P_IP 0x0800
#define TC_ACT_UNSPEC (-1)

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

static __always_inline bool is_our_skb(struct __sk_buff *skb)
{
	return is_ours((void *)(long)skb->data, (void *)(long)skb->data_end);
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

/* Takes four bytes off the front. */
SEC("?xdp")
int shorten(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_head(ctx, 4) ? XDP_ABORTED : XDP_PASS;
}

static __always_inline int classify(struct __sk_buff *skb)
{
	if (!is_our_skb(skb))
		return TC_ACT_UNSPEC;
	__sync_fetch_and_add(&hits, 1);
	return answer;
}

SEC("?tc")
int on_tc(struct __sk_buff *skb)
{
	return classify(skb);
}

SEC("?classifier")
int on_classifier(struct __sk_buff *skb)
{
	return classify(skb);
}

SEC("?action")
int on_action(struct __sk_buff *skb)
{
	return classify(skb);
}

SEC("?tcx/ingress")
int on_tcx_ingress(struct __sk_buff *skb)
{
	return classify(skb);
}

SEC("?tcx/ingress")
int second_tcx_ingress(struct __sk_buff *skb)
{
	if (is_our_skb(skb))
		__sync_fetch_and_add(&second_hits, 1);
	return TC_ACT_UNSPEC;
}

SEC("?tcx/egress")
int on_tcx_egress(struct __sk_buff *skb)
{
	return classify(skb);
}

SEC("?tc/ingress")
int on_tc_ingress(struct __sk_buff *skb)
{
	return classify(skb);
}

SEC("?tc/egress")
int on_tc_egress(struct __sk_buff *skb)
{
	return classify(skb);
}

/* Writes its mark and a control word back into the context. */
SEC("?tc")
int mark(struct __sk_buff *skb)
{
	skb->mark += 1;
	skb->cb[0] = 42;
	return 7;
}

SEC("?netkit/primary")
int on_netkit_primary(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return TC_ACT_UNSPEC;
}

SEC("?netkit/peer")
int on_netkit_peer(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return TC_ACT_UNSPEC;
}

SEC("?netfilter")
int on_netfilter(struct bpf_nf_ctx *ctx)
{
	__sync_fetch_and_add(&hits, 1);
	return answer;
}

SEC("?socket")
int on_socket(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return answer;
}

SEC("?flow_dissector")
int on_flow_dissector(struct __sk_buff *skb)
{
	struct bpf_flow_keys *keys = skb->flow_keys;

	__sync_fetch_and_add(&hits, 1);
	keys->thoff = keys->nhoff + 8;
	keys->dport = bpf_htons(4242);
	return 0; /* BPF_OK */
}

SEC("?sk_lookup")
int on_sk_lookup(struct bpf_sk_lookup *ctx)
{
	if (ctx->local_port == port)
		__sync_fetch_and_add(&hits, 1);
	return SK_PASS;
}

SEC("?sk_reuseport")
int on_sk_reuseport(struct sk_reuseport_md *ctx)
{
	__sync_fetch_and_add(&hits, 1);
	return answer;
}

/* Chooses for connections that come in, and again for those whose socket has been closed since. */
SEC("?sk_reuseport/migrate")
int on_migration(struct sk_reuseport_md *ctx)
{
	__sync_fetch_and_add(ctx->migrating_sk ? &hits : &second_hits, 1);
	return SK_PASS;
}

SEC("?lirc_mode2")
int on_lirc(unsigned int *sample)
{
	if (*sample)
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

SEC("?lwt_in")
int on_lwt_in(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return answer;
}

SEC("?lwt_out")
int on_lwt_out(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return answer;
}

SEC("?lwt_xmit")
int on_lwt_xmit(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return answer;
}

SEC("?lwt_seg6local")
int on_lwt_seg6local(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return answer;
}

/* Changes the error with which a run of another program by itself is about to end. */
static __always_inline int change_error(struct bpf_raw_tracepoint_args *ctx)
{
	int *error = (int *)ctx->args[0];

	if (!*error) {
		__sync_fetch_and_add(&hits, 1);
		*error = answer;
	}
	return 0;
}

SEC("?raw_tp.w/bpf_test_finish")
int on_test_finish(struct bpf_raw_tracepoint_args *ctx)
{
	return change_error(ctx);
}

SEC("?raw_tracepoint.w/bpf_test_finish")
int on_test_finish_in_full(struct bpf_raw_tracepoint_args *ctx)
{
	return change_error(ctx);
}

struct call {
	__u32 in;
	__u32 out;
};

SEC("?syscall")
int on_syscall(struct call *call)
{
	call->out = call->in + 1;
	return 7;
}
