/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory: the slots user space gives, the one door to their contents
 * (memory.c), the page tables the hardware walks (mmu/), and the rules of
 * TLB flushing (mmu/flush.c).
 */
#ifndef VMM_MMU_H
#define VMM_MMU_H

#include <linux/nospec.h>
#include <linux/types.h>
#include <linux/spinlock.h>
#include <linux/mmu_notifier.h>
#include <linux/xarray.h>

#include "mmu/engine.h"

struct vmm_vm;
struct vmm_vcpu;
struct kvm_userspace_memory_region;
struct kvm_dirty_log;
struct kvm_clear_dirty_log;

/* A range of guest-physical memory. Immutable once published, but for dirty_bitmap's bits. */
struct vmm_slot {
	u64 base_gfn;			/* in 4 KiB pages, as npages */
	u64 npages;
	unsigned long userspace_addr;	/* host virtual address of its first byte */
	unsigned long *dirty_bitmap;	/* NULL: not logged; one bit per page */
	u32 flags;			/* KVM_MEM_* */
	u16 id;
};

/**
 * vmm_gfn_to_hva() - The host address of a guest frame.
 * @slot: contains @gfn
 * @gfn: guest frame
 */
static inline unsigned long vmm_gfn_to_hva(const struct vmm_slot *slot, u64 gfn)
{
	u64 offset = array_index_nospec(gfn - slot->base_gfn, slot->npages);

	return slot->userspace_addr + (offset << PAGE_SHIFT);
}

/* Sorted by base_gfn, no overlap; replaced as a whole under slots_lock, read under SRCU. */
struct vmm_slots {
	u64 generation;
	unsigned int count;
	struct vmm_slot *slot[];
};

struct vmm_memory {
	struct vmm_slots __rcu *slots;
	struct xarray by_id;		/* the same slots; slots_lock */
	u64 nr_pages;			/* total, against overflow */
	u32 dirty_log_manual;		/* KVM_DIRTY_LOG_* as enabled */
};

/*
 * VM-wide MMU state. Owner: mmu/.
 *
 * [lock] needs lock held for writing; reading the tree and the atomic changes that
 * engine.h lists need it for reading. It is dropped for writing by vmm_mmu_unlock()
 * alone, which flushes what was dropped: nobody sees an entry gone while a CPU still
 * uses it.
 */
struct vmm_mmu {
	rwlock_t lock;				/* "mmu_lock" */
	struct vmm_pt pt;			/* the TDP tree; its root never changes */
	u64 root_pa;				/* [i] */
	struct mmu_notifier notifier;
	bool notifier_on;			/* [i] registered */
	unsigned long notifier_seq;		/* [lock] invalidations completed */
	long notifier_count;			/* [lock] invalidations in flight */
	unsigned long range_start, range_end;	/* [lock] hva range that covers those */
	const struct vmm_slot *leaving;		/* [lock] unpublished, but still mapped (memory.c) */
	bool flush_pending;			/* [lock] an entry was dropped since the last flush */
	struct list_head dropped;		/* [lock] tables to free after the flush */
	atomic64_t flush_asked;			/* flush.c: number of the last flush asked for */
	atomic64_t flush_done;			/* nobody runs on translations older than this one */
	bool log_by_cpu;			/* vCPUs are to log what they write; under slots_lock */
	atomic_long_t nr_tables;		/* page-table pages */
};

/* Per-vCPU MMU state. Owner: mmu/. */
struct vmm_mmu_vcpu {
	struct vmm_pt_cache cache;		/* [v] topped up before the lock is taken */
	u64 loaded_root;			/* [v] what the backend was told */
	u64 flush_seen;				/* flush.c: flush this vCPU has done last */
	int flush_cpu;				/* where it did it */
};

/* ---- slots and the door (memory.c) ---------------------------------------
 *
 * All run on a thread whose mm is the VM's, hold vm->srcu (read) unless said
 * otherwise, may sleep, and return 0 or -EFAULT (no slot, unmapped memory, write
 * to a read-only slot). They check bounds and overflow and feed the dirty log.
 */
int vmm_memory_init(struct vmm_vm *vm);
void vmm_memory_destroy(struct vmm_vm *vm);
/* These three with slots_lock held, and without SRCU. */
int vmm_set_memory_region(struct vmm_vm *vm, const struct kvm_userspace_memory_region *r);
int vmm_get_dirty_log(struct vmm_vm *vm, const struct kvm_dirty_log *log);
int vmm_clear_dirty_log(struct vmm_vm *vm, const struct kvm_clear_dirty_log *log);

struct vmm_slot *vmm_find_slot(struct vmm_vm *vm, u64 gfn);		/* NULL: none */
struct vmm_slot *vmm_vcpu_find_slot(struct vmm_vcpu *vcpu, u64 gfn);	/* with the vCPU's cache */
int vmm_read_guest(struct vmm_vm *vm, u64 gpa, void *data, unsigned long len);
int vmm_read_guest_code(struct vmm_vm *vm, u64 gpa, u8 *bytes, unsigned int len);
int vmm_write_guest(struct vmm_vm *vm, u64 gpa, const void *data, unsigned long len);
/* As above without sleeping (page faults off): -EFAULT also when not resident. */
int vmm_read_guest_atomic(struct vmm_vm *vm, u64 gpa, void *data, unsigned long len);
/*
 * Compare-and-exchange 1, 2, 4, 8 or 16 bytes that do not cross a page, atomically
 * against every other agent. 0 done, 1 it held something else (*old updated), -EFAULT.
 */
