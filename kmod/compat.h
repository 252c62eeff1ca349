/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between the kernels we build for (6.1 and 6.12). A version test
 * stands here and nowhere else.
 */
#ifndef VMM_COMPAT_H
#define VMM_COMPAT_H

#include <linux/version.h>
#include <linux/cpuhotplug.h>
#include <linux/mm.h>
#include <asm/cpufeature.h>
#include <asm/reboot.h>

/* ---- main.c: CPU hotplug, crash, FRED ---- */

/*
 * KVM's own hotplug state is taken when kvm.ko is loaded beside us. We need one in
 * the same place (after the last task has left a dying CPU) and borrow one that
 * belongs to a driver no x86 machine can have.
 */
#define VMM_CPUHP_STARTING	CPUHP_AP_ARM_CORESIGHT_STARTING

/*
 * Kernels before 6.7 leave VMX and SVM by themselves when they crash; but late ones of
 * the 6.1 series have the callback too, and leave VMX to it.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0) || \
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 192) && \
	 LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0))
void *__symbol_get(const char *symbol);		/* linux/module.h */
void __symbol_put(const char *symbol);

static inline void vmm_compat_crash_register(void (*callback)(void))
{
	cpu_emergency_register_virt_callback(callback);
}

static inline void vmm_compat_crash_unregister(void (*callback)(void))
{
	cpu_emergency_unregister_virt_callback(callback);
}

/* Is KVM there, and the callback, as far as one can tell, its own? */
static inline bool vmm_compat_crash_is_kvms(void)
{
	if (!__symbol_get("kvm_init"))
		return false;
	__symbol_put("kvm_init");
	return true;
}
#else
static inline void vmm_compat_crash_register(void (*callback)(void)) { }
static inline void vmm_compat_crash_unregister(void (*callback)(void)) { }
static inline bool vmm_compat_crash_is_kvms(void) { return true; }
#endif

static inline bool vmm_compat_fred(void)
{
#ifdef X86_FEATURE_FRED
	return cpu_feature_enabled(X86_FEATURE_FRED);
#else
	return false;
#endif
}

/* ---- mmu/host.c: pages of the host ---- */

/* Before 6.2 a page that user space must bring in (userfaultfd) waits for fatal signals only. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define VMM_FOLL_INTERRUPTIBLE	FOLL_INTERRUPTIBLE
#else
#define VMM_FOLL_INTERRUPTIBLE	0
#endif

/* What a VM_IO or VM_PFNMAP mapping maps at @hva; mmap lock held. -EINVAL: nothing. */
static inline int vmm_compat_follow_pfn(struct vm_area_struct *vma, unsigned long hva,
					unsigned long *pfn, bool *writable)
{
	int r;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	struct follow_pfnmap_args args = { .vma = vma, .address = hva };

	r = follow_pfnmap_start(&args);
	if (r)
		return r;
	*pfn = args.pfn;
	*writable = args.writable;
	follow_pfnmap_end(&args);
#else
	spinlock_t *lock;
	pte_t *pte;

	r = follow_pte(vma->vm_mm, hva, &pte, &lock);
	if (r)
		return r;
	__acquire(lock);	/* for sparse: follow_pte() does not say so */
	*pfn = pte_pfn(*pte);
	*writable = pte_write(*pte);
	pte_unmap_unlock(pte, lock);
#endif
	return 0;
}

/* ---- para/async_pf.c: memory of another mm ---- */

/* Bring the page at @hva in, waiting for it. 1: it is there. 6.5: no array of VMAs any more. */
static inline long vmm_compat_fault_in(struct mm_struct *mm, unsigned long hva, unsigned int flags)
{
	int locked = 1;
	long r;

	mmap_read_lock(mm);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	r = get_user_pages_remote(mm, hva, 1, flags, NULL, &locked);
#else
	r = get_user_pages_remote(mm, hva, 1, flags, NULL, NULL, &locked);
#endif
	if (locked)
		mmap_read_unlock(mm);
	return r;
}

/* ---- vcpu.c: preemption ---- */

/* Is @task, which leaves its CPU, still to run? 6.12 lets sleepers stay on the queue for a while. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define vmm_compat_preempted(task)	task_is_runnable(task)
#else
#define vmm_compat_preempted(task)	((task)->on_rq)
#endif

/* 6.8: the count, always 1, went away. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define vmm_eventfd_signal(ctx)	eventfd_signal(ctx)
#else
#define vmm_eventfd_signal(ctx)	eventfd_signal(ctx, 1)
#endif

/* ---- exit.c: kvm_run ---- */

/*
 * From 6.10 on kernel code sees this member under another name, a reminder that user
 * space may change it at any time. It is read once wherever that matters.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define immediate_exit	immediate_exit__unsafe
#endif

/* 6.4: the word that says whether the caller was in 64-bit mode became a word of flags. */
#ifdef KVM_EXIT_HYPERCALL_LONG_MODE
#define vmm_compat_hypercall_mode(run, wide)	\
	((run)->hypercall.flags = (wide) ? KVM_EXIT_HYPERCALL_LONG_MODE : 0)
#else
#define vmm_compat_hypercall_mode(run, wide)	((run)->hypercall.longmode = (wide))
#endif

/* Is SNP on in this host? Kernels that do not know the feature cannot have turned it on. */
static inline bool vmm_compat_host_snp(void)
{
#ifdef X86_FEATURE_SEV_SNP
	return boot_cpu_has(X86_FEATURE_SEV_SNP);
#else
	return false;
#endif
}

#endif /* VMM_COMPAT_H */
