/* The first of three sources of one object: programs that use functions, variables and maps of the others. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "linked.h"

char LICENSE[] SEC("license") = "GPL";

/* A static variable and a static function of one name are in each source. */
static volatile int own = 1;
static __noinline int twice(int x)
{
	return 2 * x + own;
}

extern int shared;
extern struct pair pairs[3];
extern struct counts counts SEC(".maps");
extern const volatile int setting;
extern int LINUX_KERNEL_VERSION __kconfig;

int add(int a, int b);
int count(__u32 key, int value);

/* There are a weak and a strong one. */
__weak int choose(void)
{
	return 1 + own;
}

int first_result = 0;
int chosen = 0;
int version = 0;

SEC("?raw_tp/sys_enter")
int first(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	shared++;
	pairs[1].second = BPF_CORE_READ(task, tgid);
	first_result = add(twice(10), setting);
	chosen = choose();
	version = LINUX_KERNEL_VERSION;
	return count(1, first_result);
}
