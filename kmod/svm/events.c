// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events into the guest and back: injection (APM 15.20), the interrupt window by a
 * virtual interrupt (15.21), the NMI window by IRET, and the TPR.
 *
 * NMIs. The CPU does not tell whether the guest may take an NMI (VNMI, which does,
 * is used by neither emulator of the lab, so not here either). So: an injected NMI
 * masks further ones and turns the IRET intercept on. That intercept fires before
 * IRET executes; NMIs unmask once RIP has left it. When an NMI waits for that, or
 * for an interrupt shadow to end, the guest runs one instruction with TF set.
 */
#define pr_fmt(fmt) "vmm: svm: " fmt

#include <linux/smp.h>
#include <trace/events/ipi.h>
#include <uapi/asm/svm.h>

#include "svm.h"

/* ---- injection ------------------------------------------------------------------- */

static void event_inject(struct svm_vcpu *svm, u32 event, u32 error)
{
	svm->vmcb->event_inj = event | EVENT_V;
	svm->vmcb->event_inj_error = error;
}

/*
 * INT n, INT3 and INTO push the address of the next instruction. Injected, the CPU
 * takes it from next_rip where it has NRIPS, else it pushes RIP itself (APM 15.20):
 * move RIP there, and back if the delivery does not complete.
 */
static void soft_event(struct svm_vcpu *svm, u8 len)
{
	struct vmm_vcpu *vcpu = &svm->vcpu;
	u64 rip = vmm_rip(vcpu), next;

	if (!len)
		len = vmm_decode_length(vcpu);
	next = rip + len;
	if (!vmm_64bit_mode(vcpu))
		next = (u32)next;
	svm->soft_injected = true;
	svm->soft_len = len;
	svm->soft_rip = rip;
	if (svm_features.nrips)
		svm->vmcb->next_rip = next;
	else
		vmm_set_rip(vcpu, next);
}

/* It did not go in: the guest is still at the instruction. */
static void soft_undo(struct svm_vcpu *svm)
{
	if (svm->soft_injected)
		vmm_set_rip(&svm->vcpu, svm->soft_rip);
	svm->soft_injected = false;
}

/**
 * svm_inject_exception() - put vcpu->exception into EVENTINJ
 * @vcpu: vCPU thread, SRCU held
 */
void svm_inject_exception(struct vmm_vcpu *vcpu)
{
	const struct vmm_exception *ex = &vcpu->exception;
	struct svm_vcpu *svm = to_svm(vcpu);
	u32 event = EVENT_EXCEPTION | ex->vector;

	if (ex->vector == X86_TRAP_BP || ex->vector == X86_TRAP_OF)
		soft_event(svm, 0);
	if (ex->has_error_code)
		event |= EVENT_EV;
	event_inject(svm, event, ex->has_error_code ? ex->error_code : 0);
}

/**
 * svm_inject_irq() - put vcpu->interrupt into EVENTINJ
 * @vcpu: vCPU thread, SRCU held
 */
void svm_inject_irq(struct vmm_vcpu *vcpu)
{
	const struct vmm_interrupt *irq = &vcpu->interrupt;
	struct svm_vcpu *svm = to_svm(vcpu);

	if (irq->soft)
		soft_event(svm, irq->insn_len);
	event_inject(svm, (irq->soft ? EVENT_SOFT_INTR : EVENT_INTR) | irq->nr, 0);
}

static void set_nmi_masked(struct svm_vcpu *svm, bool masked)
{
	svm->nmi_masked = masked;
	svm->nmi_iret = false;
	svm_intercept(svm, ICPT_IRET, masked);
}

/**
 * svm_inject_nmi() - put an NMI into EVENTINJ; NMIs are masked from here to its IRET
 * @vcpu: vCPU thread
 */
void svm_inject_nmi(struct vmm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->nmi_step = false;
	event_inject(svm, EVENT_NMI | X86_TRAP_NMI, 0);
	set_nmi_masked(svm, true);
}

/**
 * svm_cancel_injection() - the entry was called off
 * @vcpu: vCPU thread; the core still has the event marked as injected
 */
void svm_cancel_injection(struct vmm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb->event_inj = 0;
	soft_undo(svm);
}

/* ---- windows ------------------------------------------------------------------------ */

void svm_set_shadow(struct vmm_vcpu *vcpu, u32 mask)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;

	if (mask)
		vmcb->int_state |= INTERRUPT_SHADOW;
	else
		vmcb->int_state &= ~(u64)INTERRUPT_SHADOW;
}

bool svm_irq_allowed(struct vmm_vcpu *vcpu)
{
	return (vmm_rflags(vcpu) & X86_EFLAGS_IF) && !vmm_shadow(vcpu);
}

bool svm_nmi_allowed(struct vmm_vcpu *vcpu)
{
	return !to_svm(vcpu)->nmi_masked && !vmm_shadow(vcpu);
}

bool svm_get_nmi_mask(struct vmm_vcpu *vcpu)
{
	return to_svm(vcpu)->nmi_masked;
}

void svm_set_nmi_mask(struct vmm_vcpu *vcpu, bool masked)
{
	set_nmi_masked(to_svm(vcpu), masked);
}

/**
 * svm_open_irq_window() - exit as soon as the guest can take an interrupt
 * @vcpu: vCPU thread
 *
 * A virtual interrupt that the guest would take at that moment, intercepted. Its
 * priority is not looked at: the core has compared it with the TPR.
 */
