/* Who sends and receives how many bytes over TCP.
 *
 * Sent is what the kernel took from a process into a connection: the result of tcp_sendmsg_locked, through which
 * send, write, sendfile and kernel TLS all go, and of do_tcp_sendpages, by which the last two went up to 6.4.
 *
 * Received is what a process took out. tcp_recvmsg would be the place, but has three forms from 5.10 to 7.3; those of its
 * callers, inet_recvmsg and inet6_recvmsg, are the same in all. tcp_cleanup_rbuf, where others look, is called several times
 * with growing counts while one call waits for more, and when data are only peeked at. What splice takes goes by
 * tcp_splice_read. Not seen is what is mapped instead of being copied (TCP_ZEROCOPY_RECEIVE).
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "tcptop.h"

#define AF_INET 2
#define AF_INET6 10

#define MSG_PEEK 0x2
#define MSG_ERRQUEUE 0x2000

char LICENSE[] SEC("license") = "GPL";

/* Filters, set before the object is loaded: zero means everything. */
const volatile __u32 filter_pid = 0;
const volatile __u16 filter_family = 0;

/* Bytes of flows for which there was no room. */
__u64 lost = 0;

/* Flows that were quiet for longest make room for new ones. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 10240);
	__type(key, struct flow);
	__type(value, struct traffic);
} flows SEC(".maps");

static bool describe(const struct sock *sk, struct flow *flow)
{
	__u16 family = sk->__sk_common.skc_family;

	flow->pid = bpf_get_current_pid_tgid() >> 32;
	if (filter_pid && flow->pid != filter_pid)
		return false;
	if (filter_family && family != filter_family)
		return false;
	flow->family = family;
	if (family == AF_INET) {
		__be32 local = sk->__sk_common.skc_rcv_saddr, peer = sk->__sk_common.skc_daddr;

		__builtin_memcpy(flow->local.address, &local, sizeof(local));
		__builtin_memcpy(flow->peer.address, &peer, sizeof(peer));
	} else if (family == AF_INET6) {
		BPF_CORE_READ_INTO(&flow->local.address, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
		BPF_CORE_READ_INTO(&flow->peer.address, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	} else {
		return false;
	}
	flow->local.port = sk->__sk_common.skc_num;
	flow->peer.port = bpf_ntohs(sk->__sk_common.skc_dport);
	return true;
}

static void count(const struct sock *sk, long sent, long received)
{
	struct flow flow = {};
	struct traffic *traffic;

	/* Errors, and calls that moved nothing, make no row. */
	if (sent <= 0 && received <= 0)
		return;
	if (!describe(sk, &flow))
		return;
	traffic = bpf_map_lookup_elem(&flows, &flow);
	if (!traffic) {
		struct task_struct *task = (struct task_struct *)bpf_get_current_task();
		struct traffic first = {};

		BPF_CORE_READ_STR_INTO(&first.comm, task, group_leader, comm);
		/* Another thread may have been quicker. */
		bpf_map_update_elem(&flows, &flow, &first, BPF_NOEXIST);
		traffic = bpf_map_lookup_elem(&flows, &flow);
		if (!traffic) {
			__sync_fetch_and_add(&lost, sent + received);
			return;
		}
	}
	if (sent)
		__sync_fetch_and_add(&traffic->sent, sent);
	if (received)
		__sync_fetch_and_add(&traffic->received, received);
}

SEC("fexit/tcp_sendmsg_locked")
int BPF_PROG(on_send, struct sock *sk, struct msghdr *msg, size_t size, int result)
{
	count(sk, result, 0);
	return 0;
}

/* Loaded where the kernel has it. */
SEC("?fexit/do_tcp_sendpages")
int BPF_PROG(on_send_pages, struct sock *sk, struct page *page, int offset, size_t size, int flags, ssize_t result)
{
	count(sk, result, 0);
	return 0;
}

/* Of all kinds of sockets, only TCP's count. */
static void received(const struct socket *sock, int flags, int result)
{
	const struct sock *sk = sock->sk;

	if (flags & (MSG_PEEK | MSG_ERRQUEUE))
		return;
	if (sk && sk->sk_protocol == IPPROTO_TCP)
		count(sk, 0, result);
}

SEC("fexit/inet_recvmsg")
int BPF_PROG(on_receive, struct socket *sock, struct msghdr *msg, size_t size, int flags, int result)
{
	received(sock, flags, result);
	return 0;
}

SEC("fexit/inet6_recvmsg")
int BPF_PROG(on_receive6, struct socket *sock, struct msghdr *msg, size_t size, int flags, int result)
{
	received(sock, flags, result);
	return 0;
}

SEC("fexit/tcp_splice_read")
int BPF_PROG(on_splice, struct socket *sock, loff_t *ppos, struct pipe_inode_info *pipe, size_t len, unsigned int flags,
	     ssize_t result)
{
	count(sock->sk, 0, result);
	return 0;
}
