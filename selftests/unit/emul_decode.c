// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator's decoder: undefined encodings, lengths, fetching, the operands it tells.
 */
#include "emul_machine.h"

START_TEST(lock_is_undefined_where_it_is_not_allowed)
{
	machine(EMUL_LONG);
	FAULTS("\xf0\x48\x89\x03", EMUL_UD, -1);	/* lock mov */
	FAULTS("\xf0\x01\xc0", EMUL_UD, -1);		/* lock add reg, reg */
	FAULTS("\xf0\x39\x03", EMUL_UD, -1);		/* lock cmp [mem] */
	FAULTS("\xf0\x03\x03", EMUL_UD, -1);		/* lock add reg, [mem] */
	FAULTS("\xf0\x0f\xa3\x03", EMUL_UD, -1);	/* lock bt */
	FAULTS("\x0f\x20\xc8", EMUL_UD, -1);		/* CR1 */
	FAULTS("\x0f\x0b", EMUL_UD, -1);
	FAULTS("\x8e\xc8", EMUL_UD, -1);		/* mov cs */
	FAULTS("\x8c\xf0", EMUL_UD, -1);		/* segment register 6 */
	FAULTS("\x06", EMUL_UD, -1);			/* push es in 64-bit mode */
	FAULTS("\x66\xc5\xfa\x6f\x03", EMUL_UD, -1);	/* 66 before VEX */
	e.gpr[EMUL_RBX] = 0x100;
	OK("\xf0\x01\x03");
	ck_assert_uint_eq(cmpxchg_calls, 1);
	OK("\x87\x03");					/* xchg locks by itself */
	ck_assert_uint_eq(cmpxchg_calls, 2);
}
END_TEST

START_TEST(fifteen_bytes_are_the_limit)
{
	machine(EMUL_LONG);
	OK("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90");
	FAULTS("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90", EMUL_GP, 0);
}
END_TEST

START_TEST(fetch_faults_at_limit_and_page)
{
	machine(EMUL_PROT32);
	segs[EMUL_CS].limit = CODE + 2;
	OK("\x90\x90");
	FAULTS("\xb8\x01\x02\x03\x04", EMUL_GP, 0);
	machine(EMUL_PROT32);
	e.rip = BAD_PAGE - 2;
	FAULTS("\xb8\x01\x02\x03\x04", EMUL_PF, 16);
	ck_assert_uint_eq(e.fault.cr2, BAD_PAGE);
	OK("\x89\xc0");		/* ends at the page: the next one is not touched */
}
END_TEST

