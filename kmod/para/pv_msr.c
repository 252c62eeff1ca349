// SPDX-License-Identifier: GPL-2.0-only
/*
 * The paravirtual MSRs, by number, and the feature each belongs to: where the guest's
 * CPUID is enforced, an MSR of a feature it was not given is unknown, and it gets #GP.
 */
#include "para.h"

/* The KVM_FEATURE_* an MSR belongs to; -1: not one of ours. */
static int feature_of(u32 index)
{
	switch (index) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_SYSTEM_TIME:
		return KVM_FEATURE_CLOCKSOURCE;
	case MSR_KVM_WALL_CLOCK_NEW:
	case MSR_KVM_SYSTEM_TIME_NEW:
		return KVM_FEATURE_CLOCKSOURCE2;
	case MSR_KVM_ASYNC_PF_EN:
		return KVM_FEATURE_ASYNC_PF;
	case MSR_KVM_ASYNC_PF_INT:
	case MSR_KVM_ASYNC_PF_ACK:
		return KVM_FEATURE_ASYNC_PF_INT;
	case MSR_KVM_STEAL_TIME:
		return KVM_FEATURE_STEAL_TIME;
	case MSR_KVM_PV_EOI_EN:
		return KVM_FEATURE_PV_EOI;
	case MSR_KVM_POLL_CONTROL:
		return KVM_FEATURE_POLL_CONTROL;
	default:
		return -1;
	}
}

/**
 * vmm_pv_msr() - is it one of ours?
 * @index: MSR number
 *
 * Return: true when vmm_pv_msr_get() and vmm_pv_msr_set() know it.
 */
bool vmm_pv_msr(u32 index)
{
	/* All but the two oldest have KVM's initials in their numbers. */
	if (index >> 8 != MSR_KVM_WALL_CLOCK_NEW >> 8 && index != MSR_KVM_WALL_CLOCK &&
	    index != MSR_KVM_SYSTEM_TIME)
		return false;
	return feature_of(index) >= 0;
}

/**
 * vmm_pv_msr_get() - read a paravirtual MSR
 * @vcpu: its thread
 * @msr: vmm_pv_msr() was asked; data is filled
 *
 * Return: 0, or VMM_MSR_UNKNOWN for what the guest's CPUID does not offer.
 */
int vmm_pv_msr_get(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	if (!vmm_pv_has(vcpu, feature_of(msr->index)))
		return VMM_MSR_UNKNOWN;
	switch (msr->index) {
	case MSR_KVM_ASYNC_PF_EN:
	case MSR_KVM_ASYNC_PF_INT:
	case MSR_KVM_ASYNC_PF_ACK:
		msr->data = vmm_async_pf_get(vcpu, msr->index);
		return 0;
	case MSR_KVM_STEAL_TIME:
		msr->data = vmm_steal_get(vcpu);
		return 0;
	case MSR_KVM_PV_EOI_EN:
		msr->data = vmm_pv_eoi_get(vcpu);
		return 0;
	case MSR_KVM_POLL_CONTROL:
		msr->data = !vcpu->no_halt_poll;
		return 0;
	default:
		return vmm_kvmclock_msr_get(vcpu, msr);
	}
}

/**
 * vmm_pv_msr_set() - write a paravirtual MSR
 * @vcpu: its thread, SRCU held
 * @msr: vmm_pv_msr() was asked; what to write
 *
 * Return: 0, 1 for #GP, or VMM_MSR_UNKNOWN for what the guest's CPUID does not offer.
 */
int vmm_pv_msr_set(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	if (!vmm_pv_has(vcpu, feature_of(msr->index)))
		return VMM_MSR_UNKNOWN;
	switch (msr->index) {
	case MSR_KVM_ASYNC_PF_EN:
	case MSR_KVM_ASYNC_PF_INT:
	case MSR_KVM_ASYNC_PF_ACK:
		return vmm_async_pf_set(vcpu, msr);
	case MSR_KVM_STEAL_TIME:
		return vmm_steal_set(vcpu, msr->data);
	case MSR_KVM_PV_EOI_EN:
		return vmm_pv_eoi_set(vcpu, msr->data);
	case MSR_KVM_POLL_CONTROL:
		/* Bit 0: look for work before sleeping in HLT. Guests that poll themselves clear it. */
		if (msr->data & ~1ull)
			return 1;
		vcpu->no_halt_poll = !msr->data;
		return 0;
	default:
		return vmm_kvmclock_msr_set(vcpu, msr);
	}
}
