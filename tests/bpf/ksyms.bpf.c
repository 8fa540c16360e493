/* Variables and functions of the kernel, by address and by type, there and absent. None is loaded unless asked for. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

extern const void init_task __ksym;
extern const void bpf_link_fops __ksym;
extern const void no_such_address __ksym __weak;
extern const void init_taks __ksym;

extern const int bpf_prog_active __ksym;
extern const struct rq runqueues __ksym;
extern const int no_such_variable __ksym __weak;
extern const int kstat __ksym;
extern const int runqueue __ksym;

extern struct bpf_key *bpf_lookup_system_key(__u64 id) __ksym __weak;
extern struct bpf_key *bpf_lookup_system_key___two(__u64 id, int more) __ksym __weak;
extern void bpf_key_put(struct bpf_key *key) __ksym __weak;
extern void no_such_function(void) __ksym __weak;
extern int bpf_key_putt(struct bpf_key *key) __ksym;
extern int bpf_key_put___int(int a, int b) __ksym;

const volatile __u32 target_pid = 0;

__u64 task_address = 0;
__u64 fops_address = 0;
__u64 absent_address = 0;
char name[16] = {};
int hits = 0;
int cpu = 0;
int same_cpu = 0;
int active = 0;
int keys = 0;
int flavors = 0;
int absent = 0;

SEC("?raw_tp/sys_enter")
int addresses(void *ctx)
{
	const struct task_struct *task = (const void *)&init_task;

	task_address = (__u64)&init_task;
	fops_address = (__u64)&bpf_link_fops;
	absent_address = (__u64)&no_such_address;
	BPF_CORE_READ_STR_INTO(&name, task, comm);
	return 0;
}

SEC("?raw_tp/sys_enter")
int misnamed_address(void *ctx)
{
	task_address = (__u64)&init_taks;
	return 0;
}

SEC("?raw_tp/sys_enter")
int variables(void *ctx)
{
	const struct rq *rq;
	const int *p;

	rq = bpf_this_cpu_ptr(&runqueues);
	cpu = rq->cpu;
	same_cpu = rq->cpu == bpf_get_smp_processor_id();
	p = bpf_per_cpu_ptr(&bpf_prog_active, 1 << 20);
	if (p)
		return 1;
	p = bpf_per_cpu_ptr(&bpf_prog_active, 0);
	if (!p)
		return 2;
	active = *p;
	hits++;
	if (&no_such_variable)
		absent = *(const volatile int *)&no_such_variable;
	return 0;
}

SEC("?raw_tp/sys_enter")
int other_type(void *ctx)
{
	return *(const int *)bpf_this_cpu_ptr(&kstat);
}

SEC("?raw_tp/sys_enter")
int misnamed_variable(void *ctx)
{
	return *(const int *)bpf_this_cpu_ptr(&runqueue);
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(functions, struct pt_regs *regs, long nr)
{
	struct bpf_key *key;

	if (bpf_get_current_pid_tgid() >> 32 != target_pid)
		return 0;
	hits++;
	if (bpf_ksym_exists(no_such_function))
		no_such_function();
	if (bpf_ksym_exists(bpf_lookup_system_key___two)) {
		key = bpf_lookup_system_key___two(1, 2);
		if (key)
			bpf_key_put(key);
		flavors |= 2;
	}
	if (bpf_ksym_exists(bpf_lookup_system_key)) {
		flavors |= 1;
		/* VERIFY_USE_SECONDARY_KEYRING */
		key = bpf_lookup_system_key(1);
		if (key) {
			keys++;
			bpf_key_put(key);
		}
	}
	return 0;
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(unguarded, struct pt_regs *regs, long nr)
{
	no_such_function();
	return 0;
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(misnamed_function, struct pt_regs *regs, long nr)
{
	return bpf_key_putt((void *)regs);
}

SEC("?tp_btf/sys_enter")
int BPF_PROG(other_prototype, struct pt_regs *regs, long nr)
{
	return bpf_key_put___int(1, 2);
}
