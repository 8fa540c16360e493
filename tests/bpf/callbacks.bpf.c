/* Functions that are not programs: called, handed to helpers as callbacks, run after an exception. None is loaded unless
 * asked for. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define __exception_cb(name) __attribute__((btf_decl_tag("exception_callback:" #name)))
#define CLOCK_MONOTONIC 1

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

struct timed {
	struct bpf_timer timer;
	__u64 more;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct timed);
} timers SEC(".maps");

/* Sections of one's own; static variables are the object's alone. */
int own_data SEC(".data.own") = 5;
const volatile int own_rodata SEC(".rodata.own") = 6;
int own_bss SEC(".bss.own");
static volatile int hidden_data SEC(".data.own") = 7;
static volatile int hidden_bss;

__u64 sum = 0;
__u64 loops = 0;
__u64 fired = 0;
int called = 0;
int sections = 0;

static __noinline int by_static(int x)
{
	return x * 3 + hidden_data;
}

__noinline int by_global(int x)
{
	return by_static(x) + 1;
}

SEC("?raw_tp/sys_enter")
int calls(void *ctx)
{
	called = by_global(10) + by_static(1);
	hidden_bss++;
	own_bss += 2;
	own_data++;
	sections = own_data * 100 + own_rodata * 10 + own_bss + hidden_bss;
	return 0;
}

static long add(struct bpf_map *map, __u32 *key, __u64 *value, void *ctx)
{
	sum += *value;
	return 0;
}

SEC("?raw_tp/sys_enter")
int for_each(void *ctx)
{
	return bpf_for_each_map_elem(&numbers, add, NULL, 0);
}

static long step(__u32 index, void *ctx)
{
	loops += index;
	return index == 9;
}

SEC("?raw_tp/sys_enter")
int ten_loops(void *ctx)
{
	return bpf_loop(1000, step, NULL, 0);
}

static int on_timer(void *map, int *key, struct timed *value)
{
	fired += value->more;
	return 0;
}

SEC("?fentry/vfs_unlink")
int BPF_PROG(start_timer)
{
	struct timed *value;
	__u32 zero = 0;

	value = bpf_map_lookup_elem(&timers, &zero);
	if (!value || value->more)
		return 0;
	value->more = 3;
	if (bpf_timer_init(&value->timer, &timers, CLOCK_MONOTONIC))
		return 0;
	bpf_timer_set_callback(&value->timer, on_timer);
	bpf_timer_start(&value->timer, 1000, 0);
	return 0;
}

extern void bpf_throw(__u64 cookie) __ksym __weak;

__noinline int on_exception(__u64 cookie)
{
	return cookie + 100;
}

SEC("?tc")
__exception_cb(on_exception)
int throws(struct __sk_buff *ctx)
{
	if (ctx->len)
		bpf_throw(23);
	return 1;
}

/* Verified by itself: only the tag says that it may read the context. */
__noinline int length_of(void *ctx __arg_ctx)
{
	struct xdp_md *xdp = ctx;

	return xdp->data_end - xdp->data;
}

SEC("?xdp")
int with_context(struct xdp_md *ctx)
{
	return length_of(ctx) == 64 ? XDP_TX : XDP_DROP;
}
