// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules of TLB flushing; no other file knows them (SDM 29.4, APM 15.16).
 *
 * 1. A CPU caches guest translations only while it is in guest mode, but what it has
 *    cached lives on, tagged, while it runs other things.
 * 2. So an entry that was dropped or weakened is gone for good when (a) every vCPU
 *    that is in guest mode has left it, and (b) every vCPU flushes before it enters
 *    again. vmm_flush_vm() sets a request for (b) and waits for (a).
 * 3. A flush cleans one CPU. A vCPU that is loaded on another CPU than the one it
 *    flushed last flushes there: what another vCPU, or an earlier VM whose root had
 *    the same address, has left there may be older than its own last flush.
 * 4. Pages go back to the host, and tables to the allocator, after vmm_flush_vm()
 *    and before the lock is dropped under which their entries went: see
 *    vmm_mmu_unlock(). What may wait (write-protection for the dirty log) is flushed
 *    by its caller.
 *
 * The proof, in debug builds: flushes are numbered. flush_asked is raised before the
 * requests are set, flush_done after everybody has left the guest; a vCPU notes in
 * flush_seen what flush_asked was before its own flush. Hence flush_seen >= flush_done
 * on each vCPU that is in guest mode, always: checked at each entry, and for all vCPUs
 * before a page or a table is let go.
 */
#include "vmm.h"
#include "mmu/internal.h"

#ifdef VMM_FLUSH_CHECK
/**
 * vmm_flush_assert_entry() - Prove that an entry uses no translation that is gone.
 * @vcpu: about to enter; interrupts are off, mode is IN_GUEST, requests were checked
 */
void vmm_flush_assert_entry(struct vmm_vcpu *vcpu)
{
	u64 done = atomic64_read_acquire(&vcpu->vm->mmu.flush_done);

	WARN_ONCE(vcpu->mmu.flush_seen < done,
		  "vmm: vCPU %d enters with flush %llu, %llu is done\n",
		  vcpu->id, vcpu->mmu.flush_seen, done);
	WARN_ONCE(vcpu->mmu.flush_cpu != smp_processor_id(),
		  "vmm: vCPU %d enters on CPU %d, has flushed on %d\n",
		  vcpu->id, smp_processor_id(), vcpu->mmu.flush_cpu);
}

/* Before anything is freed: all that are in the guest have done the last flush. */
static void flush_assert_free(struct vmm_vm *vm, u64 flush)
{
	struct vmm_vcpu *vcpu;
	int i;

	vmm_for_each_vcpu(i, vcpu, vm) {
		/* One with the request set is on its way in or out and will notice it. */
		if (vmm_test_request(vcpu, VMM_REQ_TLB_FLUSH))
			continue;
		/* It has taken the request; by the time it enters it has noted the flush. */
		smp_rmb();
		WARN_ONCE(smp_load_acquire(&vcpu->mode) == VMM_IN_GUEST &&
			  READ_ONCE(vcpu->mmu.flush_seen) < flush,
			  "vmm: vCPU %d in the guest with flush %llu, memory freed under %llu\n",
			  vcpu->id, vcpu->mmu.flush_seen, flush);
	}
}
#else
static void flush_assert_free(struct vmm_vm *vm, u64 flush)
{
}
#endif

/**
 * vmm_flush_vm() - Make every vCPU forget the VM's translations.
 * @vm: the VM
 *
 * When this returns no CPU uses a translation that was gone from the tables when it
 * was called. Waits for CPUs to leave guest mode; does not sleep; interrupts on.
 */
void vmm_flush_vm(struct vmm_vm *vm)
{
	struct vmm_mmu *mmu = &vm->mmu;
	/* Full barrier: the entries are gone before a vCPU can read the new number. */
	u64 flush = atomic64_inc_return(&mmu->flush_asked);
	s64 done;

	WRITE_ONCE(vm->stats.remote_tlb_flush_requests, vm->stats.remote_tlb_flush_requests + 1);
	vmm_request_all(vm, VMM_REQ_TLB_FLUSH);
	WRITE_ONCE(vm->stats.remote_tlb_flush, vm->stats.remote_tlb_flush + 1);

	done = atomic64_read(&mmu->flush_done);
	while (done < (s64)flush && !atomic64_try_cmpxchg(&mmu->flush_done, &done, flush))
		;
	flush_assert_free(vm, flush);
}

/**
 * vmm_flush_dropped() - Flush if an entry was dropped, then free the dropped tables.
 * @vm: the VM; mmu lock held for writing
 */
void vmm_flush_dropped(struct vmm_vm *vm)
{
	struct vmm_mmu *mmu = &vm->mmu;
	struct page *page, *next;

	lockdep_assert_held_write(&mmu->lock);
	if (!mmu->flush_pending)
		return;
	vmm_flush_vm(vm);
	mmu->flush_pending = false;

	list_for_each_entry_safe(page, next, &mmu->dropped, lru) {
		list_del(&page->lru);
		vmm_mmu_free_table(vm, page_address(page));
	}
}

/**
 * vmm_flush_vcpu_requests() - Serve the requests to flush.
 * @vcpu: loaded; its own thread, before each entry
 *
 * A request that is made, or a move to another CPU, after this has looked is caught
 * by the check of requests with interrupts off, which calls the entry off.
 */
void vmm_flush_vcpu_requests(struct vmm_vcpu *vcpu)
{
	if (!vmm_test_request(vcpu, VMM_REQ_TLB_FLUSH) &&
	    !vmm_test_request(vcpu, VMM_REQ_TLB_FLUSH_GUEST))
		return;

	/* The flush must happen on the CPU that it is noted for. */
	preempt_disable();
	if (vmm_check_request(vcpu, VMM_REQ_TLB_FLUSH)) {
		u64 seen = atomic64_read(&vcpu->vm->mmu.flush_asked);

		/* It includes the guest's linear translations. */
		vmm_check_request(vcpu, VMM_REQ_TLB_FLUSH_GUEST);
		vmm_backend.flush_tlb(vcpu);
		vcpu->stats.tlb_flush++;
		vcpu->mmu.flush_cpu = smp_processor_id();
		WRITE_ONCE(vcpu->mmu.flush_seen, seen);
	} else if (vmm_check_request(vcpu, VMM_REQ_TLB_FLUSH_GUEST)) {
		vmm_backend.flush_tlb_guest(vcpu);
		vcpu->stats.tlb_flush++;
	}
	preempt_enable();
}

/**
 * vmm_flush_vcpu_moved() - A vCPU was loaded on a CPU it was not loaded on before.
 * @vcpu: being loaded, preemption off
 */
void vmm_flush_vcpu_moved(struct vmm_vcpu *vcpu)
{
	vmm_make_request(vcpu, VMM_REQ_TLB_FLUSH);
}
