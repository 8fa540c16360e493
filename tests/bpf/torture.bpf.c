/* Every C layout, written here and read in Rust, and the other way round. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "torture.h"

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 target_pid = 0;
const volatile __u64 target_nr = 0;

/* In .rodata, .data and .bss, among variables that push each other about. */
const volatile struct padded constant = {};
const volatile __u8 odd_constant = 1;
const volatile struct squeezed squeezed_constant = { .b = 0x0102030405060708 };
__u8 odd = 1;
struct squeezed_by_name squeezed_variable = { 1, 2 };
loose_u64 loose_variable = 3;
__u8 another_odd = 4;

struct torture from_bpf;
struct torture from_rust;
struct {
	__u32 runs;
	__s32 failed_row;
} outcome;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct torture);
} values SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, point);
	__type(value, struct {
		owner_id owner;
		__u8 count;
	});
} anonymous_values SEC(".maps");

/* Samples lie at multiples of eight bytes, a struct with an __int128 at those of sixteen. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
	__type(value, struct scalars);
} samples SEC(".maps");

/* Types that nothing else mentions. */
BPF_EXPORT_TYPE(struct exported);
BPF_EXPORT_TYPE(enum exported_kind);
BPF_EXPORT_TYPE(exported_id);
BPF_EXPORT_TYPE(struct flexible);
BPF_EXPORT_TYPE(struct flexible_union);
const struct exported_by_pointer *unused __attribute__((unused));
struct exported_by_dummy _dummy = {};

static __always_inline void fill(struct torture *t)
{
#define ROW(place, value) t->place = (value);
#define BITS(place, type, bits) *(volatile type *)&t->place = (type)(bits);
#define TEXT(place, n, c) t->place[n] = (c);
#include "torture_rows.h"
#undef ROW
#undef BITS
#undef TEXT
}

/* The line in torture_rows.h of the first value that is not what it should be. */
static __always_inline int check(struct torture *t)
{
#define ROW(place, value)                                                                                              \
	if (t->place != (value))                                                                                       \
		return __LINE__;
#define BITS(place, type, bits)                                                                                        \
	if (*(volatile type *)&t->place != (type)(bits))                                                               \
		return __LINE__;
#define TEXT(place, n, c)                                                                                              \
	if (t->place[n] != (c))                                                                                        \
		return __LINE__;
#include "torture_rows.h"
#undef ROW
#undef BITS
#undef TEXT
	return 0;
}

static __always_inline int is_target(unsigned long long *ctx)
{
	return bpf_get_current_pid_tgid() >> 32 == target_pid && ctx[1] == target_nr;
}

SEC("raw_tp/sys_enter")
int write_all(unsigned long long *ctx)
{
	__u32 key = 0;
	struct torture *value;

	if (!is_target(ctx))
		return 0;
	fill(&from_bpf);
	value = bpf_map_lookup_elem(&values, &key);
	if (value)
		fill(value);
	bpf_ringbuf_output(&samples, &from_bpf.scalars, sizeof(from_bpf.scalars), 0);
	bpf_ringbuf_output(&samples, &from_bpf.scalars, sizeof(from_bpf.scalars), 0);
	outcome.runs++;
	return 0;
}

SEC("raw_tp/sys_enter")
int check_all(unsigned long long *ctx)
{
	__u32 key = 1;
	struct torture *value;

	if (!is_target(ctx))
		return 0;
	outcome.failed_row = check(&from_rust);
	value = bpf_map_lookup_elem(&values, &key);
	if (!value)
		outcome.failed_row = -1;
	else if (!outcome.failed_row)
		outcome.failed_row = check(value);
	if (odd != 11 || squeezed_variable.b != 12 || loose_variable != 13 || another_odd != 14)
		outcome.failed_row = -2;
	if (constant.b != 15 || odd_constant != 16 || squeezed_constant.b != 17)
		outcome.failed_row = -3;
	outcome.runs++;
	return 0;
}
