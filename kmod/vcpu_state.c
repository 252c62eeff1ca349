// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU's architectural state as user space reads and writes it: the GET/SET
 * pairs of registers, events and multiprocessing state. vcpu->mutex held and the
 * vCPU loaded in all of them. Nothing user space writes is trusted: what the CPU
 * itself would not accept is refused here with -EINVAL.
 */
#include <asm/mce.h>

#include "vmm.h"
#include "ioctl.h"

int vmm_get_regs(struct vmm_vcpu *vcpu, struct kvm_regs *regs)
{
	unsigned long missing = ~vcpu->avail & (BIT(VMM_NR_REGS) - 1);
	const unsigned long *r = vcpu->regs;
	int i;

	for_each_set_bit(i, &missing, VMM_NR_REGS)
		vmm_backend.cache_reg(vcpu, i);
	*regs = (struct kvm_regs) {
		.rax = r[VMM_RAX], .rbx = r[VMM_RBX], .rcx = r[VMM_RCX], .rdx = r[VMM_RDX],
		.rsi = r[VMM_RSI], .rdi = r[VMM_RDI], .rsp = r[VMM_RSP], .rbp = r[VMM_RBP],
		.r8 = r[VMM_R8], .r9 = r[VMM_R9], .r10 = r[VMM_R10], .r11 = r[VMM_R11],
		.r12 = r[VMM_R12], .r13 = r[VMM_R13], .r14 = r[VMM_R14], .r15 = r[VMM_R15],
		.rip = r[VMM_RIP], .rflags = r[VMM_RFLAGS],
	};
	/* While single-stepping for user space the trap flag is not the guest's. */
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		regs->rflags &= ~(u64)X86_EFLAGS_TF;
	return 0;
}

int vmm_set_regs(struct vmm_vcpu *vcpu, const struct kvm_regs *regs)
{
	unsigned long *r = vcpu->regs;

	r[VMM_RAX] = regs->rax, r[VMM_RBX] = regs->rbx, r[VMM_RCX] = regs->rcx;
	r[VMM_RDX] = regs->rdx, r[VMM_RSI] = regs->rsi, r[VMM_RDI] = regs->rdi;
	r[VMM_RSP] = regs->rsp, r[VMM_RBP] = regs->rbp;
	r[VMM_R8] = regs->r8, r[VMM_R9] = regs->r9, r[VMM_R10] = regs->r10;
	r[VMM_R11] = regs->r11, r[VMM_R12] = regs->r12, r[VMM_R13] = regs->r13;
	r[VMM_R14] = regs->r14, r[VMM_R15] = regs->r15;
	r[VMM_RIP] = regs->rip;
	vcpu->avail |= BIT(VMM_NR_REGS) - 1;
	vcpu->dirty |= BIT(VMM_NR_REGS) - 1;
	vmm_set_rflags(vcpu, regs->rflags | X86_EFLAGS_FIXED);
	/* GET_REGS hides the debugger's trap flag: it must survive what comes from there. */
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		vmm_set_rflags(vcpu, regs->rflags | X86_EFLAGS_FIXED | X86_EFLAGS_TF);
	/* One on its way goes with the old registers; one in delivery goes on. */
	vcpu->exception.pending = false;
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	return 0;
}

/* ---- segments, descriptor tables, control registers --------------------------- */

static void get_sregs_common(struct vmm_vcpu *vcpu, struct kvm_sregs *s)
{
	struct desc_ptr dt;

	vmm_backend.get_segment(vcpu, &s->cs, VMM_CS);
	vmm_backend.get_segment(vcpu, &s->ds, VMM_DS);
	vmm_backend.get_segment(vcpu, &s->es, VMM_ES);
	vmm_backend.get_segment(vcpu, &s->fs, VMM_FS);
	vmm_backend.get_segment(vcpu, &s->gs, VMM_GS);
	vmm_backend.get_segment(vcpu, &s->ss, VMM_SS);
	vmm_backend.get_segment(vcpu, &s->tr, VMM_TR);
	vmm_backend.get_segment(vcpu, &s->ldt, VMM_LDTR);
	vmm_backend.get_dt(vcpu, &dt, true);
	s->idt.limit = dt.size;
	s->idt.base = dt.address;
	vmm_backend.get_dt(vcpu, &dt, false);
	s->gdt.limit = dt.size;
	s->gdt.base = dt.address;
	s->cr0 = vmm_cr0(vcpu);
	s->cr2 = vcpu->cr2;
	s->cr3 = vmm_cr3(vcpu);
	s->cr4 = vmm_cr4(vcpu);
	s->cr8 = vmm_get_cr8(vcpu);
	s->efer = vcpu->efer;
	s->apic_base = vcpu->apic_base;
}

