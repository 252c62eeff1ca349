/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The AMD-V backend's own state and the calls between its files.
 */
#ifndef VMM_SVM_SVM_H
#define VMM_SVM_SVM_H

#include "../vmm.h"
#include <asm/debugreg.h>
#include <asm/trapnr.h>
#include "vmcb.h"
#include "enter.h"

struct svm_entry {
	u64 vmcb_pa;
	u64 host_pa;		/* this CPU's VMSAVE image of the host */
	u64 guest_spec_ctrl;
	u64 host_spec_ctrl;
	u32 flags;		/* SVM_ENTRY_* */
};

static_assert(offsetof(struct svm_entry, vmcb_pa) == ENTRY_VMCB);
static_assert(offsetof(struct svm_entry, host_pa) == ENTRY_HOST);
static_assert(offsetof(struct svm_entry, guest_spec_ctrl) == ENTRY_GUEST_SPEC_CTRL);
static_assert(offsetof(struct svm_entry, host_spec_ctrl) == ENTRY_HOST_SPEC_CTRL);
static_assert(offsetof(struct svm_entry, flags) == ENTRY_FLAGS);

/* One host CPU. Touched on that CPU with preemption off, but for setup and teardown. */
struct svm_cpu {
	struct page *hsave;		/* VM_HSAVE_PA: the CPU's own format */
	struct page *host;		/* VMSAVE image, restored after each exit */
	struct vmcb *current_vmcb;	/* last entered, to see that another guest follows */
	u64 asid_generation;
	u32 next_asid;
	u64 tsc_ratio;			/* what MSR TSC_RATIO holds */
	u64 tsc_aux;			/* the host's own TSC_AUX */
	u16 host_ldt;			/* LDTR selector in the image */
};

/* All fields are the vCPU thread's, under vcpu->mutex. */
struct svm_vcpu {
	struct vmm_vcpu vcpu;		/* first */
	struct vmcb *vmcb;
	u32 *msrpm;
	struct svm_entry entry;
	int vmcb_cpu;			/* where the CPU may hold a cached copy of the VMCB */
	u64 asid_generation;		/* of vmcb->asid on that CPU; 0: none yet */
	u64 loaded_tsc_aux;		/* while vcpu.host_saved */
	u64 tsc_ratio;
	u8 entered_cr8;			/* V_TPR at the last entry */

	/* NMI blocking, which the CPU does not track for us: see events.c */
	bool nmi_masked;
	bool nmi_iret;			/* the IRET that unmasks is about to run, at: */
	u64 nmi_iret_rip;
	bool nmi_step;			/* run one instruction at a time */
	u64 step_added;			/* RFLAGS bits set for that at this entry */

	/* A software interrupt or exception is in EVENTINJ; without NRIPS, RIP is past it */
	bool soft_injected;
	u8 soft_len;
	u64 soft_rip;
};

static inline struct svm_vcpu *to_svm(struct vmm_vcpu *vcpu)
{
	return container_of(vcpu, struct svm_vcpu, vcpu);
}

/* What this machine and the module parameters allow; written once by svm_setup(). */
struct svm_features {
	u32 nr_asids;
	bool nrips, decode_assists, flush_by_asid, vgif, pause_filter, pause_threshold,
	     tsc_ratio,
	     spec_ctrl;		/* IA32_SPEC_CTRL is switched by hand */
};
extern struct svm_features svm_features;

/* The bits of int_ctl that are always set. */
static inline u32 svm_int_ctl(void)
{
	/* Without nested SVM the guest's GIF is always set; STGI and CLGI stay #UD. */
	return V_INTR_MASKING | (svm_features.vgif ? V_GIF | V_GIF_ENABLE : 0);
}

static inline void svm_dirty(struct svm_vcpu *svm, u32 clean_bits)
{
	svm->vmcb->clean &= ~clean_bits;
}

static inline void svm_intercept(struct svm_vcpu *svm, unsigned int bit, bool on)
{
	u32 *word = &svm->vmcb->intercept[bit / 32];

	if (on)
		*word |= BIT(bit % 32);
	else
		*word &= ~BIT(bit % 32);
	svm_dirty(svm, CLEAN_INTERCEPTS);
}

static inline bool svm_intercepts(const struct svm_vcpu *svm, unsigned int bit)
{
	return svm->vmcb->intercept[bit / 32] & BIT(bit % 32);
}

/* Everything this vCPU has in the TLB goes before its next instruction. */
void svm_flush(struct svm_vcpu *svm);

#define DECLARE(call)	extern typeof(*((struct vmm_backend *)NULL)->call) svm_##call;
VMM_BACKEND_CALLS(DECLARE)
#undef DECLARE

/* enter.S */
asmlinkage int svm_enter(unsigned long *regs, struct svm_entry *entry);

/* exits.c */
void svm_normalise_exit(struct svm_vcpu *svm);

/* events.c */
void svm_step_for_nmi(struct svm_vcpu *svm);
void svm_track_nmi(struct svm_vcpu *svm);
void svm_requeue(struct svm_vcpu *svm);
void svm_iret_exit(struct svm_vcpu *svm);
void svm_close_irq_window(struct svm_vcpu *svm);

/* msr.c */
extern u64 svm_iopm_pa;
int svm_msr_setup(void);
void svm_msr_unsetup(void);
u32 *svm_msrpm_alloc(void);
void svm_msrpm_free(u32 *msrpm);

#endif /* VMM_SVM_SVM_H */
