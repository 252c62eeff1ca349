// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: the slots, and the one door to what is in them.
 *
 * The slots of a VM are an array sorted by guest frame, immutable once published and
 * replaced as a whole: readers hold vm->srcu, writers vm->slots_lock. When a change
 * returns to user space nobody uses the old slots any more, the page tables included:
 * publish, wait for the readers, then drop the mappings. (A fault that found the old
 * slot is a reader; it may map until the wait is over, never after.)
 */
#include <linux/highmem.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>

#include "vmm.h"
#include "mmu/internal.h"

/* KVM's limit for one slot; it keeps the bitmaps' sizes within an int. */
#define MAX_SLOT_PAGES	((1UL << 31) - 1)

/* ---- slots --------------------------------------------------------------- */

static struct vmm_slots *slots_held(struct vmm_vm *vm)
{
	return rcu_dereference_protected(vm->memory.slots, lockdep_is_held(&vm->slots_lock));
}

static struct vmm_slots *slots_read(struct vmm_vm *vm)
{
	return srcu_dereference(vm->memory.slots, &vm->srcu);
}

static struct vmm_slots *slots_alloc(unsigned int count)
{
	struct vmm_slots *slots;

	slots = kvmalloc(struct_size(slots, slot, count), GFP_KERNEL_ACCOUNT);
	if (slots)
		slots->count = count;
	return slots;
}

/**
 * vmm_memory_init() - Give a new VM its empty set of slots.
 * @vm: vm->srcu is initialised; before vmm_mmu_vm_init()
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_memory_init(struct vmm_vm *vm)
{
	struct vmm_slots *slots = slots_alloc(0);

	xa_init(&vm->memory.by_id);
	if (!slots)
		return -ENOMEM;
	/* A cached lookup with generation 0 is none. */
	slots->generation = 1;
	rcu_assign_pointer(vm->memory.slots, slots);
	return 0;
}

/**
 * vmm_memory_destroy() - Free the slots.
 * @vm: nobody uses it; after vmm_mmu_vm_destroy(). Harmless without vmm_memory_init().
 */
void vmm_memory_destroy(struct vmm_vm *vm)
{
	struct vmm_slots *slots = rcu_dereference_protected(vm->memory.slots, true);
	unsigned int i;

	if (!slots)
		return;
	for (i = 0; i < slots->count; i++) {
		kvfree(slots->slot[i]->dirty_bitmap);
		kfree(slots->slot[i]);
	}
	xa_destroy(&vm->memory.by_id);
	RCU_INIT_POINTER(vm->memory.slots, NULL);
	kvfree(slots);
}

