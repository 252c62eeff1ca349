/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the parts of the comparison with the CPU: emul_forms.c, the table; emul_encode.c, a
 * row's encodings; emul_cpu.c, running one natively; emul_native.c, emulating it and comparing.
 */
#ifndef EMUL_NATIVE_H
#define EMUL_NATIVE_H

#include <signal.h>
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
	O_ONLYW = 0x8000000,	/* REX.W always */
	O_VVVV = 0x10000000,	/* vector form with three operands */
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
	u32 fixed;		/* flags that are defined, but the same whatever the input */
};

extern const struct form emul_forms[];

struct encoding {
	u8 bytes[16];
	unsigned int len;
	unsigned int size;	/* of the operation, bytes */
	int base, index;	/* registers of the address, or -1 */
	int greg;		/* register operand, or -1 */
	int rm;			/* register in ModRM.rm, or -1 */
	bool mem, a32, lock;
	u8 rep;
	u64 imm;		/* as encoded, zero-extended */
};

enum ea { EA_REG, EA_BASE, EA_DISP8, EA_SIB, EA_DISP32, EA_RIP, EA_ABS, EA_COUNT };

/* What the native run starts from and what it leaves */
static struct cpu_state *const cpu = (struct cpu_state *)STATE;
static u8 *const data = (u8 *)DATA;

extern volatile int signal_seen;	/* by the native run, 0 none */
extern u64 resume_at;			/* where it goes on after one */
extern bool have_avx;

/** emul_seed() - begin a sequence of random numbers; the environment's EMUL_SEED changes it */
void emul_seed(u64 s);

/** rnd() - a random number, the same after the same seed */
u64 rnd(void);

/** interesting() - a random number that is often at an edge */
u64 interesting(void);

/** map_at() - memory at a fixed address */
void map_at(unsigned long addr, unsigned long len, int prot);

/** on_signal() - handler of what native runs raise: note it, go on at resume_at */
void on_signal(int sig, siginfo_t *si, void *ctx);

/** catch_signals() - have @handler called, on a stack of its own */
void catch_signals(void (*handler)(int sig, siginfo_t *si, void *ctx));

/** vector_signal() - what the kernel makes of the exception that was emulated */
int vector_signal(const struct emul *e);

/**
 * put_prefixes() - begin an encoding
 * @c: the encoding
 * @a: with an address-size prefix
 * @p66: with an operand-size prefix
 * @lock: with LOCK
 * @rep: the repeat prefix, 0 none
 */
void put_prefixes(struct encoding *c, bool a, bool p66, bool lock, u8 rep);

/**
 * emulate_from() - set the emulator up as the native run was
 * @e: the emulator
 * @ops: its callbacks
 * @mode: not EMUL_LONG
 * @gpr: the 8 registers
 * @rip: offset of the instruction
 * @rflags: the flags
 */
void emulate_from(struct emul *e, const struct emul_ops *ops, enum emul_mode mode, const u32 *gpr,
		  u64 rip, u64 rflags);

/** cpu_has() - whether the CPU has @feature (a word of /proc/cpuinfo's flags; NULL: always) */
bool cpu_has(const char *feature);

/**
 * build() - build the trampoline around an instruction
 * @insn: the instruction
 * @len: its length, bytes
 * @opts: its form's
 *
 * Calling CODE runs it: from the registers in *cpu, which it replaces by those afterwards.
 *
 * Return: the instruction's address.
 */
u64 build(const u8 *insn, unsigned int len, u32 opts);

/**
 * undefined_flags() - flags that an input leaves undefined
 * @f: the form
 * @c: its encoding
 * @cl: CL at the start
 * @skip: set when more than flags is undefined
 */
u32 undefined_flags(const struct form *f, const struct encoding *c, u8 cl, bool *skip);

/** align_of() - how @c's memory operand must be aligned, bytes */
u64 align_of(const struct form *f, const struct encoding *c);

/**
 * encode() - encode a form, with registers and immediates chosen at random
 * @f: the form
 * @c: the encoding
 * @p66: with an operand-size prefix
 * @w: with REX.W or VEX.W
 * @a32: with an address-size prefix
 * @lock: with LOCK
 * @l: with VEX.L
 * @rep: the repeat prefix, 0 none
 * @ea: how the operand is addressed
 *
 * Return: false when the combination does not exist.
 */
bool encode(const struct form *f, struct encoding *c, bool p66, bool w, bool a32, bool lock, bool l,
	    u8 rep, enum ea ea);

/** fix_rip() - set an EA_RIP encoding's displacement, which depends on where it is and how long */
void fix_rip(const struct form *f, struct encoding *c);

#endif /* EMUL_NATIVE_H */
