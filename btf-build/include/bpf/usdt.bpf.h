/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Arguments of user-space static probes (USDT): SEC("usdt/PATH:PROVIDER:NAME") and BPF_USDT.
 *
 * Where a probe's arguments are is noted in the traced binary. When it attaches, the loader writes that into the two
 * maps below, in the layout of libbpf 1.7; the functions read it. Names and meanings are those of libbpf's header of
 * this name; the text is this project's own.
 */
#ifndef __USDT_BPF_H__
#define __USDT_BPF_H__

#include "bpf_helpers.h"
#include "bpf_tracing.h"

/* ---- What the loader writes ---- */

/* How many differing probe sites can be attached to at once. Define it before the include to change it. */
#ifndef BPF_USDT_MAX_SPEC_CNT
#define BPF_USDT_MAX_SPEC_CNT 256
#endif
/* How many addresses; used only by kernels without attach cookies (before 5.15). */
#ifndef BPF_USDT_MAX_IP_CNT
#define BPF_USDT_MAX_IP_CNT (4 * BPF_USDT_MAX_SPEC_CNT)
#endif

#define BPF_USDT_MAX_ARG_CNT 12

/* Where an argument is, with the notation of the binary's note. */
enum __bpf_usdt_arg_type {
	BPF_USDT_ARG_CONST,     /* 4@$7: the number val_off. */
	BPF_USDT_ARG_REG,       /* 8@%rax: in a register. */
	BPF_USDT_ARG_REG_DEREF, /* 4@-8(%rbp): in memory, at a register plus val_off. */
	BPF_USDT_ARG_SIB,       /* 1@-8(%rbp,%rax,4): in memory, at a register plus a scaled register plus val_off. */
};

struct __bpf_usdt_arg_spec {
	__u64 val_off;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	enum __bpf_usdt_arg_type arg_type : 8;
	__u16 idx_reg_off : 12;   /* Of the scaled register in struct pt_regs. */
	__u16 scale_bitshift : 4; /* What it is scaled by, as a power of two. */
	__u8 __reserved : 8;
#else
	__u8 __reserved : 8;
	__u16 idx_reg_off : 12;
	__u16 scale_bitshift : 4;
	enum __bpf_usdt_arg_type arg_type : 8;
#endif
	short reg_off;     /* Of the register in struct pt_regs. */
	_Bool arg_signed;  /* Whether to extend by the sign. */
	char arg_bitshift; /* 64 less the argument's size in bits. */
};

struct __bpf_usdt_spec {
	struct __bpf_usdt_arg_spec args[BPF_USDT_MAX_ARG_CNT];
	__u64 usdt_cookie;
	short arg_cnt;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BPF_USDT_MAX_SPEC_CNT);
	__type(key, int);
	__type(value, struct __bpf_usdt_spec);
} __bpf_usdt_specs SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BPF_USDT_MAX_IP_CNT);
	__type(key, long);
	__type(value, __u32);
} __bpf_usdt_ip_to_spec_id SEC(".maps") __weak;

extern const _Bool LINUX_HAS_BPF_COOKIE __kconfig;

/* ---- What programs ask ---- */

/* vmlinux.h has no macros, and <linux/errno.h> would need the headers of an architecture. */
enum {
	___BPF_USDT_ENOENT = 2,
	___BPF_USDT_ESRCH = 3,
	___BPF_USDT_EINVAL = 22,
};

/* The index of the probe site in __bpf_usdt_specs; negative if the loader did not attach the program. */
static __always_inline int __bpf_usdt_spec_id(struct pt_regs *ctx)
{
	if (!LINUX_HAS_BPF_COOKIE) {
		long ip = PT_REGS_IP(ctx);
		int *id = bpf_map_lookup_elem(&__bpf_usdt_ip_to_spec_id, &ip);

		return id ? *id : -___BPF_USDT_ESRCH;
	}
	return bpf_get_attach_cookie(ctx);
}

/*
 * What clang makes of the functions below is held against libbpf's instruction by instruction, so the steps that they share
 * are macros, which return from the function that they stand in and leave its variables to it.
 */

/* Sets `spec` to the probe site; returns `none` if the loader did not attach the program. */
#define ___bpf_usdt_find_spec(ctx, id, spec, none)                                                                     \
	do {                                                                                                           \
		id = __bpf_usdt_spec_id(ctx);                                                                          \
		if (id < 0)                                                                                            \
			return none;                                                                                   \
		spec = bpf_map_lookup_elem(&__bpf_usdt_specs, &id);                                                    \
		if (!spec)                                                                                             \
			return none;                                                                                   \
	} while (0)

/* Sets `arg` to where the argument is, too. The verifier has to see the first bound, which the second makes redundant. */
#define ___bpf_usdt_find_arg(ctx, arg_num, id, spec, arg)                                                              \
	do {                                                                                                           \
		___bpf_usdt_find_spec(ctx, id, spec, -___BPF_USDT_ESRCH);                                              \
		if (arg_num >= BPF_USDT_MAX_ARG_CNT)                                                                   \
			return -___BPF_USDT_ENOENT;                                                                    \
		barrier_var(arg_num);                                                                                  \
		if (arg_num >= (__u64)spec->arg_cnt)                                                                   \
			return -___BPF_USDT_ENOENT;                                                                    \
		arg = &spec->args[arg_num];                                                                            \
	} while (0)

/* Reads a register that was saved `off` bytes into the context. */
#define ___bpf_usdt_read_reg(ctx, off, val)                                                                            \
	do {                                                                                                           \
		err = bpf_probe_read_kernel(&val, sizeof(val), (void *)ctx + (off));                                   \
		if (err)                                                                                               \
			return err;                                                                                    \
	} while (0)

