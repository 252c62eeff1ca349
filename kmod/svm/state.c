// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's segments, control and debug registers in the VMCB.
 */
#define pr_fmt(fmt) "vmm: svm: " fmt

#include <asm/desc.h>

#include "segment.h"
#include "svm.h"

static struct vmcb_segment *segment(struct vmm_vcpu *vcpu, int seg)
{
	static const u16 at[VMM_NR_SEGS] = {
		[VMM_ES]	= offsetof(struct vmcb, es),
		[VMM_CS]	= offsetof(struct vmcb, cs),
		[VMM_SS]	= offsetof(struct vmcb, ss),
		[VMM_DS]	= offsetof(struct vmcb, ds),
		[VMM_FS]	= offsetof(struct vmcb, fs),
		[VMM_GS]	= offsetof(struct vmcb, gs),
		[VMM_LDTR]	= offsetof(struct vmcb, ldtr),
		[VMM_TR]	= offsetof(struct vmcb, tr),
	};

	return (void *)to_svm(vcpu)->vmcb + at[seg];
}

/**
 * svm_get_segment() - a segment register in the form of the ABI
 * @vcpu: vcpu->mutex held
 * @s: filled completely
 * @seg: enum vmm_seg
 *
 * Bits that AMD CPUs do not keep in the VMCB are given the value they must have, so
 * that the state can be loaded into VMX, which checks them (SDM 27.3.1.2).
 */
void svm_get_segment(struct vmm_vcpu *vcpu, struct kvm_segment *s, int seg)
{
	const struct vmcb_segment *v = segment(vcpu, seg);

	*s = (struct kvm_segment) {
		.base = v->base,
		.limit = v->limit,
		.selector = v->selector,
	};
	vmm_segment_set_rights(s, (v->attrib & 0xff) | (v->attrib & 0xf00) << 4);
	s->unusable = !s->present;

	switch (seg) {
	case VMM_CS:
		/* Some CPUs do not save G of CS. */
		s->g = s->limit > 0xfffff;
		break;
	case VMM_TR:
		/* A loaded TSS is busy, but not every CPU says so. */
		s->type |= 2;
		break;
	case VMM_SS:
		/* DPL of SS is the CPL, and only the CPL field is kept for a null SS. */
		if (s->unusable)
			s->db = 0;
		s->dpl = to_svm(vcpu)->vmcb->cpl;
		break;
	case VMM_DS:
	case VMM_ES:
	case VMM_FS:
	case VMM_GS:
		/* Loading sets "accessed" in the descriptor, not always in the copy. */
		if (!s->unusable)
			s->type |= 1;
		break;
	}
}

/**
 * svm_set_segment() - load a segment register without any check
 * @vcpu: vcpu->mutex held
 * @s: what to load; an unusable one becomes not present
 * @seg: enum vmm_seg
 */
void svm_set_segment(struct vmm_vcpu *vcpu, const struct kvm_segment *s, int seg)
{
	struct vmcb_segment *v = segment(vcpu, seg);
	struct svm_vcpu *svm = to_svm(vcpu);
	u32 rights;

	v->base = s->base;
	v->limit = s->limit;
	v->selector = s->selector;
	rights = vmm_segment_rights(s);
	v->attrib = (rights & 0xff) | (rights >> 4 & 0xf00);
	if (s->unusable)
		v->attrib &= ~SEG_P;
	/* The CPU takes the CPL from its own field, not from SS (APM 15.5.1). */
	if (seg == VMM_SS)
		svm->vmcb->cpl = s->dpl & 3;
	svm_dirty(svm, CLEAN_SEG);
}

u64 svm_segment_base(struct vmm_vcpu *vcpu, int seg)
{
	return segment(vcpu, seg)->base;
}

int svm_cpl(struct vmm_vcpu *vcpu)
{
	return to_svm(vcpu)->vmcb->cpl;
}

void svm_cs_db_l(struct vmm_vcpu *vcpu, int *db, int *l)
{
	u16 attrib = to_svm(vcpu)->vmcb->cs.attrib;

	*db = !!(attrib & SEG_DB);
	*l = !!(attrib & SEG_L);
}

void svm_get_dt(struct vmm_vcpu *vcpu, struct desc_ptr *dt, bool idt)
{
	const struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	const struct vmcb_segment *v = idt ? &vmcb->idtr : &vmcb->gdtr;

	dt->size = v->limit;
	dt->address = v->base;
}

