/* Variables that start as zero, of which clang 14 says in BTF that they lie where those lie that do not. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* Its padding is no part of its initial value. */
struct switches {
	__u32 low : 3;
	__u32 : 0;
	__u32 high : 4;
};

__u64 before = 0;
struct switches first = { 0 };
struct switches second[2] = { { 0 } };
__u64 rounds = 40;
__u32 step = 2;

SEC("raw_tp")
int turn(void *ctx)
{
	first.low++;
	first.high = first.low + 1;
	second[1].high = second[0].low + 2;
	rounds += step;
	before++;
	return 0;
}