/* Index of the first slot that ends above @gfn; count when there is none. */
static unsigned int slots_search(const struct vmm_slots *slots, u64 gfn)
{
	unsigned int low = 0, high = slots->count;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (slots->slot[mid]->base_gfn + slots->slot[mid]->npages <= gfn)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/**
 * vmm_slot_by_id() - The slot with user space's number.
 * @vm: slots_lock held
 * @id: KVM_SET_USER_MEMORY_REGION's slot
 */
struct vmm_slot *vmm_slot_by_id(struct vmm_vm *vm, u32 id)
{
	lockdep_assert_held(&vm->slots_lock);
	return xa_load(&vm->memory.by_id, id);
}

static bool slots_overlap(const struct vmm_slots *slots, const struct vmm_slot *new)
{
	unsigned int i = slots_search(slots, new->base_gfn);

	/* The slot that is being moved may be overlapped by its new self. */
	for (; i < slots->count && slots->slot[i]->base_gfn < new->base_gfn + new->npages; i++)
		if (slots->slot[i]->id != new->id)
			return true;
	return false;
}

/*
 * Replace @old (NULL: nothing) with @new (NULL: nothing), and wait until nobody uses
 * @old and the old array. Does not fail when @next was allocated.
 */
static void slots_publish(struct vmm_vm *vm, struct vmm_slots *next, struct vmm_slot *old,
			  struct vmm_slot *new)
{
	struct vmm_slots *cur = slots_held(vm);
	unsigned int at = old ? slots_search(cur, old->base_gfn) : cur->count;

	/* All but the old one, then the new one where it belongs. */
	memcpy(next->slot, cur->slot, at * sizeof(*cur->slot));
	if (old)
		memcpy(next->slot + at, cur->slot + at + 1,
		       (cur->count - at - 1) * sizeof(*cur->slot));
	next->count = cur->count - !!old;
	if (new) {
		at = slots_search(next, new->base_gfn);
		memmove(next->slot + at + 1, next->slot + at,
			(next->count - at) * sizeof(*next->slot));
		next->slot[at] = new;
		next->count++;
	}
	next->generation = cur->generation + 1;

	rcu_assign_pointer(vm->memory.slots, next);
	synchronize_srcu_expedited(&vm->srcu);
	kvfree(cur);
}

static bool init_all_dirty(const struct vmm_vm *vm)
{
	return vm->memory.dirty_log_manual & KVM_DIRTY_LOG_INITIALLY_SET;
}

/* Everything that can be said of a region without looking at the others. */
static int region_check(const struct kvm_userspace_memory_region *r)
{
	if (r->flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY))
		return -EINVAL;
	if (!PAGE_ALIGNED(r->memory_size) || !PAGE_ALIGNED(r->guest_phys_addr) ||
	    !PAGE_ALIGNED(r->userspace_addr))
		return -EINVAL;
	/* No tag bits (LAM), and inside user space: the door uses it unchecked. */
	if (r->userspace_addr != untagged_addr(r->userspace_addr) ||
	    !access_ok((void __user *)(unsigned long)r->userspace_addr, r->memory_size))
		return -EINVAL;
	/* The address space's number is in the high half; there is one (no SMM). */
	if (r->slot >= VMM_USER_MEM_SLOTS)
		return -EINVAL;
	if (r->guest_phys_addr + r->memory_size < r->guest_phys_addr)
		return -EINVAL;
	if ((r->memory_size >> PAGE_SHIFT) > MAX_SLOT_PAGES)
		return -EINVAL;
	return 0;
}

/* A logged slot has gone: was it the last? */
static void stop_log(struct vmm_vm *vm)
{
	const struct vmm_slots *slots = slots_held(vm);
	unsigned int i;

	for (i = 0; i < slots->count; i++)
		if (slots->slot[i]->dirty_bitmap)
			return;
	vmm_mmu_stop_log(vm);
}

static int region_delete(struct vmm_vm *vm, struct vmm_slot *old)
{
	struct vmm_slots *next;

	if (!old)
		return -EINVAL;
	next = slots_alloc(slots_held(vm)->count);
	if (!next)
		return -ENOMEM;
	vm->memory.nr_pages -= old->npages;
	vmm_mmu_slot_leaves(vm, old);
	xa_erase(&vm->memory.by_id, old->id);
	slots_publish(vm, next, old, NULL);
	vmm_mmu_zap_slot(vm, old);
	if (old->dirty_bitmap)
		stop_log(vm);
	kvfree(old->dirty_bitmap);
	kfree(old);
	return 0;
}

/* What a slot's new self means for the mappings of its old one, which is gone. */
static void region_replaced(struct vmm_vm *vm, const struct vmm_slot *old,
			    const struct vmm_slot *new)
{
	bool logged = old->dirty_bitmap, log = new->dirty_bitmap;

	if (old->base_gfn != new->base_gfn)
		vmm_mmu_zap_slot(vm, old);
	else if (log && !logged && !init_all_dirty(vm))
		/* All is dirty from the start otherwise; CLEAR protects it bit by bit. */
		vmm_mmu_catch_writes_slot(vm, new);
	else if (logged && !log)
		/* Small pages were for the log: let huge ones come back. */
		vmm_mmu_zap_slot(vm, new);
}