void svm_set_dt(struct vmm_vcpu *vcpu, const struct desc_ptr *dt, bool idt)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_segment *v = idt ? &svm->vmcb->idtr : &svm->vmcb->gdtr;

	v->limit = dt->size;
	v->base = dt->address;
	svm_dirty(svm, CLEAN_DT);
}

/**
 * svm_cache_reg() - fetch a register that changes without exits
 * @vcpu: vcpu->mutex held
 * @reg: enum vmm_reg; all of regs[] and CR3 are fetched at every exit
 */
void svm_cache_reg(struct vmm_vcpu *vcpu, int reg)
{
	const struct vmcb *vmcb = to_svm(vcpu)->vmcb;

	switch (reg) {
	case VMM_REG_CR0:
		vcpu->cr0 &= ~vcpu->cr0_guest_owned;
		vcpu->cr0 |= vmcb->cr0 & vcpu->cr0_guest_owned;
		break;
	case VMM_REG_CS_L:
		vcpu->cs_l = vmcb->cs.attrib & SEG_L;
		break;
	case VMM_REG_SHADOW:
		/* One bit for both kinds. */
		vcpu->shadow = vmcb->int_state & INTERRUPT_SHADOW ?
			       KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS : 0;
		break;
	}
	vcpu->avail |= BIT(reg);
}

/*
 * CD and NW do not reach the CPU unless user space asks for it: firmware leaves them set
 * for a long time, and the guest would run uncached. While it has them set it must neither
 * read the VMCB's CR0 nor write it unseen: clearing them changes nothing there, so the
 * selective intercept would not notice.
 */
void svm_set_cr0(struct vmm_vcpu *vcpu, unsigned long cr0)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb *vmcb = svm->vmcb;
	unsigned long hw = cr0 | X86_CR0_ET;

	if (!(vcpu->vm->disabled_quirks & KVM_X86_QUIRK_CD_NW_CLEARED))
		hw &= ~(X86_CR0_CD | X86_CR0_NW);
	if ((vmcb->cr0 ^ hw) & (X86_CR0_PG | X86_CR0_PE))
		svm_flush(svm);
	vmcb->cr0 = hw;
	svm_dirty(svm, CLEAN_CRX);
	svm_intercept(svm, ICPT_READ_CR(0), hw != cr0);
	svm_intercept(svm, ICPT_WRITE_CR(0), hw != cr0);
}

void svm_set_cr3(struct vmm_vcpu *vcpu, unsigned long cr3)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb->cr3 = cr3;
	svm_dirty(svm, CLEAN_CRX);
}

/* Bits whose change makes what the TLB holds for this guest wrong (APM 5.5.3). */
#define CR4_TLB_BITS	(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PCIDE | \
			 X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE | X86_CR4_LA57)

/*
 * A machine check with CR4.MCE clear shuts the CPU down, the intercept
 * notwithstanding: keep the host's bit, and do not show it to a guest that
 * has it clear.
 */
void svm_set_cr4(struct vmm_vcpu *vcpu, unsigned long cr4)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb *vmcb = svm->vmcb;
	unsigned long hw = cr4 | (__read_cr4() & X86_CR4_MCE);

	if ((vmcb->cr4 ^ hw) & CR4_TLB_BITS)
		svm_flush(svm);
	vmcb->cr4 = hw;
	svm_dirty(svm, CLEAN_CRX);
	svm_intercept(svm, ICPT_READ_CR(4), hw != cr4);
}

bool svm_cr4_valid(struct vmm_vcpu *vcpu, unsigned long cr4)
{
	return !(cr4 & X86_CR4_VMXE);
}

void svm_set_efer(struct vmm_vcpu *vcpu, u64 efer)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	efer |= EFER_SVME;	/* VMRUN insists (APM 15.5.1); reads of EFER are intercepted */
	if ((svm->vmcb->efer ^ efer) & (EFER_NX | EFER_LMA))
		svm_flush(svm);
	svm->vmcb->efer = efer;
	svm_dirty(svm, CLEAN_CRX);
}

void svm_set_dr7(struct vmm_vcpu *vcpu, unsigned long dr7)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb->dr7 = dr7;
	svm_dirty(svm, CLEAN_DRX);
}

/**
 * svm_db_intercept() - who owns the debug registers, or guest_debug, changed
 * @vcpu: vcpu->mutex held
 */
void svm_db_intercept(struct vmm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb->intercept[ICPT_READ_DR(0) / 32] = vmm_guest_owns_debug(vcpu) ? 0 : ~0u;
	svm_intercept(svm, ICPT_EXCEPTION(X86_TRAP_BP),
		      vcpu->guest_debug & KVM_GUESTDBG_USE_SW_BP);
}
