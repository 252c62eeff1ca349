// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes of control registers, EFER and XCR0: the checks of SDM 2.5 and APM 3.1,
 * then every side effect. Called for guests; user space's SET_SREGS has its own
 * checks, since it sets them all at once.
 */
#include "vmm.h"

#define CR0_KNOWN	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | \
			 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | \
			 X86_CR0_PG)
/* Bits whose change makes cached linear translations wrong (SDM 4.10.4.1). */
#define CR0_FLUSH	(X86_CR0_PG | X86_CR0_WP | X86_CR0_PE)
#define CR4_FLUSH	(X86_CR4_PGE | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_SMEP | X86_CR4_SMAP | \
			 X86_CR4_PKE | X86_CR4_LA57)
#define CR4_PDPTR	(X86_CR4_PGE | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_SMEP)

static bool pae_paging(struct vmm_vcpu *vcpu, unsigned long cr0, unsigned long cr4)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !vmm_long_mode(vcpu);
}

/**
 * vmm_set_cr0() - the guest writes CR0
 * @vcpu: vCPU thread, SRCU held
 * @value: the operand
 *
 * Return: 0, or 1 when the guest is to get #GP(0).
 */
int vmm_set_cr0(struct vmm_vcpu *vcpu, unsigned long value)
{
	unsigned long old = vmm_cr0(vcpu);
	int db, l;

	if (value >> 32)
		return 1;
	value = (value & CR0_KNOWN) | X86_CR0_ET;
	if ((value & X86_CR0_NW) && !(value & X86_CR0_CD))
		return 1;
	if ((value & X86_CR0_PG) && !(value & X86_CR0_PE))
		return 1;
	if ((value & X86_CR0_PG) && !(old & X86_CR0_PG)) {
		if (vcpu->efer & EFER_LME) {
			if (!(vmm_cr4(vcpu) & X86_CR4_PAE))
				return 1;
			vmm_backend.cs_db_l(vcpu, &db, &l);
			if (l)
				return 1;
		} else if ((vmm_cr4(vcpu) & X86_CR4_PAE) &&
			   vmm_load_pdptrs(vcpu, vmm_cr3(vcpu))) {
			return 1;
		}
	}
	/* PCIDs cannot outlive paging. */
	if (!(value & X86_CR0_PG) && (old & X86_CR0_PG)) {
		if (vmm_cr4(vcpu) & X86_CR4_PCIDE)
			return 1;
		if (vmm_64bit_mode(vcpu))
			return 1;
	}
	if (!(value & X86_CR0_WP) && (vmm_cr4(vcpu) & X86_CR4_CET))
		return 1;

	if ((value ^ old) & X86_CR0_PG && (vcpu->efer & EFER_LME)) {
		vcpu->efer = value & X86_CR0_PG ? vcpu->efer | EFER_LMA : vcpu->efer & ~EFER_LMA;
		vmm_backend.set_efer(vcpu, vcpu->efer);
	}
	vmm_backend.set_cr0(vcpu, value);
	vcpu->cr0 = value;
	vcpu->avail |= BIT(VMM_REG_CR0);
	if ((value ^ old) & CR0_FLUSH)
		vmm_make_request(vcpu, VMM_REQ_TLB_FLUSH_GUEST);
	return 0;
}

/**
 * vmm_lmsw() - LMSW: the low four bits of CR0, PE only from 0 to 1 (SDM LMSW)
 * @vcpu: vCPU thread, SRCU held
 * @msw: the operand
 */
void vmm_lmsw(struct vmm_vcpu *vcpu, unsigned long msw)
{
	unsigned long cr0 = vmm_cr0(vcpu);

	vmm_set_cr0(vcpu, (cr0 & ~0xeul) | (msw & 0xf));
}

/**
 * vmm_set_cr3() - the guest writes CR3
 * @vcpu: vCPU thread, SRCU held
 * @value: the operand; bit 63 (keep the PCID's translations) is taken off
 *
 * Return: 0, or 1 for #GP(0).
 */
int vmm_set_cr3(struct vmm_vcpu *vcpu, unsigned long value)
{
	bool flush = true;

	if (vmm_cr4(vcpu) & X86_CR4_PCIDE) {
		flush = !(value >> 63);
		value &= ~BIT_ULL(63);
	}
	if (vmm_long_mode(vcpu)) {
		if (value & ~GENMASK_ULL(vcpu->caps.maxphyaddr - 1, 0))
			return 1;
	} else if (pae_paging(vcpu, vmm_cr0(vcpu), vmm_cr4(vcpu)) &&
		   vmm_load_pdptrs(vcpu, value)) {
		return 1;
	}
	vmm_backend.set_cr3(vcpu, value);
	vcpu->cr3 = value;
	vcpu->avail |= BIT(VMM_REG_CR3);
	if (flush)
		vmm_make_request(vcpu, VMM_REQ_TLB_FLUSH_GUEST);
	return 0;
}

