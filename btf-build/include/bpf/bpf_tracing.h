/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Arguments of what is traced: registers by architecture, and programs declared with the parameters of a function.
 *
 * Names and meanings are those of libbpf's header of this name; the text is this project's own, written for clang. The
 * build passes the architecture as -D__TARGET_ARCH_…; what needs it is an error without. The _CORE forms need
 * bpf_core_read.h.
 */
#ifndef __BPF_TRACING_H__
#define __BPF_TRACING_H__

#include "bpf_helpers.h"

/* ---- The target architecture: as told, else the one the compiler is compiling for ---- */

#if defined(__TARGET_ARCH_x86)
#define bpf_target_x86
#elif defined(__TARGET_ARCH_s390)
#define bpf_target_s390
#elif defined(__TARGET_ARCH_arm)
#define bpf_target_arm
#elif defined(__TARGET_ARCH_arm64)
#define bpf_target_arm64
#elif defined(__TARGET_ARCH_mips)
#define bpf_target_mips
#elif defined(__TARGET_ARCH_powerpc)
#define bpf_target_powerpc
#elif defined(__TARGET_ARCH_sparc)
#define bpf_target_sparc
#elif defined(__TARGET_ARCH_riscv)
#define bpf_target_riscv
#elif defined(__TARGET_ARCH_arc)
#define bpf_target_arc
#elif defined(__TARGET_ARCH_loongarch)
#define bpf_target_loongarch
#elif defined(__x86_64__)
#define bpf_target_x86
#elif defined(__s390__)
#define bpf_target_s390
#elif defined(__arm__)
#define bpf_target_arm
#elif defined(__aarch64__)
#define bpf_target_arm64
#elif defined(__mips__)
#define bpf_target_mips
#elif defined(__powerpc__)
#define bpf_target_powerpc
#elif defined(__sparc__)
#define bpf_target_sparc
#elif defined(__riscv) && __riscv_xlen == 64
#define bpf_target_riscv
#elif defined(__arc__)
#define bpf_target_arc
#elif defined(__loongarch__)
#define bpf_target_loongarch
#endif

#if defined(bpf_target_x86) || defined(bpf_target_s390) || defined(bpf_target_arm) || defined(bpf_target_arm64) || \
	defined(bpf_target_mips) || defined(bpf_target_powerpc) || defined(bpf_target_sparc) || \
	defined(bpf_target_riscv) || defined(bpf_target_arc) || defined(bpf_target_loongarch)
#define bpf_target_defined
#endif

#ifndef __BPF_TARGET_MISSING
#define __BPF_TARGET_MISSING                                                                                           \
	"GCC error \"Registers differ by architecture: compile with -D__TARGET_ARCH_x86, _arm64 or another\""
#endif

/*
 * ---- Registers ----
 *
 * Each architecture names the members of its struct pt_regs: __PT_PARMn_REG for the arguments of a function,
 * __PT_PARMn_SYSCALL_REG for those of a system call, and RET (where the return address is, or what points to it), FP,
 * RC (the return value), SP and IP. __PT_REGS_CAST gives the context its type where that is not struct pt_regs.
 */

#if defined(bpf_target_x86)

#if defined(__KERNEL__) || defined(__VMLINUX_H__)
/* x86-64, the kernel's names. A system call clobbers rcx, so its fourth argument is in r10. */
#define __PT_PARM1_REG di
#define __PT_PARM2_REG si
#define __PT_PARM3_REG dx
#define __PT_PARM4_REG cx
#define __PT_PARM5_REG r8
#define __PT_PARM6_REG r9
#define __PT_PARM1_SYSCALL_REG __PT_PARM1_REG
#define __PT_PARM2_SYSCALL_REG __PT_PARM2_REG
#define __PT_PARM3_SYSCALL_REG __PT_PARM3_REG
#define __PT_PARM4_SYSCALL_REG r10
#define __PT_PARM5_SYSCALL_REG __PT_PARM5_REG
#define __PT_PARM6_SYSCALL_REG __PT_PARM6_REG
#define __PT_RET_REG sp
#define __PT_FP_REG bp
#define __PT_RC_REG ax
#define __PT_SP_REG sp
#define __PT_IP_REG ip
#elif defined(__i386__)
/* i386, user space's names. The kernel is compiled to pass three arguments in registers. */
#define __PT_PARM1_REG eax
#define __PT_PARM2_REG edx
#define __PT_PARM3_REG ecx
#define __PT_PARM1_SYSCALL_REG ebx
#define __PT_PARM2_SYSCALL_REG ecx
#define __PT_PARM3_SYSCALL_REG edx
#define __PT_PARM4_SYSCALL_REG esi
#define __PT_PARM5_SYSCALL_REG edi
#define __PT_PARM6_SYSCALL_REG ebp
#define __PT_RET_REG esp
#define __PT_FP_REG ebp
#define __PT_RC_REG eax
#define __PT_SP_REG esp
#define __PT_IP_REG eip
#else
/* x86-64, user space's names. */
#define __PT_PARM1_REG rdi
#define __PT_PARM2_REG rsi
#define __PT_PARM3_REG rdx
#define __PT_PARM4_REG rcx
#define __PT_PARM5_REG r8
#define __PT_PARM6_REG r9
#define __PT_PARM1_SYSCALL_REG __PT_PARM1_REG
#define __PT_PARM2_SYSCALL_REG __PT_PARM2_REG
#define __PT_PARM3_SYSCALL_REG __PT_PARM3_REG
#define __PT_PARM4_SYSCALL_REG r10
#define __PT_PARM5_SYSCALL_REG __PT_PARM5_REG
#define __PT_PARM6_SYSCALL_REG __PT_PARM6_REG
#define __PT_RET_REG rsp
#define __PT_FP_REG rbp
#define __PT_RC_REG rax
#define __PT_SP_REG rsp
#define __PT_IP_REG rip
#endif

