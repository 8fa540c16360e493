/* Maps of each kind, globals and a ring buffer, all written at one system call of one process. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* Whose call of which number counts; set before the load. */
const volatile __u32 target_pid = 0;
const volatile __s64 target_nr = -1;
/* Compiled as 3, and changed before the load. */
const volatile __u64 scale = 3;

/* Written here, read outside. */
__u64 hits = 0;
/* Written outside while this runs. */
__u64 step = 1;
__u32 short_samples = 0;

struct event {
	__u64 seq;
	__u32 pid;
	__s32 nr;
	char comm[16];
};

struct tally {
	__u64 calls;
	__u64 scaled;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct tally);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} slots SEC(".maps");

/* Values of three bytes, which the kernel pads to eight for each CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u8[3]);
} per_cpu_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} per_cpu_slots SEC(".maps");

/* The kernel wants neither a value type nor a size that is no power of two of pages. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 5000);
	__type(value, struct event);
} events SEC(".maps");

static __always_inline void count(__u32 pid)
{
	struct tally first = {}, *tally;
	__u32 slot = hits & 3, one = 1, *cpu_slot;
	__u8 first_bytes[3] = { 1, 2, 3 }, *bytes;
	__u64 *value;

	bpf_map_update_elem(&counts, &pid, &first, BPF_NOEXIST);
	tally = bpf_map_lookup_elem(&counts, &pid);
	if (tally) {
		tally->calls += 1;
		tally->scaled += scale;
	}
	value = bpf_map_lookup_elem(&slots, &slot);
	if (value)
		*value += 1;
	bytes = bpf_map_lookup_elem(&per_cpu_counts, &pid);
	if (bytes)
		bytes[0] += 1;
	else
		bpf_map_update_elem(&per_cpu_counts, &pid, first_bytes, BPF_ANY);
	cpu_slot = bpf_map_lookup_elem(&per_cpu_slots, &one);
	if (cpu_slot)
		*cpu_slot += 1;
}

SEC("raw_tp/sys_enter")
int on_enter(__u64 *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct event *event;

	if (pid != target_pid || (__s64)ctx[1] != target_nr)
		return 0;
	hits += step;
	count(pid);
	if (short_samples) {
		__u32 half = 0;

		bpf_ringbuf_output(&events, &half, sizeof(half), 0);
		return 0;
	}
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;
	event->seq = hits;
	event->pid = pid;
	event->nr = (__s32)ctx[1];
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	/* Every fourth is given up: consumers never see it. */
	if ((hits & 3) == 3)
		bpf_ringbuf_discard(event, 0);
	else
		bpf_ringbuf_submit(event, 0);
	return 0;
}
