/* Maps of sockets, devices and CPUs. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 4);
	__type(key, __u64);
	__type(value, __u64);
} sockets_by_key SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} listeners SEC(".maps");

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
	__type(value, __u32);
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
} xdp_sockets SEC(".maps");

__u64 at_devices = 0;
__u64 at_cpus = 0;

/* Runs for frames that are redirected to a device, before they go out. */
static __always_inline int count_at_device(struct xdp_md *ctx)
{
	if (ctx->egress_ifindex)
		__sync_fetch_and_add(&at_devices, 1);
	return XDP_PASS;
}

SEC("xdp/devmap")
int at_device(struct xdp_md *ctx)
{
	return count_at_device(ctx);
}

/* Runs for frames that are redirected to a CPU, on that CPU. */
SEC("xdp/cpumap")
int at_cpu(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&at_cpus, 1);
	return XDP_PASS;
}

SEC("?xdp.frags/devmap")
int at_device_frags(struct xdp_md *ctx)
{
	return count_at_device(ctx);
}

SEC("?xdp.frags/cpumap")
int at_cpu_frags(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&at_cpus, 1);
	return XDP_PASS;
}

SEC("?xdp")
int to_device(struct xdp_md *ctx)
{
	return bpf_redirect_map(&devices, 0, 0);
}

SEC("?xdp")
int to_cpu(struct xdp_md *ctx)
{
	return bpf_redirect_map(&cpus, 0, 0);
}

/* All programs of a map see packets of several buffers, or none does. */
SEC("?xdp.frags")
int to_device_frags(struct xdp_md *ctx)
{
	return bpf_redirect_map(&devices, 0, 0);
}

SEC("?xdp.frags")
int to_cpu_frags(struct xdp_md *ctx)
{
	return bpf_redirect_map(&cpus, 0, 0);
}
