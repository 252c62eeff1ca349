// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TDP tree of a VM: its making and end, the lock around it, and the operations
 * on slots that the memory and dirty-log code ask for. One tree serves all vCPUs.
 */
#include <linux/cpu.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "vmm.h"
#include "mmu/internal.h"

/*
 * CPUs with the iTLB multihit erratum may raise a machine check when code is fetched
 * through a page whose size is being changed, which a guest can arrange: give them no
 * executable huge pages (Documentation/admin-guide/hw-vuln/multihit.rst in Linux).
 */
bool vmm_mmu_nx_huge __ro_after_init;

/**
 * vmm_mmu_module_init() - Decide what holds for every VM. Once, at load.
 */
int vmm_mmu_module_init(void)
{
	vmm_mmu_nx_huge = boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off();
	return 0;
}

void vmm_mmu_module_exit(void)
{
}

/**
 * vmm_mmu_max_gfn() - The highest guest frame that a slot may contain.
 *
 * What the CPU's physical address width and the depth of the tree allow.
 */
u64 vmm_mmu_max_gfn(void)
{
	/* Not boot_cpu_data's, which memory encryption has narrowed. */
	int bits = boot_cpu_data.extended_cpuid_level >= 0x80000008 ?
		   cpuid_eax(0x80000008) & 0xff : boot_cpu_data.x86_phys_bits;

	if (vmm_backend.caps.tdp)
		bits = min(bits, 12 + 9 * vmm_backend.caps.tdp_levels);
	return (1ULL << (bits - PAGE_SHIFT)) - 1;
}

/* ---- tables -------------------------------------------------------------- */

static u64 *alloc_table(struct vmm_vm *vm)
{
	u64 *table = (u64 *)__get_free_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);

	if (!table)
		return NULL;
	mod_lruvec_page_state(virt_to_page(table), NR_SECONDARY_PAGETABLE, 1);
	atomic_long_inc(&vm->mmu.nr_tables);
	return table;
}

/**
 * vmm_mmu_free_table() - Free a page-table page.
 * @vm: the VM
 * @table: nobody can see it: never linked, or dropped and flushed
 */
void vmm_mmu_free_table(struct vmm_vm *vm, u64 *table)
{
	mod_lruvec_page_state(virt_to_page(table), NR_SECONDARY_PAGETABLE, -1);
	atomic_long_dec(&vm->mmu.nr_tables);
	free_page((unsigned long)table);
}

/**
 * vmm_mmu_topup() - Have enough tables for one fault.
 * @vcpu: own thread; may sleep
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_mmu_topup(struct vmm_vcpu *vcpu)
{
	struct vmm_pt_cache *cache = &vcpu->mmu.cache;

	if (likely(cache->nr >= VMM_PT_MAX_LEVELS))
		return 0;
	while (cache->nr < VMM_PT_CACHE) {
		u64 *table = alloc_table(vcpu->vm);

		if (!table)
			return cache->nr >= VMM_PT_MAX_LEVELS ? 0 : -ENOMEM;
		cache->table[cache->nr++] = table;
	}
	return 0;
}

/* ---- what the engine reports --------------------------------------------- */

static struct vmm_vm *pt_vm(struct vmm_pt *pt)
{
	return container_of(pt, struct vmm_vm, mmu.pt);
}

void vmm_pt_leaf_dropped(struct vmm_pt *pt, u64 gfn, int level, u64 entry)
{
	struct vmm_vm *vm = pt_vm(pt);
	struct page *page;

	lockdep_assert_held_write(&vm->mmu.lock);
	vm->mmu.flush_pending = true;
	if (entry & VMM_PT_SPECIAL)
		return;
	/*
	 * No reference is held, none is needed: before the host takes the page from
	 * its own tables it calls the notifier, and that is how we get here, or it has
	 * not done so yet.
	 */
	page = pfn_to_page(vmm_pt_pfn(pt, entry));
	if (vmm_pt_dirty(pt, entry))
		SetPageDirty(page);
	if (pt->format->accessed && vmm_pt_accessed(pt, entry))
		mark_page_accessed(page);
}

/* As above the page is still the host's: it cannot go before the entry does. */
void vmm_pt_leaf_written(struct vmm_pt *pt, u64 entry)
{
	if (!(entry & VMM_PT_SPECIAL))
		SetPageDirty(pfn_to_page(vmm_pt_pfn(pt, entry)));
}

void vmm_pt_table_dropped(struct vmm_pt *pt, u64 *table)
{
	struct vmm_vm *vm = pt_vm(pt);

	lockdep_assert_held_write(&vm->mmu.lock);
	vm->mmu.flush_pending = true;
	vm->stats.mmu_zapped++;
	/* Through the page: the CPU may still be reading the table. */
	list_add(&virt_to_page(table)->lru, &vm->mmu.dropped);
}