/**
 * vmm_set_memory_region() - KVM_SET_USER_MEMORY_REGION.
 * @vm: the VM; slots_lock held, SRCU not; may sleep
 * @r: from user space
 *
 * A size of 0 deletes; the number of an existing slot moves it or changes its
 * logging; everything else creates.
 *
 * Return: 0; -EINVAL: unknown flags, something misaligned or out of bounds, a change
 * of what cannot change, nothing to delete; -EEXIST: overlaps another slot; -ENOMEM.
 */
int vmm_set_memory_region(struct vmm_vm *vm, const struct kvm_userspace_memory_region *r)
{
	u64 gfn = r->guest_phys_addr >> PAGE_SHIFT, npages = r->memory_size >> PAGE_SHIFT;
	struct vmm_slot *old, *new;
	struct vmm_slots *next;
	int err;

	lockdep_assert_held(&vm->slots_lock);
	err = region_check(r);
	if (err)
		return err;

	old = vmm_slot_by_id(vm, r->slot);
	if (!npages)
		return region_delete(vm, old);

	if (old) {
		if (r->userspace_addr != old->userspace_addr || npages != old->npages ||
		    ((r->flags ^ old->flags) & KVM_MEM_READONLY))
			return -EINVAL;
		if (gfn == old->base_gfn && r->flags == old->flags)
			return 0;
	} else if (vm->memory.nr_pages + npages < vm->memory.nr_pages) {
		return -EINVAL;
	}

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	next = slots_alloc(slots_held(vm)->count + 1);
	err = -ENOMEM;
	if (!new || !next)
		goto fail;
	new->base_gfn = gfn;
	new->npages = npages;
	new->userspace_addr = r->userspace_addr;
	new->flags = r->flags;
	new->id = r->slot;

	err = -EEXIST;
	if ((!old || gfn != old->base_gfn) && slots_overlap(slots_held(vm), new))
		goto fail;
	err = -EINVAL;
	if (gfn + npages - 1 > vmm_mmu_max_gfn())
		goto fail;
	if (new->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		if (old && old->dirty_bitmap) {
			new->dirty_bitmap = old->dirty_bitmap;
		} else {
			err = vmm_dirty_alloc(new);
			if (err)
				goto fail;
			if (init_all_dirty(vm))
				bitmap_set(new->dirty_bitmap, 0, npages);
		}
	}

	/* The last that can fail: where there is an old one, its place is taken over. */
	err = xa_err(xa_store(&vm->memory.by_id, new->id, new, GFP_KERNEL_ACCOUNT));
	if (err)
		goto fail_dirty;
	if (!old)
		vm->memory.nr_pages += npages;
	else if (old->base_gfn != gfn)
		vmm_mmu_slot_leaves(vm, old);
	/* Before there is a page whose writes have to be noted. */
	if (new->dirty_bitmap)
		vmm_mmu_start_log(vm);
	slots_publish(vm, next, old, new);
	if (old) {
		region_replaced(vm, old, new);
		if (old->dirty_bitmap && !new->dirty_bitmap)
			stop_log(vm);
		if (old->dirty_bitmap != new->dirty_bitmap)
			kvfree(old->dirty_bitmap);
		kfree(old);
	}
	return 0;

fail_dirty:
	if (!old || old->dirty_bitmap != new->dirty_bitmap)
		kvfree(new->dirty_bitmap);
fail:
	kfree(new);
	kvfree(next);
	return err;
}

/**
 * vmm_find_slot() - The slot that contains a guest frame.
 * @vm: SRCU held, for as long as the slot is used
 * @gfn: guest frame
 *
 * Return: the slot, or NULL.
 */
struct vmm_slot *vmm_find_slot(struct vmm_vm *vm, u64 gfn)
{
	struct vmm_slots *slots = slots_read(vm);
	unsigned int i = slots_search(slots, gfn);

	if (i >= slots->count || slots->slot[i]->base_gfn > gfn)
		return NULL;
	return slots->slot[array_index_nospec(i, slots->count)];
}

