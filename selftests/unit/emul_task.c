// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator's call gates, virtual-8086 transfers and hardware task switches: what is saved, what
 * is loaded, and which fault is whose.
 */
#include "emul_machine.h"

#define TSS2	0x5000u		/* another TSS */
#define STACK2	0xa000u
#define CODE2	0xb000u

#define SEL_TSS		0x40	/* the present task's */
#define SEL_TSS2	0x48
#define SEL_GATE	0x50
#define SEL_LDT		0x58
#define SEL_16		0x60	/* a 16-bit TSS */

static void put_tss32(u32 at, u32 eip, u32 eflags, u32 esp, u16 cs, u16 data)
{
	static const u8 sregs[] = { 0x48, 0x4c, 0x50, 0x54, 0x58, 0x5c };
	unsigned int i;

	put(at + 0x1c, 0x77000, 4);			/* CR3 */
	put(at + 0x20, eip, 4);
	put(at + 0x24, eflags, 4);
	for (i = 0; i < 8; i++)
		put(at + 0x28 + 4 * i, 0x11111111u * (i + 1), 4);
	put(at + 0x38, esp, 4);
	for (i = 0; i < sizeof(sregs); i++)
		put(at + sregs[i], i == 1 ? cs : data, 4);
	put(at + 0x60, SEL_LDT, 4);
	put(at + 0x64, 0x680000, 4);
}

/* 32-bit protected mode with paging, in the task of TSS, which is busy; TSS2 is available */
static void tasks(void)
{
	unsigned int i;

	machine(EMUL_PROT32);
	set_seg(EMUL_TR, SEL_TSS, TSS, 0x67, 0x8b);
	desc(SEL_TSS, TSS, 0x67, 0x8b);
	desc(SEL_TSS2, TSS2, 0x67, 0x89);
	desc(SEL_LDT, 0x6000, 0xff, 0x82);
	put_tss32(TSS2, CODE2, 0x00000042, STACK2, 0x08, 0x10);
	for (i = 0; i < 8; i++)
		if (i != EMUL_RSP)
			e.gpr[i] = 0xa0000000 + i;
	e.rflags = 0x12 | 1;
	dr[7] = 0x755;
	cr[3] = 0x1000;
}

static void is_in_task2(void)
{
	unsigned int i;

	ck_assert_uint_eq(e.rip, CODE2);
	for (i = 0; i < 8; i++)
		ck_assert_uint_eq(e.gpr[i], i == EMUL_RSP ? STACK2 : 0x11111111u * (i + 1));
	ck_assert_uint_eq(segs[EMUL_TR].selector, SEL_TSS2);
	ck_assert_uint_eq(segs[EMUL_TR].base, TSS2);
	ck_assert_uint_eq(segs[EMUL_TR].attr & 15, 11);
	ck_assert_uint_eq(segs[EMUL_LDTR].base, 0x6000);
	ck_assert_uint_eq(segs[EMUL_CS].selector, 8);
	ck_assert_uint_eq(cr[3], 0x77000);
	ck_assert(cr[0] & 8);				/* TS */
	ck_assert_uint_eq(dr[7], 0x600);		/* local breakpoints are off */
}

static void task1_was_saved(u32 rip, u32 flags)
{
	unsigned int i;

	ck_assert_uint_eq(get(TSS + 0x20, 4), rip);
	ck_assert_uint_eq(get(TSS + 0x24, 4), flags);
	for (i = 0; i < 8; i++)
		ck_assert_uint_eq(get(TSS + 0x28 + 4 * i, 4),
				  i == EMUL_RSP ? STACK : 0xa0000000 + i);
	ck_assert_uint_eq(get(TSS + 0x48, 4), 0x10);	/* ES */
	ck_assert_uint_eq(get(TSS + 0x4c, 4), 8);	/* CS */
	ck_assert_uint_eq(get(TSS + 0x5c, 4), 0x10);	/* GS */
	ck_assert_uint_eq(get(TSS + 0x1c, 4), 0);	/* CR3 and LDT are static */
	ck_assert_uint_eq(get(TSS + 0x60, 4), 0);
}

static void busy(unsigned int sel, bool is)
{
	ck_assert_uint_eq(!!(ram[GDT + sel + 5] & 2), is);
}

