/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Arenas (BPF_MAP_TYPE_ARENA, kernel 6.9): memory that programs and the application share at one address.
 *
 * Names and meanings are those of the header of this name in the kernel's selftests; the text is this project's own.
 * Include vmlinux.h and bpf_helpers.h before it.
 *
 *	struct node __arena *node;            a pointer into the arena
 *	int __arena_global count;             a variable in it; skel.arena.count in the application
 *	cast_kern(node); node->value = 1;     before a pointer is followed
 *	cast_user(node); list = node;         before it is stored for others
 *
 * clang 19 and later cast by themselves. With older ones the two casts do it, and must not be left out.
 */
#ifndef __BPF_ARENA_COMMON_H__
#define __BPF_ARENA_COMMON_H__

#ifndef PAGE_SIZE
#define PAGE_SIZE __PAGE_SIZE
/* As long as a program is compiled for: arm64 kernels with larger pages want their own. */
#ifndef __PAGE_SIZE
#define __PAGE_SIZE 4096
#endif
#endif

/* The node of an allocation that may come from any. */
#ifndef NUMA_NO_NODE
#define NUMA_NO_NODE (-1)
#endif

#ifndef arena_container_of
#define arena_container_of(ptr, type, member)                                                                          \
	((type __arena *)((void __arena *)(ptr) - offsetof(type, member)))
#endif

#if defined(__BPF_FEATURE_ADDR_SPACE_CAST) && !defined(BPF_ARENA_FORCE_ASM)

#define __arena __attribute__((address_space(1)))
#define __arena_global __attribute__((address_space(1)))
#define cast_kern(ptr) /* clang does */
#define cast_user(ptr) /* clang does */

#else

#define __arena
#define __arena_global SEC(".addr_space.1")
#define cast_kern(ptr) bpf_addr_space_cast(ptr, 0, 1)
#define cast_user(ptr) bpf_addr_space_cast(ptr, 1, 0)

#endif

/*
 * The instruction that takes a pointer from one address space to another: a move (0xbf) with an offset of 1. Older assemblers
 * do not know it, so it is written as bytes; the register's number, twice, is found by comparing its name.
 */
#ifndef bpf_addr_space_cast
#define ___bpf_cast_of(number)                                                                                         \
	".ifc %[reg], r" #number "\n\t.byte 0xbf, " #number " * 17\n\t.endif\n\t"
#define bpf_addr_space_cast(var, dst_as, src_as)                                                                       \
	asm volatile(___bpf_cast_of(0) ___bpf_cast_of(1) ___bpf_cast_of(2) ___bpf_cast_of(3) ___bpf_cast_of(4)         \
		     ___bpf_cast_of(5) ___bpf_cast_of(6) ___bpf_cast_of(7) ___bpf_cast_of(8) ___bpf_cast_of(9)         \
		     ".short 1\n\t.long %[spaces]"                                                                     \
		     : [reg] "+r"(var)                                                                                 \
		     : [spaces] "i"((dst_as) << 16 | (src_as)))
#endif

/*
 * Pages of the arena `map`, `page_cnt` of them in a row, at `addr` or anywhere (NULL); NULL if there are none left. Pages that
 * are reserved (6.17) are given out at their `ptr` only. Newer kernels' vmlinux.h declares them, too, and in the same way.
 */
void __arena *bpf_arena_alloc_pages(void *map, void __arena *addr, __u32 page_cnt, int node_id, __u64 flags) __ksym __weak;
void bpf_arena_free_pages(void *map, void __arena *ptr, __u32 page_cnt) __ksym __weak;
int bpf_arena_reserve_pages(void *map, void __arena *ptr, __u32 page_cnt) __ksym __weak;

/* `arena_alloc(&arena, 2)`: two pages. The program uses the map by that, as it must to cast pointers. */
#define arena_alloc(map, pages) bpf_arena_alloc_pages((map), NULL, (pages), NUMA_NO_NODE, 0)
#define arena_free(map, ptr, pages) bpf_arena_free_pages((map), (ptr), (pages))

#endif /* __BPF_ARENA_COMMON_H__ */
