// SPDX-License-Identifier: GPL-2.0-only
/*
 * From VMX exit reasons (SDM appendix C) to the common ones. Nothing is decided
 * here beyond what the fields mean (SDM 28.2).
 */
#include "guest_state.h"
#include "vmx/vmx.h"

/* Exits that an instruction causes: its length is valid (SDM 28.2.5). */
static const u8 instruction_exits[] = {
	[EXIT_REASON_CPUID]		= VMM_EXIT_CPUID,
	[EXIT_REASON_HLT]		= VMM_EXIT_HLT,
	[EXIT_REASON_INVD]		= VMM_EXIT_INVD,
	[EXIT_REASON_RDPMC]		= VMM_EXIT_RDPMC,
	[EXIT_REASON_VMCALL]		= VMM_EXIT_HYPERCALL,
	[EXIT_REASON_MSR_READ]		= VMM_EXIT_RDMSR,
	[EXIT_REASON_MSR_WRITE]		= VMM_EXIT_WRMSR,
	[EXIT_REASON_MWAIT_INSTRUCTION]	= VMM_EXIT_MWAIT,
	[EXIT_REASON_MONITOR_INSTRUCTION] = VMM_EXIT_MONITOR,
	[EXIT_REASON_WBINVD]		= VMM_EXIT_WBINVD,
	[EXIT_REASON_XSETBV]		= VMM_EXIT_XSETBV,
	[EXIT_REASON_GDTR_IDTR]		= VMM_EXIT_EMULATE,
	[EXIT_REASON_LDTR_TR]		= VMM_EXIT_EMULATE,
	/* VMX and SMX do not exist for the guest, yet exit before the #UD check. */
	[VMX_REASON_GETSEC]		= VMM_EXIT_UD,
	[VMX_REASON_RSM]		= VMM_EXIT_UD,
	[EXIT_REASON_VMCLEAR ... EXIT_REASON_VMON] = VMM_EXIT_UD,
	[EXIT_REASON_INVEPT ... EXIT_REASON_RDTSCP] = VMM_EXIT_UD,
	[EXIT_REASON_INVVPID]		= VMM_EXIT_UD,
	[EXIT_REASON_INVPCID ... EXIT_REASON_ENCLS] = VMM_EXIT_UD,	/* and VMFUNC */
	[EXIT_REASON_XSAVES ... EXIT_REASON_XRSTORS] = VMM_EXIT_UD,
	[EXIT_REASON_UMWAIT ... EXIT_REASON_TPAUSE] = VMM_EXIT_UD,
	[VMX_REASON_ENCLV]		= VMM_EXIT_UD,
	[VMX_REASON_SEAMCALL ... VMX_REASON_TDCALL] = VMM_EXIT_UD,
};

/* Nearly all of these end with the step over the instruction. */
static void instruction(struct vmm_vcpu *vcpu)
{
	vcpu->exit.insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	vmx_cache_insn(vcpu);
}

/* Exits that can come in the middle of an event's delivery (SDM 28.2.4). */
#define MAY_INTERRUPT_DELIVERY						\
	(BIT_ULL(EXIT_REASON_EXCEPTION_NMI) | BIT_ULL(EXIT_REASON_TRIPLE_FAULT) | \
	 BIT_ULL(EXIT_REASON_TASK_SWITCH) | BIT_ULL(EXIT_REASON_EPT_MISCONFIG) | \
	 BIT_ULL(EXIT_REASON_PML_FULL))

static void control_register(struct vmm_exit *e)
{
	static const u8 reasons[] = {
		VMM_EXIT_CR_WRITE, VMM_EXIT_CR_READ, VMM_EXIT_CLTS, VMM_EXIT_LMSW,
	};
	u64 qual = e->qual;

	e->reason = reasons[qual >> 4 & 3];
	e->cr.nr = qual & 15;
	e->cr.gpr = qual >> 8 & 15;
	e->cr.decoded = true;
	if (e->reason == VMM_EXIT_LMSW)
		e->qual = (u16)(qual >> LMSW_SOURCE_DATA_SHIFT);
}

static void debug_register(struct vmm_exit *e)
{
	e->reason = VMM_EXIT_DR;
	e->dr.nr = e->qual & DEBUG_REG_ACCESS_NUM;
	e->dr.in = e->qual & TYPE_MOV_FROM_DR;
	e->dr.gpr = DEBUG_REG_ACCESS_REG(e->qual);
	e->dr.decoded = true;
}

static void port_io(struct vmm_exit *e)
{
	e->reason = VMM_EXIT_IO;
	e->io.size = (e->qual & 7) + 1;
	e->io.in = e->qual & BIT(3);
	e->io.string = e->qual & BIT(4);
	e->io.rep = e->qual & BIT(5);
	e->io.port = e->qual >> 16;
}

