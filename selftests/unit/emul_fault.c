// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator when an instruction does not complete: faults leave nothing behind, data that comes
 * later and lost races are executed again, software interrupts go to the glue.
 */
#include "emul_machine.h"

START_TEST(a_page_fault_leaves_nothing_behind)
{
	machine(EMUL_LONG);
	e.cpl = 3;
	e.gpr[EMUL_RBX] = BAD_PAGE + 8;
	e.gpr[EMUL_RAX] = 5;
	FAULTS("\x48\x01\x03", EMUL_PF, 2 | 4);		/* a read-modify-write is a write */
	ck_assert_uint_eq(e.fault.cr2, BAD_PAGE + 8);
	FAULTS("\x48\x8b\x03", EMUL_PF, 4);
	FAULTS("\xf0\x48\x0f\xc1\x03", EMUL_PF, 2 | 4);
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 5);
	FAULTS("\x0f\xb1\x03", EMUL_PF, 2 | 4);		/* cmpxchg */
	FAULTS("\xff\x33", EMUL_PF, 4);			/* push [rbx]: RSP unchanged */
	FAULTS("\x8f\x03", EMUL_PF, 2 | 4);		/* pop [rbx] */
	e.gpr[EMUL_RSP] = BAD_PAGE + 8;
	FAULTS("\x50", EMUL_PF, 2 | 4);
	FAULTS("\xe8\x00\x00\x00\x00", EMUL_PF, 2 | 4);
	FAULTS("\xc3", EMUL_PF, 4);
}
END_TEST

/* Another vCPU may rewrite the instruction at any time: what was fetched is what counts */
START_TEST(an_instructions_bytes_are_fetched_once)
{
	static const u8 insn[] = { 0x48, 0x81, 0x03, 0x44, 0x33, 0x22, 0x11 };	/* add [rbx], imm */
	unsigned int at;

	for (at = 0; at <= sizeof(insn); at++) {
		machine(EMUL_LONG);
		rewrites = true;
		e.gpr[EMUL_RBX] = DEV_PAGE;
		e.rip = 0xa000 - at;			/* so many bytes before a page's end */
		ck_assert_int_eq(step((const char *)insn, sizeof(insn)), EMUL_IO_NEEDED);
		ck_assert_uint_eq(ram[0xa000 - (at ? 1 : 0)], 0xf4);
		dev_ready = true;
		dev_value = 1;
		ck_assert_int_eq(emul_execute(&e), EMUL_OK);
		ck_assert_uint_eq(get(DEV_PAGE, 8), 0x11223345);
		ck_assert_uint_eq(e.rip, 0xa000 - at + sizeof(insn));
	}
}
END_TEST

START_TEST(pusha_faults_as_a_whole)
{
	u64 i;

	machine(EMUL_PROT32);
	e.gpr[EMUL_RSP] = BAD_PAGE + 4096 + 8;	/* two pushes fit, the third faults */
	for (i = BAD_PAGE + 4096; i < BAD_PAGE + 4096 + 8; i++)
		ram[i] = 0xaa;
	FAULTS("\x60", EMUL_PF, 2);
	ck_assert_uint_eq(get(BAD_PAGE + 4096, 8), 0xaaaaaaaaaaaaaaaa);
}
END_TEST

START_TEST(device_data_that_comes_later_changes_nothing_before)
{
	machine(EMUL_LONG);
	e.gpr[EMUL_RBX] = DEV_PAGE;
	e.gpr[EMUL_RAX] = 1;
	ck_assert_int_eq(STEP("\x48\x01\x03"), EMUL_IO_NEEDED);	/* add [rbx], rax */
	ck_assert_uint_eq(e.rip, CODE);
	ck_assert_uint_eq(e.rflags, 2);
	dev_ready = true;
	dev_value = ~0ULL;
	ck_assert_int_eq(emul_execute(&e), EMUL_OK);
	ck_assert_uint_eq(get(DEV_PAGE, 8), 0);
	ck_assert_uint_eq(e.rflags & 0x8d5, 0x55);	/* CF PF AF ZF */
	ck_assert_uint_eq(e.rip, CODE + 3);

	/* an immediate survives re-execution */
	machine(EMUL_LONG);
	e.gpr[EMUL_RBX] = DEV_PAGE;
	dev_ready = true;
	dev_value = 0x10;
	OK("\x81\x0b\x01\x00\x00\x80");			/* or dword [rbx], 0x80000001 */
	ck_assert_uint_eq(get(DEV_PAGE, 4), 0x80000011);
}
END_TEST

START_TEST(a_lost_race_is_retried_and_given_up)
{
	machine(EMUL_LONG);
	e.gpr[EMUL_RBX] = 0x100;
	e.gpr[EMUL_RAX] = 3;
	cmpxchg_loses = true;
	ck_assert_int_eq(STEP("\xf0\x48\x0f\xc1\x03"), EMUL_RETRY);
	ck_assert(cmpxchg_calls > 1 && cmpxchg_calls < 100);
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 3);
	ck_assert_uint_eq(e.rip, CODE);
}
END_TEST

START_TEST(division_errors)
{
	machine(EMUL_LONG);
	FAULTS("\xf7\xf1", EMUL_DE, -1);		/* div ecx = 0 */
	e.gpr[EMUL_RCX] = 1;
	e.gpr[EMUL_RDX] = 1;
	FAULTS("\xf7\xf1", EMUL_DE, -1);		/* quotient too large */
	e.gpr[EMUL_RAX] = 0x8000000000000000;
	e.gpr[EMUL_RDX] = ~0ULL;
	e.gpr[EMUL_RCX] = ~0ULL;
	FAULTS("\x48\xf7\xf9", EMUL_DE, -1);		/* idiv: INT64_MIN / -1 */
	e.gpr[EMUL_RCX] = 1;
	OK("\x48\xf7\xf9");
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0x8000000000000000);
}
END_TEST

START_TEST(software_interrupts_go_to_the_glue)
{
	machine(EMUL_LONG);
	is_fault(STEP("\xcd\x80"), 0x80, -1);
	ck_assert_int_eq(e.fault.kind, EMUL_EV_SOFT_INT);
	ck_assert_uint_eq(e.insn.len, 2);
	ck_assert_uint_eq(e.rip, CODE);
	is_fault(STEP("\xcc"), EMUL_BP, -1);
	ck_assert_int_eq(e.fault.kind, EMUL_EV_SOFT_EXC);
	is_fault(STEP("\xf1"), EMUL_DB, -1);
	ck_assert_int_eq(e.fault.kind, EMUL_EV_ICEBP);
	machine(EMUL_VM86);
	is_fault(STEP("\xcd\x21"), EMUL_GP, 0);		/* IOPL < 3 */
	e.rflags |= 0x3000;
	is_fault(STEP("\xcd\x21"), 0x21, -1);
}
END_TEST

void emul_fault_cases(TCase *t)
{
	tcase_add_test(t, an_instructions_bytes_are_fetched_once);
	tcase_add_test(t, a_page_fault_leaves_nothing_behind);
	tcase_add_test(t, pusha_faults_as_a_whole);
	tcase_add_test(t, device_data_that_comes_later_changes_nothing_before);
	tcase_add_test(t, a_lost_race_is_retried_and_given_up);
	tcase_add_test(t, division_errors);
	tcase_add_test(t, software_interrupts_go_to_the_glue);
}
