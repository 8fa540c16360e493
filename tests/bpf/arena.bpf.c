/* Memory that programs and the application share: variables, pages, and pointers between them. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_arena_common.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16); /* pages */
	__ulong(map_extra, 1ull << 44); /* where */
} memory SEC(".maps");

struct item {
	struct item __arena *next;
	__u64 value;
};

__u64 __arena_global first = 40;
__u64 __arena_global second[3] = { 1, 2, 3 };
struct item __arena *__arena_global list;

/* A variable that lies elsewhere. */
__u64 pushed = 0;

/* Puts a page with a node in front of the list. */
SEC("syscall")
int push(void *ctx)
{
	struct item __arena *node = arena_alloc(&memory, 1);
	struct item __arena *__arena *head = &list;
	__u64 __arena *from = &first;

	if (!node)
		return 1;
	cast_kern(head);
	cast_kern(from);
	struct item __arena *body = node;
	cast_kern(body);
	body->value = *from;
	body->next = *head;
	cast_user(node);
	*head = node;
	*from += 1;
	pushed++;
	return 0;
}

/* Adds up what the list holds, which the application may have changed. */
SEC("syscall")
int sum(void *ctx)
{
	struct item __arena *__arena *head = &list;
	struct item __arena *node;
	__u64 __arena *numbers = second;
	int total, n = 0;

	/* Names the map, without which there are no casts. */
	asm volatile("" ::"r"(&memory));
	cast_kern(head);
	cast_kern(numbers);
	total = numbers[0] + numbers[1] + numbers[2];
	node = *head;
	bpf_for(n, 0, 8) {
		if (!node)
			break;
		cast_kern(node);
		total += node->value;
		node = node->next;
	}
	return total;
}
