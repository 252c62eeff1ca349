// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log: which pages of a slot were written since user space asked last.
 *
 * A page of a logged slot is write-protected until it is written; the fault sets its
 * bit and lets it be written. Fetching the log clears the bits and protects those
 * pages again (KVM_GET_DIRTY_LOG), or leaves that to KVM_CLEAR_DIRTY_LOG, which does
 * it for the bits user space names. No lock stands between the clearing of a bit and
 * the protection of its page: a write in between is of a page that this fetch reports,
 * and a fault in between sets the bit for the next one.
 *
 * Where the CPU takes the log (page-modification logging, SDM 29.3.6), a page is clean in
 * the page tables instead of write-protected, and no fault is needed: the CPU notes it as
 * it sets it dirty. Its notes come home with each exit, hence a fetch begins by having
 * every vCPU leave the guest.
 */
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "vmm.h"
#include "mmu/internal.h"

/* Bytes of a bitmap, whole 64-bit words: as user space must provide. */
static unsigned long bitmap_bytes(const struct vmm_slot *slot)
{
	return BITS_TO_LONGS(slot->npages) * sizeof(long);
}

/**
 * vmm_dirty_alloc() - Allocate a slot's dirty bitmap.
 * @slot: not published yet
 *
 * Its second half is scratch for the ioctls, under slots_lock.
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_dirty_alloc(struct vmm_slot *slot)
{
	slot->dirty_bitmap = kvzalloc(2 * bitmap_bytes(slot), GFP_KERNEL_ACCOUNT);
	return slot->dirty_bitmap ? 0 : -ENOMEM;
}

static unsigned long *scratch(const struct vmm_slot *slot)
{
	return slot->dirty_bitmap + BITS_TO_LONGS(slot->npages);
}

/**
 * vmm_mark_dirty() - Note that a page was written.
 * @vm: the VM; SRCU held
 * @slot: the page's slot
 * @gfn: the page, in @slot
 */
void vmm_mark_dirty(struct vmm_vm *vm, struct vmm_slot *slot, u64 gfn)
{
	unsigned long bit = gfn - slot->base_gfn;

	/* Many CPUs may be writing the same page: do not fight for the line. */
	if (slot->dirty_bitmap && !test_bit(bit, slot->dirty_bitmap))
		set_bit(bit, slot->dirty_bitmap);
}

/* The logged slot that an ioctl means; as_id and slot in KVM's encoding. */
static struct vmm_slot *logged_slot(struct vmm_vm *vm, u32 slot_arg)
{
	struct vmm_slot *slot;

	/* One address space: there is no SMM. */
	if (slot_arg >= VMM_USER_MEM_SLOTS)
		return ERR_PTR(-EINVAL);
	slot = vmm_slot_by_id(vm, slot_arg);
	if (!slot || !slot->dirty_bitmap)
		return ERR_PTR(-ENOENT);
	return slot;
}

/**
 * vmm_get_dirty_log() - KVM_GET_DIRTY_LOG.
 * @vm: the VM; slots_lock held, may sleep
 * @log: from user space
 *
 * Return: 0; -EINVAL: no such slot number; -ENOENT: no slot there, or not logged;
 * -EFAULT.
 */
int vmm_get_dirty_log(struct vmm_vm *vm, const struct kvm_dirty_log *log)
{
	struct vmm_slot *slot = logged_slot(vm, log->slot);
	unsigned long *bits, *out, i, words;
	bool flush = false;

	lockdep_assert_held(&vm->slots_lock);
	if (IS_ERR(slot))
		return PTR_ERR(slot);

	vmm_mmu_collect_log(vm);
	bits = slot->dirty_bitmap;
	out = scratch(slot);
	words = BITS_TO_LONGS(slot->npages);
	for (i = 0; i < words; i++) {
		out[i] = READ_ONCE(bits[i]);
		if (!out[i] || vm->memory.dirty_log_manual)
			continue;
		out[i] = xchg(&bits[i], 0);
		flush |= vmm_mmu_catch_writes(vm, slot->base_gfn + i * BITS_PER_LONG, out[i]);
		cond_resched();
	}
	if (flush)
		vmm_flush_vm(vm);
	if (copy_to_user(log->dirty_bitmap, out, bitmap_bytes(slot)))
		return -EFAULT;
	return 0;
}

/**
 * vmm_clear_dirty_log() - KVM_CLEAR_DIRTY_LOG.
 * @vm: the VM; slots_lock held, may sleep
 * @log: from user space: clear the bits that are set in its bitmap
 *
 * Return: 0; -EINVAL: no such slot number, or a range that is not whole words or
 * not in the slot; -ENOENT: no slot there, or not logged; -EFAULT.
 */
int vmm_clear_dirty_log(struct vmm_vm *vm, const struct kvm_clear_dirty_log *log)
{
	unsigned long *bits, *clear, i, words;
	struct vmm_slot *slot;
	bool flush = false;
	u64 first = log->first_page, count = log->num_pages;

	lockdep_assert_held(&vm->slots_lock);
	/* KVM's order of the checks, for the same errno. */
	if (log->slot >= VMM_USER_MEM_SLOTS || (first % BITS_PER_LONG))
		return -EINVAL;
	slot = logged_slot(vm, log->slot);
	if (IS_ERR(slot))
		return PTR_ERR(slot);
	if (first > slot->npages || count > slot->npages - first ||
	    (count < slot->npages - first && (count % BITS_PER_LONG)))
		return -EINVAL;

	bits = slot->dirty_bitmap + first / BITS_PER_LONG;
	clear = scratch(slot);
	words = BITS_TO_LONGS(count);
	if (copy_from_user(clear, log->dirty_bitmap, words * sizeof(long)))
		return -EFAULT;

	for (i = 0; i < words; i++) {
		unsigned long mask = clear[i];

		if (!mask)
			continue;
		mask &= atomic_long_fetch_andnot(mask, (atomic_long_t *)&bits[i]);
		if (mask)
			flush |= vmm_mmu_catch_writes(vm, slot->base_gfn + first +
						       i * BITS_PER_LONG, mask);
		cond_resched();
	}
	if (flush)
		vmm_flush_vm(vm);
	return 0;
}
