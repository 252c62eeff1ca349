// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested page tables: the legacy long-mode format (APM 5.3, 15.25).
 *
 * The CPU takes every nested access for a user access (APM 15.25.5), so U/S must be
 * set at each level. PAT index 0, write-back, leaves the caching to the guest's own
 * PAT and to the host's MTRRs, which are uncached where devices are.
 */
#include "mmu/engine.h"

#define NPT_PRESENT	BIT_ULL(0)
#define NPT_WRITE	BIT_ULL(1)
#define NPT_USER	BIT_ULL(2)
#define NPT_ACCESSED	BIT_ULL(5)
#define NPT_DIRTY	BIT_ULL(6)
#define NPT_PAGE_SIZE	BIT_ULL(7)
#define NPT_NX		BIT_ULL(63)

const struct vmm_pt_format vmm_npt_format = {
	.name		= "npt",
	.present	= NPT_PRESENT,
	.huge		= NPT_PAGE_SIZE,
	.addr		= GENMASK_ULL(51, 12),
	.write		= NPT_WRITE,
	.noexec		= NPT_NX,
	.accessed	= NPT_ACCESSED,
	.dirty		= NPT_DIRTY,
	.table		= NPT_PRESENT | NPT_WRITE | NPT_USER | NPT_ACCESSED,
	.leaf		= NPT_PRESENT | NPT_USER,
	.encrypt	= true,
};
