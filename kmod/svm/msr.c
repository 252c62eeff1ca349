// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which MSRs and ports the guest may touch by itself (APM 15.10, 15.11), and the
 * MSRs that live in the VMCB or are AMD's own.
 */
#define pr_fmt(fmt) "vmm: svm: " fmt

#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mem_encrypt.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>

#include "svm.h"

#define MSRPM_ORDER	1		/* 8 KiB: three ranges of 2,048 bytes, the rest reserved */
#define IOPM_ORDER	2		/* 12 KiB: 65,536 bits, and the accesses that start near the end */

u64 svm_iopm_pa;
static struct page *iopm;

int svm_msr_setup(void)
{
	iopm = alloc_pages(GFP_KERNEL, IOPM_ORDER);
	if (!iopm)
		return -ENOMEM;
	/* Every port exits. */
	memset(page_address(iopm), 0xff, PAGE_SIZE << IOPM_ORDER);
	svm_iopm_pa = __sme_set(page_to_phys(iopm));
	return 0;
}

void svm_msr_unsetup(void)
{
	__free_pages(iopm, IOPM_ORDER);
}

/**
 * svm_msrpm_alloc() - a permission map by which every MSR exits
 *
 * Return: the map, or NULL.
 */
u32 *svm_msrpm_alloc(void)
{
	struct page *page = alloc_pages(GFP_KERNEL_ACCOUNT, MSRPM_ORDER);

	if (!page)
		return NULL;
	memset(page_address(page), 0xff, PAGE_SIZE << MSRPM_ORDER);
	return page_address(page);
}

void svm_msrpm_free(u32 *msrpm)
{
	free_pages((unsigned long)msrpm, MSRPM_ORDER);
}

/* Two bits per MSR, read then write, in three ranges of 8,192 MSRs. -1: not covered, exits. */
static int msrpm_bit(u32 msr)
{
	static const u32 base[] = { 0, 0xc0000000, 0xc0010000 };
	int i;

	for (i = 0; i < ARRAY_SIZE(base); i++)
		if (msr - base[i] < 0x2000)
			return (i * 0x2000 + (msr - base[i])) * 2;
	return -1;
}

/* Choose whether the guest's RDMSR and WRMSR of an MSR exit; what the filter denies does. */
static void intercept(struct vmm_vcpu *vcpu, u32 msr, bool read, bool write)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	int bit = msrpm_bit(msr);
	u32 *word;

	if (WARN_ON_ONCE(bit < 0))
		return;
	read |= !vmm_msr_allowed(vcpu, msr, false);
	write |= !vmm_msr_allowed(vcpu, msr, true);
	word = &svm->msrpm[bit / 32];
	*word &= ~(3u << (bit % 32));
	*word |= ((u32)read | (u32)write << 1) << (bit % 32);
	svm_dirty(svm, CLEAN_IOPM);
}

/*
 * Reading MSR TSC could be passed, too (offset and ratio apply, APM 15.30.5), but QEMU's
 * TCG answers 0, and nobody reads it often.
 *
 * Allow: what VMLOAD and VMSAVE switch. The guest's values are in its VMCB whenever
 * the host looks, and no value can hurt the host.
 */
static const u32 passed[] = {
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
};

/**
 * svm_msr_reset() - the permission map and MSRs of a vCPU after RESET
 * @svm: vcpu->mutex held
 */
void svm_msr_reset(struct svm_vcpu *svm)
{
	struct vmm_vcpu *vcpu = &svm->vcpu;
	int i;

	memset(svm->msrpm, 0xff, PAGE_SIZE << MSRPM_ORDER);
	for (i = 0; i < ARRAY_SIZE(passed); i++)
		intercept(vcpu, passed[i], false, false);

	svm->spec_ctrl_free = false;
	vcpu->spec_ctrl = 0;
	vcpu->virt_spec_ctrl = 0;
	svm->vmcb->spec_ctrl = 0;
	/* A guest that sees LFENCE serializing need not, and may not, set it itself. */
	svm->de_cfg = boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ?
		      MSR_AMD64_DE_CFG_LFENCE_SERIALIZE : 0;
}

/**
 * svm_msr_cpuid_changed() - the guest's CPUID says which MSRs it has
 * @svm: vcpu->mutex held
 *
 * Without V_SPEC_CTRL, SPEC_CTRL is passed through from the guest's first write
 * that is not zero on: until then no exit has to read and restore it.
 */
void svm_msr_cpuid_changed(struct svm_vcpu *svm)
{
	struct vmm_vcpu *vcpu = &svm->vcpu;
	bool allow = vcpu->caps.spec_ctrl && svm_features.v_spec_ctrl;

	if (!vcpu->caps.spec_ctrl)
		svm->spec_ctrl_free = false;
	allow |= svm->spec_ctrl_free;
	intercept(vcpu, MSR_IA32_SPEC_CTRL, !allow, !allow);
	/* Reads of the command register fault. */
	intercept(vcpu, MSR_IA32_PRED_CMD, true, !(vcpu->caps.ibpb && svm_features.ibpb));
}

/**
 * svm_msr_filter_changed() - let what does not exit follow user space's filter
 * @vcpu: vcpu->mutex held
 */
void svm_msr_filter_changed(struct vmm_vcpu *vcpu)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(passed); i++)
		intercept(vcpu, passed[i], false, false);
	svm_msr_cpuid_changed(to_svm(vcpu));
}

