// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each exit means, once for every backend: the table at the end, a function
 * per row. A handler returns 1 to re-enter the guest, 0 to go to user space with
 * kvm_run filled in, or -errno.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/kvm.h>
#include <linux/ratelimit.h>
#include <asm/cpu.h>

#include "vmm.h"
#include "trace.h"

/**
 * vmm_internal_error() - describe a KVM_EXIT_INTERNAL_ERROR
 * @vcpu: whose kvm_run is filled in
 * @suberror: KVM_INTERNAL_ERROR_*
 *
 * Return: 0, which a handler passes on.
 */
int vmm_internal_error(struct vmm_vcpu *vcpu, u32 suberror)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = suberror;
	run->internal.ndata = 0;
	memset(run->internal.data, 0, sizeof(run->internal.data));
	/* There data[0] are flags that say what follows (struct emulation_failure). */
	if (suberror == KVM_INTERNAL_ERROR_EMULATION)
		return 0;
	run->internal.ndata = 2;
	run->internal.data[0] = vcpu->exit.hw_reason;
	run->internal.data[1] = vcpu->last_cpu;
	return 0;
}

/**
 * vmm_skip_instruction() - step over the instruction that exited
 * @vcpu: just after its exit
 *
 * The length comes from the exit or, where the CPU gives none, from decoding.
 *
 * Return: 1, or 0 with kvm_run filled in when RFLAGS.TF belongs to user space's
 * debugger or the instruction cannot be read.
 */
int vmm_skip_instruction(struct vmm_vcpu *vcpu)
{
	unsigned int len = vcpu->exit.insn_len;
	unsigned long rip, next;

	if (!len) {
		len = vmm_insn_length(vcpu) ?: vmm_decode_length(vcpu);
		if (!len)
			return vmm_emulate(vcpu, VMM_INVALID_GPA, VMM_EMUL_SKIP);
	}
	rip = vmm_rip(vcpu);
	next = rip + len;
	/* IP and EIP wrap at their width; carry out of 32 bits stays in 64-bit code. */
	if (unlikely((rip ^ next) >> 32) && !vmm_64bit_mode(vcpu))
		next = (u32)next;
	vmm_set_rip(vcpu, next);
	if (unlikely(vmm_shadow(vcpu)))
		vmm_set_shadow(vcpu, 0);
	if (unlikely(vmm_rflags(vcpu) & X86_EFLAGS_TF))
		return vmm_singlestep_trap(vcpu);
	return 1;
}

/**
 * vmm_skip_or_gp() - end an instruction that either is done or faults
 * @vcpu: as for vmm_skip_instruction()
 * @fault: #GP(0), RIP staying where it is
 *
 * Return: as vmm_skip_instruction().
 */
int vmm_skip_or_gp(struct vmm_vcpu *vcpu, bool fault)
{
	if (!fault)
		return vmm_skip_instruction(vcpu);
	vmm_inject_gp(vcpu);
	return 1;
}

/* ---- instructions --------------------------------------------------------------- */

static int handle_hlt(struct vmm_vcpu *vcpu)
{
	int r = vmm_skip_instruction(vcpu);

	return r <= 0 ? r : vmm_halt(vcpu);
}

static int skip(struct vmm_vcpu *vcpu)
{
	return vmm_skip_instruction(vcpu);
}

static int inject_ud(struct vmm_vcpu *vcpu)
{
	vmm_inject_ud(vcpu);
	return 1;
}

/*
 * No-ops, as KVM has it: guests that find no MONITOR in CPUID may still use them. With
 * that quirk off, they are #UD where CPUID does not have them.
 */
static int handle_mwait(struct vmm_vcpu *vcpu)
{
	if (vcpu->vm->disabled_quirks & KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS &&
	    !vmm_guest_has(vcpu, X86_FEATURE_MWAIT))
		return inject_ud(vcpu);
	return vmm_skip_instruction(vcpu);
}