static_assert(EPT_VIOLATION_ACC_READ == VMM_ACCESS_READ &&
	      EPT_VIOLATION_ACC_WRITE == VMM_ACCESS_WRITE &&
	      EPT_VIOLATION_ACC_INSTR == VMM_ACCESS_EXEC);

static void ept_violation(struct vmm_exit *e)
{
	u32 access = e->qual & (VMM_ACCESS_READ | VMM_ACCESS_WRITE | VMM_ACCESS_EXEC);

	if (e->qual & EPT_VIOLATION_RWX_MASK)
		access |= VMM_ACCESS_PRESENT;
	e->reason = VMM_EXIT_MEMORY;
	e->memory.gpa = vmcs_read(GUEST_PHYSICAL_ADDRESS);
	e->memory.gva_valid = e->qual & EPT_VIOLATION_GVA_IS_VALID;
	if (e->memory.gva_valid) {
		e->memory.gva = vmcs_read(GUEST_LINEAR_ADDRESS);
		if (!(e->qual & EPT_VIOLATION_GVA_TRANSLATED))
			access |= VMM_ACCESS_GUEST_PT;
	}
	e->memory.access = access;
}

/* The length of the instruction that raised the event, where one did (SDM 28.2.5); or 0. */
static u32 software_len(u32 info)
{
	switch (info & INTR_INFO_INTR_TYPE_MASK) {
	case INTR_TYPE_SOFT_INTR:
	case INTR_TYPE_SOFT_EXCEPTION:
	case INTR_TYPE_PRIV_SW_EXCEPTION:
		return vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	default:
		return 0;
	}
}

static void exception(struct vmx_vcpu *vmx, struct vmm_exit *e, u32 info)
{
	u32 type = info & INTR_INFO_INTR_TYPE_MASK;

	/* A host handler has run, or does now, with whatever it reads. */
	if (type == INTR_TYPE_NMI_INTR) {
		e->reason = VMM_EXIT_NMI;
		vmx->vcpu.l1d_unclean = true;
		return;
	}
	if (type == INTR_TYPE_HARD_EXCEPTION && (info & INTR_INFO_VECTOR_MASK) == X86_TRAP_MC) {
		e->reason = VMM_EXIT_MCE;
		host_machine_check();
		vmx->vcpu.l1d_unclean = true;
		return;
	}
	e->reason = VMM_EXIT_EXCEPTION;
	e->exception.vector = info & INTR_INFO_VECTOR_MASK;
	e->exception.has_error = info & INTR_INFO_DELIVER_CODE_MASK;
	if (e->exception.has_error)
		e->exception.error_code = vmcs_read(VM_EXIT_INTR_ERROR_CODE);
	e->exception.address = e->qual;	/* #DB: DR6 bits, #PF: the address, else 0 */
	e->insn_len = vmx->event_insn_len = software_len(info);
	if (!e->insn_len && e->exception.vector == X86_TRAP_DB)
		vmx->check_single_step = true;	/* the exit saved none */
}

static void task_switch(struct vmm_exit *e, u32 vectoring)
{
	u32 type = vectoring & INTR_INFO_INTR_TYPE_MASK;

	e->reason = VMM_EXIT_TASK_SWITCH;
	e->task.selector = e->qual;
	e->task.reason = e->qual >> 30 & 3;
	e->task.idt_vector = -1;
	e->task.soft = false;
	e->task.has_error = false;
	if (e->task.reason != 3 || !(vectoring & INTR_INFO_VALID_MASK)) {
		e->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
		return;
	}
	/* The switch is the event's delivery: it is not to be delivered again. */
	e->task.idt_vector = vectoring & INTR_INFO_VECTOR_MASK;
	if (vectoring & INTR_INFO_DELIVER_CODE_MASK) {
		e->task.has_error = true;
		e->task.error_code = vmcs_read(IDT_VECTORING_ERROR_CODE);
	}
	e->task.soft = type == INTR_TYPE_SOFT_INTR || type == INTR_TYPE_SOFT_EXCEPTION;
	e->insn_len = software_len(vectoring);
}

/*
 * What SDM 28.2.3 and 28.2.4 leave to software: an event cut short in delivery, and
 * an IRET that had already lifted NMI blocking when it faulted.
 */
static void events_under_way(struct vmx_vcpu *vmx, struct vmm_exit *e, u16 basic, u32 vectoring)
{
	bool unblocked = false;

	e->in_delivery = vectoring & INTR_INFO_VALID_MASK;
	if (e->in_delivery) {
		if (basic != EXIT_REASON_TASK_SWITCH)
			vmx_requeue_event(vmx, vectoring, vmcs_read(IDT_VECTORING_ERROR_CODE),
					  software_len(vectoring));
		return;
	}
	if (basic == EXIT_REASON_EXCEPTION_NMI)
		unblocked = (vmx->intr_info & INTR_INFO_UNBLOCK_NMI) &&
			    (vmx->intr_info & INTR_INFO_VECTOR_MASK) != X86_TRAP_DF;
	else if (basic == EXIT_REASON_EPT_VIOLATION || basic == EXIT_REASON_PML_FULL)
		unblocked = e->qual & INTR_INFO_UNBLOCK_NMI;
	if (unblocked)
		vmx_set_nmi_mask(&vmx->vcpu, true);
}