#elif defined(bpf_target_s390)

/* A system call's first argument, of which the return value takes the register: not in user_pt_regs. */
struct pt_regs___s390 {
	unsigned long orig_gpr2;
} __attribute__((preserve_access_index));
#define __PT_REGS_CAST(x) ((const user_pt_regs *)(x))
#define ___PT_SYSCALL1_CAST(x) ((const struct pt_regs___s390 *)(x))
#define __PT_PARM1_REG gprs[2]
#define __PT_PARM2_REG gprs[3]
#define __PT_PARM3_REG gprs[4]
#define __PT_PARM4_REG gprs[5]
#define __PT_PARM5_REG gprs[6]
#define __PT_PARM1_SYSCALL_REG orig_gpr2
#define __PT_PARM2_SYSCALL_REG __PT_PARM2_REG
#define __PT_PARM3_SYSCALL_REG __PT_PARM3_REG
#define __PT_PARM4_SYSCALL_REG __PT_PARM4_REG
#define __PT_PARM5_SYSCALL_REG __PT_PARM5_REG
#define __PT_PARM6_SYSCALL_REG gprs[7]
#define __PT_RET_REG gprs[14]
#define __PT_FP_REG gprs[11]
#define __PT_RC_REG gprs[2]
#define __PT_SP_REG gprs[15]
#define __PT_IP_REG psw.addr

#elif defined(bpf_target_arm)

/* uregs[15] is the program counter. libbpf has uregs[12], which is called ip here but is a scratch register. */
#define __PT_PARM1_REG uregs[0]
#define __PT_PARM2_REG uregs[1]
#define __PT_PARM3_REG uregs[2]
#define __PT_PARM4_REG uregs[3]
#define __PT_PARM1_SYSCALL_REG __PT_PARM1_REG
#define __PT_PARM2_SYSCALL_REG __PT_PARM2_REG
#define __PT_PARM3_SYSCALL_REG __PT_PARM3_REG
#define __PT_PARM4_SYSCALL_REG __PT_PARM4_REG
#define __PT_PARM5_SYSCALL_REG uregs[4]
#define __PT_PARM6_SYSCALL_REG uregs[5]
#define __PT_PARM7_SYSCALL_REG uregs[6]
#define __PT_RET_REG uregs[14]
#define __PT_FP_REG uregs[11]
#define __PT_RC_REG uregs[0]
#define __PT_SP_REG uregs[13]
#define __PT_IP_REG uregs[15]

#elif defined(bpf_target_arm64)

/* A system call's first argument, of which the return value takes the register: not in struct user_pt_regs. */
struct pt_regs___arm64 {
	unsigned long orig_x0;
} __attribute__((preserve_access_index));
#define __PT_REGS_CAST(x) ((const struct user_pt_regs *)(x))
#define ___PT_SYSCALL1_CAST(x) ((const struct pt_regs___arm64 *)(x))
#define __PT_PARM1_REG regs[0]
#define __PT_PARM2_REG regs[1]
#define __PT_PARM3_REG regs[2]
#define __PT_PARM4_REG regs[3]
#define __PT_PARM5_REG regs[4]
#define __PT_PARM6_REG regs[5]
#define __PT_PARM7_REG regs[6]
#define __PT_PARM8_REG regs[7]
#define __PT_PARM1_SYSCALL_REG orig_x0
#define __PT_PARM2_SYSCALL_REG __PT_PARM2_REG
#define __PT_PARM3_SYSCALL_REG __PT_PARM3_REG
#define __PT_PARM4_SYSCALL_REG __PT_PARM4_REG
#define __PT_PARM5_SYSCALL_REG __PT_PARM5_REG
#define __PT_PARM6_SYSCALL_REG __PT_PARM6_REG
#define __PT_RET_REG regs[30]
#define __PT_FP_REG regs[29]
#define __PT_RC_REG regs[0]
#define __PT_SP_REG sp
#define __PT_IP_REG pc

#elif defined(bpf_target_mips)

/* The n64 calling convention. */
#define __PT_PARM1_REG regs[4]
#define __PT_PARM2_REG regs[5]
#define __PT_PARM3_REG regs[6]
#define __PT_PARM4_REG regs[7]
#define __PT_PARM5_REG regs[8]
#define __PT_PARM6_REG regs[9]
#define __PT_PARM7_REG regs[10]
#define __PT_PARM8_REG regs[11]
#define __PT_PARM1_SYSCALL_REG __PT_PARM1_REG
#define __PT_PARM2_SYSCALL_REG __PT_PARM2_REG
#define __PT_PARM3_SYSCALL_REG __PT_PARM3_REG
#define __PT_PARM4_SYSCALL_REG __PT_PARM4_REG
#define __PT_PARM5_SYSCALL_REG __PT_PARM5_REG
#define __PT_PARM6_SYSCALL_REG __PT_PARM6_REG
#define __PT_RET_REG regs[31]
#define __PT_FP_REG regs[30]
#define __PT_RC_REG regs[2]
#define __PT_SP_REG regs[29]
#define __PT_IP_REG cp0_epc