/* RIP stays: the first PAUSE after an entry does not exit (APM 15.14.4, SDM 26.1.3). */
static int handle_pause(struct vmm_vcpu *vcpu)
{
	vmm_on_spin(vcpu);
	return 1;
}

static int handle_invlpg(struct vmm_vcpu *vcpu)
{
	if (!vcpu->exit.insn_len)
		return vmm_emulate(vcpu, VMM_INVALID_GPA, 0);
	vmm_backend.flush_tlb_gva(vcpu, vcpu->exit.qual);
	return vmm_skip_instruction(vcpu);
}

static int handle_rdpmc(struct vmm_vcpu *vcpu)
{
	vmm_inject_gp(vcpu);	/* no PMU: every counter is out of range */
	return 1;
}

static int emulate(struct vmm_vcpu *vcpu)
{
	return vmm_emulate(vcpu, VMM_INVALID_GPA, 0);
}

static int handle_xsetbv(struct vmm_vcpu *vcpu)
{
	u32 index = vmm_reg(vcpu, VMM_RCX);
	u64 value = (u32)vmm_reg(vcpu, VMM_RAX) | (u64)vmm_reg(vcpu, VMM_RDX) << 32;

	if (!(vmm_cr4(vcpu) & X86_CR4_OSXSAVE)) {
		vmm_inject_ud(vcpu);
		return 1;
	}
	return vmm_skip_or_gp(vcpu, vmm_backend.cpl(vcpu) || vmm_set_xcr(vcpu, index, value));
}

/* ---- control and debug registers -------------------------------------------------- */

static int handle_cr_write(struct vmm_vcpu *vcpu)
{
	unsigned long value;
	bool fault;

	if (!vcpu->exit.cr.decoded && !vmm_insn_mov_cr(vcpu, true))
		return vmm_emulate(vcpu, VMM_INVALID_GPA, 0);
	value = vmm_reg(vcpu, vcpu->exit.cr.gpr);
	if (!vmm_64bit_mode(vcpu))
		value = (u32)value;
	switch (vcpu->exit.cr.nr) {
	case 0:
		fault = vmm_set_cr0(vcpu, value);
		break;
	case 3:
		fault = vmm_set_cr3(vcpu, value);
		break;
	case 4:
		fault = vmm_set_cr4(vcpu, value);
		break;
	case 8: {
		unsigned long before = vmm_get_cr8(vcpu);
		int r;

		fault = vmm_set_cr8(vcpu, value);
		r = vmm_skip_or_gp(vcpu, fault);
		/* Without a LAPIC here, user space has one to tell of a lowered TPR. */
		if (fault || r <= 0 || vcpu->lapic || before <= value)
			return r;
		vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
		return 0;
	}
	default:
		vmm_inject_ud(vcpu);
		return 1;
	}
	return vmm_skip_or_gp(vcpu, fault);
}

static int handle_cr_read(struct vmm_vcpu *vcpu)
{
	unsigned long value;

	if (!vcpu->exit.cr.decoded && !vmm_insn_mov_cr(vcpu, false))
		return vmm_emulate(vcpu, VMM_INVALID_GPA, 0);
	switch (vcpu->exit.cr.nr) {
	case 0:
		value = vmm_cr0(vcpu);
		break;
	case 2:
		value = vcpu->cr2;
		break;
	case 3:
		value = vmm_cr3(vcpu);
		break;
	case 4:
		value = vmm_cr4(vcpu);
		break;
	case 8:
		value = vmm_get_cr8(vcpu);
		break;
	default:
		vmm_inject_ud(vcpu);
		return 1;
	}
	vmm_set_reg(vcpu, vcpu->exit.cr.gpr, value);
	return vmm_skip_instruction(vcpu);
}

static int handle_clts(struct vmm_vcpu *vcpu)
{
	vmm_set_cr0(vcpu, vmm_cr0(vcpu) & ~X86_CR0_TS);
	return vmm_skip_instruction(vcpu);
}

static int handle_lmsw(struct vmm_vcpu *vcpu)
{
	vmm_lmsw(vcpu, vcpu->exit.qual);
	return vmm_skip_instruction(vcpu);
}

