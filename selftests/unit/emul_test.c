// SPDX-License-Identifier: GPL-2.0-only
/* The emulator's test program: CK_RUN_CASE=native|native32|modes runs a part of it. */
#include <check.h>
#include <stdlib.h>
#include "../../kmod/emul/emul.h"
#include "emul_machine.h"
#include "emul_test.h"

START_TEST(native)
{
	emul_native_form(_i);
}
END_TEST

START_TEST(native32)
{
	emul_native32_row(_i);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("emul");
	TCase *t = tcase_create("native"), *t32 = tcase_create("native32"),
	      *modes = tcase_create("modes");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, emul_native_setup, NULL);
	tcase_add_loop_test(t, native, 0, emul_nr_forms);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t32, emul_native32_setup, NULL);
	tcase_add_loop_test(t32, native32, 0, emul_nr_rows32);
	suite_add_tcase(s, t32);
	emul_real_cases(modes);
	emul_segment_cases(modes);
	emul_decode_cases(modes);
	emul_fault_cases(modes);
	emul_system_cases(modes);
	emul_string_cases(modes);
	suite_add_tcase(s, modes);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
