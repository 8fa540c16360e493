/* Types that compilers write and kernels reject as they are. The lock requires them in the kernel. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* Declared only. */
enum later;

struct item {
	struct bpf_spin_lock lock;
	__u32 sum;
	enum later *kind;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct item);
} items SEC(".maps");

/* Before clang 16, BTF has these in .rodata. */
static const __u8 by_8[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
static const __u8 by_16[16] = { 0, 10, 20, 30 };
static const __u32 by_32[8] = { 0, 100, 200, 300 };
static const char text[] = "abcd";
const volatile __u32 at = 1;

/* Before clang 20, BTF has no type of what is atomic. */
_Atomic int hits = 1;
struct {
	__u32 first;
	_Atomic long second;
} counters;

/* No identifiers to the kernel. */
struct price$ {
	__u32 in_$;
} price$ = { 5 };

/* No size. */
struct {
} empty;

/* A double at an odd offset. */
struct __attribute__((packed)) packed {
	char tag;
	double number;
} packed;

static __noinline int add(int sum)
{
	return sum + price$.in_$;
}

SEC("tc")
int locked(struct __sk_buff *skb)
{
	struct item *item;
	__u32 zero = 0;

	item = bpf_map_lookup_elem(&items, &zero);
	if (!item)
		return -1;
	bpf_spin_lock(&item->lock);
	item->sum += by_8[at & 7] + by_16[at & 15] + by_32[at & 7] + text[at & 3];
	bpf_spin_unlock(&item->lock);
	__c11_atomic_fetch_add(&hits, 1, __ATOMIC_RELAXED);
	__c11_atomic_fetch_add(&counters.second, 3, __ATOMIC_RELAXED);
	packed.tag++;
	counters.first = (long)&empty != 0;
	return add(item->sum);
}
