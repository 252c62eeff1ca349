/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What enter.S and C agree on; svm.h proves the numbers right.
 */
#ifndef VMM_SVM_ENTER_H
#define VMM_SVM_ENTER_H

#define ENTRY_VMCB		0
#define ENTRY_HOST		8
#define ENTRY_GUEST_SPEC_CTRL	16
#define ENTRY_HOST_SPEC_CTRL	24
#define ENTRY_FLAGS		32

#define SVM_ENTRY_LOAD_SPEC_CTRL	1	/* the guest's value differs from the host's */
#define SVM_ENTRY_READ_SPEC_CTRL	2	/* the guest writes it without exits */

#endif /* VMM_SVM_ENTER_H */
