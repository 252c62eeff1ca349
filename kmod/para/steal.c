// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steal time (MSR_KVM_STEAL_TIME, struct kvm_steal_time): what the guest should know
 * of the scheduling of its vCPU.
 *
 * - How long the thread was kept waiting for a CPU: the scheduler's run_delay.
 * - Whether it is waiting now (KVM_VCPU_PREEMPTED), so that other vCPUs need not spin
 *   for it.
 * - And, the other way, whether they want its TLB flushed before it goes on
 *   (KVM_VCPU_FLUSH_TLB): then they need not send it an IPI and wait.
 *
 * The flag is written where the scheduler takes the thread off its CPU, with a run
 * queue locked: without sleeping, and not at all if the page is not there. It is
 * written only when the thread was stopped between two guest instructions. In the
 * midst of emulating one it may hold a translation that the guest believes flushed.
 */
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>

#include "para.h"

struct vmm_steal {
	u64 msr;
	u64 delay;			/* the thread's run_delay that the guest was told of, ns */
	bool marked;			/* KVM_VCPU_PREEMPTED may stand in the page */
	struct vmm_gpa_cache cache;
};

static bool enabled(const struct vmm_steal *steal)
{
	return steal->msr & KVM_MSR_ENABLED;
}

/*
 * vmm_steal_preempted() comes on this very thread, at any time: from here to the next
 * exit it leaves the page and the cache alone.
 */
static void keep_notifier_out(struct vmm_vcpu *vcpu)
{
	WRITE_ONCE(vcpu->between_insns, false);
	barrier();
}

/**
 * vmm_steal_create() - a new vCPU
 * @vcpu: not yet published
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_steal_create(struct vmm_vcpu *vcpu)
{
	vcpu->steal = kzalloc(sizeof(*vcpu->steal), GFP_KERNEL_ACCOUNT);
	return vcpu->steal ? 0 : -ENOMEM;
}

/**
 * vmm_steal_destroy() - undo vmm_steal_create(), if it was called
 * @vcpu: nobody's any more
 */
void vmm_steal_destroy(struct vmm_vcpu *vcpu)
{
	kfree(vcpu->steal);
	vcpu->steal = NULL;
}

/**
 * vmm_steal_reset() - RESET and INIT: off
 * @vcpu: its thread, or not yet published
 */
void vmm_steal_reset(struct vmm_vcpu *vcpu)
{
	vcpu->steal->msr = 0;
}

/**
 * vmm_steal_get() - read MSR_KVM_STEAL_TIME
 * @vcpu: its thread
 *
 * Return: as written.
 */
u64 vmm_steal_get(struct vmm_vcpu *vcpu)
{
	return vcpu->steal->msr;
}

/**
 * vmm_steal_set() - write MSR_KVM_STEAL_TIME
 * @vcpu: its thread, SRCU held
 * @data: bit 0 on; bits 63:6 address
 *
 * An address without memory is no error, as with KVM: nothing is written there.
 *
 * Return: 0; 1 (#GP) for a reserved bit, or when the host keeps no such statistics.
 */
int vmm_steal_set(struct vmm_vcpu *vcpu, u64 data)
{
	struct vmm_steal *steal = vcpu->steal;

	if (!sched_info_on() || (data & KVM_STEAL_RESERVED_MASK))
		return 1;
	keep_notifier_out(vcpu);
	steal->msr = data;
	steal->marked = false;
	if (!enabled(steal))
		return 0;
	vmm_gpa_cache_init(vcpu->vm, &steal->cache, data & KVM_STEAL_VALID_BITS,
			   sizeof(struct kvm_steal_time));
	vmm_make_request(vcpu, VMM_REQ_STEAL);
	return 0;
}

/**
 * vmm_steal_load() - the thread goes on: is there something to tell?
 * @vcpu: its thread, preemption off; a run queue may be locked
 */
void vmm_steal_load(struct vmm_vcpu *vcpu)
{
	struct vmm_steal *steal = vcpu->steal;

	if (enabled(steal) && (steal->marked || steal->delay != current->sched_info.run_delay))
		vmm_make_request(vcpu, VMM_REQ_STEAL);
}

/**
 * vmm_steal_preempted() - the thread lost its CPU but wants to run
 * @vcpu: its thread, on the way out; a run queue is locked, interrupts are off
 */
void vmm_steal_preempted(struct vmm_vcpu *vcpu)
{
	static const u8 flag = KVM_VCPU_PREEMPTED;
	struct vmm_steal *steal = vcpu->steal;
	struct vmm_vm *vm = vcpu->vm;
	int srcu;

	if (!enabled(steal) || steal->marked || !READ_ONCE(vcpu->between_insns))
		return;
	if (current->mm != vm->mm)	/* the process exits */
		return;
	vcpu->stats.preemption_reported++;
	srcu = srcu_read_lock(&vm->srcu);
	steal->marked = !vmm_gpa_cache_write_atomic(vm, &steal->cache, &flag,
						    offsetof(struct kvm_steal_time, preempted),
						    sizeof(flag));
	srcu_read_unlock(&vm->srcu, srcu);
}

/**
 * vmm_steal_new_thread() - another thread than last time runs the vCPU
 * @vcpu: now current's
 *
 * What it had to wait for before is not this guest's time.
 */
void vmm_steal_new_thread(struct vmm_vcpu *vcpu)
{
	vcpu->steal->delay = current->sched_info.run_delay;
}

/**
 * vmm_steal_update() - serve VMM_REQ_STEAL: bring the guest's page up to date
 * @vcpu: its thread, SRCU held; may sleep; before requests to flush are served
 */
void vmm_steal_update(struct vmm_vcpu *vcpu)
{
	const u32 version_at = offsetof(struct kvm_steal_time, version);
	struct vmm_steal *steal = vcpu->steal;
	struct vmm_gpa_cache *cache = &steal->cache;
	struct vmm_vm *vm = vcpu->vm;
	struct kvm_steal_time page;
	u64 delay;
	u8 flags = 0;

	if (!enabled(steal))
		return;
	keep_notifier_out(vcpu);
	/* In one step: whoever sets a bit after this sees a vCPU that is not preempted. */
	if (vmm_gpa_cache_xchg_byte(vm, cache, offsetof(struct kvm_steal_time, preempted), &flags))
		return;
	steal->marked = false;
	if (flags & KVM_VCPU_FLUSH_TLB) {
		vcpu->stats.pv_tlb_flush++;
		vmm_make_request(vcpu, VMM_REQ_TLB_FLUSH_GUEST);
	}

	delay = current->sched_info.run_delay;
	if (vmm_gpa_cache_read(vm, cache, &page, 0, sizeof(page)))
		return;
	page.version = (page.version + 1) | 1;
	if (vmm_gpa_cache_write(vm, cache, &page.version, version_at, sizeof(page.version)))
		return;
	smp_wmb();	/* version before contents */
	page.steal += delay - steal->delay;
	if (vmm_gpa_cache_write(vm, cache, &page.steal, offsetof(struct kvm_steal_time, steal),
				sizeof(page.steal)))
		return;
	steal->delay = delay;
	smp_wmb();	/* contents before version */
	page.version++;
	vmm_gpa_cache_write(vm, cache, &page.version, version_at, sizeof(page.version));
}