void vmm_pt_leaf_count(struct vmm_pt *pt, int level, long n)
{
	struct vmm_vm_stats *stats = &pt_vm(pt)->stats;
	u64 *counter = level == VMM_PT_4K ? &stats->pages_4k :
		       level == VMM_PT_2M ? &stats->pages_2m : &stats->pages_1g;

	/* Faults on other vCPUs count too: the lock is shared. */
	atomic64_add(n, (atomic64_t *)counter);
}

/* ---- the lock ------------------------------------------------------------ */

/**
 * vmm_mmu_lock() - Take the MMU lock for writing.
 * @vm: the VM
 */
void vmm_mmu_lock(struct vmm_vm *vm)
	__acquires(&vm->mmu.lock)
{
	write_lock(&vm->mmu.lock);
}

/**
 * vmm_mmu_unlock() - Flush what was dropped, then drop the lock.
 * @vm: the VM
 */
void vmm_mmu_unlock(struct vmm_vm *vm)
	__releases(&vm->mmu.lock)
{
	vmm_flush_dropped(vm);
	write_unlock(&vm->mmu.lock);
}

/**
 * vmm_mmu_zap_range() - Drop everything in a range of guest frames.
 * @vm: the VM; mmu lock held for writing
 * @start: first frame
 * @end: frame after the last
 * @may_yield: the lock may be dropped (and taken again) in between, and the caller may
 *	sleep. New mappings in the range must be impossible then by other means.
 */
void vmm_mmu_zap_range(struct vmm_vm *vm, u64 start, u64 end, bool may_yield)
{
	struct vmm_mmu *mmu = &vm->mmu;

	while (start < end) {
		start = vmm_pt_zap(&mmu->pt, start, end, VMM_MMU_BUDGET);
		if (start < end && may_yield &&
		    (need_resched() || rwlock_is_contended(&mmu->lock))) {
			vmm_flush_dropped(vm);
			cond_resched_rwlock_write(&mmu->lock);
		}
	}
}

/* ---- slots --------------------------------------------------------------- */

/**
 * vmm_mmu_slot_leaves() - A slot is about to be unpublished.
 * @vm: the VM; slots_lock held until vmm_mmu_zap_slot() of the same slot
 * @slot: still published
 *
 * Its mappings outlive it until they are zapped. The host may take the memory back in
 * between, and an invalidation no longer finds the slot among the others.
 */
void vmm_mmu_slot_leaves(struct vmm_vm *vm, const struct vmm_slot *slot)
{
	vmm_mmu_lock(vm);
	vm->mmu.leaving = slot;
	vmm_mmu_unlock(vm);
}

/**
 * vmm_mmu_zap_slot() - Drop every mapping of a slot, and flush.
 * @vm: the VM; slots_lock held, may sleep
 * @slot: not published any more (SRCU readers have left), or in no need to stay empty
 */
void vmm_mmu_zap_slot(struct vmm_vm *vm, const struct vmm_slot *slot)
{
	vmm_mmu_lock(vm);
	vmm_mmu_zap_range(vm, slot->base_gfn, slot->base_gfn + slot->npages, true);
	vm->mmu.leaving = NULL;
	vmm_mmu_unlock(vm);
}

/**
 * vmm_mmu_catch_writes() - Let the log notice the next write to some of 64 frames.
 * @vm: the VM; may sleep
 * @first_gfn: frame that bit 0 of @mask stands for
 * @mask: which frames
 *
 * Return: true when the caller must flush before it relies on it.
 */
bool vmm_mmu_catch_writes(struct vmm_vm *vm, u64 first_gfn, unsigned long mask)
{
	struct vmm_mmu *mmu = &vm->mmu;
	bool flush = false;

	read_lock(&mmu->lock);
	for (; mask; mask &= mask - 1)
		flush |= vmm_pt_catch_writes_one(&mmu->pt, first_gfn + __ffs(mask));
	read_unlock(&mmu->lock);
	return flush;
}

/**
 * vmm_mmu_catch_writes_slot() - Let the log notice all writes to a slot, and flush.
 * @vm: the VM; slots_lock held, may sleep
 * @slot: published with a dirty bitmap, so that new writable mappings are logged
 */
void vmm_mmu_catch_writes_slot(struct vmm_vm *vm, const struct vmm_slot *slot)
{
	struct vmm_mmu *mmu = &vm->mmu;
	u64 start = slot->base_gfn, end = start + slot->npages;
	bool changed = false;

	while (start < end) {
		read_lock(&mmu->lock);
		start = vmm_pt_catch_writes(&mmu->pt, start, end, VMM_MMU_BUDGET, &changed);
		read_unlock(&mmu->lock);
		cond_resched();
	}
	if (changed)
		vmm_flush_vm(vm);
}

/**
 * vmm_mmu_start_log() - Where the CPUs take the dirty log: let them begin.
 * @vm: the VM; slots_lock held, and a slot is about to be logged
 *
 * When this returns no vCPU is in the guest that does not log.
 */