#elif defined(bpf_target_powerpc)

/* The return address is in the link register; libbpf names regs[31], which this pt_regs does not have. */
#define PT_REGS_SYSCALL_REGS(ctx) ctx
#define __PT_PARM1_REG gpr[3]
#define __PT_PARM2_REG gpr[4]
#define __PT_PARM3_REG gpr[5]
#define __PT_PARM4_REG gpr[6]
#define __PT_PARM5_REG gpr[7]
#define __PT_PARM6_REG gpr[8]
#define __PT_PARM7_REG gpr[9]
#define __PT_PARM8_REG gpr[10]
#define __PT_PARM1_SYSCALL_REG orig_gpr3
#define __PT_PARM2_SYSCALL_REG __PT_PARM2_REG
#define __PT_PARM3_SYSCALL_REG __PT_PARM3_REG
#define __PT_PARM4_SYSCALL_REG __PT_PARM4_REG
#define __PT_PARM5_SYSCALL_REG __PT_PARM5_REG
#define __PT_PARM6_SYSCALL_REG __PT_PARM6_REG
#define __PT_RET_REG link
#define __PT_FP_REG __unsupported__
#define __PT_RC_REG gpr[3]
#define __PT_SP_REG gpr[1]
#define __PT_IP_REG nip
#if !defined(__arch64__)
#define __PT_PARM7_SYSCALL_REG __PT_PARM7_REG
#endif

#elif defined(bpf_target_sparc)

#define __PT_PARM1_REG u_regs[UREG_I0]
#define __PT_PARM2_REG u_regs[UREG_I1]
#define __PT_PARM3_REG u_regs[UREG_I2]
#define __PT_PARM4_REG u_regs[UREG_I3]
#define __PT_PARM5_REG u_regs[UREG_I4]
#define __PT_PARM6_REG u_regs[UREG_I5]
#define __PT_PARM1_SYSCALL_REG __PT_PARM1_REG
#define __PT_PARM2_SYSCALL_REG __PT_PARM2_REG
#define __PT_PARM3_SYSCALL_REG __PT_PARM3_REG
#define __PT_PARM4_SYSCALL_REG __PT_PARM4_REG
#define __PT_PARM5_SYSCALL_REG __PT_PARM5_REG
#define __PT_PARM6_SYSCALL_REG __PT_PARM6_REG
#define __PT_RET_REG u_regs[UREG_I7]
#define __PT_FP_REG __unsupported__
#define __PT_RC_REG u_regs[UREG_I0]
#define __PT_SP_REG u_regs[UREG_FP]
#if defined(__arch64__)
#define __PT_IP_REG tpc
#else
#define __PT_IP_REG pc
#endif

#elif defined(bpf_target_riscv)

/* A system call's first argument, of which the return value takes the register: not in struct user_regs_struct. */
struct pt_regs___riscv {
	unsigned long orig_a0;
} __attribute__((preserve_access_index));
#define __PT_REGS_CAST(x) ((const struct user_regs_struct *)(x))
#define ___PT_SYSCALL1_CAST(x) ((const struct pt_regs___riscv *)(x))
#define __PT_PARM1_REG a0
#define __PT_PARM2_REG a1
#define __PT_PARM3_REG a2
#define __PT_PARM4_REG a3
#define __PT_PARM5_REG a4
#define __PT_PARM6_REG a5
#define __PT_PARM7_REG a6
#define __PT_PARM8_REG a7
#define __PT_PARM1_SYSCALL_REG orig_a0
#define __PT_PARM2_SYSCALL_REG __PT_PARM2_REG
#define __PT_PARM3_SYSCALL_REG __PT_PARM3_REG
#define __PT_PARM4_SYSCALL_REG __PT_PARM4_REG
#define __PT_PARM5_SYSCALL_REG __PT_PARM5_REG
#define __PT_PARM6_SYSCALL_REG __PT_PARM6_REG
#define __PT_RET_REG ra
#define __PT_FP_REG s0
#define __PT_RC_REG a0
#define __PT_SP_REG sp
#define __PT_IP_REG pc

#elif defined(bpf_target_arc)

