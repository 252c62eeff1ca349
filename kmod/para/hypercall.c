// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hypercalls by KVM's convention (the kernel's Documentation/virt/kvm/x86/hypercalls.rst):
 * number in RAX, arguments in RBX, RCX, RDX, RSI, result in RAX.
 */
#include <linux/math64.h>

#include "para.h"
#include "trace.h"

/* KVM_HC_CLOCK_PAIRING: the guest's TSC and the host's real time of one moment. */
static long clock_pairing(struct vmm_vcpu *vcpu, u64 gpa, unsigned long type)
{
	struct kvm_clock_pairing pairing = { };
	struct vmm_host_time t;
	u32 nsec;

	if (type != KVM_CLOCK_PAIRING_WALLCLOCK)
		return -KVM_EOPNOTSUPP;
	vmm_host_time(&t);
	if (!t.by_tsc)
		return -KVM_EOPNOTSUPP;
	pairing.sec = div_u64_rem(t.real, NSEC_PER_SEC, &nsec);
	pairing.nsec = nsec;
	pairing.tsc = vmm_guest_tsc(vcpu, t.tsc);
	return vmm_write_guest(vcpu->vm, gpa, &pairing, sizeof(pairing)) ? -KVM_EFAULT : 0;
}

/*
 * KVM_HC_KICK_CPU: let a vCPU out of HLT. One that is running finds out at its next
 * HLT; nobody needs to interrupt it.
 */
static void kick_cpu(struct vmm_vcpu *vcpu, u32 apic_id)
{
	struct vmm_vcpu *target = vmm_vcpu_by_apic_id(vcpu->vm, apic_id);

	if (!target)
		return;
	WRITE_ONCE(target->unhalted, true);
	vmm_vcpu_wake(target);
	vmm_yield_hint(vcpu, target);
}

/* KVM_HC_SCHED_YIELD: the caller waits for something that vCPU has to do. */
static void sched_yield_to(struct vmm_vcpu *vcpu, u32 apic_id)
{
	struct vmm_vcpu *target = vmm_vcpu_by_apic_id(vcpu->vm, apic_id);

	if (target)
		vmm_yield_hint(vcpu, target);
}

/* KVM_HC_SEND_IPI: one exit for what may be as many as the destinations. */
static long send_ipi(struct vmm_vcpu *vcpu, u64 low, u64 high, u32 first, u32 icr, bool wide)
{
	const u64 bitmap[2] = { low, high };
	int r = vmm_apic_send_bitmap(vcpu->vm, bitmap, wide ? 64 : 32, first, icr);

	if (r == -EINVAL)
		return -KVM_EINVAL;
	return r < 0 ? -KVM_EOPNOTSUPP : r;
}

static int complete_exit(struct vmm_vcpu *vcpu)
{
	u64 result = READ_ONCE(vcpu->run->hypercall.ret);

	vmm_set_reg(vcpu, VMM_RAX, vmm_64bit_mode(vcpu) ? result : (u32)result);
	return vmm_skip_instruction(vcpu);
}

/*
 * KVM_HC_MAP_GPA_RANGE: the guest tells which memory is shared with the host; what to
 * make of it is for user space, if it wants to hear of it (KVM_CAP_EXIT_HYPERCALL).
 * 0: it is told; else the error for the guest.
 */
static long map_gpa_range(struct vmm_vcpu *vcpu, u64 gpa, u64 npages, u64 attributes, bool wide)
{
	struct kvm_run *run = vcpu->run;
	u64 gfn = gpa >> PAGE_SHIFT;

	if (!(READ_ONCE(vcpu->vm->hypercall_exits) & BIT(KVM_HC_MAP_GPA_RANGE)))
		return -KVM_ENOSYS;
	if (!PAGE_ALIGNED(gpa) || gfn + npages <= gfn)
		return -KVM_EINVAL;
	run->exit_reason = KVM_EXIT_HYPERCALL;
	memset(&run->hypercall, 0, sizeof(run->hypercall));
	run->hypercall.nr = KVM_HC_MAP_GPA_RANGE;
	run->hypercall.args[0] = gpa;
	run->hypercall.args[1] = npages;
	run->hypercall.args[2] = attributes;
	vmm_compat_hypercall_mode(run, wide);
	vmm_complete_with(vcpu, complete_exit);
	return 0;
}

