/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a BPF program in C starts from: sections, map declarations, attributes, printing, loops.
 *
 * Names and meanings are those of libbpf's header of this name, so that sources written for it compile unchanged; the
 * text is this project's own. It is written for clang. Include vmlinux.h (or <linux/bpf.h>) before it: the helper
 * declarations use the types of the kernel.
 */
#ifndef __BPF_HELPERS__
#define __BPF_HELPERS__

#include "bpf_helper_defs.h"

/* ---- Counting and joining macro arguments ---- */

#ifndef ___bpf_concat
#define ___bpf_concat(a, b) a ## b
#endif
/* Makes the name of the variant of `fn` for `n` arguments, after `n` was computed. */
#ifndef ___bpf_apply
#define ___bpf_apply(fn, n) ___bpf_concat(fn, n)
#endif
/* Its fourteenth argument. */
#ifndef ___bpf_nth
#define ___bpf_nth(_0, _1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, nth, ...) nth
#endif
/* How many arguments it has: 0 to 12. */
#ifndef ___bpf_narg
#define ___bpf_narg(...) ___bpf_nth(_, ##__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#endif

/* ---- Sections and linkage ---- */

/*
 * SEC("fentry/vfs_unlink") puts a program, map, license or global where the loader looks for it. The pragma lets it
 * stand on an extern declaration too, where `used` has no meaning and would be warned about.
 */
#define SEC(name)                                                                                                      \
	_Pragma("GCC diagnostic push")                                                                                 \
	_Pragma("GCC diagnostic ignored \"-Wignored-attributes\"")                                                     \
	__attribute__((section(name), used))                                                                           \
	_Pragma("GCC diagnostic pop")

/* System headers may have defined it without `inline`, which would leave a call behind. */
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif
#ifndef __weak
#define __weak __attribute__((weak))
#endif
/* A function visible to other files of the program, verified like a static one: with what its callers know. */
#define __hidden __attribute__((visibility("hidden")))

/* An extern that the loader fills in: from the kernel's configuration, or with what a kernel symbol is. */
#define __kconfig __attribute__((section(".kconfig")))
#define __ksym __attribute__((section(".ksyms")))

/* Whether the running kernel has `sym`, declared `extern … __ksym __weak`. */
#define bpf_ksym_exists(sym)                                                                                           \
	({                                                                                                             \
		_Static_assert(!__builtin_constant_p(!!sym), #sym " must be declared __weak");                         \
		!!sym;                                                                                                 \
	})

/* ---- Maps ---- */

/*
 * struct {
 *         __uint(type, BPF_MAP_TYPE_HASH);
 *         __uint(max_entries, 1024);
 *         __type(key, __u32);
 *         __type(value, struct counts);
 * } counts SEC(".maps");
 *
 * Numbers travel in BTF: __uint as the length of an array that is never made, __ulong (64 bits) as an enumerator.
 * __array declares the elements of a map of maps or of programs.
 */
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
#define __array(name, val) typeof(val) *name[]
#define __ulong(name, val) enum { ___bpf_apply(__unique_value, __COUNTER__) = val } name

/*
 * BPF_EXPORT_TYPE(struct event);
 * Puts a type into the skeleton that no map and no global variable mentions, with all that it contains: a struct, union,
 * enum or typedef. It takes no memory in the kernel, because loaders leave its section alone (libbpf's too, whose header
 * does not have it: there, a `const struct event *unused;` that is not static does the same).
 */
#define BPF_EXPORT_TYPE(type)                                                                                          \
	static typeof(type) *___bpf_apply(___bpf_exported, __COUNTER__) SEC(".export")

/* The value of __uint(pinning, …). */
enum libbpf_pin_type {
	LIBBPF_PIN_NONE = 0,
	LIBBPF_PIN_BY_NAME = 1, /* Under its own name in the loader's directory, /sys/fs/bpf unless set otherwise. */
};

/* The value of an `extern enum libbpf_tristate CONFIG_… __kconfig`. */
enum libbpf_tristate {
	TRI_NO = 0,
	TRI_YES = 1,
	TRI_MODULE = 2,
};

/* ---- What the verifier should know about a type or an argument ---- */

/* Pointers kept in map values. */
#define __kptr __attribute__((btf_type_tag("kptr")))
#define __kptr_untrusted __attribute__((btf_type_tag("kptr_untrusted")))
#define __percpu_kptr __attribute__((btf_type_tag("percpu_kptr")))
#define __uptr __attribute__((btf_type_tag("uptr")))

/* Parameters of global functions, which are verified on their own. */
#define __arg_ctx __attribute__((btf_decl_tag("arg:ctx")))
#define __arg_nonnull __attribute__((btf_decl_tag("arg:nonnull")))
#define __arg_nullable __attribute__((btf_decl_tag("arg:nullable")))
#define __arg_trusted __attribute__((btf_decl_tag("arg:trusted")))
#define __arg_untrusted __attribute__((btf_decl_tag("arg:untrusted")))
#define __arg_arena __attribute__((btf_decl_tag("arg:arena")))

/* ---- Plain C that vmlinux.h cannot carry ---- */

#ifndef NULL
#define NULL ((void *)0)
#endif

/* Compare with `extern int LINUX_KERNEL_VERSION __kconfig`. */
#ifndef KERNEL_VERSION
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))
#endif

