// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events on their way into the guest: exceptions, NMIs, interrupts; which goes
 * first (SDM table 7-2), what two exceptions make (SDM table 7-5), and what was
 * interrupted in delivery and goes in again.
 *
 * All of it runs on the vCPU thread, but for vmm_inject_nmi().
 */
#include "vmm.h"
#include "trace.h"

enum exception_class { BENIGN, CONTRIBUTORY, PAGE_FAULT };

static enum exception_class classify(u8 vector)
{
	switch (vector) {
	case PF_VECTOR:
		return PAGE_FAULT;
	case DE_VECTOR:
	case TS_VECTOR:
	case NP_VECTOR:
	case SS_VECTOR:
	case GP_VECTOR:
		return CONTRIBUTORY;
	default:
		return BENIGN;
	}
}

/* Faults save RIP of the instruction and set RF in the saved flags; traps do not. */
static bool is_fault(u8 vector)
{
	switch (vector) {
	case DB_VECTOR:		/* as a data breakpoint or single step, a trap */
	case NMI_VECTOR:
	case BP_VECTOR:
	case OF_VECTOR:
	case DF_VECTOR:		/* aborts */
	case MC_VECTOR:
		return false;
	default:
		return true;
	}
}

static void queue(struct vmm_vcpu *vcpu, const struct vmm_exception *new)
{
	struct vmm_exception *ex = &vcpu->exception;
	enum exception_class first, second;

	vmm_make_request(vcpu, VMM_REQ_EVENT);
	if (!ex->pending && !ex->injected) {
		*ex = *new;
		return;
	}
	if (ex->vector == DF_VECTOR) {
		vmm_make_request(vcpu, VMM_REQ_TRIPLE_FAULT);
		ex->pending = ex->injected = false;
		return;
	}
	first = classify(ex->vector);
	second = classify(new->vector);
	if ((first == CONTRIBUTORY && second == CONTRIBUTORY) ||
	    (first == PAGE_FAULT && second != BENIGN)) {
		*ex = (struct vmm_exception) {
			.pending = true, .vector = DF_VECTOR, .has_error_code = true,
		};
	} else {
		/* Handled one after the other: the instruction will raise the first again. */
		*ex = *new;
	}
}

/**
 * vmm_queue_exception() - raise an exception without an error code
 * @vcpu: vCPU thread
 * @vector: below 32
 */
void vmm_queue_exception(struct vmm_vcpu *vcpu, u8 vector)
{
	queue(vcpu, &(struct vmm_exception) { .pending = true, .vector = vector });
}

/**
 * vmm_queue_exception_e() - raise an exception with an error code
 * @vcpu: vCPU thread
 * @vector: 8, 10-14, 17 or 21
 * @error_code: what is pushed; none in real mode
 */
void vmm_queue_exception_e(struct vmm_vcpu *vcpu, u8 vector, u32 error_code)
{
	queue(vcpu, &(struct vmm_exception) {
		.pending = true, .vector = vector, .error_code = error_code,
		.has_error_code = true,
	});
}

/**
 * vmm_queue_exception_p() - raise an exception that changes a register on delivery
 * @vcpu: vCPU thread
 * @vector: #DB
 * @payload: bits to set in DR6 (BD, BS, B0-B3; positive logic)
 */
void vmm_queue_exception_p(struct vmm_vcpu *vcpu, u8 vector, u64 payload)
{
	queue(vcpu, &(struct vmm_exception) {
		.pending = true, .vector = vector, .has_payload = true, .payload = payload,
	});
}

/**
 * vmm_queue_pf() - raise #PF
 * @vcpu: vCPU thread
 * @error_code: SDM figure 4-12
 * @cr2: the linear address; CR2 changes when the fault is delivered
 */
void vmm_queue_pf(struct vmm_vcpu *vcpu, u32 error_code, gva_t cr2)
{
	queue(vcpu, &(struct vmm_exception) {
		.pending = true, .vector = PF_VECTOR, .error_code = error_code,
		.has_error_code = true, .has_payload = true, .payload = cr2,
	});
}

