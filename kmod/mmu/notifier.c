// SPDX-License-Identifier: GPL-2.0-only
/*
 * Following the host: guest memory is ordinary memory of a process, and whatever the
 * host does with it (swap, KSM, huge pages coming and going, copy on write after a
 * fork, madvise, userfaultfd, munmap) is announced by an MMU notifier before it
 * happens. Our mapping goes first and comes back by a fault.
 *
 * A fault asks the host for a page without our lock, so an invalidation may come in
 * between. Hence notifier_count and the range (an invalidation is going on) and
 * notifier_seq (one has completed since): a fault that finds them changed is retried.
 */
#include <linux/mmu_notifier.h>

#include "vmm.h"
#include "mmu/internal.h"

/* The guest frames that a range of host addresses backs in one slot. */
static bool slot_range(const struct vmm_slot *slot, unsigned long start, unsigned long end,
		       u64 *first, u64 *last)
{
	unsigned long base = slot->userspace_addr;
	unsigned long top = base + (slot->npages << PAGE_SHIFT);

	start = max(start, base);
	end = min(end, top);
	if (start >= end)
		return false;
	*first = slot->base_gfn + ((start - base) >> PAGE_SHIFT);
	*last = slot->base_gfn + ((end - 1 - base) >> PAGE_SHIFT) + 1;
	return true;
}

/* The same memory may stand in several slots. */
#define for_each_gfn_range(slots, i, start, end, first, last)		\
	for ((i) = 0; (i) < (slots)->count; (i)++)			\
		if (slot_range((slots)->slot[i], start, end, first, last))

/**
 * vmm_notifier_overlaps() - Is an invalidation going on in a range?
 * @mmu: lock held
 * @start: host address
 * @end: host address after the last
 */
bool vmm_notifier_overlaps(const struct vmm_mmu *mmu, unsigned long start, unsigned long end)
{
	return mmu->notifier_count && start < mmu->range_end && end > mmu->range_start;
}

static struct vmm_vm *notifier_vm(struct mmu_notifier *mn)
{
	return container_of(mn, struct vmm_vm, mmu.notifier);
}

static int invalidate_range_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vmm_vm *vm = notifier_vm(mn);
	struct vmm_mmu *mmu = &vm->mmu;
	bool may_yield = mmu_notifier_range_blockable(range);
	int srcu = srcu_read_lock(&vm->srcu);
	struct vmm_slots *slots;
	u64 first, last;
	unsigned int i;

	vmm_mmu_lock(vm);
	if (mmu->notifier_count++ == 0) {
		mmu->range_start = range->start;
		mmu->range_end = range->end;
	} else {
		/* One range for all: it may be too large, never too small. */
		mmu->range_start = min(mmu->range_start, range->start);
		mmu->range_end = max(mmu->range_end, range->end);
	}
	/*
	 * From here on no fault maps anything in the range, so the lock may be dropped.
	 * What is mapped was mapped through slots that were published before the lock
	 * was taken: read earlier, the array might not have them yet.
	 */
	slots = srcu_dereference(vm->memory.slots, &vm->srcu);
	for_each_gfn_range(slots, i, range->start, range->end, &first, &last)
		vmm_mmu_zap_range(vm, first, last, may_yield);
	if (mmu->leaving && slot_range(mmu->leaving, range->start, range->end, &first, &last))
		vmm_mmu_zap_range(vm, first, last, may_yield);
	vmm_mmu_unlock(vm);
	srcu_read_unlock(&vm->srcu, srcu);
	return 0;
}

static void invalidate_range_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vmm_vm *vm = notifier_vm(mn);
	struct vmm_mmu *mmu = &vm->mmu;

	vmm_mmu_lock(vm);
	/* Before the count drops: a fault that sees no invalidation sees this (fault.c). */
	mmu->notifier_seq++;
	smp_wmb();
	mmu->notifier_count--;
	vmm_mmu_unlock(vm);
}

static bool age(struct vmm_vm *vm, unsigned long start, unsigned long end, bool clear, bool flush)
{
	struct vmm_mmu *mmu = &vm->mmu;
	int srcu = srcu_read_lock(&vm->srcu);
	struct vmm_slots *slots = srcu_dereference(vm->memory.slots, &vm->srcu);
	bool young = false;
	u64 first, last;
	unsigned int i;

	read_lock(&mmu->lock);
	for_each_gfn_range(slots, i, start, end, &first, &last)
		young |= vmm_pt_age(&mmu->pt, first, last, clear && mmu->pt.format->accessed);
	read_unlock(&mmu->lock);

	if (young && clear && !mmu->pt.format->accessed) {
		/* The CPU keeps no accessed bits: the next access is seen by its fault. */
		vmm_mmu_lock(vm);
		for_each_gfn_range(slots, i, start, end, &first, &last)
			vmm_mmu_zap_range(vm, first, last, false);
		vmm_mmu_unlock(vm);
	} else if (young && flush) {
		vmm_flush_vm(vm);
	}
	srcu_read_unlock(&vm->srcu, srcu);
	return young;
}

static int clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm,
			     unsigned long start, unsigned long end)
{
	return age(notifier_vm(mn), start, end, true, true);
}

/* Without the flush an access through a cached translation goes unnoticed: allowed here. */
static int clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
		       unsigned long start, unsigned long end)
{
	return age(notifier_vm(mn), start, end, true, false);
}

static int test_young(struct mmu_notifier *mn, struct mm_struct *mm, unsigned long address)
{
	return age(notifier_vm(mn), address, address + PAGE_SIZE, false, false);
}

/* The address space dies before the VM: its threads are gone, nothing faults again. */
static void release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct vmm_vm *vm = notifier_vm(mn);

	vmm_mmu_lock(vm);
	vmm_mmu_zap_range(vm, 0, vmm_pt_pages(vm->mmu.pt.levels + 1), true);
	vmm_mmu_unlock(vm);
}

/*
 * No change_pte (gone in 6.10): its callers invalidate around it anyway. A range that
 * must not block is served too, since nothing here sleeps but by choice.
 */
static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start	= invalidate_range_start,
	.invalidate_range_end	= invalidate_range_end,
	.clear_flush_young	= clear_flush_young,
	.clear_young		= clear_young,
	.test_young		= test_young,
	.release		= release,
};

/**
 * vmm_notifier_register() - Start to follow vm->mm, whose mmap lock is taken.
 * @vm: its tree and vm->srcu are ready, it has slots (none in them)
 *
 * Return: 0, -ENOMEM or -EINTR.
 */
int vmm_notifier_register(struct vmm_vm *vm)
{
	int r;

	vm->mmu.notifier.ops = &notifier_ops;
	r = mmu_notifier_register(&vm->mmu.notifier, vm->mm);
	vm->mmu.notifier_on = !r;
	return r;
}

/**
 * vmm_notifier_unregister() - No callback runs, or will run, when this returns.
 * @vm: no vCPU will run again
 */
void vmm_notifier_unregister(struct vmm_vm *vm)
{
	if (!vm->mmu.notifier_on)
		return;
	vm->mmu.notifier_on = false;
	mmu_notifier_unregister(&vm->mmu.notifier, vm->mm);
}
