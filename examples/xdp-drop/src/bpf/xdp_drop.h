/* What xdp-drop's BPF side and its Rust side share; the Rust types are generated from it. */
#ifndef XDP_DROP_H
#define XDP_DROP_H

/* What a packet is counted as: its outermost protocol that has a row. */
enum protocol {
	PROTOCOL_TCP,
	PROTOCOL_UDP,
	PROTOCOL_ICMP,
	PROTOCOL_ICMP6,
	PROTOCOL_IP_OTHER,
	PROTOCOL_ARP,
	PROTOCOL_OTHER,
	PROTOCOL_MALFORMED, /* shorter than its headers say */
	PROTOCOLS,
};

/* Packets of one protocol, on one CPU. */
struct counter {
	__u64 packets;
	__u64 bytes;
	__u64 dropped; /* packets, which are among the others, too */
};

/* Prefixes in network order, as tries of prefixes want them. */
struct prefix4 {
	__u32 bits;
	__u8 address[4];
};

struct prefix6 {
	__u32 bits;
	__u8 address[16];
};

/* What a blocked prefix has kept out. */
struct blocked {
	__u64 packets;
	__u64 bytes;
};

#endif