static void memory_exit(struct vmx_vcpu *vmx)
{
	u32 vectoring = vmcs_read(IDT_VECTORING_INFO_FIELD);
	struct vmm_exit *e = &vmx->vcpu.exit;

	e->qual = vmcs_read(EXIT_QUALIFICATION);
	ept_violation(e);
	if (unlikely(vectoring & INTR_INFO_VALID_MASK || e->qual & INTR_INFO_UNBLOCK_NMI))
		events_under_way(vmx, e, EXIT_REASON_EPT_VIOLATION, vectoring);
}

static noinline void other_exit(struct vmx_vcpu *vmx, u16 basic)
{
	struct vmm_exit *e = &vmx->vcpu.exit;
	u32 vectoring = 0;

	if (basic < 64 && (BIT_ULL(basic) & MAY_INTERRUPT_DELIVERY))
		vectoring = vmcs_read(IDT_VECTORING_INFO_FIELD);

	switch (basic) {
	case EXIT_REASON_EXTERNAL_INTERRUPT:
		e->reason = VMM_EXIT_INTR;
		return;
	case EXIT_REASON_INTERRUPT_WINDOW:
		e->reason = VMM_EXIT_IRQ_WINDOW;
		vmx_set_cpu_based(vmx, vmx->cpu_based & ~CPU_BASED_INTR_WINDOW_EXITING);
		return;
	case EXIT_REASON_NMI_WINDOW:
		e->reason = VMM_EXIT_NMI_WINDOW;
		vmx_set_cpu_based(vmx, vmx->cpu_based & ~CPU_BASED_NMI_WINDOW_EXITING);
		return;
	case EXIT_REASON_PREEMPTION_TIMER:
		e->reason = VMM_EXIT_PREEMPT_TIMER;
		vmx->timer_deadline = ~0ull;
		return;
	case EXIT_REASON_TPR_BELOW_THRESHOLD:
		e->reason = VMM_EXIT_TPR_BELOW;
		return;
	case EXIT_REASON_PAUSE_INSTRUCTION:
		e->reason = VMM_EXIT_PAUSE;
		e->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
		vmx_set_ple_window(vmx, 2 * min(vmx->ple_window, U32_MAX / 2));
		return;
	case EXIT_REASON_TRIPLE_FAULT:
		e->reason = VMM_EXIT_TRIPLE_FAULT;
		return;
	}

	e->qual = vmcs_read(EXIT_QUALIFICATION);
	switch (basic) {
	case EXIT_REASON_CR_ACCESS:
		instruction(&vmx->vcpu);
		control_register(e);
		return;
	case EXIT_REASON_DR_ACCESS:
		instruction(&vmx->vcpu);
		debug_register(e);
		return;
	case EXIT_REASON_INVLPG:
		instruction(&vmx->vcpu);
		e->reason = VMM_EXIT_INVLPG;
		return;
	case EXIT_REASON_EXCEPTION_NMI:
		exception(vmx, e, vmx->intr_info);
		break;
	case EXIT_REASON_TASK_SWITCH:
		task_switch(e, vectoring);
		break;
	case EXIT_REASON_PML_FULL:
		/* As after every exit, what it holds has been taken. */
		e->reason = VMM_EXIT_NONE;
		break;
	case EXIT_REASON_EPT_MISCONFIG:
		/* The MMU engine makes no such entries: one is a bug or broken memory. */
		e->qual = vmcs_read(GUEST_PHYSICAL_ADDRESS);
		fallthrough;
	default:
		e->reason = VMM_EXIT_UNKNOWN;
		break;
	}
	events_under_way(vmx, e, basic, vectoring);
}

/**
 * vmx_normalise() - fill vcpu->exit after a VM exit that came out of the guest
 * @vmx: interrupts off
 * @reason: VM_EXIT_REASON
 */
void vmx_normalise(struct vmx_vcpu *vmx, u32 reason)
{
	struct vmm_exit *e = &vmx->vcpu.exit;
	u16 basic = reason;

	e->hw_reason = reason;
	e->insn_len = 0;
	e->in_delivery = false;
	e->qual = 0;
	vmx->event_insn_len = 0;

	if (basic < ARRAY_SIZE(instruction_exits) && instruction_exits[basic]) {
		e->reason = instruction_exits[basic];
		instruction(&vmx->vcpu);
	} else if (basic == EXIT_REASON_IO_INSTRUCTION) {
		e->qual = vmcs_read(EXIT_QUALIFICATION);
		port_io(e);
		instruction(&vmx->vcpu);
	} else if (basic == EXIT_REASON_EPT_VIOLATION) {
		memory_exit(vmx);
	} else {
		other_exit(vmx, basic);
	}
}
