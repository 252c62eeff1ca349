// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator against the CPU it runs on: each row of forms[] is expanded into its encodings
 * (operand sizes, registers, addressing modes), each encoding is run natively and emulated on the
 * same random input, and registers, defined flags, memory and vector registers are compared.
 *
 * The native run: code at CODE loads all registers from CPU_STATE, executes the instruction, and
 * stores all registers back. A signal (#DE, #GP, #UD) resumes at the storing part.
 */
#define _GNU_SOURCE
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ucontext.h>
#include <unistd.h>
#include "../../kmod/emul/emul.h"
#include "emul_test.h"

/* All below 4 GiB, so that absolute and 32-bit addresses reach them */
#define CODE		0x30000000UL
#define STATE		0x31000000UL
#define DATA		0x32000000UL
#define DATA_SIZE	4096u
#define MIDDLE		(DATA + DATA_SIZE / 2)

#define CF	0x001u
#define PF	0x004u
#define AF	0x010u
#define ZF	0x040u
#define SF	0x080u
#define OF	0x800u
#define ARITH	(CF | PF | AF | ZF | SF | OF)

struct cpu_state {
	u64 gpr[16];
	u64 rflags;
	u64 host_rsp;
	u8 marker;
	u8 pad[7];
	u64 mmx[8];
	u8 ymm[16][32];
};

enum {
	O_BYTE = 1,		/* byte operands: no 66, REX.W makes no difference */
	O_NO66 = 2,		/* only 32- and 64-bit forms */
	O_IB = 4,		/* imm8 */
	O_IZ = 8,		/* imm16/32 */
	O_IV = 0x10,		/* imm16/32/64 */
	O_LOCK = 0x20,		/* also with LOCK, memory destination */
	O_MEM = 0x40,		/* memory forms only */
	O_REG = 0x80,		/* register forms only */
	O_PLUS = 0x100,		/* register in the opcode */
	O_NONE = 0x200,		/* no operands */
	O_SHIFT = 0x400,	/* flags depend on the count */
	O_BITS = 0x800,		/* register bit offset */
	O_DIV = 0x1000,
	O_STACK = 0x2000,	/* uses the stack: RSP points into the data */
	O_W64 = 0x4000,		/* 64-bit default: 66 or nothing */
	O_VEC = 0x8000,		/* vector registers matter */
	O_MMX = 0x10000,
	O_ALIGN = 0x20000,	/* 16 or 32 bytes */
	O_STRING = 0x40000,
	O_REP = 0x80000,
	O_JCC = 0x100000,	/* rel8 over the marker */
	O_VEX = 0x200000,
	O_L = 0x400000,		/* with VEX.L too */
	O_CX8B = 0x800000,
	O_F64 = 0x1000000,	/* never a 66 prefix */
	O_SHD = 0x2000000,	/* double shift: 16-bit with a count over 16 is undefined */
	O_NOW = 0x4000000,	/* no REX.W */
};

struct form {
	const char *name;
	u8 prefix;		/* mandatory, 0 none */
	u8 map;			/* 0: one byte, 1: 0F, 2: 0F38, 3: 0F3A */
	u8 opcode;
	s8 ext;			/* /digit, or -1: a register */
	u32 opts;
	u32 undef;		/* undefined flags */
	const char *cpu;	/* feature needed, as /proc/cpuinfo calls it */
};

#define ALU(n, base, d, u)						\
	{ n, 0, 0, (base) + 0, -1, O_BYTE | O_LOCK, u, NULL },		\
	{ n, 0, 0, (base) + 1, -1, O_LOCK, u, NULL },			\
	{ n, 0, 0, (base) + 2, -1, O_BYTE, u, NULL },			\
	{ n, 0, 0, (base) + 3, -1, 0, u, NULL },			\
	{ n, 0, 0, (base) + 4, -1, O_BYTE | O_NONE | O_IB, u, NULL },	\
	{ n, 0, 0, (base) + 5, -1, O_NONE | O_IZ, u, NULL },		\
	{ n, 0, 0, 0x80, d, O_BYTE | O_IB | O_LOCK, u, NULL },		\
	{ n, 0, 0, 0x81, d, O_IZ | O_LOCK, u, NULL },			\
	{ n, 0, 0, 0x83, d, O_IB | O_LOCK, u, NULL }

#define SHIFT(n, d)							\
	{ n, 0, 0, 0xc0, d, O_BYTE | O_IB | O_SHIFT, AF, NULL },	\
	{ n, 0, 0, 0xc1, d, O_IB | O_SHIFT, AF, NULL },			\
	{ n, 0, 0, 0xd0, d, O_BYTE, AF, NULL },				\
	{ n, 0, 0, 0xd1, d, 0, AF, NULL },				\
	{ n, 0, 0, 0xd2, d, O_BYTE | O_SHIFT, AF, NULL },		\
	{ n, 0, 0, 0xd3, d, O_SHIFT, AF, NULL }

#define CC(n, cc)							\
	{ "set" n, 0, 1, 0x90 + (cc), 0, O_BYTE, 0, NULL },		\
	{ "cmov" n, 0, 1, 0x40 + (cc), -1, 0, 0, NULL },		\
	{ "j" n, 0, 0, 0x70 + (cc), -1, O_JCC | O_NONE | O_F64, 0, NULL }

static const struct form forms[] = {
	ALU("add", 0x00, 0, 0), ALU("or", 0x08, 1, AF), ALU("adc", 0x10, 2, 0),
	ALU("sbb", 0x18, 3, 0), ALU("and", 0x20, 4, AF), ALU("sub", 0x28, 5, 0),
	ALU("xor", 0x30, 6, AF), ALU("cmp", 0x38, 7, 0),
	SHIFT("rol", 0), SHIFT("ror", 1), SHIFT("rcl", 2), SHIFT("rcr", 3),
	SHIFT("shl", 4), SHIFT("shr", 5), SHIFT("sal", 6), SHIFT("sar", 7),
	CC("o", 0), CC("no", 1), CC("b", 2), CC("ae", 3), CC("e", 4), CC("ne", 5), CC("be", 6),
	CC("a", 7), CC("s", 8), CC("ns", 9), CC("p", 10), CC("np", 11), CC("l", 12),
	CC("ge", 13), CC("le", 14), CC("g", 15),
	{ "test", 0, 0, 0x84, -1, O_BYTE, AF, NULL },
	{ "test", 0, 0, 0x85, -1, 0, AF, NULL },
	{ "test", 0, 0, 0xa8, -1, O_BYTE | O_NONE | O_IB, AF, NULL },
	{ "test", 0, 0, 0xa9, -1, O_NONE | O_IZ, AF, NULL },
	{ "test", 0, 0, 0xf6, 0, O_BYTE | O_IB, AF, NULL },
	{ "test", 0, 0, 0xf7, 0, O_IZ, AF, NULL },
	{ "test", 0, 0, 0xf7, 1, O_IZ, AF, NULL },
	{ "not", 0, 0, 0xf6, 2, O_BYTE | O_LOCK, 0, NULL },
	{ "not", 0, 0, 0xf7, 2, O_LOCK, 0, NULL },
	{ "neg", 0, 0, 0xf6, 3, O_BYTE | O_LOCK, 0, NULL },
	{ "neg", 0, 0, 0xf7, 3, O_LOCK, 0, NULL },
	{ "mul", 0, 0, 0xf6, 4, O_BYTE, SF | ZF | AF | PF, NULL },
	{ "mul", 0, 0, 0xf7, 4, 0, SF | ZF | AF | PF, NULL },
	{ "imul", 0, 0, 0xf6, 5, O_BYTE, SF | ZF | AF | PF, NULL },
	{ "imul", 0, 0, 0xf7, 5, 0, SF | ZF | AF | PF, NULL },
	{ "div", 0, 0, 0xf6, 6, O_BYTE | O_DIV, ARITH, NULL },
	{ "div", 0, 0, 0xf7, 6, O_DIV, ARITH, NULL },
	{ "idiv", 0, 0, 0xf6, 7, O_BYTE | O_DIV, ARITH, NULL },
	{ "idiv", 0, 0, 0xf7, 7, O_DIV, ARITH, NULL },
	{ "imul", 0, 0, 0x69, -1, O_IZ, SF | ZF | AF | PF, NULL },
	{ "imul", 0, 0, 0x6b, -1, O_IB, SF | ZF | AF | PF, NULL },
	{ "imul", 0, 1, 0xaf, -1, 0, SF | ZF | AF | PF, NULL },
	{ "inc", 0, 0, 0xfe, 0, O_BYTE | O_LOCK, 0, NULL },
	{ "inc", 0, 0, 0xff, 0, O_LOCK, 0, NULL },
	{ "dec", 0, 0, 0xfe, 1, O_BYTE | O_LOCK, 0, NULL },
	{ "dec", 0, 0, 0xff, 1, O_LOCK, 0, NULL },
	{ "mov", 0, 0, 0x88, -1, O_BYTE, 0, NULL },
	{ "mov", 0, 0, 0x89, -1, 0, 0, NULL },
	{ "mov", 0, 0, 0x8a, -1, O_BYTE, 0, NULL },
	{ "mov", 0, 0, 0x8b, -1, 0, 0, NULL },
	{ "mov", 0, 0, 0xc6, 0, O_BYTE | O_IB, 0, NULL },
	{ "mov", 0, 0, 0xc7, 0, O_IZ, 0, NULL },
	{ "mov", 0, 0, 0xb0, -1, O_BYTE | O_PLUS | O_IB, 0, NULL },
	{ "mov", 0, 0, 0xb8, -1, O_PLUS | O_IV, 0, NULL },
	{ "mov-from-seg", 0, 0, 0x8c, 3, 0, 0, NULL },
	{ "movzx", 0, 1, 0xb6, -1, 0, 0, NULL },
	{ "movzx", 0, 1, 0xb7, -1, 0, 0, NULL },
	{ "movsx", 0, 1, 0xbe, -1, 0, 0, NULL },
	{ "movsx", 0, 1, 0xbf, -1, 0, 0, NULL },
	{ "movsxd", 0, 0, 0x63, -1, O_NO66, 0, NULL },
	{ "lea", 0, 0, 0x8d, -1, O_MEM, 0, NULL },
	{ "xchg", 0, 0, 0x86, -1, O_BYTE | O_LOCK, 0, NULL },
	{ "xchg", 0, 0, 0x87, -1, O_LOCK, 0, NULL },
	{ "xchg", 0, 0, 0x90, -1, O_PLUS, 0, NULL },
	{ "xadd", 0, 1, 0xc0, -1, O_BYTE | O_LOCK, 0, NULL },
	{ "xadd", 0, 1, 0xc1, -1, O_LOCK, 0, NULL },
	{ "cmpxchg", 0, 1, 0xb0, -1, O_BYTE | O_LOCK, 0, NULL },
	{ "cmpxchg", 0, 1, 0xb1, -1, O_LOCK, 0, NULL },
	{ "cmpxchg8b", 0, 1, 0xc7, 1, O_MEM | O_LOCK | O_CX8B | O_NOW, 0, "cx8" },
	{ "cmpxchg16b", 0, 1, 0xc7, 1, O_MEM | O_LOCK | O_CX8B | O_ALIGN, 0, "cx16" },
	{ "bt", 0, 1, 0xa3, -1, O_BITS, OF | SF | AF | PF, NULL },
	{ "bts", 0, 1, 0xab, -1, O_BITS | O_LOCK, OF | SF | AF | PF, NULL },
	{ "btr", 0, 1, 0xb3, -1, O_BITS | O_LOCK, OF | SF | AF | PF, NULL },
	{ "btc", 0, 1, 0xbb, -1, O_BITS | O_LOCK, OF | SF | AF | PF, NULL },
	{ "bt", 0, 1, 0xba, 4, O_IB, OF | SF | AF | PF, NULL },
	{ "bts", 0, 1, 0xba, 5, O_IB | O_LOCK, OF | SF | AF | PF, NULL },
	{ "btr", 0, 1, 0xba, 6, O_IB | O_LOCK, OF | SF | AF | PF, NULL },
	{ "btc", 0, 1, 0xba, 7, O_IB | O_LOCK, OF | SF | AF | PF, NULL },
	{ "bsf", 0, 1, 0xbc, -1, 0, ARITH & ~ZF, NULL },
	{ "bsr", 0, 1, 0xbd, -1, 0, ARITH & ~ZF, NULL },
	{ "tzcnt", 0xf3, 1, 0xbc, -1, 0, OF | SF | AF | PF, "bmi1" },
	{ "lzcnt", 0xf3, 1, 0xbd, -1, 0, OF | SF | AF | PF, "abm" },
	{ "popcnt", 0xf3, 1, 0xb8, -1, 0, 0, "popcnt" },
	{ "shld", 0, 1, 0xa4, -1, O_IB | O_SHIFT | O_SHD, AF, NULL },
	{ "shld", 0, 1, 0xa5, -1, O_SHIFT | O_SHD, AF, NULL },
	{ "shrd", 0, 1, 0xac, -1, O_IB | O_SHIFT | O_SHD, AF, NULL },
	{ "shrd", 0, 1, 0xad, -1, O_SHIFT | O_SHD, AF, NULL },
	{ "bswap", 0, 1, 0xc8, -1, O_PLUS | O_NO66, 0, NULL },
	{ "movbe", 0, 2, 0xf0, -1, O_MEM, 0, "movbe" },
	{ "movbe", 0, 2, 0xf1, -1, O_MEM, 0, "movbe" },
	{ "crc32", 0xf2, 2, 0xf0, -1, O_BYTE, 0, "sse4_2" },
	{ "crc32", 0xf2, 2, 0xf1, -1, 0, 0, "sse4_2" },
	{ "adcx", 0x66, 2, 0xf6, -1, O_F64, 0, "adx" },
	{ "adox", 0xf3, 2, 0xf6, -1, O_F64, 0, "adx" },
	{ "movnti", 0, 1, 0xc3, -1, O_MEM | O_NO66, 0, "sse2" },
	{ "cbw", 0, 0, 0x98, -1, O_NONE, 0, NULL },
	{ "cwd", 0, 0, 0x99, -1, O_NONE, 0, NULL },
	{ "sahf", 0, 0, 0x9e, -1, O_NONE | O_F64, 0, "lahf_lm" },
	{ "lahf", 0, 0, 0x9f, -1, O_NONE | O_F64, 0, "lahf_lm" },
	{ "clc", 0, 0, 0xf8, -1, O_NONE | O_F64, 0, NULL },
	{ "stc", 0, 0, 0xf9, -1, O_NONE | O_F64, 0, NULL },
	{ "cmc", 0, 0, 0xf5, -1, O_NONE | O_F64, 0, NULL },
	{ "cld", 0, 0, 0xfc, -1, O_NONE | O_F64, 0, NULL },
	{ "std", 0, 0, 0xfd, -1, O_NONE | O_F64, 0, NULL },
	{ "nop", 0, 0, 0x90, -1, O_NONE, 0, NULL },
	{ "nop", 0, 1, 0x1f, 0, 0, 0, NULL },
	{ "push", 0, 0, 0x50, -1, O_PLUS | O_STACK | O_W64, 0, NULL },
	{ "pop", 0, 0, 0x58, -1, O_PLUS | O_STACK | O_W64, 0, NULL },
	{ "push", 0, 0, 0xff, 6, O_STACK | O_W64, 0, NULL },
	{ "pop", 0, 0, 0x8f, 0, O_STACK | O_W64, 0, NULL },
	{ "push", 0, 0, 0x68, -1, O_NONE | O_IZ | O_STACK | O_W64, 0, NULL },
	{ "push", 0, 0, 0x6a, -1, O_NONE | O_IB | O_STACK | O_W64, 0, NULL },
	{ "push-fs", 0, 1, 0xa0, -1, O_NONE | O_STACK | O_F64, 0, NULL },
	{ "pushf", 0, 0, 0x9c, -1, O_NONE | O_STACK | O_W64, 0, NULL },
	{ "leave", 0, 0, 0xc9, -1, O_NONE | O_STACK | O_W64, 0, NULL },
	{ "xlat", 0, 0, 0xd7, -1, O_NONE | O_STRING | O_F64, 0, NULL },
	{ "loopne", 0, 0, 0xe0, -1, O_NONE | O_JCC | O_F64, 0, NULL },
	{ "loope", 0, 0, 0xe1, -1, O_NONE | O_JCC | O_F64, 0, NULL },
	{ "loop", 0, 0, 0xe2, -1, O_NONE | O_JCC | O_F64, 0, NULL },
	{ "jrcxz", 0, 0, 0xe3, -1, O_NONE | O_JCC | O_F64, 0, NULL },
	{ "jmp", 0, 0, 0xeb, -1, O_NONE | O_JCC | O_F64, 0, NULL },
	{ "movsb", 0, 0, 0xa4, -1, O_BYTE | O_NONE | O_STRING | O_REP, 0, NULL },
	{ "movs", 0, 0, 0xa5, -1, O_NONE | O_STRING | O_REP, 0, NULL },
	{ "cmpsb", 0, 0, 0xa6, -1, O_BYTE | O_NONE | O_STRING | O_REP, 0, NULL },
	{ "cmps", 0, 0, 0xa7, -1, O_NONE | O_STRING | O_REP, 0, NULL },
	{ "stosb", 0, 0, 0xaa, -1, O_BYTE | O_NONE | O_STRING | O_REP, 0, NULL },
	{ "stos", 0, 0, 0xab, -1, O_NONE | O_STRING | O_REP, 0, NULL },
	{ "lodsb", 0, 0, 0xac, -1, O_BYTE | O_NONE | O_STRING | O_REP, 0, NULL },
	{ "lods", 0, 0, 0xad, -1, O_NONE | O_STRING | O_REP, 0, NULL },
	{ "scasb", 0, 0, 0xae, -1, O_BYTE | O_NONE | O_STRING | O_REP, 0, NULL },
	{ "scas", 0, 0, 0xaf, -1, O_NONE | O_STRING | O_REP, 0, NULL },
	/* vector moves */
	{ "movups", 0, 1, 0x10, -1, O_VEC | O_F64, 0, "sse" },
	{ "movupd", 0x66, 1, 0x10, -1, O_VEC | O_F64, 0, "sse2" },
	{ "movss", 0xf3, 1, 0x10, -1, O_VEC | O_F64, 0, "sse" },
	{ "movsd", 0xf2, 1, 0x10, -1, O_VEC | O_F64, 0, "sse2" },
	{ "movups", 0, 1, 0x11, -1, O_VEC | O_F64, 0, "sse" },
	{ "movupd", 0x66, 1, 0x11, -1, O_VEC | O_F64, 0, "sse2" },
	{ "movss", 0xf3, 1, 0x11, -1, O_VEC | O_F64, 0, "sse" },
	{ "movsd", 0xf2, 1, 0x11, -1, O_VEC | O_F64, 0, "sse2" },
	{ "movlps", 0, 1, 0x12, -1, O_VEC | O_F64 | O_MEM, 0, "sse" },
	{ "movlpd", 0x66, 1, 0x12, -1, O_VEC | O_F64 | O_MEM, 0, "sse2" },
	{ "movlps", 0, 1, 0x13, -1, O_VEC | O_F64 | O_MEM, 0, "sse" },
	{ "movhps", 0, 1, 0x16, -1, O_VEC | O_F64 | O_MEM, 0, "sse" },
	{ "movhps", 0, 1, 0x17, -1, O_VEC | O_F64 | O_MEM, 0, "sse" },
	{ "movaps", 0, 1, 0x28, -1, O_VEC | O_F64 | O_ALIGN, 0, "sse" },
	{ "movaps-misaligned", 0, 1, 0x28, -1, O_VEC | O_F64 | O_MEM, 0, "sse" },
	{ "movapd", 0x66, 1, 0x29, -1, O_VEC | O_F64 | O_ALIGN, 0, "sse2" },
	{ "movntps", 0, 1, 0x2b, -1, O_VEC | O_F64 | O_ALIGN | O_MEM, 0, "sse" },
	{ "movd", 0x66, 1, 0x6e, -1, O_VEC | O_F64, 0, "sse2" },
	{ "movd", 0x66, 1, 0x7e, -1, O_VEC | O_F64, 0, "sse2" },
	{ "movq", 0xf3, 1, 0x7e, -1, O_VEC | O_F64, 0, "sse2" },
	{ "movq", 0x66, 1, 0xd6, -1, O_VEC | O_F64, 0, "sse2" },
	{ "movdqa", 0x66, 1, 0x6f, -1, O_VEC | O_F64 | O_ALIGN, 0, "sse2" },
	{ "movdqu", 0xf3, 1, 0x6f, -1, O_VEC | O_F64, 0, "sse2" },
	{ "movdqa", 0x66, 1, 0x7f, -1, O_VEC | O_F64 | O_ALIGN, 0, "sse2" },
	{ "movdqu", 0xf3, 1, 0x7f, -1, O_VEC | O_F64, 0, "sse2" },
	{ "movntdq", 0x66, 1, 0xe7, -1, O_VEC | O_F64 | O_ALIGN | O_MEM, 0, "sse2" },
	{ "lddqu", 0xf2, 1, 0xf0, -1, O_VEC | O_F64 | O_MEM, 0, "pni" },
	{ "movntdqa", 0x66, 2, 0x2a, -1, O_VEC | O_F64 | O_ALIGN | O_MEM, 0, "sse4_1" },
	{ "mmx-movd", 0, 1, 0x6e, -1, O_MMX | O_F64, 0, "mmx" },
	{ "mmx-movd", 0, 1, 0x7e, -1, O_MMX | O_F64, 0, "mmx" },
	{ "mmx-movq", 0, 1, 0x6f, -1, O_MMX | O_F64, 0, "mmx" },
	{ "mmx-movq", 0, 1, 0x7f, -1, O_MMX | O_F64, 0, "mmx" },
	{ "movntq", 0, 1, 0xe7, -1, O_MMX | O_F64 | O_MEM, 0, "sse" },
	{ "vmovups", 0, 1, 0x10, -1, O_VEC | O_VEX | O_L, 0, "avx" },
	{ "vmovupd", 0x66, 1, 0x11, -1, O_VEC | O_VEX | O_L, 0, "avx" },
	{ "vmovss", 0xf3, 1, 0x10, -1, O_VEC | O_VEX | O_MEM, 0, "avx" },
	{ "vmovsd", 0xf2, 1, 0x11, -1, O_VEC | O_VEX | O_MEM, 0, "avx" },
	{ "vmovlps", 0, 1, 0x13, -1, O_VEC | O_VEX | O_MEM, 0, "avx" },
	{ "vmovhps", 0, 1, 0x17, -1, O_VEC | O_VEX | O_MEM, 0, "avx" },
	{ "vmovaps", 0, 1, 0x28, -1, O_VEC | O_VEX | O_L | O_ALIGN, 0, "avx" },
	{ "vmovaps", 0, 1, 0x29, -1, O_VEC | O_VEX | O_L | O_ALIGN, 0, "avx" },
	{ "vmovdqa", 0x66, 1, 0x6f, -1, O_VEC | O_VEX | O_L | O_ALIGN, 0, "avx" },
	{ "vmovdqu", 0xf3, 1, 0x6f, -1, O_VEC | O_VEX | O_L, 0, "avx" },
	{ "vmovdqa", 0x66, 1, 0x7f, -1, O_VEC | O_VEX | O_L | O_ALIGN, 0, "avx" },
	{ "vmovdqu", 0xf3, 1, 0x7f, -1, O_VEC | O_VEX | O_L, 0, "avx" },
	{ "vmovd", 0x66, 1, 0x6e, -1, O_VEC | O_VEX, 0, "avx" },
	{ "vmovd", 0x66, 1, 0x7e, -1, O_VEC | O_VEX, 0, "avx" },
	{ "vmovq", 0xf3, 1, 0x7e, -1, O_VEC | O_VEX, 0, "avx" },
	{ "vmovq", 0x66, 1, 0xd6, -1, O_VEC | O_VEX, 0, "avx" },
	{ "vmovntdq", 0x66, 1, 0xe7, -1, O_VEC | O_VEX | O_L | O_ALIGN | O_MEM, 0, "avx" },
	{ "vlddqu", 0xf2, 1, 0xf0, -1, O_VEC | O_VEX | O_L | O_MEM, 0, "avx" },
	{ "vmovntdqa", 0x66, 2, 0x2a, -1, O_VEC | O_VEX | O_L | O_ALIGN | O_MEM, 0, "avx2" },
	/* BMI */
	{ "andn", 0, 2, 0xf2, -1, O_VEX, AF | PF, "bmi1" },
	{ "blsr", 0, 2, 0xf3, 1, O_VEX, AF | PF, "bmi1" },
	{ "blsmsk", 0, 2, 0xf3, 2, O_VEX, AF | PF, "bmi1" },
	{ "blsi", 0, 2, 0xf3, 3, O_VEX, AF | PF, "bmi1" },
	{ "bextr", 0, 2, 0xf7, -1, O_VEX, AF | PF | SF, "bmi1" },
	{ "bzhi", 0, 2, 0xf5, -1, O_VEX, AF | PF, "bmi2" },
	{ "pext", 0xf3, 2, 0xf5, -1, O_VEX, 0, "bmi2" },
	{ "pdep", 0xf2, 2, 0xf5, -1, O_VEX, 0, "bmi2" },
	{ "mulx", 0xf2, 2, 0xf6, -1, O_VEX, 0, "bmi2" },
	{ "shlx", 0x66, 2, 0xf7, -1, O_VEX, 0, "bmi2" },
	{ "sarx", 0xf3, 2, 0xf7, -1, O_VEX, 0, "bmi2" },
	{ "shrx", 0xf2, 2, 0xf7, -1, O_VEX, 0, "bmi2" },
	{ "rorx", 0xf2, 3, 0xf0, -1, O_VEX | O_IB, 0, "bmi2" },
};

const int emul_nr_forms = ARRAY_SIZE(forms);

/* ---- random numbers: repeatable ------------------------------------------------ */

static u64 seed;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static u64 interesting(void)
{
	static const u64 v[] = {
		0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff,
		0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, ~0ULL,
	};

	switch (rnd() & 3) {
	case 0:
		return v[rnd() % ARRAY_SIZE(v)];
	case 1:
		return rnd() & 63;
	default:
		return rnd();
	}
}

/* ---- the native side ---------------------------------------------------------------- */

static struct cpu_state *const cpu = (struct cpu_state *)STATE;
static u8 *const data = (u8 *)DATA;
static u8 *const code = (u8 *)CODE;
static volatile int signal_seen;
static u64 resume_at;
static bool have_avx;

static void on_signal(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)si;
	signal_seen = sig;
	uc->uc_mcontext.gregs[REG_RIP] = (long long)resume_at;
}