static noinline struct vmm_slot *find_and_remember(struct vmm_vcpu *vcpu, u64 gfn)
{
	u64 generation = slots_read(vcpu->vm)->generation;
	struct vmm_slot **last = vcpu->last_slots, *slot;

	/* Should there be new slots by now, what is remembered of them counts for old and goes. */
	slot = vmm_find_slot(vcpu->vm, gfn);
	if (vcpu->slots_generation != generation) {
		vcpu->slots_generation = generation;
		last[0] = last[1] = NULL;
		memset(vcpu->holes, 0xff, sizeof(vcpu->holes));
	}
	if (slot) {
		last[1] = last[0];
		last[0] = slot;
	} else {
		*vmm_hole(vcpu, gfn) = gfn;
	}
	return slot;
}

/**
 * vmm_vcpu_find_slot() - vmm_find_slot(), remembering what was found last: two slots (a large
 * guest has code below 4 GiB and page tables above), and frames in none, as devices' are.
 * @vcpu: own thread, SRCU held
 * @gfn: guest frame
 */
struct vmm_slot *vmm_vcpu_find_slot(struct vmm_vcpu *vcpu, u64 gfn)
{
	struct vmm_slot *slot;

	/* A slot of another generation may be freed: it must not be looked into. */
	if (unlikely(vcpu->slots_generation != slots_read(vcpu->vm)->generation))
		return find_and_remember(vcpu, gfn);
	if (*vmm_hole(vcpu, gfn) == gfn)
		return NULL;
	slot = vcpu->last_slots[0];
	if (slot && gfn - slot->base_gfn < slot->npages)
		return slot;
	slot = vcpu->last_slots[1];
	if (slot && gfn - slot->base_gfn < slot->npages)
		return slot;
	return find_and_remember(vcpu, gfn);
}

/* ---- the door ------------------------------------------------------------ */

/*
 * The part of [gpa, gpa + len) that lies in gpa's slot: its host address, and its
 * length in *chunk. 0 when there is no slot, or one that may not be written.
 */
static void __user *door(struct vmm_vm *vm, u64 gpa, unsigned long len, bool write,
			 struct vmm_slot **slot, unsigned long *chunk)
{
	u64 gfn = gpa >> PAGE_SHIFT, left;
	struct vmm_slot *s = vmm_find_slot(vm, gfn);

	if (!s || (write && (s->flags & KVM_MEM_READONLY)))
		return NULL;
	left = ((s->base_gfn + s->npages) << PAGE_SHIFT) - gpa;
	*chunk = min_t(u64, len, left);
	*slot = s;
	return (void __user *)(vmm_gfn_to_hva(s, gfn) + offset_in_page(gpa));
}

static void door_mark_dirty(struct vmm_vm *vm, struct vmm_slot *slot, u64 gpa, unsigned long len)
{
	u64 gfn = gpa >> PAGE_SHIFT, last = (gpa + len - 1) >> PAGE_SHIFT;

	if (!slot->dirty_bitmap)
		return;
	for (; gfn <= last; gfn++)
		vmm_mark_dirty(vm, slot, gfn);
}

/*
 * copy_from_user(), but what an instruction reads at once is read at once: an entry of the guest's
 * tables, say, which another vCPU is changing.
 */
static unsigned long read_user(void *data, const void __user *p, unsigned long len)
{
	switch (len) {
	case 2:
		return get_user(*(u16 *)data, (const u16 __user *)p);
	case 4:
		return get_user(*(u32 *)data, (const u32 __user *)p);
	case 8:
		return get_user(*(u64 *)data, (const u64 __user *)p);
	default:
		return copy_from_user(data, p, len);
	}
}

/* The same for copy_to_user(); nothing has been written when one of these fails. */
static unsigned long write_user(void __user *p, const void *data, unsigned long len)
{
	switch (len) {
	case 2:
		return put_user(*(const u16 *)data, (u16 __user *)p) ? len : 0;
	case 4:
		return put_user(*(const u32 *)data, (u32 __user *)p) ? len : 0;
	case 8:
		return put_user(*(const u64 *)data, (u64 __user *)p) ? len : 0;
	default:
		return copy_to_user(p, data, len);
	}
}

