// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator in real mode and 16-bit code: limits, wrapping, interrupts, far transfers, interrupt
 * shadows.
 */
#include "emul_machine.h"

START_TEST(real_mode_limit_is_checked_without_error_code)
{
	machine(EMUL_REAL);
	e.gpr[EMUL_RBX] = 0xffff;
	FAULTS("\x8b\x07", EMUL_GP, -1);		/* mov ax, [bx] */
	e.gpr[EMUL_RBX] = 0xfffe;
	OK("\x8b\x07");
	e.gpr[EMUL_RBP] = 0xffff;
	FAULTS("\x8b\x46\x00", EMUL_SS_FAULT, -1);	/* mov ax, [bp] */
	e.gpr[EMUL_RSP] = 1;
	FAULTS("\x50", EMUL_SS_FAULT, -1);		/* push ax */
}
END_TEST

START_TEST(real_mode_addresses_wrap_at_16_bits)
{
	machine(EMUL_REAL);
	segs[EMUL_DS].base = 0x20000;
	put(0x20004, 0x1234, 2);
	e.gpr[EMUL_RBX] = 0xfff0;
	e.gpr[EMUL_RSI] = 0x14;
	OK("\x8b\x00");					/* mov ax, [bx+si] */
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0x1234);
}
END_TEST

START_TEST(unreal_mode_uses_the_cached_limit)
{
	machine(EMUL_REAL);
	e.gpr[EMUL_RBX] = 0x100000;
	put(0x100000, 0xdeadbeef, 4);
	FAULTS("\x67\x66\x8b\x03", EMUL_GP, -1);
	segs[EMUL_DS].limit = 0xffffffff;
	OK("\x67\x66\x8b\x03");				/* mov eax, [ebx] */
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0xdeadbeef);
	/* loading the register in real mode keeps the limit */
	e.gpr[EMUL_RAX] = 0x10;
	OK("\x8e\xd8");					/* mov ds, ax */
	ck_assert_uint_eq(segs[EMUL_DS].base, 0x100);
	ck_assert_uint_eq(segs[EMUL_DS].limit, 0xffffffff);
}
END_TEST

START_TEST(real_mode_interrupt_and_return)
{
	machine(EMUL_REAL);
	put(0x10 * 4, 0x1234, 2);
	put(0x10 * 4 + 2, 0x0200, 2);
	e.rflags = 0x302 | 1;
	set_seg(EMUL_CS, 0x100, 0x1000, 0xffff, 0x93);
	OK("\xcd\x10");
	ck_assert_uint_eq(e.rip, 0x1234);
	ck_assert_uint_eq(segs[EMUL_CS].base, 0x2000);
	ck_assert_uint_eq(e.rflags, 2 | 1);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], STACK - 6);
	ck_assert_uint_eq(get(STACK - 6, 2), CODE + 2);
	ck_assert_uint_eq(get(STACK - 4, 2), 0x100);
	ck_assert_uint_eq(get(STACK - 2, 2), 0x303);
	OK("\xcf");
	ck_assert_uint_eq(e.rip, CODE + 2);
	ck_assert_uint_eq(segs[EMUL_CS].selector, 0x100);
	ck_assert_uint_eq(e.rflags, 0x303);
	idt.limit = 0x10 * 4 + 2;
	FAULTS("\xcd\x10", EMUL_GP, -1);
}
END_TEST

START_TEST(real_mode_injection)
{
	machine(EMUL_REAL);
	put(8 * 4, 0xfea5, 2);
	put(8 * 4 + 2, 0xf000, 2);
	e.rflags = 0x202;
	emul_init(&e);
	ck_assert_int_eq(emul_inject_real(&e, 8), EMUL_OK);
	ck_assert_uint_eq(e.rip, 0xfea5);
	ck_assert_uint_eq(segs[EMUL_CS].base, 0xf0000);
	ck_assert_uint_eq(get(STACK - 6, 2), CODE);
	ck_assert_uint_eq(e.rflags, 2);
}
END_TEST

START_TEST(real_mode_far_transfers)
{
	machine(EMUL_REAL);
	OK("\xea\x00\x10\x00\x07");			/* jmp 0700:1000 */
	ck_assert_uint_eq(e.rip, 0x1000);
	ck_assert_uint_eq(segs[EMUL_CS].base, 0x7000);
	OK("\x9a\x00\x20\x00\x05");			/* call 0500:2000 */
	ck_assert_uint_eq(get(STACK - 4, 2), 0x1005);
	ck_assert_uint_eq(get(STACK - 2, 2), 0x700);
	OK("\xca\x02\x00");				/* retf 2 */
	ck_assert_uint_eq(e.rip, 0x1005);
	ck_assert_uint_eq(segs[EMUL_CS].selector, 0x700);
	ck_assert_uint_eq(e.gpr[EMUL_RSP], STACK + 2);
	put(0x300, 0x06001111, 4);
	e.gpr[EMUL_RBX] = 0x300;
	OK("\xc4\x07");					/* les ax, [bx] */
	ck_assert_uint_eq(segs[EMUL_ES].base, 0x6000);
	ck_assert_uint_eq(e.gpr[EMUL_RAX], 0x1111);
	segs[EMUL_CS].limit = 0x1fff;
	FAULTS("\xe9\x00\xd0", EMUL_GP, -1);	/* jump below 0 wraps above the limit */
}
END_TEST

START_TEST(interrupt_shadows)
{
	machine(EMUL_REAL);
	OK("\xfb");
	ck_assert_uint_eq(e.int_shadow, EMUL_SHADOW_STI);
	OK("\xfb");
	ck_assert_uint_eq(e.int_shadow, 0);		/* IF was set already */
	OK("\x8e\xd0");					/* mov ss, ax */
	ck_assert_uint_eq(e.int_shadow, EMUL_SHADOW_MOV_SS);
	OK("\x17");					/* pop ss */
	ck_assert_uint_eq(e.int_shadow, EMUL_SHADOW_MOV_SS);
	OK("\x1f");					/* pop ds */
	ck_assert_uint_eq(e.int_shadow, 0);
}
END_TEST

START_TEST(sixteen_bit_code)
{
	machine(EMUL_PROT16);
	e.gpr[EMUL_RSP] = 0x12340100;			/* SS.B = 0: only SP counts */
	e.gpr[EMUL_RAX] = 0x99887766;
	OK("\x50");
	ck_assert_uint_eq(e.gpr[EMUL_RSP], 0x123400fe);
	ck_assert_uint_eq(get(0xfe, 2), 0x7766);
	OK("\x66\x50");
	ck_assert_uint_eq(get(0xfa, 4), 0x99887766);
	OK("\xe8\xfd\xff");				/* call to itself */
	ck_assert_uint_eq(get(0xf8, 2), CODE + 6);
	ck_assert_uint_eq(e.rip, CODE + 3);
	e.rip = 0xfffe;
	OK("\xeb\x10");					/* IP wraps */
	ck_assert_uint_eq(e.rip, 0x10);
}
END_TEST

void emul_real_cases(TCase *t)
{
	tcase_add_test(t, real_mode_limit_is_checked_without_error_code);
	tcase_add_test(t, real_mode_addresses_wrap_at_16_bits);
	tcase_add_test(t, unreal_mode_uses_the_cached_limit);
	tcase_add_test(t, real_mode_interrupt_and_return);
	tcase_add_test(t, real_mode_injection);
	tcase_add_test(t, real_mode_far_transfers);
	tcase_add_test(t, interrupt_shadows);
	tcase_add_test(t, sixteen_bit_code);
}