/**
 * vmm_deliver_payload() - apply the register change of the pending exception
 * @vcpu: vCPU thread, vcpu->exception.has_payload
 */
void vmm_deliver_payload(struct vmm_vcpu *vcpu)
{
	struct vmm_exception *ex = &vcpu->exception;

	if (!ex->has_payload)
		return;
	switch (ex->vector) {
	case PF_VECTOR:
		vcpu->cr2 = ex->payload;
		break;
	case DB_VECTOR:
		/* B0-B3 reflect this event alone, the rest is sticky (SDM 18.2.3). */
		vcpu->dr6 &= ~(u64)0xful;
		vcpu->dr6 |= ex->payload;
		/* BLD (11) and RTM (16) are of inverted polarity. */
		vcpu->dr6 ^= ex->payload & (BIT(11) | BIT(16));
		break;
	}
	ex->has_payload = false;
	ex->payload = 0;
}

/**
 * vmm_inject_nmi() - post an NMI
 * @vcpu: any context
 */
void vmm_inject_nmi(struct vmm_vcpu *vcpu)
{
	atomic_inc(&vcpu->nmi_queued);
	vmm_make_request(vcpu, VMM_REQ_NMI);
	vmm_vcpu_kick(vcpu);
}

/**
 * vmm_collect_nmis() - take posted NMIs over
 * @vcpu: vCPU thread
 *
 * The CPU latches one NMI while another is handled, so two can wait when none is
 * in service and one otherwise.
 */
void vmm_collect_nmis(struct vmm_vcpu *vcpu)
{
	unsigned int limit = 2;

	if (!atomic_read(&vcpu->nmi_queued))
		return;
	if (vcpu->nmi_injected || vmm_backend.get_nmi_mask(vcpu))
		limit = 1;
	vcpu->nmi_pending = min_t(unsigned int, limit,
				  vcpu->nmi_pending + atomic_xchg(&vcpu->nmi_queued, 0));
	vmm_make_request(vcpu, VMM_REQ_EVENT);
}

/* ---- given back by the backend ------------------------------------------------------ */

void vmm_requeue_exception(struct vmm_vcpu *vcpu, u8 vector, bool has_error, u32 error_code)
{
	vcpu->exception = (struct vmm_exception) {
		.injected = true, .vector = vector,
		.has_error_code = has_error, .error_code = has_error ? error_code : 0,
	};
	vmm_make_request(vcpu, VMM_REQ_EVENT);
}

void vmm_requeue_irq(struct vmm_vcpu *vcpu, u8 vector, bool soft, u8 insn_len)
{
	vcpu->interrupt = (struct vmm_interrupt) {
		.injected = true, .soft = soft, .nr = vector, .insn_len = insn_len,
	};
	vmm_make_request(vcpu, VMM_REQ_EVENT);
}

void vmm_requeue_nmi(struct vmm_vcpu *vcpu)
{
	vcpu->nmi_injected = true;
	vmm_make_request(vcpu, VMM_REQ_EVENT);
}

/* ---- before an entry ------------------------------------------------------------------ */

/* An interrupt from user space's controller, or from those in the module. */
static bool irq_waits(struct vmm_vcpu *vcpu)
{
	if (vcpu->user_irq >= 0 && vmm_lapic_accepts_pic(vcpu))
		return true;
	return vcpu->lapic && vmm_irq_pending(vcpu);
}

static int take_irq(struct vmm_vcpu *vcpu)
{
	if (vcpu->user_irq >= 0 && vmm_lapic_accepts_pic(vcpu)) {
		int vector = vcpu->user_irq;

		vcpu->user_irq = -1;
		return vector;
	}
	return vmm_irq_take(vcpu);
}

static void inject_exception(struct vmm_vcpu *vcpu, bool again)
{
	struct vmm_exception *ex = &vcpu->exception;

	if (ex->has_error_code && !(vmm_cr0(vcpu) & X86_CR0_PE))
		ex->has_error_code = false;
	trace_vmm_inj_exception(vcpu->id, ex->vector, ex->has_error_code, ex->error_code, again);
	vmm_backend.inject_exception(vcpu);
}

