// SPDX-License-Identifier: MIT OR Apache-2.0
/* One relocation of each sort, some of which no kernel has an answer to. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

__u64 sink = 0;

struct task_struct___renamed {
	long state;
	long no_such_member;
} __attribute__((preserve_access_index));

struct task_struct___other {
	/* Nothing of this name is a struct there. */
	struct {
		int x;
	} pid;
} __attribute__((preserve_access_index));

struct no_such_struct {
	int a;
} __attribute__((preserve_access_index));

enum no_such_enum {
	NO_SUCH_ENUMERATOR = 1,
};

enum pid_type___other {
	PIDTYPE_PID___other = 7,
	PIDTYPE_NONE___other = 9,
};

typedef int (*no_such_function_t)(struct task_struct *);
typedef void (*work_func_t___other)(struct work_struct *);
typedef int (*work_func_t___wrong)(int, int);

SEC("socket")
int fields(struct __sk_buff *skb)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct___renamed *renamed = (void *)task;
	struct task_struct___other *other = (void *)task;
	struct sock *sk = (void *)task;
	struct sk_buff *buff = (void *)task;
	struct no_such_struct *nothing = (void *)task;
	__u64 acc = 0;

	/* Through pointers, embedded and anonymous members, arrays. */
	acc += BPF_CORE_READ(task, mm, pgd, pgd);
	acc += BPF_CORE_READ(task, comm[3]);
	acc += BPF_CORE_READ(sk, __sk_common.skc_dport);
	acc += BPF_CORE_READ(sk, __sk_common.skc_addrpair);
	acc += BPF_CORE_READ(buff, len);
	/* Bitfields. */
	acc += BPF_CORE_READ_BITFIELD_PROBED(task, in_execve);
	acc += BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol);
	acc += BPF_CORE_READ_BITFIELD_PROBED(buff, cloned);
	/* Sizes. */
	acc += bpf_core_field_size(task->comm);
	acc += bpf_core_field_size(buff->cb);
	/* Existence, yes and no. */
	acc += bpf_core_field_exists(task->comm);
	acc += bpf_core_field_exists(renamed->state);
	acc += bpf_core_field_exists(renamed->no_such_member);
	acc += bpf_core_field_exists(other->pid);
	acc += bpf_core_field_exists(nothing->a);
	if (bpf_core_field_exists(renamed->state))
		acc += BPF_CORE_READ(renamed, state);
	sink = acc;
	return 0;
}

SEC("socket")
int types(struct __sk_buff *skb)
{
	__u64 acc = 0;

	acc += bpf_core_type_exists(struct task_struct);
	acc += bpf_core_type_exists(struct no_such_struct);
	acc += bpf_core_type_exists(work_func_t___other);
	acc += bpf_core_type_exists(work_func_t___wrong);
	acc += bpf_core_type_exists(no_such_function_t);
	acc += bpf_core_type_exists(pid_t);
	acc += bpf_core_type_size(struct sk_buff);
	acc += bpf_core_type_size(struct no_such_struct);
	acc += bpf_core_type_size(work_func_t);
	acc += bpf_core_type_id_kernel(struct inode);
	acc += bpf_core_type_id_kernel(struct no_such_struct);
	acc += bpf_core_type_id_local(struct inode);
	sink = acc;
	return 0;
}

SEC("socket")
int enumerators(struct __sk_buff *skb)
{
	__u64 acc = 0;

	acc += bpf_core_enum_value(enum pid_type, PIDTYPE_SID);
	acc += bpf_core_enum_value_exists(enum pid_type___other, PIDTYPE_PID___other);
	acc += bpf_core_enum_value_exists(enum pid_type___other, PIDTYPE_NONE___other);
	acc += bpf_core_enum_value_exists(enum no_such_enum, NO_SUCH_ENUMERATOR);
	sink = acc;
	return 0;
}
