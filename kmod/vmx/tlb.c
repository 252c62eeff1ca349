// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tags and flushes (SDM 29.4). With EPT the TLB holds guest-physical translations,
 * tagged by EPT pointer, and combined ones, tagged by EPT pointer, VPID and PCID.
 * When to flush is mmu/flush.c's business; how is said here.
 */
#include <linux/idr.h>

#include "vmx/vmx.h"

static DEFINE_IDA(vpids);

/**
 * vmx_vpid_alloc() - a VPID of the vCPU's own
 *
 * Return: 1..65535; 0 when there are no VPIDs or none is left, which makes every
 * entry and exit flush.
 */
u16 vmx_vpid_alloc(void)
{
	int vpid;

	if (!(vmx_config.secondary & SECONDARY_EXEC_ENABLE_VPID))
		return 0;
	vpid = ida_alloc_range(&vpids, 1, VMX_NR_VPIDS - 1, GFP_KERNEL);
	return max(vpid, 0);
}

/**
 * vmx_vpid_free() - its next owner flushes on every CPU it comes to
 * @vpid: from vmx_vpid_alloc(), or 0
 */
void vmx_vpid_free(u16 vpid)
{
	if (vpid)
		ida_free(&vpids, vpid);
}

/**
 * vmx_flush_tlb() - drop all translations of this guest's memory on this CPU
 * @vcpu: loaded, preemption off
 */
void vmx_flush_tlb(struct vmm_vcpu *vcpu)
{
	u64 eptp = to_vmx(vcpu)->eptp;

	/* Without a root nothing can have been cached under one. */
	if (!eptp)
		return;
	if (vmx_config.ept_vpid & VMX_EPT_EXTENT_CONTEXT_BIT)
		vmx_invept(VMX_EPT_EXTENT_CONTEXT, eptp, 0);
	else
		vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0, 0);
}

/**
 * vmx_flush_tlb_guest() - drop this vCPU's linear translations on this CPU
 * @vcpu: loaded, preemption off
 */
void vmx_flush_tlb_guest(struct vmm_vcpu *vcpu)
{
	u16 vpid = to_vmx(vcpu)->vpid;

	if (!vpid)
		return;		/* each entry flushes */
	if (vmx_config.ept_vpid >> 32 & VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT)
		vmx_invvpid(VMX_VPID_EXTENT_SINGLE_CONTEXT, vpid, 0);
	else
		vmx_invvpid(VMX_VPID_EXTENT_ALL_CONTEXT, 0, 0);
}

/**
 * vmx_flush_tlb_gva() - drop one linear address's translation
 * @vcpu: loaded, preemption off
 * @gva: any address in the page
 */
void vmx_flush_tlb_gva(struct vmm_vcpu *vcpu, u64 gva)
{
	u16 vpid = to_vmx(vcpu)->vpid;

	if (!vpid)
		return;
	/* INVVPID fails for an address that is not canonical; nothing is cached for one. */
	if (!__is_canonical_address(gva, boot_cpu_data.x86_virt_bits))
		return;
	if (vmx_config.ept_vpid >> 32 & VMX_VPID_EXTENT_INDIVIDUAL_ADDR_BIT)
		vmx_invvpid(VMX_VPID_EXTENT_INDIVIDUAL_ADDR, vpid, gva);
	else
		vmx_flush_tlb_guest(vcpu);
}

/**
 * vmx_set_root() - the EPT root for the next entry (SDM 25.6.11)
 * @vcpu: loaded, preemption off
 * @root_pa: host-physical address of the top table
 * @levels: 4 or 5
 */
void vmx_set_root(struct vmm_vcpu *vcpu, u64 root_pa, int levels)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u64 eptp = root_pa | VMX_EPTP_MT_WB | (u64)(levels - 1) << 3;

	if (vmx_config.ept_vpid & VMX_EPT_AD_BIT)
		eptp |= VMX_EPTP_AD_ENABLE_BIT;
	if (vmx->eptp == eptp)
		return;
	vmx->eptp = eptp;
	vmcs_write(EPT_POINTER, eptp);
	/* The page may have been another guest's root before. */
	vmx_flush_tlb(vcpu);
}
