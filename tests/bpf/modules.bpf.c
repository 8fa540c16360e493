/* Programs on functions of modules, and calls of them. None is loaded unless asked for. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

struct bpf_ct_opts___local {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir;
	__u8 reserved[2];
};

/* A kernel that has them built in declares them in vmlinux.h, too. */
extern struct nf_conn *bpf_xdp_ct_lookup___own(struct xdp_md *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size,
					 struct bpf_ct_opts___local *opts, __u32 opts_size) __ksym __weak;
extern void bpf_ct_release___own(struct nf_conn *ct) __ksym __weak;

__u64 sent = 0;
int is_there = 0;
int error = 0;

/* Of the module veth: its devices send by it. */
SEC("?fentry/veth:veth_xmit")
int BPF_PROG(on_send)
{
	__sync_fetch_and_add(&sent, 1);
	return 0;
}

/* Asks nf_conntrack for a connection that is not there. */
SEC("?xdp")
int ask(struct xdp_md *ctx)
{
	struct bpf_ct_opts___local opts = { .netns_id = -1, .l4proto = IPPROTO_TCP };
	struct bpf_sock_tuple tuple = {};
	struct nf_conn *ct;

	if (!bpf_xdp_ct_lookup___own || !bpf_ct_release___own)
		return XDP_PASS;
	is_there = 1;
	tuple.ipv4.saddr = 0x0100007f;
	tuple.ipv4.daddr = 0x0100007f;
	ct = bpf_xdp_ct_lookup___own(ctx, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	if (ct)
		bpf_ct_release___own(ct);
	else
		error = opts.error;
	return XDP_DROP;
}