/**
 * vmm_inject_pending() - decide what enters the guest with the next entry
 * @vcpu: vCPU thread, preemption on, SRCU held
 *
 * An event whose delivery was cut short goes first; else a pending exception, an
 * NMI, an interrupt. For what must wait, the backend is told to exit as soon as
 * the guest can take it.
 *
 * Return: 0.
 */
int vmm_inject_pending(struct vmm_vcpu *vcpu)
{
	struct vmm_exception *ex = &vcpu->exception;
	bool room = true;

	if (ex->injected) {
		inject_exception(vcpu, true);
		room = false;
	} else if (!ex->pending) {
		if (vcpu->nmi_injected) {
			vmm_backend.inject_nmi(vcpu);
			room = false;
		} else if (vcpu->interrupt.injected) {
			trace_vmm_inj_virq(vcpu->id, vcpu->interrupt.nr, vcpu->interrupt.soft, true);
			vmm_backend.inject_irq(vcpu);
			room = false;
		}
	} else {
		/*
		 * A new exception on top of an interrupt or NMI in delivery: those
		 * are lost on real hardware only when they caused it, which the
		 * exception's own delivery then accounts for.
		 */
		vcpu->nmi_injected = false;
		vcpu->interrupt.injected = false;
	}

	if (ex->pending) {
		if (is_fault(ex->vector))
			vmm_set_rflags(vcpu, vmm_rflags(vcpu) | X86_EFLAGS_RF);
		if (ex->vector == DB_VECTOR) {
			vmm_deliver_payload(vcpu);
			if (vcpu->dr7 & DR7_GENERAL_DETECT) {
				vcpu->dr7 &= ~(u64)DR7_GENERAL_DETECT;
				vmm_update_db(vcpu);
			}
		} else {
			vmm_deliver_payload(vcpu);
		}
		ex->pending = false;
		ex->injected = true;
		inject_exception(vcpu, false);
		room = false;
	}

	/* A debugger steps through what it was asked to, not through handlers. */
	if (unlikely(vcpu->guest_debug & KVM_GUESTDBG_BLOCKIRQ))
		return 0;

	if (vcpu->nmi_pending) {
		if (room && vmm_backend.nmi_allowed(vcpu)) {
			vcpu->nmi_pending--;
			vcpu->nmi_injected = true;
			vcpu->stats.nmi_injections++;
			vmm_backend.inject_nmi(vcpu);
			room = false;
		}
		if (vcpu->nmi_pending)
			vmm_backend.open_nmi_window(vcpu);
	}

	if (irq_waits(vcpu)) {
		if (room && vmm_backend.irq_allowed(vcpu)) {
			int vector = take_irq(vcpu);

			if (vector >= 0) {
				vcpu->interrupt = (struct vmm_interrupt) {
					.injected = true, .nr = vector,
				};
				trace_vmm_inj_virq(vcpu->id, vector, false, false);
				vcpu->stats.irq_injections++;
				vmm_backend.inject_irq(vcpu);
			}
		}
		if (irq_waits(vcpu))
			vmm_backend.open_irq_window(vcpu);
	}
	return 0;
}

/**
 * vmm_has_events() - would this vCPU leave HLT?
 * @vcpu: vCPU thread
 */
bool vmm_has_events(struct vmm_vcpu *vcpu)
{
	if (vcpu->lapic && vmm_lapic_events_pending(vcpu))
		return true;
	if (vcpu->mp_state == KVM_MP_STATE_UNINITIALIZED ||
	    vcpu->mp_state == KVM_MP_STATE_INIT_RECEIVED)
		return false;
	if (vcpu->exception.pending || vcpu->exception.injected || READ_ONCE(vcpu->unhalted))
		return true;
	if (atomic_read(&vcpu->nmi_queued) || vcpu->nmi_pending)
		if (vmm_backend.nmi_allowed(vcpu) || !vmm_backend.get_nmi_mask(vcpu))
			return true;
	if (vcpu->lapic && vmm_lapic_timer_pending(vcpu))
		return true;
	return irq_waits(vcpu) && vmm_backend.irq_allowed(vcpu);
}
