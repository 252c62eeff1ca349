// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator's segmentation in protected and long mode: what an access is checked for, loads of
 * segment registers, far transfers and returns, descriptor queries.
 */
#include "emul_machine.h"

START_TEST(protected_mode_checks_type_and_limit)
{
	machine(EMUL_PROT32);
	e.gpr[EMUL_RBX] = 0x100;
	set_seg(EMUL_DS, 0x38, 0, 0xffffffff, RODATA);
	OK("\x8b\x03");
	FAULTS("\x89\x03", EMUL_GP, 0);			/* write to read-only */
	OK("\x36\x89\x03");				/* ss: is writable */
	FAULTS("\x2e\x89\x03", EMUL_GP, 0);		/* write to code */
	set_seg(EMUL_ES, 0x38, 0, 0xffffffff, XONLY);
	FAULTS("\x26\x8b\x03", EMUL_GP, 0);		/* read of execute-only */
	set_seg(EMUL_ES, 0, 0, 0, EMUL_SEG_UNUSABLE);
	FAULTS("\x26\x8b\x03", EMUL_GP, 0);		/* null */
	set_seg(EMUL_FS, 0x38, 0x1000, 0xff, 0x4093);
	e.gpr[EMUL_RBX] = 0xfc;
	OK("\x64\x89\x03");
	e.gpr[EMUL_RBX] = 0xfd;
	FAULTS("\x64\x89\x03", EMUL_GP, 0);		/* limit */
	e.gpr[EMUL_RBX] = 0xffffffff;
	FAULTS("\x64\x89\x03", EMUL_GP, 0);		/* wraps around */
	segs[EMUL_SS].limit = 0xfff;
	e.gpr[EMUL_RSP] = 0x1002;
	FAULTS("\x50", EMUL_SS_FAULT, 0);
}
END_TEST

START_TEST(expand_down_segments_reach_from_limit_to_top)
{
	machine(EMUL_PROT32);
	set_seg(EMUL_DS, 0x38, 0, 0xfff, 0x0097);	/* 16-bit expand-down */
	e.gpr[EMUL_RBX] = 0x1000;
	OK("\x8b\x03");
	e.gpr[EMUL_RBX] = 0xfff;
	FAULTS("\x8b\x03", EMUL_GP, 0);
	e.gpr[EMUL_RBX] = 0xfffd;
	FAULTS("\x8b\x03", EMUL_GP, 0);			/* past 64 KiB */
	segs[EMUL_DS].attr |= EMUL_SEG_DB;
	OK("\x8b\x03");
}
END_TEST

START_TEST(long_mode_ignores_limits_and_checks_canonical_form)
{
	machine(EMUL_LONG);
	segs[EMUL_DS].limit = 0;
	segs[EMUL_DS].base = 0x5000;
	put(0x100, 77, 8);
	e.gpr[EMUL_RBX] = 0x100;
	OK("\x48\x8b\x03");
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 77);
	e.gpr[EMUL_RBX] = 0x800000000000;
	FAULTS("\x48\x8b\x03", EMUL_GP, 0);
	e.gpr[EMUL_RBX] = 0x7ffffffffffc;
	FAULTS("\x48\x8b\x03", EMUL_GP, 0);		/* its end is not */
	e.gpr[EMUL_RBP] = 0x800000000000;
	FAULTS("\x48\x8b\x45\x00", EMUL_SS_FAULT, 0);
	e.gpr[EMUL_R13] = 0x800000000000;
	FAULTS("\x49\x8b\x45\x00", EMUL_GP, 0);		/* R13 does not imply SS */
	cr[4] |= 1 << 12;				/* LA57 */
	ck_assert_int_eq(STEP("\x48\x8b\x03"), EMUL_UNHANDLEABLE);	/* canonical, no RAM there */
	segs[EMUL_GS].base = 0x2000;
	put(0x2100, 88, 8);
	e.gpr[EMUL_RBX] = 0x100;
	OK("\x65\x48\x8b\x03");
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 88);
}
END_TEST

