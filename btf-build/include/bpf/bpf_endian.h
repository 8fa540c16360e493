/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Byte order of the network and of the target, with the names of libbpf's header of this name.
 *
 * The order is that of the compilation target (bpfel or bpfeb), which the compiler says itself; headers of the C
 * library speak of the machine that compiles.
 */
#ifndef __BPF_ENDIAN__
#define __BPF_ENDIAN__

/* ---- Constants: swapped by arithmetic ---- */

/* Byte `from` of an unsigned number, moved to where byte `to` is. */
#define ___bpf_byte(x, from, to) ((((x) >> ((from) * 8)) & 0xff) << ((to) * 8))
#define ___bpf_bytes2(x) (___bpf_byte(x, 0, 1) | ___bpf_byte(x, 1, 0))
#define ___bpf_bytes4(x)                                                                                               \
	(___bpf_byte(x, 0, 3) | ___bpf_byte(x, 1, 2) | ___bpf_byte(x, 2, 1) | ___bpf_byte(x, 3, 0))
#define ___bpf_bytes8(x)                                                                                               \
	(___bpf_byte(x, 0, 7) | ___bpf_byte(x, 1, 6) | ___bpf_byte(x, 2, 5) | ___bpf_byte(x, 3, 4) |                   \
	 ___bpf_byte(x, 4, 3) | ___bpf_byte(x, 5, 2) | ___bpf_byte(x, 6, 1) | ___bpf_byte(x, 7, 0))
#define ___bpf_swab16(x) ((unsigned short)___bpf_bytes2((unsigned short)(x)))
#define ___bpf_swab32(x) ((unsigned int)___bpf_bytes4((unsigned int)(x)))
#define ___bpf_swab64(x) ((unsigned long long)___bpf_bytes8((unsigned long long)(x)))

/* ---- By what is known of the value: __bpf_constant_…, and __bpf_… for variables, which take one instruction ---- */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define __bpf_constant_htons(x) ___bpf_swab16(x)
#define __bpf_constant_ntohs(x) ___bpf_swab16(x)
#define __bpf_constant_htonl(x) ___bpf_swab32(x)
#define __bpf_constant_ntohl(x) ___bpf_swab32(x)
#define __bpf_constant_cpu_to_be64(x) ___bpf_swab64(x)
#define __bpf_constant_be64_to_cpu(x) ___bpf_swab64(x)
#define __bpf_htons(x) __builtin_bswap16(x)
#define __bpf_ntohs(x) __builtin_bswap16(x)
#define __bpf_htonl(x) __builtin_bswap32(x)
#define __bpf_ntohl(x) __builtin_bswap32(x)
#define __bpf_cpu_to_be64(x) __builtin_bswap64(x)
#define __bpf_be64_to_cpu(x) __builtin_bswap64(x)
#elif __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define __bpf_constant_htons(x) (x)
#define __bpf_constant_ntohs(x) (x)
#define __bpf_constant_htonl(x) (x)
#define __bpf_constant_ntohl(x) (x)
#define __bpf_constant_cpu_to_be64(x) (x)
#define __bpf_constant_be64_to_cpu(x) (x)
#define __bpf_htons(x) (x)
#define __bpf_ntohs(x) (x)
#define __bpf_htonl(x) (x)
#define __bpf_ntohl(x) (x)
#define __bpf_cpu_to_be64(x) (x)
#define __bpf_be64_to_cpu(x) (x)
#else
#error "No __BYTE_ORDER__ known here: compile with clang and --target=bpfel or --target=bpfeb."
#endif

/* ---- Any value ---- */

#define ___bpf_either(x, op) (__builtin_constant_p(x) ? __bpf_constant_##op(x) : __bpf_##op(x))

/* 16 bits: ports, protocols. */
#define bpf_htons(x) ___bpf_either(x, htons)
#define bpf_ntohs(x) ___bpf_either(x, ntohs)
/* 32 bits: IPv4 addresses. */
#define bpf_htonl(x) ___bpf_either(x, htonl)
#define bpf_ntohl(x) ___bpf_either(x, ntohl)
/* 64 bits. */
#define bpf_cpu_to_be64(x) ___bpf_either(x, cpu_to_be64)
#define bpf_be64_to_cpu(x) ___bpf_either(x, be64_to_cpu)

#endif