#define PT_REGS_SYSCALL_REGS(ctx) ctx
#define __PT_REGS_CAST(x) ((const struct user_regs_struct *)(x))
#define __PT_PARM1_REG scratch.r0
#define __PT_PARM2_REG scratch.r1
#define __PT_PARM3_REG scratch.r2
#define __PT_PARM4_REG scratch.r3
#define __PT_PARM5_REG scratch.r4
#define __PT_PARM6_REG scratch.r5
#define __PT_PARM7_REG scratch.r6
#define __PT_PARM8_REG scratch.r7
#define __PT_PARM1_SYSCALL_REG __PT_PARM1_REG
#define __PT_PARM2_SYSCALL_REG __PT_PARM2_REG
#define __PT_PARM3_SYSCALL_REG __PT_PARM3_REG
#define __PT_PARM4_SYSCALL_REG __PT_PARM4_REG
#define __PT_PARM5_SYSCALL_REG __PT_PARM5_REG
#define __PT_PARM6_SYSCALL_REG __PT_PARM6_REG
#define __PT_RET_REG scratch.blink
#define __PT_FP_REG scratch.fp
#define __PT_RC_REG scratch.r0
#define __PT_SP_REG scratch.sp
#define __PT_IP_REG scratch.ret

#elif defined(bpf_target_loongarch)

#define PT_REGS_SYSCALL_REGS(ctx) ctx
#define __PT_REGS_CAST(x) ((const struct user_pt_regs *)(x))
#define __PT_PARM1_REG regs[4]
#define __PT_PARM2_REG regs[5]
#define __PT_PARM3_REG regs[6]
#define __PT_PARM4_REG regs[7]
#define __PT_PARM5_REG regs[8]
#define __PT_PARM6_REG regs[9]
#define __PT_PARM7_REG regs[10]
#define __PT_PARM8_REG regs[11]
#define __PT_PARM1_SYSCALL_REG __PT_PARM1_REG
#define __PT_PARM2_SYSCALL_REG __PT_PARM2_REG
#define __PT_PARM3_SYSCALL_REG __PT_PARM3_REG
#define __PT_PARM4_SYSCALL_REG __PT_PARM4_REG
#define __PT_PARM5_SYSCALL_REG __PT_PARM5_REG
#define __PT_PARM6_SYSCALL_REG __PT_PARM6_REG
#define __PT_RET_REG regs[1]
#define __PT_FP_REG regs[22]
#define __PT_RC_REG regs[4]
#define __PT_SP_REG regs[3]
#define __PT_IP_REG csr_era

#endif

/* What the architecture left out: no such register, or nothing special. */
#ifndef __PT_PARM4_REG
#define __PT_PARM4_REG __unsupported__
#endif
#ifndef __PT_PARM5_REG
#define __PT_PARM5_REG __unsupported__
#endif
#ifndef __PT_PARM6_REG
#define __PT_PARM6_REG __unsupported__
#endif
#ifndef __PT_PARM7_REG
#define __PT_PARM7_REG __unsupported__
#endif
#ifndef __PT_PARM8_REG
#define __PT_PARM8_REG __unsupported__
#endif
#ifndef __PT_PARM7_SYSCALL_REG
#define __PT_PARM7_SYSCALL_REG __unsupported__
#endif
#ifndef __PT_REGS_CAST
#define __PT_REGS_CAST(x) (x)
#endif
#ifndef ___PT_SYSCALL1_CAST
#define ___PT_SYSCALL1_CAST(x) __PT_REGS_CAST(x)
#endif

/* ---- PT_REGS_…(ctx): one register, read directly; PT_REGS_…_CORE(ctx): by a CO-RE read, of any pt_regs ---- */

struct pt_regs;

#if defined(bpf_target_defined)
#define ___pt_regs(ptr, reg) ((ptr)->reg)
#define ___pt_regs_core(ptr, reg) BPF_CORE_READ(ptr, reg)
#else
#define ___pt_regs(ptr, reg) ({ _Pragma(__BPF_TARGET_MISSING); 0l; })
#define ___pt_regs_core(ptr, reg) ({ _Pragma(__BPF_TARGET_MISSING); 0l; })
#endif

/* The arguments of a function, in a program at its entry. */
#define PT_REGS_PARM1(x) ___pt_regs(__PT_REGS_CAST(x), __PT_PARM1_REG)
#define PT_REGS_PARM2(x) ___pt_regs(__PT_REGS_CAST(x), __PT_PARM2_REG)
#define PT_REGS_PARM3(x) ___pt_regs(__PT_REGS_CAST(x), __PT_PARM3_REG)
#define PT_REGS_PARM4(x) ___pt_regs(__PT_REGS_CAST(x), __PT_PARM4_REG)
#define PT_REGS_PARM5(x) ___pt_regs(__PT_REGS_CAST(x), __PT_PARM5_REG)
#define PT_REGS_PARM6(x) ___pt_regs(__PT_REGS_CAST(x), __PT_PARM6_REG)
#define PT_REGS_PARM7(x) ___pt_regs(__PT_REGS_CAST(x), __PT_PARM7_REG)
#define PT_REGS_PARM8(x) ___pt_regs(__PT_REGS_CAST(x), __PT_PARM8_REG)
#define PT_REGS_PARM1_CORE(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_PARM1_REG)
#define PT_REGS_PARM2_CORE(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_PARM2_REG)
#define PT_REGS_PARM3_CORE(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_PARM3_REG)
#define PT_REGS_PARM4_CORE(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_PARM4_REG)
#define PT_REGS_PARM5_CORE(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_PARM5_REG)
#define PT_REGS_PARM6_CORE(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_PARM6_REG)
#define PT_REGS_PARM7_CORE(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_PARM7_REG)
#define PT_REGS_PARM8_CORE(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_PARM8_REG)