static void map_at(unsigned long addr, unsigned long len, int prot)
{
	void *p = mmap((void *)addr, len, prot,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	ck_assert_msg(p == (void *)addr, "cannot map %#lx", addr);
}

void emul_native_setup(void)
{
	static const int signals[] = { SIGFPE, SIGSEGV, SIGILL, SIGBUS, SIGTRAP };
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t ss = { .ss_size = 1 << 16 };
	unsigned int i;

	map_at(CODE, 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
	map_at(STATE, 4096, PROT_READ | PROT_WRITE);
	map_at(DATA, DATA_SIZE, PROT_READ | PROT_WRITE);
	ss.ss_sp = malloc(ss.ss_size);
	sigaltstack(&ss, NULL);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
	have_avx = __builtin_cpu_supports("avx");
}

static bool cpu_has(const char *feature)
{
	static char flags[8192];
	char *p, word[64];
	FILE *f;

	if (!feature)
		return true;
	if (!flags[0]) {
		f = fopen("/proc/cpuinfo", "r");
		while (f && fgets(flags, sizeof(flags), f) && strncmp(flags, "flags", 5))
			;
		if (f)
			fclose(f);
		p = strchr(flags, '\n');
		if (p)
			*p = ' ';
	}
	snprintf(word, sizeof(word), " %s ", feature);
	return strstr(flags, word) != NULL;
}

struct emitter {
	u8 *p;
};

static void emit(struct emitter *em, const void *bytes, unsigned int n)
{
	memcpy(em->p, bytes, n);
	em->p += n;
}

static void emit_abs(struct emitter *em, u64 addr)
{
	u32 a = (u32)addr;

	emit(em, &a, 4);
}

/* MOV between a register and [addr], 64 bits */
static void emit_mov(struct emitter *em, bool store, unsigned int reg, u64 addr)
{
	u8 b[] = { 0x48 | (reg >> 3) << 2, store ? 0x89 : 0x8b, 0x04 | (reg & 7) << 3, 0x25 };

	emit(em, b, 4);
	emit_abs(em, addr);
}

static void emit_ymm(struct emitter *em, bool store, unsigned int reg)
{
	u8 b[] = { 0xc5, reg < 8 ? 0xfe : 0x7e, store ? 0x7f : 0x6f, 0x04 | (reg & 7) << 3, 0x25 };

	emit(em, b, 5);
	emit_abs(em, STATE + offsetof(struct cpu_state, ymm) + reg * 32);
}

static void emit_mmx(struct emitter *em, bool store, unsigned int reg)
{
	u8 b[] = { 0x0f, store ? 0x7f : 0x6f, 0x04 | reg << 3, 0x25 };

	emit(em, b, 4);
	emit_abs(em, STATE + offsetof(struct cpu_state, mmx) + reg * 8);
}

#define AT(field)	(STATE + offsetof(struct cpu_state, field))

/* Build the trampoline around @insn. Return the instruction's address */
static u64 build(const u8 *insn, unsigned int len, u32 opts)
{
	static const u8 save[] = { 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57, 0x9c };
	static const u8 restore[] = { 0x9d, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d,
				      0x5b, 0xfc, 0xc3 };
	struct emitter em = { code };
	unsigned int i;
	u8 b[16];
	u64 at;

	emit(&em, save, sizeof(save));
	emit_mov(&em, true, EMUL_RSP, AT(host_rsp));
	if (opts & O_VEC)
		for (i = 0; i < 16; i++)
			emit_ymm(&em, false, i);
	if (opts & O_MMX)
		for (i = 0; i < 8; i++)
			emit_mmx(&em, false, i);
	/* pushq [rflags]; popfq */
	emit(&em, "\xff\x34\x25", 3);
	emit_abs(&em, AT(rflags));
	emit(&em, "\x9d", 1);
	for (i = 0; i < 16; i++)
		emit_mov(&em, false, i, AT(gpr) + i * 8);
	at = (u64)em.p;
	emit(&em, insn, len);
	if (opts & O_JCC) {
		/* movb $1, [marker]; jmp +8; movb $2, [marker] */
		emit(&em, "\xc6\x04\x25", 3);
		emit_abs(&em, AT(marker));
		emit(&em, "\x01\xeb\x08\xc6\x04\x25", 6);
		emit_abs(&em, AT(marker));
		emit(&em, "\x02", 1);
	}
	resume_at = (u64)em.p;
	for (i = 0; i < 16; i++)
		emit_mov(&em, true, i, AT(gpr) + i * 8);
	emit_mov(&em, false, EMUL_RSP, AT(host_rsp));
	/* pushfq; popq [rflags] */
	emit(&em, "\x9c\x8f\x04\x25", 4);
	emit_abs(&em, AT(rflags));
	if (opts & O_VEC) {
		for (i = 0; i < 16; i++)
			emit_ymm(&em, true, i);
		emit(&em, "\xc5\xf8\x77", 3);	/* vzeroupper */
	}
	if (opts & O_MMX) {
		for (i = 0; i < 8; i++)
			emit_mmx(&em, true, i);
		emit(&em, "\x0f\x77", 2);	/* emms */
	}
	memcpy(b, restore, sizeof(restore));
	emit(&em, restore, sizeof(restore));
	return at;
}

/* ---- the emulated side ------------------------------------------------------------------ */

static struct cpu_state emu;
static bool interrupt_reads;	/* answer EMUL_IO_NEEDED before every read succeeds */
static unsigned int reads_allowed, reads_done;
static u16 host_fs, host_ds;

static bool in_data(u64 la, unsigned int len)
{
	return la >= DATA && la + len <= DATA + DATA_SIZE;
}

static enum emul_status n_fetch(struct emul *e, u64 la, void *buf, unsigned int len)
{
	(void)e;
	memcpy(buf, (void *)la, len);
	return EMUL_OK;
}

static enum emul_status fault_gp(struct emul *e)
{
	e->fault = (struct emul_fault) { .vector = EMUL_GP, .has_error = true };
	return EMUL_FAULT;
}

static enum emul_status n_read(struct emul *e, u64 la, void *buf, unsigned int len,
			       unsigned int acc)
{
	(void)acc;
	if (!in_data(la, len))
		return fault_gp(e);
	if (interrupt_reads && reads_done++ == reads_allowed) {
		reads_allowed++;
		return EMUL_IO_NEEDED;
	}
	memcpy(buf, (void *)la, len);
	return EMUL_OK;
}

static enum emul_status n_write(struct emul *e, u64 la, const void *buf, unsigned int len,
				unsigned int acc)
{
	(void)acc;
	if (!in_data(la, len))
		return fault_gp(e);
	memcpy((void *)la, buf, len);
	return EMUL_OK;
}

static enum emul_status n_cmpxchg(struct emul *e, u64 la, void *old, const void *new,
				  unsigned int len, unsigned int acc)
{
	(void)acc;
	if (!in_data(la, len))
		return fault_gp(e);
	/* now and then another vCPU gets in between */
	if (memcmp((void *)la, old, len) || !(rnd() & 7)) {
		memcpy(old, (void *)la, len);
		return EMUL_RETRY;
	}
	memcpy((void *)la, new, len);
	return EMUL_OK;
}

static void n_get_seg(struct emul *e, unsigned int sreg, struct emul_seg *seg)
{
	(void)e;
	memset(seg, 0, sizeof(*seg));
	seg->selector = sreg == EMUL_FS ? host_fs : host_ds;
	seg->limit = ~0u;
	seg->attr = 0xc0f3;
}

static u64 n_get_cr(struct emul *e, unsigned int nr)
{
	(void)e;
	return nr == 0 ? 0x80050033 : nr == 4 ? 0x7406f0 : 0;
}

static enum emul_status n_get_xcr(struct emul *e, u32 nr, u64 *val)
{
	(void)e;
	(void)nr;
	*val = 7;
	return EMUL_OK;
}

static void n_get_xmm(struct emul *e, unsigned int reg, void *buf, unsigned int len)
{
	(void)e;
	memcpy(buf, emu.ymm[reg & 15], len);
}

static void n_set_xmm(struct emul *e, unsigned int reg, const void *buf, unsigned int len,
		      bool zero_upper)
{
	(void)e;
	if (zero_upper)
		memset(emu.ymm[reg & 15], 0, 32);
	memcpy(emu.ymm[reg & 15], buf, len);
}

static void n_get_mmx(struct emul *e, unsigned int reg, u64 *val)
{
	(void)e;
	*val = emu.mmx[reg & 7];
}

static void n_set_mmx(struct emul *e, unsigned int reg, u64 val)
{
	(void)e;
	emu.mmx[reg & 7] = val;
}

static const struct emul_ops native_ops = {
	.fetch = n_fetch, .read = n_read, .write = n_write, .cmpxchg = n_cmpxchg,
	.get_seg = n_get_seg, .get_cr = n_get_cr, .get_xcr = n_get_xcr,
	.get_xmm = n_get_xmm, .set_xmm = n_set_xmm, .get_mmx = n_get_mmx, .set_mmx = n_set_mmx,
};

static int vector_signal(const struct emul *e)
{
	switch (e->fault.vector) {
	case EMUL_DE:
		return SIGFPE;
	case EMUL_UD:
		return SIGILL;
	default:
		return SIGSEGV;
	}
}

/* ---- one comparison ------------------------------------------------------------------------- */

struct encoding {
	u8 bytes[16];
	unsigned int len;
	unsigned int size;	/* of the operation, bytes */
	int base, index;	/* registers of the address, or -1 */
	int greg;		/* register operand, or -1 */
	int rm;			/* register in ModRM.rm, or -1 */
	bool mem, a32, lock;
	u8 rep;
	u8 imm;
};

static unsigned long comparisons, encodings;

static void hex(char *out, const u8 *b, unsigned int n)
{
	while (n--)
		out += sprintf(out, "%02x ", *b++);
}

static u64 align_of(const struct form *f, const struct encoding *c)
{
	if (!(f->opts & O_ALIGN))
		return 1;
	return c->size > 16 ? c->size : 16;
}

static void random_input(const struct form *f, const struct encoding *c)
{
	unsigned int i;
	u64 off = 0;

	for (i = 0; i < 16; i++)
		cpu->gpr[i] = interesting();
	cpu->rflags = (rnd() & ARITH) | 0x202;
	cpu->marker = 0;
	for (i = 0; i < DATA_SIZE; i += 8)
		*(u64 *)(data + i) = interesting();
	for (i = 0; i < sizeof(cpu->ymm); i += 8)
		*(u64 *)((u8 *)cpu->ymm + i) = rnd();
	for (i = 0; i < 8; i++)
		cpu->mmx[i] = rnd();
	if (f->opts & O_BITS && c->mem) {
		cpu->gpr[c->greg] = (u64)((s64)(rnd() % 4000) - 2000);
	} else if (f->opts & O_DIV && (rnd() & 3)) {
		cpu->gpr[EMUL_RDX] = rnd() & 1 ? 0 : (u64)((s64)cpu->gpr[EMUL_RAX] >> 63);
		if (f->opts & O_BYTE)
			cpu->gpr[EMUL_RAX] &= 0x7ff;
	}
	if (f->opts & O_JCC)
		cpu->gpr[EMUL_RCX] = rnd() % 3;
	if (f->opts & (O_STACK | O_STRING)) {
		cpu->gpr[EMUL_RSP] = MIDDLE + rnd() % 64;
		cpu->gpr[EMUL_RBP] = MIDDLE + rnd() % 64;
	}
	if (f->opts & O_STRING) {
		cpu->gpr[EMUL_RSI] = MIDDLE + rnd() % 256;
		cpu->gpr[EMUL_RDI] = MIDDLE + rnd() % 256;
		cpu->gpr[EMUL_RBX] = MIDDLE;
		cpu->gpr[EMUL_RCX] = rnd() % 9;
		if (rnd() & 1)
			cpu->rflags |= 0x400;
		/* runs of equal bytes, for REPE */
		if (rnd() & 1)
			memset(data, (u8)rnd() & 1 ? 0 : (u8)cpu->gpr[EMUL_RAX], DATA_SIZE);
	}
	if (f->opts & O_CX8B && (rnd() & 1)) {
		cpu->gpr[EMUL_RAX] = *(u64 *)(MIDDLE);
		cpu->gpr[EMUL_RDX] = *(u64 *)(MIDDLE + 4);
	}
	if (c->index >= 0)
		cpu->gpr[c->index] = align_of(f, c) * (rnd() % 4);
	if (c->base >= 0) {
		off = rnd() % 32;
		cpu->gpr[c->base] = MIDDLE + (off & ~(align_of(f, c) - 1));
		if (f->opts & O_STACK && c->base == EMUL_RSP)
			cpu->gpr[c->base] = MIDDLE;
	}
	if (c->a32)
		for (i = 0; i < 16; i++)
			if ((int)i == c->base || (int)i == c->index)
				cpu->gpr[i] |= rnd() << 32;
}

/* Flags that this input leaves undefined */
static u32 undefined_flags(const struct form *f, const struct encoding *c, bool *skip)
{
	u32 undef = f->undef;
	unsigned int count, bits = c->size * 8;

	*skip = false;
	if (!(f->opts & O_SHIFT))
		return undef;
	count = f->opts & O_IB ? c->imm : (u8)cpu->gpr[EMUL_RCX];
	count &= c->size == 8 ? 63 : 31;
	if (!count)
		return 0;
	if (count != 1)
		undef |= OF;
	if (count >= bits)
		undef |= CF;
	if (f->opts & O_SHD) {
		if (count > bits)
			*skip = true;
	} else if (f->ext < 4) {
		/* rotates keep the other flags, CF is always defined */
		undef = count != 1 ? OF : 0;
	}
	return undef;
}

static void compare(const struct form *f, const struct encoding *c)
{
	static u8 before[DATA_SIZE], after[DATA_SIZE];
	struct cpu_state in, out;
	static struct emul e;
	enum emul_status st;
	char text[64];
	u32 undef;
	bool skip, same;
	u64 at, rip;
	int i;

	random_input(f, c);
	undef = undefined_flags(f, c, &skip);
	if (skip)
		return;
	at = build(c->bytes, c->len, f->opts);
	in = *cpu;
	memcpy(before, data, DATA_SIZE);

	signal_seen = 0;
	((void (*)(void))CODE)();
	out = *cpu;
	memcpy(after, data, DATA_SIZE);

	memcpy(data, before, DATA_SIZE);
	emu = in;
	memset(&e, 0, sizeof(e));
	e.ops = &native_ops;
	e.mode = EMUL_LONG;
	e.cpl = 3;
	memcpy(e.gpr, in.gpr, sizeof(e.gpr));
	e.rip = at;
	e.rflags = in.rflags;
	emul_init(&e);
	hex(text, c->bytes, c->len);

	interrupt_reads = rnd() & 1;
	reads_allowed = 0;
	reads_done = 0;
	st = emul_decode(&e);
	ck_assert_msg(st == EMUL_OK, "%s [%s]: decode: %d", f->name, text, st);
	ck_assert_msg(e.insn.len == c->len, "%s [%s]: length %u", f->name, text, e.insn.len);
	do {
		u32 commits = e.commits;
		u64 gpr[16], rflags = e.rflags;

		memcpy(gpr, e.gpr, sizeof(gpr));
		reads_done = 0;
		st = emul_execute(&e);
		if (e.commits != commits)
			reads_allowed = 0;
		else if (st == EMUL_IO_NEEDED)
			ck_assert_msg(!memcmp(gpr, e.gpr, sizeof(gpr)) &&
				      !memcmp(data, before, f->opts & O_STRING ? 0 : DATA_SIZE) &&
				      e.rip == at && e.rflags == rflags,
				      "%s [%s]: changed by a read that did not succeed",
				      f->name, text);
	} while (st == EMUL_IO_NEEDED || st == EMUL_RETRY || (st == EMUL_OK && e.rep_pending));

	comparisons++;
	if (signal_seen) {
		ck_assert_msg(st == EMUL_FAULT && vector_signal(&e) == signal_seen,
			      "%s [%s]: native signal %d, emulated status %d vector %u",
			      f->name, text, signal_seen, st, e.fault.vector);
		ck_assert_msg(!memcmp(e.gpr, in.gpr, sizeof(in.gpr)) && e.rip == at,
			      "%s [%s]: registers changed by a fault", f->name, text);
		return;
	}
	ck_assert_msg(st == EMUL_OK, "%s [%s]: status %d vector %u", f->name, text, st,
		      e.fault.vector);
	rip = at + c->len + (out.marker == 2 ? 10 : 0);
	ck_assert_msg(e.rip == rip, "%s [%s]: rip %#lx, native %#lx", f->name, text,
		      (long)(e.rip - at), (long)(rip - at));
	/* vendors differ in whether a failed 32-bit CMPXCHG zero-extends a register destination */
	if (!strcmp(f->name, "cmpxchg") && c->size == 4 && c->rm >= 0 && !(out.rflags & ZF))
		e.gpr[c->rm] = (u32)e.gpr[c->rm] | (out.gpr[c->rm] >> 32 << 32);
	for (i = 0; i < 16; i++)
		ck_assert_msg(e.gpr[i] == out.gpr[i],
			      "%s [%s]: register %d: %#lx, native %#lx, was %#lx",
			      f->name, text, i, (long)e.gpr[i], (long)out.gpr[i], (long)in.gpr[i]);
	undef |= 0x10302;	/* TF, IF and fixed: the kernel's business */
	ck_assert_msg(((e.rflags ^ out.rflags) & ~(u64)undef) == 0,
		      "%s [%s]: flags %#lx, native %#lx, was %#lx",
		      f->name, text, (long)e.rflags, (long)out.rflags, (long)in.rflags);
	same = !memcmp(data, after, DATA_SIZE);
	ck_assert_msg(same, "%s [%s]: memory differs", f->name, text);
	if (f->opts & O_VEC)
		ck_assert_msg(!memcmp(emu.ymm, out.ymm, sizeof(out.ymm)),
			      "%s [%s]: vector registers differ", f->name, text);
	if (f->opts & O_MMX)
		ck_assert_msg(!memcmp(emu.mmx, out.mmx, sizeof(out.mmx)),
			      "%s [%s]: MMX registers differ", f->name, text);
}

/* ---- encodings of a form -------------------------------------------------------------------- */

enum ea { EA_REG, EA_BASE, EA_DISP8, EA_SIB, EA_DISP32, EA_RIP, EA_ABS, EA_COUNT };

static void put_u32(struct encoding *c, u32 v)
{
	memcpy(c->bytes + c->len, &v, 4);
	c->len += 4;
}

static void put_imm(const struct form *f, struct encoding *c)
{
	unsigned int n = 0;
	u64 v = interesting();

	if (f->opts & O_IB)
		n = 1;
	else if (f->opts & O_IZ)
		n = c->size == 2 ? 2 : 4;
	else if (f->opts & O_IV)
		n = c->size;
	c->imm = (u8)v;
	memcpy(c->bytes + c->len, &v, n);
	c->len += n;
	if (f->opts & O_JCC)
		c->bytes[c->len++] = 10;
}

/*
 * Encode @f: operand size by @p66 and @w, address form @ea, registers chosen at random. False when
 * the combination does not exist.
 */
static bool encode(const struct form *f, struct encoding *c, bool p66, bool w, bool a32, bool lock,
		   bool l, u8 rep, enum ea ea)
{
	static const u8 bases[] = { 3, 6, 7, 8, 12, 13, 5, 4, 10, 15 };
	static const u8 indexes[] = { 9, 1, 14 };
	bool vex = f->opts & O_VEX, modrm = !(f->opts & (O_NONE | O_PLUS));
	unsigned int reg = f->ext >= 0 ? (unsigned int)f->ext : (unsigned int)(rnd() & 15), rm, vvvv = 0;
	u8 rex = 0x40 | (w ? 8 : 0), map = f->map;
	s32 disp;

	if ((p66 && (f->opts & (O_BYTE | O_NO66 | O_F64))) || (vex && p66) || (p66 && w))
		return false;
	if ((w && (f->opts & (O_W64 | O_NOW | O_JCC))) || (l && !(f->opts & O_L)))
		return false;
	if (f->opcode == 0xc7 && f->opts & O_ALIGN && !w)	/* CMPXCHG16B is W1 */
		return false;
	if (w && f->opts & O_VEC && vex && f->opcode != 0x6e && !(f->opcode == 0x7e && f->prefix == 0x66))
		return false;
	if (lock && (!(f->opts & O_LOCK) || ea == EA_REG))
		return false;
	/* no LOCK on CMP */
	if (lock && ((f->opcode & 0xf8) == 0x38 || f->ext == 7) && !f->map)
		return false;
	if (!modrm && ea != EA_REG)
		return false;
	if (modrm && ((ea == EA_REG && (f->opts & O_MEM)) || (ea != EA_REG && (f->opts & O_REG))))
		return false;
	if (rep && !(f->opts & O_REP))
		return false;
	if (a32 && ea == EA_REG && !(f->opts & (O_STRING | O_JCC)))
		return false;

	memset(c, 0, sizeof(*c));
	c->base = c->index = c->greg = c->rm = -1;
	c->mem = ea != EA_REG;
	c->a32 = a32;
	c->lock = lock;
	c->size = f->opts & O_BYTE ? 1 : p66 ? 2 : w || (f->opts & O_W64) ? 8 : 4;
	if (f->opts & O_VEC)
		c->size = l ? 32 : 16;
	if (f->opts & O_MMX)
		reg &= 7;
	if (f->opts & O_BYTE && f->map == 2)
		reg &= 15;

	rm = (unsigned int)(rnd() & 15);
	if (f->opts & O_MMX && ea == EA_REG && (f->opcode == 0x6f || f->opcode == 0x7f))
		rm &= 7;
	switch (ea) {
	case EA_BASE:
	case EA_DISP8:
	case EA_DISP32:
	case EA_SIB:
		c->base = rm = bases[rnd() % ARRAY_SIZE(bases)];
		if (ea == EA_SIB)
			c->index = indexes[rnd() % ARRAY_SIZE(indexes)];
		break;
	default:
		break;
	}
	/* a register operand that is also the address would point nowhere when it is random */
	while (f->ext < 0 && f->opts & O_BITS && c->mem && ((int)reg == c->base || (int)reg == c->index))
		reg = rnd() & 15;
	/* the implied registers of these are not addresses either */
	if (f->opts & (O_CX8B | O_DIV) && c->index == EMUL_RCX)
		c->index = EMUL_R9;
	if (f->opts & O_CX8B && c->base == EMUL_RBX)
		c->base = rm = EMUL_RSI;
	if (f->opts & O_SHIFT && c->index == EMUL_RCX)
		c->index = EMUL_R9;
	if (f->opts & O_STACK && c->base == EMUL_RSP)
		c->base = rm = EMUL_RSI;
	c->greg = (int)reg;
	if (ea == EA_REG)
		c->rm = (int)rm;
	if (modrm && f->ext < 0)
		rex |= (reg >> 3) << 2;
	if (modrm || f->opts & O_PLUS) {
		rex |= rm >> 3;
		if (c->index >= 8)
			rex |= 2;
	}
	if (f->opts & O_BYTE && !vex && rnd() & 1)
		rex |= 0x80;	/* force a REX prefix: SPL.. instead of AH.. */
	if (vex) {
		/* vmov* must not use vvvv */
		vvvv = f->opts & O_VEC || f->map == 3 ? 0 : (unsigned int)(rnd() & 15);
	}

	if (a32)
		c->bytes[c->len++] = 0x67;
	if (p66)
		c->bytes[c->len++] = 0x66;
	if (lock)
		c->bytes[c->len++] = 0xf0;
	if (rep)
		c->bytes[c->len++] = rep;
	c->rep = rep;
	if (f->prefix && !vex)
		c->bytes[c->len++] = f->prefix;
	if (vex) {
		unsigned int pp = f->prefix == 0x66 ? 1 : f->prefix == 0xf3 ? 2 :
				  f->prefix == 0xf2 ? 3 : 0;

		if (map == 1 && !(rex & 0xb) && rnd() & 1) {
			c->bytes[c->len++] = 0xc5;
			c->bytes[c->len++] = (rex & 4 ? 0 : 0x80) | (~vvvv & 15) << 3 | l << 2 | pp;
		} else {
			c->bytes[c->len++] = 0xc4;
			c->bytes[c->len++] = (~rex & 7) << 5 | map;
			c->bytes[c->len++] = (rex & 8) << 4 | (~vvvv & 15) << 3 | l << 2 | pp;
		}
		if (!(f->opts & O_VEC))
			c->size = w ? 8 : 4;
	} else {
		if (rex != 0x40)
			c->bytes[c->len++] = (rex & 0xf) | 0x40;
		if (map)
			c->bytes[c->len++] = 0x0f;
		if (map == 2)
			c->bytes[c->len++] = 0x38;
		if (map == 3)
			c->bytes[c->len++] = 0x3a;
	}
	c->bytes[c->len++] = f->opcode | (f->opts & O_PLUS ? rm & 7 : 0);
	if (f->opts & O_PLUS)
		c->greg = (int)rm;

	if (modrm) {
		unsigned int r = (reg & 7) << 3, sib_base = rm & 7;

		disp = (s32)(align_of(f, c) * (rnd() % 3));
		switch (ea) {
		case EA_REG:
			c->bytes[c->len++] = 0xc0 | r | (rm & 7);
			break;
		case EA_BASE:
		case EA_DISP8:
			/* RSP and R12 need a SIB byte, RBP and R13 a displacement */
			c->bytes[c->len++] = 0x40 | r | (rm & 7);
			if (sib_base == 4)
				c->bytes[c->len++] = 0x24;
			c->bytes[c->len++] = ea == EA_BASE ? 0 : (u8)-(s8)disp;
			if (ea == EA_BASE && sib_base != 4 && sib_base != 5) {
				c->bytes[c->len - 2] &= 0x3f;
				c->len--;
			}
			break;
		case EA_DISP32:
			c->bytes[c->len++] = 0x80 | r | (rm & 7);
			if (sib_base == 4)
				c->bytes[c->len++] = 0x24;
			put_u32(c, (u32)disp);
			break;
		case EA_SIB:
			c->bytes[c->len++] = 0x80 | r | 4;
			c->bytes[c->len++] = (rnd() & 3) << 6 | (c->index & 7) << 3 | sib_base;
			put_u32(c, (u32)disp);
			break;
		case EA_RIP:
			/* fixed up by the caller, who knows where the code is */
			c->bytes[c->len++] = r | 5;
			put_u32(c, 0);
			break;
		default:
			c->bytes[c->len++] = r | 4;
			c->bytes[c->len++] = 0x25;
			put_u32(c, (u32)(MIDDLE + (u32)disp));
		}
	}
	put_imm(f, c);
	return true;
}

/* RIP-relative: the displacement depends on where the instruction is and how long */
static void fix_rip(const struct form *f, struct encoding *c)
{
	unsigned int imm = f->opts & O_IB ? 1 : f->opts & O_IZ ? (c->size == 2 ? 2 : 4) : 0;
	u64 at = build(c->bytes, c->len, f->opts);
	u32 disp = (u32)(MIDDLE - (at + c->len));

	memcpy(c->bytes + c->len - imm - 4, &disp, 4);
}

static void run_form(const struct form *f)
{
	static const u8 reps[] = { 0, 0xf3, 0xf2 };
	struct encoding c;
	int v, ea, r, i;

	if (!cpu_has(f->cpu) || ((f->opts & O_VEC) && !have_avx))
		return;
	for (v = 0; v < 32; v++) {
		for (ea = 0; ea < EA_COUNT; ea++) {
			for (r = 0; r < 3; r++) {
				if (!encode(f, &c, v & 1, v & 2, v & 4, v & 8, v & 16, reps[r], ea))
					continue;
				encodings++;
				for (i = 0; i < EMUL_TEST_INPUTS; i++) {
					/* other registers and immediates each time */
					encode(f, &c, v & 1, v & 2, v & 4, v & 8, v & 16, reps[r],
					       ea);
					if (ea == EA_RIP)
						fix_rip(f, &c);
					compare(f, &c);
				}
			}
		}
	}
}

void emul_native_form(int i)
{
	seed = 0x9e3779b97f4a7c15ULL + (u64)i;
	asm("mov %%fs, %0" : "=r" (host_fs));
	asm("mov %%ds, %0" : "=r" (host_ds));
	encodings = comparisons = 0;
	run_form(&forms[i]);
	if (getenv("EMUL_VERBOSE"))
		printf("%s: %lu encodings, %lu comparisons\n", forms[i].name, encodings, comparisons);
}