/**
 * vmm_set_cr4() - the guest writes CR4
 * @vcpu: vCPU thread, SRCU held
 * @value: the operand
 *
 * Return: 0, or 1 for #GP(0).
 */
int vmm_set_cr4(struct vmm_vcpu *vcpu, unsigned long value)
{
	unsigned long old = vmm_cr4(vcpu);

	if (value & vcpu->caps.cr4_reserved || !vmm_backend.cr4_valid(vcpu, value))
		return 1;
	if (vmm_long_mode(vcpu)) {
		if (!(value & X86_CR4_PAE))
			return 1;
		if ((value ^ old) & X86_CR4_LA57)
			return 1;
	} else if (pae_paging(vcpu, vmm_cr0(vcpu), value) && ((value ^ old) & CR4_PDPTR) &&
		   vmm_load_pdptrs(vcpu, vmm_cr3(vcpu))) {
		return 1;
	}
	if ((value & X86_CR4_PCIDE) && !(old & X86_CR4_PCIDE)) {
		/* SDM 4.10.1: only in long mode and from PCID 0. */
		if (!vmm_long_mode(vcpu) || (vmm_cr3(vcpu) & 0xfff))
			return 1;
	}
	vmm_backend.set_cr4(vcpu, value);
	vcpu->cr4 = value;
	vcpu->avail |= BIT(VMM_REG_CR4);
	if (((value ^ old) & CR4_FLUSH) || (!(value & X86_CR4_PCIDE) && (old & X86_CR4_PCIDE)))
		vmm_make_request(vcpu, VMM_REQ_TLB_FLUSH_GUEST);
	if ((value ^ old) & (X86_CR4_OSXSAVE | X86_CR4_PKE))
		vmm_cpuid_update_runtime(vcpu);
	return 0;
}

/**
 * vmm_set_cr8() - the guest or user space writes CR8
 * @vcpu: vCPU thread
 * @value: task priority, 0-15
 *
 * Return: 0, or 1 for #GP(0).
 */
int vmm_set_cr8(struct vmm_vcpu *vcpu, unsigned long value)
{
	if (value & ~0xful)
		return 1;
	if (vcpu->lapic)
		vmm_lapic_set_tpr(vcpu, value);
	else
		vcpu->cr8 = value;
	return 0;
}

/**
 * vmm_set_efer() - IA32_EFER is written
 * @vcpu: vCPU thread
 * @value: new value
 * @host_initiated: by user space, which may also set bits CPUID denies
 *
 * Return: 0, or 1 for #GP(0).
 */
int vmm_set_efer(struct vmm_vcpu *vcpu, u64 value, bool host_initiated)
{
	u64 old = vcpu->efer;

	if (value & ~(vcpu->caps.efer_allowed | EFER_LMA) && !host_initiated)
		return 1;
	if (value & ~vmm_efer_supported())
		return 1;
	/* LME may not change while paging (SDM 9.8.5). */
	if (!host_initiated && vmm_paging(vcpu) && ((old ^ value) & EFER_LME))
		return 1;
	/* LMA follows CR0.PG: read-only, and for user space a matter of KVM_SET_SREGS. */
	value = (value & ~(u64)EFER_LMA) | (old & EFER_LMA);
	vcpu->efer = value;
	vmm_backend.set_efer(vcpu, value);
	if ((old ^ value) & EFER_NX)
		vmm_make_request(vcpu, VMM_REQ_TLB_FLUSH_GUEST);
	return 0;
}

/**
 * vmm_set_xcr() - XSETBV or KVM_SET_XCRS (SDM 13.3)
 * @vcpu: vCPU thread
 * @index: only XCR0 exists
 * @value: state components to enable
 *
 * Return: 0, or 1 for #GP(0).
 */
int vmm_set_xcr(struct vmm_vcpu *vcpu, u32 index, u64 value)
{
	if (index != 0)
		return 1;
	if (!(value & XFEATURE_MASK_FP))
		return 1;
	if ((value & XFEATURE_MASK_YMM) && !(value & XFEATURE_MASK_SSE))
		return 1;
	if (value & ~(vcpu->caps.xcr0 | XFEATURE_MASK_FP))
		return 1;
	if (!(value & XFEATURE_MASK_BNDREGS) != !(value & XFEATURE_MASK_BNDCSR))
		return 1;
	if (value & XFEATURE_MASK_AVX512) {
		if (!(value & XFEATURE_MASK_YMM))
			return 1;
		if ((value & XFEATURE_MASK_AVX512) != XFEATURE_MASK_AVX512)
			return 1;
	}
	vcpu->xcr0 = value;
	vmm_cpuid_update_runtime(vcpu);
	return 0;
}