#ifndef likely
#define likely(x) (__builtin_expect(!!(x), 1))
#endif
#ifndef unlikely
#define unlikely(x) (__builtin_expect(!!(x), 0))
#endif

/* By the address of a member rather than by a builtin: only this way clang records a CO-RE relocation. */
#undef offsetof
#define offsetof(type, member) ((unsigned long)&((type *)0)->member)

#undef container_of
#define container_of(ptr, type, member)                                                                                \
	({                                                                                                             \
		void *___member = (void *)(ptr);                                                                       \
		((type *)(___member - offsetof(type, member)));                                                        \
	})

/* ---- Holding the compiler back ---- */

/* Memory may have changed. */
#ifndef barrier
#define barrier() asm volatile("" ::: "memory")
#endif

/* `var` may have changed: a check made before stays before, and what was known about its range is forgotten. */
#ifndef barrier_var
#define barrier_var(var) asm volatile("" : "+r"(var))
#endif

/* A branch that must have been optimised away: the BPF backend refuses to emit it. */
#ifndef __bpf_unreachable
#define __bpf_unreachable() __builtin_trap()
#endif

/*
 * bpf_tail_call() with a constant slot. The registers are set right at the call, so that no optimisation can merge it
 * with another one and the kernel's JIT can turn it into a direct jump.
 */
#if defined(__bpf__)
static __always_inline void bpf_tail_call_static(void *ctx, const void *map, const __u32 slot)
{
	if (!__builtin_constant_p(slot))
		__bpf_unreachable();

	asm volatile("r1 = %[ctx]\n\t"
		     "r2 = %[map]\n\t"
		     "r3 = %[slot]\n\t"
		     "call 12" /* bpf_tail_call */
		     :
		     : [ctx] "r"(ctx), [map] "r"(map), [slot] "i"(slot)
		     : "r0", "r1", "r2", "r3", "r4", "r5"); /* What every call clobbers. */
}
#endif

/* ---- Printing ---- */

/* ___bpf_fill(array, a, b, …) stores up to twelve values into the array. */
#define ___bpf_fill0(arr, at, x) do {} while (0)
#define ___bpf_fill1(arr, at, x) arr[at] = x
#define ___bpf_fill2(arr, at, x, ...) arr[at] = x; ___bpf_fill1(arr, at + 1, __VA_ARGS__)
#define ___bpf_fill3(arr, at, x, ...) arr[at] = x; ___bpf_fill2(arr, at + 1, __VA_ARGS__)
#define ___bpf_fill4(arr, at, x, ...) arr[at] = x; ___bpf_fill3(arr, at + 1, __VA_ARGS__)
#define ___bpf_fill5(arr, at, x, ...) arr[at] = x; ___bpf_fill4(arr, at + 1, __VA_ARGS__)
#define ___bpf_fill6(arr, at, x, ...) arr[at] = x; ___bpf_fill5(arr, at + 1, __VA_ARGS__)
#define ___bpf_fill7(arr, at, x, ...) arr[at] = x; ___bpf_fill6(arr, at + 1, __VA_ARGS__)
#define ___bpf_fill8(arr, at, x, ...) arr[at] = x; ___bpf_fill7(arr, at + 1, __VA_ARGS__)
#define ___bpf_fill9(arr, at, x, ...) arr[at] = x; ___bpf_fill8(arr, at + 1, __VA_ARGS__)
#define ___bpf_fill10(arr, at, x, ...) arr[at] = x; ___bpf_fill9(arr, at + 1, __VA_ARGS__)
#define ___bpf_fill11(arr, at, x, ...) arr[at] = x; ___bpf_fill10(arr, at + 1, __VA_ARGS__)
#define ___bpf_fill12(arr, at, x, ...) arr[at] = x; ___bpf_fill11(arr, at + 1, __VA_ARGS__)
#define ___bpf_fill(arr, args...) ___bpf_apply(___bpf_fill, ___bpf_narg(args))(arr, 0, args)

/* Declares ___fmt and ___param, the form in which the helpers take a format and any number of arguments. */
#define ___bpf_format(fmt, args...)                                                                                    \
	static const char ___fmt[] = fmt;                                                                              \
	unsigned long long ___param[___bpf_narg(args)];                                                                \
	_Pragma("GCC diagnostic push")                                                                                 \
	_Pragma("GCC diagnostic ignored \"-Wint-conversion\"")                                                         \
	___bpf_fill(___param, args);                                                                                   \
	_Pragma("GCC diagnostic pop")

