// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator's string instructions and ports: batches, bounds, progress kept at a fault, the
 * permission bitmap.
 */
#include "emul_machine.h"

START_TEST(port_permission_bitmap)
{
	machine(EMUL_PROT32);
	e.cpl = 3;
	put(TSS + 102, 0x68, 2);
	memset(ram + TSS + 0x68, 0xff, 0x2000);
	ram[TSS + 0x68 + 0x60 / 8] = 0xf0;		/* 60..63 allowed */
	e.gpr[EMUL_RDX] = 0x60;
	OK("\xec");
	OK("\xed");
	e.gpr[EMUL_RDX] = 0x61;
	FAULTS("\xed", EMUL_GP, 0);			/* reaches 64 */
	OK("\xec");
	segs[EMUL_TR].limit = 0x68 + 0x60 / 8;
	FAULTS("\xec", EMUL_GP, 0);			/* two bytes must be inside */
	e.rflags |= 0x3000;
	e.gpr[EMUL_RDX] = 0x80;
	OK("\xec");					/* IOPL 3 */
	ck_assert_uint_eq(io_port, 0x80);
}
END_TEST

START_TEST(string_input_comes_in_batches)
{
	unsigned int i;

	machine(EMUL_LONG);
	for (i = 0; i < sizeof(io_data); i++)
		io_data[i] = (u8)i;
	e.gpr[EMUL_RDX] = 0x1f0;
	e.gpr[EMUL_RCX] = 300;
	e.gpr[EMUL_RDI] = 0x10f80;			/* 128 bytes to the page's end */
	OK("\xf3\x66\x6d");				/* rep insw */
	ck_assert_uint_eq(io_size, 2);
	ck_assert(!e.rep_pending);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 0);
	ck_assert_uint_eq(e.gpr[EMUL_RDI], 0x10f80 + 600);
	ck_assert_uint_eq(io_calls, 2);
	ck_assert_uint_eq(get(0x10f80, 4), 0x03020100);
	ck_assert_uint_eq(get(0x11000, 4), 0x03020100);

	/* downwards one by one */
	e.rflags |= 0x400;
	e.gpr[EMUL_RCX] = 3;
	io_calls = 0;
	OK("\xf3\x6c");
	ck_assert_uint_eq(io_calls, 3);

	/* a destination that faults: the device is not read */
	e.rflags = 2;
	io_calls = 0;
	e.gpr[EMUL_RDI] = BAD_PAGE;
	e.gpr[EMUL_RCX] = 3;
	FAULTS("\xf3\x6c", EMUL_PF, 2);
	ck_assert_uint_eq(io_calls, 0);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 3);

	/* the data comes later */
	io_needed = true;
	e.gpr[EMUL_RDI] = 0x12000;
	ck_assert_int_eq(STEP("\xf3\x6c"), EMUL_IO_NEEDED);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 3);
	io_needed = false;
	ck_assert_int_eq(emul_execute(&e), EMUL_OK);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 0);
	ck_assert_uint_eq(get(0x12000, 3), 0x020100);
	OK("\xf3\x6c");					/* RCX = 0: nothing */
	ck_assert_uint_eq(e.rip, CODE + 3 + 2 + 2 + 2);
}
END_TEST

START_TEST(string_output)
{
	machine(EMUL_LONG);
	put(0x10000, 0x4433221188776655, 8);
	e.gpr[EMUL_RDX] = 0x3f8;
	e.gpr[EMUL_RCX] = 2;
	e.gpr[EMUL_RSI] = 0x10000;
	OK("\xf3\x6f");
	ck_assert_uint_eq(io_count, 2);
	ck_assert_uint_eq(io_size, 4);
	ck_assert_uint_eq(e.gpr[EMUL_RSI], 0x10008);
	ck_assert(!memcmp(io_data, ram + 0x10000, 8));
	OK("\x6e");					/* outsb */
	ck_assert_uint_eq(io_count, 1);
	e.gpr[EMUL_RCX] = 2;
	e.gpr[EMUL_RSI] = BAD_PAGE - 4;
	is_fault(STEP("\xf3\x6f"), EMUL_PF, 0);		/* after one item */
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 1);
	ck_assert_uint_eq(e.gpr[EMUL_RSI], BAD_PAGE);
}
END_TEST

