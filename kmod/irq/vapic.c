// SPDX-License-Identifier: GPL-2.0-only
/*
 * Help for guests that write the TPR all the time (32-bit Windows): user space learns
 * of each access (KVM_TPR_ACCESS_REPORTING), patches the instruction, and the patched
 * code keeps the TPR in a word of guest memory instead (KVM_SET_VAPIC_ADDR), which is
 * what is synchronized here: TPR in, and TPR, highest ISR and highest IRR out, a byte
 * each (7:0, 15:8, 31:24), so that the guest sees whether lowering the TPR needs us.
 */
#include "internal.h"
#include "lapic.h"
#include "ioctl.h"

/**
 * vmm_set_vapic_addr() - KVM_SET_VAPIC_ADDR
 * @vcpu: vCPU thread, SRCU held
 * @addr: guest-physical address of the word; 0: off
 *
 * Return: 0; -EINVAL without a LAPIC here, or where there is no memory.
 */
int vmm_set_vapic_addr(struct vmm_vcpu *vcpu, const struct kvm_vapic_addr *addr)
{
	struct vmm_lapic *lapic = vcpu->lapic;

	if (!lapic)
		return -EINVAL;
	if (addr->vapic_addr &&
	    vmm_gpa_cache_init(vcpu->vm, &lapic->vapic, addr->vapic_addr, sizeof(u32)))
		return -EINVAL;
	vcpu->vapic = addr->vapic_addr;
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	return 0;
}

/**
 * vmm_tpr_reporting() - KVM_TPR_ACCESS_REPORTING
 * @vcpu: vCPU thread
 * @ctl: on or off
 *
 * Return: 0, or -EINVAL for flags.
 */
int vmm_tpr_reporting(struct vmm_vcpu *vcpu, const struct kvm_tpr_access_ctl *ctl)
{
	if (ctl->flags)
		return -EINVAL;
	vcpu->tpr_access.report = ctl->enabled;
	return 0;
}

/**
 * vmm_vapic_sync_from() - after an exit: the guest's word becomes the TPR
 * @vcpu: vCPU thread, SRCU held, vcpu->vapic is set
 */
void vmm_vapic_sync_from(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;
	u32 word;

	if (vmm_gpa_cache_read(vcpu->vm, &lapic->vapic, &word, 0, sizeof(word)))
		return;
	if ((word & 0xff) == lapic_reg(lapic, APIC_TASKPRI))
		return;
	lapic_set_reg(lapic, APIC_TASKPRI, word & 0xff);
	vmm_make_request(vcpu, VMM_REQ_EVENT);
}

/**
 * vmm_vapic_sync_to() - before an entry: the word tells the guest of TPR, ISR and IRR
 * @vcpu: vCPU thread, SRCU held, vcpu->vapic is set
 */
void vmm_vapic_sync_to(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;
	int isr = max(lapic->highest_isr, 0), irr = max(lapic_highest_irr(lapic), 0);
	u32 word = lapic_reg(lapic, APIC_TASKPRI) & 0xff;

	word |= (isr & 0xf0) << 8 | (u32)irr << 24;
	vmm_gpa_cache_write(vcpu->vm, &lapic->vapic, &word, 0, sizeof(word));
}
