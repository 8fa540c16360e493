/* One program for each kind that runs for a cgroup; each counts how often it runs, and lets everything be. None is loaded
 * unless asked for. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

__u64 hits = 0;

#define COUNTS(section, name, context)                                                                                  \
	SEC("?" section) int name(context *ctx)                                                                         \
	{                                                                                                               \
		__sync_fetch_and_add(&hits, 1);                                                                         \
		return 1;                                                                                               \
	}

COUNTS("cgroup_skb/ingress", skb_ingress, struct __sk_buff)
COUNTS("cgroup_skb/egress", skb_egress, struct __sk_buff)
COUNTS("cgroup/skb", skb, struct __sk_buff)
COUNTS("cgroup/sock_create", sock_create, struct bpf_sock)
COUNTS("cgroup/sock_release", sock_release, struct bpf_sock)
COUNTS("cgroup/sock", sock, struct bpf_sock)
COUNTS("cgroup/post_bind4", post_bind4, struct bpf_sock)
COUNTS("cgroup/post_bind6", post_bind6, struct bpf_sock)
COUNTS("cgroup/bind4", bind4, struct bpf_sock_addr)
COUNTS("cgroup/bind6", bind6, struct bpf_sock_addr)
COUNTS("cgroup/connect4", connect4, struct bpf_sock_addr)
COUNTS("cgroup/connect6", connect6, struct bpf_sock_addr)
COUNTS("cgroup/connect_unix", connect_unix, struct bpf_sock_addr)
COUNTS("cgroup/sendmsg4", sendmsg4, struct bpf_sock_addr)
COUNTS("cgroup/sendmsg6", sendmsg6, struct bpf_sock_addr)
COUNTS("cgroup/sendmsg_unix", sendmsg_unix, struct bpf_sock_addr)
COUNTS("cgroup/recvmsg4", recvmsg4, struct bpf_sock_addr)
COUNTS("cgroup/recvmsg6", recvmsg6, struct bpf_sock_addr)
COUNTS("cgroup/recvmsg_unix", recvmsg_unix, struct bpf_sock_addr)
COUNTS("cgroup/getpeername4", getpeername4, struct bpf_sock_addr)
COUNTS("cgroup/getpeername6", getpeername6, struct bpf_sock_addr)
COUNTS("cgroup/getpeername_unix", getpeername_unix, struct bpf_sock_addr)
COUNTS("cgroup/getsockname4", getsockname4, struct bpf_sock_addr)
COUNTS("cgroup/getsockname6", getsockname6, struct bpf_sock_addr)
COUNTS("cgroup/getsockname_unix", getsockname_unix, struct bpf_sock_addr)
COUNTS("cgroup/sysctl", sysctl, struct bpf_sysctl)
COUNTS("cgroup/getsockopt", getsockopt, struct bpf_sockopt)
COUNTS("cgroup/setsockopt", setsockopt, struct bpf_sockopt)
COUNTS("cgroup/dev", dev, struct bpf_cgroup_dev_ctx)

SEC("?lsm_cgroup/socket_bind")
int BPF_PROG(lsm_cgroup, struct socket *sock, struct sockaddr *address, int addrlen)
{
	__sync_fetch_and_add(&hits, 1);
	return 1;
}

/* Sockets of connections as they are made: programs on the map see what goes through them. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

__u64 connections = 0;

SEC("?sockops")
int sockops(struct bpf_sock_ops *ctx)
{
	__u32 key;

	if (ctx->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB && ctx->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return 1;
	__sync_fetch_and_add(&connections, 1);
	key = ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB;
	bpf_sock_map_update(ctx, &sockets, &key, BPF_ANY);
	return 1;
}

SEC("?sk_skb/stream_parser")
int stream_parser(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return skb->len;
}

SEC("?sk_skb/stream_verdict")
int stream_verdict(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return SK_PASS;
}

/* Of sections that do not say which is which. */
SEC("?sk_skb")
int plain_parser(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return skb->len;
}

SEC("?sk_skb")
int plain_verdict(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return SK_PASS;
}

SEC("?sk_skb/verdict")
int verdict(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&hits, 1);
	return SK_PASS;
}

SEC("?sk_msg")
int msg(struct sk_msg_md *ctx)
{
	__sync_fetch_and_add(&hits, 1);
	return SK_PASS;
}
