// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's registers, control registers and segments in the VMCS (SDM 25.4.1).
 */
#include <asm/desc_defs.h>
#include <asm/tlbflush.h>

#include "segment.h"
#include "vmx/vmx.h"

/*
 * Bits of CR0 and CR4 that change nothing the module keeps track of: the guest may
 * flip them without an exit.
 */
#define CR0_GUEST_OWNED	(X86_CR0_TS | X86_CR0_MP | X86_CR0_EM | X86_CR0_WP | X86_CR0_AM)
#define CR4_GUEST_OWNED	(X86_CR4_PVI | X86_CR4_DE | X86_CR4_PCE | X86_CR4_OSFXSR |	\
			 X86_CR4_OSXMMEXCPT | X86_CR4_PGE | X86_CR4_TSD | X86_CR4_FSGSBASE)

/**
 * vmx_cache_insn() - where the instruction is, and what may end with it: a shadow, a single step
 * @vcpu: after an exit, with none of these changed since: RIP, RFLAGS, shadow
 */
void vmx_cache_insn(struct vmm_vcpu *vcpu)
{
	vcpu->regs[VMM_RIP] = vmcs_read(GUEST_RIP);
	vcpu->regs[VMM_RFLAGS] = vmcs_read(GUEST_RFLAGS);
	vcpu->shadow = 0;
	if (unlikely(vmcs_read(GUEST_INTERRUPTIBILITY_INFO) &
		     (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS)))
		vcpu->shadow = vmx_get_shadow(vcpu);
	vcpu->avail |= BIT(VMM_RIP) | BIT(VMM_RFLAGS) | BIT(VMM_REG_SHADOW);
}

