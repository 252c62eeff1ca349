// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator's privileged instructions and system registers.
 */
#include "emul_machine.h"

START_TEST(privileged_instructions_at_cpl_3)
{
	static const char *const priv[] = {
		"\xf4", "\x0f\x06", "\x0f\x08", "\x0f\x09", "\x0f\x20\xc0", "\x0f\x22\xc0",
		"\x0f\x21\xc0", "\x0f\x23\xc0", "\x0f\x30", "\x0f\x32", "\x0f\x01\x13",
		"\x0f\x01\x1b", "\x0f\x01\xf0", "\x0f\x01\x3b", "\x0f\x01\xf8", "\xfa", "\xfb",
		"\xec", "\xee", "\x6c", "\x6e",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(priv); i++) {
		machine(EMUL_LONG);
		segs[EMUL_TR].limit = 0x50;		/* no bitmap */
		e.cpl = 3;
		cr[4] |= 1 << 18;
		is_fault(step(priv[i], 4), EMUL_GP, 0);
	}
}
END_TEST

START_TEST(control_registers)
{
	machine(EMUL_LONG);
	cr[0] = 0x80050033;
	cr[3] = 0x123000;
	OK("\x0f\x20\xd8");				/* mov rax, cr3 */
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0x123000);
	e.gpr[EMUL_RAX] = 0x456000;
	OK("\x0f\x22\xd8");
	ck_assert_uint_eq(cr[3], 0x456000);
	gp_on_set = true;
	FAULTS("\x0f\x22\xd8", EMUL_GP, 0);
	gp_on_set = false;
	cr[0] |= 8;
	OK("\x0f\x06");					/* clts */
	ck_assert_uint_eq(cr[0], 0x80050033);
	e.gpr[EMUL_RAX] = 0xa;
	OK("\x0f\x01\xf0");				/* lmsw: PE stays */
	ck_assert_uint_eq(cr[0], 0x8005003b);
	OK("\x0f\x01\xe1");				/* smsw ecx */
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 0x8005003b);
	cr[4] |= 8;
	FAULTS("\x0f\x21\xe0", EMUL_UD, -1);		/* DR4 with CR4.DE */
	cr[4] &= ~8ULL;
	dr[6] = 0xffff0ff0;
	OK("\x0f\x21\xe0");
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0xffff0ff0);
	e.gpr[EMUL_RAX] = 1ULL << 32;
	FAULTS("\x0f\x23\xf8", EMUL_GP, 0);		/* DR7's upper half */
	dr[7] |= 1 << 13;				/* GD */
	FAULTS("\x0f\x21\xc0", EMUL_DB, -1);
	FAULTS("\x0f\x23\xc0", EMUL_DB, -1);
}
END_TEST

START_TEST(instructions_that_cpuid_does_not_announce)
{
	static const struct {
		enum emul_feature feature;
		const char *insn;
	} rows[] = {
		{ EMUL_FEAT_CX16, "\x48\x0f\xc7\x0b" },
		{ EMUL_FEAT_SSE42, "\xf2\x0f\x38\xf1\xc3" },
		{ EMUL_FEAT_POPCNT, "\xf3\x0f\xb8\xc3" },
		{ EMUL_FEAT_MOVBE, "\x0f\x38\xf0\x03" },
		{ EMUL_FEAT_BMI1, "\xc4\xe2\x78\xf2\xc3" },		/* andn */
		{ EMUL_FEAT_BMI1, "\xc4\xe2\x78\xf3\xcb" },		/* blsr */
		{ EMUL_FEAT_BMI2, "\xc4\xe2\x78\xf5\xc3" },		/* bzhi */
		{ EMUL_FEAT_BMI2, "\xc4\xe3\x7b\xf0\xc3\x07" },	/* rorx */
		{ EMUL_FEAT_ADX, "\x66\x0f\x38\xf6\xc3" },
		{ EMUL_FEAT_SMAP, "\x0f\x01\xca" },			/* clac */
		{ EMUL_FEAT_RDTSCP, "\x0f\x01\xf9" },
		{ EMUL_FEAT_RDPID, "\xf3\x0f\xc7\xf8" },
		{ EMUL_FEAT_MOVDIRI, "\x0f\x38\xf9\x03" },
		{ EMUL_FEAT_MOVDIR64B, "\x66\x0f\x38\xf8\x03" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		machine(EMUL_LONG);
		e.gpr[EMUL_RBX] = 0x6000;
		ck_assert_msg(step(rows[i].insn, 6) == EMUL_OK, "row %u", i);
		machine(EMUL_LONG);
		e.gpr[EMUL_RBX] = 0x6000;
		missing = 1u << rows[i].feature;
		is_fault(step(rows[i].insn, 6), EMUL_UD, -1);
		ck_assert_uint_eq(e.rip, CODE);
	}
	/* TZCNT and LZCNT were BSF and BSR before they were */
	machine(EMUL_LONG);
	missing = 1u << EMUL_FEAT_BMI1 | 1u << EMUL_FEAT_LZCNT;
	e.gpr[EMUL_RBX] = 0x100;
	e.gpr[EMUL_RAX] = 7;
	OK("\xf3\x48\x0f\xbd\xc3");
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 8);
	e.gpr[EMUL_RBX] = 0;
	OK("\xf3\x48\x0f\xbc\xc3");
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 8);		/* kept: a zero has no first bit */
	ck_assert(e.rflags & 0x40);
}
END_TEST