int vmm_cmpxchg_guest(struct vmm_vm *vm, u64 gpa, void *old, const void *new, unsigned int len);
void vmm_mark_dirty(struct vmm_vm *vm, struct vmm_slot *slot, u64 gfn);

/*
 * A place in guest memory that is written often from the vCPU thread (kvmclock,
 * PV EOI, steal time). gpa+len must not cross a page.
 */
struct vmm_gpa_cache {
	u64 gpa, generation;
	unsigned long hva;
	struct vmm_slot *slot;
	u32 len;
};
int vmm_gpa_cache_init(struct vmm_vm *vm, struct vmm_gpa_cache *c, u64 gpa, u32 len);
int vmm_gpa_cache_write(struct vmm_vm *vm, struct vmm_gpa_cache *c, const void *data, u32 offset, u32 len);
int vmm_gpa_cache_read(struct vmm_vm *vm, struct vmm_gpa_cache *c, void *data, u32 offset, u32 len);
int vmm_gpa_cache_write_atomic(struct vmm_vm *vm, struct vmm_gpa_cache *c, const void *data,
			       u32 offset, u32 len);
int vmm_gpa_cache_xchg_byte(struct vmm_vm *vm, struct vmm_gpa_cache *c, u32 offset, u8 *byte);

/* ---- the page tables (mmu/) ---------------------------------------------- */

int vmm_mmu_module_init(void);
void vmm_mmu_module_exit(void);
int vmm_mmu_vm_init(struct vmm_vm *vm);		/* root, notifier (mm's lock is taken) */
/*
 * Every vCPU has left KVM_RUN for good; their objects still exist (an invalidation
 * may be looking at them), and so does vm->mm.
 */
void vmm_mmu_vm_destroy(struct vmm_vm *vm);
void vmm_mmu_vcpu_destroy(struct vmm_vcpu *vcpu);

/*
 * A guest access had no (sufficient) translation. vCPU thread, SRCU held, may
 * sleep. Returns VMM_FAULT_RETRY (mapped, re-enter), VMM_FAULT_MMIO (no slot, or
 * write to a read-only slot: emulate), or -errno for user space (-EFAULT: the
 * host memory under the slot is gone; -EINTR).
 */
#define VMM_FAULT_RETRY	0
#define VMM_FAULT_MMIO	1
int vmm_mmu_fault(struct vmm_vcpu *vcpu, u64 gpa, u32 access);
int vmm_mmu_fault_quickly(struct vmm_vm *vm, struct vmm_slot *slot, u64 gfn, u32 access);
void vmm_mmu_prefetch(struct vmm_vcpu *vcpu, u64 gpa, u32 access);

u64 vmm_mmu_max_gfn(void);	/* highest guest frame that can be mapped */

/* Before entry, preemption off: hand the backend the root if it changed. */
void vmm_mmu_load(struct vmm_vcpu *vcpu);

/* Slot changes (memory.c and dirty.c call these with slots_lock held; they may sleep). */
void vmm_mmu_slot_leaves(struct vmm_vm *vm, const struct vmm_slot *slot);	/* before it is unpublished */
void vmm_mmu_zap_slot(struct vmm_vm *vm, const struct vmm_slot *slot);	/* and flush */
bool vmm_mmu_catch_writes(struct vmm_vm *vm, u64 first_gfn, unsigned long mask);	/* true: flush */
void vmm_mmu_catch_writes_slot(struct vmm_vm *vm, const struct vmm_slot *slot);	/* and flush */
/* Where the CPUs take the dirty log (page-modification logging): */
void vmm_mmu_start_log(struct vmm_vm *vm);
void vmm_mmu_stop_log(struct vmm_vm *vm);
void vmm_mmu_collect_log(struct vmm_vm *vm);
void vmm_mmu_logged(struct vmm_vm *vm, u64 gfn);

/*
 * Guest-virtual to guest-physical through the guest's own tables (mmu/gwalk.c).
 * access: VMM_ACCESS_{READ,WRITE,EXEC,USER}. 0 and *gpa; or 1, with *error_code
 * (SDM 4.7) for the #PF the guest should get; -EFAULT when its tables lie outside memory.
 */
int vmm_gva_to_gpa(struct vmm_vcpu *vcpu, u64 gva, u32 access, u64 *gpa, u32 *error_code);
int vmm_load_pdptrs(struct vmm_vcpu *vcpu, unsigned long cr3);	/* 1: reserved bits set: #GP */

/* ---- TLB flushing (mmu/flush.c): the only file that knows the rules ------- */

void vmm_flush_vm(struct vmm_vm *vm);			/* all vCPUs; waits until none runs on old translations */
void vmm_flush_vcpu_requests(struct vmm_vcpu *vcpu);	/* before entry: serve VMM_REQ_TLB_* */
void vmm_flush_vcpu_moved(struct vmm_vcpu *vcpu);	/* vcpu_load: on another CPU than last time */
#if defined(VMM_DEBUG) || defined(CONFIG_PROVE_LOCKING)
#define VMM_FLUSH_CHECK	1
#endif
#ifdef VMM_FLUSH_CHECK
void vmm_flush_assert_entry(struct vmm_vcpu *vcpu);	/* irqs off, the last thing before the entry */
#else
static inline void vmm_flush_assert_entry(struct vmm_vcpu *vcpu) { }
#endif

#endif /* VMM_MMU_H */