START_TEST(call_to_a_tss_nests_tasks)
{
	tasks();
	OK("\x9a\x00\x00\x00\x00\x48\x00");		/* call 48:0 */
	is_in_task2();
	task1_was_saved(CODE + 7, 0x13);
	ck_assert_uint_eq(e.rflags, 0x4042);		/* NT */
	ck_assert_uint_eq(get(TSS2, 2), SEL_TSS);	/* the link */
	busy(SEL_TSS, true);
	busy(SEL_TSS2, true);
	/* and back */
	OK("\xcf");
	ck_assert_uint_eq(e.rip, CODE + 7);
	ck_assert_uint_eq(e.gpr[EMUL_RBX], 0xa0000003);
	ck_assert_uint_eq(e.rflags, 0x13);
	ck_assert_uint_eq(segs[EMUL_TR].selector, SEL_TSS);
	ck_assert_uint_eq(get(TSS2 + 0x20, 4), CODE2 + 1);
	ck_assert_uint_eq(get(TSS2 + 0x24, 4), 0x42);	/* NT is clear in the image */
	busy(SEL_TSS, true);
	busy(SEL_TSS2, false);
}
END_TEST

START_TEST(jump_to_a_tss_leaves_the_old_task)
{
	tasks();
	OK("\xea\x00\x00\x00\x00\x48\x00");
	is_in_task2();
	task1_was_saved(CODE + 7, 0x13);
	ck_assert_uint_eq(e.rflags, 0x42);
	ck_assert_uint_eq(get(TSS2, 2), 0);
	busy(SEL_TSS, false);
	busy(SEL_TSS2, true);
}
END_TEST

START_TEST(task_gate_names_the_tss)
{
	tasks();
	put(GDT + SEL_GATE, 0x0000850000480000, 8);
	OK("\xea\x78\x56\x34\x12\x50\x00");
	is_in_task2();
}
END_TEST

START_TEST(sixteen_bit_tss)
{
	unsigned int i;

	tasks();
	desc(SEL_16, TSS2, 0x2b, 0x81);
	desc(0x10, 0, 0xffff, 0x93);
	memset(ram + TSS2, 0, 0x68);
	put(TSS2 + 0x0e, 0x7000, 2);
	put(TSS2 + 0x10, 0x0003, 2);
	for (i = 0; i < 8; i++)
		put(TSS2 + 0x12 + 2 * i, 0x1111 * (i + 1), 2);
	put(TSS2 + 0x22, 0x10, 2);
	put(TSS2 + 0x24, 0x30, 2);			/* CODE16 */
	put(TSS2 + 0x26, 0x10, 2);
	put(TSS2 + 0x28, 0x10, 2);
	OK("\x9a\x00\x00\x00\x00\x60\x00");
	ck_assert_int_eq(e.mode, EMUL_PROT16);
	ck_assert_uint_eq(e.rip, 0x7000);
	ck_assert_uint_eq(e.gpr[EMUL_RDI], 0x8888);
	ck_assert_uint_eq(e.rflags, 0x4003);
	ck_assert_uint_eq(cr[3], 0x1000);		/* has none */
	ck_assert(segs[EMUL_GS].attr & EMUL_SEG_UNUSABLE);
	task1_was_saved(CODE + 7, 0x13);
	/* back: saved as 16 bits */
	OK("\xcf");
	ck_assert_int_eq(e.mode, EMUL_PROT32);
	ck_assert_uint_eq(get(TSS2 + 0x0e, 2), 0x7001);
	ck_assert_uint_eq(get(TSS2 + 0x10, 2), 0x0003);
	ck_assert_uint_eq(get(TSS2 + 0x24, 2), 0x30);
}
END_TEST

