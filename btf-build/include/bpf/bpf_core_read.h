/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Reading kernel structures whose layout is settled when the program is loaded (CO-RE), and asking about them.
 *
 * Names and meanings are those of libbpf's header of this name; the text is this project's own, written for clang,
 * whose builtins leave the relocations behind. Programs that may follow kernel pointers directly (fentry, tp_btf, iter)
 * need the queries but hardly the reads.
 */
#ifndef __BPF_CORE_READ_H__
#define __BPF_CORE_READ_H__

#include "bpf_helpers.h"

/* ---- What the builtins can be asked: their second argument ---- */

/* __builtin_preserve_field_info */
enum bpf_field_info_kind {
	BPF_FIELD_BYTE_OFFSET = 0,
	BPF_FIELD_BYTE_SIZE = 1,
	BPF_FIELD_EXISTS = 2,
	BPF_FIELD_SIGNED = 3,
	BPF_FIELD_LSHIFT_U64 = 4,
	BPF_FIELD_RSHIFT_U64 = 5,
};

/* __builtin_btf_type_id */
enum bpf_type_id_kind {
	BPF_TYPE_ID_LOCAL = 0,
	BPF_TYPE_ID_TARGET = 1,
};

/* __builtin_preserve_type_info */
enum bpf_type_info_kind {
	BPF_TYPE_EXISTS = 0,
	BPF_TYPE_SIZE = 1,
	BPF_TYPE_MATCHES = 2,
};

/* __builtin_preserve_enum_value */
enum bpf_enum_value_kind {
	BPF_ENUMVAL_EXISTS = 0,
	BPF_ENUMVAL_VALUE = 1,
};

/* ---- Fields ---- */

/* A field is given as an expression, (task->mm), or as a type and a path in it, (struct task_struct, mm). */
#define ___bpf_typeof(type) ((typeof(type) *)0)
#define ___bpf_field_ref1(field) (field)
#define ___bpf_field_ref2(type, field) (___bpf_typeof(type)->field)
#define ___bpf_field_ref(args...) ___bpf_apply(___bpf_field_ref, ___bpf_narg(args))(args)

/* Whether the kernel has it: 1 or 0. A branch on it is dead code where it is 0, so what is in it may use the field. */
#define bpf_core_field_exists(field...) __builtin_preserve_field_info(___bpf_field_ref(field), BPF_FIELD_EXISTS)
/* Its size in bytes in the kernel. */
#define bpf_core_field_size(field...) __builtin_preserve_field_info(___bpf_field_ref(field), BPF_FIELD_BYTE_SIZE)
/* Its offset in bytes in the kernel. */
#define bpf_core_field_offset(field...) __builtin_preserve_field_info(___bpf_field_ref(field), BPF_FIELD_BYTE_OFFSET)

/* ---- Types ---- */

/* The type's id in the program's own BTF. */
#define bpf_core_type_id_local(type) __builtin_btf_type_id(*___bpf_typeof(type), BPF_TYPE_ID_LOCAL)
/* The id of the kernel's type of that name and kind; 0 if there is none. */
#define bpf_core_type_id_kernel(type) __builtin_btf_type_id(*___bpf_typeof(type), BPF_TYPE_ID_TARGET)
/* Whether the kernel has a struct, union, enum or typedef of that name. */
#define bpf_core_type_exists(type) __builtin_preserve_type_info(*___bpf_typeof(type), BPF_TYPE_EXISTS)
/* Whether it also has all that the program's declaration has, with matching types. */
#define bpf_core_type_matches(type) __builtin_preserve_type_info(*___bpf_typeof(type), BPF_TYPE_MATCHES)
/* Its size in bytes in the kernel; 0 if there is none. */
#define bpf_core_type_size(type) __builtin_preserve_type_info(*___bpf_typeof(type), BPF_TYPE_SIZE)

/* ---- Enumerators ---- */

/* Whether the kernel's enum has an enumerator of that name. */
#define bpf_core_enum_value_exists(enum_type, enum_value)                                                              \
	__builtin_preserve_enum_value(*(typeof(enum_type) *)enum_value, BPF_ENUMVAL_EXISTS)
/* Its value in the kernel, 64 bits; 0 if there is none. */
#define bpf_core_enum_value(enum_type, enum_value)                                                                     \
	__builtin_preserve_enum_value(*(typeof(enum_type) *)enum_value, BPF_ENUMVAL_VALUE)

/* ---- Reading through a helper: `src` is the address of a field, &task->mm ---- */

/*
 * 0 or a negative error; of strings, the length. The _user forms read kernel types (those of system calls) out of the
 * memory of the process: types of the program's own making are not in the kernel's BTF and need the BPF_PROBE_ forms.
 */
