/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of every main() here. How much is said, and whether as TAP, is the environment's
 * to choose: CK_VERBOSITY, CK_TAP_LOG_FILE_NAME=-.
 */
#ifndef RUN_SUITE_H
#define RUN_SUITE_H

#include <check.h>
#include <stdlib.h>

/* Runs the tests, and frees the suite. Returns main()'s result. */
static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif /* RUN_SUITE_H */