/* The return value, in a program at the return; frame pointer, stack pointer and instruction pointer anywhere. */
#define PT_REGS_RET(x) ___pt_regs(__PT_REGS_CAST(x), __PT_RET_REG)
#define PT_REGS_FP(x) ___pt_regs(__PT_REGS_CAST(x), __PT_FP_REG)
#define PT_REGS_RC(x) ___pt_regs(__PT_REGS_CAST(x), __PT_RC_REG)
#define PT_REGS_SP(x) ___pt_regs(__PT_REGS_CAST(x), __PT_SP_REG)
#define PT_REGS_IP(x) ___pt_regs(__PT_REGS_CAST(x), __PT_IP_REG)
#define PT_REGS_RET_CORE(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_RET_REG)
#define PT_REGS_FP_CORE(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_FP_REG)
#define PT_REGS_RC_CORE(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_RC_REG)
#define PT_REGS_SP_CORE(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_SP_REG)
#define PT_REGS_IP_CORE(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_IP_REG)

/*
 * The arguments of a system call: PT_REGS_PARM2_CORE_SYSCALL(PT_REGS_SYSCALL_REGS(ctx)) in a kprobe on a function like
 * __x64_sys_openat, whose only argument is a pointer to the registers of the process. BPF_KSYSCALL does it all.
 */
#ifndef PT_REGS_SYSCALL_REGS
#define PT_REGS_SYSCALL_REGS(ctx) ((struct pt_regs *)PT_REGS_PARM1(ctx))
#endif
#define PT_REGS_PARM1_SYSCALL(x) ___pt_regs(___PT_SYSCALL1_CAST(x), __PT_PARM1_SYSCALL_REG)
#define PT_REGS_PARM2_SYSCALL(x) ___pt_regs(__PT_REGS_CAST(x), __PT_PARM2_SYSCALL_REG)
#define PT_REGS_PARM3_SYSCALL(x) ___pt_regs(__PT_REGS_CAST(x), __PT_PARM3_SYSCALL_REG)
#define PT_REGS_PARM4_SYSCALL(x) ___pt_regs(__PT_REGS_CAST(x), __PT_PARM4_SYSCALL_REG)
#define PT_REGS_PARM5_SYSCALL(x) ___pt_regs(__PT_REGS_CAST(x), __PT_PARM5_SYSCALL_REG)
#define PT_REGS_PARM6_SYSCALL(x) ___pt_regs(__PT_REGS_CAST(x), __PT_PARM6_SYSCALL_REG)
#define PT_REGS_PARM7_SYSCALL(x) ___pt_regs(__PT_REGS_CAST(x), __PT_PARM7_SYSCALL_REG)
#define PT_REGS_PARM1_CORE_SYSCALL(x) ___pt_regs_core(___PT_SYSCALL1_CAST(x), __PT_PARM1_SYSCALL_REG)
#define PT_REGS_PARM2_CORE_SYSCALL(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_PARM2_SYSCALL_REG)
#define PT_REGS_PARM3_CORE_SYSCALL(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_PARM3_SYSCALL_REG)
#define PT_REGS_PARM4_CORE_SYSCALL(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_PARM4_SYSCALL_REG)
#define PT_REGS_PARM5_CORE_SYSCALL(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_PARM5_SYSCALL_REG)
#define PT_REGS_PARM6_CORE_SYSCALL(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_PARM6_SYSCALL_REG)
#define PT_REGS_PARM7_CORE_SYSCALL(x) ___pt_regs_core(__PT_REGS_CAST(x), __PT_PARM7_SYSCALL_REG)

/* The caller's address into the variable `ip`, at a function's entry and at its return. */
#if !defined(bpf_target_defined)
#define BPF_KPROBE_READ_RET_IP(ip, ctx) ({ _Pragma(__BPF_TARGET_MISSING); 0l; })
#define BPF_KRETPROBE_READ_RET_IP BPF_KPROBE_READ_RET_IP
#elif defined(bpf_target_powerpc) || defined(bpf_target_sparc) || defined(bpf_target_arm64)
/* It is in a register. */
#define BPF_KPROBE_READ_RET_IP(ip, ctx) ({ (ip) = PT_REGS_RET(ctx); })
#define BPF_KRETPROBE_READ_RET_IP BPF_KPROBE_READ_RET_IP
#else
/* It is on the stack: where the stack pointer points at the entry, above the saved frame pointer at the return. */
#define BPF_KPROBE_READ_RET_IP(ip, ctx)                                                                                \
	({ bpf_probe_read_kernel(&(ip), sizeof(ip), (void *)PT_REGS_RET(ctx)); })
#define BPF_KRETPROBE_READ_RET_IP(ip, ctx)                                                                             \
	({ bpf_probe_read_kernel(&(ip), sizeof(ip), (void *)(PT_REGS_FP(ctx) + sizeof(ip))); })
#endif

/*
 * ---- Programs with typed parameters ----
 *
 * `int BPF_PROG(on_unlink, struct inode *dir, struct dentry *dentry) { … }` makes two functions: the program on_unlink,
 * which takes the context that the kernel passes, and ____on_unlink with the body, inlined into it. The body has the
 * parameters and `ctx`. The return type stands before the macro, so that it is taken from a first declaration.
 */
