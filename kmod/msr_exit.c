// SPDX-License-Identifier: GPL-2.0-only
/*
 * RDMSR and WRMSR of guests: past user space's filter to the registers of msr.c, and to
 * user space where it wants to answer in their stead (KVM_CAP_X86_USER_SPACE_MSR).
 *
 * Locking: the filter is read under SRCU and replaced as a whole under vm->lock. What
 * a backend lets the guest do without an exit follows the filter: it asks
 * vmm_msr_allowed(), and again when VMM_REQ_MSR_FILTER says that it changed.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "vmm.h"
#include "ioctl.h"
#include "trace.h"

/* Bytes of a range's bitmap, as KVM: one and a half of the CPU's blocks of 8,192 MSRs. */
#define MAX_BITMAP	0x600

#define MSR_EXIT_REASONS	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
				 KVM_MSR_EXIT_REASON_FILTER)

/* What the filter denied; beside 0, 1 and VMM_MSR_UNKNOWN. */
#define MSR_FILTERED	3

struct msr_range {
	u32 flags;		/* KVM_MSR_FILTER_READ, KVM_MSR_FILTER_WRITE */
	u32 base, count;
	unsigned long *allowed;	/* a bit per MSR */
};

struct vmm_msr_filter {
	bool default_allow;
	unsigned int nr;
	struct msr_range range[KVM_MSR_FILTER_MAX_RANGES];
};

/* ---- the filter ------------------------------------------------------------------- */

static void free_filter(struct vmm_msr_filter *filter)
{
	unsigned int i;

	if (!filter)
		return;
	for (i = 0; i < filter->nr; i++)
		kfree(filter->range[i].allowed);
	kfree(filter);
}

static int filter_add(struct vmm_msr_filter *filter, const struct kvm_msr_filter_range *user)
{
	size_t size = BITS_TO_LONGS((u64)user->nmsrs) * sizeof(long);
	struct msr_range *range = &filter->range[filter->nr];

	if (!user->nmsrs)
		return 0;
	if (!user->flags || user->flags & ~(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE))
		return -EINVAL;
	if (size > MAX_BITMAP)
		return -EINVAL;
	range->allowed = memdup_user((u8 __user *)user->bitmap, size);
	if (IS_ERR(range->allowed))
		return PTR_ERR(range->allowed);
	range->flags = user->flags;
	range->base = user->base;
	range->count = user->nmsrs;
	filter->nr++;
	return 0;
}

/**
 * vmm_set_msr_filter() - KVM_X86_SET_MSR_FILTER
 * @vm: vm->lock is held
 * @user: ranges with a bit per MSR: 1 allows
 *
 * Return: 0; -EINVAL for unknown flags, a range too long, or no range and everything
 * denied; -EFAULT, -ENOMEM.
 */
int vmm_set_msr_filter(struct vmm_vm *vm, const struct kvm_msr_filter *user)
{
	struct vmm_msr_filter *filter, *old;
	int i, r = 0;

	if (user->flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		return -EINVAL;
	filter = kzalloc(sizeof(*filter), GFP_KERNEL_ACCOUNT);
	if (!filter)
		return -ENOMEM;
	filter->default_allow = !(user->flags & KVM_MSR_FILTER_DEFAULT_DENY);
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES && !r; i++)
		r = filter_add(filter, &user->ranges[i]);
	if (!r && !filter->nr && !filter->default_allow)
		r = -EINVAL;
	if (r) {
		free_filter(filter);
		return r;
	}
	old = rcu_replace_pointer(vm->msr_filter, filter, lockdep_is_held(&vm->lock));
	synchronize_srcu(&vm->srcu);
	free_filter(old);
	vmm_request_all(vm, VMM_REQ_MSR_FILTER);
	return 0;
}

/**
 * vmm_msr_filter_free() - free the filter
 * @vm: being destroyed
 */
void vmm_msr_filter_free(struct vmm_vm *vm)
{
	free_filter(rcu_dereference_protected(vm->msr_filter, true));
}

/**
 * vmm_msr_allowed() - does the filter let the guest's access through
 * @vcpu: vm->srcu or vm->lock is held
 * @index: of the MSR
 * @write: WRMSR
 *
 * The x2APIC's registers are never filtered: the CPU may virtualize them.
 */
bool vmm_msr_allowed(struct vmm_vcpu *vcpu, u32 index, bool write)
{
	struct vmm_vm *vm = vcpu->vm;
	struct vmm_msr_filter *filter = srcu_dereference_check(vm->msr_filter, &vm->srcu,
							       lockdep_is_held(&vm->lock));
	u32 type = write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ;
	unsigned int i;

	if (likely(!filter) || (index >= 0x800 && index <= 0x8ff))
		return true;
	for (i = 0; i < filter->nr; i++) {
		struct msr_range *range = &filter->range[i];
		u32 bit = index - range->base;

		if (bit < range->count && (range->flags & type))
			return test_bit(array_index_nospec(bit, range->count), range->allowed);
	}
	return filter->default_allow;
}

/* ---- exits to user space ------------------------------------------------------------- */

/**
 * vmm_set_msr_exits() - KVM_CAP_X86_USER_SPACE_MSR
 * @vm: the VM
 * @mask: KVM_MSR_EXIT_REASON_*: which accesses that end in #GP go to user space instead
 *
 * Return: 0 or -EINVAL.
 */
int vmm_set_msr_exits(struct vmm_vm *vm, u64 mask)
{
	if (mask & ~(u64)MSR_EXIT_REASONS)
		return -EINVAL;
	WRITE_ONCE(vm->msr_exits, mask);
	return 0;
}

