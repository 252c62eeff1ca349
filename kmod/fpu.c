// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's x87, SSE, AVX, AVX-512 and PKRU state (SDM volume 1, chapter 13).
 *
 * The registers live in a guest fpstate of the kernel's and are swapped with the
 * thread's own once around KVM_RUN; from then on a context switch saves and restores
 * them like any thread's. What the kernel does not know to belong to a guest, XCR0,
 * IA32_XSS and PKRU, is exchanged around every entry with interrupts off, so that the
 * host never runs with a guest's value: an XSAVE with the guest's XCR0 would drop
 * state, and its PKRU would open or shut the host's own pages.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/xcr.h>
#include <asm/fpu/xstate.h>
#include <asm/msr.h>
#include <asm/pkru.h>

#include "vmm.h"

/* No MPX (needs VMCS fields we do not switch), no AMX (needs XFD), nothing newer. */
#define XCR0_KNOWN	(XFEATURE_MASK_FP | XFEATURE_MASK_SSE | XFEATURE_MASK_YMM |	\
			 XFEATURE_MASK_AVX512 | XFEATURE_MASK_PKRU)

u64 vmm_supported_xcr0;		/* XCR0 bits a guest may be given; 0 on a CPU without XSAVE */
static u64 host_xcr0, host_xss;
static bool host_is_emulated;	/* XSETBV may not be intercepted: QEMU's TCG forgets to */

/**
 * vmm_fpu_init() - at load, after the backend's setup: what the host can lend
 */
void vmm_fpu_init(void)
{
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return;
	host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	host_is_emulated = boot_cpu_has(X86_FEATURE_HYPERVISOR);
	vmm_supported_xcr0 = host_xcr0 & XCR0_KNOWN;
	/* Protection keys go with page tables of the guest's own, and the host's CR4.PKE. */
	if (!boot_cpu_has(X86_FEATURE_OSPKE) || !vmm_backend.caps.tdp)
		vmm_supported_xcr0 &= ~XFEATURE_MASK_PKRU;
	/* Three components that come together or not at all (SDM vol. 1, 13.3). */
	if ((vmm_supported_xcr0 & XFEATURE_MASK_AVX512) != XFEATURE_MASK_AVX512)
		vmm_supported_xcr0 &= ~(u64)XFEATURE_MASK_AVX512;
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrl(MSR_IA32_XSS, host_xss);
}

/**
 * vmm_fpu_create() - a new vCPU's registers, as after power-up
 * @vcpu: not yet published
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_fpu_create(struct vmm_vcpu *vcpu)
{
	return fpu_alloc_guest_fpstate(&vcpu->fpu) ? 0 : -ENOMEM;
}

/**
 * vmm_fpu_destroy() - undo vmm_fpu_create(), if it was called
 * @vcpu: nobody's any more
 */
void vmm_fpu_destroy(struct vmm_vcpu *vcpu)
{
	if (vcpu->fpu.fpstate)
		fpu_free_guest_fpstate(&vcpu->fpu);
}

/**
 * vmm_fpu_load() - the thread takes the guest's registers, if it has not got them
 * @vcpu: its thread, in KVM_RUN; preemptible
 */
void vmm_fpu_load(struct vmm_vcpu *vcpu)
{
	if (vcpu->fpu_loaded)
		return;
	vcpu->fpu_loaded = true;
	fpu_swap_kvm_fpstate(&vcpu->fpu, true);
}

/**
 * vmm_fpu_put() - the thread gets its own registers back, if vmm_fpu_load() took them
 * @vcpu: its thread, at the end of KVM_RUN; preemptible
 */
void vmm_fpu_put(struct vmm_vcpu *vcpu)
{
	if (!vcpu->fpu_loaded)
		return;
	vcpu->fpu_loaded = false;
	fpu_swap_kvm_fpstate(&vcpu->fpu, false);
	vcpu->stats.fpu_reload++;
}

static bool uses_xsave(const struct vmm_vcpu *vcpu)
{
	return host_xcr0 && (vcpu->cr4 & X86_CR4_OSXSAVE);
}

static bool uses_pkru(const struct vmm_vcpu *vcpu)
{
	return cpu_feature_enabled(X86_FEATURE_OSPKE) &&
	       (vcpu->cr4 & X86_CR4_PKE || vcpu->xcr0 & XFEATURE_MASK_PKRU);
}

