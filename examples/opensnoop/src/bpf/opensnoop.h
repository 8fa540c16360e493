/* What opensnoop's BPF side and its Rust side share; the Rust types are generated from it. */
#ifndef OPENSNOOP_H
#define OPENSNOOP_H

#define COMM_LEN 16
#define PATH_LEN 256

/* One attempt to open a file, sent when it has returned. */
struct event {
	__u64 latency_ns;
	__u64 flags; /* O_* bits as asked for */
	__u32 pid;
	__u32 tid;
	__u32 ppid;
	__u32 uid;
	__s32 result; /* file descriptor, or a negative errno */
	char comm[COMM_LEN];
	char path[PATH_LEN];
};

/* What one process has opened so far. */
struct tally {
	__u64 opened;
	__u64 failed;
	char comm[COMM_LEN];
};

#endif
