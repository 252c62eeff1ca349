/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VMM_GWALK_H
#define VMM_GWALK_H

#include <linux/bits.h>

/*
 * For vmm_gva_to_gpa(), beside VMM_ACCESS_*: an implicit supervisor access (descriptor tables,
 * TSS), which RFLAGS.AC does not exempt from SMAP.
 */
#define VMM_ACCESS_IMPLICIT	BIT(6)

#endif /* VMM_GWALK_H */
