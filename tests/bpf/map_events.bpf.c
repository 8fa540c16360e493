/* Events by ring buffers and perf buffers, in bursts, and what they cost. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct event {
	__u64 seq;
	__u64 square;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
	__type(value, struct event);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
	__type(value, __u64);
} others SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, struct event);
} perf SEC(".maps");

__u64 seq = 0;
__u64 dropped = 0;

#define BURST 64

SEC("raw_tp")
int burst(void *ctx)
{
	struct event *event;

	for (int i = 0; i < BURST; i++) {
		__u64 n = ++seq;

		event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
		if (!event) {
			dropped++;
			continue;
		}
		event->seq = n;
		event->square = n * n;
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

SEC("raw_tp")
int one_of_each(void *ctx)
{
	struct event event = {};
	__u64 n = ++seq;

	event.seq = n;
	event.square = n * n;
	bpf_ringbuf_output(&events, &event, sizeof(event), 0);
	bpf_ringbuf_output(&others, &n, sizeof(n), 0);
	return 0;
}

SEC("raw_tp")
int perf_burst(void *ctx)
{
	struct event event = {};

	for (int i = 0; i < BURST; i++) {
		event.seq = ++seq;
		event.square = event.seq * event.seq;
		if (bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU, &event, sizeof(event)))
			dropped++;
	}
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} table SEC(".maps");

__u32 touched = 0;

/* Adds one to some entries, which go around. */
SEC("raw_tp")
int touch(void *ctx)
{
	__u32 key = touched;

	for (int i = 0; i < 256; i++) {
		__u64 *value = bpf_map_lookup_elem(&table, &key);

		if (value)
			__sync_fetch_and_add(value, 1);
		key += 37;
	}
	touched = key;
	return 0;
}
