/* Counts packets by protocol as a network device receives them, and drops those that come from a block list.
 *
 * Reads Ethernet frames with up to two VLAN tags, and looks through IPv6's extension headers for the protocol.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "xdp_drop.h"

#define ETH_P_IP 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_8021Q 0x8100
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021AD 0x88a8

/* Those of IPv6, which the kernel's types do not name. */
#define IPPROTO_HOPOPTS 0
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_ICMPV6 58
#define IPPROTO_DSTOPTS 60

#define MAX_TAGS 2
#define MAX_EXTENSIONS 6
#define MAX_PREFIXES 100000

char LICENSE[] SEC("license") = "GPL";

BPF_EXPORT_TYPE(enum protocol);

/* Set before the object is loaded: count what would be dropped, and let it pass. */
const volatile bool dry_run = false;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROTOCOLS);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_PREFIXES);
	__type(key, struct prefix4);
	__type(value, struct blocked);
} blocked4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MAX_PREFIXES);
	__type(key, struct prefix6);
	__type(value, struct blocked);
} blocked6 SEC(".maps");

/* A VLAN tag, after the type that announces it. */
struct tag {
	__be16 control;
	__be16 type;
};

/* What IPv6's extension headers begin with. */
struct extension {
	__u8 next;
	__u8 len; /* in units of eight bytes, without the first; a fragment header has none */
};

/* What is read of a packet. */
struct verdict {
	enum protocol protocol;
	struct blocked *blocked; /* the entry of the list that it falls under */
};

static __always_inline enum protocol of_number(__u8 number)
{
	switch (number) {
	case IPPROTO_TCP:
		return PROTOCOL_TCP;
	case IPPROTO_UDP:
		return PROTOCOL_UDP;
	case IPPROTO_ICMP:
		return PROTOCOL_ICMP;
	case IPPROTO_ICMPV6:
		return PROTOCOL_ICMP6;
	default:
		return PROTOCOL_IP_OTHER;
	}
}

static __always_inline struct verdict read_ipv4(void *at, void *end)
{
	struct verdict verdict = { .protocol = PROTOCOL_MALFORMED };
	struct prefix4 source = { .bits = 32 };
	struct iphdr *ip = at;

	if ((void *)(ip + 1) > end || ip->version != 4)
		return verdict;
	verdict.protocol = of_number(ip->protocol);
	__builtin_memcpy(source.address, &ip->saddr, sizeof(source.address));
	verdict.blocked = bpf_map_lookup_elem(&blocked4, &source);
	return verdict;
}

static __always_inline enum protocol look_through(__u8 number, void *at, void *end)
{
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		struct extension *extension = at;

		if (number != IPPROTO_HOPOPTS && number != IPPROTO_ROUTING && number != IPPROTO_FRAGMENT &&
		    number != IPPROTO_DSTOPTS)
			break;
		if ((void *)(extension + 1) > end)
			return PROTOCOL_MALFORMED;
		at += number == IPPROTO_FRAGMENT ? 8 : (extension->len + 1) * 8;
		number = extension->next;
	}
	return of_number(number);
}

static __always_inline struct verdict read_ipv6(void *at, void *end)
{
	struct verdict verdict = { .protocol = PROTOCOL_MALFORMED };
	struct prefix6 source = { .bits = 128 };
	struct ipv6hdr *ip = at;

	if ((void *)(ip + 1) > end || ip->version != 6)
		return verdict;
	verdict.protocol = look_through(ip->nexthdr, ip + 1, end);
	__builtin_memcpy(source.address, &ip->saddr, sizeof(source.address));
	verdict.blocked = bpf_map_lookup_elem(&blocked6, &source);
	return verdict;
}

static __always_inline struct verdict read_frame(void *at, void *end)
{
	struct verdict verdict = { .protocol = PROTOCOL_MALFORMED };
	struct ethhdr *frame = at;
	__be16 type;

	if ((void *)(frame + 1) > end)
		return verdict;
	type = frame->h_proto;
	at = frame + 1;
	for (int i = 0; i < MAX_TAGS; i++) {
		struct tag *tag = at;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > end)
			return verdict;
		type = tag->type;
		at = tag + 1;
	}
	switch (type) {
	case bpf_htons(ETH_P_IP):
		return read_ipv4(at, end);
	case bpf_htons(ETH_P_IPV6):
		return read_ipv6(at, end);
	case bpf_htons(ETH_P_ARP):
		verdict.protocol = PROTOCOL_ARP;
		return verdict;
	default:
		verdict.protocol = PROTOCOL_OTHER;
		return verdict;
	}
}

SEC("xdp")
int on_packet(struct xdp_md *packet)
{
	void *start = (void *)(long)packet->data, *end = (void *)(long)packet->data_end;
	struct verdict verdict = read_frame(start, end);
	__u32 index = verdict.protocol;
	struct counter *counter;

	counter = bpf_map_lookup_elem(&counters, &index);
	if (counter) {
		counter->packets++;
		counter->bytes += end - start;
		counter->dropped += verdict.blocked != NULL;
	}
	if (!verdict.blocked)
		return XDP_PASS;
	/* Of all CPUs together. */
	__sync_fetch_and_add(&verdict.blocked->packets, 1);
	__sync_fetch_and_add(&verdict.blocked->bytes, end - start);
	return dry_run ? XDP_PASS : XDP_DROP;
}
