// SPDX-License-Identifier: GPL-2.0-only
/* The emulator's test program: CK_RUN_CASE=native|native16|native32|modes runs a part of it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "../../kmod/emul/emul.h"
#include "emul_machine.h"
#include "emul_test.h"
#include "run_suite.h"

struct emul_tally *emul_tally;

START_TEST(native)
{
	emul_native_form(_i);
}
END_TEST

START_TEST(native16)
{
	emul_native16_form(_i);
}
END_TEST

START_TEST(native32)
{
	emul_native32_row(_i);
}
END_TEST

START_TEST(at_least_2000_forms_are_compared_with_the_cpu)
{
	const char *only = getenv("CK_RUN_CASE");

	ck_assert_msg(only || emul_tally->forms >= EMUL_MIN_FORMS,
		      "only %lu forms were compared with the CPU", emul_tally->forms);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("emul");
	TCase *t = tcase_create("native"), *t32 = tcase_create("native32"), *t16 = tcase_create("native16"),
	      *modes = tcase_create("modes"), *count = tcase_create("count");
	int result;

	emul_tally = mmap(NULL, sizeof(*emul_tally), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (emul_tally == MAP_FAILED)
		return EXIT_FAILURE;
	tcase_add_checked_fixture(t, emul_native_setup, NULL);
	tcase_add_loop_test(t, native, 0, emul_nr_forms);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t16, emul_native16_setup, NULL);
	tcase_add_loop_test(t16, native16, 0, emul_nr_forms);
	tcase_set_timeout(t16, 60);
	suite_add_tcase(s, t16);
	tcase_add_checked_fixture(t32, emul_native32_setup, NULL);
	tcase_add_loop_test(t32, native32, 0, emul_nr_rows32);
	suite_add_tcase(s, t32);
	emul_real_cases(modes);
	emul_segment_cases(modes);
	emul_decode_cases(modes);
	emul_fault_cases(modes);
	emul_system_cases(modes);
	emul_string_cases(modes);
	emul_task_cases(modes);
	suite_add_tcase(s, modes);
	/* last: it looks at what the others did */
	tcase_add_test(count, at_least_2000_forms_are_compared_with_the_cpu);
	suite_add_tcase(s, count);
	result = run_suite(s);
	printf("# %lu forms compared with the CPU, %lu times\n", emul_tally->forms,
	       emul_tally->comparisons);
	return result;
}
