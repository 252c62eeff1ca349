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

/**
 * vmm_hypercall() - exit handler of VMCALL and VMMCALL
 * @vcpu: its thread, SRCU held
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
	} else {
		switch (nr) {
		case KVM_HC_VAPIC_POLL_IRQ:
			/* The exit was all the caller wanted. */
			result = 0;
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