START_TEST(a_task_that_cannot_be_entered_changes_nothing)
{
	tasks();
	desc(SEL_TSS2, TSS2, 0x67, 0x8b);
	FAULTS("\xea\x00\x00\x00\x00\x48\x00", EMUL_GP, SEL_TSS2);	/* busy */
	desc(SEL_TSS2, TSS2, 0x67, 0x09);
	FAULTS("\xea\x00\x00\x00\x00\x48\x00", EMUL_NP, SEL_TSS2);
	desc(SEL_TSS2, TSS2, 0x66, 0x89);
	FAULTS("\xea\x00\x00\x00\x00\x48\x00", EMUL_TS, SEL_TSS2);	/* too short */
	desc(SEL_TSS2, BAD_PAGE - 0x20, 0x67, 0x89);
	is_fault(STEP("\xea\x00\x00\x00\x00\x48\x00"), EMUL_PF, 0);
	ck_assert_uint_eq(e.fault.cr2, BAD_PAGE);
	desc(SEL_TSS2, TSS2, 0x67, 0x89);
	segs[EMUL_TR].limit = 0x50;
	FAULTS("\xea\x00\x00\x00\x00\x48\x00", EMUL_TS, SEL_TSS);
	segs[EMUL_TR].limit = 0x67;
	e.cpl = 3;
	FAULTS("\xea\x00\x00\x00\x00\x48\x00", EMUL_GP, SEL_TSS2);
	e.cpl = 0;
	e.rflags |= 0x4000;
	put(TSS, SEL_TSS2, 2);
	FAULTS("\xcf", EMUL_TS, SEL_TSS2);		/* the link's task is not busy */
	put(TSS, 0, 2);
	FAULTS("\xcf", EMUL_TS, 0);
	put(TSS, 0x4c, 2);
	FAULTS("\xcf", EMUL_TS, 0x4c);			/* in the LDT */
	busy(SEL_TSS, true);
	busy(SEL_TSS2, false);
	ck_assert_uint_eq(get(TSS + 0x20, 4), 0);
	ck_assert_uint_eq(cr[0] & 8, 0);
	efer = 0x500;
	FAULTS("\xcf", EMUL_GP, 0);			/* none in IA-32e mode */
	FAULTS("\xea\x00\x00\x00\x00\x48\x00", EMUL_GP, SEL_TSS2);
}
END_TEST

START_TEST(another_cpu_that_takes_the_task_first_means_retry)
{
	tasks();
	cmpxchg_loses = true;
	ck_assert_int_eq(STEP("\xea\x00\x00\x00\x00\x48\x00"), EMUL_RETRY);
	ck_assert_uint_eq(e.rip, CODE);
	ck_assert_uint_eq(get(TSS + 0x20, 4), 0);
}
END_TEST

START_TEST(what_fails_after_the_switch_is_the_new_tasks_fault)
{
	static const struct {
		u8 at;			/* in the TSS */
		u16 sel;
		u8 vector;
	} rows[] = {
		{ 0x60, 0x10, EMUL_TS },	/* LDT: a data segment */
		{ 0x4c, 0x10, EMUL_TS },	/* CS: data */
		{ 0x4c, 0, EMUL_TS },
		{ 0x4c, 0x28, EMUL_TS },	/* RPL 0, DPL 3 */
		{ 0x50, 0, EMUL_TS },		/* SS: null */
		{ 0x50, 0x20, EMUL_TS },	/* DPL 3 */
		{ 0x50, 0x1f8, EMUL_TS },	/* beyond the table */
		{ 0x50, 0x70, EMUL_SS_FAULT },	/* not present */
		{ 0x54, 0x70, EMUL_NP },	/* DS */
		{ 0x58, 0x78, EMUL_TS },	/* FS: execute-only */
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		tasks();
		desc(0x70, 0, 0xfffff, DATA32 & ~EMUL_SEG_P);
		desc(0x78, 0, 0xfffff, XONLY);
		put(TSS2 + rows[i].at, rows[i].sel, 4);
		is_fault(STEP("\xea\x00\x00\x00\x00\x48\x00"), rows[i].vector, rows[i].sel);
		ck_assert_uint_eq(e.rip, CODE2);
		ck_assert_uint_eq(e.gpr[EMUL_RDI], 0x88888888);
		ck_assert_uint_eq(segs[EMUL_TR].selector, SEL_TSS2);
		task1_was_saved(CODE + 7, 0x13);
	}
}
END_TEST

static enum emul_status exit_switch(const struct emul_task *t)
{
	emul_init(&e);
	return emul_task_switch(&e, t);
}

START_TEST(an_exception_through_a_task_gate_pushes_its_error_code)
{
	struct emul_task t = {
		.reason = EMUL_TASK_GATE, .selector = SEL_TSS2, .vector = -1, .ext = true,
		.has_error = true, .error = 0x1234,
	};

	tasks();
	ck_assert_int_eq(exit_switch(&t), EMUL_OK);
	ck_assert_uint_eq(e.rip, CODE2);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], STACK2 - 4);
	ck_assert_uint_eq(get(STACK2 - 4, 4), 0x1234);
	ck_assert_uint_eq(get(TSS2, 2), SEL_TSS);
	ck_assert_uint_eq(e.rflags & 0x4000, 0x4000);
	task1_was_saved(CODE, 0x13);
	/* faults on the way say that an event caused them */
	tasks();
	put(TSS2 + 0x50, 0x20, 4);
	is_fault(exit_switch(&t), EMUL_TS, 0x21);
	ck_assert(e.branched);
	tasks();
	desc(SEL_TSS2, TSS2, 0x67, 0x09);
	is_fault(exit_switch(&t), EMUL_NP, SEL_TSS2 + 1);
	ck_assert(!e.branched);
	/* no room for the error code */
	tasks();
	put(TSS2 + 0x38, BAD_PAGE + 8, 4);
	is_fault(exit_switch(&t), EMUL_PF, 2);
	ck_assert_uint_eq(e.rip, CODE2);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], BAD_PAGE + 8);
}
END_TEST