/**
 * vmm_read_guest() - Copy from guest-physical memory.
 * @vm: SRCU held; current's mm is the VM's; may sleep
 * @gpa: from where; may cross pages and slots
 * @data: to where
 * @len: bytes
 *
 * Return: 0 or -EFAULT (then @data is partly written).
 */
int vmm_read_guest(struct vmm_vm *vm, u64 gpa, void *data, unsigned long len)
{
	struct vmm_slot *slot;
	unsigned long chunk;
	void __user *p;

	if (gpa + len < gpa)
		return -EFAULT;
	for (; len; gpa += chunk, data += chunk, len -= chunk) {
		p = door(vm, gpa, len, false, &slot, &chunk);
		if (!p || read_user(data, p, chunk))
			return -EFAULT;
	}
	return 0;
}

/**
 * vmm_read_guest_code() - Read the bytes of an instruction.
 * @vm: SRCU held; current's mm is the VM's; may sleep
 * @gpa: from where; gpa + len does not cross a page
 * @bytes: to where
 * @len: how many
 *
 * Another vCPU may be rewriting it: each aligned quadword is read in one piece. Nothing is
 * promised to code that does so while it is executed (SDM 9.1.3), but kernels that patch
 * themselves rely on CPUs never to see half of such a store.
 *
 * Return: 0 or -EFAULT.
 */
int vmm_read_guest_code(struct vmm_vm *vm, u64 gpa, u8 *bytes, unsigned int len)
{
	unsigned int skip = gpa & 7, n;
	struct vmm_slot *slot;
	unsigned long chunk;
	u64 word, __user *p;

	p = door(vm, gpa - skip, len, false, &slot, &chunk);
	if (!p)
		return -EFAULT;
	for (; len; bytes += n, len -= n, skip = 0) {
		if (get_user(word, p++))
			return -EFAULT;
		n = min(len, 8 - skip);
		memcpy(bytes, (u8 *)&word + skip, n);
	}
	return 0;
}

/**
 * vmm_write_guest() - Copy to guest-physical memory.
 * @vm: SRCU held; current's mm is the VM's; may sleep
 * @gpa: to where; may cross pages and slots
 * @data: from where
 * @len: bytes
 *
 * Return: 0 or -EFAULT (then part may have been written, and is in the dirty log).
 */
int vmm_write_guest(struct vmm_vm *vm, u64 gpa, const void *data, unsigned long len)
{
	struct vmm_slot *slot;
	unsigned long chunk;
	void __user *p;

	if (gpa + len < gpa)
		return -EFAULT;
	for (; len; gpa += chunk, data += chunk, len -= chunk) {
		unsigned long left;

		p = door(vm, gpa, len, true, &slot, &chunk);
		if (!p)
			return -EFAULT;
		left = write_user(p, data, chunk);
		/* After the write: a log fetched before this shows it next time. */
		if (left < chunk)
			door_mark_dirty(vm, slot, gpa, chunk - left);
		if (left)
			return -EFAULT;
	}
	return 0;
}

/**
 * vmm_read_guest_atomic() - vmm_read_guest() that does not sleep.
 * @vm: SRCU held; current's mm is the VM's
 * @gpa: from where
 * @data: to where
 * @len: bytes
 *
 * Return: 0, or -EFAULT, also when the memory is not resident.
 */
int vmm_read_guest_atomic(struct vmm_vm *vm, u64 gpa, void *data, unsigned long len)
{
	struct vmm_slot *slot;
	unsigned long chunk, left;
	void __user *p;

	if (gpa + len < gpa)
		return -EFAULT;
	for (; len; gpa += chunk, data += chunk, len -= chunk) {
		p = door(vm, gpa, len, false, &slot, &chunk);
		if (!p)
			return -EFAULT;
		pagefault_disable();
		left = __copy_from_user_inatomic(data, p, chunk);
		pagefault_enable();
		if (left)
			return -EFAULT;
	}
	return 0;
}

