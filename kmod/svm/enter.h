/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What enter.S and C agree on; svm.h proves the numbers right.
 */
#ifndef VMM_SVM_ENTER_H
#define VMM_SVM_ENTER_H

#define REG_RCX			(8 * 1)
#define REG_RDX			(8 * 2)
#define REG_RBX			(8 * 3)
#define REG_RBP			(8 * 5)
#define REG_RSI			(8 * 6)
#define REG_RDI			(8 * 7)
#define REG_R8			(8 * 8)
#define REG_R9			(8 * 9)
#define REG_R10			(8 * 10)
#define REG_R11			(8 * 11)
#define REG_R12			(8 * 12)
#define REG_R13			(8 * 13)
#define REG_R14			(8 * 14)
#define REG_R15			(8 * 15)

#define ENTRY_VMCB		0
#define ENTRY_HOST		8
#define ENTRY_GUEST_SPEC_CTRL	16
#define ENTRY_HOST_SPEC_CTRL	24
#define ENTRY_FLAGS		32

#define SVM_ENTRY_LOAD_SPEC_CTRL	1	/* the guest's value differs from the host's */
#define SVM_ENTRY_READ_SPEC_CTRL	2	/* the guest writes it without exits */

#endif /* VMM_SVM_ENTER_H */