/**
 * vmm_xstate_enter() - just before entry: XCR0, XSS and PKRU the guest's
 * @vcpu: its thread, between vmm_fpu_load() and vmm_fpu_put(), vmm_uses_xstate(); interrupts off
 *
 * Without CR4.OSXSAVE the guest can neither read XCR0 nor use what it governs; with it
 * it can on some CPUs run XSAVES though CPUID does not say so (SVM has no intercept),
 * so XSS is the guest's too.
 */
void vmm_xstate_enter(struct vmm_vcpu *vcpu)
{
	if (uses_xsave(vcpu)) {
		if (vcpu->xcr0 != host_xcr0)
			xsetbv(XCR_XFEATURE_ENABLED_MASK, vcpu->xcr0);
		if (vcpu->xss != host_xss)
			wrmsrl(MSR_IA32_XSS, vcpu->xss);
	}
	if (uses_pkru(vcpu)) {
		vcpu->host_pkru = rdpkru();
		if (vcpu->pkru != vcpu->host_pkru)
			wrpkru(vcpu->pkru);
	}
}

/*
 * What the guest left in XCR0. Where XSETBV does not exit, this is how we hear of it;
 * a value it may not have is gone with the next entry.
 */
static u64 left_xcr0(struct vmm_vcpu *vcpu)
{
	u64 xcr0;

	if (!host_is_emulated)
		return vcpu->xcr0;
	xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	if (unlikely(xcr0 != vcpu->xcr0))
		vmm_set_xcr(vcpu, XCR_XFEATURE_ENABLED_MASK, xcr0);
	return xcr0;
}

/**
 * vmm_xstate_exit() - just after an exit: XCR0, XSS and PKRU the host's again
 * @vcpu: its thread, after vmm_xstate_enter(); interrupts off all the time between
 *
 * Decides by the same CR4 and XCR0 as vmm_xstate_enter(): both change only in handlers.
 */
void vmm_xstate_exit(struct vmm_vcpu *vcpu)
{
	if (uses_pkru(vcpu)) {
		vcpu->pkru = rdpkru();
		if (vcpu->pkru != vcpu->host_pkru)
			wrpkru(vcpu->host_pkru);
	}
	if (uses_xsave(vcpu)) {
		if (vcpu->xss != host_xss)
			wrmsrl(MSR_IA32_XSS, host_xss);
		if (left_xcr0(vcpu) != host_xcr0)
			xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
	}
}

/* ---- for user space: vcpu->mutex held, not inside KVM_RUN ------------------------ */

/* Bits of the header and of PKRU's place in the uncompacted format are the kernel's. */
static void copy_out(struct vmm_vcpu *vcpu, void *buf, unsigned int size)
{
	fpu_copy_guest_fpstate_to_uabi(&vcpu->fpu, buf, size,
				       vcpu->caps.xcr0 | XFEATURE_MASK_FPSSE, vcpu->pkru);
}

static int copy_in(struct vmm_vcpu *vcpu, const void *buf)
{
	return fpu_copy_uabi_to_guest_fpstate(&vcpu->fpu, buf, vmm_supported_xcr0, &vcpu->pkru);
}

/**
 * vmm_xsave2_size() - KVM_CAP_XSAVE2
 *
 * Return: bytes that KVM_GET_XSAVE2 writes: never less than struct kvm_xsave, and
 * not more without AMX.
 */
int vmm_xsave2_size(void)
{
	return sizeof(struct kvm_xsave);
}

/**
 * vmm_xsave_get() - KVM_GET_XSAVE
 * @vcpu: vcpu->mutex held
 * @xsave: zeroed; filled with the uncompacted XSAVE image
 *
 * Return: 0.
 */
int vmm_xsave_get(struct vmm_vcpu *vcpu, struct kvm_xsave *xsave)
{
	copy_out(vcpu, xsave->region, sizeof(xsave->region));
	return 0;
}

/**
 * vmm_xsave2_get() - KVM_GET_XSAVE2
 * @vcpu: vcpu->mutex held
 * @user: vmm_xsave2_size() bytes
 *
 * Return: 0, -ENOMEM or -EFAULT.
 */
int vmm_xsave2_get(struct vmm_vcpu *vcpu, void __user *user)
{
	unsigned int size = vmm_xsave2_size();
	void *buf = kvzalloc(size, GFP_KERNEL_ACCOUNT);
	int r;

	if (!buf)
		return -ENOMEM;
	copy_out(vcpu, buf, size);
	r = copy_to_user(user, buf, size) ? -EFAULT : 0;
	kvfree(buf);
	return r;
}

