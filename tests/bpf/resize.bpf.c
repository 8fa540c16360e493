/* Arrays at the end of sections, which the application makes longer than they are here. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct sample {
	__u32 value;
	__u32 seen;
};

const volatile __u32 count = 1;

/* Constants that belong to the samples. Of an array of one, clang would take every index for 0. */
const volatile __u32 factors[2] SEC(".rodata.factors") = { 3, 3 };

__u64 total SEC(".data.samples") = 5;
struct sample samples[2] SEC(".data.samples") = { { 7, 0 } };

SEC("raw_tp")
int add_up(void *ctx)
{
	for (__u32 i = 0; i < count; i++) {
		total += samples[i].value * factors[i];
		samples[i].seen = i + 1;
	}
	return 0;
}
