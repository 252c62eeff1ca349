// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events into the guest (SDM 27.6), windows for them (SDM 27.7.5, 27.7.6), and what
 * was under way when the guest exited (SDM 28.2.4).
 */
#include "vmx/vmx.h"

static u32 interruptibility(void)
{
	return vmcs_read(GUEST_INTERRUPTIBILITY_INFO);
}

/*
 * With HLT exits disabled the guest may be in the HLT state, into which only some
 * events may be injected (SDM 27.3.1.5). All of them end it, as real ones do.
 */
static void leave_hlt(struct vmm_vcpu *vcpu)
{
	if (unlikely(vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT) &&
	    vmcs_read(GUEST_ACTIVITY_STATE) == GUEST_ACTIVITY_HLT)
		vmcs_write(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
}

/**
 * vmx_inject_exception() - deliver vcpu->exception at the next entry
 * @vcpu: loaded
 */
void vmx_inject_exception(struct vmm_vcpu *vcpu)
{
	const struct vmm_exception *ex = &vcpu->exception;
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 info = ex->vector | INTR_INFO_VALID_MASK;

	if (ex->vector == X86_TRAP_BP || ex->vector == X86_TRAP_OF) {
		/* INT3 and INTO save the address after them (SDM 27.6.1.1). */
		info |= INTR_TYPE_SOFT_EXCEPTION;
		vmcs_write(VM_ENTRY_INSTRUCTION_LEN, vmx->event_insn_len ?: 1);
		vmx->event_insn_len = 0;
	} else {
		info |= INTR_TYPE_HARD_EXCEPTION;
	}
	/* There are no error codes in real mode (SDM 27.2.1.3). */
	if (ex->has_error_code && (vcpu->cr0 & X86_CR0_PE)) {
		info |= INTR_INFO_DELIVER_CODE_MASK;
		vmcs_write(VM_ENTRY_EXCEPTION_ERROR_CODE, (u16)ex->error_code);
	}
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, info);
	leave_hlt(vcpu);
}

/**
 * vmx_inject_irq() - deliver vcpu->interrupt at the next entry
 * @vcpu: loaded
 */
void vmx_inject_irq(struct vmm_vcpu *vcpu)
{
	u32 info = vcpu->interrupt.nr | INTR_INFO_VALID_MASK;

	if (vcpu->interrupt.soft) {
		info |= INTR_TYPE_SOFT_INTR;
		vmcs_write(VM_ENTRY_INSTRUCTION_LEN, vcpu->interrupt.insn_len);
	} else {
		info |= INTR_TYPE_EXT_INTR;
	}
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, info);
	leave_hlt(vcpu);
}

/**
 * vmx_inject_nmi() - deliver an NMI at the next entry, which also blocks further ones
 * @vcpu: loaded
 */
void vmx_inject_nmi(struct vmm_vcpu *vcpu)
{
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD,
		   INTR_INFO_VALID_MASK | INTR_TYPE_NMI_INTR | X86_TRAP_NMI);
	leave_hlt(vcpu);
}

/**
 * vmx_requeue_event() - give an event that was not delivered back to the core
 * @vmx: its thread
 * @info: in the format of the interruption-information fields
 * @error_code: valid if @info says so
 * @insn_len: of the instruction that raised a software event, bytes
 */
void vmx_requeue_event(struct vmx_vcpu *vmx, u32 info, u32 error_code, u32 insn_len)
{
	struct vmm_vcpu *vcpu = &vmx->vcpu;
	u8 vector = info & INTR_INFO_VECTOR_MASK;

	switch (info & INTR_INFO_INTR_TYPE_MASK) {
	case INTR_TYPE_NMI_INTR:
		/*
		 * Its delivery had begun, so NMIs are blocked; the entry that
		 * delivers it again must find them open (SDM 27.2.1.3).
		 */
		vmx_set_nmi_mask(vcpu, false);
		vmm_requeue_nmi(vcpu);
		break;
	case INTR_TYPE_SOFT_EXCEPTION:
	case INTR_TYPE_PRIV_SW_EXCEPTION:
		vmx->event_insn_len = insn_len;
		fallthrough;
	case INTR_TYPE_HARD_EXCEPTION:
		vmm_requeue_exception(vcpu, vector, info & INTR_INFO_DELIVER_CODE_MASK, error_code);
		break;
	case INTR_TYPE_SOFT_INTR:
		vmm_requeue_irq(vcpu, vector, true, insn_len);
		break;
	case INTR_TYPE_EXT_INTR:
		vmm_requeue_irq(vcpu, vector, false, 0);
		break;
	}
}

/**
 * vmx_cancel_injection() - the entry does not take place: take the event back
 * @vcpu: loaded
 */
void vmx_cancel_injection(struct vmm_vcpu *vcpu)
{
	u32 info = vmcs_read(VM_ENTRY_INTR_INFO_FIELD);

	if (!(info & INTR_INFO_VALID_MASK))
		return;
	vmx_requeue_event(to_vmx(vcpu), info, vmcs_read(VM_ENTRY_EXCEPTION_ERROR_CODE),
			  vmcs_read(VM_ENTRY_INSTRUCTION_LEN));
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
}