static int handle_dr(struct vmm_vcpu *vcpu)
{
	return vmm_handle_dr(vcpu);
}

/* ---- port I/O and memory ------------------------------------------------------------- */

static int handle_io(struct vmm_vcpu *vcpu)
{
	if (vcpu->exit.io.string)
		return vmm_emulate(vcpu, VMM_INVALID_GPA, 0);
	return vmm_pio(vcpu, vcpu->exit.io.port, vcpu->exit.io.size, vcpu->exit.io.in);
}

static int access_device(struct vmm_vcpu *vcpu, u64 gpa)
{
	int r;

	vcpu->stats.pf_mmio++;
	r = vmm_insn_mmio(vcpu, gpa);
	return r == VMM_NOT_NOW ? vmm_emulate(vcpu, gpa, 0) : r;
}

static int handle_memory(struct vmm_vcpu *vcpu)
{
	u64 gpa = vcpu->exit.memory.gpa;
	int r;

	vcpu->stats.pf_taken++;
	if (trace_vmm_page_fault_enabled())
		trace_vmm_page_fault(vcpu->id, vmm_rip(vcpu), gpa, vcpu->exit.memory.access);
	r = vmm_mmu_fault(vcpu, gpa, vcpu->exit.memory.access);
	if (r < 0)
		return r;
	if (r == VMM_FAULT_RETRY) {
		vcpu->stats.pf_fixed++;
		return 1;
	}
	/*
	 * The CPU was pushing an event's frame, or reading its descriptors, when it
	 * hit a device: no instruction to emulate. KVM gives up here too.
	 */
	if (vcpu->exit.in_delivery) {
		vmm_internal_error(vcpu, KVM_INTERNAL_ERROR_DELIVERY_EV);
		vcpu->run->internal.ndata = 3;
		vcpu->run->internal.data[2] = gpa;
		return 0;
	}
	return access_device(vcpu, gpa);
}

static int handle_mmio(struct vmm_vcpu *vcpu)
{
	if (vcpu->exit.in_delivery)
		return vmm_internal_error(vcpu, KVM_INTERNAL_ERROR_DELIVERY_EV);
	return access_device(vcpu, vcpu->exit.memory.gpa);
}

/* ---- events ---------------------------------------------------------------------------- */

static int handle_irq_window(struct vmm_vcpu *vcpu)
{
	vcpu->stats.irq_window_exits++;
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	return 1;
}

static int handle_nmi_window(struct vmm_vcpu *vcpu)
{
	vcpu->stats.nmi_window_exits++;
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	return 1;
}

static int handle_tpr_below(struct vmm_vcpu *vcpu)
{
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	return 1;
}

static int handle_preempt_timer(struct vmm_vcpu *vcpu)
{
	vmm_lapic_timer_exit(vcpu);
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	return 1;
}

static int reenter(struct vmm_vcpu *vcpu)
{
	return 1;
}

/*
 * #AC is intercepted lest it recur for ever in delivery. Without alignment checks in
 * force (SDM 6.15) it comes from the host's detection of split locks, which the guest
 * has not asked for: the host's policy warns and lets the access through, or answers
 * false and has sent SIGBUS.
 */
static int handle_ac(struct vmm_vcpu *vcpu)
{
	bool checked = vmm_backend.cpl(vcpu) == 3 && (vmm_cr0(vcpu) & X86_CR0_AM) &&
		       (vmm_rflags(vcpu) & X86_EFLAGS_AC);

	if (checked || !boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT)) {
		vmm_queue_exception_e(vcpu, AC_VECTOR, vcpu->exit.exception.error_code);
		return 1;
	}
	if (handle_guest_split_lock(vmm_rip(vcpu)))
		return 1;
	vcpu->run->exit_reason = KVM_EXIT_EXCEPTION;
	vcpu->run->ex.exception = AC_VECTOR;
	vcpu->run->ex.error_code = vcpu->exit.exception.error_code;
	return 0;
}

