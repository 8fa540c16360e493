/* Sockets that a program puts into maps, and others send bytes to. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define FAMILY_INET 2

struct ports {
	__u32 local;
	__u32 remote;
};

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} by_number SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 4);
	__type(key, struct ports);
	__type(value, __u64);
} by_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} receivers SEC(".maps");

/* Into which of the maps sockets go, and at which index the next client's does. */
bool is_by_ports = false;
__u32 next = 0;
/* What the port of the socket must be whose bytes go elsewhere, where that is, and with which flags. */
__u32 from = 0;
__u32 to_number = 0;
struct ports to_ports = {};
__u64 flags = 0;
__s32 redirected = 0;
__s32 update_error = 0;

/* The client's end at an even index, the server's behind it. */
SEC("sockops")
int on_established(struct bpf_sock_ops *ctx)
{
	bool is_server = ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB;
	struct ports ports;
	__u32 number;
	int error;

	if (ctx->family != FAMILY_INET || (!is_server && ctx->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB))
		return 1;
	if (is_by_ports) {
		ports.local = ctx->local_port;
		ports.remote = bpf_ntohl(ctx->remote_port);
		error = bpf_sock_hash_update(ctx, &by_ports, &ports, BPF_NOEXIST);
	} else {
		number = next + is_server;
		error = bpf_sock_map_update(ctx, &by_number, &number, BPF_NOEXIST);
	}
	if (error)
		update_error = error;
	return 1;
}

SEC("sk_skb/stream_parser")
int parse(struct __sk_buff *skb)
{
	return skb->len;
}

SEC("sk_skb/stream_verdict")
int skb_to_number(struct __sk_buff *skb)
{
	if (skb->local_port != from)
		return SK_PASS;
	__sync_fetch_and_add(&redirected, 1);
	return bpf_sk_redirect_map(skb, &by_number, to_number, flags);
}

SEC("sk_skb/stream_verdict")
int skb_to_ports(struct __sk_buff *skb)
{
	if (skb->local_port != from)
		return SK_PASS;
	__sync_fetch_and_add(&redirected, 1);
	return bpf_sk_redirect_hash(skb, &by_ports, &to_ports, flags);
}

SEC("sk_msg")
int msg_to_number(struct sk_msg_md *msg)
{
	if (msg->local_port != from)
		return SK_PASS;
	__sync_fetch_and_add(&redirected, 1);
	return bpf_msg_redirect_map(msg, &by_number, to_number, flags);
}

SEC("sk_msg")
int msg_to_ports(struct sk_msg_md *msg)
{
	if (msg->local_port != from)
		return SK_PASS;
	__sync_fetch_and_add(&redirected, 1);
	return bpf_msg_redirect_hash(msg, &by_ports, &to_ports, flags);
}

/* Which of those that share the port receives. */
SEC("sk_reuseport")
int choose(struct sk_reuseport_md *ctx)
{
	return bpf_sk_select_reuseport(ctx, &receivers, &to_number, 0) ? SK_DROP : SK_PASS;
}
