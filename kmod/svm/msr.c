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

/**
 * svm_intercept_msr() - does the guest's access to an MSR exit
 * @vcpu: vcpu->mutex held
 * @index: of the MSR
 * @read: true: RDMSR exits
 * @write: true: WRMSR exits
 */
void svm_intercept_msr(struct vmm_vcpu *vcpu, u32 index, bool read, bool write)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	int bit = msrpm_bit(index);
	u32 *word;

	if (WARN_ON_ONCE(bit < 0))
		return;
	word = &svm->msrpm[bit / 32];
	*word &= ~(3u << (bit % 32));
	*word |= ((u32)read | (u32)write << 1) << (bit % 32);
	svm_dirty(svm, CLEAN_IOPM);
}

/* A guest that sees LFENCE serializing need not, and may not, set it itself. */
static u64 de_cfg(void)
{
	return boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ? MSR_AMD64_DE_CFG_LFENCE_SERIALIZE : 0;
}

/* Where the value of an MSR is kept as it is. */
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
	case MSR_IA32_SPEC_CTRL:
		return vmm_backend.caps.v_spec_ctrl ? &vmcb->spec_ctrl :
						      &svm->entry.guest_spec_ctrl;
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
	case MSR_AMD64_VIRT_SPEC_CTRL:
		if (!msr->host && !vcpu->caps.virt_ssbd)
			return 1;
		msr->data = vcpu->virt_spec_ctrl;
		return 0;
	case MSR_AMD64_DE_CFG:
		msr->data = de_cfg();
		return 0;
	}
	return VMM_MSR_UNKNOWN;
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
	case MSR_AMD64_VIRT_SPEC_CTRL:
		if (!msr->host && !vcpu->caps.virt_ssbd)
			return 1;
		if (msr->data & ~SPEC_CTRL_SSBD)
			return 1;
		vcpu->virt_spec_ctrl = msr->data;
		return 0;
	case MSR_AMD64_DE_CFG:
		return msr->data != de_cfg();
	}
	return VMM_MSR_UNKNOWN;
}
