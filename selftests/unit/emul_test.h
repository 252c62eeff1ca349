/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EMUL_TEST_H
#define EMUL_TEST_H

/* Random inputs for each encoding of a form */
#ifndef EMUL_TEST_INPUTS
#define EMUL_TEST_INPUTS	25
#endif

/* What the comparisons with the CPU must reach */
#define EMUL_MIN_FORMS	2000u

/**
 * struct emul_tally - what has really been compared with the CPU; shared by all test processes
 * @forms: opcodes in one operand size, with one set of prefixes and one way of addressing
 * @comparisons: runs of them, each on another input
 */
struct emul_tally {
	unsigned long forms, comparisons;
};

extern struct emul_tally *emul_tally;

extern const int emul_nr_forms;
void emul_native_setup(void);
void emul_native_form(int i);

void emul_native16_setup(void);
void emul_native16_form(int i);

extern const int emul_nr_rows32;
void emul_native32_setup(void);
void emul_native32_row(int i);

#endif /* EMUL_TEST_H */