START_TEST(x87_control)
{
	machine(EMUL_LONG);
	e.gpr[EMUL_RAX] = ~0ULL;
	e.gpr[EMUL_RBX] = 0x6000;
	OK("\xdb\xe3");					/* fninit */
	ck_assert_int_eq(fpu_op, EMUL_FPU_INIT);
	OK("\xd9\x3b");					/* fnstcw [rbx] */
	ck_assert_uint_eq(get(0x6000, 4), 0x37f);
	OK("\xdf\xe0");					/* fnstsw ax */
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0xffffffffffff037f);
	OK("\x9b");
	ck_assert_int_eq(fpu_op, EMUL_FPU_WAIT);
	fpu_faults = true;
	FAULTS("\x9b", EMUL_MF, -1);
	FAULTS("\x0f\x77", EMUL_MF, -1);		/* emms */
	FAULTS("\x0f\xae\x0b", EMUL_MF, -1);
	fpu_faults = false;
	OK("\x0f\xae\x03");				/* fxsave */
	ck_assert_int_eq(fpu_op, EMUL_FPU_SAVE);
	ck_assert_uint_eq(get(0x6000 + 408, 8), 0x5a5a5a5a5a5a5a5a);
	ck_assert_uint_eq(get(0x6000 + 416, 8), 0);	/* the rest is not touched */
	put(0x6000 + 32, 0x1234, 8);
	OK("\x48\x0f\xae\x0b");			/* fxrstor64 */
	ck_assert_int_eq(fpu_op, EMUL_FPU_RESTORE64);
	ck_assert_uint_eq(msr_value, 0x1234);
	e.gpr[EMUL_RBX] = 0x6008;
	FAULTS("\x0f\xae\x03", EMUL_GP, 0);		/* alignment */
	e.gpr[EMUL_RBX] = BAD_PAGE - 16;
	FAULTS("\x0f\xae\x0b", EMUL_PF, 0);
	cr[0] |= 8;					/* TS */
	FAULTS("\xdb\xe3", EMUL_NM, -1);
	FAULTS("\x0f\xae\x03", EMUL_NM, -1);
	OK("\x9b");					/* without MP FWAIT does not mind */
	cr[0] |= 2;
	FAULTS("\x9b", EMUL_NM, -1);
	cr[0] &= ~8ULL;
	cr[0] |= 4;					/* EM */
	FAULTS("\xdb\xe3", EMUL_NM, -1);
	FAULTS("\x0f\x77", EMUL_UD, -1);
	ck_assert_int_eq(STEP("\xd9\x03"), EMUL_UNHANDLEABLE);	/* fld */
	/* FXSAVE in 32-bit mode: eight XMM registers, or none */
	machine(EMUL_PROT32);
	e.gpr[EMUL_RBX] = 0x6000;
	OK("\x0f\xae\x03");
	ck_assert_uint_eq(get(0x6000 + 284, 8), 0x5a5a5a5a);
	machine(EMUL_PROT32);
	cr[4] = 0;
	e.gpr[EMUL_RBX] = 0x6000;
	OK("\x0f\xae\x03");
	ck_assert_uint_eq(get(0x6000 + 156, 8), 0x5a5a5a5a);
}
END_TEST

START_TEST(descriptor_tables)
{
	machine(EMUL_REAL);
	put(0x300, 0x27, 2);
	put(0x302, 0x12345678, 4);
	e.gpr[EMUL_RBX] = 0x300;
	OK("\x0f\x01\x17");				/* lgdt [bx]: 24 bits of base */
	ck_assert_uint_eq(gdt.base, 0x345678);
	OK("\x66\x0f\x01\x17");
	ck_assert_uint_eq(gdt.base, 0x12345678);
	ck_assert_uint_eq(gdt.limit, 0x27);
	machine(EMUL_LONG);
	e.gpr[EMUL_RBX] = 0x300;
	OK("\x0f\x01\x0b");				/* sidt */
	ck_assert_uint_eq(get(0x300, 2), 0x3ff);
	ck_assert_uint_eq(get(0x302, 8), IDT);
	put(0x302, 0x800000000000, 8);
	FAULTS("\x0f\x01\x1b", EMUL_GP, 0);		/* lidt, not canonical */
	put(0x302, 0xffff800000000000, 8);
	OK("\x0f\x01\x1b");
	ck_assert_uint_eq(idt.base, 0xffff800000000000);
}
END_TEST

