// Relocation benchmark: 1,000 relocations. Offset, presence and size of each of core_many's 325 fields, and the sizes of 25
// types.
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#undef BPF_CORE_READ
#define BPF_CORE_READ(s, f)                                                    \
	({                                                                     \
		typeof((s)->f) value;                                          \
		bpf_core_read(&value, sizeof(value), &(s)->f);                 \
		(__u64)value + bpf_core_field_exists((s)->f) +                 \
			bpf_core_field_size((s)->f);                           \
	})

#include "core_many.bpf.c"

SEC("socket")
int prog9(struct __sk_buff *skb)
{
	__u64 acc = 0;

#define SIZE(T) acc += bpf_core_type_size(struct T)
	SIZE(task_struct);
	SIZE(sock);
	SIZE(sk_buff);
	SIZE(file);
	SIZE(inode);
	SIZE(mm_struct);
	SIZE(dentry);
	SIZE(super_block);
	SIZE(cred);
	SIZE(nsproxy);
	SIZE(net);
	SIZE(net_device);
	SIZE(pid);
	SIZE(signal_struct);
	SIZE(files_struct);
	SIZE(fs_struct);
	SIZE(path);
	SIZE(qstr);
	SIZE(mount);
	SIZE(vfsmount);
	SIZE(socket);
	SIZE(page);
	SIZE(module);
	SIZE(rq);
	SIZE(cgroup);
	sink = acc;
	return 0;
}
