/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Byte order of the network and of the target, with the names of libbpf's header of this name.
 *
 * The order is that of the compilation target (bpfel or bpfeb), which the compiler says itself; headers of the C
 * library speak of the machine that compiles. clang folds its byte swaps of constants, in `case` labels and
 * initialisers too, so the __bpf_constant_ forms are the plain ones.
 */
#ifndef __BPF_ENDIAN__
#define __BPF_ENDIAN__

#define ___bpf_swab16(x) __builtin_bswap16(x)
#define ___bpf_swab32(x) __builtin_bswap32(x)
#define ___bpf_swab64(x) __builtin_bswap64(x)

/* ---- For constants, for variables: the same, under the names that tell them apart ---- */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define __bpf_htons(x) ___bpf_swab16(x)
#define __bpf_ntohs(x) ___bpf_swab16(x)
#define __bpf_htonl(x) ___bpf_swab32(x)
#define __bpf_ntohl(x) ___bpf_swab32(x)
#define __bpf_cpu_to_be64(x) ___bpf_swab64(x)
#define __bpf_be64_to_cpu(x) ___bpf_swab64(x)
#elif __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define __bpf_htons(x) (x)
#define __bpf_ntohs(x) (x)
#define __bpf_htonl(x) (x)
#define __bpf_ntohl(x) (x)
#define __bpf_cpu_to_be64(x) (x)
#define __bpf_be64_to_cpu(x) (x)
#else
#error "No __BYTE_ORDER__ known here: compile with clang and --target=bpfel or --target=bpfeb."
#endif

#define __bpf_constant_htons(x) __bpf_htons(x)
#define __bpf_constant_ntohs(x) __bpf_ntohs(x)
#define __bpf_constant_htonl(x) __bpf_htonl(x)
#define __bpf_constant_ntohl(x) __bpf_ntohl(x)
#define __bpf_constant_cpu_to_be64(x) __bpf_cpu_to_be64(x)
#define __bpf_constant_be64_to_cpu(x) __bpf_be64_to_cpu(x)

/* ---- For both ---- */

/* The question changes no value, but with it clang makes the very instructions that it makes of libbpf's header. */
#define ___bpf_either(x, swap) (__builtin_constant_p(x) ? swap(x) : swap(x))

/* 16 bits: ports, protocols. */
#define bpf_htons(x) ___bpf_either(x, __bpf_htons)
#define bpf_ntohs(x) ___bpf_either(x, __bpf_ntohs)
/* 32 bits: IPv4 addresses. */
#define bpf_htonl(x) ___bpf_either(x, __bpf_htonl)
#define bpf_ntohl(x) ___bpf_either(x, __bpf_ntohl)
/* 64 bits. */
#define bpf_cpu_to_be64(x) ___bpf_either(x, __bpf_cpu_to_be64)
#define bpf_be64_to_cpu(x) ___bpf_either(x, __bpf_be64_to_cpu)

#endif
