// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended page tables (SDM 29.3.2, tables 29-1 to 29-7).
 *
 * Guest memory is write-back whatever the guest's PAT says (bit 6 of a leaf ignores
 * it): without devices that do non-coherent DMA its caching attributes mean nothing,
 * and obeying them would cost a guest dearly that leaves its memory uncached at
 * boot. Device memory of the host is mapped uncached.
 */
#include "mmu/engine.h"

#define EPT_READ	BIT_ULL(0)
#define EPT_WRITE	BIT_ULL(1)
#define EPT_EXEC	BIT_ULL(2)
#define EPT_TYPE_UC	(0ULL << 3)
#define EPT_TYPE_WB	(6ULL << 3)
#define EPT_IGNORE_PAT	BIT_ULL(6)
#define EPT_PAGE	BIT_ULL(7)
#define EPT_ACCESSED	BIT_ULL(8)
#define EPT_DIRTY	BIT_ULL(9)

#define EPT_COMMON						\
	.present	= EPT_READ | EPT_WRITE | EPT_EXEC,	\
	.huge		= EPT_PAGE,				\
	.addr		= GENMASK_ULL(51, 12),			\
	.write		= EPT_WRITE,				\
	.exec		= EPT_EXEC,				\
	.table		= EPT_READ | EPT_WRITE | EPT_EXEC,	\
	.leaf		= EPT_READ,				\
	.wb		= EPT_TYPE_WB | EPT_IGNORE_PAT,		\
	.uc		= EPT_TYPE_UC

const struct vmm_pt_format vmm_ept_format = {
	.name		= "ept",
	EPT_COMMON,
};

const struct vmm_pt_format vmm_ept_ad_format = {
	.name		= "ept-ad",
	EPT_COMMON,
	.accessed	= EPT_ACCESSED,
	.dirty		= EPT_DIRTY,
};

/* The same with page-modification logging. */
const struct vmm_pt_format vmm_ept_pml_format = {
	.name		= "ept-pml",
	EPT_COMMON,
	.accessed	= EPT_ACCESSED,
	.dirty		= EPT_DIRTY,
	.logged		= true,
};