static const struct {
	enum emul_mode mode;
	const char *bytes;
	u8 n, len;
} lengths[] = {
#define L(mode, s, len)	{ mode, s, sizeof(s) - 1, len }
	L(EMUL_LONG, "\x0f\xa2\x90\x90", 2),				/* cpuid */
	L(EMUL_LONG, "\xf4\x90", 1),
	L(EMUL_LONG, "\x0f\x01\xd9", 3),				/* vmmcall */
	L(EMUL_LONG, "\x0f\x01\xc1", 3),				/* vmcall */
	L(EMUL_LONG, "\x0f\x01\xd8", 3),				/* vmrun */
	L(EMUL_LONG, "\x0f\x01\xc8", 3),				/* monitor */
	L(EMUL_LONG, "\x0f\x33", 2),					/* rdpmc */
	L(EMUL_LONG, "\xe5\x71\x90", 2),
	L(EMUL_LONG, "\x66\xef", 2),
	L(EMUL_LONG, "\xf3\x66\x6f", 3),
	L(EMUL_LONG, "\x44\x0f\x22\xc0", 4),				/* mov cr8, rax */
	L(EMUL_PROT32, "\x0f\x20\x00\x90", 3),				/* mov ignores mod */
	L(EMUL_LONG, "\x0f\x01\x3c\x25\x00\x00\x00\x00\x90", 8),	/* invlpg [abs] */
	L(EMUL_LONG, "\x0f\x01\xf0", 3),				/* lmsw ax */
	L(EMUL_LONG, "\x0f\x01\xd1", 3),				/* xsetbv */
	L(EMUL_LONG, "\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08", 10),
	L(EMUL_LONG, "\xa1\x01\x02\x03\x04\x05\x06\x07\x08", 9),
	L(EMUL_LONG, "\x67\xa1\x01\x02\x03\x04", 6),
	L(EMUL_PROT32, "\xa1\x01\x02\x03\x04", 5),
	L(EMUL_REAL, "\xa1\x01\x02", 3),
	L(EMUL_REAL, "\x66\xa1\x01\x02", 4),
	L(EMUL_REAL, "\xea\x01\x02\x03\x04", 5),
	L(EMUL_REAL, "\x66\xea\x01\x02\x03\x04\x05\x06", 8),
	L(EMUL_PROT32, "\x9a\x01\x02\x03\x04\x05\x06", 7),
	L(EMUL_LONG, "\xc8\x10\x00\x01", 4),
	L(EMUL_LONG, "\xc2\x08\x00", 3),
	L(EMUL_LONG, "\xcd\x80", 2),
	L(EMUL_LONG, "\xd9\x7d\xfe", 3),				/* fnstcw */
	L(EMUL_LONG, "\xdb\xe3", 2),					/* fninit */
	L(EMUL_LONG, "\x0f\xae\x01", 3),				/* fxsave */
	L(EMUL_LONG, "\x0f\x58\xc1", 3),				/* addps */
	L(EMUL_LONG, "\x66\x0f\x70\xc1\x1b", 5),			/* pshufd */
	L(EMUL_LONG, "\x66\x0f\x73\xd9\x08", 5),			/* psrldq */
	L(EMUL_LONG, "\x66\x0f\x3a\x0f\xc1\x08", 6),			/* palignr */
	L(EMUL_LONG, "\x66\x0f\x38\x00\xc1", 5),			/* pshufb */
	L(EMUL_LONG, "\xc5\xf8\x77", 3),				/* vzeroupper */
	L(EMUL_LONG, "\xc4\xe3\x7d\x06\xc1\x01", 6),			/* vperm2f128 */
	L(EMUL_LONG, "\xc5\xf9\x70\xc1\x1b", 5),			/* vpshufd */
	L(EMUL_LONG, "\x62\xf1\x7c\x48\x28\x45\x01", 7),		/* vmovaps zmm, [rbp+64] */
	L(EMUL_LONG, "\x62\xf3\x7d\x48\x25\xc1\x55", 7),		/* vpternlogd */
	L(EMUL_PROT32, "\x62\x03", 2),					/* bound */
	L(EMUL_REAL, "\xc5\x47\x05", 3),				/* lds */
	L(EMUL_REAL, "\x8b\x87\x34\x12", 4),
	L(EMUL_REAL, "\x67\x8b\x84\x24\x01\x02\x03\x04", 8),
	L(EMUL_LONG, "\xf7\x05\x01\x02\x03\x04\x05\x06\x07\x08", 10),	/* test dword [rip] */
	L(EMUL_LONG, "\x66\xf7\x00\x01\x02", 5),
	L(EMUL_LONG, "\xf6\x00\x01", 3),
	L(EMUL_LONG, "\xf7\x18", 2),					/* neg has no immediate */
	L(EMUL_LONG, "\xf3\x0f\x1e\xfa", 4),				/* endbr64 */
	L(EMUL_LONG, "\xf3\x0f\xc7\xf8", 4),				/* rdpid */
	L(EMUL_LONG, "\x0f\xc7\xf0", 3),				/* rdrand */
	L(EMUL_LONG, "\x2e\x0f\x84\x01\x02\x03\x04", 7),
	L(EMUL_PROT16, "\x0f\x84\x01\x02", 4),
	L(EMUL_LONG, "\x66\xe8\x01\x02\x03\x04", 6),
	L(EMUL_LONG, "\x0f\x0f\xc1\x9e", 4),				/* 3DNow! */
	L(EMUL_LONG, "\x0f\x05", 2),
	L(EMUL_LONG, "\x0f\x34", 2),
	L(EMUL_LONG, "\x0f\xaa", 2),
	L(EMUL_LONG, "\x0f\x09", 2),
};

START_TEST(length_is_known)
{
	struct emul_insn in;
	unsigned int n;
	enum emul_status st;

	st = emul_decode_bytes(&in, lengths[_i].mode, (const u8 *)lengths[_i].bytes,
			       lengths[_i].n);
	ck_assert_msg(st == EMUL_OK, "row %d: status %d", _i, st);
	ck_assert_msg(in.len == lengths[_i].len, "row %d: length %u, not %u", _i, in.len,
		      lengths[_i].len);
	/* with any byte missing it asks for more */
	for (n = 0; n < lengths[_i].len; n++)
		ck_assert_int_eq(emul_decode_bytes(&in, lengths[_i].mode,
						   (const u8 *)lengths[_i].bytes, n), EMUL_RETRY);
}
END_TEST

START_TEST(operands_are_exposed)
{
	struct emul_insn in;

	ck_assert_int_eq(emul_decode_bytes(&in, EMUL_LONG, (const u8 *)"\x45\x0f\x22\xc1", 4),
			 EMUL_OK);			/* mov cr8, r9 */
	ck_assert_int_eq(in.op[0].type, EMUL_OP_CR);
	ck_assert_uint_eq(in.op[0].reg, 8);
	ck_assert_int_eq(in.op[1].type, EMUL_OP_REG);
	ck_assert_uint_eq(in.op[1].reg, EMUL_R9);
	ck_assert_int_eq(emul_decode_bytes(&in, EMUL_PROT32, (const u8 *)"\x0f\x23\xfb", 3),
			 EMUL_OK);			/* mov dr7, ebx */
	ck_assert_int_eq(in.op[0].type, EMUL_OP_DR);
	ck_assert_uint_eq(in.op[0].reg, 7);
	ck_assert_uint_eq(in.op[1].reg, EMUL_RBX);
	ck_assert_uint_eq(in.op[1].size, 4);
}
END_TEST

void emul_decode_cases(TCase *t)
{
	tcase_add_test(t, lock_is_undefined_where_it_is_not_allowed);
	tcase_add_test(t, fifteen_bytes_are_the_limit);
	tcase_add_test(t, fetch_faults_at_limit_and_page);
	tcase_add_loop_test(t, length_is_known, 0, ARRAY_SIZE(lengths));
	tcase_add_test(t, operands_are_exposed);
}