#define bpf_core_read(dst, sz, src) bpf_probe_read_kernel(dst, sz, (const void *)__builtin_preserve_access_index(src))
#define bpf_core_read_user(dst, sz, src)                                                                               \
	bpf_probe_read_user(dst, sz, (const void *)__builtin_preserve_access_index(src))
#define bpf_core_read_str(dst, sz, src)                                                                                \
	bpf_probe_read_kernel_str(dst, sz, (const void *)__builtin_preserve_access_index(src))
#define bpf_core_read_user_str(dst, sz, src)                                                                           \
	bpf_probe_read_user_str(dst, sz, (const void *)__builtin_preserve_access_index(src))

/* ---- Casts the verifier believes ---- */

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

/* `ptr` as a pointer to a kernel type whose fields can then be read directly; from 6.2 on. */
#define bpf_core_cast(ptr, type) ((typeof(type) *)bpf_rdonly_cast((ptr), bpf_core_type_id_kernel(type)))

/* ---- Counting and joining macro arguments ---- */

#define ___concat(a, b) a ## b
#define ___apply(fn, n) ___concat(fn, n)
#define ___nth(_0, _1, _2, _3, _4, _5, _6, _7, _8, _9, _10, nth, ...) nth
/* How many arguments it has: 0 to 10. */
#define ___narg(...) ___nth(_, ##__VA_ARGS__, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
/* 0 if it has none, N otherwise. */
#define ___empty(...) ___nth(_, ##__VA_ARGS__, N, N, N, N, N, N, N, N, N, N, 0)

/* ---- Following pointers: macros ---- */

/* ___arrow(a, b.c, d) is a->b.c->d. */
#define ___arrow1(path) path
#define ___arrow2(path, f) path->f
#define ___arrow3(path, f, ...) ___arrow2(path->f, __VA_ARGS__)
#define ___arrow4(path, f, ...) ___arrow3(path->f, __VA_ARGS__)
#define ___arrow5(path, f, ...) ___arrow4(path->f, __VA_ARGS__)
#define ___arrow6(path, f, ...) ___arrow5(path->f, __VA_ARGS__)
#define ___arrow7(path, f, ...) ___arrow6(path->f, __VA_ARGS__)
#define ___arrow8(path, f, ...) ___arrow7(path->f, __VA_ARGS__)
#define ___arrow9(path, f, ...) ___arrow8(path->f, __VA_ARGS__)
#define ___arrow10(path, f, ...) ___arrow9(path->f, __VA_ARGS__)
#define ___arrow(...) ___apply(___arrow, ___narg(__VA_ARGS__))(__VA_ARGS__)

/* The type of a pointer path. Without its qualifiers where clang can take them off: a variable of it is written to. */
#if __clang_major__ >= 19
#define ___plain_typeof(path) __typeof_unqual__(path)
#else
#define ___plain_typeof(path) typeof(path)
#endif
#define ___type(...) ___plain_typeof(___arrow(__VA_ARGS__))

/* One read: `field` of what `from` points to, into *dst. `path` is that pointer as C spells it, for its type. */
#define ___core_step(fn, dst, path, from, field)                                                                       \
	fn((void *)(dst), sizeof(*(dst)), &((___plain_typeof(path))(from))->field);

/* A chain of them: pointers on the way go through __t, read with `fn_ptr`; the last field is read with `fn`. */
#define ___core_walk1(fn, fn_ptr, dst, path, from, f) ___core_step(fn, dst, path, from, f)
#define ___core_walk2(fn, fn_ptr, dst, path, from, f, ...)                                                             \
	___core_step(fn_ptr, &__t, path, from, f) ___core_walk1(fn, fn_ptr, dst, path->f, __t, __VA_ARGS__)
#define ___core_walk3(fn, fn_ptr, dst, path, from, f, ...)                                                             \
	___core_step(fn_ptr, &__t, path, from, f) ___core_walk2(fn, fn_ptr, dst, path->f, __t, __VA_ARGS__)
#define ___core_walk4(fn, fn_ptr, dst, path, from, f, ...)                                                             \
	___core_step(fn_ptr, &__t, path, from, f) ___core_walk3(fn, fn_ptr, dst, path->f, __t, __VA_ARGS__)
#define ___core_walk5(fn, fn_ptr, dst, path, from, f, ...)                                                             \
	___core_step(fn_ptr, &__t, path, from, f) ___core_walk4(fn, fn_ptr, dst, path->f, __t, __VA_ARGS__)
#define ___core_walk6(fn, fn_ptr, dst, path, from, f, ...)                                                             \
	___core_step(fn_ptr, &__t, path, from, f) ___core_walk5(fn, fn_ptr, dst, path->f, __t, __VA_ARGS__)
#define ___core_walk7(fn, fn_ptr, dst, path, from, f, ...)                                                             \
	___core_step(fn_ptr, &__t, path, from, f) ___core_walk6(fn, fn_ptr, dst, path->f, __t, __VA_ARGS__)