void svm_open_irq_window(struct vmm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb *vmcb = svm->vmcb;

	vmcb->int_ctl |= V_IRQ | V_INTR_PRIO_MAX | V_IGN_TPR;
	vmcb->int_vector = 0;
	svm_intercept(svm, ICPT_VINTR, true);
}

/**
 * svm_close_irq_window() - the guest was able to take an interrupt
 * @svm: after the VINTR exit
 */
void svm_close_irq_window(struct svm_vcpu *svm)
{
	svm->vmcb->int_ctl &= ~(V_IRQ | V_INTR_PRIO_MAX | V_IGN_TPR);
	svm_intercept(svm, ICPT_VINTR, false);
}

/**
 * svm_open_nmi_window() - exit as soon as the guest can take an NMI
 * @vcpu: vCPU thread
 */
void svm_open_nmi_window(struct vmm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->nmi_masked && !svm->nmi_iret)
		return;		/* the IRET intercept tells */
	svm->nmi_step = true;
}

/**
 * svm_update_cr8_intercept() - exit when the guest lowers its TPR far enough
 * @vcpu: has a LAPIC
 * @tpr: 0 to 15
 * @irr: the highest waiting vector, or -1
 *
 * Only a TPR at or above the vector's class keeps it waiting, and only a write can
 * end that. Otherwise CR8 is the guest's own, taken from V_TPR after each exit.
 */
void svm_update_cr8_intercept(struct vmm_vcpu *vcpu, int tpr, int irr)
{
	svm_intercept(to_svm(vcpu), ICPT_WRITE_CR(8), irr >= 0 && tpr >= irr >> 4);
}

/* ---- around the entry -------------------------------------------------------------- */

/**
 * svm_step_for_nmi() - the entry to come is for one instruction
 * @svm: nmi_step is set, the VMCB is otherwise ready; interrupts off
 */
void svm_step_for_nmi(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	if (vmcb->event_inj & EVENT_V) {
		/*
		 * The event would save our TF in its frame. Let it in alone and come
		 * back at once: the host takes this interrupt before the handler has
		 * gone far.
		 */
		svm->nmi_step = false;
		vmm_make_request(&svm->vcpu, VMM_REQ_EVENT);
		smp_send_reschedule(smp_processor_id());
		return;
	}
	/* RF: the instruction may lie under a breakpoint it has already reported. */
	svm->step_added = (X86_EFLAGS_TF | X86_EFLAGS_RF) & ~vmcb->rflags;
	vmcb->rflags |= svm->step_added;
}

/**
 * svm_iret_exit() - the guest is about to execute IRET with NMIs masked
 * @svm: after the exit
 */
void svm_iret_exit(struct svm_vcpu *svm)
{
	svm_intercept(svm, ICPT_IRET, false);
	svm->nmi_iret = true;
	svm->nmi_iret_rip = svm->vmcb->rip;
}

/**
 * svm_track_nmi() - after an entry with flags added, or at an IRET with NMIs masked
 * @svm: just after the exit, registers stored, interrupts off
 *
 * Take back the flags that svm_step_for_nmi() added, but not from the flags that an
 * IRET has loaded since, and see whether NMIs are unmasked.
 */
void svm_track_nmi(struct svm_vcpu *svm)
{
	struct vmm_vcpu *vcpu = &svm->vcpu;
	bool left = svm->nmi_iret && vcpu->regs[VMM_RIP] != svm->nmi_iret_rip;

	if (svm->step_added && !left)
		vcpu->regs[VMM_RFLAGS] &= ~svm->step_added;
	if (left) {
		set_nmi_masked(svm, false);
		vmm_make_request(vcpu, VMM_REQ_EVENT);
	}
}

/**
 * svm_requeue() - the event whose delivery this exit cut short goes back to the core
 * @svm: just after such an exit, registers stored, interrupts off
 */
void svm_requeue(struct svm_vcpu *svm)
{
	struct vmm_vcpu *vcpu = &svm->vcpu;
	struct vmcb *vmcb = svm->vmcb;
	u32 info = vmcb->exit_int_info;
	u8 vector = info & EVENT_VECTOR;

	if (vmcb->exit_code == SVM_EXIT_TASK_SWITCH) {
		/* A task gate's task switch is itself the delivery. */
		soft_undo(svm);
		return;
	}

	switch (info & EVENT_TYPE) {
	case EVENT_INTR:
		vmm_requeue_irq(vcpu, vector, false, 0);
		return;
	case EVENT_NMI:
		vmm_requeue_nmi(vcpu);
		return;
	case EVENT_EXCEPTION:
		if (vector != X86_TRAP_BP && vector != X86_TRAP_OF) {
			vmm_requeue_exception(vcpu, vector, info & EVENT_EV,
					      vmcb->exit_int_error);
			return;
		}
		break;
	case EVENT_SOFT_INTR:
		break;
	default:
		return;
	}
	/*
	 * Raised by an instruction. If the guest's, RIP is still there: it runs again.
	 * If injected, the instruction need not be in memory at all: inject again.
	 */
	if (!svm->soft_injected)
		return;
	soft_undo(svm);
	if ((info & EVENT_TYPE) == EVENT_SOFT_INTR)
		vmm_requeue_irq(vcpu, vector, true, svm->soft_len);
	else
		vmm_requeue_exception(vcpu, vector, false, 0);
}
