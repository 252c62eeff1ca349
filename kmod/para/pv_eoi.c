// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtual EOI (MSR_KVM_PV_EOI_EN, the kernel's Documentation/virt/kvm/x86/msr.rst).
 *
 * The guest gives a byte of its memory. While bit 0 is set there, the end of the one
 * interrupt in service may be told by clearing it instead of writing the EOI
 * register, which saves an exit. We set it only before an entry where nothing depends
 * on hearing of the EOI at once, and look at the next exit what became of it.
 */
#include <linux/slab.h>

#include "para.h"

#define RESERVED	BIT_ULL(1)	/* the address is four bytes aligned */

struct vmm_pv_eoi {
	u64 msr;
	struct vmm_gpa_cache cache;
};

/**
 * vmm_pv_eoi_create() - a new vCPU
 * @vcpu: not yet published
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_pv_eoi_create(struct vmm_vcpu *vcpu)
{
	vcpu->pv_eoi = kzalloc(sizeof(*vcpu->pv_eoi), GFP_KERNEL_ACCOUNT);
	return vcpu->pv_eoi ? 0 : -ENOMEM;
}

/**
 * vmm_pv_eoi_destroy() - undo vmm_pv_eoi_create(), if it was called
 * @vcpu: nobody's any more
 */
void vmm_pv_eoi_destroy(struct vmm_vcpu *vcpu)
{
	kfree(vcpu->pv_eoi);
	vcpu->pv_eoi = NULL;
}

/**
 * vmm_pv_eoi_reset() - RESET and INIT: off
 * @vcpu: its thread, or not yet published
 */
void vmm_pv_eoi_reset(struct vmm_vcpu *vcpu)
{
	memset(vcpu->pv_eoi, 0, sizeof(*vcpu->pv_eoi));
}

/**
 * vmm_pv_eoi_get() - read MSR_KVM_PV_EOI_EN
 * @vcpu: its thread
 *
 * Return: as written.
 */
u64 vmm_pv_eoi_get(struct vmm_vcpu *vcpu)
{
	return vcpu->pv_eoi->msr;
}

/**
 * vmm_pv_eoi_set() - write MSR_KVM_PV_EOI_EN
 * @vcpu: its thread, SRCU held
 * @data: bit 0 on; bits 63:2 address
 *
 * Return: 0; 1 (#GP) for a reserved bit or an address without memory.
 */
int vmm_pv_eoi_set(struct vmm_vcpu *vcpu, u64 data)
{
	struct vmm_pv_eoi *pv = vcpu->pv_eoi;
	struct vmm_gpa_cache cache = { };

	if (data & RESERVED)
		return 1;
	if ((data & KVM_MSR_ENABLED) &&
	    vmm_gpa_cache_init(vcpu->vm, &cache, data & ~(u64)KVM_MSR_ENABLED, 1))
		return 1;
	/* An offer still standing belongs to the old address. */
	vmm_pv_eoi_sync_from(vcpu);
	pv->cache = cache;
	pv->msr = data;
	return 0;
}

/**
 * vmm_pv_eoi_sync_to() - before entry: offer the guest to skip the next EOI write
 * @vcpu: its thread, SRCU held; after the interrupt to inject has been chosen
 */
void vmm_pv_eoi_sync_to(struct vmm_vcpu *vcpu)
{
	struct vmm_pv_eoi *pv = vcpu->pv_eoi;
	u8 bit = KVM_PV_EOI_ENABLED;

	if (!(pv->msr & KVM_MSR_ENABLED) || !vcpu->lapic)
		return;
	/* The last entry was called off: start over, things may have changed. */
	if (vcpu->pv_eoi_offered)
		vmm_pv_eoi_sync_from(vcpu);
	if (!vmm_lapic_pv_eoi_allowed(vcpu))
		return;
	vcpu->pv_eoi_offered = !vmm_gpa_cache_write(vcpu->vm, &pv->cache, &bit, 0, 1);
}

/**
 * vmm_pv_eoi_sync_from() - after an exit: did the guest take the offer?
 * @vcpu: its thread, SRCU held, before anything looks at the LAPIC's ISR
 */
void vmm_pv_eoi_sync_from(struct vmm_vcpu *vcpu)
{
	struct vmm_pv_eoi *pv = vcpu->pv_eoi;
	u8 byte, none = 0;

	if (!vcpu->pv_eoi_offered)
		return;
	vcpu->pv_eoi_offered = false;
	if (vmm_gpa_cache_read(vcpu->vm, &pv->cache, &byte, 0, 1))
		return;
	if (byte & KVM_PV_EOI_ENABLED)
		vmm_gpa_cache_write(vcpu->vm, &pv->cache, &none, 0, 1);
	else
		vmm_lapic_eoi(vcpu);
}
