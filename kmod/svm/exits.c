// SPDX-License-Identifier: GPL-2.0-only
/*
 * From an exit code (APM volume 2, appendix C) to struct vmm_exit.
 */
#define pr_fmt(fmt) "vmm: svm: " fmt

#include <uapi/asm/svm.h>

#include "svm.h"

#define INSN_MAX		15
#define CR_IS_MOV		BIT_ULL(63)	/* EXITINFO1 of CR accesses, APM 15.33.2 */
#define TASK_IRET		BIT_ULL(36)	/* EXITINFO2 of task switches, APM 15.14.1 */
#define TASK_JMP		BIT_ULL(38)
#define TASK_ERROR_CODE		BIT_ULL(44)

/* Exits that say all they have to say by their code. */
static const u8 plain[] = {
	[SVM_EXIT_INTR]		= VMM_EXIT_INTR,
	[SVM_EXIT_NMI]		= VMM_EXIT_NMI,		/* was taken at STGI, as were: */
	[SVM_EXIT_SMI]		= VMM_EXIT_INTR,
	[SVM_EXIT_INIT]		= VMM_EXIT_INTR,
	[SVM_EXIT_RDPMC]	= VMM_EXIT_RDPMC,
	[SVM_EXIT_CPUID]	= VMM_EXIT_CPUID,
	[SVM_EXIT_INVD]		= VMM_EXIT_INVD,
	[SVM_EXIT_PAUSE]	= VMM_EXIT_PAUSE,
	[SVM_EXIT_HLT]		= VMM_EXIT_HLT,
	[SVM_EXIT_VMMCALL]	= VMM_EXIT_HYPERCALL,
	[SVM_EXIT_WBINVD]	= VMM_EXIT_WBINVD,
	[SVM_EXIT_MONITOR]	= VMM_EXIT_MONITOR,
	[SVM_EXIT_MWAIT]	= VMM_EXIT_MWAIT,
	[SVM_EXIT_MWAIT_COND]	= VMM_EXIT_MWAIT,
	[SVM_EXIT_XSETBV]	= VMM_EXIT_XSETBV,
	[SVM_EXIT_INVLPGA]	= VMM_EXIT_UD,
	[SVM_EXIT_VMRUN]	= VMM_EXIT_UD,
	[SVM_EXIT_VMLOAD ... SVM_EXIT_RDTSCP] = VMM_EXIT_UD,	/* SVM's own between them */
	[SVM_EXIT_RDPRU]	= VMM_EXIT_UD,
	[SVM_EXIT_INVPCID]	= VMM_EXIT_UD,
};

static void control_register(struct svm_vcpu *svm, u8 nr, bool write)
{
	struct vmm_exit *exit = &svm->vcpu.exit;
	u64 info = svm->vmcb->exit_info1;

	exit->reason = write ? VMM_EXIT_CR_WRITE : VMM_EXIT_CR_READ;
	exit->cr.nr = nr;
	exit->cr.decoded = false;
	if (!svm_features.decode_assists)
		return;
	if (info & CR_IS_MOV) {
		exit->cr.decoded = true;
		exit->cr.gpr = info & 0xf;
	} else {
		exit->reason = VMM_EXIT_EMULATE;	/* LMSW, SMSW, CLTS */
	}
}

static void debug_register(struct svm_vcpu *svm, u8 nr, bool in)
{
	struct vmm_exit *exit = &svm->vcpu.exit;

	exit->reason = VMM_EXIT_DR;
	exit->dr.nr = nr;
	exit->dr.in = in;
	exit->dr.decoded = svm_features.decode_assists;
	if (exit->dr.decoded)
		exit->dr.gpr = svm->vmcb->exit_info1 & 0xf;
}

