/* Types of every kind that only newer kernels take; programs in sections that are not known. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define tag(name) __attribute__((btf_decl_tag(name)))
#define type_tag(name) __attribute__((btf_type_tag(name)))

enum wide { WIDE_ONE = 1, WIDE_HUGE = 0x100000001 };
enum negative { NEGATIVE = -1 };

struct everything {
	float ratio;
	enum wide wide;
	enum negative negative;
	int type_tag("user") *pointer;
	int tagged tag("member");
} tag("struct");

struct everything everything tag("variable") = {};
__u64 runs = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct everything);
} values SEC(".maps");

__attribute__((noinline)) int add(int a, int b)
{
	return a + b;
}

SEC("raw_tp/sys_enter")
int on_enter(void *ctx)
{
	__sync_fetch_and_add(&runs, add(1, 0));
	everything.tagged = 1;
	return 0;
}

SEC("no_such_section/x")
int unknown(void *ctx)
{
	return 0;
}