START_TEST(data_segment_loads_are_checked)
{
	machine(EMUL_PROT32);
	e.gpr[EMUL_RAX] = 0x200;
	FAULTS("\x8e\xd8", EMUL_GP, 0x200);		/* beyond the table */
	e.gpr[EMUL_RAX] = 0x0f;
	FAULTS("\x8e\xd8", EMUL_GP, 0x0c);		/* no LDT */
	desc(0x38, 0x12345678, 0xabcde, DATA32 & ~EMUL_SEG_P);
	e.gpr[EMUL_RAX] = 0x38;
	FAULTS("\x8e\xd8", EMUL_NP, 0x38);
	FAULTS("\x8e\xd0", EMUL_SS_FAULT, 0x38);
	desc(0x38, 0x12345678, 0xabcde, (DATA32 & ~EMUL_SEG_ACCESSED));
	OK("\x8e\xd8");
	ck_assert_uint_eq(segs[EMUL_DS].base, 0x12345678);
	ck_assert_uint_eq(segs[EMUL_DS].limit, 0xabcdefff);
	ck_assert_uint_eq(segs[EMUL_DS].attr, DATA32);
	ck_assert_uint_eq(ram[GDT + 0x38 + 5], 0x93);	/* accessed */
	desc(0x38, 0, 0xfffff, XONLY);
	FAULTS("\x8e\xd8", EMUL_GP, 0x38);
	desc(0x38, 0, 0xfffff, RODATA);
	FAULTS("\x8e\xd0", EMUL_GP, 0x38);		/* SS must be writable */
	e.gpr[EMUL_RAX] = 0x13;
	FAULTS("\x8e\xd0", EMUL_GP, 0x10);		/* RPL != CPL */
	e.gpr[EMUL_RAX] = 0;
	OK("\x8e\xd8");
	ck_assert(segs[EMUL_DS].attr & EMUL_SEG_UNUSABLE);
	FAULTS("\x8e\xd0", EMUL_GP, 0);			/* null SS */
	e.cpl = 3;
	e.gpr[EMUL_RAX] = 0x10;
	FAULTS("\x8e\xd8", EMUL_GP, 0x10);		/* DPL 0 at CPL 3 */
	e.gpr[EMUL_RAX] = 0x23;
	OK("\x8e\xd8");
}
END_TEST

START_TEST(null_ss_is_allowed_in_64_bit_kernel_code)
{
	machine(EMUL_LONG);
	OK("\x8e\xd0");
	ck_assert(segs[EMUL_SS].attr & EMUL_SEG_UNUSABLE);
	machine(EMUL_LONG);
	e.cpl = 3;
	FAULTS("\x8e\xd0", EMUL_GP, 0);
}
END_TEST

START_TEST(system_segments)
{
	machine(EMUL_LONG);
	desc(0x40, 0x5000, 0x67, 0x89);
	put(GDT + 0x48, 0xffff8000, 8);
	e.gpr[EMUL_RAX] = 0x40;
	OK("\x0f\x00\xd8");				/* ltr ax */
	ck_assert_uint_eq(segs[EMUL_TR].base, 0xffff800000005000);
	ck_assert_uint_eq(segs[EMUL_TR].attr & 15, 11);
	ck_assert_uint_eq(ram[GDT + 0x40 + 5], 0x8b);	/* busy */
	FAULTS("\x0f\x00\xd8", EMUL_GP, 0x40);		/* busy already */
	e.gpr[EMUL_RAX] = 0;
	FAULTS("\x0f\x00\xd8", EMUL_GP, 0);
	OK("\x0f\x00\xd0");				/* lldt 0 */
	ck_assert(segs[EMUL_LDTR].attr & EMUL_SEG_UNUSABLE);
	e.cpl = 3;
	FAULTS("\x0f\x00\xd0", EMUL_GP, 0);
	OK("\x0f\x00\xc8");				/* str eax */
	cr[4] |= 1 << 11;
	FAULTS("\x0f\x00\xc8", EMUL_GP, 0);		/* UMIP */
	machine(EMUL_REAL);
	FAULTS("\x0f\x00\xd0", EMUL_UD, -1);
}
END_TEST

