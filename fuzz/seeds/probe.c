/* A library with a static probe, noted as <sys/sdt.h> does it. Seeds of the target `binary` are built from it. */

int counter;

int add(int value)
{
	__asm__ volatile("990: nop\n"
			 ".pushsection .note.stapsdt,\"\",@note\n"
			 ".balign 4\n"
			 ".4byte 992f-991f, 994f-993f, 3\n"
			 "991: .asciz \"stapsdt\"\n"
			 "992: .balign 4\n"
			 "993: .8byte 990b\n"
			 ".8byte _.stapsdt.base\n"
			 ".8byte 0\n"
			 ".asciz \"seed\"\n"
			 ".asciz \"added\"\n"
			 ".asciz \"-4@%%edi 8@-8(%%rbp,%%rax,4) 1@$7\"\n"
			 "994: .balign 4\n"
			 ".popsection\n"
			 ".pushsection .stapsdt.base,\"aG\",@progbits,.stapsdt.base,comdat\n"
			 ".weak _.stapsdt.base\n"
			 ".hidden _.stapsdt.base\n"
			 "_.stapsdt.base: .space 1\n"
			 ".size _.stapsdt.base, 1\n"
			 ".popsection\n" ::: "memory");
	counter += value;
	return counter;
}