#define ___bpf_ctx ctx __attribute__((unused))
#define ___bpf_program(name, ctx_param, body, params, args)                                                            \
	name(ctx_param);                                                                                               \
	static __always_inline typeof(name(0)) body params;                                                            \
	typeof(name(0)) name(ctx_param)                                                                                \
	{                                                                                                              \
		_Pragma("GCC diagnostic push")                                                                         \
		_Pragma("GCC diagnostic ignored \"-Wint-conversion\"")                                                 \
		return body args;                                                                                      \
		_Pragma("GCC diagnostic pop")                                                                          \
	}                                                                                                              \
	static __always_inline typeof(name(0)) body params

/* fentry, fexit, fmod_ret, tp_btf, raw_tp, lsm, struct_ops: the context is an array with a 64-bit word an argument. */
#define ___bpf_ctx_cast0(...) ctx
#define ___bpf_ctx_cast1(...) ___bpf_ctx_cast0(), ctx[0]
#define ___bpf_ctx_cast2(...) ___bpf_ctx_cast1(), ctx[1]
#define ___bpf_ctx_cast3(...) ___bpf_ctx_cast2(), ctx[2]
#define ___bpf_ctx_cast4(...) ___bpf_ctx_cast3(), ctx[3]
#define ___bpf_ctx_cast5(...) ___bpf_ctx_cast4(), ctx[4]
#define ___bpf_ctx_cast6(...) ___bpf_ctx_cast5(), ctx[5]
#define ___bpf_ctx_cast7(...) ___bpf_ctx_cast6(), ctx[6]
#define ___bpf_ctx_cast8(...) ___bpf_ctx_cast7(), ctx[7]
#define ___bpf_ctx_cast9(...) ___bpf_ctx_cast8(), ctx[8]
#define ___bpf_ctx_cast10(...) ___bpf_ctx_cast9(), ctx[9]
#define ___bpf_ctx_cast11(...) ___bpf_ctx_cast10(), ctx[10]
#define ___bpf_ctx_cast12(...) ___bpf_ctx_cast11(), ctx[11]
#define ___bpf_ctx_cast(args...) ___bpf_apply(___bpf_ctx_cast, ___bpf_narg(args))(args)
#define BPF_PROG(name, args...)                                                                                        \
	___bpf_program(name, unsigned long long *ctx, ____##name, (unsigned long long *___bpf_ctx, ##args),            \
		       (___bpf_ctx_cast(args)))

/* kprobe, uprobe: up to eight arguments, from the registers. */
#define ___bpf_kprobe_args0(...) ctx
#define ___bpf_kprobe_args1(...) ___bpf_kprobe_args0(), (unsigned long long)PT_REGS_PARM1(ctx)
#define ___bpf_kprobe_args2(...) ___bpf_kprobe_args1(), (unsigned long long)PT_REGS_PARM2(ctx)
#define ___bpf_kprobe_args3(...) ___bpf_kprobe_args2(), (unsigned long long)PT_REGS_PARM3(ctx)
#define ___bpf_kprobe_args4(...) ___bpf_kprobe_args3(), (unsigned long long)PT_REGS_PARM4(ctx)
#define ___bpf_kprobe_args5(...) ___bpf_kprobe_args4(), (unsigned long long)PT_REGS_PARM5(ctx)
#define ___bpf_kprobe_args6(...) ___bpf_kprobe_args5(), (unsigned long long)PT_REGS_PARM6(ctx)
#define ___bpf_kprobe_args7(...) ___bpf_kprobe_args6(), (unsigned long long)PT_REGS_PARM7(ctx)
#define ___bpf_kprobe_args8(...) ___bpf_kprobe_args7(), (unsigned long long)PT_REGS_PARM8(ctx)
#define ___bpf_kprobe_args(args...) ___bpf_apply(___bpf_kprobe_args, ___bpf_narg(args))(args)
#define BPF_KPROBE(name, args...)                                                                                      \
	___bpf_program(name, struct pt_regs *ctx, ____##name, (struct pt_regs *___bpf_ctx, ##args),                    \
		       (___bpf_kprobe_args(args)))
#define BPF_UPROBE(name, args...) BPF_KPROBE(name, ##args)

/* kretprobe, uretprobe: the return value or nothing; what the arguments were is lost by then. */
#define ___bpf_kretprobe_args0(...) ctx
#define ___bpf_kretprobe_args1(...) ctx, (unsigned long long)PT_REGS_RC(ctx)
#define ___bpf_kretprobe_args(args...) ___bpf_apply(___bpf_kretprobe_args, ___bpf_narg(args))(args)
#define BPF_KRETPROBE(name, args...)                                                                                   \
	___bpf_program(name, struct pt_regs *ctx, ____##name, (struct pt_regs *___bpf_ctx, ##args),                    \
		       (___bpf_kretprobe_args(args)))
#define BPF_URETPROBE(name, args...) BPF_KRETPROBE(name, ##args)

/*
 * ksyscall, and kprobes on system calls: up to seven arguments of the system call. Most architectures wrap system
 * calls: the function's one argument points to the registers of the process, which take a CO-RE read
 * (bpf_core_read.h). Those of compat calls, of old mmap and socketcall, and clone's reordered ones come as they are.
 */
