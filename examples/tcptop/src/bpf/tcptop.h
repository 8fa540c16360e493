/* What tcptop's BPF side and its Rust side share; the Rust types are generated from it. */
#ifndef TCPTOP_H
#define TCPTOP_H

#define COMM_LEN 16

/* One end of a connection. An IPv4 address is in the first four bytes. */
struct endpoint {
	__u8 address[16];
	__u16 port; /* in the machine's byte order */
};

/* A connection as one process uses it. */
struct flow {
	__u32 pid;
	__u16 family; /* AF_INET or AF_INET6 */
	struct endpoint local;
	struct endpoint peer;
	__u16 unused; /* zero: the whole struct is the key */
};

/* What went over it so far. */
struct traffic {
	__u64 sent;
	__u64 received;
	char comm[COMM_LEN]; /* the process's name, not its thread's */
};

#endif