#define ___core_walk8(fn, fn_ptr, dst, path, from, f, ...)                                                             \
	___core_step(fn_ptr, &__t, path, from, f) ___core_walk7(fn, fn_ptr, dst, path->f, __t, __VA_ARGS__)
#define ___core_walk9(fn, fn_ptr, dst, path, from, f, ...)                                                             \
	___core_step(fn_ptr, &__t, path, from, f) ___core_walk8(fn, fn_ptr, dst, path->f, __t, __VA_ARGS__)

#define ___core_read0(fn, fn_ptr, dst, src, f) ___core_walk1(fn, fn_ptr, dst, src, src, f)
#define ___core_readN(fn, fn_ptr, dst, src, ...)                                                                       \
	const void *__t;                                                                                               \
	___apply(___core_walk, ___narg(__VA_ARGS__))(fn, fn_ptr, dst, src, src, __VA_ARGS__)
#define ___core_read(fn, fn_ptr, dst, src, a, ...)                                                                     \
	___apply(___core_read, ___empty(__VA_ARGS__))(fn, fn_ptr, dst, src, a, ##__VA_ARGS__)

/* ---- Following pointers: into a variable ---- */

/*
 * BPF_CORE_READ_INTO(&inum, task, mm, exe_file, f_inode, i_ino): up to nine fields, each read from what the one before
 * points to; a field may be a path of its own (thread.sp, comm[0]). The value is what the last read returned.
 *
 *   CORE: fields are relocated to the kernel's layout.  PROBE: as the program declares them.
 *   USER: in the memory of the process.                 STR: the last field is a string of at most sizeof(*dst).
 */
#define BPF_CORE_READ_INTO(dst, src, a, ...)                                                                           \
	({ ___core_read(bpf_core_read, bpf_core_read, dst, (src), a, ##__VA_ARGS__) })
#define BPF_CORE_READ_USER_INTO(dst, src, a, ...)                                                                      \
	({ ___core_read(bpf_core_read_user, bpf_core_read_user, dst, (src), a, ##__VA_ARGS__) })
#define BPF_CORE_READ_STR_INTO(dst, src, a, ...)                                                                       \
	({ ___core_read(bpf_core_read_str, bpf_core_read, dst, (src), a, ##__VA_ARGS__) })
#define BPF_CORE_READ_USER_STR_INTO(dst, src, a, ...)                                                                  \
	({ ___core_read(bpf_core_read_user_str, bpf_core_read_user, dst, (src), a, ##__VA_ARGS__) })
#define BPF_PROBE_READ_INTO(dst, src, a, ...)                                                                          \
	({ ___core_read(bpf_probe_read_kernel, bpf_probe_read_kernel, dst, (src), a, ##__VA_ARGS__) })
#define BPF_PROBE_READ_USER_INTO(dst, src, a, ...)                                                                     \
	({ ___core_read(bpf_probe_read_user, bpf_probe_read_user, dst, (src), a, ##__VA_ARGS__) })
#define BPF_PROBE_READ_STR_INTO(dst, src, a, ...)                                                                      \
	({ ___core_read(bpf_probe_read_kernel_str, bpf_probe_read_kernel, dst, (src), a, ##__VA_ARGS__) })
#define BPF_PROBE_READ_USER_STR_INTO(dst, src, a, ...)                                                                 \
	({ ___core_read(bpf_probe_read_user_str, bpf_probe_read_user, dst, (src), a, ##__VA_ARGS__) })

/* ---- Following pointers: as an expression ---- */

/* BPF_CORE_READ(task, mm, exe_file, f_inode, i_ino): the value; zero if a read failed on the way. */
#define BPF_CORE_READ(src, a, ...)                                                                                     \
	({                                                                                                             \
		___type((src), a, ##__VA_ARGS__) __r;                                                                  \
		BPF_CORE_READ_INTO(&__r, (src), a, ##__VA_ARGS__);                                                     \
		__r;                                                                                                   \
	})
#define BPF_CORE_READ_USER(src, a, ...)                                                                                \
	({                                                                                                             \
		___type((src), a, ##__VA_ARGS__) __r;                                                                  \
		BPF_CORE_READ_USER_INTO(&__r, (src), a, ##__VA_ARGS__);                                                \
		__r;                                                                                                   \
	})
#define BPF_PROBE_READ(src, a, ...)                                                                                    \
	({                                                                                                             \
		___type((src), a, ##__VA_ARGS__) __r;                                                                  \
		BPF_PROBE_READ_INTO(&__r, (src), a, ##__VA_ARGS__);                                                    \
		__r;                                                                                                   \
	})
#define BPF_PROBE_READ_USER(src, a, ...)                                                                               \
	({                                                                                                             \
		___type((src), a, ##__VA_ARGS__) __r;                                                                  \
		BPF_PROBE_READ_USER_INTO(&__r, (src), a, ##__VA_ARGS__);                                               \
		__r;                                                                                                   \
	})

/* ---- Bit fields: s->field as an unsigned 64-bit number, sign-extended if the field is signed ---- */

#define __CORE_RELO(src, field, info) __builtin_preserve_field_info((src)->field, BPF_FIELD_##info)

/* Leaves of a storage unit, loaded into the low bytes of `val`, the field alone. */
#define ___core_bits(val, s, field)                                                                                    \
	val <<= __CORE_RELO(s, field, LSHIFT_U64);                                                                     \
	if (__CORE_RELO(s, field, SIGNED))                                                                             \
		val = ((long long)val) >> __CORE_RELO(s, field, RSHIFT_U64);                                           \
	else                                                                                                           \
		val = val >> __CORE_RELO(s, field, RSHIFT_U64);

/* Where in an eight-byte variable a storage unit has to be read to, so that it ends up in the low bytes. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ___core_low_bytes(dst, s, field) ((void *)(dst))
#else
#define ___core_low_bytes(dst, s, field) ((void *)(dst) + (8 - __CORE_RELO(s, field, BYTE_SIZE)))
#endif
#define __CORE_BITFIELD_PROBE_READ(dst, s, field)                                                                      \
	bpf_probe_read_kernel(___core_low_bytes(dst, s, field), __CORE_RELO(s, field, BYTE_SIZE),                      \
			      (const void *)(s) + __CORE_RELO(s, field, BYTE_OFFSET))

/* By bpf_probe_read_kernel(), in any program; zero if that failed. */
#define BPF_CORE_READ_BITFIELD_PROBED(s, field)                                                                        \
	({                                                                                                             \
		unsigned long long ___val = 0;                                                                         \
                                                                                                                       \
		__CORE_BITFIELD_PROBE_READ(&___val, s, field);                                                         \
		___core_bits(___val, s, field)                                                                         \
		___val;                                                                                                \
	})

/*
 * By a direct load, where the verifier knows the type of `s`. The offset is added before the barrier, or clang would
 * add it once for each size.
 */
#define BPF_CORE_READ_BITFIELD(s, field)                                                                               \
	({                                                                                                             \
		const void *___unit = (const void *)(s) + __CORE_RELO(s, field, BYTE_OFFSET);                          \
		unsigned long long ___val;                                                                             \
                                                                                                                       \
		barrier_var(___unit);                                                                                  \
		switch (__CORE_RELO(s, field, BYTE_SIZE)) {                                                            \
		case 1: ___val = *(const unsigned char *)___unit; break;                                               \
		case 2: ___val = *(const unsigned short *)___unit; break;                                              \
		case 4: ___val = *(const unsigned int *)___unit; break;                                                \
		case 8: ___val = *(const unsigned long long *)___unit; break;                                          \
		default: ___val = 0; break;                                                                            \
		}                                                                                                      \
		___core_bits(___val, s, field)                                                                         \
		___val;                                                                                                \
	})

/* Sets s->field to `new_val` by a load and a store of its storage unit, leaving its neighbours' bits as they were. */
#define BPF_CORE_WRITE_BITFIELD(s, field, new_val)                                                                     \
	({                                                                                                             \
		void *___unit = (void *)(s) + __CORE_RELO(s, field, BYTE_OFFSET);                                      \
		unsigned int ___size = __CORE_RELO(s, field, BYTE_SIZE);                                               \
		unsigned int ___left = __CORE_RELO(s, field, LSHIFT_U64);                                              \
		unsigned int ___right = __CORE_RELO(s, field, RSHIFT_U64);                                             \
		unsigned long long ___mask, ___val, ___new = new_val;                                                  \
		unsigned int ___pad = ___right - ___left; /* Bits below the field. */                                  \
                                                                                                                       \
		barrier_var(___unit);                                                                                  \
		switch (___size) {                                                                                     \
		case 1: ___val = *(unsigned char *)___unit; break;                                                     \
		case 2: ___val = *(unsigned short *)___unit; break;                                                    \
		case 4: ___val = *(unsigned int *)___unit; break;                                                      \
		case 8: ___val = *(unsigned long long *)___unit; break;                                                \
		}                                                                                                      \
		___mask = (~0ULL << ___right) >> ___left;                                                              \
		___val = (___val & ~___mask) | ((___new << ___pad) & ___mask);                                         \
		switch (___size) {                                                                                     \
		case 1: *(unsigned char *)___unit = ___val; break;                                                     \
		case 2: *(unsigned short *)___unit = ___val; break;                                                    \
		case 4: *(unsigned int *)___unit = ___val; break;                                                      \
		case 8: *(unsigned long long *)___unit = ___val; break;                                                \
		}                                                                                                      \
	})

#endif