void vmm_mmu_start_log(struct vmm_vm *vm)
{
	if (!vm->mmu.pt.format->logged || vm->mmu.log_by_cpu)
		return;
	WRITE_ONCE(vm->mmu.log_by_cpu, true);
	vmm_request_all(vm, VMM_REQ_KICK);
}

/**
 * vmm_mmu_stop_log() - No slot is logged any more.
 * @vm: the VM; slots_lock held
 */
void vmm_mmu_stop_log(struct vmm_vm *vm)
{
	WRITE_ONCE(vm->mmu.log_by_cpu, false);
}

/**
 * vmm_mmu_collect_log() - Bring home what the CPUs have noted for the dirty log so far.
 * @vm: the VM; may sleep
 *
 * It comes with every exit: vCPUs that are in the guest have to leave it.
 */
void vmm_mmu_collect_log(struct vmm_vm *vm)
{
	if (READ_ONCE(vm->mmu.log_by_cpu))
		vmm_request_all(vm, VMM_REQ_KICK);
}

/**
 * vmm_mmu_logged() - A CPU has noted a write.
 * @vm: the VM; SRCU held, interrupts may be off
 * @gfn: the page
 */
void vmm_mmu_logged(struct vmm_vm *vm, u64 gfn)
{
	struct vmm_slot *slot = vmm_find_slot(vm, gfn);

	if (slot)
		vmm_mark_dirty(vm, slot, gfn);
}

/* ---- life ---------------------------------------------------------------- */

/**
 * vmm_mmu_vm_init() - Make a VM's tree and follow its process's memory.
 * @vm: being created; vm->mm is set and is the caller's, whose mmap lock is free
 *
 * Return: 0, -ENOMEM, -EOPNOTSUPP (the backend has no nested paging), or what the
 * kernel answers to the registration of an MMU notifier (-EINTR).
 */
int vmm_mmu_vm_init(struct vmm_vm *vm)
{
	const struct vmm_backend_caps *caps = &vmm_backend.caps;
	struct vmm_mmu *mmu = &vm->mmu;
	int r;

	if (!caps->tdp || !vmm_backend.tdp_format)
		return -EOPNOTSUPP;

	rwlock_init(&mmu->lock);
	INIT_LIST_HEAD(&mmu->dropped);
	mmu->pt.format = vmm_backend.tdp_format;
	mmu->pt.levels = caps->tdp_levels;
	mmu->pt.max_leaf = caps->tdp_1g ? VMM_PT_1G : VMM_PT_2M;
	mmu->pt.encrypt = mmu->pt.format->encrypt ? sme_me_mask : 0;
	mmu->pt.root = alloc_table(vm);
	if (!mmu->pt.root)
		return -ENOMEM;
	mmu->root_pa = __pa(mmu->pt.root);

	r = vmm_notifier_register(vm);
	if (r) {
		vmm_mmu_free_table(vm, mmu->pt.root);
		mmu->pt.root = NULL;
	}
	return r;
}

/**
 * vmm_mmu_vm_destroy() - Stop following the process's memory and free the tree.
 * @vm: no vCPU will run again; the vCPU objects and vm->mm exist. Harmless after a
 *	vmm_mmu_vm_init() that failed.
 */
void vmm_mmu_vm_destroy(struct vmm_vm *vm)
{
	struct vmm_mmu *mmu = &vm->mmu;

	if (!mmu->pt.root)
		return;
	vmm_notifier_unregister(vm);
	vmm_mmu_lock(vm);
	vmm_mmu_zap_range(vm, 0, vmm_pt_pages(mmu->pt.levels + 1), true);
	vmm_mmu_unlock(vm);
	vmm_mmu_free_table(vm, mmu->pt.root);
	mmu->pt.root = NULL;
}

/**
 * vmm_mmu_vcpu_destroy() - Free what a vCPU holds of the MMU.
 * @vcpu: going away
 */
void vmm_mmu_vcpu_destroy(struct vmm_vcpu *vcpu)
{
	struct vmm_pt_cache *cache = &vcpu->mmu.cache;

	while (cache->nr)
		vmm_mmu_free_table(vcpu->vm, cache->table[--cache->nr]);
}

/**
 * vmm_mmu_load() - Hand the backend the root if it has not got it.
 * @vcpu: loaded, about to enter, preemption off
 */
void vmm_mmu_load(struct vmm_vcpu *vcpu)
{
	struct vmm_mmu *mmu = &vcpu->vm->mmu;

	if (likely(vcpu->mmu.loaded_root == mmu->root_pa))
		return;
	vmm_backend.set_root(vcpu, mmu->root_pa, mmu->pt.levels);
	vcpu->mmu.loaded_root = mmu->root_pa;
	/* A flush that was served before could not name this root. */
	vmm_backend.flush_tlb(vcpu);
}
