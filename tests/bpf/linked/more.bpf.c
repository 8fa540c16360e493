/* The second of three sources of one object: definitions. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "linked.h"

char LICENSE[] SEC("license") = "GPL";

static volatile int own = 100;
static __noinline int twice(int x)
{
	return 2 * x + own;
}

int shared = 40;
struct pair pairs[3] = { { 1, 2 }, { 3, 4 }, { 5, 6 } };
const volatile int setting = 7;
struct counts counts SEC(".maps");

/* Their size is more than that of their type. */
struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} inner_a SEC(".maps"), inner_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [0] = &inner_a, [3] = &inner_b } };

struct {
	__u32 count;
	__u32 items[];
} table = { .count = 3, .items = { 10, 20, 30 } };
int after = 5;

int add(int a, int b)
{
	return a + b + twice(1000);
}

int choose(void)
{
	return 20 + own;
}