/**
 * vmm_xsave_set() - KVM_SET_XSAVE
 * @vcpu: vcpu->mutex held
 * @xsave: uncompacted XSAVE image
 *
 * Return: 0; -EINVAL for components we do not support, a compacted header or
 * reserved MXCSR bits.
 */
int vmm_xsave_set(struct vmm_vcpu *vcpu, const struct kvm_xsave *xsave)
{
	return copy_in(vcpu, xsave->region);
}

/**
 * vmm_fpu_get() - KVM_GET_FPU: the FXSAVE part
 * @vcpu: vcpu->mutex held
 * @fpu: zeroed; filled. MXCSR stays 0, as KVM leaves it
 *
 * By way of the whole image, which has the right contents also for what XSAVE left
 * out as being in its initial state.
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_fpu_get(struct vmm_vcpu *vcpu, struct kvm_fpu *fpu)
{
	struct xregs_state *image = kvzalloc(sizeof(struct kvm_xsave), GFP_KERNEL_ACCOUNT);
	const struct fxregs_state *fx;

	if (!image)
		return -ENOMEM;
	copy_out(vcpu, image, sizeof(struct kvm_xsave));
	fx = &image->i387;
	BUILD_BUG_ON(sizeof(fpu->fpr) != sizeof(fx->st_space));
	BUILD_BUG_ON(sizeof(fpu->xmm) != sizeof(fx->xmm_space));
	memcpy(fpu->fpr, fx->st_space, sizeof(fpu->fpr));
	memcpy(fpu->xmm, fx->xmm_space, sizeof(fpu->xmm));
	fpu->fcw = fx->cwd;
	fpu->fsw = fx->swd;
	fpu->ftwx = fx->twd;
	fpu->last_opcode = fx->fop;
	fpu->last_ip = fx->rip;
	fpu->last_dp = fx->rdp;
	kvfree(image);
	return 0;
}

/**
 * vmm_fpu_set() - KVM_SET_FPU
 * @vcpu: vcpu->mutex held
 * @fpu: what to load; MXCSR is left alone, as KVM does
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_fpu_set(struct vmm_vcpu *vcpu, const struct kvm_fpu *fpu)
{
	struct xregs_state *image = kvzalloc(sizeof(struct kvm_xsave), GFP_KERNEL_ACCOUNT);
	struct fxregs_state *fx;
	int r;

	if (!image)
		return -ENOMEM;
	copy_out(vcpu, image, sizeof(struct kvm_xsave));
	fx = &image->i387;
	memcpy(fx->st_space, fpu->fpr, sizeof(fpu->fpr));
	memcpy(fx->xmm_space, fpu->xmm, sizeof(fpu->xmm));
	fx->cwd = fpu->fcw;
	fx->swd = fpu->fsw;
	fx->twd = fpu->ftwx;
	fx->fop = fpu->last_opcode;
	fx->rip = fpu->last_ip;
	fx->rdp = fpu->last_dp;
	/* Out of its initial state, or it would not be loaded. */
	if (host_xcr0)
		image->header.xfeatures |= XFEATURE_MASK_FPSSE;
	r = copy_in(vcpu, image);
	kvfree(image);
	return r;
}

/**
 * vmm_xcrs_get() - KVM_GET_XCRS
 * @vcpu: vcpu->mutex held
 * @xcrs: zeroed; filled
 *
 * Return: 0.
 */
int vmm_xcrs_get(struct vmm_vcpu *vcpu, struct kvm_xcrs *xcrs)
{
	if (!host_xcr0)
		return 0;
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].xcr = XCR_XFEATURE_ENABLED_MASK;
	xcrs->xcrs[0].value = vcpu->xcr0;
	return 0;
}

/**
 * vmm_xcrs_set() - KVM_SET_XCRS: only XCR0 exists
 * @vcpu: vcpu->mutex held, loaded
 * @xcrs: what to set
 *
 * Return: 0; -EINVAL without XSAVE, for flags, or for a value XSETBV would refuse.
 */
int vmm_xcrs_set(struct vmm_vcpu *vcpu, const struct kvm_xcrs *xcrs)
{
	u32 i;

	if (!host_xcr0 || xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	for (i = 0; i < xcrs->nr_xcrs; i++) {
		if (xcrs->xcrs[i].xcr != XCR_XFEATURE_ENABLED_MASK)
			continue;
		return vmm_set_xcr(vcpu, XCR_XFEATURE_ENABLED_MASK, xcrs->xcrs[i].value) ?
		       -EINVAL : 0;
	}
	return 0;
}
