// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest access found no translation that allows it. Nearly always the answer is to
 * ask the host for the page and to map it; the CPU then runs the access again.
 */
#include <linux/sched/signal.h>

#include "vmm.h"
#include "mmu/internal.h"

struct fault {
	struct vmm_slot *slot;
	u64 gfn;
	unsigned long hva;
	bool write, exec;
	unsigned long seq;	/* notifier_seq before the host was asked */
	struct vmm_host_page host;
};

/*
 * Is the mapping all right already, or would be if write-protection for the dirty log
 * were lifted? Then the host need not be asked: what it allowed is in the entry, and
 * would not be there any more had it changed its mind.
 *
 * With interrupts off the lock is not waited for: who holds it may be waiting for all
 * vCPUs to leave the guest.
 */
static bool fault_fast(struct vmm_vm *vm, const struct fault *f, bool irqs_off)
{
	struct vmm_mmu *mmu = &vm->mmu;
	u32 rights = (f->write ? VMM_PT_WRITE : 0) | (f->exec ? VMM_PT_EXEC : 0);
	bool fixed = false, wrote = false;
	u64 *entry;
	int level;

	if (!irqs_off)
		read_lock(&mmu->lock);
	else if (!read_trylock(&mmu->lock))
		return false;
	entry = vmm_pt_lookup(&mmu->pt, f->gfn, &level);
	if (entry) {
		fixed = vmm_pt_permits(&mmu->pt, pt_read(entry), rights);
		/* A huge leaf would log 4 KiB and let 2 MiB be written. */
		if (!fixed && f->write && (level == VMM_PT_4K || !f->slot->dirty_bitmap) &&
		    vmm_pt_permits(&mmu->pt, pt_read(entry), rights & ~VMM_PT_WRITE))
			fixed = wrote = vmm_pt_allow_write(&mmu->pt, entry);
	}
	read_unlock(&mmu->lock);
	if (wrote)
		vmm_mark_dirty(vm, f->slot, f->gfn);
	return fixed;
}

/* Has the host changed its mind since it was asked? Lock held. */
static bool fault_is_stale(const struct vmm_mmu *mmu, const struct fault *f)
{
	return vmm_notifier_overlaps(mmu, f->hva, f->hva + PAGE_SIZE) ||
	       mmu->notifier_seq != f->seq;
}

/* The largest leaf that may map the page. Lock held, the fault is not stale. */
static int fault_level(struct vmm_vm *vm, const struct fault *f)
{
	const struct vmm_slot *slot = f->slot;
	u64 base_hfn = slot->userspace_addr >> PAGE_SHIFT;
	int level;

	/* The dirty log wants to know each 4 KiB. */
	if (f->host.special || slot->dirty_bitmap || (f->exec && vmm_mmu_nx_huge))
		return VMM_PT_4K;

	level = min_t(int, vmm_host_level(vm->mm, f->hva), vm->mmu.pt.max_leaf);
	for (; level > VMM_PT_4K; level--) {
		u64 pages = vmm_pt_pages(level), first = f->gfn & ~(pages - 1);
		unsigned long hva;

		/* Guest frame and host page must be aligned alike, ... */
		if ((slot->base_gfn ^ base_hfn) & (pages - 1))
			continue;
		/* ... the slot must contain it all, and the host be leaving it all alone. */
		if (first < slot->base_gfn || first + pages > slot->base_gfn + slot->npages)
			continue;
		hva = f->hva & ~((pages << PAGE_SHIFT) - 1);
		if (!vmm_notifier_overlaps(&vm->mmu, hva, hva + (pages << PAGE_SHIFT)))
			break;
	}
	return level;
}

static enum vmm_pt_result fault_map(struct vmm_vcpu *vcpu, const struct fault *f, bool exclusive)
{
	struct vmm_vm *vm = vcpu->vm;
	struct vmm_pt_leaf leaf = {
		.level = fault_level(vm, f),
		.host_write = f->host.writable && !(f->slot->flags & KVM_MEM_READONLY),
		.dirty = f->write,
		.special = f->host.special,
		.uncached = f->host.uncached,
	};

	leaf.pfn = f->host.pfn & ~(vmm_pt_pages(leaf.level) - 1);
	leaf.exec = leaf.level == VMM_PT_4K || !vmm_mmu_nx_huge;
	/* Logged memory becomes writable by being written only, unless the CPU takes the log. */
	leaf.write = leaf.host_write &&
		     (f->write || !f->slot->dirty_bitmap || vm->mmu.pt.format->logged);
	return vmm_pt_map(&vm->mmu.pt, &vcpu->mmu.cache, f->gfn, &leaf, exclusive);
}

static int fault_install(struct vmm_vcpu *vcpu, const struct fault *f)
{
	struct vmm_vm *vm = vcpu->vm;
	struct vmm_mmu *mmu = &vm->mmu;
	enum vmm_pt_result r;

	read_lock(&mmu->lock);
	r = fault_is_stale(mmu, f) ? VMM_PT_SPURIOUS : fault_map(vcpu, f, false);
	read_unlock(&mmu->lock);

	if (r == VMM_PT_NEED_EXCLUSIVE) {
		vmm_mmu_lock(vm);
		r = fault_is_stale(mmu, f) ? VMM_PT_SPURIOUS : fault_map(vcpu, f, true);
		vmm_mmu_unlock(vm);
	}
	if (WARN_ON_ONCE(r == VMM_PT_NEED_EXCLUSIVE || r == VMM_PT_NEED_TABLES))
		return -EIO;
	/* After the mapping: a log fetched before this shows the page next time. */
	if (r == VMM_PT_MAPPED && f->write)
		vmm_mark_dirty(vm, f->slot, f->gfn);
	return VMM_FAULT_RETRY;
}