#define ___bpf_syscall_args0(...) ctx
#define ___bpf_syscall_args1(...) ___bpf_syscall_args0(), (unsigned long long)PT_REGS_PARM1_SYSCALL(regs)
#define ___bpf_syscall_args2(...) ___bpf_syscall_args1(), (unsigned long long)PT_REGS_PARM2_SYSCALL(regs)
#define ___bpf_syscall_args3(...) ___bpf_syscall_args2(), (unsigned long long)PT_REGS_PARM3_SYSCALL(regs)
#define ___bpf_syscall_args4(...) ___bpf_syscall_args3(), (unsigned long long)PT_REGS_PARM4_SYSCALL(regs)
#define ___bpf_syscall_args5(...) ___bpf_syscall_args4(), (unsigned long long)PT_REGS_PARM5_SYSCALL(regs)
#define ___bpf_syscall_args6(...) ___bpf_syscall_args5(), (unsigned long long)PT_REGS_PARM6_SYSCALL(regs)
#define ___bpf_syscall_args7(...) ___bpf_syscall_args6(), (unsigned long long)PT_REGS_PARM7_SYSCALL(regs)
#define ___bpf_syscall_args(args...) ___bpf_apply(___bpf_syscall_args, ___bpf_narg(args))(args)
#define ___bpf_syswrap_args0(...) ctx
#define ___bpf_syswrap_args1(...) ___bpf_syswrap_args0(), (unsigned long long)PT_REGS_PARM1_CORE_SYSCALL(regs)
#define ___bpf_syswrap_args2(...) ___bpf_syswrap_args1(), (unsigned long long)PT_REGS_PARM2_CORE_SYSCALL(regs)
#define ___bpf_syswrap_args3(...) ___bpf_syswrap_args2(), (unsigned long long)PT_REGS_PARM3_CORE_SYSCALL(regs)
#define ___bpf_syswrap_args4(...) ___bpf_syswrap_args3(), (unsigned long long)PT_REGS_PARM4_CORE_SYSCALL(regs)
#define ___bpf_syswrap_args5(...) ___bpf_syswrap_args4(), (unsigned long long)PT_REGS_PARM5_CORE_SYSCALL(regs)
#define ___bpf_syswrap_args6(...) ___bpf_syswrap_args5(), (unsigned long long)PT_REGS_PARM6_CORE_SYSCALL(regs)
#define ___bpf_syswrap_args7(...) ___bpf_syswrap_args6(), (unsigned long long)PT_REGS_PARM7_CORE_SYSCALL(regs)
#define ___bpf_syswrap_args(args...) ___bpf_apply(___bpf_syswrap_args, ___bpf_narg(args))(args)
#define BPF_KSYSCALL(name, args...)                                                                                    \
	name(struct pt_regs *ctx);                                                                                     \
	extern _Bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;                                                              \
	static __always_inline typeof(name(0)) ____##name(struct pt_regs *___bpf_ctx, ##args);                         \
	typeof(name(0)) name(struct pt_regs *ctx)                                                                      \
	{                                                                                                              \
		struct pt_regs *regs __attribute__((unused)) =                                                         \
			LINUX_HAS_SYSCALL_WRAPPER ? (struct pt_regs *)PT_REGS_PARM1(ctx) : ctx;                        \
		_Pragma("GCC diagnostic push")                                                                         \
		_Pragma("GCC diagnostic ignored \"-Wint-conversion\"")                                                 \
		if (LINUX_HAS_SYSCALL_WRAPPER)                                                                         \
			return ____##name(___bpf_syswrap_args(args));                                                  \
		else                                                                                                   \
			return ____##name(___bpf_syscall_args(args));                                                  \
		_Pragma("GCC diagnostic pop")                                                                          \
	}                                                                                                              \
	static __always_inline typeof(name(0)) ____##name(struct pt_regs *___bpf_ctx, ##args)
#define BPF_KPROBE_SYSCALL BPF_KSYSCALL

/*
 * Like BPF_PROG, for functions that take structs by value: type and name of a parameter are separate arguments,
 * `int BPF_PROG2(on_call, struct pair, p, int, n)`. A struct of 9 to 16 bytes takes two words of the context.
 */
#ifndef ___bpf_nth2
#define ___bpf_nth2(_0, _1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, _13, _14, _15, _16, _17, _18, _19, _20,     \
		    _21, _22, _23, _24, nth, ...) nth