/* Reads eight bytes of user memory. */
#define ___bpf_usdt_read_mem(addr, val)                                                                                \
	do {                                                                                                           \
		err = bpf_probe_read_user(&val, sizeof(val), (void *)(addr));                                          \
		if (err)                                                                                               \
			return err;                                                                                    \
	} while (0)

/* Moves the argument's bytes to the low ones of eight that were read from memory. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ___bpf_usdt_low_bytes(arg, val) (val >>= arg->arg_bitshift)
#else
#define ___bpf_usdt_low_bytes(arg, val) ((void)0)
#endif

/* How many arguments the probe has, or a negative error. */
__weak __hidden int bpf_usdt_arg_cnt(struct pt_regs *ctx)
{
	struct __bpf_usdt_spec *spec;
	int id;

	___bpf_usdt_find_spec(ctx, id, spec, -___BPF_USDT_ESRCH);
	return spec->arg_cnt;
}

/* The argument's size in bytes (numbered from 0), or a negative error. */
static __always_inline int bpf_usdt_arg_size(struct pt_regs *ctx, __u64 arg_num)
{
	struct __bpf_usdt_arg_spec *arg;
	struct __bpf_usdt_spec *spec;
	int id;

	___bpf_usdt_find_arg(ctx, arg_num, id, spec, arg);
	return (unsigned int)(64 - arg->arg_bitshift) / 8;
}

/* Sets *res to the argument (numbered from 0); 0, or a negative error and *res is 0. */
__weak __hidden int bpf_usdt_arg(struct pt_regs *ctx, __u64 arg_num, long *res)
{
	struct __bpf_usdt_arg_spec *arg;
	struct __bpf_usdt_spec *spec;
	unsigned long val, index;
	int err, id;

	*res = 0;
	___bpf_usdt_find_arg(ctx, arg_num, id, spec, arg);

	switch (arg->arg_type) {
	case BPF_USDT_ARG_CONST:
		val = arg->val_off;
		break;
	case BPF_USDT_ARG_REG:
		___bpf_usdt_read_reg(ctx, arg->reg_off, val);
		break;
	case BPF_USDT_ARG_REG_DEREF:
		___bpf_usdt_read_reg(ctx, arg->reg_off, val);
		___bpf_usdt_read_mem((void *)val + arg->val_off, val);
		___bpf_usdt_low_bytes(arg, val);
		break;
	case BPF_USDT_ARG_SIB:
		___bpf_usdt_read_reg(ctx, arg->reg_off, val);
		___bpf_usdt_read_reg(ctx, arg->idx_reg_off, index);
		___bpf_usdt_read_mem(val + (index << arg->scale_bitshift) + arg->val_off, val);
		___bpf_usdt_low_bytes(arg, val);
		break;
	default:
		return -___BPF_USDT_EINVAL;
	}

	val <<= arg->arg_bitshift;
	if (arg->arg_signed)
		val = ((long)val) >> arg->arg_bitshift;
	else
		val = val >> arg->arg_bitshift;
	*res = val;
	return 0;
}

/* The number given when the program was attached. bpf_get_attach_cookie() is taken: it finds the probe site. */
__weak __hidden long bpf_usdt_cookie(struct pt_regs *ctx)
{
	struct __bpf_usdt_spec *spec;
	int id;

	___bpf_usdt_find_spec(ctx, id, spec, 0);
	return spec->usdt_cookie;
}

/* ---- SEC("usdt") int BPF_USDT(on_request, int id, const char *path) { … }: up to twelve parameters, and ctx ---- */

#define ___bpf_usdt_value(n) ({ long ___x; bpf_usdt_arg(ctx, n, &___x); ___x; })
#define ___bpf_usdt_args0(...) ctx
#define ___bpf_usdt_args1(...) ___bpf_usdt_args0(), ___bpf_usdt_value(0)
#define ___bpf_usdt_args2(...) ___bpf_usdt_args1(), ___bpf_usdt_value(1)
#define ___bpf_usdt_args3(...) ___bpf_usdt_args2(), ___bpf_usdt_value(2)
#define ___bpf_usdt_args4(...) ___bpf_usdt_args3(), ___bpf_usdt_value(3)
#define ___bpf_usdt_args5(...) ___bpf_usdt_args4(), ___bpf_usdt_value(4)
#define ___bpf_usdt_args6(...) ___bpf_usdt_args5(), ___bpf_usdt_value(5)
#define ___bpf_usdt_args7(...) ___bpf_usdt_args6(), ___bpf_usdt_value(6)
#define ___bpf_usdt_args8(...) ___bpf_usdt_args7(), ___bpf_usdt_value(7)
#define ___bpf_usdt_args9(...) ___bpf_usdt_args8(), ___bpf_usdt_value(8)
#define ___bpf_usdt_args10(...) ___bpf_usdt_args9(), ___bpf_usdt_value(9)
#define ___bpf_usdt_args11(...) ___bpf_usdt_args10(), ___bpf_usdt_value(10)
#define ___bpf_usdt_args12(...) ___bpf_usdt_args11(), ___bpf_usdt_value(11)
#define ___bpf_usdt_args(args...) ___bpf_apply(___bpf_usdt_args, ___bpf_narg(args))(args)
#define BPF_USDT(name, args...)                                                                                        \
	___bpf_program(name, struct pt_regs *ctx, ____##name, (struct pt_regs *___bpf_ctx, ##args),                    \
		       (___bpf_usdt_args(args)))

#endif