START_TEST(software_interrupts_need_the_gates_privilege)
{
	struct emul_task t = { .reason = EMUL_TASK_GATE, .selector = SEL_TSS2, .vector = 0x30 };

	tasks();
	put(IDT + 0x30 * 8, 0x0000850000480000, 8);
	e.cpl = 3;
	is_fault(exit_switch(&t), EMUL_GP, 0x182);
	e.cpl = 0;
	ck_assert_int_eq(exit_switch(&t), EMUL_OK);
	is_in_task2();
	tasks();
	idt.limit = 0x30 * 8;
	is_fault(exit_switch(&t), EMUL_GP, 0x182);
}
END_TEST

START_TEST(a_task_may_run_in_virtual_8086_mode)
{
	tasks();
	put_tss32(TSS2, 0x100, 0x00023202, 0x8000, 0x1234, 0x2000);
	OK("\xea\x00\x00\x00\x00\x48\x00");
	ck_assert_int_eq(e.mode, EMUL_VM86);
	ck_assert_uint_eq(e.cpl, 3);
	ck_assert_uint_eq(e.rflags, 0x23202);
	ck_assert_uint_eq(segs[EMUL_CS].base, 0x12340);
	ck_assert_uint_eq(segs[EMUL_GS].base, 0x20000);
	ck_assert_uint_eq(segs[EMUL_SS].attr, 0xf3);
	ck_assert_uint_eq(segs[EMUL_SS].limit, 0xffff);
}
END_TEST

START_TEST(the_t_bit_asks_for_a_debug_trap)
{
	tasks();
	put(TSS2 + 0x64, 1, 2);
	OK("\xea\x00\x00\x00\x00\x48\x00");
	ck_assert(e.task_trap);
	is_in_task2();
	OK("\x90");
	ck_assert(!e.task_trap);
}
END_TEST

/* ---- call gates ----------------------------------------------------------------- */

static void gate(u16 sel, u32 off, u8 attr, u8 params)
{
	put(GDT + SEL_GATE, (off & 0xffff) | (u64)sel << 16 | (u64)params << 32 | (u64)attr << 40 |
	    (u64)(off >> 16) << 48, 8);
	put(GDT + SEL_GATE + 8, 0, 8);
}

/* Through a gate of this kind: where to, and how far the stack went down */
static void through(u8 attr, const char *insn, u64 rip, unsigned int pushed)
{
	machine(EMUL_PROT32);
	gate(0x08, 0x12340, attr, 0);
	ck_assert_int_eq(step(insn, 7), EMUL_OK);
	ck_assert_uint_eq(e.rip, rip);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], STACK - pushed);
}

START_TEST(call_gate_to_the_same_privilege)
{
	through(0x8c, "\x9a\x99\x99\x99\x99\x50\x00", 0x12340, 8);
	ck_assert_uint_eq(get(STACK - 8, 4), CODE + 7);
	ck_assert_uint_eq(get(STACK - 4, 4), 8);
	/* a 16-bit gate pushes words, and its offset has 16 bits */
	through(0x84, "\x9a\x99\x99\x99\x99\x50\x00", 0x2340, 4);
	ck_assert_uint_eq(get(STACK - 4, 2), CODE + 7);
	through(0x8c, "\xea\x99\x99\x99\x99\x50\x00", 0x12340, 0);
}
END_TEST

static void ring3(void)
{
	machine(EMUL_PROT32);
	e.cpl = 3;
	set_seg(EMUL_CS, 0x2b, 0, 0xffffffff, CODE32 | DPL3);
	set_seg(EMUL_SS, 0x23, 0, 0xffffffff, DATA32 | DPL3);
	put(TSS + 4, STACK2, 4);
	put(TSS + 8, 0x10, 2);
	put(STACK, 0x11111111, 4);
	put(STACK + 4, 0x22222222, 4);
	gate(0x08, CODE2, 0xec, 2);
}