static void set_edx_eax(struct vmm_vcpu *vcpu, u64 value)
{
	vmm_set_reg(vcpu, VMM_RAX, (u32)value);
	vmm_set_reg(vcpu, VMM_RDX, value >> 32);
}

static int complete_wrmsr(struct vmm_vcpu *vcpu)
{
	return vmm_skip_or_gp(vcpu, READ_ONCE(vcpu->run->msr.error));
}

static int complete_rdmsr(struct vmm_vcpu *vcpu)
{
	bool error = READ_ONCE(vcpu->run->msr.error);

	if (!error)
		set_edx_eax(vcpu, READ_ONCE(vcpu->run->msr.data));
	return vmm_skip_or_gp(vcpu, error);
}

static u32 exit_reason(int r)
{
	switch (r) {
	case MSR_FILTERED:
		return KVM_MSR_EXIT_REASON_FILTER;
	case VMM_MSR_UNKNOWN:
		return KVM_MSR_EXIT_REASON_UNKNOWN;
	default:
		return KVM_MSR_EXIT_REASON_INVAL;
	}
}

/* The access failed: user space's, if it asked for this kind, or #GP. */
static int failed(struct vmm_vcpu *vcpu, const struct vmm_msr *msr, bool write, int r)
{
	struct kvm_run *run = vcpu->run;

	if (likely(!(READ_ONCE(vcpu->vm->msr_exits) & exit_reason(r))))
		return vmm_skip_or_gp(vcpu, true);
	run->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	memset(&run->msr, 0, sizeof(run->msr));
	run->msr.reason = exit_reason(r);
	run->msr.index = msr->index;
	run->msr.data = write ? msr->data : 0;
	vmm_complete_with(vcpu, write ? complete_wrmsr : complete_rdmsr);
	return 0;
}

/* ---- the instructions ------------------------------------------------------------------ */

/* @allowed: by the filter */
static int finish_rdmsr(struct vmm_vcpu *vcpu, bool allowed)
{
	struct vmm_msr msr = { .index = vmm_reg(vcpu, VMM_RCX) };
	int r = allowed ? vmm_msr_get(vcpu, &msr) : MSR_FILTERED;

	trace_vmm_msr(vcpu->id, false, msr.index, msr.data, r);
	if (unlikely(r))
		return failed(vcpu, &msr, false, r);
	set_edx_eax(vcpu, msr.data);
	return vmm_skip_instruction(vcpu);
}

static int finish_wrmsr(struct vmm_vcpu *vcpu, bool allowed)
{
	struct vmm_msr msr = {
		.index = vmm_reg(vcpu, VMM_RCX),
		.data = (u32)vmm_reg(vcpu, VMM_RAX) | (u64)vmm_reg(vcpu, VMM_RDX) << 32,
	};
	int r = allowed ? vmm_msr_set(vcpu, &msr) : MSR_FILTERED;

	trace_vmm_msr(vcpu->id, true, msr.index, msr.data, r);
	return likely(!r) ? vmm_skip_instruction(vcpu) : failed(vcpu, &msr, true, r);
}

/**
 * vmm_rdmsr() - RDMSR; the CPU has checked the privilege level
 * @vcpu: vCPU thread, SRCU held, RIP at the instruction, its length in vcpu->exit
 *
 * Return: as an exit handler.
 */
int vmm_rdmsr(struct vmm_vcpu *vcpu)
{
	return finish_rdmsr(vcpu, vmm_msr_allowed(vcpu, vmm_reg(vcpu, VMM_RCX), false));
}

/**
 * vmm_wrmsr() - WRMSR; the CPU has checked the privilege level
 * @vcpu: vCPU thread, SRCU held, RIP at the instruction, its length in vcpu->exit
 *
 * Return: as an exit handler.
 */
int vmm_wrmsr(struct vmm_vcpu *vcpu)
{
	return finish_wrmsr(vcpu, vmm_msr_allowed(vcpu, vmm_reg(vcpu, VMM_RCX), true));
}

/* ---- with interrupts off -------------------------------------------------------------- */

/* Setting some registers waits for a lock, touches memory of the guest, or takes long. */
static bool write_may_wait(struct vmm_vcpu *vcpu, u32 index)
{
	switch (index) {
	case MSR_IA32_TSC:
	case MSR_IA32_TSC_ADJUST:
	case MSR_EFER:
	case MSR_IA32_APICBASE:
		return true;
	/* May change what exits, which asks the filter. */
	case MSR_IA32_SPEC_CTRL:
		return true;
	case 0x800 ... 0x8ff:
		return vmm_lapic_write_waits(vcpu, (index - 0x800) << 4);
	default:
		return vmm_pv_msr(index);
	}
}

/**
 * vmm_rdmsr_quickly() - RDMSR with interrupts off
 * @vcpu: its thread, SRCU not held, RIP at the instruction, its length in vcpu->exit
 *
 * With a filter it is the handler's: the filter is read under SRCU.
 *
 * Return: as vmm_handle_quickly().
 */
int vmm_rdmsr_quickly(struct vmm_vcpu *vcpu)
{
	if (unlikely(rcu_access_pointer(vcpu->vm->msr_filter)))
		return VMM_NOT_NOW;
	return finish_rdmsr(vcpu, true);
}

/**
 * vmm_wrmsr_quickly() - WRMSR with interrupts off
 * @vcpu: as for vmm_rdmsr_quickly()
 *
 * Return: as vmm_handle_quickly().
 */
int vmm_wrmsr_quickly(struct vmm_vcpu *vcpu)
{
	if (unlikely(rcu_access_pointer(vcpu->vm->msr_filter)) ||
	    write_may_wait(vcpu, vmm_reg(vcpu, VMM_RCX)))
		return VMM_NOT_NOW;
	return finish_wrmsr(vcpu, true);
}