/* What to do about a page that has to be fetched from somewhere. */
enum fault_patience {
	FAULT_WAIT,
	FAULT_ASYNC,		/* -EBUSY if the guest need not wait for it, else wait */
	FAULT_NOWAIT,		/* -EBUSY */
};

/* Returns as vmm_mmu_fault(), or -EBUSY. */
static int fault_serve(struct vmm_vcpu *vcpu, u64 gpa, u32 access, enum fault_patience patience)
{
	bool may_write, nowait;
	struct vmm_vm *vm = vcpu->vm;
	struct fault f = {
		.gfn = gpa >> PAGE_SHIFT,
		.write = access & VMM_ACCESS_WRITE,
		.exec = access & VMM_ACCESS_EXEC,
	};
	int r;

	f.slot = vmm_vcpu_find_slot(vcpu, f.gfn);
	if (!f.slot || (f.write && (f.slot->flags & KVM_MEM_READONLY)))
		return VMM_FAULT_MMIO;

	if ((access & VMM_ACCESS_PRESENT) && fault_fast(vm, &f, false))
		return VMM_FAULT_RETRY;

	r = vmm_mmu_topup(vcpu);
	if (r)
		return r;

	f.hva = vmm_gfn_to_hva(f.slot, f.gfn);
	f.seq = READ_ONCE(vm->mmu.notifier_seq);
	/* The number before the page: an invalidation in between is then noticed. */
	smp_rmb();

	may_write = !(f.slot->flags & KVM_MEM_READONLY);
	if (may_write && vmm_host_get_resident(f.hva, &f.host))
		goto install;
	nowait = patience == FAULT_NOWAIT ||
		 (patience == FAULT_ASYNC && vmm_async_pf_possible(vcpu, f.gfn));
	r = vmm_host_get(vm->mm, f.hva, f.write, may_write, nowait, &f.host);
	if (r == -EAGAIN)
		return VMM_FAULT_RETRY;
	if (r == -EHWPOISON) {
		/* As if the process had touched it: it decides what its guest sees. */
		send_sig_mceerr(BUS_MCEERR_AR, (void __user *)f.hva, PAGE_SHIFT, current);
		return VMM_FAULT_RETRY;
	}
	if (r)
		return r;

install:
	r = fault_install(vcpu, &f);
	vmm_host_put(&f.host);
	return r;
}

/**
 * vmm_mmu_fault() - A guest access had no translation, or not the rights.
 * @vcpu: own thread, loaded or not; vm->srcu held for reading; may sleep
 * @gpa: guest-physical address
 * @access: VMM_ACCESS_*
 *
 * Return: VMM_FAULT_RETRY: go on, be it that the access is mapped now, that the host was
 * changing its mind, or that the guest has been told to do something else meanwhile
 * (para/async_pf.c); VMM_FAULT_MMIO: no slot is there, or it may not be written:
 * emulate; -EFAULT: the host memory behind the slot cannot be had; -EINTR: a signal is
 * pending; -ENOMEM.
 */
int vmm_mmu_fault(struct vmm_vcpu *vcpu, u64 gpa, u32 access)
{
	int r = fault_serve(vcpu, gpa, access, FAULT_ASYNC);
	struct vmm_slot *slot;

	if (likely(r != -EBUSY))
		return r;
	slot = vmm_vcpu_find_slot(vcpu, gpa >> PAGE_SHIFT);
	if (slot && vmm_async_pf_start(vcpu, gpa, vmm_gfn_to_hva(slot, gpa >> PAGE_SHIFT), access))
		return VMM_FAULT_RETRY;
	return fault_serve(vcpu, gpa, access, FAULT_WAIT);
}

/**
 * vmm_mmu_fault_quickly() - vmm_mmu_fault() with interrupts off, where there is memory
 * @vm: the VM; its SRCU held for reading
 * @slot: where the frame lies
 * @gfn: guest frame
 * @access: VMM_ACCESS_*
 *
 * Return: VMM_FAULT_RETRY as vmm_mmu_fault(), which -EAGAIN leaves it to.
 */
int vmm_mmu_fault_quickly(struct vmm_vm *vm, struct vmm_slot *slot, u64 gfn, u32 access)
{
	const struct fault f = {
		.slot = slot,
		.gfn = gfn,
		.write = access & VMM_ACCESS_WRITE,
		.exec = access & VMM_ACCESS_EXEC,
	};

	if (!(access & VMM_ACCESS_PRESENT) || (f.write && (slot->flags & KVM_MEM_READONLY)) ||
	    !fault_fast(vm, &f, true))
		return -EAGAIN;
	return VMM_FAULT_RETRY;
}

/**
 * vmm_mmu_prefetch() - Map what the guest is about to access, if it is there.
 * @vcpu: own thread; vm->srcu held for reading; may sleep, but fetches nothing
 * @gpa: guest-physical address
 * @access: VMM_ACCESS_*
 */
void vmm_mmu_prefetch(struct vmm_vcpu *vcpu, u64 gpa, u32 access)
{
	fault_serve(vcpu, gpa, access, FAULT_NOWAIT);
}
