/* What the sources of one linked object share. */
struct pair {
	__u32 first;
	__u32 second;
};

struct counts {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct pair);
};