/* Numbers of hypercalls, and the feature by which a guest knows that it may call. */
static bool offered(struct vmm_vcpu *vcpu, unsigned long nr)
{
	switch (nr) {
	case KVM_HC_KICK_CPU:
		return vmm_pv_has(vcpu, KVM_FEATURE_PV_UNHALT);
	case KVM_HC_SEND_IPI:
		return vmm_pv_has(vcpu, KVM_FEATURE_PV_SEND_IPI);
	case KVM_HC_SCHED_YIELD:
		return vmm_pv_has(vcpu, KVM_FEATURE_PV_SCHED_YIELD);
	default:
		return true;
	}
}

/**
 * vmm_hypercall() - exit handler of VMCALL and VMMCALL
 * @vcpu: its thread, SRCU held; but see vmm_hypercall_quickly()
 *
 * Only the guest's kernel may call. Calls that belong to features the guest was not
 * told of answer -KVM_ENOSYS like unknown ones.
 *
 * Return: as an exit handler.
 */
int vmm_hypercall(struct vmm_vcpu *vcpu)
{
	unsigned long nr = vmm_reg(vcpu, VMM_RAX);
	unsigned long a0 = vmm_reg(vcpu, VMM_RBX), a1 = vmm_reg(vcpu, VMM_RCX);
	unsigned long a2 = vmm_reg(vcpu, VMM_RDX), a3 = vmm_reg(vcpu, VMM_RSI);
	bool wide = vmm_64bit_mode(vcpu);
	long result;

	if (!wide) {
		nr = (u32)nr;
		a0 = (u32)a0;
		a1 = (u32)a1;
		a2 = (u32)a2;
		a3 = (u32)a3;
	}
	vcpu->stats.hypercalls++;
	trace_vmm_hypercall(nr, a0, a1, a2, a3);

	if (vmm_backend.cpl(vcpu)) {
		result = -KVM_EPERM;
	} else if (!offered(vcpu, nr)) {
		result = -KVM_ENOSYS;
	} else {
		switch (nr) {
		case KVM_HC_VAPIC_POLL_IRQ:
			/* The exit was all the caller wanted. */
			result = 0;
			break;
		case KVM_HC_KICK_CPU:
			kick_cpu(vcpu, a1);
			result = 0;
			break;
		case KVM_HC_SEND_IPI:
			result = send_ipi(vcpu, a0, a1, a2, a3, wide);
			break;
		case KVM_HC_SCHED_YIELD:
			sched_yield_to(vcpu, a0);
			result = 0;
			break;
		case KVM_HC_MAP_GPA_RANGE:
			result = map_gpa_range(vcpu, a0, a1, a2, wide);
			if (!result)
				return 0;
			break;
		case KVM_HC_CLOCK_PAIRING:
			result = clock_pairing(vcpu, a0, a1);
			break;
		default:
			result = -KVM_ENOSYS;
		}
	}
	vmm_set_reg(vcpu, VMM_RAX, wide ? result : (u32)result);
	return vmm_skip_instruction(vcpu);
}

/**
 * vmm_hypercall_quickly() - VMCALL or VMMCALL with interrupts off
 * @vcpu: its thread, SRCU not held
 *
 * Not the calls that yield to another thread or touch memory of the guest.
 *
 * Return: as vmm_handle_quickly().
 */
int vmm_hypercall_quickly(struct vmm_vcpu *vcpu)
{
	switch ((u32)vmm_reg(vcpu, VMM_RAX)) {
	case KVM_HC_KICK_CPU:
	case KVM_HC_SCHED_YIELD:
	case KVM_HC_CLOCK_PAIRING:
		return VMM_NOT_NOW;
	default:
		return vmm_hypercall(vcpu);
	}
}
