/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small machine for what user space cannot run natively: flat memory without paging, a page that
 * faults, a page that is a device, ports, system registers. machine() sets it up in a mode, a test
 * changes what it wants changed, STEP() runs one instruction.
 */
#ifndef EMUL_MACHINE_H
#define EMUL_MACHINE_H

#include <check.h>
#include <stdlib.h>
#include "../../kmod/emul/emul.h"
#include "emul_test.h"

#define RAM		0x200000u
#define BAD_PAGE	0x150000u	/* any access: #PF */
#define DEV_PAGE	0x160000u	/* reads answer EMUL_IO_NEEDED once each */
#define GDT		0x1000u
#define IDT		0x3000u
#define TSS		0x4000u
#define CODE		0x8000u
#define STACK		0x9000u

/* Attributes of descriptors, as in struct emul_seg */
#define CODE32	0xc09bu
#define CODE16	0x009bu
#define CODE64	0xa09bu
#define DATA32	0xc093u
#define RODATA	0xc091u
#define XONLY	0xc099u
#define DPL3	0x60u

extern u8 ram[RAM];
extern struct emul e;
extern struct emul_seg segs[EMUL_NR_SREG];
extern struct emul_dtable gdt, idt;
extern u64 cr[9], dr[8], efer, xcr0;
extern u64 msr_index, msr_value;	/* the one MSR besides EFER */
extern bool gp_on_set;			/* the next write of a control register: #GP */

/* the device */
extern bool dev_ready;
extern u64 dev_value;

/* ports */
extern u16 io_port;
extern unsigned int io_size, io_count, io_calls;
extern bool io_needed;
extern u8 io_data[EMUL_PIO_MAX];

extern unsigned int cmpxchg_calls;
extern bool cmpxchg_loses;
extern unsigned int halts;
extern u64 invlpg_la;
extern u32 missing;			/* features CPUID does not announce, by number */
extern bool rewrites;			/* what is fetched is HLT when it is looked at again */

/* the FPU */
extern int fpu_op;			/* the last operation, -1 none */
extern bool fpu_faults;

/**
 * set_seg() - load a segment register's hidden part
 * @sreg: EMUL_CS ... EMUL_TR
 * @sel: selector
 * @base: base address
 * @limit: limit, bytes
 * @attr: attributes as in struct emul_seg
 */
void set_seg(unsigned int sreg, u16 sel, u64 base, u32 limit, u32 attr);

/**
 * desc() - write a descriptor into the GDT
 * @sel: its selector
 * @base: base address
 * @limit: limit in units of G
 * @attr: attributes as in struct emul_seg
 */
void desc(unsigned int sel, u32 base, u32 limit, u32 attr);

/**
 * machine() - reset registers, tables, memory and counters
 * @mode: the mode it is in; CPL 0, in virtual-8086 mode 3. Code at CODE, the stack at STACK
 */
void machine(enum emul_mode mode);

/**
 * step() - put an instruction at CS:RIP and emulate it
 * @bytes: the instruction
 * @n: its length, bytes
 *
 * Return: what emul_step() says; e.fault is the fault.
 */
enum emul_status step(const char *bytes, unsigned int n);

/* Run one instruction given as a string literal */
#define STEP(s)		step(s, sizeof(s) - 1)
#define OK(s)		ck_assert_int_eq(STEP(s), EMUL_OK)

/**
 * is_fault() - assert that an instruction ended in a fault
 * @st: what it ended in
 * @vector: the vector it must be
 * @error: the error code it must have, -1 none
 */
void is_fault(enum emul_status st, u8 vector, int error);

/* Run an instruction that must fault, and leave RIP and RSP as they were */
#define FAULTS(s, vector, error) do {					\
		u64 rip_ = e.rip, sp_ = e.gpr[EMUL_RSP];		\
									\
		is_fault(STEP(s), vector, error);			\
		ck_assert_uint_eq(e.rip, rip_);				\
		ck_assert_uint_eq(e.gpr[EMUL_RSP], sp_);		\
	} while (0)

/** get() - @len bytes of RAM at @la, zero-extended */
u64 get(u32 la, unsigned int len);

/** put() - store the low @len bytes of @v at @la */
void put(u32 la, u64 v, unsigned int len);

void emul_real_cases(TCase *t);
void emul_segment_cases(TCase *t);
void emul_decode_cases(TCase *t);
void emul_fault_cases(TCase *t);
void emul_system_cases(TCase *t);
void emul_string_cases(TCase *t);
void emul_task_cases(TCase *t);

#endif /* EMUL_MACHINE_H */
