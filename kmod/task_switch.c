// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware task switches, which both vendors leave to the hypervisor: emul/task.c does the work,
 * here is what surrounds it. SDM 28.4.2, APM 15.14.1.
 */
#include <linux/kvm.h>

#include "vmm.h"
#include "emulate.h"

/* How often a switch begins anew because another vCPU changed a descriptor under it */
#define ATTEMPTS	16

#define DR6_TASK	BIT_ULL(15)	/* BT */

static void task_of_exit(const struct vmm_exit *x, struct emul_task *t)
{
	*t = (struct emul_task) {
		.reason = x->task.reason, .selector = x->task.selector,
		.vector = x->task.soft ? x->task.idt_vector : -1,
		.has_error = x->task.has_error, .error = x->task.error_code,
	};
	t->ext = t->reason == EMUL_TASK_GATE && !x->task.soft;
}

/* The switch is an NMI's delivery, or the IRET that ends its handler */
static void track_nmi(struct vmm_vcpu *vcpu, const struct emul_task *t)
{
	if (t->reason == EMUL_TASK_IRET)
		vmm_backend.set_nmi_mask(vcpu, false);
	else if (t->ext && vcpu->exit.task.idt_vector == NMI_VECTOR)
		vmm_backend.set_nmi_mask(vcpu, true);
}

/**
 * vmm_task_switch() - do the task switch that the guest was left for
 * @vcpu: vCPU thread, SRCU held, vcpu->exit.task valid
 *
 * Return: 1 to re-enter the guest, 0 to go to user space with kvm_run filled in.
 */
int vmm_task_switch(struct vmm_vcpu *vcpu)
{
	struct vmm_emulation *em = vcpu->emulation;
	struct emul *e = &em->e;
	unsigned int attempt, len = vcpu->exit.insn_len;
	struct emul_task t;
	enum emul_status st;
	u64 rip;

	task_of_exit(&vcpu->exit, &t);
	/* an instruction's switch returns behind it, an event's to where it struck */
	if (!len && !t.ext) {
		len = vmm_decode_length(vcpu);
		if (!len)
			return vmm_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION);
	}
	em->hint_access = 0;
	em->nreads = em->read_at = 0;
	em->nwrites = em->write_at = 0;
	for (attempt = 0; attempt < ATTEMPTS; attempt++) {
		vmm_emulation_load(em, true);
		rip = e->rip;
		e->rip = (u32)(rip + len);
		st = emul_task_switch(e, &t);
		if (st != EMUL_RETRY)
			break;
	}
	/* a TSS in a device: nobody does that, and user space is not asked */
	if (em->nwrites)
		st = EMUL_UNHANDLEABLE;
	if (!e->branched)
		e->rip = rip;
	vmm_emulation_store(em);
	if (e->branched) {
		track_nmi(vcpu, &t);
		if (vmm_shadow(vcpu))
			vmm_set_shadow(vcpu, 0);
		vmm_make_request(vcpu, VMM_REQ_EVENT);
	}
	switch (st) {
	case EMUL_OK:
		if (e->task_trap)
			vmm_queue_exception_p(vcpu, DB_VECTOR, DR6_TASK);
		return 1;
	case EMUL_FAULT:
		return vmm_emulation_raise(vcpu, &e->fault, 0);
	default:
		return vmm_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION);
	}
}