START_TEST(far_jump_changes_mode)
{
	machine(EMUL_PROT32);
	efer = 0x500;
	OK("\xea\x00\x70\x00\x00\x18\x00");		/* jmp 18:7000 */
	ck_assert_int_eq(e.mode, EMUL_LONG);
	ck_assert_uint_eq(segs[EMUL_CS].selector, 0x18);
	ck_assert_uint_eq(e.rip, 0x7000);
	put(0x500, 0x9000, 4);
	put(0x504, 0x08, 2);
	e.gpr[EMUL_RBX] = 0x500;
	OK("\xff\x2b");					/* jmp far [rbx] */
	ck_assert_int_eq(e.mode, EMUL_PROT32);
	FAULTS("\xea\x00\x70\x00\x00\x10\x00", EMUL_GP, 0x10);	/* a data segment */
	FAULTS("\xea\x00\x70\x00\x00\x28\x00", EMUL_GP, 0x28);	/* DPL 3 */
	FAULTS("\xea\x00\x70\x00\x00\x00\x00", EMUL_GP, 0);
	desc(0x38, 0, 0xfffff, CODE32 & ~EMUL_SEG_P);
	FAULTS("\xea\x00\x70\x00\x00\x38\x00", EMUL_NP, 0x38);
	desc(0x38, 0, 0xfff, 0x409b);
	FAULTS("\xea\x00\x70\x00\x00\x38\x00", EMUL_GP, 0);	/* beyond the new limit */
	desc(0x38, 0, 0, 0x8c);				/* a call gate to nowhere */
	FAULTS("\xea\x00\x70\x00\x00\x38\x00", EMUL_GP, 0);
	ck_assert_uint_eq(e.rip, 0x9000);
}
END_TEST

START_TEST(far_return_to_outer_privilege)
{
	machine(EMUL_PROT32);
	segs[EMUL_ES] = segs[EMUL_SS];
	put(STACK, 0x7000, 4);
	put(STACK + 4, 0x2b, 4);
	put(STACK + 8, 0xdeadbeef, 4);			/* a parameter */
	put(STACK + 12, 0x6000, 4);
	put(STACK + 16, 0x23, 4);
	OK("\xca\x04\x00");
	ck_assert_uint_eq(e.cpl, 3);
	ck_assert_uint_eq(e.rip, 0x7000);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], 0x6004);
	ck_assert_uint_eq(segs[EMUL_SS].selector, 0x23);
	ck_assert(segs[EMUL_ES].attr & EMUL_SEG_UNUSABLE);	/* not for CPL 3 */

	machine(EMUL_PROT32);
	e.cpl = 3;
	put(STACK, 0x7000, 4);
	put(STACK + 4, 0x08, 4);
	FAULTS("\xcb", EMUL_GP, 0x08);			/* inwards */
}
END_TEST

START_TEST(iretq_always_pops_the_stack)
{
	machine(EMUL_LONG);
	put(STACK, 0x7000, 8);
	put(STACK + 8, 0x18, 8);
	put(STACK + 16, 0x10202, 8);
	put(STACK + 24, 0x6000, 8);
	put(STACK + 32, 0, 8);
	OK("\x48\xcf");
	ck_assert_uint_eq(e.rip, 0x7000);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], 0x6000);
	ck_assert_uint_eq(e.rflags, 0x10202);		/* RF too */
	e.rflags |= 0x4000;
	FAULTS("\x48\xcf", EMUL_GP, 0);			/* NT */
}
END_TEST

START_TEST(lar_lsl_ver)
{
	machine(EMUL_PROT32);
	e.gpr[EMUL_RCX] = 0x10;
	OK("\x0f\x02\xc1");				/* lar eax, ecx */
	ck_assert(e.rflags & 0x40);
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0xc09300);
	OK("\x0f\x03\xc1");				/* lsl */
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0xffffffff);
	OK("\x0f\x00\xe9");				/* verw cx */
	ck_assert(e.rflags & 0x40);
	e.gpr[EMUL_RCX] = 8;
	OK("\x0f\x00\xe9");
	ck_assert(!(e.rflags & 0x40));			/* code is not writable */
	OK("\x0f\x00\xe1");				/* verr */
	ck_assert(e.rflags & 0x40);
	e.gpr[EMUL_RCX] = 0x1000;
	OK("\x0f\x02\xc1");
	ck_assert(!(e.rflags & 0x40));
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0xffffffff);	/* unchanged */
}
END_TEST

void emul_segment_cases(TCase *t)
{
	tcase_add_test(t, protected_mode_checks_type_and_limit);
	tcase_add_test(t, expand_down_segments_reach_from_limit_to_top);
	tcase_add_test(t, long_mode_ignores_limits_and_checks_canonical_form);
	tcase_add_test(t, data_segment_loads_are_checked);
	tcase_add_test(t, null_ss_is_allowed_in_64_bit_kernel_code);
	tcase_add_test(t, system_segments);
	tcase_add_test(t, far_jump_changes_mode);
	tcase_add_test(t, far_return_to_outer_privilege);
	tcase_add_test(t, iretq_always_pops_the_stack);
	tcase_add_test(t, lar_lsl_ver);
}