START_TEST(call_gate_to_inner_privilege_switches_stacks)
{
	static const u32 frame[] = { CODE + 7, 0x2b, 0x11111111, 0x22222222, STACK, 0x23 };
	unsigned int i;

	ring3();
	OK("\x9a\x99\x99\x99\x99\x50\x00");
	ck_assert_uint_eq(e.rip, CODE2);
	ck_assert_uint_eq(e.cpl, 0);
	ck_assert_uint_eq(segs[EMUL_CS].selector, 8);
	ck_assert_uint_eq(segs[EMUL_SS].selector, 0x10);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], STACK2 - sizeof(frame));
	for (i = 0; i < ARRAY_SIZE(frame); i++)
		ck_assert_uint_eq(get(STACK2 - sizeof(frame) + 4 * i, 4), frame[i]);
	/* and RET FAR 8 back */
	OK("\xca\x08\x00");
	ck_assert_uint_eq(e.rip, CODE + 7);
	ck_assert_uint_eq(e.cpl, 3);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], STACK + 8);
	ck_assert_uint_eq(segs[EMUL_SS].selector, 0x23);
}
END_TEST

START_TEST(call_gate_checks)
{
	ring3();
	gate(0x08, CODE2, 0x8c, 0);
	FAULTS("\x9a\x00\x00\x00\x00\x50\x00", EMUL_GP, SEL_GATE);	/* its DPL */
	gate(0x08, CODE2, 0x6c, 0);
	FAULTS("\x9a\x00\x00\x00\x00\x50\x00", EMUL_NP, SEL_GATE);
	gate(0x00, CODE2, 0xec, 0);
	FAULTS("\x9a\x00\x00\x00\x00\x50\x00", EMUL_GP, 0);
	gate(0x10, CODE2, 0xec, 0);
	FAULTS("\x9a\x00\x00\x00\x00\x50\x00", EMUL_GP, 0x10);		/* to data */
	gate(0x08, CODE2, 0xec, 0);
	FAULTS("\xea\x00\x00\x00\x00\x50\x00", EMUL_GP, 0x08);		/* JMP: same privilege only */
	put(TSS + 8, 0x20, 2);
	FAULTS("\x9a\x00\x00\x00\x00\x50\x00", EMUL_TS, 0x20);		/* SS0's DPL */
	put(TSS + 8, 0x00, 2);
	FAULTS("\x9a\x00\x00\x00\x00\x50\x00", EMUL_TS, 0);
	put(TSS + 8, 0x10, 2);
	segs[EMUL_TR].limit = 8;
	FAULTS("\x9a\x00\x00\x00\x00\x50\x00", EMUL_TS, 0x40);
	segs[EMUL_TR].limit = 0x67;
	desc(0x38, 0, 0xfff, 0x4093);
	put(TSS + 8, 0x38, 2);
	FAULTS("\x9a\x00\x00\x00\x00\x50\x00", EMUL_SS_FAULT, 0x38);	/* no room */
	put(TSS + 8, 0x10, 2);
	put(TSS + 4, BAD_PAGE + 16, 4);
	FAULTS("\x9a\x00\x00\x00\x00\x50\x00", EMUL_PF, 2);		/* a supervisor's write */
	ck_assert_uint_eq(e.cpl, 3);
	ck_assert_uint_eq(segs[EMUL_SS].selector, 0x23);
	put(TSS + 4, STACK2, 4);
	OK("\x9a\x00\x00\x00\x00\x50\x00");
}
END_TEST