static int handle_exception(struct vmm_vcpu *vcpu)
{
	u8 vector = vcpu->exit.exception.vector;

	switch (vector) {
	case DB_VECTOR:
	case BP_VECTOR:
		return vmm_debug_exception(vcpu);
	case UD_VECTOR:
		return vmm_emulate(vcpu, VMM_INVALID_GPA, VMM_EMUL_UD);
	case AC_VECTOR:
		return handle_ac(vcpu);
	case PF_VECTOR:
		vmm_queue_pf(vcpu, vcpu->exit.exception.error_code,
			     vcpu->exit.exception.address);
		return 1;
	case GP_VECTOR:
		vmm_queue_exception_e(vcpu, GP_VECTOR, vcpu->exit.exception.error_code);
		return 1;
	default:
		vcpu->run->exit_reason = KVM_EXIT_EXCEPTION;
		vcpu->run->ex.exception = vector;
		vcpu->run->ex.error_code = vcpu->exit.exception.error_code;
		return 0;
	}
}

static int handle_triple_fault(struct vmm_vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	if (vcpu->exit.qual & VMM_TRIPLE_FAULT_STATE_LOST)
		vmm_vcpu_reset(vcpu, true);
	return 0;
}

static int handle_fail_entry(struct vmm_vcpu *vcpu)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 2);

	vcpu->run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	vcpu->run->fail_entry.hardware_entry_failure_reason = vcpu->exit.qual;
	vcpu->run->fail_entry.cpu = vcpu->last_cpu;
	if (vmm_backend.dump && __ratelimit(&limit))
		vmm_backend.dump(vcpu);
	return 0;
}

static int handle_unknown(struct vmm_vcpu *vcpu)
{
	pr_warn_ratelimited("%s: vCPU %d: unexpected exit %#x, qualification %#llx\n",
			    vcpu->vm->name, vcpu->id, vcpu->exit.hw_reason, vcpu->exit.qual);
	return vmm_internal_error(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);
}

int (*const vmm_exit_handlers[VMM_NR_EXITS])(struct vmm_vcpu *vcpu) = {
	[VMM_EXIT_NONE]			= reenter,
	[VMM_EXIT_INTR]			= reenter,
	[VMM_EXIT_NMI]			= reenter,
	[VMM_EXIT_IRQ_WINDOW]		= handle_irq_window,
	[VMM_EXIT_NMI_WINDOW]		= handle_nmi_window,
	[VMM_EXIT_EXCEPTION]		= handle_exception,
	[VMM_EXIT_TRIPLE_FAULT]		= handle_triple_fault,
	[VMM_EXIT_CPUID]		= vmm_handle_cpuid,
	[VMM_EXIT_HLT]			= handle_hlt,
	[VMM_EXIT_PAUSE]		= handle_pause,
	[VMM_EXIT_MONITOR]		= handle_mwait,
	[VMM_EXIT_MWAIT]		= handle_mwait,
	[VMM_EXIT_INVD]			= skip,		/* caches are coherent: nothing to lose */
	[VMM_EXIT_WBINVD]		= skip,
	[VMM_EXIT_INVLPG]		= handle_invlpg,
	[VMM_EXIT_RDPMC]		= handle_rdpmc,
	[VMM_EXIT_HYPERCALL]		= vmm_hypercall,
	[VMM_EXIT_CR_READ]		= handle_cr_read,
	[VMM_EXIT_CR_WRITE]		= handle_cr_write,
	[VMM_EXIT_CLTS]			= handle_clts,
	[VMM_EXIT_LMSW]			= handle_lmsw,
	[VMM_EXIT_DR]			= handle_dr,
	[VMM_EXIT_IO]			= handle_io,
	[VMM_EXIT_RDMSR]		= vmm_rdmsr,
	[VMM_EXIT_WRMSR]		= vmm_wrmsr,
	[VMM_EXIT_XSETBV]		= handle_xsetbv,
	[VMM_EXIT_MEMORY]		= handle_memory,
	[VMM_EXIT_MMIO]			= handle_mmio,
	[VMM_EXIT_TASK_SWITCH]		= vmm_task_switch,
	[VMM_EXIT_EMULATE]		= emulate,
	[VMM_EXIT_UD]			= inject_ud,
	[VMM_EXIT_TPR_BELOW]		= handle_tpr_below,
	[VMM_EXIT_PREEMPT_TIMER]	= handle_preempt_timer,
	[VMM_EXIT_MCE]			= reenter,	/* the host has handled it */
	[VMM_EXIT_FAIL_ENTRY]		= handle_fail_entry,
	[VMM_EXIT_UNKNOWN]		= handle_unknown,
};