#endif
/* How many pairs of arguments it has. */
#ifndef ___bpf_narg2
#define ___bpf_narg2(...)                                                                                              \
	___bpf_nth2(_, ##__VA_ARGS__, 12, 12, 11, 11, 10, 10, 9, 9, 8, 8, 7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0)
#endif

/* Numbers as a value of type `t`. They are of its size, so that its bytes are the low ones in either byte order. */
#define ___bpf_words(t, number, count, words...)                                                                       \
	({ union { number from[count]; t to; } ___arg = { .from = { words } }; ___arg.to; })
/* A `t` out of the context from word `at` on; (void)0, which is no argument, if no `t` is passed like that. */
#define ___bpf_ctx_word(t, at)                                                                                         \
	__builtin_choose_expr(sizeof(t) == 1, ___bpf_words(t, __u8, 1, ctx[at]),                                       \
	__builtin_choose_expr(sizeof(t) == 2, ___bpf_words(t, __u16, 1, ctx[at]),                                      \
	__builtin_choose_expr(sizeof(t) == 4, ___bpf_words(t, __u32, 1, ctx[at]),                                      \
	__builtin_choose_expr(sizeof(t) == 8, ___bpf_words(t, __u64, 1, ctx[at]),                                      \
	__builtin_choose_expr(sizeof(t) == 16, ___bpf_words(t, __u64, 2, ctx[at], ctx[(at) + 1]), (void)0)))))
/* The word after a `t` that starts at word `at`. */
#define ___bpf_ctx_next(t, at) ((at) + (sizeof(t) > 8 ? 2 : 1))

#define ___bpf_ctx_arg0(at)
#define ___bpf_ctx_arg1(at, t, x) , ___bpf_ctx_word(t, at)
#define ___bpf_ctx_arg2(at, t, x, ...) , ___bpf_ctx_word(t, at) ___bpf_ctx_arg1(___bpf_ctx_next(t, at), __VA_ARGS__)
#define ___bpf_ctx_arg3(at, t, x, ...) , ___bpf_ctx_word(t, at) ___bpf_ctx_arg2(___bpf_ctx_next(t, at), __VA_ARGS__)
#define ___bpf_ctx_arg4(at, t, x, ...) , ___bpf_ctx_word(t, at) ___bpf_ctx_arg3(___bpf_ctx_next(t, at), __VA_ARGS__)
#define ___bpf_ctx_arg5(at, t, x, ...) , ___bpf_ctx_word(t, at) ___bpf_ctx_arg4(___bpf_ctx_next(t, at), __VA_ARGS__)
#define ___bpf_ctx_arg6(at, t, x, ...) , ___bpf_ctx_word(t, at) ___bpf_ctx_arg5(___bpf_ctx_next(t, at), __VA_ARGS__)
#define ___bpf_ctx_arg7(at, t, x, ...) , ___bpf_ctx_word(t, at) ___bpf_ctx_arg6(___bpf_ctx_next(t, at), __VA_ARGS__)
#define ___bpf_ctx_arg8(at, t, x, ...) , ___bpf_ctx_word(t, at) ___bpf_ctx_arg7(___bpf_ctx_next(t, at), __VA_ARGS__)
#define ___bpf_ctx_arg9(at, t, x, ...) , ___bpf_ctx_word(t, at) ___bpf_ctx_arg8(___bpf_ctx_next(t, at), __VA_ARGS__)
#define ___bpf_ctx_arg10(at, t, x, ...) , ___bpf_ctx_word(t, at) ___bpf_ctx_arg9(___bpf_ctx_next(t, at), __VA_ARGS__)
#define ___bpf_ctx_arg11(at, t, x, ...) , ___bpf_ctx_word(t, at) ___bpf_ctx_arg10(___bpf_ctx_next(t, at), __VA_ARGS__)
#define ___bpf_ctx_arg12(at, t, x, ...) , ___bpf_ctx_word(t, at) ___bpf_ctx_arg11(___bpf_ctx_next(t, at), __VA_ARGS__)
#define ___bpf_ctx_arg(args...) ___bpf_apply(___bpf_ctx_arg, ___bpf_narg2(args))(0, ##args)

#define ___bpf_ctx_decl0()
#define ___bpf_ctx_decl1(t, x) , t x
#define ___bpf_ctx_decl2(t, x, ...) , t x ___bpf_ctx_decl1(__VA_ARGS__)
#define ___bpf_ctx_decl3(t, x, ...) , t x ___bpf_ctx_decl2(__VA_ARGS__)
#define ___bpf_ctx_decl4(t, x, ...) , t x ___bpf_ctx_decl3(__VA_ARGS__)
#define ___bpf_ctx_decl5(t, x, ...) , t x ___bpf_ctx_decl4(__VA_ARGS__)
#define ___bpf_ctx_decl6(t, x, ...) , t x ___bpf_ctx_decl5(__VA_ARGS__)
#define ___bpf_ctx_decl7(t, x, ...) , t x ___bpf_ctx_decl6(__VA_ARGS__)
#define ___bpf_ctx_decl8(t, x, ...) , t x ___bpf_ctx_decl7(__VA_ARGS__)
#define ___bpf_ctx_decl9(t, x, ...) , t x ___bpf_ctx_decl8(__VA_ARGS__)
#define ___bpf_ctx_decl10(t, x, ...) , t x ___bpf_ctx_decl9(__VA_ARGS__)
#define ___bpf_ctx_decl11(t, x, ...) , t x ___bpf_ctx_decl10(__VA_ARGS__)
#define ___bpf_ctx_decl12(t, x, ...) , t x ___bpf_ctx_decl11(__VA_ARGS__)
#define ___bpf_ctx_decl(args...) ___bpf_apply(___bpf_ctx_decl, ___bpf_narg2(args))(args)

#define BPF_PROG2(name, args...)                                                                                       \
	___bpf_program(name, unsigned long long *ctx, ____##name,                                                      \
		       (unsigned long long *___bpf_ctx ___bpf_ctx_decl(args)), (ctx ___bpf_ctx_arg(args)))

#endif