START_TEST(msrs_cpuid_tsc)
{
	machine(EMUL_LONG);
	msr_index = 0x1b;
	msr_value = 0x1122334455667788;
	e.gpr[EMUL_RCX] = 0xffffffff0000001b;
	OK("\x0f\x32");
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0x55667788);
	ck_assert_uint_eq(e.gpr[EMUL_RDX], 0x11223344);
	e.gpr[EMUL_RAX] = 0xffffffff00000001;
	OK("\x0f\x30");
	ck_assert_uint_eq(msr_value, 0x1122334400000001);
	e.gpr[EMUL_RCX] = 0x1c;
	FAULTS("\x0f\x32", EMUL_GP, 0);
	FAULTS("\x0f\x30", EMUL_GP, 0);
	e.gpr[EMUL_RAX] = 0x10;
	e.gpr[EMUL_RCX] = 0x20;
	OK("\x0f\xa2");
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0x11);
	ck_assert_uint_eq(e.gpr[EMUL_RBX], 2);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 0x23);
	OK("\x0f\x01\xf9");				/* rdtscp */
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0x55667788);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 7);
	e.cpl = 3;
	cr[4] |= 4;
	FAULTS("\x0f\x31", EMUL_GP, 0);			/* CR4.TSD */
	OK("\x90");
	e.cpl = 0;
	OK("\xf4");
	ck_assert_uint_eq(halts, 1);
	segs[EMUL_GS].base = 0x10;
	e.gpr[EMUL_RBX] = 0x800000000000;
	OK("\x65\x0f\x01\x3b");				/* invlpg does not check */
	ck_assert_uint_eq(invlpg_la, 0x800000000010);
}
END_TEST

START_TEST(popf_respects_privilege)
{
	machine(EMUL_PROT32);
	put(STACK, 0x3247fd7 & ~0x20000u, 4);
	e.cpl = 3;
	OK("\x9d");
	ck_assert_uint_eq(e.rflags & 0x3200, 0);	/* neither IOPL nor IF */
	ck_assert_uint_eq(e.rflags & 0x244dd7, 0x244dd7 & 0x3247fd7);
	machine(EMUL_PROT32);
	put(STACK, 0x3202, 4);
	OK("\x9d");
	ck_assert_uint_eq(e.rflags, 0x3202);
	e.gpr[EMUL_RSP] = STACK;
	e.cpl = 3;
	put(STACK, 2, 4);
	OK("\x9d");
	ck_assert_uint_eq(e.rflags, 0x3002);		/* IOPL 3: IF yes, IOPL no */
	machine(EMUL_VM86);
	FAULTS("\x9d", EMUL_GP, 0);
	FAULTS("\x9c", EMUL_GP, 0);
	FAULTS("\xcf", EMUL_GP, 0);
}
END_TEST

START_TEST(vector_moves_respect_cr0_and_cr4)
{
	machine(EMUL_LONG);
	cr[0] |= 8;
	FAULTS("\x0f\x10\x03", EMUL_NM, -1);
	cr[0] ^= 8 | 4;
	FAULTS("\x0f\x10\x03", EMUL_UD, -1);
	cr[0] ^= 4;
	cr[4] &= ~0x200ULL;
	FAULTS("\x0f\x10\x03", EMUL_UD, -1);
	FAULTS("\xc5\xf8\x10\x03", EMUL_UD, -1);	/* no OSXSAVE */
	cr[4] |= 1 << 18;
	xcr0 = 3;
	FAULTS("\xc5\xf8\x10\x03", EMUL_UD, -1);
}
END_TEST

void emul_system_cases(TCase *t)
{
	tcase_add_test(t, instructions_that_cpuid_does_not_announce);
	tcase_add_test(t, x87_control);
	tcase_add_test(t, privileged_instructions_at_cpl_3);
	tcase_add_test(t, control_registers);
	tcase_add_test(t, descriptor_tables);
	tcase_add_test(t, msrs_cpuid_tsc);
	tcase_add_test(t, popf_respects_privilege);
	tcase_add_test(t, vector_moves_respect_cr0_and_cr4);
}
