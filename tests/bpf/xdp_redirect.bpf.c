/* Frames that go on at another device, at a CPU or to a socket. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define ETHERTYPE_IPV4 0x0800
#define PROTOCOL_UDP 17

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct bpf_devmap_val);
} devices_by_key SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct bpf_cpumap_val);
} cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

/* The entry to which datagrams go. Where there is none, they pass. */
__u32 key = 0;
__u64 redirected = 0;

struct headers {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed));

static __always_inline struct headers *datagram(struct xdp_md *ctx)
{
	struct headers *headers = (void *)(long)ctx->data;

	if ((void *)(headers + 1) > (void *)(long)ctx->data_end)
		return NULL;
	if (headers->ethernet.h_proto != bpf_htons(ETHERTYPE_IPV4) || headers->ip.protocol != PROTOCOL_UDP)
		return NULL;
	__sync_fetch_and_add(&redirected, 1);
	/* Not all of a sum may be there: the sending device was to make it, and nobody knows that any more. */
	headers->udp.check = 0;
	return headers;
}

/* As a broadcast, because the next device has an address of its own. */
static __always_inline bool to_all(struct xdp_md *ctx)
{
	struct headers *headers = datagram(ctx);

	if (headers)
		__builtin_memset(headers->ethernet.h_dest, 0xff, sizeof(headers->ethernet.h_dest));
	return headers;
}

SEC("xdp")
int to_device(struct xdp_md *ctx)
{
	return to_all(ctx) ? bpf_redirect_map(&devices, key, XDP_PASS) : XDP_PASS;
}

SEC("xdp")
int to_device_by_key(struct xdp_md *ctx)
{
	return to_all(ctx) ? bpf_redirect_map(&devices_by_key, key, XDP_PASS) : XDP_PASS;
}

/* Kernels from 5.14 on know the flags. */
SEC("?xdp")
int to_devices(struct xdp_md *ctx)
{
	if (!to_all(ctx))
		return XDP_PASS;
	return bpf_redirect_map(&devices, 0, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
}

SEC("?xdp")
int to_devices_by_key(struct xdp_md *ctx)
{
	if (!to_all(ctx))
		return XDP_PASS;
	return bpf_redirect_map(&devices_by_key, 0, BPF_F_BROADCAST | BPF_F_EXCLUDE_INGRESS);
}

SEC("xdp")
int to_cpu(struct xdp_md *ctx)
{
	return datagram(ctx) ? bpf_redirect_map(&cpus, key, XDP_DROP) : XDP_PASS;
}

SEC("xdp")
int to_socket(struct xdp_md *ctx)
{
	return datagram(ctx) ? bpf_redirect_map(&sockets, key, XDP_PASS) : XDP_PASS;
}

/* What the far end of a cable needs so that it takes redirected frames. */
SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}