/* ---- with interrupts off ---------------------------------------------------------------- */

/* Memory that is to be mapped has to be asked for, as a rule: that is no quick affair. */
static bool memory_may_be_quick(struct vmm_vcpu *vcpu)
{
	u64 gfn = vcpu->exit.memory.gpa >> PAGE_SHIFT;

	return ((vcpu->exit.memory.access & VMM_ACCESS_PRESENT) || *vmm_hole(vcpu, gfn) == gfn) &&
	       !vcpu->exit.in_delivery && !trace_vmm_page_fault_enabled();
}

static noinline int memory_quickly(struct vmm_vcpu *vcpu)
{
	const u64 gpa = vcpu->exit.memory.gpa, gfn = gpa >> PAGE_SHIFT;
	const u32 access = vcpu->exit.memory.access;
	struct vmm_vm *vm = vcpu->vm;
	int idx, r = VMM_FAULT_MMIO;
	struct vmm_slot *slot;

	idx = srcu_read_lock(&vm->srcu);
	slot = vmm_vcpu_find_slot(vcpu, gfn);
	if (unlikely(slot))
		r = vmm_mmu_fault_quickly(vm, slot, gfn, access);
	if (r == VMM_FAULT_RETRY) {
		vcpu->stats.pf_fixed++;
		r = 1;
	} else if (r == VMM_FAULT_MMIO) {
		/* Code that is not there to be read is the emulator's. */
		pagefault_disable();
		r = vmm_insn_mmio(vcpu, gpa);
		pagefault_enable();
		vcpu->stats.pf_mmio += r != VMM_NOT_NOW;
	} else {
		r = VMM_NOT_NOW;
	}
	srcu_read_unlock(&vm->srcu, idx);
	vcpu->stats.pf_taken += r != VMM_NOT_NOW;
	return r;
}

/**
 * vmm_handle_quickly() - handle an exit before interrupts go back on, if that can be done
 * @vcpu: its thread; interrupts off, SRCU not held, the guest's extended state loaded
 *
 * Nothing here waits, for a lock or for memory: what would is the table's.
 *
 * Return: as a handler; or VMM_NOT_NOW: nothing has happened, the exit is the table's.
 */
int vmm_handle_quickly(struct vmm_vcpu *vcpu)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return VMM_NOT_NOW;	/* its spinlocks wait */
	if (vcpu->exit.reason == VMM_EXIT_MEMORY)
		return memory_may_be_quick(vcpu) ? memory_quickly(vcpu) : VMM_NOT_NOW;
	/* Without its length, stepping over an instruction takes a look at it. */
	if (!vcpu->exit.insn_len)
		return VMM_NOT_NOW;
	switch (vcpu->exit.reason) {
	case VMM_EXIT_CPUID:
		return vmm_handle_cpuid(vcpu);
	case VMM_EXIT_RDMSR:
		return vmm_rdmsr_quickly(vcpu);
	case VMM_EXIT_WRMSR:
		return vmm_wrmsr_quickly(vcpu);
	case VMM_EXIT_HYPERCALL:
		return vmm_hypercall_quickly(vcpu);
	case VMM_EXIT_IO:
		return vmm_pio_quickly(vcpu);
	default:
		return VMM_NOT_NOW;
	}
}
