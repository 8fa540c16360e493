/* Which process opens which file, with what result and latency.
 *
 * do_sys_openat2 is behind open, openat, openat2 and creat, and in the BTF of every kernel from 5.10 on, whatever else
 * was renamed around it.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "opensnoop.h"

char LICENSE[] SEC("license") = "GPL";

/* Filters, set before the object is loaded: zero or empty means everything. */
const volatile __u32 filter_pid = 0;
const volatile char filter_comm[COMM_LEN] = {};
const volatile bool only_failed = false;

/* Events that found the ring buffer full. */
__u64 dropped = 0;

/* When a thread entered the function. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, __u64);
} started SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, struct tally);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
	__type(value, struct event);
} events SEC(".maps");

static bool wanted_comm(const char *comm)
{
	if (!filter_comm[0])
		return true;
	for (int i = 0; i < COMM_LEN; i++) {
		if (comm[i] != filter_comm[i])
			return false;
		if (!comm[i])
			break;
	}
	return true;
}

static void count(__u32 pid, const char *comm, int result)
{
	struct tally *tally = bpf_map_lookup_elem(&counts, &pid);

	if (!tally) {
		struct tally first = {};

		__builtin_memcpy(first.comm, comm, COMM_LEN);
		bpf_map_update_elem(&counts, &pid, &first, BPF_NOEXIST);
		tally = bpf_map_lookup_elem(&counts, &pid);
		if (!tally)
			return;
	}
	if (result < 0)
		__sync_fetch_and_add(&tally->failed, 1);
	else
		__sync_fetch_and_add(&tally->opened, 1);
}

SEC("fentry/do_sys_openat2")
int BPF_PROG(open_enter, int dfd, const char *filename, struct open_how *how)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = (__u32)id;
	__u64 now;

	if (filter_pid && id >> 32 != filter_pid)
		return 0;
	now = bpf_ktime_get_ns();
	bpf_map_update_elem(&started, &tid, &now, BPF_ANY);
	return 0;
}

/* It returns a long up to 6.12 at least and an int from 6.16 at the latest: the low half is right on both. */
SEC("fexit/do_sys_openat2")
int BPF_PROG(open_exit, int dfd, const char *filename, struct open_how *how, int result)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 pid = id >> 32, tid = (__u32)id;
	char comm[COMM_LEN] = {};
	struct task_struct *task;
	struct event *event;
	__u64 *start, began;

	start = bpf_map_lookup_elem(&started, &tid);
	if (!start)
		return 0;
	began = *start;
	bpf_map_delete_elem(&started, &tid);

	if (only_failed && result >= 0)
		return 0;
	bpf_get_current_comm(comm, sizeof(comm));
	if (!wanted_comm(comm))
		return 0;
	count(pid, comm, result);

	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&dropped, 1);
		return 0;
	}
	task = (struct task_struct *)bpf_get_current_task();
	event->latency_ns = bpf_ktime_get_ns() - began;
	event->flags = BPF_CORE_READ(how, flags);
	event->pid = pid;
	event->tid = tid;
	event->ppid = BPF_CORE_READ(task, real_parent, tgid);
	event->uid = (__u32)bpf_get_current_uid_gid();
	event->result = result;
	__builtin_memcpy(event->comm, comm, COMM_LEN);
	/* The kernel has just read the name itself, so its page is there. */
	if (bpf_probe_read_user_str(event->path, sizeof(event->path), filename) < 0)
		event->path[0] = '\0';
	bpf_ringbuf_submit(event, 0);
	return 0;
}
