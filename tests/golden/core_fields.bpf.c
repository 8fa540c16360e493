/* Accesses to fields of the kernel, one of each kind and in each form of instruction. Its own few lines of the kernel's
 * types make it the same object whatever kernel it is compiled on. Only relocated, never loaded. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

#define core __attribute__((preserve_access_index))

struct qstr {
	const unsigned char *name;
} core;

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
} core;

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
} core;

struct path {
	struct dentry *dentry;
} core;

struct file {
	struct path f_path;
	unsigned int f_flags;
} core;

struct files_struct {
	struct file *fd_array[64];
} core;

struct load_weight {
	unsigned long weight;
} core;

struct sched_entity {
	struct load_weight load;
	unsigned long long vruntime;
} core;

struct task_struct {
	unsigned int __state;
	int prio;
	int pid;
	int tgid;
	unsigned int policy;
	struct sched_entity se;
	struct task_struct *real_parent;
	struct files_struct *files;
	unsigned sched_reset_on_fork : 1;
	unsigned in_execve : 1;
	char comm[16];
} core;

/* Until 5.13. */
struct task_struct___old {
	volatile long state;
} core;

/* Of another size than the kernel's: unsigned ones follow it, signed ones cannot. */
struct task_struct___resized {
	unsigned long long policy;
	long prio;
} core;

struct task_struct___nowhere {
	int no_such_field;
} core;

struct kernfs_node {
	struct kernfs_node *__parent;
} core;

/* Until 6.14. */
struct kernfs_node___old {
	struct kernfs_node *parent;
} core;

struct no_such_struct {
	int a, b;
} core;

struct sock_common {
	union {
		struct {
			unsigned int skc_daddr;
			unsigned int skc_rcv_saddr;
		};
	};
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_reuse : 4;
} core;

struct sock {
	struct sock_common __sk_common;
	int sk_rcvbuf;
} core;

struct sk_buff {
	unsigned int len;
	unsigned char pkt_type : 3;
	unsigned char ip_summed : 2;
	unsigned short protocol;
	unsigned int mark;
} core;

__u64 sink = 0;

/* Loads: the offset is in the instruction. */
SEC("tp_btf/sched_switch")
int loads(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[1];
	struct file *file = task->files->fd_array[5];

	sink += task->pid + task->tgid + task->real_parent->pid;
	sink += task->se.vruntime + task->se.load.weight;
	sink += task->comm[3];
	sink += file->f_flags + file->f_path.dentry->d_inode->i_mode;
	sink += file->f_path.dentry->d_parent->d_name.name[0];
	return 0;
}

SEC("tp_btf/sched_switch")
int resized_loads(__u64 *ctx)
{
	struct task_struct___resized *task = (void *)ctx[1];

	sink += task->policy;
	if (bpf_core_field_size(task->prio) == 8)
		sink += task->prio;
	return 0;
}

/* Stores, of registers and of constants. */
SEC("tc")
int stores(struct __sk_buff *ctx)
{
	struct sk_buff *skb = (void *)ctx;

	skb->mark = sink;
	skb->protocol = 7;
	skb->len = ctx->hash;
	return 0;
}

/* Offsets added to a pointer. */
SEC("socket")
int reads(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct sock *sk = ctx;
	char comm[16];

	sink += BPF_CORE_READ(task, real_parent, real_parent, tgid);
	sink += BPF_CORE_READ(task, files, fd_array[2], f_path.dentry, d_inode, i_ino);
	sink += BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
	sink += BPF_CORE_READ(sk, __sk_common.skc_family);
	sink += BPF_CORE_READ(sk, sk_rcvbuf);
	BPF_CORE_READ_STR_INTO(&comm, task, comm);
	sink += comm[0];
	return 0;
}

/* Bitfields: offset, size, sign and both shifts. */
SEC("tp_btf/sched_switch")
int bitfields(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[1];
	struct sk_buff *skb = (void *)ctx[2];
	struct sock_common *sk = (void *)ctx[2];

	sink += BPF_CORE_READ_BITFIELD(task, in_execve);
	sink += BPF_CORE_READ_BITFIELD(skb, ip_summed);
	sink += BPF_CORE_READ_BITFIELD_PROBED(task, sched_reset_on_fork);
	sink += BPF_CORE_READ_BITFIELD_PROBED(skb, pkt_type);
	sink += BPF_CORE_READ_BITFIELD_PROBED(sk, skc_reuse);
	sink += BPF_CORE_READ_BITFIELD(task, prio);
	return 0;
}

/* What a kernel may lack: questions are answered, the accesses behind them poisoned. */
SEC("socket")
int renamed(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct___old *old = (void *)task;
	struct kernfs_node *kn = ctx;

	if (bpf_core_field_exists(task->__state))
		sink += BPF_CORE_READ(task, __state);
	else
		sink += BPF_CORE_READ(old, state);
	if (bpf_core_field_exists(kn->__parent))
		sink += (long)BPF_CORE_READ(kn, __parent);
	else
		sink += (long)BPF_CORE_READ((struct kernfs_node___old *)kn, parent);
	sink += bpf_core_field_exists(struct task_struct___nowhere, no_such_field);
	sink += bpf_core_field_exists(struct no_such_struct, b);
	return 0;
}

SEC("tp_btf/sched_switch")
int poisoned(__u64 *ctx)
{
	struct task_struct___nowhere *task = (void *)ctx[1];
	struct no_such_struct *none = (void *)ctx[1];

	sink += task->no_such_field;
	none->b = 3;
	sink += bpf_core_field_offset(none->b);
	sink += bpf_core_field_size(none->b);
	return 0;
}

/* A subprogram of two programs: relocated once, linked twice. */
static __attribute__((noinline)) int pid_of(struct task_struct *task)
{
	return BPF_CORE_READ(task, real_parent, pid) + sizeof(task->comm) +
	       bpf_core_field_size(task->comm) + bpf_core_field_offset(task->comm);
}

SEC("socket")
int first_caller(void *ctx)
{
	return pid_of((void *)bpf_get_current_task());
}

SEC("socket")
int second_caller(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return pid_of(BPF_CORE_READ(task, real_parent));
}