/* Into the file of an iterator: BPF_SEQ_PRINTF(ctx->meta->seq, "%d\n", task->pid). */
#define BPF_SEQ_PRINTF(seq, fmt, args...)                                                                              \
	({                                                                                                             \
		___bpf_format(fmt, args)                                                                               \
		bpf_seq_printf(seq, ___fmt, sizeof(___fmt), ___param, sizeof(___param));                               \
	})

/* Into a buffer; the value is the length with the terminating zero, or negative. */
#define BPF_SNPRINTF(out, out_size, fmt, args...)                                                                      \
	({                                                                                                             \
		___bpf_format(fmt, args)                                                                               \
		bpf_snprintf(out, out_size, ___fmt, ___param, sizeof(___param));                                       \
	})

/* Into the program's own standard output (1) or error (2), by the kfunc bpf_stream_vprintk, which vmlinux.h declares. */
#define bpf_stream_printk(stream_id, fmt, args...)                                                                     \
	({                                                                                                             \
		___bpf_format(fmt, args)                                                                               \
		bpf_stream_vprintk(stream_id, ___fmt, ___param, sizeof(___param));                                     \
	})

/* Into trace_pipe, up to three arguments. Without global data (before 5.2) the format goes on the stack. */
#ifdef BPF_NO_GLOBAL_DATA
#define BPF_PRINTK_FMT_MOD
#else
#define BPF_PRINTK_FMT_MOD static const
#endif
#define __bpf_printk(fmt, ...)                                                                                         \
	({                                                                                                             \
		BPF_PRINTK_FMT_MOD char ____fmt[] = fmt;                                                               \
		bpf_trace_printk(____fmt, sizeof(____fmt), ##__VA_ARGS__);                                             \
	})

/* Into trace_pipe, up to twelve arguments; a helper since 5.16. */
#define __bpf_vprintk(fmt, args...)                                                                                    \
	({                                                                                                             \
		___bpf_format(fmt, args)                                                                               \
		bpf_trace_vprintk(___fmt, sizeof(___fmt), ___param, sizeof(___param));                                 \
	})

/* bpf_printk("pid %d", pid): read it with `cat /sys/kernel/tracing/trace_pipe`. The older helper where it will do. */
#define ___bpf_pick_printk(...)                                                                                        \
	___bpf_nth(_, ##__VA_ARGS__, __bpf_vprintk, __bpf_vprintk, __bpf_vprintk, __bpf_vprintk, __bpf_vprintk,        \
		   __bpf_vprintk, __bpf_vprintk, __bpf_vprintk, __bpf_vprintk, __bpf_printk, __bpf_printk,             \
		   __bpf_printk, __bpf_printk)
#define bpf_printk(fmt, args...) ___bpf_pick_printk(args)(fmt, ##args)

/* ---- Loops the verifier need not unroll: open-coded iterators, from 6.4 on ---- */

struct bpf_iter_num;

extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __weak __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __weak __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __weak __ksym;

/*
 * The first clause of a `for`: an iterator that is destroyed when the loop is left in whatever way, and a pointer that
 * exists only so that its initialiser calls _new once. _destroy is named there because clang leaves a function that is
 * only in a cleanup attribute out of BTF.
 */
#define ___bpf_iter(iter, args...)                                                                                     \
	struct iter ___it __attribute__((aligned(8), cleanup(iter##_destroy))), *___p __attribute__((unused)) =        \
		(iter##_new(&___it, ##args), (void)iter##_destroy, (void *)0)

/*
 * bpf_for_each(task, t, NULL, BPF_TASK_ITER_ALL_PROCS) { … }
 * Any kind of iterator of the kernel; `cur` is set to the pointer that its _next returns. break and continue work.
 */
#ifndef bpf_for_each
#define bpf_for_each(type, cur, args...)                                                                               \
	for (___bpf_iter(bpf_iter_##type, ##args); ((cur) = bpf_iter_##type##_next(&___it));)
#endif

/*
 * bpf_for(i, 0, n) { … }
 * i from `start` up to and without `end`, and the verifier knows that range. The bounds are evaluated in every round.
 */
#ifndef bpf_for
#define bpf_for(i, start, end)                                                                                         \
	for (___bpf_iter(bpf_iter_num, (start), (end)); ({                                                             \
		     int *___next = bpf_iter_num_next(&___it);                                                         \
		     (___next && ((i) = *___next, (i) >= (start) && (i) < (end)));                                     \
	     });)
#endif

/* bpf_repeat(n) { … }: n rounds. */
#ifndef bpf_repeat
#define bpf_repeat(N) for (___bpf_iter(bpf_iter_num, 0, (N)); bpf_iter_num_next(&___it);)
#endif

#endif