START_TEST(rep_stops_at_a_fault_with_progress_kept)
{
	machine(EMUL_LONG);
	memset(ram + 0x10000, 0x5a, 64);
	e.gpr[EMUL_RSI] = 0x10000;
	e.gpr[EMUL_RDI] = BAD_PAGE - 16;
	e.gpr[EMUL_RCX] = 8;
	is_fault(STEP("\xf3\x48\xa5"), EMUL_PF, 2);
	ck_assert_uint_eq(e.fault.cr2, BAD_PAGE);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 6);
	ck_assert_uint_eq(e.gpr[EMUL_RSI], 0x10010);
	ck_assert_uint_eq(e.gpr[EMUL_RDI], BAD_PAGE);
	ck_assert_uint_eq(e.rip, CODE);
}
END_TEST

START_TEST(rep_is_bounded_and_resumes)
{
	machine(EMUL_LONG);
	e.gpr[EMUL_RAX] = 0xabcd;
	e.gpr[EMUL_RDI] = 0x10000;
	e.gpr[EMUL_RCX] = 10000;
	OK("\xf3\xaa");
	ck_assert(e.rep_pending);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 10000 - EMUL_REP_MAX);
	ck_assert_uint_eq(e.rip, CODE);
	while (e.rep_pending)
		OK("\xf3\xaa");
	ck_assert_uint_eq(e.gpr[EMUL_RDI], 0x10000 + 10000);
	ck_assert_uint_eq(e.rip, CODE + 2);
	ck_assert_uint_eq(ram[0x10000 + 9999], 0xcd);
	ck_assert_uint_eq(ram[0x10000 + 10000], 0);

	/* a device that must tell user space stops it after each item */
	e.gpr[EMUL_RDI] = DEV_PAGE;
	e.gpr[EMUL_RCX] = 3;
	OK("\xf3\xaa");
	ck_assert(e.rep_pending);
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 2);

	/* and a single-stepped one after each */
	e.gpr[EMUL_RDI] = 0x10000;
	e.rflags |= 0x100;
	OK("\xf3\xaa");
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 1);
}
END_TEST

START_TEST(rep_uses_the_address_size_for_its_counter)
{
	machine(EMUL_REAL);
	e.gpr[EMUL_RCX] = 0xffff0002;
	e.gpr[EMUL_RDI] = 0xabcdffff;
	e.gpr[EMUL_RAX] = 0x11;
	OK("\xf3\xaa");
	ck_assert_uint_eq(e.gpr[EMUL_RCX], 0xffff0000);
	ck_assert_uint_eq(e.gpr[EMUL_RDI], 0xabcd0001);	/* DI wrapped */
	ck_assert_uint_eq(ram[0xffff], 0x11);
	ck_assert_uint_eq(ram[0], 0x11);
}
END_TEST

START_TEST(cmps_from_a_device_keeps_its_first_operand)
{
	machine(EMUL_LONG);
	e.gpr[EMUL_RSI] = 0x10000;
	e.gpr[EMUL_RDI] = DEV_PAGE;
	put(0x10000, 0x42, 1);
	ck_assert_int_eq(STEP("\xa6"), EMUL_IO_NEEDED);
	ck_assert_uint_eq(e.gpr[EMUL_RSI], 0x10000);
	dev_ready = true;
	dev_value = 0x42;
	ck_assert_int_eq(emul_execute(&e), EMUL_OK);
	ck_assert(e.rflags & 0x40);
	ck_assert_uint_eq(e.gpr[EMUL_RDI], DEV_PAGE + 1);
}
END_TEST

void emul_string_cases(TCase *t)
{
	tcase_add_test(t, port_permission_bitmap);
	tcase_add_test(t, string_input_comes_in_batches);
	tcase_add_test(t, string_output);
	tcase_add_test(t, rep_stops_at_a_fault_with_progress_kept);
	tcase_add_test(t, rep_is_bounded_and_resumes);
	tcase_add_test(t, rep_uses_the_address_size_for_its_counter);
	tcase_add_test(t, cmps_from_a_device_keeps_its_first_operand);
}
