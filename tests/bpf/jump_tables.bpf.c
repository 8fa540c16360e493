/* A program that jumps by a table, as clang writes them from 22 on; older ones do not know the instruction. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* So that the other one does not start its section, from which tables count. */
SEC("socket")
int first(struct __sk_buff *skb)
{
	return 7;
}

/* A subprogram with a table of its own: where it lies in a program is not where it lies in its section. */
static __attribute__((naked, noinline)) int jumps(unsigned int n)
{
	asm volatile(".pushsection .jumptables, \"\", @progbits;"
		     "inner:"
		     ".quad inner_zero - .text;"
		     ".quad inner_one - .text;"
		     ".size inner, 16;"
		     ".global inner;"
		     ".popsection;"
		     "r1 &= 1;"
		     "r1 <<= 3;"
		     "r2 = inner ll;"
		     "r2 += r1;"
		     "r2 = *(u64 *)(r2 + 0);"
		     /* gotox r2 */
		     ".8byte 0x20d;"
		     "inner_zero: r0 = 10;"
		     "exit;"
		     "inner_one: r0 = 11;"
		     "exit;" ::
			     : "memory");
}

SEC("socket")
int calls(struct __sk_buff *skb)
{
	return jumps(skb->len);
}

/* Answers by the last two bits of the packet's length. */
SEC("socket") __attribute__((naked))
int chooses(struct __sk_buff *skb)
{
	asm volatile(".pushsection .jumptables, \"\", @progbits;"
		     "chosen:"
		     ".quad zero - socket;"
		     ".quad one - socket;"
		     ".quad two - socket;"
		     ".size chosen, 24;"
		     ".global chosen;"
		     ".popsection;"
		     "r2 = *(u32 *)(r1 + 0);"
		     "r2 &= 3;"
		     "r0 = 0;"
		     "if r2 > 2 goto out;"
		     "r1 = chosen ll;"
		     "r2 <<= 3;"
		     "r1 += r2;"
		     "r1 = *(u64 *)(r1 + 0);"
		     /* gotox r1 */
		     ".8byte 0x10d;"
		     "zero: r0 = 100;"
		     "goto out;"
		     "two: r0 = 300;"
		     "goto out;"
		     "one: r0 = 201;"
		     "out: exit;" ::
			     : "memory");
}