/*
 * CMPXCHG16B has no user-access form in the kernel: do it on the page itself.
 * @hva is aligned to 16 bytes.
 */
static int cmpxchg16_user(unsigned long hva, u64 *old, const u64 *new)
{
	struct page *page;
	void *p;
	u8 done;

	if (get_user_pages_fast(hva, 1, FOLL_WRITE, &page) != 1)
		return -EFAULT;
	p = kmap_local_page(page) + offset_in_page(hva);
	asm volatile("lock cmpxchg16b %1"
		     : "=@ccz" (done), "+m" (*(u64 (*)[2])p), "+a" (old[0]), "+d" (old[1])
		     : "b" (new[0]), "c" (new[1])
		     : "memory");
	kunmap_local(p);
	set_page_dirty_lock(page);
	put_page(page);
	return !done;
}

/**
 * vmm_cmpxchg_guest() - Compare and exchange guest memory, atomically for everybody.
 * @vm: SRCU held; current's mm is the VM's; may sleep
 * @gpa: where; gpa + len does not cross a page; aligned to 16 when @len is 16
 * @old: what is expected; becomes what was found
 * @new: what to put there
 * @len: 1, 2, 4, 8 or 16 bytes
 *
 * Return: 0 exchanged; 1 something else was there; -EFAULT.
 */
int vmm_cmpxchg_guest(struct vmm_vm *vm, u64 gpa, void *old, const void *new, unsigned int len)
{
	struct vmm_slot *slot;
	unsigned long chunk;
	void __user *p;
	int r;

	if (offset_in_page(gpa) + len > PAGE_SIZE)
		return -EFAULT;
	p = door(vm, gpa, len, true, &slot, &chunk);
	if (!p)
		return -EFAULT;

	switch (len) {
	case 1:
		r = __try_cmpxchg_user((u8 __user *)p, (u8 *)old, *(const u8 *)new, fault1);
		break;
	case 2:
		r = __try_cmpxchg_user((u16 __user *)p, (u16 *)old, *(const u16 *)new, fault2);
		break;
	case 4:
		r = __try_cmpxchg_user((u32 __user *)p, (u32 *)old, *(const u32 *)new, fault4);
		break;
	case 8:
		r = __try_cmpxchg_user((u64 __user *)p, (u64 *)old, *(const u64 *)new, fault8);
		break;
	case 16:
		if (!boot_cpu_has(X86_FEATURE_CX16) || (gpa & 15))
			return -EFAULT;
		r = cmpxchg16_user((unsigned long)p, old, new);
		break;
	default:
		return -EFAULT;
	}
	if (!r)
		vmm_mark_dirty(vm, slot, gpa >> PAGE_SHIFT);
	return r;
}

/* ---- places that are used often ------------------------------------------ */

/* Look the place up if the slots have changed since. */
static int gpa_cache_fill(struct vmm_vm *vm, struct vmm_gpa_cache *c)
{
	u64 generation = slots_read(vm)->generation;
	unsigned long chunk;
	void __user *p;

	if (likely(c->generation == generation))
		return c->slot ? 0 : -EFAULT;
	c->slot = NULL;
	p = door(vm, c->gpa, c->len, false, &c->slot, &chunk);
	c->hva = (unsigned long)p;
	c->generation = generation;
	return p ? 0 : -EFAULT;
}

/**
 * vmm_gpa_cache_init() - Prepare to use a place often.
 * @vm: SRCU held
 * @c: the cache; its user serialises all use of it
 * @gpa: the place
 * @len: its size in bytes; it does not cross a page
 *
 * Return: 0 or -EFAULT (there is no memory now; it is looked for again at each use
 * after the slots have changed).
 */
int vmm_gpa_cache_init(struct vmm_vm *vm, struct vmm_gpa_cache *c, u64 gpa, u32 len)
{
	if (offset_in_page(gpa) + (u64)len > PAGE_SIZE)
		return -EFAULT;
	*c = (struct vmm_gpa_cache){ .gpa = gpa, .len = len };
	return gpa_cache_fill(vm, c);
}

