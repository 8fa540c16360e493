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

int add(int a, int b)
{
	return a + b + twice(1000);
}

int choose(void)
{
	return 20 + own;
}