/* What it takes to find the instruction in memory. */
static void cache_translation(struct vmm_vcpu *vcpu)
{
	unsigned long owned = vcpu->cr4_guest_owned;

	vcpu->cr3 = vmcs_read(GUEST_CR3);
	vcpu->cr4 = (vcpu->cr4 & ~owned) | (vmcs_read(GUEST_CR4) & owned);
	vcpu->cs_l = vmcs_read(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK;
	vcpu->avail |= BIT(VMM_REG_CR3) | BIT(VMM_REG_CR4) | BIT(VMM_REG_CS_L);
}

static noinline void cache_one(struct vmm_vcpu *vcpu, int reg)
{
	unsigned long owned;

	switch (reg) {
	case VMM_RSP:
		vcpu->regs[VMM_RSP] = vmcs_read(GUEST_RSP);
		break;
	case VMM_RIP:
		vcpu->regs[VMM_RIP] = vmcs_read(GUEST_RIP);
		break;
	case VMM_RFLAGS:
		vcpu->regs[VMM_RFLAGS] = vmcs_read(GUEST_RFLAGS);
		break;
	case VMM_REG_CR0:
		owned = vcpu->cr0_guest_owned;
		vcpu->cr0 = (vcpu->cr0 & ~owned) | (vmcs_read(GUEST_CR0) & owned);
		break;
	case VMM_REG_CR3:
		vcpu->cr3 = vmcs_read(GUEST_CR3);
		break;
	case VMM_REG_CR4:
		owned = vcpu->cr4_guest_owned;
		vcpu->cr4 = (vcpu->cr4 & ~owned) | (vmcs_read(GUEST_CR4) & owned);
		break;
	case VMM_REG_SHADOW:
		vcpu->shadow = vmx_get_shadow(vcpu);
		break;
	}
	vcpu->avail |= BIT(reg);
}

#define INSN_REGS		(BIT(VMM_RIP) | BIT(VMM_RFLAGS) | BIT(VMM_REG_SHADOW))
#define TRANSLATION_REGS	(BIT(VMM_REG_CR3) | BIT(VMM_REG_CR4) | BIT(VMM_REG_CS_L))

/**
 * vmx_cache_reg() - fetch a register from the VMCS into the vCPU
 * @vcpu: loaded
 * @reg: VMM_RSP, VMM_RIP, VMM_RFLAGS or VMM_REG_CR0, CR3, CR4, SHADOW, CS_L; all
 * others are there already
 *
 * Those that are asked for together come together, if none of them is there.
 */
void vmx_cache_reg(struct vmm_vcpu *vcpu, int reg)
{
	if (reg == VMM_REG_CS_L) {
		vcpu->cs_l = vmcs_read(GUEST_CS_AR_BYTES) & VMX_AR_L_MASK;
		vcpu->avail |= BIT(VMM_REG_CS_L);
		return;
	}
	if ((BIT(reg) & INSN_REGS) && !(vcpu->avail & INSN_REGS))
		vmx_cache_insn(vcpu);
	else if ((BIT(reg) & TRANSLATION_REGS) && !(vcpu->avail & TRANSLATION_REGS))
		cache_translation(vcpu);
	else
		cache_one(vcpu, reg);
}

/* ---- segments ------------------------------------------------------------ */

/* VMCS fields of the segments are in the order of enum vmm_seg, two apart. */
static unsigned long seg_field(unsigned long es_field, int seg)
{
	BUILD_BUG_ON(GUEST_TR_SELECTOR != GUEST_ES_SELECTOR + 2 * VMM_TR);
	BUILD_BUG_ON(GUEST_LDTR_BASE != GUEST_ES_BASE + 2 * VMM_LDTR);
	BUILD_BUG_ON(GUEST_GS_AR_BYTES != GUEST_ES_AR_BYTES + 2 * VMM_GS);
	return es_field + 2 * seg;
}

/**
 * vmx_get_segment() - a segment register in KVM's form
 * @vcpu: loaded
 * @s: in KVM's form
 * @seg: enum vmm_seg
 */
void vmx_get_segment(struct vmm_vcpu *vcpu, struct kvm_segment *s, int seg)
{
	u32 ar = vmcs_read(seg_field(GUEST_ES_AR_BYTES, seg));

	*s = (struct kvm_segment) {
		.selector = vmcs_read(seg_field(GUEST_ES_SELECTOR, seg)),
		.base = vmcs_read(seg_field(GUEST_ES_BASE, seg)),
		.limit = vmcs_read(seg_field(GUEST_ES_LIMIT, seg)),
	};
	vmm_segment_set_rights(s, ar);
	/*
	 * A usable segment is present by the rules of VM entry. Telling an unusable one as
	 * absent lets user space that forgets "unusable" give it back as it was.
	 */
	s->present = !s->unusable;
}

/**
 * vmx_set_segment() - load a segment register with its hidden part
 * @vcpu: loaded
 * @s: in KVM's form
 * @seg: enum vmm_seg
 */
void vmx_set_segment(struct vmm_vcpu *vcpu, const struct kvm_segment *s, int seg)
{
	u32 ar = vmm_segment_rights(s);

	if (!s->present)
		ar |= VMX_AR_UNUSABLE_MASK;
	/*
	 * SDM 27.3.1.2 wants code and data segments accessed and TR busy; user
	 * space that makes them up from nothing tends to forget it.
	 */
	if (seg != VMM_LDTR && seg != VMM_TR)
		ar |= VMX_AR_TYPE_ACCESSES_MASK;
	else if (seg == VMM_TR && !(s->s & 1))
		ar |= 2;

	vmcs_write(seg_field(GUEST_ES_SELECTOR, seg), s->selector);
	vmcs_write(seg_field(GUEST_ES_BASE, seg), s->base);
	vmcs_write(seg_field(GUEST_ES_LIMIT, seg), s->limit);
	vmcs_write(seg_field(GUEST_ES_AR_BYTES, seg), ar);
}

/**
 * vmx_segment_base() - only the base, in bytes
 * @vcpu: loaded
 * @seg: enum vmm_seg
 */
u64 vmx_segment_base(struct vmm_vcpu *vcpu, int seg)
{
	return vmcs_read(seg_field(GUEST_ES_BASE, seg));
}

/**
 * vmx_cpl() - current privilege level: SS.DPL (SDM 25.4.1)
 * @vcpu: loaded
 */
int vmx_cpl(struct vmm_vcpu *vcpu)
{
	if (!(vcpu->cr0 & X86_CR0_PE))
		return 0;
	return VMX_AR_DPL((u32)vmcs_read(GUEST_SS_AR_BYTES));
}

/**
 * vmx_cs_db_l() - CS.D and CS.L
 * @vcpu: loaded
 * @db: result: CS.D
 * @l: result: CS.L
 */
void vmx_cs_db_l(struct vmm_vcpu *vcpu, int *db, int *l)
{
	u32 ar = vmcs_read(GUEST_CS_AR_BYTES);

	*db = !!(ar & VMX_AR_DB_MASK);
	*l = !!(ar & VMX_AR_L_MASK);
}

/**
 * vmx_get_dt() - GDTR or IDTR
 * @vcpu: loaded
 * @dt: base and limit
 * @idt: IDTR, else GDTR
 */
void vmx_get_dt(struct vmm_vcpu *vcpu, struct desc_ptr *dt, bool idt)
{
	dt->size = vmcs_read(idt ? GUEST_IDTR_LIMIT : GUEST_GDTR_LIMIT);
	dt->address = vmcs_read(idt ? GUEST_IDTR_BASE : GUEST_GDTR_BASE);
}

void vmx_set_dt(struct vmm_vcpu *vcpu, const struct desc_ptr *dt, bool idt)
{
	vmcs_write(idt ? GUEST_IDTR_LIMIT : GUEST_GDTR_LIMIT, dt->size);
	vmcs_write(idt ? GUEST_IDTR_BASE : GUEST_GDTR_BASE, dt->address);
}

/* ---- control registers ---------------------------------------------------- */

/* The CPU uses the PDPTEs of the VMCS when these three say so (SDM 4.4.1, 27.3.2.4). */
static void update_pae(struct vmx_vcpu *vmx, unsigned long cr0, unsigned long cr4, u64 efer)
{
	vmx->pae_paging = (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

/**
 * vmx_set_cr0() - load CR0
 * @vcpu: loaded
 * @cr0: as the guest sees it
 */
void vmx_set_cr0(struct vmm_vcpu *vcpu, unsigned long cr0)
{
	const unsigned long free = X86_CR0_PE | X86_CR0_PG;	/* unrestricted guest */
	unsigned long hw;

	/* Caching is the host's business: CD and NW are not passed on. */
	hw = cr0 & ~(X86_CR0_CD | X86_CR0_NW);
	hw |= vmx_config.cr0_fixed0 & ~free;
	hw &= vmx_config.cr0_fixed1;
	vmcs_write(GUEST_CR0, hw);
	vmcs_write(CR0_READ_SHADOW, cr0);
	update_pae(to_vmx(vcpu), cr0, vcpu->cr4, vcpu->efer);
}

void vmx_set_cr3(struct vmm_vcpu *vcpu, unsigned long cr3)
{
	vmcs_write(GUEST_CR3, cr3);
}

void vmx_set_cr4(struct vmm_vcpu *vcpu, unsigned long cr4)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned long hw = cr4 & ~X86_CR4_MCE;

	/* A machine check with CR4.MCE clear would shut the processor down. */
	hw |= cr4_read_shadow() & X86_CR4_MCE;
	hw |= vmx_config.cr4_fixed0;
	hw &= vmx_config.cr4_fixed1;
	if (vmm_backend.caps.emulates_umip) {
		if (cr4 & X86_CR4_UMIP)
			vmx_set_secondary(vmx, vmx->secondary | SECONDARY_EXEC_DESC);
		else
			vmx_set_secondary(vmx, vmx->secondary & ~SECONDARY_EXEC_DESC);
	}
	vmcs_write(GUEST_CR4, hw);
	vmcs_write(CR4_READ_SHADOW, cr4);
	update_pae(vmx, vcpu->cr0, cr4, vcpu->efer);
}

/**
 * vmx_cr4_valid() - could the guest run with this CR4 on this machine (SDM 24.8)
 * @vcpu: loaded
 * @cr4: as the guest would see it
 */
bool vmx_cr4_valid(struct vmm_vcpu *vcpu, unsigned long cr4)
{
	if (vmm_backend.caps.emulates_umip)
		cr4 &= ~X86_CR4_UMIP;
	return !(cr4 & (X86_CR4_VMXE | X86_CR4_SMXE)) && !(cr4 & ~vmx_config.cr4_fixed1);
}

/**
 * vmx_update_guest_owned() - which CR0 and CR4 bits the guest may flip
 * @vcpu: loaded; its CPUID, hence its reserved CR4 bits, may have changed
 *
 * A bit in the guest/host mask belongs to the host (SDM 25.6.6).
 */
void vmx_update_guest_owned(struct vmm_vcpu *vcpu)
{
	unsigned long cr0 = vmm_cr0(vcpu), cr4 = vmm_cr4(vcpu);

	vcpu->cr0_guest_owned = CR0_GUEST_OWNED;
	vcpu->cr4_guest_owned = CR4_GUEST_OWNED & ~vcpu->caps.cr4_reserved;
	vmcs_write(CR0_GUEST_HOST_MASK, ~vcpu->cr0_guest_owned);
	vmcs_write(CR4_GUEST_HOST_MASK, ~vcpu->cr4_guest_owned);
	vmx_set_cr0(vcpu, cr0);
	vmx_set_cr4(vcpu, cr4);
}

/**
 * vmx_set_efer() - load IA32_EFER; its LMA decides whether the entry is to IA-32e mode
 * @vcpu: loaded
 * @efer: as the guest sees it
 */
void vmx_set_efer(struct vmm_vcpu *vcpu, u64 efer)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 ar;

	vmcs_write(GUEST_IA32_EFER, efer);
	if (efer & EFER_LMA) {
		vmx_set_entry_ctls(vmx, vmx->entry_ctls | VM_ENTRY_IA32E_MODE);
		/* In IA-32e mode TR must be a 64-bit TSS (SDM 27.3.1.2). */
		ar = vmcs_read(GUEST_TR_AR_BYTES);
		if ((ar & VMX_AR_TYPE_MASK) != VMX_AR_TYPE_BUSY_64_TSS)
			vmcs_write(GUEST_TR_AR_BYTES,
				   (ar & ~VMX_AR_TYPE_MASK) | VMX_AR_TYPE_BUSY_64_TSS);
	} else {
		vmx_set_entry_ctls(vmx, vmx->entry_ctls & ~VM_ENTRY_IA32E_MODE);
	}
	update_pae(vmx, vcpu->cr0, vcpu->cr4, efer);
}

/* ---- debug registers ------------------------------------------------------- */

void vmx_set_dr7(struct vmm_vcpu *vcpu, unsigned long dr7)
{
	vmcs_write(GUEST_DR7, dr7);
}

/**
 * vmx_db_intercept() - who owns the debug registers, or guest_debug, changed
 * @vcpu: loaded
 */
void vmx_db_intercept(struct vmm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	/*
	 * Allow: all exceptions but these. #AC and #DB may raise themselves while
	 * they are delivered, for ever, and no interrupt would end it; #MC is the
	 * host's; #UD may be the other vendor's hypercall, to be replaced by ours.
	 */
	u32 exceptions = BIT(X86_TRAP_MC) | BIT(X86_TRAP_DB) | BIT(X86_TRAP_AC) |
			 BIT(X86_TRAP_UD);

	if (vcpu->guest_debug & KVM_GUESTDBG_USE_SW_BP)
		exceptions |= BIT(X86_TRAP_BP);
	vmx_set_exception_bitmap(vmx, exceptions);
	vmx_set_cpu_based(vmx, vmm_guest_owns_debug(vcpu) ?
			  vmx->cpu_based & ~CPU_BASED_MOV_DR_EXITING :
			  vmx->cpu_based | CPU_BASED_MOV_DR_EXITING);
}