/**
 * vmm_gpa_cache_write() - Write to a place.
 * @vm: SRCU held; current's mm is the VM's; may sleep
 * @c: initialised
 * @data: from where
 * @offset: in the place
 * @len: bytes; offset + len are inside
 *
 * Return: 0 or -EFAULT.
 */
int vmm_gpa_cache_write(struct vmm_vm *vm, struct vmm_gpa_cache *c, const void *data,
			u32 offset, u32 len)
{
	if ((u64)offset + len > c->len || gpa_cache_fill(vm, c) ||
	    (c->slot->flags & KVM_MEM_READONLY))
		return -EFAULT;
	if (copy_to_user((void __user *)(c->hva + offset), data, len))
		return -EFAULT;
	vmm_mark_dirty(vm, c->slot, c->gpa >> PAGE_SHIFT);
	return 0;
}

/**
 * vmm_gpa_cache_read() - Read from a place.
 * @vm: SRCU held; current's mm is the VM's; may sleep
 * @c: initialised
 * @data: to where
 * @offset: in the place
 * @len: bytes; offset + len are inside
 *
 * Return: 0 or -EFAULT.
 */
int vmm_gpa_cache_read(struct vmm_vm *vm, struct vmm_gpa_cache *c, void *data, u32 offset, u32 len)
{
	if ((u64)offset + len > c->len || gpa_cache_fill(vm, c))
		return -EFAULT;
	if (copy_from_user(data, (void __user *)(c->hva + offset), len))
		return -EFAULT;
	return 0;
}

/**
 * vmm_gpa_cache_write_atomic() - vmm_gpa_cache_write() that does not sleep.
 * @vm: SRCU held; current's mm is the VM's; any context but NMI
 * @c: initialised
 * @data: from where
 * @offset: in the place
 * @len: bytes; offset + len are inside
 *
 * Return: 0, or -EFAULT, also when the memory is not resident.
 */
int vmm_gpa_cache_write_atomic(struct vmm_vm *vm, struct vmm_gpa_cache *c, const void *data,
			       u32 offset, u32 len)
{
	if ((u64)offset + len > c->len || gpa_cache_fill(vm, c) ||
	    (c->slot->flags & KVM_MEM_READONLY))
		return -EFAULT;
	if (copy_to_user_nofault((void __user *)(c->hva + offset), data, len))
		return -EFAULT;
	vmm_mark_dirty(vm, c->slot, c->gpa >> PAGE_SHIFT);
	return 0;
}

/**
 * vmm_gpa_cache_xchg_byte() - Exchange a byte of a place, atomically for everybody.
 * @vm: SRCU held; current's mm is the VM's; may sleep
 * @c: initialised
 * @offset: in the place
 * @byte: what to put there; becomes what was there
 *
 * Return: 0 or -EFAULT.
 */
int vmm_gpa_cache_xchg_byte(struct vmm_vm *vm, struct vmm_gpa_cache *c, u32 offset, u8 *byte)
{
	u8 __user *p;
	int err = -EFAULT;

	if (offset >= c->len || gpa_cache_fill(vm, c) || (c->slot->flags & KVM_MEM_READONLY))
		return -EFAULT;
	p = (u8 __user *)(c->hva + offset);
	if (!user_access_begin(p, sizeof(*p)))
		return -EFAULT;
	asm volatile("1: xchgb %[byte], %[mem]\n"
		     "   xorl %[err], %[err]\n"
		     "2:\n" _ASM_EXTABLE_UA(1b, 2b)
		     : [byte] "+q" (*byte), [mem] "+m" (*(u8 __force *)p), [err] "+r" (err)
		     : : "memory", "cc");
	user_access_end();
	if (!err)
		vmm_mark_dirty(vm, c->slot, c->gpa >> PAGE_SHIFT);
	return err;
}
