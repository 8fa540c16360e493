/* The name of the file that is removed, read through an argument of vfs_unlink: which one differs between kernels, so the
 * includer says what they are. Kernel types are declared here, as they are the same in all.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct qstr {
	const unsigned char *name;
};
struct inode {
	unsigned long i_ino;
};
struct dentry {
	struct qstr d_name;
};
#pragma clang attribute pop
struct user_namespace;
struct mnt_idmap;

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 target_pid = 0;

__u64 hits = 0;
char name[16] = {};

static bool is_target(void)
{
	return bpf_get_current_pid_tgid() >> 32 == target_pid;
}

SEC("?fentry/vfs_unlink")
int BPF_PROG(on_unlink, UNLINK_ARGUMENTS)
{
	const unsigned char *from;

	if (!is_target())
		return 0;
	from = dentry->d_name.name;
	bpf_probe_read_kernel_str(name, sizeof(name), from);
	__sync_fetch_and_add(&hits, 1);
	return 0;
}

/* The result is behind the arguments, so its place differs, too. */
SEC("?fexit/vfs_unlink")
int BPF_PROG(on_unlinked, UNLINK_ARGUMENTS, struct inode **delegated_inode, int result)
{
	if (is_target() && !result)
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

/* The first argument, without a declaration of it. */
SEC("?fentry/vfs_unlink")
int on_first(__u64 *ctx)
{
	if (is_target() && ctx[0])
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

/* What reads no argument is the same on all kernels. */
SEC("?fentry/vfs_unlink")
int BPF_PROG(on_any_unlink)
{
	if (is_target())
		__sync_fetch_and_add(&hits, 1);
	return 0;
}
