/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of kmod/mmu/ and memory.c share among themselves. */
#ifndef VMM_MMU_INTERNAL_H
#define VMM_MMU_INTERNAL_H

#include "vmm.h"

/* Entries looked at between two looks at the clock, with the lock held. */
#define VMM_MMU_BUDGET	8192

/* mmu.c */
void vmm_mmu_lock(struct vmm_vm *vm) __acquires(&vm->mmu.lock);
void vmm_mmu_unlock(struct vmm_vm *vm) __releases(&vm->mmu.lock);	/* flushes what is pending */
void vmm_mmu_zap_range(struct vmm_vm *vm, u64 start, u64 end, bool may_yield);
void vmm_mmu_free_table(struct vmm_vm *vm, u64 *table);
int vmm_mmu_topup(struct vmm_vcpu *vcpu);
extern bool vmm_mmu_nx_huge;

/* flush.c */
void vmm_flush_dropped(struct vmm_vm *vm);

/* notifier.c */
int vmm_notifier_register(struct vmm_vm *vm);
void vmm_notifier_unregister(struct vmm_vm *vm);
bool vmm_notifier_overlaps(const struct vmm_mmu *mmu, unsigned long start, unsigned long end);

/* host.c: the host's side of a mapping. */
struct vmm_host_page {
	u64 pfn;
	struct page *page;	/* referenced, or NULL */
	bool writable;
	bool special;		/* page is not to be marked dirty or accessed */
	bool uncached;
};

bool vmm_host_get_resident(unsigned long hva, struct vmm_host_page *host);
int vmm_host_get(struct mm_struct *mm, unsigned long hva, bool write, bool may_write, bool nowait,
		 struct vmm_host_page *host);
void vmm_host_put(struct vmm_host_page *host);
int vmm_host_level(struct mm_struct *mm, unsigned long hva);

/* dirty.c */
int vmm_dirty_alloc(struct vmm_slot *slot);

/* memory.c */
struct vmm_slot *vmm_slot_by_id(struct vmm_vm *vm, u32 id);	/* slots_lock held */

#endif /* VMM_MMU_INTERNAL_H */