START_TEST(sixty_four_bit_call_gate)
{
	machine(EMUL_LONG);
	e.cpl = 3;
	set_seg(EMUL_CS, 0x2b, 0, 0xffffffff, CODE64 | DPL3);
	set_seg(EMUL_SS, 0x23, 0, 0xffffffff, DATA32 | DPL3);
	put(TSS + 4, STACK2, 8);
	gate(0x18, 0x5678, 0xec, 0);
	put(GDT + SEL_GATE + 8, 1, 8);			/* offset 63:32 */
	put(0x500, 0, 4);
	put(0x504, SEL_GATE, 2);
	e.gpr[EMUL_RBX] = 0x500;
	OK("\xff\x1b");					/* call far [rbx] */
	ck_assert_uint_eq(e.rip, 0x100005678);
	ck_assert_uint_eq(e.cpl, 0);
	ck_assert_uint_eq(segs[EMUL_SS].selector, 0);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], STACK2 - 32);
	ck_assert_uint_eq(get(STACK2 - 32, 8), CODE + 2);
	ck_assert_uint_eq(get(STACK2 - 24, 8), 0x2b);
	ck_assert_uint_eq(get(STACK2 - 16, 8), STACK);
	ck_assert_uint_eq(get(STACK2 - 8, 8), 0x23);
	machine(EMUL_LONG);
	put(0x504, SEL_GATE, 2);
	e.gpr[EMUL_RBX] = 0x500;
	gate(0x08, 0x5678, 0x8c, 0);
	FAULTS("\xff\x1b", EMUL_GP, 8);			/* no 64-bit code segment */
	gate(0x18, 0x5678, 0x8c, 0);
	put(GDT + SEL_GATE + 12, 0x100, 4);
	FAULTS("\xff\x1b", EMUL_GP, SEL_GATE);		/* the upper half's type */
	gate(0x18, 0x5678, 0x84, 0);
	FAULTS("\xff\x1b", EMUL_GP, SEL_GATE);		/* a 16-bit gate */
}
END_TEST

/* ---- virtual-8086 mode ----------------------------------------------------------- */

START_TEST(iret_enters_virtual_8086_mode)
{
	static const u32 frame[] = { 0x100, 0x1234, 0x00023202, 0x8000, 0x3000, 0x2000, 0x2001,
				     0x2002, 0x2003 };
	unsigned int i;

	machine(EMUL_PROT32);
	for (i = 0; i < ARRAY_SIZE(frame); i++)
		put(STACK + 4 * i, frame[i], 4);
	OK("\xcf");
	ck_assert_int_eq(e.mode, EMUL_VM86);
	ck_assert_uint_eq(e.cpl, 3);
	ck_assert_uint_eq(e.rip, 0x100);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], 0x8000);
	ck_assert_uint_eq(e.rflags, 0x23202);
	ck_assert_uint_eq(segs[EMUL_CS].selector, 0x1234);
	ck_assert_uint_eq(segs[EMUL_CS].base, 0x12340);
	ck_assert_uint_eq(segs[EMUL_CS].attr, 0xf3);
	ck_assert_uint_eq(segs[EMUL_SS].selector, 0x3000);
	ck_assert_uint_eq(segs[EMUL_ES].selector, 0x2000);
	ck_assert_uint_eq(segs[EMUL_DS].selector, 0x2001);
	ck_assert_uint_eq(segs[EMUL_FS].selector, 0x2002);
	ck_assert_uint_eq(segs[EMUL_GS].base, 0x20030);
	machine(EMUL_PROT32);
	put(STACK, 0x10000, 4);
	put(STACK + 8, 0x20002, 4);
	FAULTS("\xcf", EMUL_GP, 0);			/* beyond 64 KiB */
	/* from ring 3 VM is just not loaded */
	ring3();
	put(STACK, 0x100, 4);
	put(STACK + 4, 0x2b, 4);
	put(STACK + 8, 0x20002, 4);
	OK("\xcf");
	ck_assert_int_eq(e.mode, EMUL_PROT32);
	ck_assert_uint_eq(e.rflags, 2);
}
END_TEST

void emul_task_cases(TCase *t)
{
	tcase_add_test(t, call_to_a_tss_nests_tasks);
	tcase_add_test(t, jump_to_a_tss_leaves_the_old_task);
	tcase_add_test(t, task_gate_names_the_tss);
	tcase_add_test(t, sixteen_bit_tss);
	tcase_add_test(t, a_task_that_cannot_be_entered_changes_nothing);
	tcase_add_test(t, another_cpu_that_takes_the_task_first_means_retry);
	tcase_add_test(t, what_fails_after_the_switch_is_the_new_tasks_fault);
	tcase_add_test(t, an_exception_through_a_task_gate_pushes_its_error_code);
	tcase_add_test(t, software_interrupts_need_the_gates_privilege);
	tcase_add_test(t, a_task_may_run_in_virtual_8086_mode);
	tcase_add_test(t, the_t_bit_asks_for_a_debug_trap);
	tcase_add_test(t, call_gate_to_the_same_privilege);
	tcase_add_test(t, call_gate_to_inner_privilege_switches_stacks);
	tcase_add_test(t, call_gate_checks);
	tcase_add_test(t, sixty_four_bit_call_gate);
	tcase_add_test(t, iret_enters_virtual_8086_mode);
}