static void exception(struct svm_vcpu *svm, u8 vector)
{
	struct vmm_exit *exit = &svm->vcpu.exit;
	struct vmcb *vmcb = svm->vmcb;

	exit->reason = VMM_EXIT_EXCEPTION;
	exit->exception.vector = vector;
	exit->exception.has_error = false;
	exit->exception.error_code = 0;
	exit->exception.address = 0;
	switch (vector) {
	case X86_TRAP_MC:
		exit->reason = VMM_EXIT_MCE;
		return;
	case X86_TRAP_DB:
		exit->exception.address = vmcb->dr6 ^ DR6_FIXED_1;
		if (!(svm->step_added & X86_EFLAGS_TF))
			return;
		/* Our own single step: what else the trap says is the guest's. */
		svm->nmi_step = false;
		exit->exception.address &= ~(u64)DR_STEP;
		if (!exit->exception.address)
			exit->reason = VMM_EXIT_NMI_WINDOW;
		return;
	case X86_TRAP_AC:
	case X86_TRAP_PF:
	case X86_TRAP_GP:
		exit->exception.has_error = true;
		exit->exception.error_code = vmcb->exit_info1;
		exit->exception.address = vmcb->exit_info2;
		return;
	}
}

static void port_io(struct svm_vcpu *svm)
{
	struct vmm_exit *exit = &svm->vcpu.exit;
	struct vmcb *vmcb = svm->vmcb;
	u64 info = vmcb->exit_info1;

	exit->reason = VMM_EXIT_IO;
	exit->io.port = info >> 16;
	exit->io.size = (info >> 4) & 7;
	exit->io.in = info & BIT(0);
	exit->io.string = info & BIT(2);
	exit->io.rep = info & BIT(3);
	/* This exit gives the next RIP on every CPU (APM 15.10.2). */
	if (vmcb->exit_info2 - vmcb->rip <= INSN_MAX)
		exit->insn_len = vmcb->exit_info2 - vmcb->rip;
}

static void nested_page_fault(struct svm_vcpu *svm)
{
	struct vmm_exit *exit = &svm->vcpu.exit;
	u64 info = svm->vmcb->exit_info1;
	u32 access;

	if (info & NPF_I)
		access = VMM_ACCESS_EXEC;
	else
		access = info & NPF_W ? VMM_ACCESS_WRITE : VMM_ACCESS_READ;
	if (info & NPF_U)
		access |= VMM_ACCESS_USER;
	if (info & NPF_P)
		access |= VMM_ACCESS_PRESENT;
	if (info & NPF_WALK)
		access |= VMM_ACCESS_GUEST_PT;
	exit->reason = info & NPF_RSV ? VMM_EXIT_MMIO : VMM_EXIT_MEMORY;
	exit->memory.gpa = svm->vmcb->exit_info2;
	exit->memory.access = access;
	exit->memory.gva_valid = false;
}

static void task_switch(struct svm_vcpu *svm)
{
	struct vmm_exit *exit = &svm->vcpu.exit;
	struct vmcb *vmcb = svm->vmcb;
	u64 info = vmcb->exit_info2;
	u32 event = vmcb->exit_int_info;
	u8 vector = event & EVENT_VECTOR;

	exit->reason = VMM_EXIT_TASK_SWITCH;
	exit->task.selector = vmcb->exit_info1;
	exit->task.has_error = info & TASK_ERROR_CODE;
	exit->task.error_code = exit->task.has_error ? info : 0;
	exit->task.idt_vector = -1;
	exit->task.soft = false;
	if (info & TASK_IRET) {
		exit->task.reason = 1;
	} else if (info & TASK_JMP) {
		exit->task.reason = 2;
	} else if (event & EVENT_V) {
		exit->task.reason = 3;
		exit->task.idt_vector = vector;
		exit->task.soft = (event & EVENT_TYPE) == EVENT_SOFT_INTR ||
				  ((event & EVENT_TYPE) == EVENT_EXCEPTION &&
				   (vector == X86_TRAP_BP || vector == X86_TRAP_OF));
	} else {
		exit->task.reason = 0;
	}
}

