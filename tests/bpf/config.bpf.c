/* Values of the kernel's configuration, of every type that keeps one; a program reads each. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool LINUX_HAS_BPF_COOKIE __kconfig;
extern bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;
extern unsigned int LINUX_HAS_NOTHING __kconfig __weak;

extern bool CONFIG_BPF_SYSCALL __kconfig;
extern enum libbpf_tristate CONFIG_NET __kconfig;
extern enum libbpf_tristate CONFIG_XFS_FS __kconfig __weak;
extern char CONFIG_INET __kconfig;
extern int CONFIG_HZ __kconfig;
extern unsigned long CONFIG_ILLEGAL_POINTER_VALUE __kconfig __weak;
extern char CONFIG_DEFAULT_HOSTNAME[8] __kconfig;
extern short CONFIG_NO_SUCH_THING __kconfig __weak;
extern enum libbpf_tristate CONFIG_NO_SUCH_MODULE __kconfig __weak;

/* Given by a test alone; programs of their own, so that others load without. */
extern int CONFIG_GIVEN __kconfig;
extern signed char CONFIG_BYTE __kconfig;
extern bool CONFIG_BPF_SYSCAL __kconfig;

__u32 version = 0;
__u32 hz = 0;
__u64 pointer = 0;
char inet = 0;
int net = -1;
int xfs = -1;
int absent = -1;
bool has_syscall = false;
bool has_cookie = false;
bool has_wrapper = false;
char host[8] = {};
int given = 0;

SEC("?raw_tp/sys_enter")
int read_all(void *ctx)
{
	version = LINUX_KERNEL_VERSION;
	has_cookie = LINUX_HAS_BPF_COOKIE;
	has_wrapper = LINUX_HAS_SYSCALL_WRAPPER;
	has_syscall = CONFIG_BPF_SYSCALL;
	net = CONFIG_NET;
	xfs = CONFIG_XFS_FS;
	inet = CONFIG_INET;
	hz = CONFIG_HZ;
	pointer = CONFIG_ILLEGAL_POINTER_VALUE;
	for (int i = 0; i < 8; i++)
		host[i] = CONFIG_DEFAULT_HOSTNAME[i];
	absent = LINUX_HAS_NOTHING + CONFIG_NO_SUCH_THING + CONFIG_NO_SUCH_MODULE;
	return 0;
}

SEC("?raw_tp/sys_enter")
int read_given(void *ctx)
{
	given = CONFIG_GIVEN;
	return CONFIG_BYTE;
}

SEC("?raw_tp/sys_enter")
int read_misnamed(void *ctx)
{
	return CONFIG_BPF_SYSCAL;
}
