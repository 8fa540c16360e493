/* Questions about types and enumerators of the kernel, one of each kind. Only relocated, never loaded. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

struct task_struct {
	int pid;
};

struct no_such_struct {
	int a;
};

typedef int pid_t;
typedef struct { int counter; } atomic_t;
typedef unsigned long no_such_typedef;

union bpf_attr___mine {
	int a;
};

enum pid_type {
	PIDTYPE_PID,
	PIDTYPE_TGID,
	PIDTYPE_MAX,
};

/* Its highest values came and went; one of them wants 64 bits. */
enum perf_event_sample_format___mine {
	PERF_SAMPLE_IP = 3,
	PERF_SAMPLE_MAX = 5,
	PERF_SAMPLE_WEIGHT_STRUCT = 7,
	__PERF_SAMPLE_CALLCHAIN_EARLY = 0x1111111111111111ULL,
};

/* Programs of a kernel of today. */
enum bpf_map_type___mine {
	BPF_MAP_TYPE_RINGBUF___mine = 99,
	BPF_MAP_TYPE_BLOOM_FILTER___mine = 98,
	BPF_MAP_TYPE_ARENA___mine = 97,
	BPF_MAP_TYPE_NEVER___mine = 96,
};

enum no_such_enum {
	NO_SUCH_VALUE = 1,
};

__u64 sink = 0;

SEC("socket")
int types(void *ctx)
{
	sink += bpf_core_type_exists(struct task_struct);
	sink += bpf_core_type_exists(struct no_such_struct);
	sink += bpf_core_type_exists(pid_t);
	sink += bpf_core_type_exists(no_such_typedef);
	sink += bpf_core_type_exists(union bpf_attr___mine);
	sink += bpf_core_type_size(struct task_struct);
	sink += bpf_core_type_size(struct no_such_struct);
	sink += bpf_core_type_size(atomic_t);
	sink += bpf_core_type_size(enum pid_type);
	return 0;
}

/* Some of the kernel's members, in the kernel's types or in others. */
struct load_weight {
	unsigned long weight;
};

struct load_weight___other {
	struct load_weight *weight;
};

struct list_head {
	struct list_head *next, *prev;
};

struct list_head___more {
	struct list_head *next, *prev, *third;
};

enum pid_type___more {
	PIDTYPE_PID___more,
	PIDTYPE_NEVER___more,
};

typedef int (*no_such_function)(struct list_head *);

SEC("socket")
int matches(void *ctx)
{
	sink += bpf_core_type_matches(struct load_weight);
	sink += bpf_core_type_matches(struct load_weight___other);
	sink += bpf_core_type_matches(struct list_head);
	sink += bpf_core_type_matches(struct list_head___more);
	sink += bpf_core_type_matches(struct task_struct);
	sink += bpf_core_type_matches(enum pid_type);
	sink += bpf_core_type_matches(enum pid_type___more);
	sink += bpf_core_type_matches(pid_t);
	sink += bpf_core_type_matches(no_such_function);
	return 0;
}

SEC("socket")
int ids(void *ctx)
{
	sink += bpf_core_type_id_local(struct task_struct);
	sink += bpf_core_type_id_kernel(struct task_struct);
	sink += bpf_core_type_id_kernel(struct no_such_struct);
	sink += bpf_core_type_id_kernel(pid_t);
	sink += bpf_core_type_id_kernel(enum pid_type);
	return 0;
}

SEC("socket")
int enumerators(void *ctx)
{
	sink += bpf_core_enum_value(enum pid_type, PIDTYPE_TGID);
	sink += bpf_core_enum_value(enum pid_type, PIDTYPE_MAX);
	sink += bpf_core_enum_value_exists(enum bpf_map_type___mine, BPF_MAP_TYPE_RINGBUF___mine);
	sink += bpf_core_enum_value(enum bpf_map_type___mine, BPF_MAP_TYPE_RINGBUF___mine);
	sink += bpf_core_enum_value_exists(enum bpf_map_type___mine, BPF_MAP_TYPE_BLOOM_FILTER___mine);
	sink += bpf_core_enum_value_exists(enum bpf_map_type___mine, BPF_MAP_TYPE_ARENA___mine);
	sink += bpf_core_enum_value(enum bpf_map_type___mine, BPF_MAP_TYPE_ARENA___mine);
	sink += bpf_core_enum_value_exists(enum bpf_map_type___mine, BPF_MAP_TYPE_NEVER___mine);
	sink += bpf_core_enum_value_exists(enum no_such_enum, NO_SUCH_VALUE);
	return 0;
}

SEC("socket")
int wide_enumerators(void *ctx)
{
	sink += bpf_core_enum_value(enum perf_event_sample_format___mine, PERF_SAMPLE_IP);
	sink += bpf_core_enum_value(enum perf_event_sample_format___mine, PERF_SAMPLE_MAX);
	sink += bpf_core_enum_value_exists(enum perf_event_sample_format___mine, PERF_SAMPLE_WEIGHT_STRUCT);
	sink += bpf_core_enum_value(enum perf_event_sample_format___mine, PERF_SAMPLE_WEIGHT_STRUCT);
	sink += bpf_core_enum_value_exists(enum perf_event_sample_format___mine, __PERF_SAMPLE_CALLCHAIN_EARLY);
	sink += bpf_core_enum_value(enum perf_event_sample_format___mine, __PERF_SAMPLE_CALLCHAIN_EARLY);
	return 0;
}

/* Not found: the value is poisoned. */
SEC("socket")
int missing_enumerator(void *ctx)
{
	return bpf_core_enum_value(enum no_such_enum, NO_SUCH_VALUE);
}
