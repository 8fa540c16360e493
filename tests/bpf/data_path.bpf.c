/* Samples whose declaration lacks their type, records that are overwritten, and large variables. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* By its number: the header may be of a kernel that lacks it. */
#define RB_OVERWRITE (1U << 19)

struct report {
	__u64 seq;
	__u64 square;
	__u8 comm[16];
};

BPF_EXPORT_TYPE(struct report);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} reports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
} perf_reports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(map_flags, RB_OVERWRITE);
	__uint(max_entries, 4096);
	__type(value, struct report);
} recent SEC(".maps");

struct stats {
	__u32 reported;
	__u32 from_rust;
	struct {
		__u64 last;
	} inner[2];
};

/* Three MiB: more than a thread has of stack, less than what Linux 5.10 allows a value. */
#define COUNTS (3 << 17)
__u64 counts[COUNTS] = {};
struct stats stats = {};

__u32 wanted = 0;
__u64 seq = 0;

static void make(struct report *report)
{
	__u64 n = ++seq;

	report->seq = n;
	report->square = n * n;
	bpf_get_current_comm(report->comm, sizeof(report->comm));
	stats.reported++;
	stats.inner[1].last = n;
}

SEC("raw_tp")
int report(void *ctx)
{
	struct report report = {};

	make(&report);
	bpf_ringbuf_output(&reports, &report, sizeof(report), 0);
	bpf_perf_event_output(ctx, &perf_reports, BPF_F_CURRENT_CPU, &report, sizeof(report));
	return 0;
}

SEC("raw_tp")
int report_recent(void *ctx)
{
	for (int i = 0; i < 64; i++) {
		struct report *report = bpf_ringbuf_reserve(&recent, sizeof(*report), 0);

		if (!report)
			return 1;
		make(report);
		/* Some are discarded, which is not an event. */
		if (i == 7)
			bpf_ringbuf_discard(report, 0);
		else
			bpf_ringbuf_submit(report, 0);
	}
	return 0;
}

SEC("raw_tp")
int count(void *ctx)
{
	__u32 n = wanted;

	if (n < COUNTS)
		counts[n]++;
	return 0;
}
