// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's side of a mapping: which page backs a host address, may it be written,
 * and how large is it mapped there.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <asm/e820/api.h>
#include <asm/memtype.h>

#include "vmm.h"
#include "mmu/internal.h"

/* Device memory, as against RAM that merely has no struct page of its own. */
static bool pfn_is_device(unsigned long pfn)
{
	if (pfn_valid(pfn))
		/* Reserved pages may be memory (NVDIMM): the type the host uses decides. */
		return !is_zero_pfn(pfn) && PageReserved(pfn_to_page(pfn)) &&
		       (!pat_enabled() || pat_pfn_immune_to_uc_mtrr(pfn));
	return !e820__mapped_raw_any(PFN_PHYS(pfn), PFN_PHYS(pfn + 1) - 1, E820_TYPE_RAM);
}

static void host_from_page(struct vmm_host_page *host, struct page *page, bool writable)
{
	host->page = page;
	host->pfn = page_to_pfn(page);
	host->writable = writable;
	host->special = PageReserved(page);	/* the zero page */
	host->uncached = host->special && pfn_is_device(host->pfn);
}

/*
 * A mapping without struct pages that may be referenced (VM_IO, VM_PFNMAP): a driver's
 * or a device's memory. No reference is taken; as for any page, the notifier tells
 * when the mapping goes. -EAGAIN: the lock was dropped meanwhile, start again.
 */
static int host_get_pfnmap(struct mm_struct *mm, unsigned long hva, bool write,
			   struct vmm_host_page *host)
{
	struct vm_area_struct *vma;
	unsigned long pfn;
	bool writable, unlocked = false;
	int r;

	mmap_read_lock(mm);
	r = -EFAULT;
	vma = vma_lookup(mm, hva);
	if (!vma || !(vma->vm_flags & (VM_IO | VM_PFNMAP)) ||
	    (write && !(vma->vm_flags & VM_WRITE)))
		goto out;

	r = vmm_compat_follow_pfn(vma, hva, &pfn, &writable);
	if (r || (write && !writable)) {
		r = fixup_user_fault(mm, hva, write ? FAULT_FLAG_WRITE : 0, &unlocked);
		if (unlocked)
			r = -EAGAIN;
		if (!r)
			r = vmm_compat_follow_pfn(vma, hva, &pfn, &writable);
	}
	if (!r && write && !writable)
		r = -EFAULT;
	if (!r)
		*host = (struct vmm_host_page){
			.pfn = pfn,
			.writable = writable,
			.special = true,
			.uncached = pfn_is_device(pfn),
		};
out:
	mmap_read_unlock(mm);
	return r;
}

/**
 * vmm_host_get_resident() - The page at a host address, if it is there and writable.
 * @hva: host address in current's mm
 * @host: the answer; put it with vmm_host_put()
 *
 * The usual case, even for reads; does not sleep.
 *
 * Return: true: @host is filled.
 */
bool vmm_host_get_resident(unsigned long hva, struct vmm_host_page *host)
{
	struct page *page;

	if (get_user_pages_fast_only(hva, 1, FOLL_WRITE, &page) != 1)
		return false;
	host_from_page(host, page, true);
	return true;
}

/**
 * vmm_host_get() - Find, or bring in, the page at a host address.
 * @mm: current's
 * @hva: host address
 * @write: the access is a write
 * @may_write: a writable mapping is welcome even when the access is not a write
 * @nowait: do not wait for a page to be fetched
 * @host: the answer; put it with vmm_host_put()
 *
 * May sleep: pages come from swap, from files, from user space (userfaultfd).
 *
 * Return: 0; -EBUSY: it is to be fetched; -EAGAIN: try the whole fault again; -EINTR: a
 * signal came; -EHWPOISON: the page is broken; -EFAULT: nothing is mapped there, or not
 * so that it may be used.
 */
int vmm_host_get(struct mm_struct *mm, unsigned long hva, bool write, bool may_write, bool nowait,
		 struct vmm_host_page *host)
{
	unsigned int flags = FOLL_HWPOISON | (nowait ? FOLL_NOWAIT : VMM_FOLL_INTERRUPTIBLE) |
			     (write ? FOLL_WRITE : 0);
	struct page *page, *again;
	int r;

	r = get_user_pages_unlocked(hva, 1, &page, flags);
	if (r == 1) {
		if (!write && may_write &&
		    get_user_pages_fast_only(hva, 1, FOLL_WRITE, &again) == 1) {
			put_page(page);
			page = again;
			write = true;
		}
		host_from_page(host, page, write);
		return 0;
	}
	if (nowait && (r == 0 || r == -EAGAIN))
		return -EBUSY;
	if (r == -EINTR || r == -EHWPOISON || r == -EAGAIN)
		return r;
	return host_get_pfnmap(mm, hva, write, host);
}

/**
 * vmm_host_put() - Drop the reference; the notifier guards the mapping from now on.
 * @host: from vmm_host_get()
 */
void vmm_host_put(struct vmm_host_page *host)
{
	if (host->page)
		put_page(host->page);
}

/**
 * vmm_host_level() - How large the host maps the page at an address.
 * @mm: current's
 * @hva: host address
 *
 * The host's tables are read without its locks: with interrupts off they cannot be
 * freed (that takes an IPI to every CPU that uses them), and the caller, holding the
 * MMU lock with no invalidation of @hva going on, knows that the answer stays true.
 *
 * Return: VMM_PT_4K, VMM_PT_2M or VMM_PT_1G.
 */
int vmm_host_level(struct mm_struct *mm, unsigned long hva)
{
	int level = VMM_PT_4K;
	unsigned long flags;
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	local_irq_save(flags);
	/* Each entry is read once: it may change under our eyes. */
	pgd = READ_ONCE(*pgd_offset(mm, hva));
	if (pgd_none(pgd))
		goto out;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		goto out;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		goto out;
	if (pud_leaf(pud)) {
		level = VMM_PT_1G;
		goto out;
	}
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (pmd_none(pmd) || !pmd_present(pmd))
		goto out;
	if (pmd_leaf(pmd))
		level = VMM_PT_2M;
out:
	local_irq_restore(flags);
	return level;
}
