/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EMUL_TEST_H
#define EMUL_TEST_H

/* Random inputs for each encoding of a form */
#ifndef EMUL_TEST_INPUTS
#define EMUL_TEST_INPUTS	25
#endif

extern const int emul_nr_forms;
void emul_native_setup(void);
void emul_native_form(int i);

extern const int emul_nr_rows32;
void emul_native32_setup(void);
void emul_native32_row(int i);

#endif /* EMUL_TEST_H */