/* Of instructions only, and not of those that are no faults (appendix C). */
static bool has_next_rip(u64 code)
{
	switch (code) {
	case SVM_EXIT_READ_CR0 ... SVM_EXIT_EXCP_BASE - 1:
	case SVM_EXIT_CR0_SEL_WRITE ... SVM_EXIT_MSR:
	case SVM_EXIT_VMRUN ... SVM_EXIT_RDPRU:
	case SVM_EXIT_INVPCID:
		return true;
	default:
		return false;
	}
}

/**
 * svm_normalise_exit() - fill vcpu->exit from the VMCB
 * @svm: just after an exit; exit.in_delivery is already set
 */
void svm_normalise_exit(struct svm_vcpu *svm)
{
	struct vmm_exit *exit = &svm->vcpu.exit;
	struct vmcb *vmcb = svm->vmcb;
	u64 code = vmcb->exit_code;

	exit->hw_reason = code;
	exit->insn_len = 0;
	exit->qual = 0;
	if (svm_features.nrips && has_next_rip(code) && vmcb->next_rip - vmcb->rip <= INSN_MAX)
		exit->insn_len = vmcb->next_rip - vmcb->rip;

	if (code < ARRAY_SIZE(plain) && plain[code]) {
		exit->reason = plain[code];
		return;
	}
	switch (code) {
	case SVM_EXIT_READ_CR0 ... SVM_EXIT_READ_CR0 + 15:
		control_register(svm, code - SVM_EXIT_READ_CR0, false);
		break;
	case SVM_EXIT_WRITE_CR0 ... SVM_EXIT_WRITE_CR0 + 15:
		control_register(svm, code - SVM_EXIT_WRITE_CR0, true);
		break;
	case SVM_EXIT_CR0_SEL_WRITE:
		control_register(svm, 0, true);
		break;
	case SVM_EXIT_READ_DR0 ... SVM_EXIT_READ_DR0 + 15:
		debug_register(svm, code - SVM_EXIT_READ_DR0, true);
		break;
	case SVM_EXIT_WRITE_DR0 ... SVM_EXIT_WRITE_DR0 + 15:
		debug_register(svm, code - SVM_EXIT_WRITE_DR0, false);
		break;
	case SVM_EXIT_EXCP_BASE ... SVM_EXIT_EXCP_BASE + 31:
		exception(svm, code - SVM_EXIT_EXCP_BASE);
		break;
	case SVM_EXIT_VINTR:
		svm_close_irq_window(svm);
		exit->reason = VMM_EXIT_IRQ_WINDOW;
		break;
	case SVM_EXIT_IRET:
		svm_iret_exit(svm);
		exit->reason = VMM_EXIT_NMI_WINDOW;
		break;
	case SVM_EXIT_IOIO:
		port_io(svm);
		break;
	case SVM_EXIT_MSR:
		exit->reason = vmcb->exit_info1 & 1 ? VMM_EXIT_WRMSR : VMM_EXIT_RDMSR;
		break;
	case SVM_EXIT_TASK_SWITCH:
		task_switch(svm);
		break;
	case SVM_EXIT_NPF:
		nested_page_fault(svm);
		break;
	case SVM_EXIT_SHUTDOWN:
		exit->reason = VMM_EXIT_TRIPLE_FAULT;
		/* What the CPU left in the VMCB is undefined (APM 15.14.3). */
		exit->qual = VMM_TRIPLE_FAULT_STATE_LOST;
		break;
	case (u32)SVM_EXIT_ERR:
	case (u64)SVM_EXIT_ERR:
		exit->reason = VMM_EXIT_FAIL_ENTRY;
		exit->qual = (u32)code;
		/*
		 * QEMU's emulator writes back what it had not loaded yet: int_ctl is 0. The
		 * next entry without V_INTR_MASKING would leave the host's interrupts to the
		 * guest's IF.
		 */
		vmcb->int_ctl |= svm_int_ctl();
		break;
	default:
		exit->reason = VMM_EXIT_UNKNOWN;
		exit->qual = vmcb->exit_info1;
	}
}
