// SPDX-License-Identifier: GPL-2.0-only
/*
 * The paravirtual MSRs, by number. Those of features we do not announce are not here:
 * they are unknown, and the guest gets #GP.
 */
#include "para.h"

/**
 * vmm_pv_msr() - is it one of ours?
 * @index: MSR number
 *
 * Return: true when vmm_pv_msr_get() and vmm_pv_msr_set() know it.
 */
bool vmm_pv_msr(u32 index)
{
	return vmm_kvmclock_msr(index) || index == MSR_KVM_PV_EOI_EN;
}

/**
 * vmm_pv_msr_get() - read a paravirtual MSR
 * @vcpu: its thread
 * @msr: data is filled
 *
 * Return: 0, or VMM_MSR_UNKNOWN.
 */
int vmm_pv_msr_get(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	if (vmm_kvmclock_msr(msr->index))
		return vmm_kvmclock_msr_get(vcpu, msr);
	if (msr->index != MSR_KVM_PV_EOI_EN)
		return VMM_MSR_UNKNOWN;
	msr->data = vmm_pv_eoi_get(vcpu);
	return 0;
}

/**
 * vmm_pv_msr_set() - write a paravirtual MSR
 * @vcpu: its thread, SRCU held
 * @msr: what to write
 *
 * Return: 0, 1 for #GP, or VMM_MSR_UNKNOWN.
 */
int vmm_pv_msr_set(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	if (vmm_kvmclock_msr(msr->index))
		return vmm_kvmclock_msr_set(vcpu, msr);
	if (msr->index != MSR_KVM_PV_EOI_EN)
		return VMM_MSR_UNKNOWN;
	return vmm_pv_eoi_set(vcpu, msr->data);
}