int vmm_get_sregs(struct vmm_vcpu *vcpu, struct kvm_sregs *s)
{
	get_sregs_common(vcpu, s);
	if (vcpu->interrupt.injected && !vcpu->interrupt.soft)
		__set_bit(vcpu->interrupt.nr, (unsigned long *)s->interrupt_bitmap);
	return 0;
}

static bool pae_paging(unsigned long cr0, unsigned long cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

int vmm_get_sregs2(struct vmm_vcpu *vcpu, struct kvm_sregs2 *s2)
{
	BUILD_BUG_ON(offsetof(struct kvm_sregs, interrupt_bitmap) !=
		     offsetof(struct kvm_sregs2, flags));
	get_sregs_common(vcpu, (struct kvm_sregs *)s2);
	if (pae_paging(s2->cr0, s2->cr4, s2->efer)) {
		if (vcpu->pdptrs_stale)
			vmm_load_pdptrs(vcpu, s2->cr3);
		memcpy(s2->pdptrs, vcpu->pdptrs, sizeof(s2->pdptrs));
		s2->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	}
	return 0;
}

static bool sregs_valid(struct vmm_vcpu *vcpu, const struct kvm_sregs *s)
{
	if (s->cr0 & 0xffffffff00000000ull)
		return false;
	/* SDM 2.5: PG needs PE, NW needs CD. */
	if ((s->cr0 & X86_CR0_PG) && !(s->cr0 & X86_CR0_PE))
		return false;
	if ((s->cr0 & X86_CR0_NW) && !(s->cr0 & X86_CR0_CD))
		return false;
	if ((s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG)) {
		/* Long mode is active, so it must look so: PAE, LMA, a sane CR3. */
		if (!(s->cr4 & X86_CR4_PAE) || !(s->efer & EFER_LMA))
			return false;
		if (s->cr3 & ~GENMASK_ULL(vcpu->caps.maxphyaddr - 1, 0))
			return false;
	} else if ((s->efer & EFER_LMA) || s->cs.l) {
		return false;
	}
	if (s->cr4 & vcpu->caps.cr4_reserved)
		return false;
	/* What the guest's CPUID lacks is user space's to know; what the CPU lacks cannot be. */
	if (s->efer & ~vmm_efer_supported())
		return false;
	return vmm_backend.cr4_valid(vcpu, s->cr4);
}

static int set_sregs_common(struct vmm_vcpu *vcpu, const struct kvm_sregs *s)
{
	struct desc_ptr dt;

	if (!sregs_valid(vcpu, s))
		return -EINVAL;
	if (vmm_lapic_set_base(vcpu, s->apic_base, true))
		return -EINVAL;

	dt.size = s->idt.limit;
	dt.address = s->idt.base;
	vmm_backend.set_dt(vcpu, &dt, true);
	dt.size = s->gdt.limit;
	dt.address = s->gdt.base;
	vmm_backend.set_dt(vcpu, &dt, false);

	vcpu->cr2 = s->cr2;
	vmm_set_cr8(vcpu, s->cr8);
	vcpu->efer = s->efer;
	vmm_backend.set_efer(vcpu, s->efer);
	vmm_backend.set_cr0(vcpu, s->cr0);
	vcpu->cr0 = s->cr0;
	vmm_backend.set_cr4(vcpu, s->cr4);
	vcpu->cr4 = s->cr4;
	vcpu->avail |= BIT(VMM_REG_CR0) | BIT(VMM_REG_CR3) | BIT(VMM_REG_CR4);
	vcpu->cr3 = s->cr3;
	vmm_backend.set_cr3(vcpu, s->cr3);

	vmm_set_segment(vcpu, &s->cs, VMM_CS);
	vmm_set_segment(vcpu, &s->ds, VMM_DS);
	vmm_set_segment(vcpu, &s->es, VMM_ES);
	vmm_set_segment(vcpu, &s->fs, VMM_FS);
	vmm_set_segment(vcpu, &s->gs, VMM_GS);
	vmm_set_segment(vcpu, &s->ss, VMM_SS);
	vmm_set_segment(vcpu, &s->tr, VMM_TR);
	vmm_set_segment(vcpu, &s->ldt, VMM_LDTR);

	vmm_cpuid_update_runtime(vcpu);
	vmm_make_request(vcpu, VMM_REQ_TLB_FLUSH_GUEST);
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	return 0;
}

int vmm_set_sregs(struct vmm_vcpu *vcpu, const struct kvm_sregs *s)
{
	int r = set_sregs_common(vcpu, s), nr;

	if (r)
		return r;
	if (pae_paging(s->cr0, s->cr4, s->efer))
		vmm_load_pdptrs(vcpu, s->cr3);
	nr = find_first_bit((const unsigned long *)s->interrupt_bitmap, KVM_NR_INTERRUPTS);
	if (nr < KVM_NR_INTERRUPTS)
		vmm_requeue_irq(vcpu, nr, false, 0);
	return 0;
}

int vmm_set_sregs2(struct vmm_vcpu *vcpu, const struct kvm_sregs2 *s2)
{
	bool valid = s2->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
	bool pae = pae_paging(s2->cr0, s2->cr4, s2->efer);
	int r;

	if (s2->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID || (valid && !pae))
		return -EINVAL;
	r = set_sregs_common(vcpu, (const struct kvm_sregs *)s2);
	if (r)
		return r;
	if (valid) {
		memcpy(vcpu->pdptrs, s2->pdptrs, sizeof(vcpu->pdptrs));
		vcpu->pdptrs_stale = false;
	} else if (pae) {
		vmm_load_pdptrs(vcpu, s2->cr3);
	}
	return 0;
}

/* ---- multiprocessing state ------------------------------------------------------ */

int vmm_get_mp_state(struct vmm_vcpu *vcpu, struct kvm_mp_state *mp)
{
	if (vcpu->lapic)
		vmm_lapic_accept_events(vcpu);
	mp->mp_state = vcpu->mp_state;
	if (mp->mp_state == KVM_MP_STATE_HALTED && READ_ONCE(vcpu->unhalted))
		mp->mp_state = KVM_MP_STATE_RUNNABLE;
	return 0;
}

int vmm_set_mp_state(struct vmm_vcpu *vcpu, const struct kvm_mp_state *mp)
{
	switch (mp->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_SIPI_RECEIVED:
		if (!vcpu->lapic)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	if (mp->mp_state == KVM_MP_STATE_SIPI_RECEIVED) {
		vcpu->mp_state = KVM_MP_STATE_INIT_RECEIVED;
		vmm_lapic_post_sipi(vcpu);
	} else {
		vcpu->mp_state = mp->mp_state;
	}
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	return 0;
}

/* ---- events ---------------------------------------------------------------------- */

int vmm_get_vcpu_events(struct vmm_vcpu *vcpu, struct kvm_vcpu_events *ev)
{
	struct vmm_exception *ex = &vcpu->exception;

	vmm_collect_nmis(vcpu);
	/*
	 * Without the payload capability user space has no field for CR2 or DR6
	 * of an exception still to come, so they are applied now.
	 */
	if (!vcpu->vm->exception_payload && ex->pending && ex->has_payload)
		vmm_deliver_payload(vcpu);

	if (vcpu->vm->exception_payload) {
		ev->exception.injected = ex->injected;
		ev->exception.pending = ex->pending;
		ev->exception_has_payload = ex->has_payload;
		ev->exception_payload = ex->payload;
		ev->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	} else {
		ev->exception.injected = ex->injected || ex->pending;
	}
	/* There is no field for the length of INT3 or INTO: RIP is at it, it comes again. */
	if (ex->vector == BP_VECTOR || ex->vector == OF_VECTOR) {
		ev->exception.injected = 0;
		ev->exception.pending = 0;
	}
	ev->exception.nr = ex->vector;
	ev->exception.has_error_code = ex->has_error_code;
	ev->exception.error_code = ex->error_code;
	ev->interrupt.injected = vcpu->interrupt.injected && !vcpu->interrupt.soft;
	ev->interrupt.nr = vcpu->interrupt.nr;
	ev->interrupt.shadow = vmm_shadow(vcpu);
	ev->nmi.injected = vcpu->nmi_injected;
	ev->nmi.pending = vcpu->nmi_pending != 0;
	ev->nmi.masked = vmm_backend.get_nmi_mask(vcpu);
	ev->flags |= KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	if (READ_ONCE(vcpu->vm->triple_fault_event)) {
		ev->triple_fault.pending = vmm_test_request(vcpu, VMM_REQ_TRIPLE_FAULT);
		ev->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	}
	return 0;
}

int vmm_set_vcpu_events(struct vmm_vcpu *vcpu, const struct kvm_vcpu_events *ev)
{
	const u32 known = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |
			  KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_PAYLOAD |
			  KVM_VCPUEVENT_VALID_SMM | KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	struct vmm_exception ex = {
		.injected = ev->exception.injected,
		.vector = ev->exception.nr,
		.has_error_code = ev->exception.has_error_code,
		.error_code = ev->exception.error_code,
	};

	if (ev->flags & ~known)
		return -EINVAL;
	/* There is no SMM here: only its absence can be restored. */
	if ((ev->flags & KVM_VCPUEVENT_VALID_SMM) &&
	    (ev->smi.smm || ev->smi.pending || ev->smi.smm_inside_nmi))
		return -EINVAL;
	if (ev->flags & KVM_VCPUEVENT_VALID_PAYLOAD) {
		if (!vcpu->vm->exception_payload)
			return -EINVAL;
		if (ev->exception.pending)
			ex.injected = false;
		ex.pending = ev->exception.pending;
		ex.has_payload = ex.pending && ev->exception_has_payload;
		ex.payload = ex.has_payload ? ev->exception_payload : 0;
	}
	if ((ev->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) &&
	    !READ_ONCE(vcpu->vm->triple_fault_event))
		return -EINVAL;
	if ((ex.injected || ex.pending) && (ex.vector > 31 || ex.vector == NMI_VECTOR))
		return -EINVAL;

	vcpu->exception = ex;
	vcpu->interrupt.injected = ev->interrupt.injected;
	vcpu->interrupt.nr = ev->interrupt.nr;
	vcpu->interrupt.soft = false;
	if (ev->flags & KVM_VCPUEVENT_VALID_SHADOW)
		vmm_set_shadow(vcpu, ev->interrupt.shadow);
	vcpu->nmi_injected = ev->nmi.injected;
	if (ev->flags & KVM_VCPUEVENT_VALID_NMI_PENDING) {
		vcpu->nmi_pending = !!ev->nmi.pending;
		atomic_set(&vcpu->nmi_queued, 0);
	}
	vmm_backend.set_nmi_mask(vcpu, ev->nmi.masked);
	if ((ev->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR) && vcpu->lapic)
		vcpu->sipi_vector = ev->sipi_vector;
	if (ev->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) {
		vmm_check_request(vcpu, VMM_REQ_TRIPLE_FAULT);
		if (ev->triple_fault.pending)
			vmm_make_request(vcpu, VMM_REQ_TRIPLE_FAULT);
	}
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	return 0;
}

int vmm_user_interrupt(struct vmm_vcpu *vcpu, const struct kvm_interrupt *irq)
{
	if (irq->irq > 255)
		return -EINVAL;
	switch (smp_load_acquire(&vcpu->vm->irqchip.mode)) {
	case VMM_IRQCHIP_NONE:
		vmm_requeue_irq(vcpu, irq->irq, false, 0);
		break;
	case VMM_IRQCHIP_FULL:
		return -ENXIO;
	case VMM_IRQCHIP_SPLIT:
		if (vcpu->user_irq >= 0)
			return -EEXIST;
		vcpu->user_irq = irq->irq;
		break;
	}
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	return 0;
}

/* ---- registers that travel in kvm_run (KVM_CAP_SYNC_REGS) ---------------------------- */

/**
 * vmm_sync_regs_in() - take what user space has changed in kvm_run
 * @vcpu: loaded, vcpu->mutex held
 * @dirty: KVM_SYNC_X86_*; the bits of what was taken are cleared in kvm_run
 *
 * kvm_run can change while we look at it: everything that is checked is copied first.
 *
 * Return: 0, or -EINVAL for unknown bits and for what the SET ioctls refuse.
 */
int vmm_sync_regs_in(struct vmm_vcpu *vcpu, u64 dirty)
{
	struct kvm_run *run = vcpu->run;
	union {
		struct kvm_regs regs;
		struct kvm_sregs sregs;
		struct kvm_vcpu_events events;
	} copy;

	if (dirty & ~(u64)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	if (dirty & KVM_SYNC_X86_REGS) {
		copy.regs = run->s.regs.regs;
		vmm_set_regs(vcpu, &copy.regs);
		run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_REGS;
	}
	if (dirty & KVM_SYNC_X86_SREGS) {
		copy.sregs = run->s.regs.sregs;
		if (vmm_set_sregs(vcpu, &copy.sregs))
			return -EINVAL;
		run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_SREGS;
	}
	if (dirty & KVM_SYNC_X86_EVENTS) {
		copy.events = run->s.regs.events;
		if (vmm_set_vcpu_events(vcpu, &copy.events))
			return -EINVAL;
		run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_EVENTS;
	}
	return 0;
}

/**
 * vmm_sync_regs_out() - give user space the registers it wants to see in kvm_run
 * @vcpu: loaded, vcpu->mutex held
 * @valid: KVM_SYNC_X86_*
 */
void vmm_sync_regs_out(struct vmm_vcpu *vcpu, u64 valid)
{
	struct kvm_sync_regs *out = &vcpu->run->s.regs;

	BUILD_BUG_ON(sizeof(struct kvm_sync_regs) > SYNC_REGS_SIZE_BYTES);
	if (valid & KVM_SYNC_X86_REGS)
		vmm_get_regs(vcpu, &out->regs);
	if (valid & KVM_SYNC_X86_SREGS) {
		memset(&out->sregs, 0, sizeof(out->sregs));
		vmm_get_sregs(vcpu, &out->sregs);
	}
	if (valid & KVM_SYNC_X86_EVENTS) {
		memset(&out->events, 0, sizeof(out->events));
		vmm_get_vcpu_events(vcpu, &out->events);
	}
}

/* ---- debug registers --------------------------------------------------------------- */

int vmm_get_debugregs(struct vmm_vcpu *vcpu, struct kvm_debugregs *dbg)
{
	int i;

	for (i = 0; i < 4; i++)
		dbg->db[i] = vcpu->db[i];
	dbg->dr6 = vcpu->dr6;
	dbg->dr7 = vcpu->dr7;
	return 0;
}

int vmm_set_debugregs(struct vmm_vcpu *vcpu, const struct kvm_debugregs *dbg)
{
	int i;

	if (dbg->flags || dbg->dr6 >> 32 || dbg->dr7 >> 32)
		return -EINVAL;
	for (i = 0; i < 4; i++)
		vcpu->db[i] = dbg->db[i];
	vcpu->dr6 = dbg->dr6;
	vcpu->dr7 = dbg->dr7;
	vmm_update_db(vcpu);
	return 0;
}

/* ---- the rest ------------------------------------------------------------------------ */

int vmm_translate(struct vmm_vcpu *vcpu, struct kvm_translation *tr)
{
	u64 gpa = VMM_INVALID_GPA;
	u32 error;

	tr->valid = !vmm_gva_to_gpa(vcpu, tr->linear_address, VMM_ACCESS_READ, &gpa, &error);
	tr->physical_address = tr->valid ? gpa : VMM_INVALID_GPA;
	tr->writeable = 1;
	tr->usermode = 0;
	return 0;
}

int vmm_setup_mce(struct vmm_vcpu *vcpu, u64 cap)
{
	unsigned int banks = cap & 0xff, i;

	if (!banks || banks > VMM_MCE_BANKS || cap & ~(vmm_mce_cap() | 0xff | 0xff0000))
		return -EINVAL;
	vcpu->mcg_cap = cap;
	if (cap & MCG_CTL_P)
		vcpu->mcg_ctl = ~0ull;
	for (i = 0; i < banks; i++)
		vcpu->mce_banks[i * 4] = ~0ull;
	vmm_lapic_mcg_cap_changed(vcpu);
	return 0;
}

/* An error that nobody needs to act upon: no exception, only a note in the bank. */
static bool is_ucna(const struct kvm_x86_mce *mce)
{
	return !mce->mcg_status && (mce->status & MCI_STATUS_UC) &&
	       !(mce->status & (MCI_STATUS_PCC | MCI_STATUS_S | MCI_STATUS_AR));
}

/**
 * vmm_set_mce() - KVM_X86_SET_MCE: a machine check for the guest (SDM 16.3)
 * @vcpu: loaded, vcpu->mutex held
 * @mce: the bank and what it is to report
 *
 * An uncorrected error raises #MC unless the guest has its reporting disabled, and ends
 * in shutdown when the guest is handling one already or has not set CR4.MCE. One that needs
 * no action raises the bank's CMCI instead, where the guest has asked for that.
 *
 * Return: 0, or -EINVAL for a bank that is not there or a status that is not valid.
 */
int vmm_set_mce(struct vmm_vcpu *vcpu, const struct kvm_x86_mce *mce)
{
	unsigned int banks = min_t(unsigned int, vcpu->mcg_cap & 0xff, VMM_MCE_BANKS);
	bool uncorrected = mce->status & MCI_STATUS_UC;
	u64 status = mce->status, *bank;

	if (mce->bank >= banks || !(status & MCI_STATUS_VAL))
		return -EINVAL;
	bank = &vcpu->mce_banks[array_index_nospec(mce->bank, VMM_MCE_BANKS) * 4];
	if (!is_ucna(mce)) {
		if (uncorrected && (bank[0] != ~0ull ||
				    ((vcpu->mcg_cap & MCG_CTL_P) && vcpu->mcg_ctl != ~0ull)))
			return 0;
		if (uncorrected && ((vcpu->mcg_status & MCG_STATUS_MCIP) ||
				    !(vmm_cr4(vcpu) & X86_CR4_MCE))) {
			vmm_make_request(vcpu, VMM_REQ_TRIPLE_FAULT);
			return 0;
		}
		/* A corrected error does not overwrite an uncorrected one (SDM 16.3.2.2.1). */
		if (!uncorrected && (bank[1] & MCI_STATUS_VAL) && (bank[1] & MCI_STATUS_UC)) {
			bank[1] |= MCI_STATUS_OVER;
			return 0;
		}
		if (bank[1] & MCI_STATUS_VAL)
			status |= MCI_STATUS_OVER;
	}
	bank[1] = status;
	bank[2] = mce->addr;
	bank[3] = mce->misc;
	if (uncorrected)
		vcpu->mcg_status = mce->mcg_status;
	if (uncorrected && !is_ucna(mce))
		vmm_queue_exception(vcpu, MC_VECTOR);
	else if (uncorrected && (vcpu->mcg_cap & MCG_CMCI_P) &&
		 (vcpu->mce_ctl2[array_index_nospec(mce->bank, VMM_MCE_BANKS)] & MCI_CTL2_CMCI_EN))
		vmm_lapic_local_deliver(vcpu, APIC_LVTCMCI);
	return 0;
}