static u64 *vmcb_msr(struct svm_vcpu *svm, u32 index)
{
	struct vmcb *vmcb = svm->vmcb;

	switch (index) {
	case MSR_FS_BASE:
		return &vmcb->fs.base;
	case MSR_GS_BASE:
		return &vmcb->gs.base;
	case MSR_KERNEL_GS_BASE:
		return &vmcb->kernel_gs_base;
	case MSR_STAR:
		return &vmcb->star;
	case MSR_LSTAR:
		return &vmcb->lstar;
	case MSR_CSTAR:
		return &vmcb->cstar;
	case MSR_SYSCALL_MASK:
		return &vmcb->sfmask;
	case MSR_IA32_SYSENTER_CS:
		return &vmcb->sysenter_cs;
	case MSR_IA32_SYSENTER_ESP:
		return &vmcb->sysenter_esp;
	case MSR_IA32_SYSENTER_EIP:
		return &vmcb->sysenter_eip;
	}
	return NULL;
}

/**
 * svm_get_msr() - read an MSR that this backend keeps
 * @vcpu: vcpu->mutex held
 * @msr: .data is filled
 *
 * Return: 0; 1, the guest gets #GP; VMM_MSR_UNKNOWN.
 */
int svm_get_msr(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 *field = vmcb_msr(svm, msr->index);

	if (field) {
		msr->data = *field;
		return 0;
	}
	switch (msr->index) {
	case MSR_TSC_AUX:
		if (!svm_features.tsc_aux || (!msr->host && !vcpu->caps.rdtscp))
			return 1;
		msr->data = vcpu->tsc_aux;
		return 0;
	case MSR_IA32_SPEC_CTRL:
		if (!svm_features.spec_ctrl || (!msr->host && !vcpu->caps.spec_ctrl))
			return 1;
		msr->data = svm_features.v_spec_ctrl ? svm->vmcb->spec_ctrl : vcpu->spec_ctrl;
		return 0;
	case MSR_AMD64_VIRT_SPEC_CTRL:
		if (!msr->host && !vcpu->caps.virt_ssbd)
			return 1;
		msr->data = vcpu->virt_spec_ctrl;
		return 0;
	case MSR_AMD64_DE_CFG:
		msr->data = svm->de_cfg;
		return 0;
	}
	return VMM_MSR_UNKNOWN;
}

static int set_spec_ctrl(struct vmm_vcpu *vcpu, const struct vmm_msr *msr)
{
	const u64 known = SPEC_CTRL_IBRS | SPEC_CTRL_STIBP | SPEC_CTRL_SSBD;
	struct svm_vcpu *svm = to_svm(vcpu);

	if (!svm_features.spec_ctrl || (!msr->host && !vcpu->caps.spec_ctrl))
		return 1;
	if (msr->data & ~known)
		return 1;
	if (svm_features.v_spec_ctrl) {
		svm->vmcb->spec_ctrl = msr->data;
		return 0;
	}
	vcpu->spec_ctrl = msr->data;
	if (msr->data && vcpu->caps.spec_ctrl) {
		svm->spec_ctrl_free = true;
		intercept(vcpu, MSR_IA32_SPEC_CTRL, false, false);
	}
	return 0;
}

/**
 * svm_set_msr() - write an MSR that this backend keeps
 * @vcpu: vcpu->mutex held
 * @msr: index, value, and whether user space or the guest writes it
 *
 * Return: 0; 1, the guest gets #GP; VMM_MSR_UNKNOWN.
 */
int svm_set_msr(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 *field = vmcb_msr(svm, msr->index);

	if (field) {
		/* These have 32 bits in AMD CPUs; the CPU would drop the others. */
		if (msr->index == MSR_SYSCALL_MASK || msr->index == MSR_IA32_SYSENTER_CS)
			*field = (u32)msr->data;
		else
			*field = msr->data;
		return 0;
	}
	switch (msr->index) {
	case MSR_TSC_AUX:
		if (!svm_features.tsc_aux || (!msr->host && !vcpu->caps.rdtscp))
			return 1;
		/* AMD ignores the upper half. Loaded at the next entry. */
		vcpu->tsc_aux = (u32)msr->data;
		return 0;
	case MSR_IA32_SPEC_CTRL:
		return set_spec_ctrl(vcpu, msr);
	case MSR_IA32_PRED_CMD:
		if (!svm_features.ibpb || (!msr->host && !vcpu->caps.ibpb))
			return 1;
		if (msr->data & ~PRED_CMD_IBPB)
			return 1;
		if (msr->data)
			wrmsrl(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
		return 0;
	case MSR_AMD64_VIRT_SPEC_CTRL:
		if (!msr->host && !vcpu->caps.virt_ssbd)
			return 1;
		if (msr->data & ~SPEC_CTRL_SSBD)
			return 1;
		vcpu->virt_spec_ctrl = msr->data;
		return 0;
	case MSR_AMD64_DE_CFG:
		if (msr->data != svm->de_cfg)
			return 1;
		return 0;
	}
	return VMM_MSR_UNKNOWN;
}

/**
 * svm_has_msr() - does this backend, on this machine, keep the MSR
 * @index: its index
 */
bool svm_has_msr(u32 index)
{
	switch (index) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_STAR:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_SYSCALL_MASK:
	case MSR_IA32_SYSENTER_CS:
	case MSR_IA32_SYSENTER_ESP:
	case MSR_IA32_SYSENTER_EIP:
	case MSR_AMD64_DE_CFG:
		return true;
	case MSR_TSC_AUX:
		return svm_features.tsc_aux;
	case MSR_IA32_SPEC_CTRL:
		return svm_features.spec_ctrl;
	case MSR_IA32_PRED_CMD:
		return svm_features.ibpb;
	case MSR_AMD64_VIRT_SPEC_CTRL:
		return svm_features.virt_ssbd;
	}
	return false;
}
