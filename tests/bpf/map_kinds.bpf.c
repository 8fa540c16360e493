/* Kinds of maps that kernel 5.10 has, each read and written by a program that is run once. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct point {
	__u32 x, y;
};

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 3);
	__type(value, struct point);
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 3);
	__type(value, struct point);
} stack SEC(".maps");

struct point pushed = {};
struct point from_queue = {};
struct point from_stack = {};
int pop_answers = 0;

SEC("raw_tp")
int in_order(void *ctx)
{
	struct point value = {};

	pop_answers = (int)bpf_map_pop_elem(&queue, &value);
	from_queue = value;
	value = (struct point){};
	pop_answers += (int)bpf_map_pop_elem(&stack, &value);
	from_stack = value;
	value = pushed;
	bpf_map_push_elem(&queue, &value, BPF_EXIST);
	bpf_map_push_elem(&stack, &value, BPF_EXIST);
	return 0;
}

int on_one(void *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} handlers SEC(".maps") = {
	.values = { [1] = (void *)&on_one },
};

__u32 wanted_handler = 0;

SEC("raw_tp")
int call_handler(void *ctx)
{
	bpf_tail_call(ctx, &handlers, wanted_handler);
	return -1;
}

SEC("raw_tp")
int on_one(void *ctx)
{
	return 101;
}

SEC("raw_tp")
int on_two(void *ctx)
{
	return 102;
}

struct generation {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} first SEC(".maps"), second SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 3);
	__type(key, __u32);
	__array(values, struct generation);
} generations SEC(".maps") = {
	.values = { [0] = &first, [2] = &second },
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u64);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_HASH);
		__uint(max_entries, 8);
		__type(key, __u32);
		__type(value, struct point);
	});
} by_name SEC(".maps");

__u32 wanted_generation = 0;
__u64 wanted_name = 0;

/* Counts in the wanted inner maps; answers which of the two were there. */
SEC("raw_tp")
int count(void *ctx)
{
	__u32 index = wanted_generation, zero = 0, answer = 0;
	__u64 name = wanted_name, *counter;
	struct point first_point = { 7, 8 };
	void *inner;

	inner = bpf_map_lookup_elem(&generations, &index);
	if (inner) {
		answer = 1;
		counter = bpf_map_lookup_elem(inner, &zero);
		if (counter)
			*counter += 1;
	}
	inner = bpf_map_lookup_elem(&by_name, &name);
	if (inner) {
		answer |= 2;
		bpf_map_update_elem(inner, &zero, &first_point, BPF_ANY);
	}
	return answer;
}

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 64);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, 32 * sizeof(__u64));
} stacks SEC(".maps");

SEC("raw_tp")
int under_group(void *ctx)
{
	return bpf_current_task_under_cgroup(&groups, 1);
}

SEC("raw_tp")
int note_stack(void *ctx)
{
	return bpf_get_stackid(ctx, &stacks, 0);
}

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} recent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} recent_per_cpu SEC(".maps");

__u32 recent_key = 0;

SEC("raw_tp")
int touch(void *ctx)
{
	__u32 key = recent_key;
	__u64 *value, one = 1;

	value = bpf_map_lookup_elem(&recent, &key);
	if (value)
		*value += 1;
	else
		bpf_map_update_elem(&recent, &key, &one, BPF_ANY);
	value = bpf_map_lookup_elem(&recent_per_cpu, &key);
	if (value)
		*value += 1;
	else
		bpf_map_update_elem(&recent_per_cpu, &key, &one, BPF_ANY);
	return 0;
}
