/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABI_COMPARE_H
#define ABI_COMPARE_H

/*
 * Compare two files of answers, row by row; TAP on standard output. differences: lines
 * "REGEX -- REASON", matched against "ROW: KEY: kvm VALUE, vmm VALUE". Returns 0 when
 * nothing differs but what is listed.
 */
int compare_answers(const char *kvm, const char *vmm, const char *differences);

#endif /* ABI_COMPARE_H */