/**
 * vmx_irq_allowed() - would the guest take an interrupt now
 * @vcpu: loaded
 */
bool vmx_irq_allowed(struct vmm_vcpu *vcpu)
{
	return (vmm_rflags(vcpu) & X86_EFLAGS_IF) &&
	       !(interruptibility() & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS));
}

/**
 * vmx_nmi_allowed() - would the guest take an NMI now
 * @vcpu: loaded
 *
 * Some processors refuse to inject an NMI under STI blocking (SDM 27.3.1.5).
 */
bool vmx_nmi_allowed(struct vmm_vcpu *vcpu)
{
	return !(interruptibility() & (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS |
				       GUEST_INTR_STATE_NMI));
}

/**
 * vmx_open_irq_window() - exit as soon as the guest can take an interrupt
 * @vcpu: loaded
 *
 * The exit closes the window again.
 */
void vmx_open_irq_window(struct vmm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_set_cpu_based(vmx, vmx->cpu_based | CPU_BASED_INTR_WINDOW_EXITING);
}

/**
 * vmx_open_nmi_window() - exit as soon as the guest can take an NMI
 * @vcpu: loaded
 */
void vmx_open_nmi_window(struct vmm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	/*
	 * STI blocking need not hold the NMI window shut, and the exit would come
	 * back at once; it ends where the interrupt window opens.
	 */
	if (interruptibility() & GUEST_INTR_STATE_STI)
		vmx_open_irq_window(vcpu);
	else
		vmx_set_cpu_based(vmx, vmx->cpu_based | CPU_BASED_NMI_WINDOW_EXITING);
}

/**
 * vmx_get_shadow() - blocking by STI or MOV SS, as KVM_X86_SHADOW_INT_*
 * @vcpu: loaded; others ask vmm_shadow()
 */
u32 vmx_get_shadow(struct vmm_vcpu *vcpu)
{
	u32 state = interruptibility(), mask = 0;

	if (state & GUEST_INTR_STATE_STI)
		mask |= KVM_X86_SHADOW_INT_STI;
	if (state & GUEST_INTR_STATE_MOV_SS)
		mask |= KVM_X86_SHADOW_INT_MOV_SS;
	return mask;
}

void vmx_set_shadow(struct vmm_vcpu *vcpu, u32 mask)
{
	u32 old = interruptibility();
	u32 state = old & ~(GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS);

	/* Both at once are not allowed (SDM 27.3.1.5). */
	if (mask & KVM_X86_SHADOW_INT_MOV_SS)
		state |= GUEST_INTR_STATE_MOV_SS;
	else if (mask & KVM_X86_SHADOW_INT_STI)
		state |= GUEST_INTR_STATE_STI;
	if (state == old)
		return;
	vmcs_write(GUEST_INTERRUPTIBILITY_INFO, state);
	to_vmx(vcpu)->check_single_step = true;
}

/**
 * vmx_get_nmi_mask() - are NMIs blocked, from the delivery of one to its IRET
 * @vcpu: loaded
 */
bool vmx_get_nmi_mask(struct vmm_vcpu *vcpu)
{
	return interruptibility() & GUEST_INTR_STATE_NMI;
}

void vmx_set_nmi_mask(struct vmm_vcpu *vcpu, bool masked)
{
	u32 old = interruptibility(), state = old & ~GUEST_INTR_STATE_NMI;

	if (masked)
		state |= GUEST_INTR_STATE_NMI;
	if (state != old)
		vmcs_write(GUEST_INTERRUPTIBILITY_INFO, state);
}

/* ---- TPR shadow (SDM 30.1) -------------------------------------------------- */

/**
 * vmx_set_tpr_threshold() - exit when the guest's TPR falls below
 * @vmx: uses the TPR shadow
 * @threshold: class of a vector, 0..15; 0: never
 */
void vmx_set_tpr_threshold(struct vmx_vcpu *vmx, u8 threshold)
{
	if (vmx->tpr_threshold == threshold)
		return;
	vmx->tpr_threshold = threshold;
	vmcs_write(TPR_THRESHOLD, threshold);
}

/**
 * vmx_update_cr8_intercept() - choose the TPR below which the guest exits
 * @vcpu: loaded; has a LAPIC
 * @tpr: its TPR's class, 0..15, as CR8 shows it
 * @irr: the highest waiting vector, or -1
 *
 * When the vector could already come there is nothing to wait for.
 */
void vmx_update_cr8_intercept(struct vmm_vcpu *vcpu, int tpr, int irr)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (vmx->cpu_based & CPU_BASED_TPR_SHADOW)
		vmx_set_tpr_threshold(vmx, irr < 0 || irr >> 4 > tpr ? 0 : irr >> 4);
}
